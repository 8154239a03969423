package collection

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/cockroachdb/pebble/v2"

	"github.com/latent-go/latent/collection/point"
)

// view is a collection at one version: what one request reads. Views of the same version are one. What it holds is
// shared and not to be changed; release it when done.
type view struct {
	c        *Collection
	snap     *pebble.Snapshot
	settings *settings
	version  uint64
	n        uint32          // slots given out
	live     *roaring.Bitmap // slots that are some point's now
	ids      []point.ID      // by slot, of dead ones too
	spaces   map[string]*spaceView
	sparse   map[string]*sparseSpace

	refs int    // under c.state
	seq  uint64 // of its making
}

// view returns the collection as it is now.
func (c *Collection) view() (*view, error) {
	c.state.Lock()
	defer c.state.Unlock()
	return c.viewLocked()
}

func (c *Collection) viewLocked() (*view, error) {
	if c.closed {
		return nil, failed(ErrNotFound, "Collection `%s` doesn't exist!", c.name)
	}
	if c.current == nil {
		v := &view{
			c: c, snap: c.db.NewSnapshot(), settings: c.settings, version: c.version,
			n: c.n, live: c.live.Clone(), ids: c.ids[:len(c.ids):len(c.ids)],
			spaces: make(map[string]*spaceView, len(c.spaces)),
			sparse: c.sparse,
			refs:   1, // c.current's
			seq:    c.nextView,
		}
		c.nextView++
		for name, s := range c.spaces {
			v.spaces[name] = &spaceView{
				name: name, uid: s.uid, config: s.config, chunks: s.chunks, missing: s.missing.Clone(),
				index: s.index, reach: s.reach,
			}
		}
		c.views = append(c.views, v)
		c.current = v
	}
	c.current.refs++
	return c.current, nil
}

func (v *view) release() {
	v.c.state.Lock()
	defer v.c.state.Unlock()
	v.c.unref(v)
}

// changed is called, under c.state, when what a view shows is no longer what there is.
func (c *Collection) changed() {
	if v := c.current; v != nil {
		c.current = nil
		c.unref(v)
	}
}

func (c *Collection) unref(v *view) {
	v.refs--
	if v.refs > 0 {
		return
	}
	v.snap.Close()
	v.c.drained.Broadcast()
	c.views = slices.DeleteFunc(c.views, func(o *view) bool { return o == v })
	c.retireLocked()
}

// retired is something that views made before may still use.
type retired struct {
	before uint64 // views with a lower seq may
	free   func()
}

// retire calls free once no view that is open now is. It is called under c.state.
func (c *Collection) retire(free func()) {
	c.changed()
	c.retired = append(c.retired, retired{c.nextView, free})
	c.retireLocked()
}

func (c *Collection) retireLocked() {
	oldest := c.nextView
	if len(c.views) > 0 {
		oldest = c.views[0].seq // they are appended in order
	}
	for len(c.retired) > 0 && c.retired[0].before <= oldest {
		c.retired[0].free()
		c.retired = c.retired[1:]
	}
}

// oldestLocked is the oldest version that someone reads.
func (c *Collection) oldestLocked() uint64 {
	if len(c.views) > 0 {
		return c.views[0].version // they are appended in order
	}
	return c.version
}

// drain waits until no view is open.
func (c *Collection) drain() {
	c.state.Lock()
	defer c.state.Unlock()
	for len(c.views) > 0 {
		c.drained.Wait()
	}
}

// get calls f with the value under key, which is valid until f returns; false if there is none.
func get(r pebble.Reader, key []byte, f func([]byte) error) (bool, error) {
	b, closer, err := r.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return false, nil
	} else if err != nil {
		return false, explain(err)
	}
	defer closer.Close()
	return true, f(b)
}

// readRecord reads what lies under a point's key; the payload is a copy.
func readRecord(r pebble.Reader, id point.ID) (rec record, ok bool, err error) {
	ok, err = get(r, pointKey(id), func(b []byte) (err error) {
		rec, err = decodeRecord(b)
		rec.payload = slices.Clone(rec.payload)
		if err != nil {
			return failed(ErrCorrupt, "point %s: %v", id, err)
		}
		return nil
	})
	return rec, ok, err
}

// readVectors reads the vectors of a slot that is live.
func readVectors(r pebble.Reader, slot uint32) (vs stored, err error) {
	ok, err := get(r, vectorKey(slot), func(b []byte) (err error) {
		if vs, err = decodeVectors(b); err != nil {
			return failed(ErrCorrupt, "vectors of slot %d: %v", slot, err)
		}
		return nil
	})
	if err == nil && !ok {
		err = failed(ErrCorrupt, "the vectors of slot %d are missing; see `latent check`", slot)
	}
	return vs, err
}

// id is the point of a slot.
func (v *view) id(slot uint32) point.ID { return v.ids[slot] }

// slot is where a point is.
func (v *view) slot(id point.ID) (uint32, bool, error) {
	rec, ok, err := readRecord(v.snap, id)
	return rec.slot, ok, err
}

// payload reads the payload of a live slot, and the version of its point.
func (v *view) payload(slot uint32) (point.Payload, uint64, error) {
	rec, ok, err := readRecord(v.snap, v.ids[slot])
	if err != nil || !ok {
		return nil, 0, err
	}
	p, err := decodePayload(rec.payload)
	if err != nil {
		err = failed(ErrCorrupt, "payload of point %s: %v", v.ids[slot], err)
	}
	return p, rec.version, err
}

// vectors reads those vectors of a live slot that sel names.
func (v *view) vectors(slot uint32, sel Select) (point.Vectors, error) {
	if !sel.any() {
		return nil, nil
	}
	vs, err := readVectors(v.snap, slot)
	if err != nil {
		return nil, err
	}
	return v.settings.named(vs, sel), nil
}

// named gives stored vectors the names they have; those of names that were dropped are left out.
func (s *settings) named(vs stored, sel Select) point.Vectors {
	out := point.Vectors{}
	for name, uid := range s.UIDs {
		if x, ok := vs.of(uid); ok && sel.names(name) {
			out[name] = x
		}
	}
	return out
}

func (s Select) any() bool { return s.All || len(s.Include) > 0 || len(s.Exclude) > 0 }

// names says whether s selects this name.
func (s Select) names(name string) bool {
	switch {
	case len(s.Include) > 0:
		return slices.Contains(s.Include, name)
	case len(s.Exclude) > 0:
		return !slices.Contains(s.Exclude, name)
	}
	return s.All
}

// explain names what a database error is about: a damaged file is ErrCorrupt.
func explain(err error) error {
	if err == nil || errors.Is(err, ErrCorrupt) {
		return err
	}
	if pebble.IsCorruptionError(err) {
		text, _, _ := strings.Cut(err.Error(), "\n")
		if in := pebble.ExtractDataCorruptionInfo(err); in != nil && in.Path != "" {
			text = in.Path + ": " + text
		}
		return failed(ErrCorrupt, "%s; see `latent check`", text)
	}
	return fmt.Errorf("collection: %w", err)
}
