package collection

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/latent-go/latent/collection/filter"
	"github.com/latent-go/latent/collection/point"
)

// Scroll returns points in the order of their IDs, and the ID of the one that comes next, nil at the end; or in the order
// of a field, where the caller goes on with StartFrom at the last value and leaves out, by the filter, the points it has
// met.
func (c *Collection) Scroll(ctx context.Context, s Scroll) (hits []Hit, next *point.ID, err error) {
	v, err := c.view()
	if err != nil {
		return nil, nil, err
	}
	defer v.release()
	k, err := page(s.Limit, 10)
	if err != nil {
		return nil, nil, err
	}
	sel, err := v.selectBy(s.Filter)
	if err != nil {
		return nil, nil, err
	}
	var r ranking
	switch {
	case s.OrderBy == nil:
		r.hits, next, err = v.byID(ctx, sel, s.Offset, k)
	case s.Offset != nil:
		err = wrong("Cannot use an `offset` when using `order_by`. The alternative for paging is to use `order_by.start_from` and a filter to exclude the IDs that you've already seen for the `order_by.start_from` value")
	default:
		r, err = v.byField(ctx, sel, *s.OrderBy, k)
	}
	if err != nil {
		return nil, nil, err
	}
	hits, err = v.fill(ctx, r, s.WithPayload, s.WithVector)
	return hits, next, err
}

// Count returns how many points a filter lets through. If exact is false, points that the payload indexes leave open are
// not looked at, and half of them counted.
func (c *Collection) Count(ctx context.Context, f *filter.Filter, exact bool) (int, error) {
	v, err := c.view()
	if err != nil {
		return 0, err
	}
	defer v.release()
	sel, err := v.selectBy(f)
	if err != nil {
		return 0, err
	}
	if !exact {
		return int(sel.sure.GetCardinality()+sel.maybe.GetCardinality()) / 2, nil
	}
	slots, err := sel.all(ctx)
	if err != nil {
		return 0, err
	}
	return int(slots.GetCardinality()), nil
}

// Facet returns the values of a field that most points have, among those that a filter lets through, the most frequent
// first, then by value. The field needs an index of keywords, integers or bools. limit 0 means 10. Counts are exact,
// whatever exact says, but for filters that the payload indexes leave open: if exact is false, all points that may pass
// are counted.
func (c *Collection) Facet(ctx context.Context, key string, f *filter.Filter, limit int, exact bool) ([]Facet, error) {
	v, err := c.view()
	if err != nil {
		return nil, err
	}
	defer v.release()
	return v.facet(ctx, key, f, limit, exact)
}

func (v *view) facet(ctx context.Context, key string, f *filter.Filter, limit int, exact bool) ([]Facet, error) {
	limit, err := page(limit, 10)
	if err != nil {
		return nil, err
	}
	path, err := fieldKey(key)
	if err != nil {
		return nil, err
	}
	sel, err := v.selectBy(f)
	if err != nil {
		return nil, err
	}
	slots := sel.maybe
	if exact {
		if slots, err = sel.all(ctx); err != nil {
			return nil, err
		}
	}
	schema, ok := v.c.fields.Schema(path)
	if !ok {
		return nil, noIndex(path, facetTypes)
	}
	var counts map[any]int
	err = v.asOfNow(schema, path, slots, func(late *roaring.Bitmap, seen *filter.Fields) error {
		counts = map[any]int{}
		add := func(value any, n int) { counts[value] += n }
		seen.Facet(path, late, add)
		if !v.c.fields.Facet(path, roaring.AndNot(slots, late), add) {
			return noIndex(path, facetTypes)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	out := make([]Facet, 0, len(counts))
	for value, n := range counts {
		out = append(out, Facet{value, n})
	}
	slices.SortFunc(out, func(a, b Facet) int { return cmp.Or(b.Count-a.Count, compareFacets(a.Value, b.Value)) })
	return out[:min(limit, len(out))], nil
}

const facetTypes = "keyword, integer, bool, uuid"

func compareFacets(a, b any) int {
	switch a := a.(type) {
	case int64:
		if b, ok := b.(int64); ok {
			return cmp.Compare(a, b)
		}
	case string:
		if b, ok := b.(string); ok {
			return strings.Compare(a, b)
		}
	}
	return strings.Compare(fmt.Sprint(a), fmt.Sprint(b))
}

// DistanceMatrix draws points that have a vector, and tells of each the nearest among the others.
func (c *Collection) DistanceMatrix(ctx context.Context, m MatrixQuery) (*Matrix, error) {
	v, err := c.view()
	if err != nil {
		return nil, err
	}
	defer v.release()
	n, err := page(m.Sample, 10)
	if err != nil {
		return nil, err
	}
	k, err := page(m.Limit, 3)
	if err != nil {
		return nil, err
	}
	if !v.hasVector(m.Using) {
		return nil, noVector(m.Using)
	}
	sel, err := v.selectBy(m.Filter)
	if err != nil {
		return nil, err
	}
	slots, err := sel.all(ctx)
	if err != nil {
		return nil, err
	}
	drawn, err := sample(ctx, v.chosen(roaring.And(slots, v.with(m.Using))), m.Seed, n)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(drawn, func(a, b slotHit) int { return v.ids[a.slot].Compare(v.ids[b.slot]) })
	among, at := roaring.New(), map[uint32]int{}
	out := &Matrix{Near: make([][]Edge, len(drawn))}
	for i, h := range drawn {
		among.Add(h.slot)
		at[h.slot] = i
		out.IDs = append(out.IDs, v.ids[h.slot])
	}
	for i, h := range drawn {
		id := v.ids[h.slot]
		r, err := v.byVector(ctx, &Query{Ask: Nearest{To: Input{ID: &id}}, Using: m.Using, Params: Params{Exact: true}}, v.chosen(among), k)
		if err != nil {
			return nil, err
		}
		for _, near := range r.hits {
			out.Near[i] = append(out.Near[i], Edge{at[near.slot], near.score})
		}
	}
	return out, nil
}
