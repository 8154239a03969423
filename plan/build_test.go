package plan_test

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/latent-go/latent/index"
	"github.com/latent-go/latent/plan"
	"github.com/latent-go/latent/vec"
)

var ctx = context.Background()

// mixture returns n vectors of 48 numbers in 8 clusters, each of 6 dimensions and a little noise.
func mixture(n int, seed uint64) vec.Matrix {
	basis := rand.New(rand.NewPCG(7, 7))
	const d, k, m = 48, 8, 6
	centres, axes := vec.NewMatrix(k, d), vec.NewMatrix(k*m, d)
	for i := range centres.Data {
		centres.Data[i] = 2 * float32(basis.NormFloat64())
	}
	for i := range axes.Data {
		axes.Data[i] = float32(basis.NormFloat64())
	}
	r := rand.New(rand.NewPCG(seed, 1))
	x := vec.NewMatrix(n, d)
	for i := range n {
		c := r.IntN(k)
		row := x.Row(i)
		copy(row, centres.Row(c))
		for j := range m {
			vec.AddScaled(row, axes.Row(c*m+j), float32(r.NormFloat64()))
		}
		for j := range row {
			row[j] += 0.05 * float32(r.NormFloat64())
		}
	}
	return x
}

func truth(t *testing.T, queries, x vec.Matrix, m vec.Metric, k int) *plan.Truth {
	t.Helper()
	truth, err := plan.NewTruth(ctx, queries, x, nil, m, k, nil)
	if err != nil {
		t.Fatal(err)
	}
	return truth
}

// TestBuild builds every kind of stage under every metric it goes with, and saves and opens it.
func TestBuild(t *testing.T) {
	x, queries := mixture(3000, 1), mixture(100, 2)
	for _, c := range []struct {
		spec   string
		recall float64 // least recall@10; seen, over the metrics, beside it
	}{
		{"pq:12|flat|rerank:4", 0.98},       // 0.998 to 1
		{"opq:24x4|flat|rerank:4", 0.98},    // 0.995 to 1
		{"pq:24x4|hnsw:16|rerank:4", 0.94},  // 0.971 to 1
		{"pq:24x4|ivf:20|rerank:4", 0.95},   // 0.972 to 1
		{"sq8|ivf", 0.97},                   // 0.990 to 0.999
		{"rabitq:1|flat|rerank:8", 0.98},    // 0.998 to 1
		{"rabitq:4|hnsw:16|rerank:2", 0.99}, // 1
		{"flat", 1},
		{"f16|flat", 0.995},                    // 0.999 to 1
		{"sq8|flat", 0.975},                    // 0.990 to 0.993
		{"sq4|flat|rerank:8", 0.99},            // 1
		{"hnsw:16", 0.99},                      // 1
		{"pca:24|sq8|hnsw:12|rerank:4", 0.99},  // 0.999 to 1
		{"pca:0.99|f32|flat|rerank:2", 0.99},   // 1
		{"pca:24|sq8|hnsw:8,efc=60", 0.85},     // 0.896 to 0.907
		{"sq4|hnsw:16,efc=100|rerank:8", 0.99}, // 1
		{"hnsw:8,order=lid|rerank:1", 0.99},    // 0.999 to 1
	} {
		p := plan.MustParse(c.spec)
		for _, m := range []vec.Metric{vec.Euclidean, vec.Cosine, vec.InnerProduct, vec.Manhattan} {
			if testing.Short() && m != vec.Cosine {
				continue
			}
			t.Run(c.spec+"/"+m.String(), func(t *testing.T) {
				ix, err := plan.Build(ctx, p, x, plan.Options{Metric: m, Seed: 3})
				if m == vec.Manhattan && (strings.HasPrefix(c.spec, "pca") || strings.HasPrefix(c.spec, "rabitq")) {
					if err == nil || !strings.Contains(err.Error(), "change with a rotation") {
						t.Errorf("a rotation under l1: %v", err)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				q := index.Query{K: 10, Effort: 100}
				r, err := plan.Measure(ctx, ix, truth(t, queries, x, m, 10), q)
				if err != nil || r.Mean < c.recall {
					t.Errorf("recall@10 is %.3f, want %v: %v", r.Mean, c.recall, err)
				}
				if ix.Len() != x.Rows || ix.Dim() != x.Cols || ix.Metric() != m || ix.SizeBytes() <= 0 || ix.RerankBytes() > 0 != (p.Rerank > 0) {
					t.Errorf("Len %d, Dim %d, Metric %v, SizeBytes %d, RerankBytes %d", ix.Len(), ix.Dim(), ix.Metric(), ix.SizeBytes(), ix.RerankBytes())
				}
				reopened(t, ix, queries, q)
				batch(t, ix, queries, q)
			})
		}
	}
}

// reopened saves ix and checks that what is opened answers as it does.
func reopened(t *testing.T, ix *plan.Index, queries vec.Matrix, q index.Query) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "index")
	labels := []string{"zero", "", "zwei"}
	if err := ix.Save(ctx, dir, &plan.Manifest{}, labels, false); err != nil {
		t.Fatal(err)
	}
	f, err := plan.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if f.Manifest.Plan != ix.Plan() || f.Label(2) != "zwei" || f.Label(7) != "" {
		t.Errorf("manifest %+v, labels %q, %q", f.Manifest, f.Label(2), f.Label(7))
	}
	for i := range queries.Rows {
		want, err := ix.Search(ctx, queries.Row(i), q)
		if err != nil {
			t.Fatal(err)
		}
		got, err := f.Search(ctx, queries.Row(i), q)
		if err != nil || !slices.Equal(got.Hits, want.Hits) {
			t.Fatalf("query %d: the opened index finds %v, want %v (%v)", i, got.Hits, want.Hits, err)
		}
	}
}

// batch checks that queries together get the answers they get alone.
func batch(t *testing.T, ix *plan.Index, queries vec.Matrix, q index.Query) {
	t.Helper()
	for _, q := range []index.Query{q, {K: q.K, Effort: q.Effort, Rerank: 1}, {K: q.K, Effort: q.Effort, Keep: func(id uint32) bool { return id%3 > 0 }}} {
		together, err := ix.SearchBatch(ctx, queries, q)
		if err != nil {
			t.Fatal(err)
		}
		for i := range queries.Rows {
			alone, err := ix.Search(ctx, queries.Row(i), q)
			if err != nil || !slices.EqualFunc(together[i].Hits, alone.Hits, func(a, b index.Hit) bool {
				return a.ID == b.ID && math.Abs(float64(a.Distance-b.Distance)) <= 1e-5*math.Abs(float64(b.Distance))+1e-6
			}) {
				t.Fatalf("query %d, rerank %d: together %v, alone %v (%v)", i, q.Rerank, together[i].Hits, alone.Hits, err)
			}
		}
	}
}

// TestRerankOfAQuery asks for more and fewer candidates than the plan's.
func TestRerankOfAQuery(t *testing.T) {
	x, queries := mixture(3000, 1), mixture(100, 2)
	ix, err := plan.Build(ctx, plan.MustParse("pca:8|sq4|flat|rerank:2"), x, plan.Options{})
	if err != nil {
		t.Fatal(err)
	}
	at := truth(t, queries, x, vec.Euclidean, 10)
	recall := func(rerank int) float64 {
		r, err := plan.Measure(ctx, ix, at, index.Query{K: 10, Rerank: rerank})
		if err != nil {
			t.Fatal(err)
		}
		return r.Mean
	}
	if one, two, eight := recall(1), recall(2), recall(8); !(one < two && two < eight) || recall(0) != two { // seen 0.512, 0.747, 0.989
		t.Errorf("recall with 1, 2 and 8 candidates for each neighbour: %v, %v, %v; of the plan's 2: %v", one, two, eight, recall(0))
	}
	if res, err := ix.SearchBatch(ctx, vec.Matrix{}, index.Query{K: 1}); err != nil || len(res) > 0 {
		t.Error("no queries:", res, err)
	}
}

func TestDistancesAreOfTheMetric(t *testing.T) {
	x, q := mixture(500, 1), mixture(1, 2).Row(0)
	for _, m := range []vec.Metric{vec.Euclidean, vec.Cosine, vec.InnerProduct} {
		for _, spec := range []string{"flat", "pca:40|flat", "pca:8|sq8|flat|rerank:4"} {
			ix, err := plan.Build(ctx, plan.MustParse(spec), x, plan.Options{Metric: m})
			if err != nil {
				t.Fatal(err)
			}
			res, err := ix.Search(ctx, q, index.Query{K: 3})
			if err != nil {
				t.Fatal(err)
			}
			for _, h := range res.Hits {
				want := m.Distance(q, x.Row(int(h.ID)))
				if math.Abs(float64(h.Distance-want)) > 0.05*math.Abs(float64(want))+1e-4 {
					t.Errorf("%s under %s: distance %v, want %v", spec, m, h.Distance, want)
				}
			}
			v, err := ix.Vector(7)
			if err != nil || vec.Cosine.Distance(v, x.Row(7)) > 0.01 {
				t.Errorf("%s under %s: vector 7 came back as another: %v", spec, m, err)
			}
		}
	}
}

func TestRefusals(t *testing.T) {
	x := mixture(50, 1)
	nan := x.Clone()
	nan.Row(3)[4] = float32(math.NaN())
	zero := x.Clone()
	clear(zero.Row(5))
	for _, c := range []struct {
		name string
		spec string
		x    vec.Matrix
		m    vec.Metric
		want error
	}{
		{"no vectors", "flat", vec.Matrix{}, vec.Euclidean, vec.ErrTooFew},
		{"NaN", "flat", nan, vec.Euclidean, vec.ErrNotFinite},
		{"a zero vector", "sq8|flat", zero, vec.Cosine, vec.ErrZero},
		{"too many components", "pca:60|flat", x, vec.Euclidean, vec.ErrTooFew},
	} {
		if _, err := plan.Build(ctx, plan.MustParse(c.spec), c.x, plan.Options{Metric: c.m}); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	ix, err := plan.Build(ctx, plan.Plan{}, x, plan.Options{Metric: vec.Cosine})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		v    []float32
		k    int
		want error
	}{
		{x.Row(0), 0, index.ErrQuery},
		{x.Row(0)[:7], 1, vec.ErrDim},
		{nan.Row(3), 1, vec.ErrNotFinite},
		{make([]float32, x.Cols), 1, vec.ErrZero},
	} {
		if _, err := ix.Search(ctx, c.v, index.Query{K: c.k}); !errors.Is(err, c.want) {
			t.Errorf("search: %v, want %v", err, c.want)
		}
	}
	if _, err := ix.Vector(1000); !errors.Is(err, index.ErrID) {
		t.Errorf("a vector that is not there: %v", err)
	}
	gone, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := plan.Build(gone, plan.Plan{}, x, plan.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestFolderIsWholeOrNotThere(t *testing.T) {
	x := mixture(300, 1)
	ix, err := plan.Build(ctx, plan.MustParse("pca:8|sq8|flat|rerank:2"), x, plan.Options{})
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "index")
	save := func(replace bool) error { return ix.Save(ctx, dir, &plan.Manifest{}, nil, replace) }
	if err := save(false); err != nil {
		t.Fatal(err)
	}
	if err := save(false); !errors.Is(err, os.ErrExist) {
		t.Errorf("an index was replaced unasked: %v", err)
	}
	if err := save(true); err != nil {
		t.Errorf("replace: %v", err)
	}
	gone, cancel := context.WithCancel(ctx)
	cancel()
	if err := ix.Save(gone, dir+"2", &plan.Manifest{}, nil, false); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if entries, _ := os.ReadDir(filepath.Dir(dir)); len(entries) != 1 {
		t.Errorf("left beside the index: %v", entries)
	}
	other := t.TempDir()
	os.WriteFile(filepath.Join(other, "thesis.txt"), []byte("mine"), 0o600)
	if err := ix.Save(ctx, other, &plan.Manifest{}, nil, true); err == nil || !strings.Contains(err.Error(), "other files") {
		t.Errorf("a folder of other files: %v", err)
	}
	if err := ix.Save(ctx, filepath.Join(dir, "a", "b"), &plan.Manifest{}, nil, false); err == nil {
		t.Error("a folder in a folder that is not there")
	}

	// Each file cut or gone: an error, no panic.
	files, _ := os.ReadDir(dir)
	for _, f := range files {
		path := filepath.Join(dir, f.Name())
		whole, _ := os.ReadFile(path)
		for _, broken := range [][]byte{nil, whole[:len(whole)/2], append(slices.Clone(whole[:len(whole)/2]), make([]byte, len(whole)-len(whole)/2)...)} {
			os.WriteFile(path, broken, 0o600)
			if g, err := plan.Open(dir); err == nil {
				t.Errorf("%s of %d bytes in place of %d was opened", f.Name(), len(broken), len(whole))
				g.Close()
			}
		}
		os.Remove(path)
		if g, err := plan.Open(dir); err == nil {
			t.Errorf("opened without %s", f.Name())
			g.Close()
		}
		os.WriteFile(path, whole, 0o600)
	}
	if f, err := plan.Open(dir); err != nil {
		t.Errorf("whole again: %v", err)
	} else {
		f.Close()
	}
	if _, err := plan.Open(other); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a folder without an index: %v", err)
	}
}
