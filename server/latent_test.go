package server

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// cloud fills a collection with n points whose vector lies in three of eight dimensions, under two names that are the same
// up to a rotation of coordinates.
func cloud(t testing.TB, s *Server, n int) {
	t.Helper()
	must(t, s, "PUT", "/collections/cloud", `{"vectors":{"a":{"size":8,"distance":"Euclid"},"b":{"size":8,"distance":"Euclid"}}}`)
	rng := rand.New(rand.NewPCG(3, 4))
	var b strings.Builder
	b.WriteString(`{"points":[`)
	for i := range n {
		v := [8]float64{rng.NormFloat64(), rng.NormFloat64(), rng.NormFloat64()}
		turned := [8]float64{5: v[1], 6: v[2], 7: v[0]}
		text, _ := json.Marshal(map[string]any{"id": i, "vector": map[string]any{"a": v, "b": turned}, "payload": map[string]any{"n": i}})
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(text)
	}
	b.WriteString(`]}`)
	must(t, s, "PUT", "/collections/cloud/points?wait=true", b.String())
}

func TestLatent(t *testing.T) {
	s := open(t, Options{})
	cloud(t, s, 600)
	get := func(method, path, body string, code int) map[string]any {
		t.Helper()
		a := request(t, s, method, path, body)
		if a.code != code {
			t.Fatalf("%s %s %s: %d %s", method, path, body, a.code, a.body)
		}
		var m map[string]any
		if err := json.Unmarshal([]byte(a.body), &m); err != nil {
			t.Fatal(err)
		}
		return m
	}
	const of = "/latent/collections/cloud"

	r := get("POST", of+"/measure", `{"using":"a","seed":1}`, 200)
	if d := r["dimension"].(float64); d < 2.5 || d > 3.5 { // seen 2.98; it is 3
		t.Errorf("dimension %v", d)
	}
	r = get("POST", of+"/recall", `{"using":"a","k":5,"sample":50,"filter":{"must":{"key":"n","range":{"lt":300}}}}`, 200)
	if r["recall"] != 1.0 || r["points"] != 300.0 || r["scans"] != true {
		t.Errorf("recall %v", r)
	}
	r = get("POST", of+"/recall", `{"using":"b","queries":[[0,0,0,0,0,1,1,1]]}`, 200)
	if r["recall"] != 1.0 || r["queries"] != 1.0 || !strings.Contains(r["source"].(string), "caller") {
		t.Errorf("recall %v", r)
	}
	get("POST", of+"/recall", `{"using":"a"}`, 200)
	if m := request(t, s, "GET", "/metrics", "").body; !strings.Contains(m, `latent_recall{collection="cloud",k="10",vector="a"} 1`) {
		t.Error("the recall measured is not among the metrics")
	}
	r = get("POST", of+"/compare", `{"a":"a","b":"b","measures":["cka"],"sample":300}`, 200)
	if v := r["verdict"]; v == "" || fmt.Sprint(r["scores"]) == "[]" {
		t.Errorf("comparison %v", r)
	}
	r = get("POST", of+"/tune", `{"using":"a","recall":0.9,"plans":["sq8|flat|rerank:4","f32|flat"],"try":true}`, 200)
	if r["reached"] != true || r["applied"] != false || r["chosen"] == "" {
		t.Errorf("tuning tried: %v", r)
	}
	r = get("POST", of+"/tune", `{"using":"a","recall":0.9,"plans":["sq8|flat|rerank:4"]}`, 200)
	if r["reached"] != true {
		t.Errorf("tuning: %v", r)
	}
	r = get("GET", of+"/plan", "", 200)
	if a := r["vectors"].(map[string]any)["a"].(map[string]any); a["asked"] != "sq8|flat|rerank:4" || a["because"] == "" {
		t.Errorf("plan %v", r)
	}
	if r = get("POST", "/latent/check", "", 200); r["points"] != 600.0 || r["problems"] != nil {
		t.Errorf("check %v", r)
	}

	for _, c := range []struct {
		path, body string
		code       int
		want       string
	}{
		{"/measure", `{"using":"z"}`, 400, "Not existing vector name error: z"},
		{"/measure", `{"using":"a","sampel":3}`, 422, "unexpected property"},
		{"/measure", `{"using":"a","filter":{"musst":1}}`, 400, "unknown field `musst`"},
		{"/measure", `{`, 400, ""},
		{"/recall", `{"using":"a","k":0}`, 422, "expected number >= 1"},
		{"/recall", `{"using":"a","queries":[[1,2]]}`, 400, "Vector dimension error: expected dim: 8, got 2"},
		{"/tune", `{"using":"a","plans":["what"]}`, 400, "plans"},
		{"/tune", `{"using":"a","plans":["pca:9|flat"],"try":true}`, 400, "pca"},
		{"/compare", `{"a":"a","b":"z"}`, 400, "Not existing vector name error: z"},
		{"/compare", `{"a":"a","b":"b","measures":["z"]}`, 400, "z"},
	} {
		r := get("POST", of+c.path, c.body, c.code)
		if text := fmt.Sprint(r); !strings.Contains(text, c.want) {
			t.Errorf("%s %s: %s, want %q", c.path, c.body, text, c.want)
		}
	}
	s.heavy <- struct{}{}
	get("POST", of+"/measure", `{"using":"a"}`, 429)
	<-s.heavy

	r = get("GET", "/latent/openapi.json", "", 200)
	if r["openapi"] != "3.1.0" || len(r["paths"].(map[string]any)) != 6 {
		t.Errorf("OpenAPI %v with %v", r["openapi"], r["paths"])
	}
	docs := request(t, s, "GET", "/latent/docs", "")
	if docs.code != 200 || !strings.Contains(docs.body, "/latent/collections/{collection}/recall") || strings.Contains(docs.body, "http://") || strings.Contains(docs.body, "https://") || strings.Contains(docs.body, "<script") {
		t.Errorf("docs page: %d %.300s", docs.code, docs.body)
	}
}
