package server

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/latent-go/latent/collection"
	"github.com/latent-go/latent/collection/point"
)

// BenchmarkServer takes what the handler costs beside the collection: n points of d dimensions, all compared by a query.
func BenchmarkServer(b *testing.B) {
	const n, d, batch = 2000, 128, 500
	s := open(b, Options{})
	must(b, s, "PUT", "/collections/c", fmt.Sprintf(`{"vectors":{"size":%d,"distance":"Cosine"}}`, d))
	rng := rand.New(rand.NewPCG(1, 2))
	vector := func() []float32 {
		v := make([]float32, d)
		for i := range v {
			v[i] = float32(rng.NormFloat64())
		}
		return v
	}
	body := func(from int) string {
		var points []map[string]any
		for i := range batch {
			points = append(points, map[string]any{"id": from + i, "vector": vector(), "payload": map[string]any{"n": i}})
		}
		text, _ := json.Marshal(map[string]any{"points": points})
		return string(text)
	}
	for from := 0; from < n; from += batch {
		must(b, s, "PUT", "/collections/c/points?wait=true", body(from))
	}
	send := func(b *testing.B, method, path, body string) {
		r := httptest.NewRequest(method, path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		if s.Handler().ServeHTTP(w, r); w.Code != http.StatusOK {
			b.Fatal(w.Body)
		}
	}
	points := body(0)
	b.Run(fmt.Sprintf("upsert/points=%d/d=%d", batch, d), func(b *testing.B) {
		b.SetBytes(int64(len(points)))
		for b.Loop() {
			send(b, "PUT", "/collections/c/points", points)
		}
	})
	b.Run("decode", func(b *testing.B) {
		b.SetBytes(int64(len(points)))
		for b.Loop() {
			var u upsertBody
			if err := decode([]byte(points), &u); err != nil {
				b.Fatal(err)
			}
		}
	})
	q := point.Dense(vector())
	text, _ := json.Marshal(map[string]any{"query": q.Dense, "limit": 10, "with_payload": true})
	b.Run(fmt.Sprintf("query/n=%d/d=%d", n, d), func(b *testing.B) {
		for b.Loop() {
			send(b, "POST", "/collections/c/points/query", string(text))
		}
	})
	b.Run("query/in-process", func(b *testing.B) {
		col, _ := s.store.Collection("c")
		for b.Loop() {
			if _, err := col.Query(ctx, collection.Query{Ask: collection.Nearest{To: collection.Input{Vector: &q}}, Limit: 10, WithPayload: collection.Select{All: true}}); err != nil {
				b.Fatal(err)
			}
		}
	})
}
