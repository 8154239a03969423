package collection

import (
	"context"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/latent-go/latent/collection/filter"
	"github.com/latent-go/latent/collection/point"
)

// Get returns points by their IDs, in the order asked; IDs that are no point's are left out.
func (c *Collection) Get(ctx context.Context, ids []point.ID, withPayload, withVector Select) ([]Hit, error) {
	v, err := c.view()
	if err != nil {
		return nil, err
	}
	defer v.release()
	hits := make([]Hit, 0, len(ids))
	for _, id := range ids {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		rec, ok, err := readRecord(v.snap, id)
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		h, err := v.hit(id, rec, withPayload, withVector)
		if err != nil {
			return nil, err
		}
		hits = append(hits, h)
	}
	return hits, nil
}

// hit fills in what a request wants of a point.
func (v *view) hit(id point.ID, rec record, withPayload, withVector Select) (h Hit, err error) {
	h.ID, h.Version = id, rec.version
	if withPayload.any() {
		if h.Payload, err = decodePayload(rec.payload); err != nil {
			return h, failed(ErrCorrupt, "payload of point %s: %v", id, err)
		}
		h.Payload = withPayload.fields(h.Payload)
	}
	h.Vectors, err = v.vectors(rec.slot, withVector)
	return h, err
}

// fields returns those fields of a payload that s selects.
func (s Select) fields(p point.Payload) point.Payload {
	switch {
	case len(s.Include) > 0:
		out := map[string]any{}
		for _, key := range s.Include {
			if path, err := parsePath(key); err == nil {
				out = pick(out, p, path)
			}
		}
		return out
	case len(s.Exclude) > 0:
		var out any = map[string]any(p)
		for _, key := range s.Exclude {
			if path, err := parsePath(key); err == nil {
				out = without(out, path)
			}
		}
		return out.(map[string]any)
	}
	return p
}

// pick returns out with what path leads to in p.
func pick(out, p map[string]any, path []step) map[string]any {
	s := path[0]
	v, ok := p[s.key]
	if !ok {
		return out
	}
	if next, ok := v.(map[string]any); ok && len(path) > 1 && len(s.index) == 0 {
		have, _ := out[s.key].(map[string]any)
		if have == nil {
			have = map[string]any{}
		}
		out[s.key] = pick(have, next, path[1:])
		return out
	}
	if list, ok := v.([]any); ok && len(path) > 1 && len(s.index) == 1 && s.index[0] < 0 {
		picked := make([]any, 0, len(list))
		for _, e := range list {
			if m, ok := e.(map[string]any); ok {
				picked = append(picked, pick(map[string]any{}, m, path[1:]))
			}
		}
		out[s.key] = picked
		return out
	}
	if len(path) == 1 {
		out[s.key] = v
	}
	return out
}

// matching returns the live slots that a filter lets through.
func (v *view) matching(ctx context.Context, f *filter.Filter) (*roaring.Bitmap, error) {
	if f == nil {
		return v.live.Clone(), ctx.Err()
	}
	out := roaring.New()
	for it := v.live.Iterator(); it.HasNext(); {
		slot := it.Next()
		p := point.Point{ID: v.ids[slot]}
		var err error
		if p.Payload, _, err = v.payload(slot); err != nil {
			return nil, err
		}
		if p.Vectors, err = v.vectors(slot, Select{All: true}); err != nil {
			return nil, err
		}
		if f.Match(&p) {
			out.Add(slot)
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
	return out, nil
}
