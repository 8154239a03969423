package collection

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"path"
	"slices"
	"strings"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/cockroachdb/pebble/v2"

	"github.com/latent-go/latent/collection/point"
)

// Problem is something wrong with a store.
type Problem struct {
	Collection string `json:"collection,omitempty"`
	What       string `json:"what"`    // names the file or the point
	Derived    bool   `json:"derived"` // only what can be made again is touched: nothing is lost
}

func (p Problem) String() string {
	s := p.What
	if p.Collection != "" {
		s = fmt.Sprintf("collection %q: %s", p.Collection, s)
	}
	if p.Derived {
		s += " (derived: made again by itself)"
	}
	return s
}

// Report says what Check looked at and what it found.
type Report struct {
	Collections int       `json:"collections"`
	Points      int       `json:"points"`
	Vectors     int       `json:"vectors"`
	Files       int       `json:"derived_files"`
	Snapshots   int       `json:"snapshots"`
	Problems    []Problem `json:"problems,omitempty"`
}

func (r *Report) add(collection string, derived bool, format string, a ...any) {
	const most = 1000
	if len(r.Problems) < most {
		r.Problems = append(r.Problems, Problem{collection, fmt.Sprintf(format, a...), derived})
	}
}

// Check reads all of the store and looks whether it holds together: every point and vector is read and decoded, what is
// derived is compared with it, and files and snapshots with their checksums. Reads and writes go on meanwhile. An error
// means that the check itself could not be done; what it finds is in the report.
func (s *Store) Check(ctx context.Context) (Report, error) {
	var r Report
	if err := s.open(); err != nil {
		return r, err
	}
	for _, name := range s.Names() {
		r.Collections++
		c, err := s.Collection(name)
		if err != nil {
			r.add(name, false, "%v", err)
			continue
		}
		if err := c.check(ctx, &r); err != nil {
			return r, err
		}
		if err := c.snapshots().verify(ctx, name, &r); err != nil {
			return r, err
		}
	}
	return r, s.snapshots().verify(ctx, "", &r)
}

func (s snapshots) verify(ctx context.Context, collection string, r *Report) error {
	list, err := s.list()
	if err != nil {
		return err
	}
	for _, in := range list {
		if err := ctx.Err(); err != nil {
			return err
		}
		r.Snapshots++
		f, err := s.open(in.Name)
		if err == nil {
			err = errors.Join(VerifySnapshot(f, in.Checksum), f.Close())
		}
		if err != nil {
			r.add(collection, false, "snapshot %s: %v", in.Name, err)
		}
	}
	return nil
}

func (c *Collection) check(ctx context.Context, r *Report) error {
	c.tending.Lock()
	defer c.tending.Unlock()
	c.deriving.Lock()
	defer c.deriving.Unlock()
	name := c.Name()
	for _, note := range c.notes {
		r.add(name, true, "%s", note)
	}
	v, err := c.view()
	if err != nil {
		return err
	}
	defer v.release()
	seen := roaring.New()
	err = v.eachRecord(ctx, func(id point.ID, rec record) error {
		r.Points++
		switch {
		case rec.slot >= v.n || !v.live.Contains(rec.slot) || v.ids[rec.slot] != id:
			r.add(name, true, "point %s says that its slot is %d, which is not its own", id, rec.slot)
		case !seen.CheckedAdd(rec.slot):
			r.add(name, false, "point %s shares slot %d with another", id, rec.slot)
		case rec.version > v.version:
			r.add(name, false, "point %s is of version %d, the collection of %d", id, rec.version, v.version)
		}
		if _, err := decodePayload(rec.payload); err != nil {
			r.add(name, false, "payload of point %s: %v", id, err)
		}
		return nil
	})
	if err := report(ctx, r, name, err); err != nil {
		return err
	}
	if d := roaring.AndNot(v.live, seen); !d.IsEmpty() {
		r.add(name, false, "%d points are gone, %s among them", d.GetCardinality(), v.ids[d.Minimum()])
	}
	with := roaring.New()
	err = each(v.snap, []byte{keyVector}, after(keyVector), func(key, value []byte) error {
		slot, err := slotOfKey(key)
		if err != nil {
			return err
		}
		vs, err := decodeVectors(value)
		if err != nil {
			r.add(name, false, "vectors of slot %d: %v", slot, err)
			return nil
		}
		if !v.live.Contains(slot) {
			r.add(name, false, "slot %d has vectors, but no point", slot)
			return nil
		}
		with.Add(slot)
		r.Vectors += len(vs)
		for _, s := range v.spaces {
			s.compare(vs, slot, v.ids[slot], name, r)
		}
		return ctx.Err()
	})
	if err := report(ctx, r, name, err); err != nil {
		return err
	}
	if d := roaring.AndNot(v.live, with); !d.IsEmpty() {
		r.add(name, false, "the vectors of %d points are gone, of %s among them", d.GetCardinality(), v.ids[d.Minimum()])
	}
	for vector, s := range v.spaces {
		if s.index == nil {
			continue
		}
		want := roaring.AndNot(v.live, s.missing)
		want.RemoveRange(uint64(s.reach), math.MaxUint32+1)
		if want.AndNot(s.index.held); !want.IsEmpty() {
			r.add(name, true, "the index of vector %q lacks %d points", vector, want.GetCardinality())
		}
	}
	if err := report(ctx, r, name, c.db.CheckLevels(nil)); err != nil {
		return err
	}
	return c.checkFiles(c.path(derivedDir), name, r)
}

// compare checks that rows are what the database has.
func (s *spaceView) compare(vs stored, slot uint32, id point.ID, name string, r *Report) {
	x, ok := vs.of(s.uid)
	switch {
	case ok != s.has(slot):
		r.add(name, true, "vector %q of point %s: stored is %v, derived is %v", s.name, id, ok, s.has(slot))
	case !ok:
	case !fits(x, s.config):
		r.add(name, false, "vector %q of point %s is not of its configuration", s.name, id)
	case !s.config.Multi && !slices.Equal(x.Dense, s.row(slot)) || s.config.Multi && !slices.Equal(slices.Concat(x.Multi...), s.multi(slot).Data):
		r.add(name, true, "the row of vector %q of point %s is not what is stored", s.name, id)
	}
}

// report puts damage into the report, and returns other errors.
func report(ctx context.Context, r *Report, name string, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	}
	r.add(name, false, "%v", explain(err))
	return nil
}

// checkFiles compares the artifacts in a folder with their checksums.
func (c *Collection) checkFiles(dir, name string, r *Report) error {
	f := c.store.files
	names, err := f.list(dir)
	if err != nil {
		return err
	}
	for _, base := range names {
		at := f.PathJoin(dir, base)
		st, err := f.Stat(at)
		if err != nil {
			return err
		}
		if st.IsDir() {
			if err := c.checkFiles(at, name, r); err != nil {
				return err
			}
			continue
		}
		if path.Ext(base) == ".json" || strings.HasSuffix(base, ".tmp") {
			continue
		}
		r.Files++
		if err := f.verify(at); err != nil {
			r.add(name, true, "%v", err)
		}
	}
	return nil
}

// Repair makes a store that Check finds fault with whole again, as far as it can be, and says what it did and what is lost.
// No process may have the store open. What is derived and damaged is removed, to be made again. A collection whose points
// are damaged is written anew from all that can be read of it; its old files stay in the folder "damaged". A store without
// catalogue gets one from the names that the collections know. Where a database cannot be opened at all, restore a
// snapshot.
func Repair(ctx context.Context, dir string, o Options) (Report, error) {
	o.Still = true
	if err := repairCatalogue(dir, o); err != nil {
		return Report{}, err
	}
	s, err := Open(dir, o)
	if err != nil {
		return Report{}, err
	}
	defer s.Close()
	before, err := s.Check(ctx)
	if err != nil {
		return before, err
	}
	bad := map[string]bool{} // and whether points are touched
	for _, p := range before.Problems {
		if p.Collection != "" && !strings.HasPrefix(p.What, "snapshot ") {
			bad[p.Collection] = bad[p.Collection] || !p.Derived
		}
	}
	for name, points := range bad {
		if points {
			err = s.salvage(ctx, name, &before)
		} else {
			err = s.underive(name)
		}
		if err != nil {
			return before, err
		}
	}
	return before, s.Close()
}

// underive removes what is derived of a collection.
func (s *Store) underive(name string) error {
	s.mu.Lock()
	c := s.collections[name]
	delete(s.collections, name)
	s.mu.Unlock()
	dir := c.path(derivedDir)
	return errors.Join(c.close(false), s.files.RemoveAll(dir))
}

// repairCatalogue makes a catalogue where it is damaged or missing.
func repairCatalogue(dir string, o Options) error {
	s, err := Open(dir, o)
	if err == nil {
		return s.Close()
	}
	if !errors.Is(err, ErrCorrupt) {
		return err
	}
	s = &Store{o: o, dir: dir, collections: map[string]*Collection{}, broken: map[string]error{}}
	s.defaults()
	if s.lock, err = s.files.Lock(s.path(lockFile)); err != nil {
		return err
	}
	s.makeCaches()
	defer s.shut()
	next := catalogue{Collections: map[string]string{}, Aliases: map[string]string{}, Next: 1}
	names, err := s.files.list(s.path(collectionsDir))
	if err != nil {
		return err
	}
	for _, folder := range names {
		var n uint64
		if _, err := fmt.Sscanf(folder, "%d", &n); err != nil {
			continue // on its way in when the process ended
		}
		next.Next = max(next.Next, n+1)
		c := &Collection{store: s, folder: folder}
		name := "damaged " + folder
		if err := c.openDB(); err == nil {
			var set settings
			get(c.db, configKey, func(b []byte) error { return json.Unmarshal(b, &set) })
			if set.Name != "" {
				name = set.Name
			}
			if err := c.db.Close(); err != nil {
				return err
			}
		}
		if _, ok := next.Collections[name]; ok { // one is the leftover of a restore; keep both
			name += " " + folder
		}
		next.Collections[name] = folder
	}
	return s.writeCatalogue(next)
}

// salvage writes a collection anew from what can be read of it.
func (s *Store) salvage(ctx context.Context, name string, r *Report) error {
	s.mu.RLock()
	c, folder := s.collections[name], s.catalogue.Collections[name]
	s.mu.RUnlock()
	if c == nil { // it cannot be opened as it is, but perhaps its database can
		c = &Collection{store: s, folder: folder, name: name}
		if err := c.openDB(); err != nil {
			r.add(name, false, "its database cannot be opened, so nothing can be saved from it here; restore a snapshot")
			return nil
		}
		defer c.db.Close()
	}
	var set settings
	ok, err := get(c.db, configKey, func(b []byte) error { return json.Unmarshal(b, &set) })
	if err != nil || !ok {
		r.add(name, false, "its configuration cannot be read, so nothing can be saved from it here; restore a snapshot")
		return nil
	}
	next := s.catalogue.clone()
	fresh := next.place(name)
	if err := createCollection(s, name, fresh, set.Config); err != nil {
		return err
	}
	to := &Collection{store: s, folder: fresh, name: name}
	if err := to.openDB(); err != nil {
		return err
	}
	saved, bare := 0, 0
	var h head
	write := func(id point.ID, rec record) error {
		var vs []byte
		if ok, err := get(c.db, vectorKey(rec.slot), func(b []byte) error {
			vs = bytes.Clone(b)
			_, err := decodeVectors(b)
			return err
		}); err != nil || !ok {
			vs = appendVectors(nil, nil)
			bare++
			r.add(name, false, "point %s: its vectors are lost", id)
		}
		if _, err := decodePayload(rec.payload); err != nil {
			rec.payload = nil
			r.add(name, false, "point %s: its payload is lost", id)
		}
		b := to.db.NewBatch()
		defer b.Close()
		rec.slot = h.n
		h.n++
		h.version = max(h.version, rec.version)
		b.Set(vectorKey(rec.slot), vs, nil)
		b.Set(pointKey(id), appendRecord(nil, rec), nil)
		saved++
		return to.db.Apply(b, pebble.NoSync)
	}
	if err := c.eachReadable(ctx, write, func(from, to string) {
		r.add(name, false, "points from %s to before %s cannot be read and are lost", from, to)
	}); err != nil {
		return errors.Join(err, to.db.Close())
	}
	raw, err := json.Marshal(set)
	if err == nil {
		err = errors.Join(to.db.Set(configKey, raw, nil), to.db.Set(headKey, h.encode(), pebble.Sync))
	}
	if err := errors.Join(err, to.db.Close()); err != nil {
		return err
	}
	if err := s.writeCatalogue(next); err != nil {
		return err
	}
	r.add(name, false, "written anew: %d points, of which %d lost their vectors; the old files are in %s", saved, bare, s.path("damaged", folder))
	s.mu.Lock()
	delete(s.collections, name)
	s.mu.Unlock()
	if c.wake != nil {
		if err := c.close(false); err != nil {
			s.log.Warn("closing a damaged collection", "collection", name, "error", err)
		}
	}
	if err := s.files.mkdir(s.path("damaged")); err != nil {
		return err
	}
	return s.files.Rename(s.path(collectionsDir, folder), s.path("damaged", folder))
}

// eachReadable calls f for every point whose record can be read, and lost for each gap. It goes over a gap in steps that
// double, so that few of the points behind it are missed.
func (c *Collection) eachReadable(ctx context.Context, f func(point.ID, record) error, lost func(from, to string)) error {
	at := []byte{keyPoint}
	var gap []byte // where it begins; nil outside of one
	for bit := 0; ; bit++ {
		err := each(c.db, at, after(keyPoint), func(key, value []byte) error {
			if gap != nil {
				lost(keyName(gap), keyName(key))
				gap = nil
			}
			at, bit = append(bytes.Clone(key), 0), 0
			id, err1 := point.FromKey(key[1:])
			rec, err2 := decodeRecord(value)
			if errors.Join(err1, err2) != nil {
				lost(keyName(key), "the next")
				return nil
			}
			if err := f(id, rec); err != nil {
				return err
			}
			return ctx.Err()
		})
		if err != nil && !errors.Is(err, ErrCorrupt) {
			return err
		}
		if gap == nil && err != nil {
			gap = at
		}
		next, ok := skip(at, bit)
		if err == nil || !ok {
			if gap != nil {
				lost(keyName(gap), "the end")
			}
			return nil
		}
		at = next
	}
}

// skip is the key of a point 2^bit further on; false if there is none.
func skip(key []byte, bit int) ([]byte, bool) {
	out := make([]byte, 18)
	copy(out, key)
	carry := uint16(1) << (bit % 8)
	for i := 17 - bit/8; i > 0 && carry > 0; i-- {
		carry += uint16(out[i])
		out[i] = byte(carry)
		carry >>= 8
	}
	return out, bit < 17*8 && carry == 0 && out[1] <= 1
}

func keyName(key []byte) string {
	full := make([]byte, 18)
	copy(full, key)
	if id, err := point.FromKey(full[1:]); err == nil {
		return id.String()
	}
	return fmt.Sprintf("%x", key)
}
