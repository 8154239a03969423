package client_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/latent-go/latent/client"
	"github.com/latent-go/latent/collection"
	"github.com/latent-go/latent/collection/filter"
	"github.com/latent-go/latent/collection/point"
	"github.com/latent-go/latent/server"
	"github.com/latent-go/latent/server/wire"
)

// serve starts a server of an empty store, and says where it is.
func serve(t testing.TB, o server.Options) string {
	t.Helper()
	store, err := collection.Open(t.TempDir(), collection.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := server.New(store, o)
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(s.Handler())
	t.Cleanup(func() {
		web.Close()
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return web.URL
}

func dial(t testing.TB, url string, o client.Options) *client.Client {
	t.Helper()
	c, err := client.New(url, o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func where(t testing.TB, text string) *filter.Filter {
	t.Helper()
	f := new(filter.Filter)
	ok(t, json.Unmarshal([]byte(text), f))
	return f
}

// places are points on a line: point i at (i, 1), of a colour in turn.
func places(n int) []client.Point {
	points := make([]client.Point, n)
	for i := range points {
		points[i] = client.Point{ID: point.Num(uint64(i)), Vectors: point.Vectors{"": point.Dense([]float32{float32(i), 1})},
			Payload: point.Payload{"colour": []string{"red", "green", "blue"}[i%3], "n": int64(i)}}
	}
	return points
}

func ids[P any](list []P, id func(P) point.ID) []uint64 {
	out := []uint64{}
	for _, p := range list {
		n, _ := id(p).Number()
		out = append(out, n)
	}
	return out
}

func hitIDs(hits []client.Hit) []uint64 {
	return ids(hits, func(h client.Hit) point.ID { return h.ID })
}
func pointIDs(points []client.Point) []uint64 {
	return ids(points, func(p client.Point) point.ID { return p.ID })
}

func equal(t testing.TB, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// TestSession does with a collection all that the client can.
func TestSession(t *testing.T) {
	ctx := t.Context()
	c := dial(t, serve(t, server.Options{}), client.Options{})
	config := client.Config{Vectors: client.Vectors{"": {Size: 2, Distance: client.Euclid}},
		Sparse: map[string]client.Sparse{"words": {Modifier: "idf"}}, Metadata: map[string]any{"of": "tests"}}
	ok(t, c.CreateCollection(ctx, "ä b", client.Config{Vectors: client.Vectors{"": {Size: 1, Distance: client.Dot}}}))
	ok(t, c.CreateCollection(ctx, "line", config))
	if err := c.CreateCollection(ctx, "line", config); !errors.Is(err, client.ErrExists) {
		t.Errorf("made twice: %v", err)
	}
	names, err := c.Collections(ctx)
	ok(t, err)
	equal(t, "collections", names, []string{"line", "ä b"})
	was, err := c.DeleteCollection(ctx, "ä b")
	ok(t, err)
	again, err := c.DeleteCollection(ctx, "ä b")
	ok(t, err)
	equal(t, "deleted", []bool{was, again}, []bool{true, false})

	points := places(30)
	points[7].Vectors["words"] = point.Vector{Sparse: &point.Sparse{Indices: []uint32{3, 9}, Values: []float32{1, 2}}}
	ok(t, c.Upsert(ctx, "line", points[:20], false))
	ok(t, c.Upsert(ctx, "line", points[20:], true))
	ok(t, c.CreateIndex(ctx, "line", "colour", "keyword"))
	ok(t, c.CreateIndex(ctx, "line", "n", map[string]any{"type": "integer", "range": true, "lookup": false}))
	ok(t, c.Wait(ctx, "line"))
	info, err := c.Collection(ctx, "line")
	ok(t, err)
	equal(t, "points", info.Points, 30)
	equal(t, "vectors", info.Config.Params.Vectors, config.Vectors)
	equal(t, "sparse", info.Config.Params.Sparse, config.Sparse)
	equal(t, "metadata", info.Config.Metadata, config.Metadata)
	equal(t, "index", info.PayloadSchema["colour"], client.Field{Type: "keyword", Points: 30})
	if f := info.PayloadSchema["n"]; f.Type != "integer" || !strings.Contains(string(f.Params), "lookup") {
		t.Errorf("index with parameters: %s %s", f.Type, f.Params)
	}
	ok(t, c.DeleteIndex(ctx, "line", "n"))

	got, err := c.Get(ctx, "line", []point.ID{point.Num(7), point.Num(99), point.Num(2)}, true)
	ok(t, err)
	equal(t, "two of three", got, []client.Point{points[7], points[2]})

	red := where(t, `{"must":{"key":"colour","match":{"value":"red"}}}`)
	n, err := c.Count(ctx, "line", red)
	ok(t, err)
	all, err := c.Count(ctx, "line", nil)
	ok(t, err)
	equal(t, "counts", []int{n, all}, []int{10, 30})

	hits, err := c.Query(ctx, "line", client.Query{Query: client.Near([]float32{10.2, 1}), Limit: 3})
	ok(t, err)
	equal(t, "nearest", hitIDs(hits), []uint64{10, 11, 9})
	if len(hits[0].Payload) != 0 || hits[0].Score < 0.19 || hits[0].Score > 0.21 { // a distance of 0.2
		t.Errorf("%+v", hits[0])
	}
	hits, err = c.Query(ctx, "line", client.Query{Query: client.NearPoint(point.Num(10)), Filter: red, Limit: 2, WithPayload: true, WithVector: true, Params: &client.Params{Exact: true}})
	ok(t, err)
	equal(t, "nearest red", hitIDs(hits), []uint64{9, 12})
	equal(t, "whole", hits[0].Point, points[9])
	hits, err = c.Query(ctx, "line", client.Query{Query: client.NearSparse(point.Sparse{Indices: []uint32{9}, Values: []float32{1}}), Using: "words"})
	ok(t, err)
	equal(t, "by words", hitIDs(hits), []uint64{7})
	hits, err = c.Query(ctx, "line", client.Query{Query: client.Fuse("rrf"), Limit: 1, Prefetch: []client.Query{
		{Query: client.Near([]float32{6, 1}), Limit: 3},
		{Query: client.NearSparse(point.Sparse{Indices: []uint32{3}, Values: []float32{1}}), Using: "words", Limit: 3},
	}})
	ok(t, err)
	equal(t, "by both", hitIDs(hits), []uint64{7})
	batch, err := c.QueryBatch(ctx, "line", []client.Query{{Query: client.Near([]float32{0, 1}), Limit: 1}, {Query: client.Near([]float32{29, 1}), Limit: 2}})
	ok(t, err)
	equal(t, "batch", [][]uint64{hitIDs(batch[0]), hitIDs(batch[1])}, [][]uint64{{0}, {29, 28}})

	var seen []client.Point
	for next := (*point.ID)(nil); ; {
		page, n, err := c.Scroll(ctx, "line", client.Scroll{Filter: red, Offset: next, Limit: 4, WithVector: true})
		ok(t, err)
		seen = append(seen, page...)
		if next = n; next == nil {
			break
		}
	}
	equal(t, "scrolled", pointIDs(seen), []uint64{0, 3, 6, 9, 12, 15, 18, 21, 24, 27})
	equal(t, "scrolled whole", seen[2], points[6])

	ok(t, c.UpdateVectors(ctx, "line", []client.Point{{ID: point.Num(5), Vectors: point.Vectors{"": point.Dense([]float32{8, 8})}}}, true))
	got, err = c.Get(ctx, "line", []point.ID{point.Num(5)}, true)
	ok(t, err)
	points[5].Vectors[""] = point.Dense([]float32{8, 8})
	equal(t, "with another vector", got, points[5:6])
	ok(t, c.CreateCollection(ctx, "named", client.Config{Vectors: client.Vectors{"a": {Size: 1, Distance: client.Dot}}}))
	ok(t, c.AddVector(ctx, "named", "b", client.Vector{Size: 2, Distance: client.Euclid}))
	info, err = c.Collection(ctx, "named")
	ok(t, err)
	equal(t, "with one more", info.Config.Params.Vectors["b"], client.Vector{Size: 2, Distance: client.Euclid})
	ok(t, c.SetPayload(ctx, "line", point.Payload{"colour": "black"}, client.Select{IDs: []point.ID{point.Num(0)}}, true))
	ok(t, c.Delete(ctx, "line", client.Select{Filter: red}, true))
	n, err = c.Count(ctx, "line", nil)
	ok(t, err)
	equal(t, "left", n, 21)

	ok(t, c.ChangeAliases(ctx, client.CreateAlias("now", "line"), client.CreateAlias("x", "line")))
	ok(t, c.ChangeAliases(ctx, client.RenameAlias("x", "y"), client.DeleteAlias("now")))
	aliases, err := c.Aliases(ctx)
	ok(t, err)
	equal(t, "aliases", aliases, map[string]string{"y": "line"})
	has, err := c.HasCollection(ctx, "y")
	ok(t, err)
	not, err := c.HasCollection(ctx, "now")
	ok(t, err)
	equal(t, "there", []bool{has, not}, []bool{true, false})

	shot, err := c.CreateSnapshot(ctx, "line")
	ok(t, err)
	shots, err := c.Snapshots(ctx, "line")
	ok(t, err)
	equal(t, "snapshots", shots, []client.Snapshot{shot})
	var file bytes.Buffer
	ok(t, c.DownloadSnapshot(ctx, "line", shot.Name, &file))
	ok(t, collection.VerifySnapshot(&file, shot.Checksum))
	ok(t, c.DeleteSnapshot(ctx, "line", shot.Name))
	if err := c.DownloadSnapshot(ctx, "line", shot.Name, &file); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("a snapshot that is gone: %v", err)
	}

	var groups struct {
		Groups []struct{ ID string }
	}
	ok(t, c.Call(ctx, "POST", "/collections/line/points/query/groups", map[string]any{"query": []float32{0, 1}, "group_by": "colour", "limit": 2}, &groups))
	equal(t, "groups", groups.Groups, []struct{ ID string }{{"black"}, {"green"}})
}

// TestAnalyses asks for what Qdrant has not.
func TestAnalyses(t *testing.T) {
	ctx := t.Context()
	c := dial(t, serve(t, server.Options{}), client.Options{})
	ok(t, c.CreateCollection(ctx, "cloud", client.Config{Vectors: client.Vectors{"a": {Size: 8, Distance: client.Euclid}, "b": {Size: 8, Distance: client.Euclid}}}))
	rng := rand.New(rand.NewPCG(3, 4))
	var points []client.Point
	for i := range 600 {
		x, y, z := float32(rng.NormFloat64()), float32(rng.NormFloat64()), float32(rng.NormFloat64())
		points = append(points, client.Point{ID: point.Num(uint64(i)), Payload: point.Payload{"n": int64(i)},
			Vectors: point.Vectors{"a": point.Dense([]float32{x, y, z, 0, 0, 0, 0, 0}), "b": point.Dense([]float32{0, 0, 0, 0, 0, y, z, x})}})
	}
	ok(t, c.Upsert(ctx, "cloud", points, true))

	p, err := c.Plan(ctx, "cloud")
	ok(t, err)
	if v := p.Vectors["a"]; p.Points != 600 || v.Plan != "f32|flat" || v.Size != 8 || v.Because == "" {
		t.Errorf("plan %+v", p)
	}
	half := where(t, `{"must":{"key":"n","range":{"lt":300}}}`)
	m, err := c.Measure(ctx, "cloud", client.Sample{Using: "a", Seed: 1})
	ok(t, err)
	if m.Rows != 600 || m.Dimension < 2.5 || m.Dimension > 3.5 { // seen 2.98; it is 3
		t.Errorf("dimension %v of %d rows", m.Dimension, m.Rows)
	}
	r, err := c.Recall(ctx, "cloud", client.RecallQuery{Sample: client.Sample{Using: "a", Filter: half, Sample: 50}, K: 5})
	ok(t, err)
	if r.Mean != 1 || r.K != 5 || r.Points != 300 || !r.Scans || r.Plan != "f32|flat" || r.Source == "" {
		t.Errorf("recall %+v", r)
	}
	s, err := c.Compare(ctx, "cloud", client.CompareQuery{A: "a", B: "b", Measures: []string{"cka"}, Sample: 300})
	ok(t, err)
	if len(s.Scores) != 1 || s.Scores[0].Value < 0.99 { // one is the other, turned
		t.Errorf("comparison %+v", s.Scores)
	}
	tuned, err := c.Tune(ctx, "cloud", client.TuneQuery{Using: "a", Recall: 0.9, Plans: []string{"sq8|flat|rerank:4"}})
	ok(t, err)
	if !tuned.Reached || tuned.Chosen.String() != "sq8|flat|rerank:4" || tuned.Recall.Mean < 0.9 || len(tuned.Trials) == 0 {
		t.Errorf("tuning %+v", tuned)
	}
	check, err := c.Check(ctx)
	ok(t, err)
	if check.Collections != 1 || check.Points != 600 || check.Problems != nil {
		t.Errorf("check %+v", check)
	}
	if _, err := c.Measure(ctx, "cloud", client.Sample{Using: "z"}); err == nil || !strings.Contains(err.Error(), "Not existing vector name error: z") {
		t.Errorf("a vector that is not there: %v", err)
	}
	if _, err := c.Recall(ctx, "cloud", client.RecallQuery{K: -1}); err == nil || !strings.Contains(err.Error(), "expected number >= 1") {
		t.Errorf("k of -1: %v", err)
	}
	if _, err := c.Plan(ctx, "none"); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("a collection that is not there: %v", err)
	}
}

func TestRefusals(t *testing.T) {
	ctx := t.Context()
	url := serve(t, server.Options{Keys: wire.Keys{Full: []string{"secret"}, ReadOnly: []string{"reader"}}})
	config := client.Config{Vectors: client.Vectors{"": {Size: 2, Distance: client.Cosine}}}
	for key, want := range map[string]error{"": client.ErrKey, "wrong": client.ErrKey, "reader": client.ErrKey, "secret": nil} {
		if err := dial(t, url, client.Options{APIKey: key}).CreateCollection(ctx, "c", config); !errors.Is(err, want) {
			t.Errorf("creating with key %q: %v", key, err)
		}
	}
	c := dial(t, url+"/", client.Options{APIKey: "reader"})
	if _, err := c.Collection(ctx, "c"); err != nil {
		t.Errorf("reading with the key for it: %v", err)
	}
	_, err := c.Collection(ctx, "none")
	if e := new(client.Error); !errors.Is(err, client.ErrNotFound) || errors.Is(err, client.ErrKey) || !errors.As(err, &e) || e.Status != 404 || !strings.Contains(e.Message, "none") {
		t.Errorf("a collection that is not there: %v", err)
	}
	c = dial(t, url, client.Options{APIKey: "secret"})
	err = c.Upsert(ctx, "c", []client.Point{{ID: point.Num(1), Vectors: point.Vectors{"": point.Dense([]float32{1, 2, 3})}}}, true)
	if err == nil || !strings.Contains(err.Error(), "expected dim: 2, got 3") {
		t.Errorf("three numbers for two: %v", err)
	}
	for _, base := range []string{"", "localhost:6333", "ftp://x", "http://", "http://a b"} {
		if _, err := client.New(base, client.Options{}); err == nil {
			t.Errorf("%q is taken for an address", base)
		}
	}
}

// TestRetries counts how often a request is sent to a server that refuses, hangs up or hangs.
// TestRedirect wants the key nowhere but where it was meant for.
func TestRedirect(t *testing.T) {
	stranger := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t.Errorf("a stranger was asked %s with the key %q", r.URL, r.Header.Get("Api-Key"))
	}))
	defer stranger.Close()
	var where string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/collections" {
			http.Redirect(w, r, where, http.StatusTemporaryRedirect)
		} else if r.Header.Get("Api-Key") == "secret" {
			w.Write([]byte(`{"result":{"collections":[{"name":"here"}]},"status":"ok"}`))
		}
	}))
	defer server.Close()
	c := dial(t, server.URL, client.Options{APIKey: "secret", Retries: -1})
	where = stranger.URL + "/collections"
	told := new(client.Error)
	if _, err := c.Collections(t.Context()); !errors.As(err, &told) || told.Status != http.StatusTemporaryRedirect {
		t.Errorf("to a stranger: %v", err)
	}
	where = "/elsewhere"
	if names, err := c.Collections(t.Context()); err != nil || !reflect.DeepEqual(names, []string{"here"}) {
		t.Errorf("on the same server: %q %v", names, err)
	}
}

func TestRetries(t *testing.T) {
	refuse := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", status) }
	}
	hangUp := func(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) }
	hang := func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	list := func(c *client.Client) error { _, err := c.Collections(context.Background()); return err }
	create := func(c *client.Client) error { return c.CreateCollection(context.Background(), "c", client.Config{}) }
	for _, row := range []struct {
		name    string
		bad     http.HandlerFunc
		fails   int64 // that often, then it answers
		retries int
		do      func(*client.Client) error
		tries   int64
		works   bool
	}{
		{"starting", refuse(503), 2, 0, list, 3, true},
		{"busy, and made once", refuse(429), 1, 0, create, 2, true},
		{"busy for too long", refuse(503), 99, 1, list, 2, false},
		{"no retries", refuse(503), 1, -1, list, 1, false},
		{"refused for good", refuse(400), 1, 0, list, 1, false},
		{"answer lost", hangUp, 1, 0, list, 2, true},
		{"answer lost, of what is done once", hangUp, 1, 0, create, 1, false},
		{"no answer in time", hang, 1, 0, list, 1, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			var tries atomic.Int64
			web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if tries.Add(1) <= row.fails {
					row.bad(w, r)
					return
				}
				w.Write([]byte(`{"result":{"collections":[]},"status":"ok"}`))
			}))
			defer web.Close()
			// A transport without idle connections: net/http sends again itself what a connection that it kept has lost.
			alone := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
			o := client.Options{Retries: row.retries, HTTP: alone, Timeout: 20 * time.Second}
			if row.name == "no answer in time" {
				o.Timeout = 50 * time.Millisecond
			}
			if err := row.do(dial(t, web.URL, o)); (err == nil) != row.works || tries.Load() != row.tries {
				t.Errorf("%d tries, error %v; want %d and success %v", tries.Load(), err, row.tries, row.works)
			}
		})
	}
	t.Run("interrupted", func(t *testing.T) {
		web := httptest.NewServer(refuse(503))
		defer web.Close()
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(50*time.Millisecond, cancel)
		if _, err := dial(t, web.URL, client.Options{Retries: 30}).Collections(ctx); err == nil {
			t.Error("no error")
		}
	})
	t.Run("nobody there", func(t *testing.T) {
		web := httptest.NewServer(nil)
		web.Close()
		if _, err := dial(t, web.URL, client.Options{Retries: 1}).Collections(t.Context()); err == nil || strings.Contains(err.Error(), "JSON") {
			t.Errorf("%v", err)
		}
	})
	t.Run("another server", func(t *testing.T) {
		web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("<html>")) }))
		defer web.Close()
		if _, err := dial(t, web.URL, client.Options{}).Collections(t.Context()); err == nil || !strings.Contains(err.Error(), "is this the server's address?") {
			t.Errorf("%v", err)
		}
	})
}
