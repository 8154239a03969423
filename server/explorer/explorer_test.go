package explorer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/net/html"

	"github.com/latent-go/latent/collection"
	"github.com/latent-go/latent/collection/filter"
	"github.com/latent-go/latent/collection/point"
	"github.com/latent-go/latent/measure/dimension"
	"github.com/latent-go/latent/server/wire"
	"github.com/latent-go/latent/vec"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// hostile is what a name or a payload may be.
const hostile = `<script>alert("x")</script>'"&amp;`

// words embeds a text by how often it has each of eight letters.
type words struct{}

func (words) Embed(_ context.Context, texts []string) (vec.Matrix, error) {
	m := vec.NewMatrix(len(texts), 8)
	for i, t := range texts {
		for j := range 8 {
			m.Row(i)[j] = float32(strings.Count(t, string(rune('a'+j)))) + 0.01
		}
	}
	return m, nil
}

// site is an explorer of a store with the collections "books", of 300 points, "named" and "empty".
type site struct {
	*Explorer
	store *collection.Store
	mux   *http.ServeMux
}

type logs struct{ t testing.TB }

func (l logs) Write(b []byte) (int, error) {
	l.t.Logf("%s", bytes.TrimSpace(b))
	return len(b), nil
}

func open(t testing.TB, o Options) *site {
	t.Helper()
	store, err := collection.Open(t.TempDir(), collection.Options{})
	if err != nil {
		t.Fatal(err)
	}
	o.Log = slog.New(slog.NewTextHandler(logs{t}, nil))
	s := &site{New(store, o), store, http.NewServeMux()}
	s.Routes(s.mux.HandleFunc)
	t.Cleanup(func() {
		s.Close()
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	s.fill(t)
	return s
}

func (s *site) fill(t testing.TB) {
	t.Helper()
	make := func(name string, cfg collection.Config, points []point.Point) *collection.Collection {
		if err := s.store.Create(t.Context(), name, cfg); err != nil {
			t.Fatal(err)
		}
		col, err := s.store.Collection(name)
		if err == nil && len(points) > 0 {
			_, err = col.Apply(t.Context(), []collection.Op{collection.Upsert{Points: points}}, false)
		}
		if err != nil {
			t.Fatal(err)
		}
		return col
	}
	r := rand.New(rand.NewPCG(1, 2))
	var books, named []point.Point
	for i := range 300 {
		v := point.Dense(nil)
		for j := range 8 {
			x := float32(r.NormFloat64())
			if j >= 4 {
				x *= 0.1
			}
			if j == 0 {
				x += float32(4 * (i % 3))
			}
			v.Dense = append(v.Dense, x)
		}
		books = append(books, point.Point{ID: point.Num(uint64(i)), Vectors: point.Vectors{"": v}, Payload: point.Payload{
			"title": fmt.Sprintf("Book %d, with a title of middling length", i), "genre": []string{"novel", "essay", "poem"}[i%3], "year": int64(1900 + i%120), "tags": []any{"a", "b"},
			"author": map[string]any{"name": fmt.Sprintf("Author %d", i%7)},
		}})
	}
	books[7].Payload["title"] = hostile
	books[7].Payload[hostile] = hostile
	col := make("books", collection.Config{Vectors: map[string]collection.VectorConfig{"": {Size: 8, Distance: vec.Cosine}}}, books)
	for field, schema := range map[string]filter.Schema{"genre": {Type: "keyword"}, "title": {Type: "text"}} {
		if err := col.CreateFieldIndex(t.Context(), field, schema); err != nil {
			t.Fatal(err)
		}
	}
	uuid, _ := point.ParseID("550e8400-e29b-41d4-a716-446655440000")
	for i, id := range []point.ID{point.Num(1), point.Num(2), point.Num(3), uuid} {
		x := float32(i)
		named = append(named, point.Point{ID: id, Vectors: point.Vectors{
			"image": point.Dense([]float32{x, 1, x * x}), "late": point.Multi([][]float32{{x, 1}, {1, x}}), "words": {Sparse: &point.Sparse{Indices: []uint32{1, uint32(i + 2)}, Values: []float32{1, 2}}},
		}})
	}
	make("named #1 & more", collection.Config{
		Vectors: map[string]collection.VectorConfig{"image": {Size: 3, Distance: vec.Euclidean}, "late": {Size: 2, Distance: vec.InnerProduct, Multi: true}},
		Sparse:  map[string]collection.SparseConfig{"words": {}},
	}, named)
	make("empty", collection.Config{Vectors: map[string]collection.VectorConfig{"": {Size: 8, Distance: vec.Euclidean}}}, nil)
}

// answer is what came back.
type answer struct {
	code   int
	header http.Header
	body   string
}

func (s *site) ask(t testing.TB, method, target string, form url.Values, header ...string) answer {
	t.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r := httptest.NewRequest(method, target, body)
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.mux.ServeHTTP(w, r)
	return answer{w.Code, w.Result().Header, w.Body.String()}
}

// sound fails unless a page is one that the policy leaves whole: no script but ours, no handler, nothing from elsewhere.
func sound(t testing.TB, target string, a answer) {
	t.Helper()
	if got := a.header.Get("Content-Security-Policy"); got != policy {
		t.Errorf("%s: policy %q", target, got)
	}
	doc, err := html.Parse(strings.NewReader(a.body))
	if err != nil {
		t.Fatal(err)
	}
	headings := 0
	for n := range doc.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		if n.Data == "h1" {
			headings++
		}
		for _, at := range n.Attr {
			outside := (at.Key == "src" || at.Key == "href" || at.Key == "action") && !strings.HasPrefix(at.Val, "/") && !strings.HasPrefix(at.Val, "?") && !strings.HasPrefix(at.Val, "#")
			if strings.HasPrefix(at.Key, "on") || outside || strings.HasPrefix(at.Val, "//") {
				t.Errorf("%s: <%s %s=%q>", target, n.Data, at.Key, at.Val)
			}
		}
		if n.Data == "script" && (n.FirstChild != nil || len(n.Attr) == 0) || n.Data == "style" {
			t.Errorf("%s: an inline <%s>", target, n.Data)
		}
	}
	if headings != 1 {
		t.Errorf("%s: %d headings of the first rank", target, headings)
	}
	if strings.Contains(a.body, "<script>alert") || strings.Contains(a.body, "ZgotmplZ") {
		t.Errorf("%s: hostile text is not escaped", target)
	}
}

func TestPages(t *testing.T) {
	s := open(t, Options{Version: "1.2.3", Embedder: words{}})
	for _, c := range []struct {
		target string
		code   int
		has    []string
	}{
		{"/ui", 200, []string{"books", "named #1 &amp; more", "empty", "/ui/collections/named%20%231%20&amp;%20more", "300", "f32|flat", "latent 1.2.3"}},
		{"/ui/collections/books", 200, []string{"Cosine over 8 numbers", "Measure recall again", "genre", "keyword"}},
		{"/ui/collections/empty", 200, []string{"No point of the sample"}},
		{"/ui/collections/named%20%231%20&%20more", 200, []string{"Vector image", "Vector late", "Vector words", "sparse, inner product"}},
		{"/ui/collections/nothing", 404, []string{"nothing", "exist"}},
		{"/ui/elsewhere", 404, []string{"no page /ui/elsewhere"}},
		{"/ui/login", 200, []string{"API key"}},

		{"/ui/collections/books/search", 200, []string{"10 of 300 points", "points/0\"", "Book 3", "The next", "?after=10", "a text, by its meaning", "words in title"}},
		{"/ui/collections/books/search?after=295", 200, []string{"5 of 300 points", "points/299\""}},
		{"/ui/collections/books/search?q=7", 200, []string{"cosine", "by=id&amp;q=", "Similar to this", "?q=7&amp;skip=10"}},
		{"/ui/collections/books/search?q=7&limit=3&skip=300&exact=1", 200, []string{"No point was found"}},
		{"/ui/collections/books/search?by=vector&q=1,2+3;4,5,6,7,8", 200, []string{"10 of 300 points"}},
		{"/ui/collections/books/search?by=vector&q=%5B1,2,3,4,5,6,7,8%5D", 200, []string{"10 of 300 points"}},
		{"/ui/collections/books/search?by=text&q=abcabc", 200, []string{"10 of 300 points"}},
		{"/ui/collections/books/search?by=words:title&q=script+alert", 200, []string{"BM25", "points/7\"", "&lt;script&gt;"}},
		{"/ui/collections/books/search?filter=%7B%22must%22%3A%7B%22key%22%3A%22genre%22%2C%22match%22%3A%7B%22value%22%3A%22poem%22%7D%7D%7D", 200, []string{"points/2\"", "points/5\"", "&#34;poem&#34;"}},
		{"/ui/collections/named%20%231%20&%20more/search?by=vector&using=words&q=%7B%22indices%22:%5B1%5D,%22values%22:%5B2%5D%7D", 200, []string{"4 of 4 points", "inner product"}},
		{"/ui/collections/named%20%231%20&%20more/search?by=id&using=late&q=1", 200, []string{"550e8400-e29b-41d4-a716-446655440000"}},
		{"/ui/collections/books/search?q=seven", 400, []string{"seven"}},
		{"/ui/collections/books/search?q=9999", 404, []string{"9999"}},
		{"/ui/collections/books/search?q=7&using=other", 400, []string{"other"}},
		{"/ui/collections/books/search?by=vector&q=1,2", 400, []string{"8"}},
		{"/ui/collections/books/search?by=vector&q=1,x", 400, []string{"is no number"}},
		{"/ui/collections/books/search?by=vector&q=NaN,1,1,1,1,1,1,1", 400, nil},
		{"/ui/collections/books/search?by=vector&q=%5B1,", 400, []string{"the vector"}},
		{"/ui/collections/books/search?by=magic&q=1", 400, []string{"magic"}},
		{"/ui/collections/books/search?by=words:genre&q=x", 400, []string{"genre"}},
		{"/ui/collections/books/search?limit=1000", 400, []string{"limit is"}},
		{"/ui/collections/books/search?filter=%7B", 400, []string{"the filter"}},
		{"/ui/collections/books/search?filter=%7B%22must%22:" + strings.Repeat("%5B", 500), 400, []string{"the filter"}},
		{"/ui/collections/books/search?after=x", 400, nil},
		{"/ui/collections/books/search?q=" + url.QueryEscape(hostile), 400, []string{"&lt;script&gt;"}},

		{"/ui/collections/books/points/7", 200, []string{"Point 7", "&lt;script&gt;", "8 numbers", "The nearest others", "Similar to this"}},
		{"/ui/collections/named%20%231%20&%20more/points/550e8400-e29b-41d4-a716-446655440000", 200, []string{"It has none", "2 vectors of 2 numbers", "sparse, 2 entries", "distance"}},
		{"/ui/collections/books/points/300", 404, []string{"no point 300"}},
		{"/ui/collections/books/points/x", 400, nil},

		{"/ui/collections/books/map", 200, []string{"300 of 300 points", "<circle", "% of the variance", "points/299\""}},
		{"/ui/collections/books/map?color=genre&sample=50", 200, []string{"50 of 300", "novel", "essay", "poem", `class="k2"`}},
		{"/ui/collections/books/map?color=year", 200, []string{`class="q4"`, "1900 to "}},
		{"/ui/collections/books/map?color=title", 200, []string{"others"}},
		{"/ui/collections/books/map?color=author.name", 200, []string{"Author 3"}},
		{"/ui/collections/books/map?color=" + url.QueryEscape(hostile), 200, []string{"without &lt;script", "&lt;script&gt;"}},
		{"/ui/collections/named%20%231%20&%20more/map?using=late", 200, []string{"4 of 4 points"}},
		{"/ui/collections/named%20%231%20&%20more/map?using=words", 400, []string{"no dense vector"}},
		{"/ui/collections/empty/map", 400, []string{"too few"}},
		{"/ui/collections/books/map?sample=0", 400, []string{"from 3 to 2000"}},
	} {
		a := s.ask(t, "GET", c.target, nil)
		if a.code != c.code {
			t.Errorf("%s: %d, want %d: %s", c.target, a.code, c.code, warnings(a.body))
		}
		for _, text := range c.has {
			if !strings.Contains(a.body, text) {
				t.Errorf("%s: %q is not there", c.target, text)
			}
		}
		sound(t, c.target, a)
	}
}

// warnings are what a page warns of.
func warnings(page string) string {
	doc, _ := html.Parse(strings.NewReader(page))
	for n := range doc.Descendants() {
		for _, a := range n.Attr {
			if a.Key == "class" && a.Val == "warning" && n.FirstChild != nil {
				return n.FirstChild.Data
			}
		}
	}
	return ""
}

// TestSearchAgrees looks whether a page lists the hits that the collection finds, in their order.
func TestSearchAgrees(t *testing.T) {
	s := open(t, Options{})
	col, err := s.store.Collection("books")
	if err != nil {
		t.Fatal(err)
	}
	id := point.Num(42)
	want, err := col.Query(t.Context(), collection.Query{Ask: collection.Nearest{To: collection.Input{ID: &id}}, Limit: 10, Offset: 10})
	if err != nil {
		t.Fatal(err)
	}
	body := s.ask(t, "GET", "/ui/collections/books/search?q=42&skip=10", nil).body
	for _, h := range want {
		i := strings.Index(body, "points/"+h.ID.String()+`"`)
		if i < 0 {
			t.Fatalf("%s is not there, or not in its place", h.ID)
		}
		body = body[i:]
		if !strings.Contains(body[:200], "cosine "+number(h.Score)) {
			t.Errorf("%s: its score is not %s: %s", h.ID, number(h.Score), body[:200])
		}
	}
}

// settled asks for a report until nothing runs.
func (s *site) settled(t testing.TB, target string) string {
	t.Helper()
	for begin := time.Now(); time.Since(begin) < time.Minute; time.Sleep(20 * time.Millisecond) {
		if a := s.ask(t, "GET", target, nil); a.code != 200 {
			t.Fatalf("%s: %d", target, a.code)
		} else if !strings.Contains(a.body, "data-running") {
			sound(t, target, a)
			return a.body
		}
	}
	t.Fatal("it never ends")
	return ""
}

func TestReport(t *testing.T) {
	heavy := make(chan struct{}, 1)
	s := open(t, Options{Heavy: heavy})
	const page = "/ui/collections/books"
	heavy <- struct{}{} // something else is measured: pages do not wait for it
	if a := s.ask(t, "GET", page, nil); !strings.Contains(a.body, "waiting for another analysis") || !strings.Contains(a.body, `http-equiv="refresh"`) {
		t.Error("it does not say that it waits")
	}
	<-heavy
	body := s.settled(t, page)
	for _, text := range []string{"intrinsic dimension", "Local dimension at each vector", "Hubness", "Variance of each direction", "recall@10", "1.000", "just now",
		"author.name", "list of string", "&lt;script&gt;alert", "for example"} {
		if !strings.Contains(body, text) {
			t.Errorf("%q is not there", text)
		}
	}
	if strings.Contains(body, "What was tried") || strings.Contains(body, `class="warning"`) && warnings(body) == "" {
		t.Error("a tuning shows that never was")
	}

	before := s.jobs.get(col(t, s, "books"), "", recalling).ended
	if a := s.ask(t, "POST", page+"/recall", url.Values{"using": {""}}); a.code != 303 || a.header.Get("Location") != page {
		t.Errorf("recall again: %d, to %s", a.code, a.header.Get("Location"))
	}
	if a := s.ask(t, "POST", page+"/tune", url.Values{"using": {""}, "recall": {"0.9"}}); a.code != 303 {
		t.Errorf("tune: %d %s", a.code, warnings(a.body))
	}
	body = s.settled(t, page)
	if !strings.Contains(body, "What was tried") || !strings.Contains(body, "Tuned just now") {
		t.Errorf("the tuning does not show: %s", warnings(body))
	}
	if after := s.jobs.get(col(t, s, "books"), "", recalling).ended; !after.After(before) {
		t.Error("recall was not measured again")
	}

	// A collection of the same name made anew has none of it.
	if _, err := s.store.Delete(t.Context(), "books"); err != nil {
		t.Fatal(err)
	}
	if err := s.store.Create(t.Context(), "books", collection.Config{Vectors: map[string]collection.VectorConfig{"": {Size: 2}}}); err != nil {
		t.Fatal(err)
	}
	if body := s.settled(t, page); strings.Contains(body, "recall@10") || strings.Contains(body, "What was tried") {
		t.Error("it shows what was found of another collection")
	}

	for _, c := range []struct {
		target string
		form   url.Values
		code   int
	}{
		{"/ui/collections/nothing/recall", url.Values{}, 404},
		{page + "/recall", url.Values{"using": {"other"}}, 400},
		{page + "/tune", url.Values{"recall": {"much"}}, 400},
		{page + "/tune", url.Values{"recall": {"NaN"}}, 400},
		{page + "/tune", url.Values{"recall": {"1.5"}}, 400},
		{page + "/measure", url.Values{}, 400}, // no points
		{page + "/measure", url.Values{"using": {strings.Repeat("x", 100<<10)}}, 400},
	} {
		if a := s.ask(t, "POST", c.target, c.form); a.code != c.code {
			t.Errorf("%s %.60v: %d, want %d", c.target, c.form, a.code, c.code)
		} else {
			sound(t, c.target, a)
		}
	}
	for _, header := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Origin", "https://evil.example"}} {
		if a := s.ask(t, "POST", page+"/recall", url.Values{}, header...); a.code != 403 {
			t.Errorf("a page elsewhere (%v) writes: %d", header, a.code)
		}
	}
}

// TestRestart wants what was measured shown by the next process, which measures nothing again.
func TestRestart(t *testing.T) {
	dir := t.TempDir()
	begin := func() (*site, func()) {
		store, err := collection.Open(dir, collection.Options{})
		if err != nil {
			t.Fatal(err)
		}
		heavy := make(chan struct{}, 1)
		s := &site{New(store, Options{Heavy: heavy, Log: slog.New(slog.NewTextHandler(logs{t}, nil))}), store, http.NewServeMux()}
		s.Routes(s.mux.HandleFunc)
		return s, func() {
			s.Close()
			if err := store.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	const page = "/ui/collections/books"
	s, end := begin()
	s.fill(t)
	s.settled(t, page)
	s.ask(t, "POST", page+"/tune", url.Values{"using": {""}, "recall": {"0.9"}})
	want := s.settled(t, page)
	end()

	s, end = begin()
	s.o.Heavy <- struct{}{} // whatever it measured would wait
	got, lines := strings.Split(s.ask(t, "GET", page, nil).body, "\n"), strings.Split(want, "\n")
	for i, line := range lines {
		if !strings.Contains(line, "on disk") && (len(got) != len(lines) || got[i] != line) {
			t.Fatalf("after the restart the page has %d lines, not %d, and line %d is\n%.2000s\nwas\n%.2000s", len(got), len(lines), i, got[min(i, len(got)-1)], line)
		}
	}

	// What the API measured shows, with its time, and stays, too; writes since are counted.
	b := col(t, s, "books")
	dim, err1 := b.Measure(t.Context(), "", nil, dimension.Options{Sample: 123})
	recall, err2 := b.Recall(t.Context(), collection.RecallQuery{K: 7})
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	s.Measured(b, "", dim)
	s.Recalled(b, "", recall)
	if _, err := b.Apply(t.Context(), []collection.Op{collection.Delete{Selector: collection.Selector{IDs: []point.ID{point.Num(1)}}}}, true); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		body := s.ask(t, "GET", page, nil).body
		for _, text := range []string{"measured through the API just now, 1 writes since, on 123 vectors of 300 points", "recall@7", "What was tried", "Shape: measured just now, 1 writes since, on 300 of 300 points"} {
			if !strings.Contains(body, text) {
				t.Errorf("%q is not there", text)
			}
		}
		if strings.Contains(body, "waiting for another analysis") {
			t.Error("it measures again")
		}
		<-s.o.Heavy
		end()
		s, end = begin()
		s.o.Heavy <- struct{}{}
	}
	<-s.o.Heavy
	end()
}

func col(t testing.TB, s *site, name string) *collection.Collection {
	t.Helper()
	c, err := s.store.Collection(name)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCloseEndsJobs(t *testing.T) {
	heavy := make(chan struct{}, 1)
	s := open(t, Options{Heavy: heavy})
	heavy <- struct{}{} // for ever
	s.ask(t, "GET", "/ui/collections/books", nil)
	s.Close() // hangs if it does not
	s.ask(t, "GET", "/ui/collections/books", nil)
}

func TestKeys(t *testing.T) {
	s := open(t, Options{Keys: wire.Keys{Full: []string{"full-key"}, ReadOnly: []string{"read-key"}}})
	const page = "/ui/collections/books"
	a := s.ask(t, "GET", page+"?x=1", nil)
	if a.code != 303 || a.header.Get("Location") != "/ui/login?next=%2Fui%2Fcollections%2Fbooks%3Fx%3D1" {
		t.Errorf("without a key: %d, to %s", a.code, a.header.Get("Location"))
	}
	if a := s.ask(t, "POST", page+"/recall", url.Values{}); a.code != 401 {
		t.Errorf("without a key, POST: %d", a.code)
	}
	for _, key := range []string{"", "wrong", "full-key "} {
		if a := s.ask(t, "POST", "/ui/login", url.Values{"key": {key}}); a.code != 401 || a.header.Get("Set-Cookie") != "" {
			t.Errorf("key %q: %d, cookie %q", key, a.code, a.header.Get("Set-Cookie"))
		}
	}
	in := func(key, next string) (string, string) {
		a := s.ask(t, "POST", "/ui/login", url.Values{"key": {key}, "next": {next}})
		c, err := http.ParseSetCookie(a.header.Get("Set-Cookie"))
		if a.code != 303 || err != nil {
			t.Fatalf("%s: %d, %v", key, a.code, err)
		}
		if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/ui" || strings.Contains(c.Value, key) {
			t.Errorf("cookie %v", c)
		}
		return c.Name + "=" + c.Value, a.header.Get("Location")
	}
	for next, want := range map[string]string{"/ui/collections/books?x=1": "/ui/collections/books?x=1", "//evil.example": "/ui", "https://evil.example/ui": "/ui",
		"/collections": "/ui", "": "/ui", "/ui/\\evil": "/ui", "/uix": "/ui"} {
		if _, got := in("full-key", next); got != want {
			t.Errorf("next %q leads to %q", next, got)
		}
	}
	full, _ := in("full-key", "")
	read, _ := in("read-key", "")
	for _, c := range []struct {
		method, target string
		header         []string
		code           int
	}{
		{"GET", page, []string{"Cookie", full}, 200},
		{"GET", page, []string{"Cookie", read}, 200},
		{"GET", page, []string{"Api-Key", "read-key"}, 200},
		{"GET", page, []string{"Authorization", "Bearer full-key"}, 200},
		{"GET", page, []string{"Api-Key", "wrong"}, 303},
		{"GET", page, []string{"Cookie", cookie + "=" + strings.Repeat("A", 55)}, 303},
		{"GET", page, []string{"Cookie", full[:len(full)-2]}, 303},
		{"POST", page + "/recall", []string{"Cookie", read}, 303},
		{"POST", page + "/tune", []string{"Cookie", read}, 403},
		{"POST", page + "/tune", []string{"Cookie", full}, 400}, // past the door: the form is empty
		{"POST", page + "/tune", nil, 401},
	} {
		form := url.Values{}
		if c.method == "GET" {
			form = nil
		}
		a := s.ask(t, c.method, c.target, form, c.header...)
		if a.code != c.code {
			t.Errorf("%s %s %v: %d, want %d", c.method, c.target, c.header, a.code, c.code)
		}
		if c.code == 303 && c.method == "GET" && !strings.HasPrefix(a.header.Get("Location"), "/ui/login") {
			t.Errorf("%v leads to %s", c.header, a.header.Get("Location"))
		}
	}
	if a := s.ask(t, "GET", page, nil, "Cookie", read); strings.Contains(a.body, "/tune") {
		t.Error("a reader is shown a button that writes")
	}
	if a := s.ask(t, "POST", "/ui/logout", url.Values{}, "Cookie", full); a.code != 303 || !strings.Contains(a.header.Get("Set-Cookie"), "Max-Age=0") {
		t.Errorf("logout: %d, %q", a.code, a.header.Get("Set-Cookie"))
	}
}

// TestGuesses tries keys until the door stays shut, to the right one too.
func TestGuesses(t *testing.T) {
	s := open(t, Options{Keys: wire.Keys{Full: []string{"full-key"}}})
	login := func(key string) answer { return s.ask(t, "POST", "/ui/login", url.Values{"key": {key}}) }
	for i := range 3 * tries { // right keys cost nothing
		if a := login("full-key"); a.code != 303 {
			t.Fatalf("right key %d: %d", i, a.code)
		}
	}
	for i := range tries {
		if a := login("wrong"); a.code != 401 {
			t.Fatalf("wrong key %d: %d", i, a.code)
		}
	}
	for _, key := range []string{"wrong", "full-key"} {
		a := login(key)
		wait, err := strconv.Atoi(a.header.Get("Retry-After"))
		if a.code != 429 || err != nil || wait < 1 || wait > 30 || a.header.Get("Set-Cookie") != "" {
			t.Errorf("%s: %d, wait %q", key, a.code, a.header.Get("Retry-After"))
		}
		sound(t, "/ui/login", a)
	}
	if a := s.ask(t, "GET", "/ui", nil, "Api-Key", "full-key"); a.code != 200 { // who has a key needs no login
		t.Errorf("with the key as a header: %d", a.code)
	}

	var g guesses
	now := time.Unix(1e9, 0)
	at := func(remote string) time.Duration { return g.try(addressOf(remote), now) }
	for range tries {
		if at("10.0.0.1:5") != 0 || at("[2001:db8::1]:80") != 0 {
			t.Fatal("refused too early")
		}
	}
	for remote, wait := range map[string]time.Duration{"10.0.0.1:6": forgiven, "[::ffff:10.0.0.1]:7": forgiven, "[2001:db8::ffff]:80": forgiven, "10.0.0.2:5": 0, "[2001:db8:0:1::1]:80": 0, "@": 0} {
		if got := at(remote); got != wait {
			t.Errorf("%s waits %v, want %v", remote, got, wait)
		}
	}
	now = now.Add(forgiven)
	if at("10.0.0.1:5") != 0 || at("10.0.0.1:5") != forgiven {
		t.Error("with time there is not one more try")
	}
	// A crowd does not fill the memory, nor wash away who has tried most.
	for i := range addresses + 200 {
		at(fmt.Sprintf("10.1.%d.%d:1", i>>8, i&255))
	}
	if n := len(g.until); n > addresses {
		t.Errorf("%d addresses are remembered", n)
	}
	if at("10.0.0.1:5") != forgiven {
		t.Error("who tried most is forgotten")
	}
}

func TestSessions(t *testing.T) {
	s, now := newSessions(), time.Now()
	for _, may := range []wire.Access{wire.Read, wire.Write} {
		token := s.seal(may, now.Add(time.Minute))
		if got := s.open(token, now); got != may {
			t.Errorf("%d opens as %d", may, got)
		}
		if s.open(token, now.Add(time.Minute)) != wire.Nothing {
			t.Error("it outlives its time")
		}
		if newSessions().open(token, now) != wire.Nothing {
			t.Error("it outlives its process")
		}
		for i := range token {
			b := []byte(token)
			b[i] ^= 4
			// The last character of base64 has bits that mean nothing.
			if got := s.open(string(b), now); got != wire.Nothing && i < len(token)-1 {
				t.Errorf("changed at %d it opens as %d", i, got)
			}
		}
	}
}

func TestStatic(t *testing.T) {
	s := open(t, Options{Keys: wire.Keys{Full: []string{"k"}}}) // needs no key: the login page has it
	for file, a := range assets {
		got := s.ask(t, "GET", "/ui/static/"+a.version+"/"+file, nil)
		if got.code != 200 || got.body != string(a.content) || got.header.Get("Content-Type") != a.kind || !strings.Contains(got.header.Get("Cache-Control"), "immutable") {
			t.Errorf("%s: %d %v", file, got.code, got.header)
		}
		if old := s.ask(t, "GET", "/ui/static/0/"+file, nil); old.code != 200 || old.header.Get("Cache-Control") != "" {
			t.Errorf("%s of another version: %d, to be kept: %q", file, old.code, old.header.Get("Cache-Control"))
		}
	}
	if got := s.ask(t, "GET", "/ui/static/0/frame.html", nil); got.code != 404 {
		t.Errorf("a template is served: %d", got.code)
	}
	for _, path := range []string{"/dashboard", "/dashboard/collections"} {
		if got := s.ask(t, "GET", path, nil); got.code != 307 || got.header.Get("Location") != "/ui" {
			t.Errorf("%s: %d, to %s", path, got.code, got.header.Get("Location"))
		}
	}
}

func TestText(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1 000", -12345: "-12 345", 1234567: "1 234 567", -123: "-123"} {
		if got := strings.ReplaceAll(count(n), "\u202f", " "); got != want {
			t.Errorf("count(%d) = %s", n, got)
		}
	}
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1536: "1.5 KiB", 3 << 40: "3.0 TiB"} {
		if got := size(n); got != want {
			t.Errorf("size(%d) = %s", n, got)
		}
	}
	if got := cut("äöü", 2); got != "äö…" {
		t.Error(got)
	}
	if got := cut("äöü", 3); got != "äöü" {
		t.Error(got)
	}
}

// FuzzVector reads what may be typed in: no panic, and what is read is no empty vector.
func FuzzVector(f *testing.F) {
	for _, s := range []string{"1 2 3", "[1,2]", "[[1],[2]]", `{"indices":[1],"values":[2]}`, "1e999", "", "[", "{}", "[[]]", "NaN"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		x, err := parseVector(s)
		if err == nil && x.Dense == nil && x.Multi == nil && x.Sparse == nil {
			t.Errorf("%q reads as nothing", s)
		}
	})
}

func (s *site) config(t testing.TB, name string) collection.Config { return col(t, s, name).Config() }

// copy copies the points of a collection to another.
func (s *site) copy(t testing.TB, from, to string) {
	t.Helper()
	all := collection.Select{All: true}
	hits, _, err := col(t, s, from).Scroll(t.Context(), collection.Scroll{Limit: 1000, WithPayload: all, WithVector: all})
	if err != nil {
		t.Fatal(err)
	}
	var points []point.Point
	for _, h := range hits {
		points = append(points, h.Point)
	}
	if _, err := col(t, s, to).Apply(t.Context(), []collection.Op{collection.Upsert{Points: points}}, false); err != nil {
		t.Fatal(err)
	}
}
