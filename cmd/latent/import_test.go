package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/latent-go/latent/client"
	"github.com/latent-go/latent/collection/point"
	"github.com/latent-go/latent/dataset"
	"github.com/latent-go/latent/vec"
)

// serving starts latent serve with an empty store, and returns a client of it.
func serving(t *testing.T) (*client.Client, string) {
	t.Helper()
	a, stop, log := start(t, filepath.Join(t.TempDir(), "store"))
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		if code := stop(); code != exitDone {
			t.Errorf("latent serve ends with %d, log %s", code, log)
		}
	})
	c, err := client.New(a.HTTP, client.Options{HTTP: http.DefaultClient})
	if err != nil {
		t.Fatal(err)
	}
	return c, a.HTTP
}

func everything(t *testing.T, c *client.Client, name string) []client.Point {
	t.Helper()
	points, next, err := c.Scroll(t.Context(), name, client.Scroll{Limit: 10000, WithVector: true})
	if err != nil || next != nil {
		t.Fatal(err, next)
	}
	return points
}

func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// samePoints compares points as JSON tells them, but that an empty payload is none.
func samePoints(t *testing.T, what string, got, want []client.Point) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d points, want %d", what, len(got), len(want))
		return
	}
	for i := range got {
		a, b := got[i], want[i]
		if len(a.Payload) == 0 {
			a.Payload = nil
		}
		if len(b.Payload) == 0 {
			b.Payload = nil
		}
		x, _ := json.Marshal(a)
		y, _ := json.Marshal(b)
		if !bytes.Equal(x, y) {
			t.Errorf("%s: point %d is %s, want %s", what, i, x, y)
			return
		}
	}
}

// TestImportFormats imports what each kind of file has, into a server and into a folder.
func TestImportFormats(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	c, address := serving(t)
	npy := filepath.Join(dir, "x.npy")
	if err := dataset.Save(npy, &dataset.Set{X: vec.Matrix{Rows: 3, Cols: 2, Data: []float32{1, 2, 3, 4, 5, 6}}}); err != nil {
		t.Fatal(err)
	}
	uuid := "0190c1f2-4b7a-7cc3-9d2e-0123456789ab"
	id := func(s string) point.ID {
		id, err := point.ParseID(s)
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	p := func(id point.ID, payload point.Payload, v ...float32) client.Point {
		return client.Point{ID: id, Vectors: point.Vectors{"": point.Dense(v)}, Payload: payload}
	}
	for _, row := range []struct {
		name, source string
		args         []string
		want         []client.Point
	}{
		{"numbers only", npy, nil, []client.Point{p(point.Num(0), nil, 1, 2), p(point.Num(1), nil, 3, 4), p(point.Num(2), nil, 5, 6)}},
		{"some rows", npy, []string{"--rows", "1"}, []client.Point{p(point.Num(0), nil, 1, 2)}},
		{"ids and typed columns", write("a.csv", "id,year,ok,title,v\n7,1999,true,\"A, b\",\"[1, 2]\"\n"+uuid+",,false,,\"[3, 4]\"\n"), []string{"--payload", "year:integer,ok:bool,title", "--column", "v"},
			[]client.Point{p(point.Num(7), point.Payload{"year": int64(1999), "ok": true, "title": "A, b"}, 1, 2), p(id(uuid), point.Payload{"ok": false, "title": ""}, 3, 4)}},
		{"columns as text", write("b.jsonl", `{"id": "5", "year": 1999, "vector": [1, 2]}`+"\n"), nil, []client.Point{p(point.Num(5), point.Payload{"year": "1999"}, 1, 2)}},
		{"no columns", filepath.Join(dir, "b.jsonl"), []string{"--payload", "none"}, []client.Point{p(point.Num(5), nil, 1, 2)}},
		{"points", write("c.jsonl", `{"id": 5, "payload": {"year": 1999, "deep": {"a": [1, null]}}, "vector": [1, 2]}`+"\n\n"+`{"id":"`+uuid+`","vector":[3,4]}`), nil,
			[]client.Point{p(point.Num(5), point.Payload{"year": int64(1999), "deep": map[string]any{"a": []any{int64(1), nil}}}, 1, 2), p(id(uuid), nil, 3, 4)}},
		{"words", write("d.txt", "2 2\nblue 1 2\nred 3 4\n"), nil, []client.Point{p(nameID("blue"), point.Payload{"id": "blue"}, 1, 2), p(nameID("red"), point.Payload{"id": "red"}, 3, 4)}},
		{"generated", "synthetic:gaussian?n=2&d=2&seed=1", nil, nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			name := strings.ReplaceAll(row.name, " ", "-")
			args := append([]string{"import", name, row.source, "--distance", "dot"}, row.args...)
			if row.name == "points" { // which do not say what to make
				if _, errs, code := latent(t, append(args, "--url", address)...); code != exitFailed || !strings.Contains(errs, "create it first") {
					t.Errorf("exit %d: %s", code, errs)
				}
				if err := c.CreateCollection(t.Context(), name, client.Config{Vectors: client.Vectors{"": {Size: 2, Distance: client.Dot}}}); err != nil {
					t.Fatal(err)
				}
			}
			total := len(row.want)
			if row.want == nil {
				total = 2
			}
			for round := range 2 { // the second one changes nothing
				var got importAnswer
				answer(t, &got, append(args, "--url", address)...)
				if got.Created != (round == 0 && row.name != "points") || got.Points != total || got.Total != total || got.From != 0 {
					t.Errorf("round %d: %+v", round, got)
				}
			}
			points := everything(t, c, name)
			if row.want != nil {
				samePoints(t, "points", points, row.want)
			}
			if row.name == "points" {
				return
			}
			store := filepath.Join(t.TempDir(), "store")
			var got importAnswer
			answer(t, &got, append(args, "--dir", store)...)
			out := filepath.Join(dir, name+".jsonl")
			var wrote exportAnswer
			answer(t, &wrote, "export", name, "--dir", store, "-o", out)
			samePoints(t, "points in a folder", readPoints(t, out), points)
		})
	}
}

func readPoints(t *testing.T, path string) (points []client.Point) {
	t.Helper()
	r, err := openPoints(path)
	if err != nil || r == nil {
		t.Fatal(err, r)
	}
	defer r.close()
	points, err = r.next(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	return points
}

// fill makes a collection with vectors of all kinds and payloads of all types.
func fill(t *testing.T, c *client.Client, name string, n int) {
	t.Helper()
	ctx := t.Context()
	if err := c.Call(ctx, "PUT", "/collections/"+name, json.RawMessage(`{"vectors":{"a":{"size":3,"distance":"Cosine","hnsw_config":{"m":24}},
		"tokens":{"size":2,"distance":"Dot","multivector_config":{"comparator":"max_sim"}}},
		"sparse_vectors":{"words":{"modifier":"idf"}},"hnsw_config":{"ef_construct":77},"metadata":{"owner":"me"}}`), nil); err != nil {
		t.Fatal(err)
	}
	var points []client.Point
	for i := range n {
		p := client.Point{ID: point.Num(uint64(i)), Vectors: point.Vectors{"a": point.Dense([]float32{1, float32(i), 2})},
			Payload: point.Payload{"n": int64(i), "x": float64(i) / 4, "s": fmt.Sprint("<", i, "é>"), "deep": map[string]any{"list": []any{true, nil, "x"}}}}
		switch i % 4 {
		case 1:
			p.Vectors["tokens"] = point.Multi([][]float32{{1, float32(i)}, {0, 1}})
			p.Vectors["words"] = point.Vector{Sparse: &point.Sparse{Indices: []uint32{1, uint32(i + 2)}, Values: []float32{.5, 2}}}
		case 2:
			p.ID, p.Payload = nameID(fmt.Sprint(i)), nil
		case 3:
			p.Vectors = point.Vectors{"tokens": point.Multi([][]float32{{3, float32(i)}})}
		}
		points = append(points, p)
	}
	if err := c.Upsert(ctx, name, points, true); err != nil {
		t.Fatal(err)
	}
	for field, schema := range map[string]any{"n": "integer", "s": map[string]any{"type": "text", "tokenizer": "word", "lowercase": true}, "deep.list": "keyword"} {
		if err := c.CreateIndex(ctx, name, field, schema); err != nil {
			t.Fatal(err)
		}
	}
}

// TestMigrate brings a collection of one server to another, and to a folder: our server is the Qdrant.
func TestMigrate(t *testing.T) {
	from, fromURL := serving(t)
	to, toURL := serving(t)
	fill(t, from, "all", 600)
	want := everything(t, from, "all")
	var got importAnswer
	answer(t, &got, "import", "all", "--from-qdrant", fromURL, "--url", toURL, "--batch", "100")
	if !got.Created || got.Points != 600 || got.Total != 600 {
		t.Errorf("%+v", got)
	}
	samePoints(t, "points", everything(t, to, "all"), want)
	config := func(c *client.Client, name string) (m map[string]any) {
		if err := c.Call(t.Context(), "GET", "/collections/"+name, nil, &m); err != nil {
			t.Fatal(err)
		}
		return m
	}
	for _, key := range []string{"config", "payload_schema"} {
		same(t, key, config(to, "all")[key], config(from, "all")[key])
	}
	answer(t, &got, "import", "copy", "--from-qdrant", fromURL, "--from-collection", "all", "--url", toURL, "--rows", "250")
	samePoints(t, "the first rows under another name", everything(t, to, "copy"), want[:250])
	answer(t, &got, "import", "copy", "--from-qdrant", fromURL, "--from-collection", "all", "--url", toURL, "--resume", "--batch", "100")
	if got.From != 200 || got.Points != 400 || got.Total != 600 || got.Created {
		t.Errorf("resumed: %+v", got)
	}

	// A file of points holds all of it, too, and plain formats one vector.
	dir := t.TempDir()
	for _, name := range []string{"p.jsonl", "p.jsonl.gz"} {
		path := filepath.Join(dir, name)
		var wrote exportAnswer
		answer(t, &wrote, "export", "all", "--url", fromURL, "-o", path)
		samePoints(t, name, readPoints(t, path), want)
	}
	var wrote exportAnswer
	answer(t, &wrote, "export", "all", "--url", fromURL, "-o", filepath.Join(dir, "p.parquet"), "--vector", "a", "--filter", `{"must":{"key":"n","range":{"lt":100}}}`)
	if wrote.Points != 50 || wrote.Without != 25 { // of four, one has no n, and one no a
		t.Errorf("%+v", wrote)
	}
	answer(t, &got, "import", "again", filepath.Join(dir, "p.parquet"), "--vector", "a", "--url", toURL, "--index", "n:integer")
	for _, p := range everything(t, to, "again") {
		i, _ := p.ID.Number()
		if w := want[0]; i == 0 && (!reflect.DeepEqual(p.Payload, w.Payload) ||
			!reflect.DeepEqual(p.Vectors["a"], w.Vectors["a"])) {
			t.Errorf("by Parquet %v, was %v", p, w)
		}
	}
	answer(t, &wrote, "export", "again", "--url", toURL, "-o", filepath.Join(dir, "p.npy"), "--vector", "a")
	set, err := dataset.Load(filepath.Join(dir, "p.npy"), dataset.Options{})
	if err != nil || set.X.Rows != 50 || set.X.Cols != 3 {
		t.Fatal(err, set)
	}
	beside, err := os.ReadFile(filepath.Join(dir, "p.npy.points.jsonl"))
	if lines := strings.Split(string(beside), "\n"); err != nil || len(lines) != 51 || !strings.HasPrefix(lines[1], `{"id":1,"payload":{"deep"`) {
		t.Errorf("%v %s", err, beside)
	}
	// A second vector beside the first.
	answer(t, &got, "import", "again", filepath.Join(dir, "p.npy"), "--vector", "b", "--update", "--rows", "1", "--distance", "euclid", "--url", toURL)
	first := everything(t, to, "again")[0]
	if len(first.Vectors) != 2 || len(first.Payload) == 0 || got.Total != 50 {
		t.Errorf("%v, %+v", first, got)
	}
}

// TestImportResumes cuts an import off, by an interrupt and by a server that fails, and goes on.
func TestImportResumes(t *testing.T) {
	c, address := serving(t)
	target, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	const source = "synthetic:gaussian?n=3000&d=4&seed=1"
	for _, how := range []string{"interrupt", "failure"} {
		t.Run(how, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var puts atomic.Int64
			proxy := httputil.NewSingleHostReverseProxy(target)
			proxy.ErrorLog = log.New(io.Discard, "", 0)
			between := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.HasSuffix(r.URL.Path, "/points") && r.Method == "PUT" && puts.Add(1) > 10 {
					if how == "interrupt" {
						cancel()
					}
					http.Error(w, "broken", http.StatusInternalServerError)
					return
				}
				r.Host = target.Host
				proxy.ServeHTTP(w, r)
			}))
			defer between.Close()
			var out, errs bytes.Buffer
			code := run(ctx, &env{out: &out, err: &errs}, []string{"import", how, source, "--url", between.URL, "--batch", "50"})
			if want := map[string]int{"interrupt": exitInterrupted, "failure": exitFailed}[how]; code != want || !strings.Contains(errs.String(), "--resume goes on") {
				t.Fatalf("exit %d: %s", code, &errs)
			}
			n, err := c.Count(t.Context(), how, nil)
			if err != nil || n == 0 || n > 500 {
				t.Fatalf("%d points are there: %v", n, err)
			}
			var stored int
			if _, err := fmt.Sscanf(errs.String()[strings.Index(errs.String(), "the first "):], "the first %d rows", &stored); err != nil || stored > n || stored%50 != 0 {
				t.Errorf("%d points are there: %s", n, &errs)
			}
			var got importAnswer // requests that were under way when it was interrupted may have arrived since n was counted
			answer(t, &got, "import", how, source, "--url", address, "--batch", "50", "--resume")
			if got.From < stored || got.From > 500 || got.From+got.Points != 3000 || got.Total != 3000 {
				t.Errorf("%+v, after %s", got, &errs)
			}
			answer(t, &got, "import", how, source, "--url", address, "--resume")
			if got.From != 3000 || got.Points != 0 || got.Total != 3000 {
				t.Errorf("again: %+v", got)
			}
		})
	}
}

func TestImportRefuses(t *testing.T) {
	c, address := serving(t)
	fill(t, c, "named", 8)
	store := filepath.Join(t.TempDir(), "store")
	_, stop, _ := start(t, store)
	defer stop()
	const two = "synthetic:gaussian?n=3&d=2&seed=1"
	csv := filepath.Join(t.TempDir(), "x.csv")
	os.WriteFile(csv, []byte("id,year,v\n1,1999,\"[1, 2]\"\n2,no,\"[1, 2]\"\n"), 0o644)
	bad := filepath.Join(t.TempDir(), "x.jsonl")
	os.WriteFile(bad, []byte(`{"id":1,"vector":{"a":[1,2,3]}}`+"\n"+`{"id":1,"vektor":{"a":[1,2,3]}}`), 0o644)
	for _, row := range []struct {
		args, want string
		code       int
	}{
		{"import c", "say what to import", exitMisused},
		{"import c x --from-qdrant http://localhost:1", "one source", exitMisused},
		{"import c x --from-key k", "go with --from-qdrant", exitMisused},
		{"import c x --batch 0", "--batch 0", exitMisused},
		{"import c x --rows -1", "--rows -1", exitMisused},
		{"import c x --distance near", "--distance near", exitMisused},
		{"import c x --index year", "want FIELD:TYPE", exitMisused},
		{"import c x --dir d --url http://h", "give one of them", exitMisused},
		{"import c x --url nonsense", "no address", exitMisused},
		{"import c --from-qdrant nonsense --url " + address, "no address", exitMisused},
		{"import c --from-qdrant " + address + " --url " + address, "404", exitFailed},
		{"import c nowhere.npy --url " + address, "no such file", exitFailed},
		{"import c " + two + " --dir " + store, "name it with --url", exitFailed},
		{"import c " + two + " --update --url " + address, "no collection c", exitFailed},
		{"import named " + two + " --url " + address, `no vector "", only "a", "tokens"`, exitFailed},
		{"import named " + two + " --vector a --url " + address, "vectors of 3 numbers, and these have 2", exitFailed},
		{"import named " + two + " --vector tokens --distance cosine --url " + address, "compares by Dot", exitFailed},
		{"import d " + csv + " --column v --payload month --url " + address, "only year", exitMisused},
		{"import d " + csv + " --column v --payload year:day --url " + address, "want a type", exitMisused},
		{"import d " + csv + " --column v --payload year:integer --url " + address, `row 1: column year: "no" is not of the type integer`, exitFailed},
		{"import named " + bad + " --url " + address, "line 2 is not a point", exitFailed},
		{"export named --url " + address, "with -o FILE", exitMisused},
		{"export named -o x.npy --url " + address, "choose one with --vector", exitMisused},
		{"export named -o x.npy --vector tokens --url " + address, "not one dense vector", exitMisused},
		{"export named -o x.npy --vector none --url " + address, "nothing is written", exitFailed},
		{"export named -o x.npy --filter {] --url " + address, "--filter", exitMisused},
		{"export none -o x.npy --url " + address, "404", exitFailed},
	} {
		_, errs, code := latent(t, strings.Fields(row.args)...)
		if code != row.code || !strings.Contains(errs, row.want) {
			t.Errorf("latent %s: exit %d, %q; want %d, %q", row.args, code, errs, row.code, row.want)
		}
	}
	if _, err := os.Stat("x.npy"); err == nil {
		t.Error("a file was written all the same")
	}
}

// FuzzPoints reads files of points.
func FuzzPoints(f *testing.F) {
	for _, s := range []string{`{"id":1,"vector":[1,2]}`, `{"id":1,"vector":{"a":[[1],[2]],"b":{"indices":[1],"values":[2]}},"payload":{"a":1}}`,
		"\n\n{\"id\":1,\"vector\":[]}\n{", `{"id":-1,"vector":[1]}`, `{"vector":[1]}`, `[1,2]`, "\x1f\x8bxx", "", `{"id":1,"vector":null}`} {
		f.Add([]byte(s))
	}
	path := filepath.Join(f.TempDir(), "p.jsonl")
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Skip(err)
		}
		r, err := openPoints(path)
		if err != nil || r == nil {
			return
		}
		defer r.close()
		for n := 0; ; n++ {
			points, err := r.next(3)
			if err != nil {
				return
			}
			if len(points) == 0 || n > len(b) {
				t.Fatalf("%d points in part %d", len(points), n)
			}
			for _, p := range points {
				if p.Vectors == nil {
					t.Fatal("a point without vectors")
				}
			}
		}
	})
}

// TestSomePoints looks whether --rows ends a file of points, too.
func TestSomePoints(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.jsonl")
	var lines strings.Builder
	for i := range 5 {
		fmt.Fprintf(&lines, "{\"id\":%d,\"vector\":[1,2]}\n", i)
	}
	if err := os.WriteFile(path, []byte(lines.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	for most, want := range map[int]int{0: 5, 1: 1, 3: 3, 4: 4, 9: 5} {
		r, err := openRows(t.Context(), nil, importFlags{in: input{Options: dataset.Options{MaxRows: most}}}, path)
		if err != nil {
			t.Fatal(err)
		}
		got := 0
		for err == nil {
			var points []client.Point
			points, err = r.next(2)
			for _, p := range points {
				if p.ID != point.Num(uint64(got)) {
					t.Errorf("--rows %d: point %v after %d", most, p.ID, got)
				}
				got++
			}
		}
		if err != io.EOF || got != want {
			t.Errorf("--rows %d: %d points, want %d: %v", most, got, want, err)
		}
		if err := r.close(); err != nil {
			t.Fatal(err)
		}
	}
}
