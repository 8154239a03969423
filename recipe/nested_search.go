package recipe

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/latent-go/latent/dataset/catalog"
	"github.com/latent-go/latent/dataset/synthetic"
	"github.com/latent-go/latent/index"
	"github.com/latent-go/latent/index/nested"
	"github.com/latent-go/latent/reduce/matryoshka"
	"github.com/latent-go/latent/report"
	"github.com/latent-go/latent/vec"
)

// latent reproduce nested-search: about 4 minutes on 2 cores.
var nestedSearch = Recipe{
	Name: "nested-search", Paper: 0, Package: "reduce/matryoshka", Minutes: 4,
	Claim: "An orthogonal projection that starts at PCA and is trained for several lengths at once makes every prefix of a vector better than PCA's prefix of " +
		"that length; one stored vector then serves searches at all of them.",
	Data: "20,000 GloVe word vectors of 100 numbers and 10,000 Fashion-MNIST images of 784, 500 held-out queries each; recall@10 by cosine. MatryoshkaKV (paper 31), whose idea the training is, trains the projection " +
		"inside a language model, on the keys and values of its attention; here it is trained on the neighbours of stored vectors.",
	Run: runNestedSearch,
}

// nestedSet is vectors and the prefixes to search.
type nestedSet struct {
	name string
	x    vec.Matrix
	rows int
	dims []int
}

func nestedSets(ctx context.Context, e *Env) ([]nestedSet, error) {
	if e.Miniature {
		x, err := synthetic.Subspace(360, 24, 12, true, 1)
		return []nestedSet{{"subspace", x, 300, []int{4, 8}}}, err
	}
	glove, err := catalog.Load(ctx, "glove-100", catalog.Options{})
	if err != nil {
		return nil, err
	}
	fashion, err := catalog.Load(ctx, "fashion-mnist", catalog.Options{})
	if err != nil {
		return nil, err
	}
	return []nestedSet{
		{"GloVe words", glove.Train.Slice(0, 40_000), 20_000, []int{12, 25, 50}},
		{"Fashion-MNIST", fashion.Train, 10_000, []int{8, 28, 112}},
	}, nil
}

func runNestedSearch(ctx context.Context, e *Env) (*Evidence, error) {
	sets, err := nestedSets(ctx, e)
	if err != nil {
		return nil, err
	}
	steps := 0
	if e.Miniature {
		steps = 10
	}
	ev := &Evidence{Measure: "recall@10 of prefixes alone, cosine, mean over prefixes and data sets; higher is better",
		Baseline: Figures{Method: "prefix of PCA"}, Ours: Figures{Method: "prefix of the trained rotation"}}
	for range e.Seeds {
		ev.Baseline.Values, ev.Ours.Values = append(ev.Baseline.Values, 0), append(ev.Ours.Values, 0)
	}
	least := 1.0 // gain
	lines := report.Lines{Title: "Coarse to fine: recall against cost", X: "numbers read, as a share of an exact search's", Y: "recall@10", LogX: true}
	for _, s := range sets {
		found := map[string][][]float64{"PCA": make([][]float64, len(s.dims)), "trained": make([][]float64, len(s.dims))}
		var walk []coarse
		kept := 0
		for i, seed := range e.Seeds {
			e.Progress(s.name, i, len(e.Seeds))
			pick := rand.New(rand.NewPCG(seed, 0x6e657374)).Perm(s.x.Rows)
			t, err := newTask(ctx, s.name, s.x.Gather(pick[:min(s.rows+500, s.x.Rows)]), nil, min(500, s.x.Rows-s.rows), 10)
			if err != nil {
				return nil, err
			}
			var turned *matryoshka.Map
			for _, way := range []string{"PCA", "trained"} {
				o := matryoshka.Options{Dims: s.dims, Steps: steps, Rows: s.rows, Seed: seed}
				if way == "PCA" {
					o.Steps = -1
				}
				m, err := matryoshka.Fit(ctx, t.base, o)
				if err != nil {
					return nil, err
				}
				ix, err := nested.New(m.Apply(vec.Matrix{}, t.base), nested.Options{Dims: s.dims, Metric: vec.Cosine})
				if err != nil {
					return nil, err
				}
				queries := m.Apply(vec.Matrix{}, t.queries)
				for d, k := range s.dims {
					r, err := t.recallOf(ctx, func(q int) (index.Result, error) { return ix.SearchPrefix(ctx, queries.Row(q), k, index.Query{K: 10}) })
					if err != nil {
						return nil, err
					}
					found[way][d] = append(found[way][d], r)
					share := r / float64(len(s.dims)*len(sets))
					if way == "PCA" {
						ev.Baseline.Values[i] += share
					} else {
						ev.Ours.Values[i] += share
					}
				}
				turned = m
			}
			if turned.Trained() {
				kept++
			}
			c, err := s.coarse(ctx, t, turned)
			if err != nil {
				return nil, err
			}
			if walk == nil {
				walk = c
				continue
			}
			for j := range c {
				walk[j].recall = append(walk[j].recall, c[j].recall...)
				walk[j].share = append(walk[j].share, c[j].share...)
				walk[j].faster = append(walk[j].faster, c[j].faster...)
			}
		}
		table := NamedTable{Title: "One stored vector, searched by its prefixes: " + s.name}
		table.Head = []string{"prefix", "share of the numbers", "PCA, recall@10", "trained, recall@10", "gain"}
		for d, k := range s.dims {
			a, b := found["PCA"][d], found["trained"][d]
			gain := mean(b) - mean(a)
			least = min(least, gain)
			table.Rows = append(table.Rows, []string{fmt.Sprint(k), fmt.Sprintf("%.3f", float64(k)/float64(s.x.Cols)), figure(a), figure(b), fmt.Sprintf("%+.4f", gain)})
		}
		ev.Tables = append(ev.Tables, table)
		ev.Notes = append(ev.Notes, fmt.Sprintf("%s: training found more neighbours of its own held-out rows than PCA, and was kept, for %d of %d seeds.", s.name, kept, len(e.Seeds)))
		fine := NamedTable{Title: fmt.Sprintf("Coarse to fine: prefixes %v, then all columns: %s", s.dims[:2], s.name)}
		fine.Head = []string{"survivors of the first", "recall@10", "numbers read, share of exact", "times faster than exact"}
		line := report.Series{Name: s.name}
		cheapest := 1.0
		for _, c := range walk {
			fine.Rows = append(fine.Rows, []string{fmt.Sprint(c.effort), figure(c.recall), fmt.Sprintf("%.3f", mean(c.share)), fmt.Sprintf("%.1f", mean(c.faster))})
			line.X, line.Y = append(line.X, mean(c.share)), append(line.Y, mean(c.recall))
			if mean(c.recall) >= 0.95 {
				cheapest = min(cheapest, mean(c.share))
			}
		}
		ev.Tables, lines.Series = append(ev.Tables, fine), append(lines.Series, line)
		ev.Checks = append(ev.Checks,
			AtLeast(s.name+": trained less PCA, recall@10, mean over prefixes", meanGain(found["PCA"], found["trained"]), 0.005),
			AtMost(s.name+": numbers read for a recall of 0.95 from coarse to fine, share of an exact search's", cheapest, 0.5))
	}
	ev.Charts = append(ev.Charts, lines)
	ev.Checks = append(ev.Checks, AtLeast("trained less PCA, recall@10, least over prefixes and data sets (PCA is the start, so no loss but for noise)", least, -0.005))
	ev.Notes = append(ev.Notes, "Both kinds of prefix are compared by cosine, without the mean taken off; more effort than a fifth of the vectors is not tried; times are medians, of one search at a time, in turns with the exact one.")
	return ev, nil
}

func meanGain(a, b [][]float64) float64 {
	var g []float64
	for i := range a {
		g = append(g, mean(b[i])-mean(a[i]))
	}
	return mean(g)
}

// recallOf is the mean recall of a search for each query. Hits may carry distances of their own: IDs decide.
func (t *task) recallOf(ctx context.Context, search func(q int) (index.Result, error)) (float64, error) {
	found := make([]float64, t.queries.Rows)
	err := vec.Blocks(ctx, t.queries.Rows, 16, func(lo, hi int) error {
		for q := lo; q < hi; q++ {
			res, err := search(q)
			if err != nil {
				return err
			}
			want, _ := t.truth.Row(q)
			for _, h := range res.Hits {
				if slices.Contains(want, h.ID) {
					found[q] += 1 / float64(len(want))
				}
			}
		}
		return nil
	})
	return mean(found), err
}

// coarse is what searching from coarse to fine finds and costs with some number of survivors.
type coarse struct {
	effort                int
	recall, share, faster []float64 // one a seed
}

func (s nestedSet) coarse(ctx context.Context, t *task, m *matryoshka.Map) ([]coarse, error) {
	y, queries := m.Apply(vec.Matrix{}, t.base), m.Apply(vec.Matrix{}, t.queries)
	ix, err := nested.New(y, nested.Options{Dims: s.dims[:2], Metric: vec.Cosine})
	if err != nil {
		return nil, err
	}
	var out []coarse
	for _, effort := range []int{30, 100, 300, 1000, 2000, 4000} {
		if 5*effort > t.base.Rows && len(out) > 0 {
			break
		}
		var cost, exact, ours []float64
		recall, err := t.recallOf(ctx, func(q int) (index.Result, error) {
			return ix.Search(ctx, queries.Row(q), index.Query{K: 10, Effort: effort})
		})
		if err != nil {
			return nil, err
		}
		dots := make([]float32, y.Rows)
		top := vec.NewTopK(10)
		ids := make([]uint32, y.Rows)
		for i := range ids {
			ids[i] = uint32(i)
		}
		for q := range min(200, queries.Rows) {
			begin := time.Now()
			res, err := ix.Search(ctx, queries.Row(q), index.Query{K: 10, Effort: effort})
			if err != nil {
				return nil, err
			}
			between := time.Now()
			vec.Dots(dots, queries.Row(q), y.Data) // exact, of unit vectors: nothing is as fast on one processor
			for i := range dots {
				dots[i] = 1 - dots[i]
			}
			top.Reset()
			top.PushAll(dots, ids)
			cost = append(cost, float64(res.Distances)/float64(y.Rows))
			ours, exact = append(ours, float64(between.Sub(begin))), append(exact, float64(time.Since(between)))
		}
		slices.Sort(ours)
		slices.Sort(exact)
		out = append(out, coarse{effort, []float64{recall}, []float64{mean(cost)}, []float64{exact[len(exact)/2] / ours[len(ours)/2]}})
	}
	return out, nil
}
