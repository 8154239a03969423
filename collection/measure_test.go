package collection

import (
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/latent-go/latent/collection/filter"
	"github.com/latent-go/latent/collection/point"
	"github.com/latent-go/latent/measure/dimension"
	"github.com/latent-go/latent/measure/similarity"
	"github.com/latent-go/latent/plan"
	"github.com/latent-go/latent/vec"
)

// measured is a collection whose points lie near a subspace of few dimensions, as vector a, and turned, as vector b; n
// numbers them.
func measured(t *testing.T, n, dim, rank int) (*Store, *Collection, [][]float32) {
	t.Helper()
	s := must[*Store](t)(Open("db", Options{FS: vfs.NewMem(), Still: true}))
	err := s.Create(ctx, "c", Config{Vectors: map[string]VectorConfig{"a": {Size: dim, Distance: vec.Euclidean}, "b": {Size: dim, Distance: vec.Cosine}}})
	if err != nil {
		t.Fatal(err)
	}
	c := must[*Collection](t)(s.Collection("c"))
	for field, kind := range map[string]string{"n": "integer", "even": "bool"} {
		if err := c.CreateFieldIndex(ctx, field, filter.Schema{Type: kind}); err != nil {
			t.Fatal(err)
		}
	}
	basis, low := rows(rank, dim, 7), rows(n, rank, 8)
	var pts []point.Point
	x := make([][]float32, n)
	for i := range x {
		x[i] = make([]float32, dim)
		for j, f := range low[i] {
			for d := range x[i] {
				x[i][d] += f * basis[j][d]
			}
		}
		turned := slices.Clone(x[i])
		slices.Reverse(turned)
		pts = append(pts, point.Point{ID: point.Num(uint64(i)), Vectors: point.Vectors{"a": point.Dense(x[i]), "b": point.Dense(turned)},
			Payload: point.Payload{"n": int64(i), "even": i%2 == 0}})
	}
	fill(t, c, pts)
	return s, c, x
}

func below(n int) *filter.Filter {
	f := float64(n)
	return &filter.Filter{Must: []filter.Condition{filter.Field{Key: filter.Key("n"), Test: filter.Range{Lt: &f}}}}
}

func TestMeasureAndCompare(t *testing.T) {
	s, c, _ := measured(t, 1500, 12, 4)
	defer s.Close()
	r, err := c.Measure(ctx, "a", nil, dimension.Options{Sample: 1000})
	if err != nil || r.Rows != 1000 || math.Abs(r.Dimension-4) > 0.8 { // seen 3.99
		t.Errorf("dimension of a subspace of 4: %+v, %v", r, err)
	}
	if r, err := c.Measure(ctx, "a", below(300), dimension.Options{}); err != nil || r.Rows != 300 {
		t.Errorf("%+v, %v", r, err)
	}
	o := similarity.Options{NoUnits: true, NoSubspaces: true, Measures: []string{"mutual-knn"}}
	got, err := c.Compare(ctx, "a", "a", nil, 500, o)
	if err != nil {
		t.Fatal(err)
	}
	if k, ok := got.Score("mutual-knn"); !ok || k.Value < 0.999 {
		t.Errorf("a vector is not like itself: %+v", got)
	}
	for name, want := range map[string]error{"no": ErrInput} {
		if _, err := c.Measure(ctx, name, nil, dimension.Options{}); !errors.Is(err, want) {
			t.Error(err)
		}
		if _, err := c.Compare(ctx, "a", name, nil, 0, o); !errors.Is(err, want) {
			t.Error(err)
		}
	}
}

// Searches under filters find as many points as there are, and the right ones, from all of them down to 0.01 %; what
// Recall says is what a count by hand gives.
func TestRecallUnderFilters(t *testing.T) {
	defer func(a, b int) { indexFrom, indexFromNumbers = a, b }(indexFrom, indexFromNumbers)
	indexFrom, indexFromNumbers = 1000, 1000
	n := 10_000
	if testing.Short() {
		n = 3000
	}
	s, c, x := measured(t, n, 16, 8)
	defer s.Close()
	settled(t, c)
	for _, share := range []float64{1, 0.5, 0.1, 0.01, 0.001, 0.0001} {
		matching := int(share * float64(n))
		f := below(matching)
		if share == 1 {
			f = nil
		}
		r, err := c.Recall(ctx, RecallQuery{Using: "a", Filter: f, Sample: 60})
		if matching < 2 {
			if err == nil {
				t.Errorf("recall among %d points is %+v", matching, r)
			}
		} else if err != nil || r.Mean < 0.97 || r.Points != matching || r.Lo > r.Mean || r.Hi < r.Mean || r.Scans && r.Mean != 1 { // seen 0.99 to 1
			t.Errorf("%v %%: %+v, %v", 100*share, r, err)
		}
		found, all := 0, 0
		for i := range 20 {
			q := Query{Ask: Nearest{To: Input{Vector: &point.Vector{Dense: x[i*31]}}}, Using: "a", Filter: f}
			got := must[[]Hit](t)(c.Query(ctx, q))
			q.Params.Exact = true
			want := must[[]Hit](t)(c.Query(ctx, q))
			if len(got) != min(10, matching) || len(want) != len(got) {
				t.Fatalf("%d hits of %d that match", len(got), matching)
			}
			for _, h := range got {
				if id, _ := h.ID.Number(); int(id) >= matching {
					t.Fatalf("%v does not match", h.ID)
				}
				if slices.ContainsFunc(want, func(w Hit) bool { return w.ID == h.ID }) {
					found++
				}
			}
			all += len(want)
		}
		if float64(found) < 0.97*float64(all) {
			t.Errorf("%v %%: %d of %d found", 100*share, found, all)
		}
	}
	r := must[*RecallReport](t)(c.Recall(ctx, RecallQuery{Using: "a", Queries: []point.Vector{point.Dense(x[5])}, Params: Params{Exact: true}}))
	if r.Mean != 1 || !r.Scans || r.Queries != 1 {
		t.Errorf("%+v", r)
	}
	bad := must[*RecallReport](t)(c.Recall(ctx, RecallQuery{Using: "a", K: 50, Params: Params{Effort: 50}, Sample: 40}))
	good := must[*RecallReport](t)(c.Recall(ctx, RecallQuery{Using: "a", K: 50, Params: Params{Effort: 400}, Sample: 40}))
	if bad.Mean > good.Mean {
		t.Errorf("more effort finds less: %v, %v", bad.Mean, good.Mean)
	}
}

func TestTune(t *testing.T) {
	defer func(a, b int) { indexFrom, indexFromNumbers = a, b }(indexFrom, indexFromNumbers)
	indexFrom, indexFromNumbers = 1000, 1000
	s, c, _ := measured(t, 3000, 16, 4)
	defer s.Close()
	settled(t, c)
	target := plan.Target{Recall: 0.9, Plans: []plan.Plan{plan.MustParse("pca:4|sq8|hnsw:8|rerank:2"), plan.MustParse("f32|hnsw:8")}}
	try := must[*TuneReport](t)(c.Tune(ctx, TuneQuery{Using: "b", Target: target, Sample: 2000, Try: true}))
	if try.Applied || c.Config().Vectors["b"].Plan != "" || try.Chosen.String() == "f32|flat" {
		t.Errorf("%+v", try)
	}
	r := must[*TuneReport](t)(c.Tune(ctx, TuneQuery{Using: "b", Target: target, Sample: 2000}))
	in := must[Info](t)(c.Info())
	cfg := c.Config().Vectors["b"]
	if !r.Applied || in.Plans["b"] != r.Chosen.String() || cfg.Plan != r.Chosen.String() || cfg.Effort != r.Effort || r.Recall.Lo < 0.9 && !r.Recall.Scans {
		t.Errorf("%+v\n%+v\n%+v\n%+v", r, r.Recall, in, cfg)
	}
	if in.Plans["a"] == in.Plans["b"] {
		t.Error("the plan of another vector changed:", in.Plans)
	}
	target.Recall, target.Plans = 0.9999, []plan.Plan{plan.MustParse("rabitq|flat")}
	if r, err := c.Tune(ctx, TuneQuery{Using: "b", Target: target, Sample: 2000}); !errors.Is(err, plan.ErrTarget) || r.Applied || c.Config().Vectors["b"] != cfg {
		t.Errorf("%+v, %v", r, err)
	}
}
