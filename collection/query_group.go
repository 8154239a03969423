package collection

import (
	"context"
	"errors"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/latent-go/latent/collection/filter"
	"github.com/latent-go/latent/collection/point"
)

// QueryGroups is Query with the hits put into groups by a field: the groups of the best hits, best first, and in each its
// best hits. Limit and Offset of q are not used.
//
// A query without prefetches is asked again for values that were not met yet until there are groups enough, and then for
// the hits of each group that is not full, so that a group is short only if no more points have its value.
func (c *Collection) QueryGroups(ctx context.Context, q Query, by GroupBy) ([]Group, error) {
	v, err := c.view()
	if err != nil {
		return nil, err
	}
	defer v.release()
	key, err := fieldKey(by.Key)
	if err != nil {
		return nil, err
	}
	limit, err1 := page(by.Limit, 10)
	size, err2 := page(by.Size, 3)
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	g := &grouping{v: v, key: key, limit: limit, size: size, at: map[any]int{}}
	if len(q.Prefetch) > 0 {
		err = g.fromMore(ctx, q)
	} else {
		err = g.fromFilters(ctx, q)
	}
	if err != nil {
		return nil, err
	}
	out := make([]Group, len(g.groups))
	for i, group := range g.groups {
		out[i].Value = group.value
		if out[i].Hits, err = v.fill(ctx, ranking{hits: group.hits}, q.WithPayload, q.WithVector); err != nil {
			return nil, err
		}
	}
	return out, v.lookUp(ctx, out, by)
}

// grouping puts slots into groups.
type grouping struct {
	v           *view
	key         filter.Path
	limit, size int
	groups      []slotGroup
	at          map[any]int // place of a value in groups
}

type slotGroup struct {
	value any
	hits  []slotHit
	met   *roaring.Bitmap
}

// add puts hits, best first, into their groups, and makes new ones while there may be.
func (g *grouping) add(hits []slotHit) error {
	for _, h := range hits {
		p, _, err := g.v.payload(h.slot)
		if err != nil {
			return err
		}
		for _, value := range groupValues(g.key, p) {
			i, ok := g.at[value]
			if !ok {
				if len(g.groups) == g.limit {
					continue
				}
				i = len(g.groups)
				g.at[value] = i
				g.groups = append(g.groups, slotGroup{value: value, met: roaring.New()})
			}
			if group := &g.groups[i]; len(group.hits) < g.size && group.met.CheckedAdd(h.slot) {
				group.hits = append(group.hits, h)
			}
		}
	}
	return nil
}

// groupValues are the strings and integers at a key, and in arrays there.
func groupValues(key filter.Path, p point.Payload) (out []any) {
	var add func(v any, deep bool)
	add = func(v any, deep bool) {
		switch v := v.(type) {
		case string, int64:
			out = append(out, v)
		case []any:
			for _, e := range v {
				if deep {
					add(e, false)
				}
			}
		}
	}
	for _, v := range key.Values(p) {
		add(v, true)
	}
	return out
}

func (g *grouping) full() bool {
	for _, group := range g.groups {
		if len(group.hits) < g.size {
			return false
		}
	}
	return len(g.groups) == g.limit
}

// mostGrouped is how many hits a query is asked for, at most, for the sake of groups.
const mostGrouped = 1 << 20

// fromMore asks for more and more hits.
func (g *grouping) fromMore(ctx context.Context, q Query) error {
	q.Offset = 0
	for q.Limit = 2 * g.limit * g.size; ; q.Limit *= 4 {
		r, err := g.v.rank(ctx, &q, nil, 0)
		if err != nil {
			return err
		}
		g.groups, g.at = nil, map[any]int{}
		if err := g.add(r.hits); err != nil {
			return err
		}
		if g.full() || len(r.hits) < q.Limit || q.Limit > mostGrouped {
			return nil
		}
	}
}

// fromFilters finds the groups, with the hits met on the way, and then asks for the rest of each.
func (g *grouping) fromFilters(ctx context.Context, q Query) error {
	q.Offset = 0
	base := q.Filter
	for q.Limit = 2 * g.limit * g.size; len(g.groups) < g.limit; {
		r, err := g.v.rank(ctx, &q, nil, 0)
		if err != nil {
			return err
		}
		before := len(g.groups)
		if err := g.add(r.hits); err != nil {
			return err
		}
		if len(r.hits) < q.Limit || q.Limit > mostGrouped {
			break
		}
		if len(g.groups) == before { // what came has values of other kinds, or none
			q.Limit *= 4
		}
		q.Filter = both(base, g.others())
	}
	for i := range g.groups {
		group := &g.groups[i]
		if len(group.hits) == g.size {
			continue
		}
		q.Filter = both(base, &filter.Filter{Must: []filter.Condition{filter.Field{Key: g.key, Test: filter.Equal{Value: group.value}}}})
		q.Limit = g.size
		r, err := g.v.rank(ctx, &q, nil, 0)
		if err != nil {
			return err
		}
		group.hits = r.hits
	}
	return nil
}

// others lets through points with a value that has no group yet.
func (g *grouping) others() *filter.Filter {
	if len(g.groups) == 0 {
		return nil
	}
	var strings []string
	var ints []int64
	for _, group := range g.groups {
		switch v := group.value.(type) {
		case string:
			strings = append(strings, v)
		case int64:
			ints = append(ints, v)
		}
	}
	return &filter.Filter{Must: []filter.Condition{filter.Field{Key: g.key, Test: filter.Except{Strings: strings, Ints: ints}}}}
}

// lookUp reads the point of another collection that each group stands for.
func (v *view) lookUp(ctx context.Context, groups []Group, by GroupBy) error {
	if by.Lookup == "" {
		return nil
	}
	c, err := v.c.store.Collection(by.Lookup)
	if err != nil {
		return err
	}
	for i := range groups {
		var id point.ID
		switch value := groups[i].Value.(type) {
		case int64:
			if value < 0 {
				continue
			}
			id = point.Num(uint64(value))
		case string:
			var err error
			if id, err = point.ParseUUID(value); err != nil {
				continue
			}
		}
		hits, err := c.Get(ctx, []point.ID{id}, by.WithPayload, by.WithVector)
		if err != nil {
			return err
		}
		if len(hits) > 0 {
			groups[i].Lookup = &hits[0].Point
		}
	}
	return nil
}
