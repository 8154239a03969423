package collection

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/latent-go/latent/collection/filter"
	"github.com/latent-go/latent/collection/point"
	"github.com/latent-go/latent/collection/sparse"
)

// Payload indexes and those of sparse vectors live in memory and are fed with every change. A checkpoint writes each to a
// file whose name says the version it is of, V, and whose it is:
//
//	field-V-N    the payload index number N; which field's stands in the file
//	sparse-V-U   the sparse vectors whose number is U
//
// When it is loaded, the slots that the log says came or changed after V are fed to it anew.

const (
	fieldPrefix  = "field-"
	sparsePrefix = "sparse-"
)

func isFollowerFile(name string) bool {
	return strings.HasPrefix(name, fieldPrefix) || strings.HasPrefix(name, sparsePrefix)
}

// sparseSpace is one named sparse vector.
type sparseSpace struct {
	uid    uint32
	config SparseConfig
	ix     *sparse.Index // has a lock of its own
}

func newSparseSpace(uid uint32, c SparseConfig) *sparseSpace {
	return &sparseSpace{uid: uid, config: c, ix: sparse.New(sparse.Options{IDF: c.IDF})}
}

// followerFiles returns the files of a checkpoint at v, which is the newest version. c.write is held, so that there is none
// newer.
func (c *Collection) followerFiles(v *view) (map[string][]byte, error) {
	c.forget()
	parts := map[string][]byte{}
	i := 0
	err := c.fields.Read(func(ix *filter.Index) error {
		var w bytes.Buffer
		_, err := ix.WriteTo(&w)
		parts[fmt.Sprintf("%s%d-%d", fieldPrefix, v.version, i)] = w.Bytes()
		i++
		return err
	})
	for _, s := range v.sparse {
		var w bytes.Buffer
		_, err2 := s.ix.WriteTo(&w)
		err = errors.Join(err, err2)
		parts[fmt.Sprintf("%s%d-%d", sparsePrefix, v.version, s.uid)] = w.Bytes()
	}
	return parts, err
}

// forget takes slots that are no one's any more out of the payload indexes and the sparse vectors.
func (c *Collection) forget() {
	c.state.Lock()
	dead := c.buried.Clone()
	for _, v := range c.views {
		dead.AndNot(v.live)
	}
	oldest := c.oldestLocked()
	c.buried.AndNot(dead)
	spaces := c.sparse
	c.state.Unlock()
	c.fields.Trim(oldest)
	if dead.IsEmpty() {
		return
	}
	c.fields.Forget(dead)
	for _, s := range spaces {
		s.ix.Forget(dead)
	}
}

// versionIn reads the version in the name of a follower's file, and what follows it.
func versionIn(name string) (version uint64, rest string, ok bool) {
	f := strings.Split(name, "-")
	if len(f) != 3 {
		return 0, "", false
	}
	version, err := strconv.ParseUint(f[1], 10, 64)
	return version, f[2], err == nil
}

// loadFollowers reads payload indexes and sparse vectors, from files of version oldest on, from where the log goes on; what
// has none is made from the points.
func (c *Collection) loadFollowers(ctx context.Context, oldest uint64) error {
	schemas := map[string]filter.Schema{}
	for field, raw := range c.settings.Fields {
		var s filter.Schema
		if err := json.Unmarshal(raw, &s); err != nil {
			return failed(ErrCorrupt, "payload index of %q: %v", field, err)
		}
		schemas[field] = s
	}
	since := map[uint64]*roaring.Bitmap{} // the files of one checkpoint share it
	changedSince := func(version uint64) (_ *roaring.Bitmap, err error) {
		if since[version] == nil {
			if since[version], err = c.changedSince(version); err != nil {
				delete(since, version) // it is of a part of the log
			}
		}
		return since[version], err
	}
	fresh := map[string]bool{} // fields that are not loaded
	for field := range schemas {
		fresh[field] = true
	}
	names := c.derivedNames()
	slices.Sort(names)
	for _, name := range names {
		version, _, ok := versionIn(name)
		if !ok || !strings.HasPrefix(name, fieldPrefix) || version < oldest || version > c.version {
			continue
		}
		ix, err := readWhole(c.store.files, c.path(derivedDir, name), filter.ReadIndex)
		if err != nil {
			c.rebuilding(name, err)
			continue
		}
		field := ix.Key().String()
		s, ok := schemas[field]
		if was, _ := json.Marshal(ix.Schema()); !ok || !fresh[field] || !sameJSON(was, s) {
			continue
		}
		changed, err := changedSince(version)
		if err != nil {
			c.rebuilding(name, err)
			continue
		}
		ix.Forget(changed)
		if err := c.feed(ctx, ix, roaring.And(changed, c.live)); err != nil {
			return err
		}
		c.fields.Set(ix)
		delete(fresh, field)
	}
	for field := range fresh {
		ix, err := filter.NewIndex(filter.Key(field), schemas[field])
		if err != nil {
			return failed(ErrCorrupt, "payload index of %q: %v", field, err)
		}
		if err := c.feed(ctx, ix, c.live); err != nil {
			return err
		}
		c.fields.Set(ix)
	}
	for _, s := range c.sparse {
		slots := c.live
		for _, name := range names {
			version, uid, ok := versionIn(name)
			if !ok || !strings.HasPrefix(name, sparsePrefix) || version < oldest || version > c.version || uid != strconv.Itoa(int(s.uid)) {
				continue
			}
			ix, err := readWhole(c.store.files, c.path(derivedDir, name), sparse.Read)
			var changed *roaring.Bitmap
			if err == nil {
				changed, err = changedSince(version)
			}
			if err != nil {
				c.rebuilding(name, err)
				continue
			}
			if ix.Options().IDF != s.config.IDF { // the configuration changed after the checkpoint
				continue
			}
			ix.Forget(changed)
			s.ix, slots = ix, roaring.And(changed, c.live)
		}
		if err := c.feedSparse(ctx, s, slots); err != nil {
			return err
		}
	}
	return nil
}

func sameJSON(a []byte, s filter.Schema) bool {
	b, err := json.Marshal(s)
	return err == nil && bytes.Equal(a, b)
}

// feed puts the payloads of live slots into an index.
func (c *Collection) feed(ctx context.Context, ix *filter.Index, slots *roaring.Bitmap) error {
	put := func(id point.ID, rec record) error {
		p, err := decodePayload(rec.payload)
		if err != nil {
			return failed(ErrCorrupt, "payload of point %s: %v", id, err)
		}
		if slots.Contains(rec.slot) {
			ix.Put(rec.slot, p)
		}
		return ctx.Err()
	}
	if slots.GetCardinality() > uint64(c.n/4) {
		return each(c.db, []byte{keyPoint}, after(keyPoint), func(key, value []byte) error {
			id, err1 := point.FromKey(key[1:])
			rec, err2 := decodeRecord(value)
			if err := errors.Join(err1, err2); err != nil {
				return failed(ErrCorrupt, "%v", err)
			}
			return put(id, rec)
		})
	}
	for it := slots.Iterator(); it.HasNext(); {
		id := c.ids[it.Next()]
		rec, ok, err := readRecord(c.db, id)
		if err != nil {
			return err
		}
		if ok {
			if err := put(id, rec); err != nil {
				return err
			}
		}
	}
	return nil
}

// feedSparse puts the sparse vectors of live slots into an index.
func (c *Collection) feedSparse(ctx context.Context, s *sparseSpace, slots *roaring.Bitmap) error {
	if slots.IsEmpty() {
		return nil
	}
	return each(c.db, vectorKey(slots.Minimum()), vectorKey(slots.Maximum()+1), func(key, value []byte) error {
		slot, err := slotOfKey(key)
		if err != nil || !slots.Contains(slot) {
			return err
		}
		vs, err := decodeVectors(value)
		if err != nil {
			return failed(ErrCorrupt, "vectors of slot %d: %v", slot, err)
		}
		if v, ok := vs.of(s.uid); ok {
			s.ix.Put(slot, *v.Sparse)
		}
		return ctx.Err()
	})
}

// CreateFieldIndex makes an index over a payload field, in the place of one with another schema. Reads and writes go on
// while it is built. That there is one is on disk when it returns nil.
func (c *Collection) CreateFieldIndex(ctx context.Context, field string, schema filter.Schema) error {
	path, err := payloadPath(field)
	if err != nil {
		return err
	}
	ix, err := filter.NewIndex(path, schema)
	if err != nil {
		return failed(ErrInput, "%v", err)
	}
	raw, err := json.Marshal(schema)
	if err != nil {
		return failed(ErrInput, "field schema: %v", err)
	}
	c.deriving.Lock()
	defer c.deriving.Unlock()
	if have, ok := c.settingsNow().Fields[path.String()]; ok && bytes.Equal(have, raw) {
		return c.writable()
	}
	v, err := c.view()
	if err != nil {
		return err
	}
	defer v.release()
	err = v.eachRecord(ctx, func(_ point.ID, rec record) error {
		p, err := decodePayload(rec.payload)
		if err == nil {
			ix.Put(rec.slot, p)
		}
		return err
	})
	if err != nil {
		return err
	}
	return c.changeSettings(func(s *settings) error {
		changed, err := c.changedSince(v.version)
		if err != nil {
			return err
		}
		ix.Forget(changed)
		if err := c.feed(ctx, ix, roaring.And(changed, c.live)); err != nil { // c.write is held: live stays
			return err
		}
		s.Fields[path.String()] = raw
		return nil
	}, func() { c.fields.Set(ix) })
}

// DropFieldIndex removes the index over a field, if there is one.
func (c *Collection) DropFieldIndex(ctx context.Context, field string) error {
	path, err := payloadPath(field)
	if err != nil {
		return err
	}
	if _, ok := c.settingsNow().Fields[path.String()]; !ok {
		return errors.Join(ctx.Err(), c.writable())
	}
	return c.changeSettings(func(s *settings) error {
		delete(s.Fields, path.String())
		return ctx.Err()
	}, func() { c.fields.Drop(path) })
}

// Fields returns the schema of each field that has an index.
func (c *Collection) Fields() map[string]filter.Schema {
	out := map[string]filter.Schema{}
	for field, raw := range c.settingsNow().Fields {
		var s filter.Schema
		if json.Unmarshal(raw, &s) == nil {
			out[field] = s
		}
	}
	return out
}

// eachRecord calls f for every point of a view.
func (v *view) eachRecord(ctx context.Context, f func(point.ID, record) error) error {
	return each(v.snap, []byte{keyPoint}, after(keyPoint), func(key, value []byte) error {
		id, err1 := point.FromKey(key[1:])
		rec, err2 := decodeRecord(value)
		if err := errors.Join(err1, err2); err != nil {
			return failed(ErrCorrupt, "%v", err)
		}
		if err := f(id, rec); err != nil {
			return err
		}
		return ctx.Err()
	})
}
