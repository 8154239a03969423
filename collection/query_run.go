package collection

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/latent-go/latent/collection/filter"
	"github.com/latent-go/latent/collection/fusion"
	"github.com/latent-go/latent/collection/point"
)

// Query returns the points that q asks for, best first.
//
// Points that q names as examples are not among them. A filter holds in all prefetches beneath it, too. A filter is
// answered by the payload indexes as far as they go; of what they leave open, only points that come into question are
// looked at. Recommend with a strategy other than "average_vector" and Discover compare every point that the filter lets
// through.
//
// What cannot be asked gives ErrInput, an ID or a collection that is not there ErrNotFound.
func (c *Collection) Query(ctx context.Context, q Query) ([]Hit, error) {
	v, err := c.view()
	if err != nil {
		return nil, err
	}
	defer v.release()
	return v.query(ctx, q)
}

// QueryBatch is Query for several, all of them at the same version.
func (c *Collection) QueryBatch(ctx context.Context, qs []Query) ([][]Hit, error) {
	v, err := c.view()
	if err != nil {
		return nil, err
	}
	defer v.release()
	out := make([][]Hit, len(qs))
	for i, q := range qs {
		if out[i], err = v.query(ctx, q); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (v *view) query(ctx context.Context, q Query) ([]Hit, error) {
	r, err := v.rank(ctx, &q, nil, 0)
	if err != nil {
		return nil, err
	}
	return v.fill(ctx, r, q.WithPayload, q.WithVector)
}

// fill makes hits of slots.
func (v *view) fill(ctx context.Context, r ranking, withPayload, withVector Select) ([]Hit, error) {
	hits := make([]Hit, len(r.hits))
	for i, s := range r.hits {
		rec, ok, err := readRecord(v.snap, v.ids[s.slot])
		if err == nil && !ok {
			err = failed(ErrCorrupt, "point %s is not where it should be; see `latent check`", v.ids[s.slot])
		}
		if err == nil {
			hits[i], err = v.hit(v.ids[s.slot], rec, withPayload, withVector)
		}
		if err := errors.Join(err, ctx.Err()); err != nil {
			return nil, err
		}
		hits[i].Score, hits[i].Order = s.score, r.order[s.slot]
	}
	return hits, nil
}

// ranking is slots, best first, by a score of which more is better or less is.
type ranking struct {
	hits  []slotHit
	less  bool
	order map[uint32]any // of OrderBy: the value of each slot
}

// maxDepth is how deep prefetches may stand in prefetches.
const maxDepth = 16

// page is a limit or an offset as Qdrant understands it: the default where there is none.
func page(n, byDefault int) (int, error) {
	const most = 1 << 30
	switch {
	case n < 0 || n > most:
		return 0, wrong("limit or offset %d is not within 0 to %d", n, most)
	case n == 0:
		return byDefault, nil
	}
	return n, nil
}

// rank answers q, or one of its prefetches, under the filters of what it stands in.
func (v *view) rank(ctx context.Context, q *Query, outer *filter.Filter, depth int) (r ranking, err error) {
	if depth > maxDepth {
		return r, wrong("prefetches are nested deeper than %d", maxDepth)
	}
	limit, err1 := page(q.Limit, 10)
	offset, err2 := page(q.Offset, 0)
	if err := errors.Join(err1, err2); err != nil {
		return r, err
	}
	f := both(outer, q.Filter)
	if len(q.Prefetch) == 0 {
		sel, err := v.selectBy(f)
		if err != nil {
			return r, err
		}
		if r, err = v.ask(ctx, q, sel, limit+offset); err != nil {
			return r, err
		}
	} else if r, err = v.merge(ctx, q, f, depth, limit+offset); err != nil {
		return r, err
	}
	switch q.Ask.(type) {
	case nil, OrderBy, Sample:
	default:
		if t := q.ScoreThreshold; t != nil {
			r.hits = slices.DeleteFunc(r.hits, func(h slotHit) bool { return h.score != *t && (h.score < *t) != r.less })
		}
	}
	r.hits = r.hits[min(offset, len(r.hits)):min(offset+limit, len(r.hits))]
	return r, nil
}

// both lets through what two filters do.
func both(a, b *filter.Filter) *filter.Filter {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	return &filter.Filter{Must: []filter.Condition{a, b}}
}

// merge runs the prefetches of q, and ranks what they found.
func (v *view) merge(ctx context.Context, q *Query, f *filter.Filter, depth, k int) (r ranking, err error) {
	if q.Ask == nil {
		return r, wrong("A query is needed to merge the prefetches. Can't have prefetches without defining a query.")
	}
	lists := make([]ranking, len(q.Prefetch))
	for i := range q.Prefetch {
		if lists[i], err = v.rank(ctx, &q.Prefetch[i], f, depth+1); err != nil {
			return r, err
		}
	}
	if ask, ok := q.Ask.(Fusion); ok {
		return fuse(lists, ask)
	}
	found := roaring.New()
	for _, l := range lists {
		for _, h := range l.hits {
			found.Add(h.slot)
		}
	}
	return v.ask(ctx, q, v.chosen(found), k)
}

func fuse(lists []ranking, ask Fusion) (r ranking, err error) {
	in := make([][]fusion.Hit[uint32], len(lists))
	for i, l := range lists {
		in[i] = make([]fusion.Hit[uint32], len(l.hits))
		for j, h := range l.hits {
			in[i][j] = fusion.Hit[uint32]{ID: h.slot, Score: float64(h.score)}
			if l.less {
				in[i][j].Score = -in[i][j].Score
			}
		}
	}
	var out []fusion.Hit[uint32]
	switch ask.Method {
	case "", "rrf":
		if ask.K < 0 {
			return r, wrong("k of RRF is %d, must be at least 1", ask.K)
		}
		if ask.Weights != nil && len(ask.Weights) != len(lists) {
			return r, wrong("Number of weights in RRF should match number of pre-fetches: got %d, expected %d", len(ask.Weights), len(lists))
		}
		var weights []float64
		for _, w := range ask.Weights {
			if !(w >= 0) {
				return r, wrong("weight %v of RRF is not a number from 0 up", w)
			}
			weights = append(weights, float64(w))
		}
		if out, err = fusion.RRF(in, ask.K, weights); err != nil {
			return r, failed(ErrInput, "%v", err)
		}
	case "dbsf":
		out = fusion.DBSF(in)
	default:
		return r, wrong("unknown fusion %.50q, expected rrf or dbsf", ask.Method)
	}
	for _, h := range out {
		r.hits = append(r.hits, slotHit{h.ID, float32(h.Score)})
	}
	return r, nil
}

// ask ranks the slots of a selection, and returns the k best.
func (v *view) ask(ctx context.Context, q *Query, sel *selection, k int) (r ranking, err error) {
	switch ask := q.Ask.(type) {
	case nil:
		r.hits, _, err = v.byID(ctx, sel, nil, k)
		return r, err
	case OrderBy:
		return v.byField(ctx, sel, ask, k)
	case Sample:
		r.hits, err = sample(ctx, sel, ask.Seed, k)
		return r, err
	case Text:
		keep, err := sel.all(ctx)
		if err != nil {
			return r, err
		}
		key, err := fieldKey(ask.Key)
		if err != nil {
			return r, err
		}
		hits, ok := v.c.fields.BM25(key, ask.Query, v.live, keep, k)
		if !ok {
			return r, noIndex(key, "text")
		}
		for _, h := range hits {
			r.hits = append(r.hits, slotHit{h.Slot, float32(h.Score)})
		}
		return r, nil
	case Fusion:
		return r, wrong("Fusion queries cannot be combined with a query without prefetches.")
	}
	return v.byVector(ctx, q, sel, k)
}

func fieldKey(key string) (filter.Path, error) {
	p, err := filter.ParsePath(key)
	if err != nil {
		return p, failed(ErrInput, "%v", err)
	}
	return p, nil
}

// noIndex is the error of Qdrant's that names what is missing.
func noIndex(key filter.Path, types string) error {
	return wrong("Index required but not found for \"%s\" of one of the following types: [%s]. Help: Create an index for this key or use a different filter.", key, types)
}

// even is the score of points that are not ranked by one, as in Qdrant.
const even = 1

// sample draws k slots without putting any back.
func sample(ctx context.Context, sel *selection, seed uint64, k int) ([]slotHit, error) {
	keep, err := sel.all(ctx)
	if err != nil {
		return nil, err
	}
	if seed == 0 {
		seed = rand.Uint64()
	}
	rng := rand.New(rand.NewPCG(seed, 0))
	n := int(keep.GetCardinality())
	k = min(k, n)
	hits := make([]slotHit, 0, k)
	moved := make(map[int]int, k) // of a shuffle of 0 … n−1, what does not stand at its place
	at := func(i int) int {
		if j, ok := moved[i]; ok {
			return j
		}
		return i
	}
	for i := range k {
		j := i + rng.IntN(n-i)
		slot, err := keep.Select(uint32(at(j)))
		if err != nil {
			return nil, err
		}
		moved[j] = at(i)
		hits = append(hits, slotHit{slot, even})
	}
	return hits, nil
}

// byID returns the first k slots of a selection by their points' IDs, from one on, and the ID that comes next.
func (v *view) byID(ctx context.Context, sel *selection, from *point.ID, k int) (hits []slotHit, next *point.ID, err error) {
	take := func(slot uint32, id point.ID) bool { // whether to go on
		if len(hits) == k {
			next = &id
			return false
		}
		hits = append(hits, slotHit{slot, even})
		return true
	}
	if n := sel.maybe.GetCardinality(); n < uint64(v.n)/16 {
		slots := sel.maybe.ToArray()
		slices.SortFunc(slots, func(a, b uint32) int { return v.ids[a].Compare(v.ids[b]) })
		for _, slot := range slots {
			if from != nil && v.ids[slot].Compare(*from) < 0 {
				continue
			}
			ok, err := sel.pass(slot)
			if err := errors.Join(err, ctx.Err()); err != nil {
				return nil, nil, err
			}
			if ok && !take(slot, v.ids[slot]) {
				break
			}
		}
		return hits, next, nil
	}
	low := []byte{keyPoint}
	if from != nil {
		low = pointKey(*from)
	}
	err = each(v.snap, low, after(keyPoint), func(key, value []byte) error {
		id, err1 := point.FromKey(key[1:])
		rec, err2 := decodeRecord(value)
		if err := errors.Join(err1, err2); err != nil {
			return failed(ErrCorrupt, "a point's record: %v", err)
		}
		ok := sel.sure.Contains(rec.slot)
		if !ok && sel.maybe.Contains(rec.slot) {
			p, err := decodePayload(rec.payload)
			if err != nil {
				return failed(ErrCorrupt, "payload of point %s: %v", id, err)
			}
			ok = sel.passes(rec.slot, p)
		}
		if ok && !take(rec.slot, id) {
			return errEnough
		}
		return ctx.Err()
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return hits, next, err
}

var errEnough = errors.New("enough")

// byField returns the first k slots of a selection in the order of a field, by each slot's first value.
func (v *view) byField(ctx context.Context, sel *selection, o OrderBy, k int) (r ranking, err error) {
	key, err := fieldKey(o.Key)
	if err != nil {
		return r, err
	}
	const types = "integer, float, datetime"
	schema, ok := v.c.fields.Schema(key)
	if !ok {
		return r, noIndex(key, types)
	}
	from, err := startOf(schema, o)
	if err != nil {
		return r, err
	}
	keep, err := sel.all(ctx) // before the index is read: who writes waits for who reads it
	if err != nil {
		return r, err
	}
	type pair struct {
		slot  uint32
		value any
	}
	before := func(a, b pair) bool { // in the order asked for
		c := compareValues(a.value, b.value)
		if o.Descending {
			c = -c
		}
		return c < 0 || c == 0 && a.slot < b.slot
	}
	err = v.asOfNow(schema, key, keep, func(late *roaring.Bitmap, seen *filter.Fields) error {
		r = ranking{order: map[uint32]any{}}
		take := func(p pair) bool { // whether to go on
			if _, met := r.order[p.slot]; !met && keep.Contains(p.slot) {
				r.hits = append(r.hits, slotHit{p.slot, even})
				r.order[p.slot] = p.value
			}
			return len(r.hits) < k
		}
		var changed []pair
		seen.Order(key, o.Descending, from, func(slot uint32, value any) bool {
			changed = append(changed, pair{slot, value})
			return true
		})
		ordered := v.c.fields.Order(key, o.Descending, from, func(slot uint32, value any) bool {
			p := pair{slot, value}
			for len(changed) > 0 && before(changed[0], p) {
				if !take(changed[0]) {
					return false
				}
				changed = changed[1:]
			}
			return late.Contains(slot) || take(p)
		})
		if !ordered {
			return noIndex(key, types)
		}
		for len(r.hits) < k && len(changed) > 0 {
			take(changed[0])
			changed = changed[1:]
		}
		return ctx.Err()
	})
	return r, err
}

// startOf returns what a field's order starts from, in the terms of its index.
func startOf(s filter.Schema, o OrderBy) (any, error) {
	switch from := o.StartFrom.(type) {
	case nil:
		return nil, nil
	case int64, float64:
		if s.Type != "datetime" {
			return from, nil
		}
	case string:
		if t, err := filter.ParseTime(from); err == nil && s.Type == "datetime" {
			return t.UnixMicro(), nil
		}
	}
	return nil, wrong("start_from %v is not a value of %q, whose index is of type %s", o.StartFrom, o.Key, s.Type)
}

func compareValues(a, b any) int {
	if a, ok := a.(int64); ok {
		return cmp.Compare(a, b.(int64))
	}
	return cmp.Compare(a.(float64), b.(float64))
}

// asOfNow calls f with the slots of keep whose payload is not, in this view, what the indexes have by now, and an index of
// these payloads. It calls f again if more came meanwhile, which ends when all of keep has.
func (v *view) asOfNow(schema filter.Schema, key filter.Path, keep *roaring.Bitmap, f func(late *roaring.Bitmap, seen *filter.Fields) error) error {
	for late := roaring.And(v.c.fields.Since(v.version), keep); ; {
		ix, err := filter.NewIndex(key, schema)
		if err != nil {
			return failed(ErrInput, "%v", err)
		}
		for it := late.Iterator(); it.HasNext(); {
			slot := it.Next()
			p, _, err := v.payload(slot)
			if err != nil {
				return err
			}
			ix.Put(slot, p)
		}
		seen := new(filter.Fields)
		seen.Set(ix)
		if err := f(late, seen); err != nil {
			return err
		}
		was := late.GetCardinality()
		if late = roaring.And(v.c.fields.Since(v.version), keep); late.GetCardinality() == was {
			return nil
		}
	}
}
