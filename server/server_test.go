package server

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/latent-go/latent/collection"
)

func TestMain(m *testing.M) {
	slog.SetDefault(discard) // where Qdrant's client warns of keys in the clear
	goleak.VerifyTestMain(m)
}

// logs puts what the server says into the test's log, where it shows if the test fails.
type logs struct{ t testing.TB }

func (l logs) Write(b []byte) (int, error) {
	l.t.Logf("%s", bytes.TrimSpace(b))
	return len(b), nil
}

// open serves a fresh store. It is closed, and must close without error, at the end of the test.
func open(t testing.TB, o Options) *Server {
	t.Helper()
	store, err := collection.Open(t.TempDir(), collection.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.NewTextHandler(logs{t}, &slog.HandlerOptions{Level: slog.LevelWarn}))
	}
	s, err := New(store, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.grpc.Stop()
		s.jobs.end(0)
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// answered is what came back of a request.
type answered struct {
	code   int
	header http.Header
	body   string
	result any
	err    string
}

// request sends a request to the handler. A body is sent as JSON.
func request(t testing.TB, s *Server, method, path, body string, header ...string) answered {
	t.Helper()
	var r io.Reader
	if body != "" {
		r = strings.NewReader(body)
	}
	req := httptest.NewRequest(method, path, r)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, req)
	a := answered{code: w.Code, header: w.Header(), body: w.Body.String()}
	var e struct {
		Result any
		Status any
	}
	if json.Unmarshal(w.Body.Bytes(), &e) == nil {
		a.result = e.Result
		if m, ok := e.Status.(map[string]any); ok {
			a.err, _ = m["error"].(string)
		}
	}
	return a
}

// must is request for what has to be done.
func must(t testing.TB, s *Server, method, path, body string) any {
	t.Helper()
	a := request(t, s, method, path, body)
	if a.code != http.StatusOK {
		t.Fatalf("%s %s %s: %d %s", method, path, body, a.code, a.body)
	}
	return a.result
}

// small makes a collection of four points in two dimensions.
func small(t testing.TB, s *Server, name string) {
	t.Helper()
	must(t, s, "PUT", "/collections/"+name, `{"vectors":{"size":2,"distance":"Dot"}}`)
	must(t, s, "PUT", "/collections/"+name+"/points?wait=true", `{"points":[
		{"id":1,"vector":[1,0],"payload":{"city":"Berlin","n":1,"at":"2024-01-01T00:00:00Z","text":"the quick fox"}},
		{"id":2,"vector":[0,1],"payload":{"city":"Rome","n":2,"where":{"lon":12.5,"lat":41.9}}},
		{"id":3,"vector":[1,1],"payload":{"city":"Rome","n":3.5,"tags":["a","b"]}},
		{"id":"5c56c793-69f3-4fbf-87e6-c4bf54c28c26","vector":[2,1]}]}`)
}

// several makes a collection with two dense vectors and a sparse one.
func several(t testing.TB, s *Server, name string) {
	t.Helper()
	must(t, s, "PUT", "/collections/"+name, `{"vectors":{"a":{"size":2,"distance":"Cosine"},"m":{"size":2,"distance":"Dot","multivector_config":{"comparator":"max_sim"}}},"sparse_vectors":{"s":{"modifier":"idf"}}}`)
	must(t, s, "PUT", "/collections/"+name+"/points?wait=true", `{"points":[
		{"id":1,"vector":{"a":[1,0],"m":[[1,0],[0,1]],"s":{"indices":[1,5],"values":[1,2]}},"payload":{"g":"x","n":1}},
		{"id":2,"vector":{"a":[0,3],"s":{"indices":[5],"values":[3]}},"payload":{"g":"x","n":2}},
		{"id":3,"vector":{"a":[1,1],"m":[[2,2]]},"payload":{"g":"y","n":3}}]}`)
}

// step is a request of TestRoutes and what must come of it: a code, and a result as JSON or a part of the error.
type step struct {
	method, path, body string
	code               int
	want               string
}

// at compares a result with JSON that may leave out fields: each field it has must be there and equal.
func at(got any, want string) error {
	var w any
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		return fmt.Errorf("the test's own %s: %w", want, err)
	}
	return within(got, w, "result")
}

func within(got, want any, where string) error {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			return fmt.Errorf("%s is %v, want an object", where, got)
		}
		for k, v := range w {
			if err := within(g[k], v, where+"."+k); err != nil {
				return err
			}
		}
		return nil
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			return fmt.Errorf("%s is %v, want %d elements", where, got, len(w))
		}
		for i := range w {
			if err := within(g[i], w[i], fmt.Sprintf("%s[%d]", where, i)); err != nil {
				return err
			}
		}
		return nil
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		return fmt.Errorf("%s is %v, want %v", where, got, want)
	}
	return nil
}

func run(t *testing.T, s *Server, steps []step) {
	t.Helper()
	for _, st := range steps {
		a := request(t, s, st.method, st.path, st.body)
		name := st.method + " " + st.path + " " + fmt.Sprintf("%.200s", st.body)
		if a.code != st.code && (st.code != 0 || a.code < 300 || a.code >= 500) { // 0 stands for any but success
			t.Errorf("%s: code %d, want %d: %.500s", name, a.code, st.code, a.body)
			continue
		}
		switch {
		case st.want == "":
		case st.code == http.StatusOK && (strings.HasPrefix(st.want, "{") || strings.HasPrefix(st.want, "[") || st.want == "true" || st.want == "false"):
			if err := at(a.result, st.want); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		default:
			if !strings.Contains(a.err+a.body, st.want) {
				t.Errorf("%s: %s, want %q", name, a.body, st.want)
			}
		}
	}
}

var ctx = context.Background()
