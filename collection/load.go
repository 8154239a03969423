package collection

import (
	"context"

	"github.com/cockroachdb/pebble/v2"

	"github.com/latent-go/latent/collection/point"
)

// load brings into memory what the database holds.
func (c *Collection) load(ctx context.Context) error {
	var h head
	if _, err := get(c.db, headKey, h.decode); err != nil {
		return err
	}
	c.version, c.n = h.version, h.n
	return c.scan(ctx)
}

// scan reads all points.
func (c *Collection) scan(ctx context.Context) error {
	c.ids = make([]point.ID, c.n)
	err := each(c.db, []byte{keyPoint}, after(keyPoint), func(key, value []byte) error {
		id, err := point.FromKey(key[1:])
		if err != nil {
			return failed(ErrCorrupt, "%v", err)
		}
		rec, err := decodeRecord(value)
		if err != nil || rec.slot >= c.n || c.live.Contains(rec.slot) {
			return failed(ErrCorrupt, "point %s: slot %d of %d is not its own: %v", id, rec.slot, c.n, err)
		}
		c.ids[rec.slot] = id
		c.live.Add(rec.slot)
		return ctx.Err()
	})
	if err != nil {
		return err
	}
	for _, s := range c.spaces {
		s.missing.AddRange(0, uint64(c.n))
	}
	return each(c.db, []byte{keyVector}, after(keyVector), func(key, value []byte) error {
		slot, err := slotOfKey(key)
		if err != nil {
			return err
		}
		if !c.live.Contains(slot) {
			return nil
		}
		vs, err := decodeVectors(value)
		if err != nil {
			return failed(ErrCorrupt, "vectors of slot %d: %v", slot, err)
		}
		for _, s := range c.spaces {
			if v, ok := vs.of(s.uid); ok {
				s.missing.Remove(slot)
				s.put(slot, v)
			}
		}
		return ctx.Err()
	})
}

// each calls f for the keys from lo on, below hi. What f is given is valid until it returns.
func each(r pebble.Reader, lo, hi []byte, f func(key, value []byte) error) error {
	it, err := r.NewIter(&pebble.IterOptions{LowerBound: lo, UpperBound: hi})
	if err != nil {
		return explain(err)
	}
	defer it.Close()
	for ok := it.First(); ok; ok = it.Next() {
		value, err := it.ValueAndErr()
		if err != nil {
			return explain(err)
		}
		if err := f(it.Key(), value); err != nil {
			return err
		}
	}
	return explain(it.Error())
}
