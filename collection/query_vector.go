package collection

import (
	"context"
	"math"
	"slices"
	"sync"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/latent-go/latent/collection/fusion"
	"github.com/latent-go/latent/collection/point"
	"github.com/latent-go/latent/collection/postings"
	"github.com/latent-go/latent/collection/sparse"
	"github.com/latent-go/latent/vec"
)

// examples are the vectors that a query names, resolved: those given as IDs are read, and their points not to be found.
type examples struct {
	ctx   context.Context
	v     *view
	q     *Query
	other *view // of LookupFrom
	name  string
	self  *roaring.Bitmap
	err   error
}

func (v *view) byVector(ctx context.Context, q *Query, sel *selection, k int) (r ranking, err error) {
	e := &examples{ctx: ctx, v: v, q: q, other: v, name: q.Using, self: roaring.New()}
	if l := q.LookupFrom; l != nil {
		c, err := v.c.store.Collection(l.Collection)
		if err != nil {
			return r, err
		}
		if c != v.c {
			if e.other, err = c.view(); err != nil {
				return r, err
			}
			defer e.other.release()
		}
		if l.Vector != "" {
			e.name = l.Vector
		}
	}
	if !v.hasVector(q.Using) {
		return r, noVector(q.Using)
	}
	switch ask := q.Ask.(type) {
	case Nearest:
		x := e.one(ask.To)
		if e.err != nil {
			return r, e.err
		}
		sel = sel.without(e.self)
		if m := ask.MMR; m != nil {
			return v.diverse(ctx, q, x, *m, sel, k)
		}
		return v.near(ctx, q, x, sel, k)
	case Recommend:
		pos, neg := e.all(ask.Positive), e.all(ask.Negative)
		if e.err != nil {
			return r, e.err
		}
		sel = sel.without(e.self)
		switch ask.Strategy {
		case "", "average_vector":
			if len(pos) == 0 {
				return r, wrong("At least one positive vector ID required with this strategy")
			}
			x, err := average(pos, neg)
			if err != nil {
				return r, err
			}
			return v.near(ctx, q, x, sel, k)
		case "best_score", "sum_scores":
			if len(pos)+len(neg) == 0 {
				return r, wrong("At least one positive or negative vector ID required with this strategy")
			}
			score := bestScore(len(pos))
			if ask.Strategy == "sum_scores" {
				score = sumScores(len(pos))
			}
			return v.scored(ctx, q.Using, append(pos, neg...), score, sel, k)
		}
		return r, wrong("unknown strategy %.50q, expected average_vector, best_score or sum_scores", ask.Strategy)
	case Discover:
		var list []point.Vector
		if ask.Target != nil {
			list = append(list, e.one(*ask.Target))
		}
		for _, p := range ask.Context {
			list = append(list, e.one(p.Positive), e.one(p.Negative))
		}
		if e.err != nil {
			return r, e.err
		}
		if len(list) == 0 {
			return r, wrong("a discovery needs a target or pairs of a context")
		}
		score := contextScore
		if ask.Target != nil {
			score = discoverScore
		}
		return v.scored(ctx, q.Using, list, score, sel.without(e.self), k)
	}
	return r, wrong("no query %T", q.Ask)
}

func noVector(name string) error { return wrong("Not existing vector name error: %s", name) }

func (v *view) hasVector(name string) bool {
	_, dense := v.spaces[name]
	_, sparse := v.sparse[name]
	return dense || sparse
}

func (e *examples) all(in []Input) (out []point.Vector) {
	for _, i := range in {
		out = append(out, e.one(i))
	}
	return out
}

func (e *examples) one(in Input) (x point.Vector) {
	fail := func(err error) point.Vector {
		if e.err == nil {
			e.err = err
		}
		return x
	}
	if in.ID == nil {
		if in.Vector == nil {
			return fail(wrong("an example has neither a vector nor an ID"))
		}
		if in.Vector.Sparse == nil {
			return *in.Vector
		}
		x, err := admitSparse(*in.Vector)
		if err != nil {
			return fail(err)
		}
		return x
	}
	slot, ok, err := e.other.slot(*in.ID)
	if err != nil {
		return fail(err)
	}
	if !ok {
		return fail(failed(ErrNotFound, "No point with id %s found", *in.ID))
	}
	if e.other == e.v {
		e.self.Add(slot)
	}
	vs, err := e.other.vectors(slot, Select{Include: []string{e.name}})
	if err != nil {
		return fail(err)
	}
	if x, ok = vs[e.name]; !ok {
		if !e.other.hasVector(e.name) {
			return fail(noVector(e.name))
		}
		return fail(failed(ErrNotFound, "Point %s has no vector %q", *in.ID, e.name))
	}
	return x
}

// less says that of two scores under a vector the smaller is the better.
func (v *view) less(name string) bool {
	s, ok := v.spaces[name]
	return ok && !s.larger()
}

// mostLooked is how many hits are looked at before all points that a filter leaves open are.
const mostLooked = 4096

// near finds the k nearest slots of a selection. Where the filter leaves points open it looks at the nearest of them, as
// long as these may do.
func (v *view) near(ctx context.Context, q *Query, x point.Vector, sel *selection, k int) (r ranking, err error) {
	r.less = v.less(q.Using)
	find := func(k int, keep *roaring.Bitmap) ([]slotHit, error) {
		if s, ok := v.sparse[q.Using]; ok {
			x, err := admitSparse(x)
			if err != nil {
				return nil, err
			}
			return fromPostings(s.ix.Search(*x.Sparse, v.live, keep, k)), ctx.Err()
		}
		if keep == v.live {
			keep = nil
		}
		return v.nearest(ctx, q.Using, x, k, q.Params, keep)
	}
	if !sel.decided() {
		for more := 2*k + 16; more <= mostLooked && uint64(more) < sel.maybe.GetCardinality(); more *= 4 {
			hits, err := find(more, sel.maybe)
			if err != nil {
				return r, err
			}
			met := len(hits)
			if r.hits, err = sel.first(hits, k); err != nil || len(r.hits) == k || met < more {
				return r, err
			}
		}
	}
	keep, err := sel.all(ctx)
	if err != nil {
		return r, err
	}
	r.hits, err = find(k, keep)
	return r, err
}

func fromPostings(hits []postings.Hit) []slotHit {
	out := make([]slotHit, len(hits))
	for i, h := range hits {
		out[i] = slotHit{h.Slot, float32(h.Score)}
	}
	return out
}

// diverse ranks the nearest slots by maximal marginal relevance. Scores stay those of nearness.
func (v *view) diverse(ctx context.Context, q *Query, x point.Vector, m MMR, sel *selection, k int) (r ranking, err error) {
	if !(m.Diversity >= 0 && m.Diversity <= 1) {
		return r, wrong("diversity of MMR is %v, must be from 0 to 1", m.Diversity)
	}
	n, err := page(m.Candidates, k)
	if err != nil {
		return r, err
	}
	if r, err = v.near(ctx, q, x, sel, n); err != nil {
		return r, err
	}
	sim, err := v.likeness(q.Using, r.hits)
	if err != nil {
		return r, err
	}
	relevance := func(i int) float64 { return float64(r.hits[i].score) }
	if r.less { // the inner measure, of which the score is a root
		relevance = func(i int) float64 {
			s := float64(r.hits[i].score)
			if v.spaces[q.Using].config.Distance == vec.Euclidean {
				s *= s
			}
			return -s
		}
	}
	order := fusion.MMR(len(r.hits), k, 1-float64(m.Diversity), relevance, sim)
	out := make([]slotHit, len(order))
	for i, at := range order {
		out[i] = r.hits[at]
	}
	r.hits = out
	return r, nil
}

// likeness returns a function that compares the vectors of hits; more is more alike.
func (v *view) likeness(name string, hits []slotHit) (func(i, j int) float64, error) {
	s, ok := v.spaces[name]
	if !ok {
		list := make([]point.Sparse, len(hits))
		for i, h := range hits {
			vs, err := v.vectors(h.slot, Select{Include: []string{name}})
			if err != nil {
				return nil, err
			}
			list[i] = *vs[name].Sparse
		}
		return func(i, j int) float64 {
			d, _ := sparse.Dot(list[i], list[j])
			return d
		}, nil
	}
	var d [1]float32
	return func(i, j int) float64 {
		(&measure{s: s, q: s.vector(hits[i].slot)}).distances(d[:], []uint32{hits[j].slot})
		return -float64(d[0])
	}, nil
}

// vector is that of a slot that has one, a view.
func (s *spaceView) vector(slot uint32) point.Vector {
	if !s.config.Multi {
		return point.Dense(s.row(slot))
	}
	m := s.multi(slot)
	rows := make([][]float32, m.Rows)
	for i := range rows {
		rows[i] = m.Row(i)
	}
	return point.Multi(rows)
}

// scored compares every slot of a selection with some examples, and ranks them by what score makes of the likenesses: inner
// products, or minus the squared Euclidean or the Manhattan distance.
func (v *view) scored(ctx context.Context, name string, list []point.Vector, score func(like []float32) float32, sel *selection, k int) (r ranking, err error) {
	keep, err := sel.all(ctx)
	if err != nil {
		return r, err
	}
	if sp, ok := v.sparse[name]; ok {
		likes := make([]map[uint32]float64, len(list))
		for i, x := range list {
			if x, err = admitSparse(x); err != nil {
				return r, err
			}
			likes[i] = map[uint32]float64{}
			for _, h := range sp.ix.Search(*x.Sparse, v.live, keep, int(keep.GetCardinality())) {
				likes[i][h.Slot] = h.Score
			}
		}
		top := vec.NewTopK(max(1, min(k, int(keep.GetCardinality()))))
		like := make([]float32, len(list))
		for it := roaring.And(keep, v.with(name)).Iterator(); it.HasNext(); {
			slot := it.Next()
			for i := range likes {
				like[i] = float32(likes[i][slot])
			}
			top.PushAll([]float32{-score(like)}, []uint32{slot})
		}
		r.hits = negated(top)
		return r, ctx.Err()
	}
	s := v.spaces[name]
	ms := make([]*measure, len(list))
	for i, x := range list {
		if x, err = admit(x, s.config); err != nil {
			return r, err
		}
		ms[i] = &measure{s: s, q: x}
	}
	slots := roaring.And(keep, v.with(name)).ToArray()
	top := vec.NewTopK(max(1, min(k, len(slots))))
	var mu sync.Mutex
	err = vec.Blocks(ctx, len(slots), 4*scanBlock, func(lo, hi int) error {
		part := vec.NewTopK(max(1, min(k, hi-lo)))
		dist := make([][scanBlock]float32, len(ms))
		like := make([]float32, len(ms))
		var out [scanBlock]float32
		for lo < hi {
			end := lo + 1
			for end < hi && end-lo < scanBlock && slots[end]>>chunkBits == slots[lo]>>chunkBits {
				end++
			}
			for i, m := range ms {
				m.distances(dist[i][:end-lo], slots[lo:end])
			}
			for j := range end - lo {
				for i := range ms {
					like[i] = -dist[i][j]
				}
				out[j] = -score(like)
			}
			part.PushAll(out[:end-lo], slots[lo:end])
			lo = end
		}
		mu.Lock()
		defer mu.Unlock()
		top.Merge(part)
		return ctx.Err()
	})
	r.hits = negated(top)
	return r, err
}

func negated(top *vec.TopK) (hits []slotHit) {
	ids, d := top.Append(nil, nil)
	for i, id := range ids {
		hits = append(hits, slotHit{id, 0 - d[i]})
	}
	return hits
}

// sigmoid is the smooth step that Qdrant squeezes likenesses into −1 … 1 with.
func sigmoid(x float32) float32 { return x / (1 + float32(math.Abs(float64(x)))) }

// bestScore goes by the example that is most alike; the first of them are positive.
func bestScore(positive int) func([]float32) float32 {
	return func(like []float32) float32 {
		pos, neg := float32(math.Inf(-1)), float32(math.Inf(-1))
		for i, s := range like {
			if i < positive {
				pos = max(pos, s)
			} else {
				neg = max(neg, s)
			}
		}
		if pos > neg {
			return (sigmoid(pos) + 1) / 2
		}
		return -(sigmoid(neg) + 1) / 2
	}
}

// sumScores adds up likenesses, those to negative examples as less.
func sumScores(positive int) func([]float32) float32 {
	return func(like []float32) (sum float32) {
		for i, s := range like {
			if i < positive {
				sum += s
			} else {
				sum -= s
			}
		}
		return sum
	}
}

// discoverScore is, of a target and pairs, the number of pairs on whose positive side a point is, less those on whose
// negative side it is, and a fraction for its likeness to the target.
func discoverScore(like []float32) float32 {
	side := float32(0)
	for i := 1; i+1 < len(like); i += 2 {
		switch {
		case like[i] > like[i+1]:
			side++
		case like[i] < like[i+1]:
			side--
		}
	}
	return side + (sigmoid(like[0])+1)/2
}

// contextScore is, of pairs, 0 on the positive side of all, and less the farther a point is on the other side.
func contextScore(like []float32) (sum float32) {
	for i := 0; i+1 < len(like); i += 2 {
		sum += sigmoid(min(like[i]-like[i+1]-0x1p-23, 0))
	}
	return sum
}

// average is the mean of the positive vectors, and as far beyond it as it is from the mean of the negative ones.
func average(pos, neg []point.Vector) (point.Vector, error) {
	mixed := wrong("Positive and negative vectors should be of the same type, either all dense or all sparse or all multi")
	kind := func(x point.Vector) int {
		switch {
		case x.Sparse != nil:
			return kindSparse
		case x.Multi != nil:
			return kindMulti
		}
		return kindDense
	}
	is := kind(pos[0])
	for _, x := range slices.Concat(pos, neg) {
		if kind(x) != is || is == kindDense && len(x.Dense) != len(pos[0].Dense) {
			return point.Vector{}, mixed
		}
	}
	switch is {
	case kindMulti: // the sum over rows does what a mean would
		var rows [][]float32
		for _, x := range pos {
			rows = append(rows, x.Multi...)
		}
		for _, x := range neg {
			for _, row := range x.Multi {
				minus := make([]float32, len(row))
				for i := range row {
					minus[i] = -row[i]
				}
				rows = append(rows, minus)
			}
		}
		return point.Multi(rows), nil
	case kindSparse:
		sum := map[uint32]float64{}
		for _, x := range pos {
			for i, d := range x.Sparse.Indices {
				sum[d] += weigh(len(pos), len(neg)) * float64(x.Sparse.Values[i])
			}
		}
		for _, x := range neg {
			for i, d := range x.Sparse.Indices {
				sum[d] -= float64(x.Sparse.Values[i]) / float64(len(neg))
			}
		}
		out := &point.Sparse{}
		for d, s := range sum {
			out.Indices, out.Values = append(out.Indices, d), append(out.Values, float32(s))
		}
		return point.Vector{Sparse: out}, nil
	}
	out := make([]float32, len(pos[0].Dense))
	for i := range out {
		sum := 0.0
		for _, x := range pos {
			sum += weigh(len(pos), len(neg)) * float64(x.Dense[i])
		}
		for _, x := range neg {
			sum -= float64(x.Dense[i]) / float64(len(neg))
		}
		out[i] = float32(sum)
	}
	return point.Dense(out), nil
}

// weigh is the weight of a positive vector in an average.
func weigh(positive, negative int) float64 {
	if negative > 0 {
		return 2 / float64(positive)
	}
	return 1 / float64(positive)
}
