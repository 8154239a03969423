package collection

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/latent-go/latent/collection/filter"
	"github.com/latent-go/latent/collection/point"
	"github.com/latent-go/latent/index"
	"github.com/latent-go/latent/measure/dimension"
	"github.com/latent-go/latent/measure/similarity"
	"github.com/latent-go/latent/plan"
	"github.com/latent-go/latent/vec"
)

// Measure measures what the vectors of one name are like, on a sample of o.Sample rows: their intrinsic dimension and
// spectrum. Of several vectors a point, all count, and the sample is of points. Under cosine they have length 1.
func (c *Collection) Measure(ctx context.Context, using string, f *filter.Filter, o dimension.Options) (*dimension.Report, error) {
	v, err := c.view()
	if err != nil {
		return nil, err
	}
	defer v.release()
	if o.Sample == 0 {
		o.Sample = 10_000
	}
	slots, err := v.draw(ctx, f, o.Sample, o.Seed, using)
	if err != nil {
		return nil, err
	}
	return dimension.Measure(ctx, v.spaces[using].rows(slots), o)
}

// Compare says how alike two dense vectors of the same points are, on a sample: 2,000 points if sample is 0.
func (c *Collection) Compare(ctx context.Context, a, b string, f *filter.Filter, sample int, o similarity.Options) (*similarity.Report, error) {
	v, err := c.view()
	if err != nil {
		return nil, err
	}
	defer v.release()
	if sample == 0 {
		sample = 2000
	}
	slots, err := v.draw(ctx, f, sample, o.Seed, a, b)
	if err != nil {
		return nil, err
	}
	for _, name := range []string{a, b} {
		if v.spaces[name].config.Multi {
			return nil, wrong("vector %q is several a point, which cannot be compared row by row", name)
		}
	}
	return similarity.Compare(ctx, v.spaces[a].rows(slots), v.spaces[b].rows(slots), o)
}

// draw draws points that have some dense vectors; below 0 takes all. Slots ascend.
func (v *view) draw(ctx context.Context, f *filter.Filter, n int, seed uint64, names ...string) ([]uint32, error) {
	keep, err := v.matching(ctx, f)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if _, ok := v.spaces[name]; !ok {
			return nil, noVector(name)
		}
		keep = roaring.And(keep, v.with(name))
	}
	if n < 0 {
		return keep.ToArray(), nil
	}
	hits, err := sample(ctx, v.chosen(keep), seed+1, n) // 0 would be another sample each time
	slots := make([]uint32, len(hits))
	for i, h := range hits {
		slots[i] = h.slot
	}
	slices.Sort(slots)
	return slots, err
}

// rows gathers the vectors of slots that have them.
func (s *spaceView) rows(slots []uint32) vec.Matrix {
	if !s.config.Multi {
		m := vec.NewMatrix(len(slots), s.config.Size)
		for i, slot := range slots {
			copy(m.Row(i), s.row(slot))
		}
		return m
	}
	var data []float32
	for _, slot := range slots {
		data = append(data, s.multi(slot).Data...)
	}
	return vec.Matrix{Rows: len(data) / s.config.Size, Cols: s.config.Size, Data: data}
}

// RecallQuery says what recall is to be measured of.
type RecallQuery struct {
	Using   string
	K       int            // neighbours; 10 if 0
	Queries []point.Vector // what is asked; nil for vectors of the collection's own points, each of which is then not looked for
	Sample  int            // of own points; 200 if 0
	Filter  *filter.Filter // under which all is asked
	Params  Params         // how it is asked
	Seed    uint64         // of the sample
	// Progress, if not nil, is told how many queries are done.
	Progress func(done, total int)
}

// RecallReport is the recall that a sample of queries shows, with its interval, beside what exact search takes.
type RecallReport struct {
	plan.Recall         // of the collection's searches; Distances is not counted
	Exact       float64 `json:"exact_p50_micros"` // time of one exact search
	Points      int     `json:"points"`           // that are searched: they have the vector, and the filter lets them through
	Plan        string  `json:"plan"`             // in force
	Effort      int     `json:"effort"`
	Scans       bool    `json:"scans"`  // all that may be found is compared: recall is 1 by construction
	Source      string  `json:"source"` // where they came from
}

// Recall measures what share of the true nearest neighbours the collection's searches find, by asking each query once as
// searches are and once exactly. A hit counts that is no farther than the farthest true neighbour.
func (c *Collection) Recall(ctx context.Context, r RecallQuery) (*RecallReport, error) {
	v, err := c.view()
	if err != nil {
		return nil, err
	}
	defer v.release()
	return v.recall(ctx, r)
}

func (v *view) recall(ctx context.Context, r RecallQuery) (*RecallReport, error) {
	k, err1 := page(r.K, 10)
	n, err2 := page(r.Sample, 200)
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	s, ok := v.spaces[r.Using]
	if !ok {
		if v.hasVector(r.Using) {
			return nil, wrong("vector %q is sparse, of which all searches are exact", r.Using)
		}
		return nil, noVector(r.Using)
	}
	keep, err := v.matching(ctx, r.Filter)
	if err != nil {
		return nil, err
	}
	among := roaring.And(keep, v.with(r.Using))
	if r.Filter == nil {
		keep = nil
	}
	out := &RecallReport{Points: int(among.GetCardinality()), Plan: "f32|flat", Scans: true, Source: fmt.Sprintf("%d of the caller", len(r.Queries))}
	if s.index != nil && !r.Params.Exact {
		out.Plan, out.Effort = s.index.plan.String(), s.effort(r.Params)
		out.Scans = s.scanIsCheaper(among, keep != nil, k, r.Params)
	}
	queries, own := r.Queries, []uint32(nil)
	if queries == nil {
		if own, err = v.draw(ctx, nil, n, r.Seed, r.Using); err != nil {
			return nil, err
		}
		for _, slot := range own {
			queries = append(queries, s.vector(slot))
		}
		out.Source = fmt.Sprintf("%d of its own points, each looking for others", len(own))
	}
	if len(queries) == 0 || out.Points < 2 {
		return nil, failed(ErrInput, "recall: %d queries among %d points: %v", len(queries), out.Points, vec.ErrTooFew)
	}
	found, micros, exact := make([]float64, len(queries)), make([]float64, len(queries)), make([]float64, len(queries))
	for i, q := range queries {
		admitted, err := admit(q, s.config)
		if err != nil {
			return nil, err
		}
		m := &measure{s: s, q: admitted}
		self, more := -1, 0
		if own != nil {
			self, more = int(own[i]), 1
		}
		find := func(p Params, took *float64) ([]index.Hit, error) {
			begin := time.Now()
			hits, err := v.nearest(ctx, r.Using, q, k+more, p, keep)
			*took = float64(time.Since(begin).Nanoseconds()) / 1e3
			if err != nil {
				return nil, err
			}
			out := make([]index.Hit, 0, k)
			for _, h := range hits {
				var d [1]float32
				m.distances(d[:], []uint32{h.slot})
				if int(h.slot) != self && len(out) < k {
					out = append(out, index.Hit{ID: h.slot, Distance: d[0]})
				}
			}
			return out, nil
		}
		got, err1 := find(r.Params, &micros[i])
		want, err2 := find(Params{Exact: true}, &exact[i])
		if err := errors.Join(err1, err2); err != nil {
			return nil, err
		}
		distances := make([]float32, len(want))
		for j := range want {
			distances[j] = want[j].Distance
		}
		found[i] = index.Recall(got, distances)
		if r.Progress != nil {
			r.Progress(i+1, len(queries))
		}
	}
	out.Recall = plan.Summarize(k, found, micros)
	out.Exact = plan.Summarize(k, found, exact).P50Micros
	return out, nil
}

// TuneQuery says what a vector's searches are to reach.
type TuneQuery struct {
	Using  string
	Target plan.Target // Recall, K, Weight, Plans, Budget and Seed; Metric and Queries are the collection's own
	Sample int         // vectors that plans are tried on; 20,000 if 0
	Try    bool        // only say which plan would be chosen
}

// TuneReport says what was tried on a sample, what was chosen, and what recall it has in the collection.
type TuneReport struct {
	*plan.Report
	Chosen  plan.Plan     `json:"chosen"`
	Applied bool          `json:"applied"`          // the collection searches by it, and not by comparing all vectors because they are few
	Effort  int           `json:"effort,omitempty"` // of its searches now
	Recall  *RecallReport `json:"recall,omitempty"` // in the collection
}

// Tune finds the cheapest plan that reaches a target on a sample of the vectors of one name, has the collection's index
// made anew by it (searches go on by the old one until it is there), and raises the effort of searches until the lower
// bound of the recall that the collection shows reaches the target. If no plan does on the sample, nothing is changed, and
// the error is plan.ErrTarget; if the effort does not help, plan and effort stay as they were found, and the error is that,
// too; the report is there in both cases.
func (c *Collection) Tune(ctx context.Context, t TuneQuery) (*TuneReport, error) {
	v, err := c.view()
	if err != nil {
		return nil, err
	}
	n, err := page(t.Sample, 20_000)
	var x vec.Matrix
	var config VectorConfig
	if err == nil {
		var slots []uint32
		if slots, err = v.draw(ctx, nil, n, t.Target.Seed, t.Using); err == nil {
			x, config = v.spaces[t.Using].rows(slots), v.spaces[t.Using].config
		}
	}
	v.release()
	if err != nil {
		return nil, err
	}
	if config.Multi {
		return nil, wrong("vector %q is several a point: there are no plans for these", t.Using)
	}
	t.Target.Metric, t.Target.Queries = config.Distance, vec.Matrix{}
	report, _, err := plan.Tune(ctx, x, t.Target)
	out := &TuneReport{Report: report}
	if report != nil {
		for _, trial := range report.Trials {
			if trial.Chosen {
				out.Chosen = trial.Plan
			}
		}
	}
	if err != nil || t.Try {
		return out, err
	}
	if err := c.setVector(ctx, t.Using, func(v *VectorConfig) { v.Plan, v.Effort = out.Chosen.String(), report.Proof.Effort }); err != nil {
		return out, err
	}
	if err := c.tend(ctx, true); err != nil {
		return out, err
	}
	return out, c.raiseEffort(ctx, t, out)
}

// raiseEffort doubles the effort of a vector's searches until its recall reaches the target.
func (c *Collection) raiseEffort(ctx context.Context, t TuneQuery, out *TuneReport) error {
	target := t.Target.Recall
	if target == 0 {
		target = 0.95
	}
	const enough = 1 << 13
	for effort := max(out.Proof.Effort, 16); ; effort *= 2 {
		r, err := c.Recall(ctx, RecallQuery{Using: t.Using, K: t.Target.K, Params: Params{Effort: effort}, Seed: t.Target.Seed + 1, Sample: 500})
		if err != nil {
			return err
		}
		out.Recall, out.Effort = r, effort
		met := r.Scans || r.Lo >= target
		if !met && effort < enough {
			continue
		}
		if r.Plan == "f32|flat" {
			out.Effort = 0
		}
		out.Applied = r.Plan == out.Chosen.String() || out.Chosen.Exact()
		if err := c.setVector(ctx, t.Using, func(v *VectorConfig) { v.Effort = out.Effort }); err != nil {
			return err
		}
		if !met {
			return fmt.Errorf("collection: recall@%d is %.3f to %.3f in the collection at effort %d, want %.3f: %w", r.K, r.Lo, r.Hi, effort, target, plan.ErrTarget)
		}
		return nil
	}
}

// setVector changes the configuration of one vector.
func (c *Collection) setVector(ctx context.Context, name string, change func(*VectorConfig)) error {
	cfg := c.Config()
	v, ok := cfg.Vectors[name]
	if !ok {
		return noVector(name)
	}
	change(&v)
	cfg.Vectors[name] = v
	return c.SetConfig(ctx, cfg)
}
