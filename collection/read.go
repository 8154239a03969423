package collection

import (
	"context"

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
	if s.All || p == nil {
		return p
	}
	paths := func(keys []string) (out []filter.Path) {
		for _, key := range keys {
			if path, err := filter.ParsePath(key); err == nil {
				out = append(out, path)
			}
		}
		return out
	}
	return filter.Project(p, paths(s.Include), paths(s.Exclude))
}
