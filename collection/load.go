package collection

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/cockroachdb/pebble/v2"

	"github.com/latent-go/latent/artifact"
	"github.com/latent-go/latent/collection/point"
	"github.com/latent-go/latent/collection/postings"
)

// What is derived, and where it lies in a collection's folder "derived":
//
//	points       which slot is which point's, as of a version: a checkpoint, caught up from the log
//	rows-U-C     the rows of chunk C of the vector whose number is U: of full chunks, which never change
//	index-U-N/   an index over the rows of the vector U, and which slots it holds; see index.go
//	found-U-K    what was found out about the vector U, of kind K; see found.go
//
// Before any of it is written the log is synced, so that it never says more than the database does after a crash.

const (
	pointsFile = "points"
	pointsKind = "store.points"
	rowsKind   = "store.rows"
)

// errLost says that the database is older than what was derived from it.
var errLost = fmt.Errorf("%w: writes are lost", ErrCorrupt)

// load brings into memory what the database holds, from what is derived where that is whole.
func (c *Collection) load(ctx context.Context) error {
	var h head
	if _, err := get(c.db, headKey, h.decode); err != nil {
		return err
	}
	c.version, c.n = h.version, h.n
	f := c.store.files
	if err := errors.Join(f.mkdir(c.path(derivedDir)), f.tidy(c.path(derivedDir)), f.tidy(c.path())); err != nil {
		return err
	}
	if !c.store.o.Still {
		if err := c.forgetVectors(); err != nil {
			return err
		}
	}
	from, err := c.loadCheckpoint()
	if err == nil {
		err = c.replay(from)
	}
	if errors.Is(err, errLost) {
		return err
	}
	if err != nil {
		if !missing(err) {
			c.rebuilding(pointsFile, err)
		}
		c.live, c.ids = roaring.New(), make([]point.ID, c.n, c.n+c.n/8)
		for _, s := range c.spaces {
			s.missing = roaring.New()
		}
		if err := c.scan(ctx); err != nil {
			return err
		}
		from = head{}
	}
	c.logged = int(c.version - from.version)
	if err := c.loadRows(ctx, from.n); err != nil {
		return err
	}
	for _, s := range c.spaces {
		c.loadIndex(s)
	}
	return c.loadFollowers(ctx, from.version)
}

// rebuilding tells that something derived cannot be used and is made again.
func (c *Collection) rebuilding(what string, err error) {
	c.notes = append(c.notes, fmt.Sprintf("%s: %v", c.path(derivedDir, what), err))
	c.store.log.Warn("a derived file cannot be used and is made again", "collection", c.name, "file", c.path(derivedDir, what), "error", err)
}

// checkpointMeta is the section "meta" of a checkpoint.
type checkpointMeta struct {
	Version uint64
	N       uint32
	UIDs    []uint32 // of which there is a section "noU"
}

// writePoints writes the checkpoint of a view.
func (v *view) writePoints(w io.Writer) error {
	hi, lo, uuid := make([]uint64, v.n), make([]uint64, v.n), roaring.New()
	for slot, id := range v.ids {
		b, isUUID := id.UUID()
		hi[slot], lo[slot] = binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])
		if isUUID {
			uuid.Add(uint32(slot))
		}
	}
	meta := checkpointMeta{Version: v.version, N: v.n}
	sections := []artifact.Section{artifact.Numbers("hi", hi), artifact.Numbers("lo", lo)}
	add := func(name string, b *roaring.Bitmap) error {
		s, err := artifact.Bytes(name, b)
		sections = append(sections, s)
		return err
	}
	errs := []error{add("uuid", uuid), add("live", v.live)}
	for _, s := range v.spaces {
		meta.UIDs = append(meta.UIDs, s.uid)
		errs = append(errs, add(missingSection(s.uid), s.missing))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	_, err := artifact.Write(w, pointsKind, 1, append([]artifact.Section{artifact.JSON("meta", meta)}, sections...)...)
	return err
}

func missingSection(uid uint32) string { return fmt.Sprintf("no%d", uid) }

// loadCheckpoint reads the checkpoint, and returns how far it reaches.
func (c *Collection) loadCheckpoint() (head, error) {
	var none head
	f, err := c.store.files.artifact(c.path(derivedDir, pointsFile), pointsKind, 1)
	if err != nil {
		return none, err
	}
	defer f.Close()
	var meta checkpointMeta
	if err := f.Decode("meta", &meta); err != nil {
		return none, err
	}
	if meta.Version > c.version || meta.N > c.n {
		// The log was synced before the checkpoint was written.
		return none, failed(errLost, "its points are of version %d, but a checkpoint of version %d was made of them: writes are lost", c.version, meta.Version)
	}
	hi, err1 := artifact.Slice[uint64](f, "hi")
	lo, err2 := artifact.Slice[uint64](f, "lo")
	uuid, err3 := postings.ReadBitmap(f, "uuid")
	live, err4 := postings.ReadBitmap(f, "live")
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return none, err
	}
	if len(hi) != int(meta.N) || len(lo) != int(meta.N) || !live.IsEmpty() && live.Maximum() >= meta.N {
		return none, f.Reject("its sections do not have %d slots", meta.N)
	}
	c.live, c.ids = live, make([]point.ID, c.n, c.n+c.n/8)
	for i := range hi {
		if uuid.Contains(uint32(i)) {
			var b [16]byte
			binary.BigEndian.PutUint64(b[:8], hi[i])
			binary.BigEndian.PutUint64(b[8:], lo[i])
			c.ids[i] = point.UUID(b)
		} else {
			c.ids[i] = point.Num(lo[i])
		}
	}
	for _, s := range c.spaces {
		s.missing = roaring.New()
		if !slices.Contains(meta.UIDs, s.uid) { // a name that came later
			s.missing.AddRange(0, uint64(meta.N))
		} else if s.missing, err = postings.ReadBitmap(f, missingSection(s.uid)); err != nil {
			return none, err
		}
	}
	return head{meta.Version, meta.N}, nil
}

// replay brings a checkpoint up to what the log says.
func (c *Collection) replay(from head) error {
	return c.eachChange(from.version, func(ch change) {
		switch ch.kind {
		case slotBorn:
			c.ids[ch.slot] = ch.id
			c.live.Add(ch.slot)
		case slotDied:
			c.live.Remove(ch.slot)
		}
	})
}

// changedSince returns the slots that the log says something happened to after a version.
func (c *Collection) changedSince(version uint64) (*roaring.Bitmap, error) {
	out := roaring.New()
	err := c.eachChange(version, func(ch change) { out.Add(ch.slot) })
	return out, err
}

// eachChange calls f for what the log says happened after a version. It says it of every version up to the last, or is
// damaged.
func (c *Collection) eachChange(since uint64, f func(change)) error {
	want := since + 1
	err := each(c.db, logKey(want), after(keyLog), func(key, value []byte) error {
		if version := binary.BigEndian.Uint64(key[1:]); version != want {
			return failed(ErrCorrupt, "the log goes on with version %d, want %d", version, want)
		}
		want++
		changes, err := decodeChanges(value)
		if err != nil {
			return failed(ErrCorrupt, "log of version %d: %v", want-1, err)
		}
		for _, ch := range changes {
			if ch.slot >= c.n {
				return failed(ErrCorrupt, "log of version %d: slot %d of %d", want-1, ch.slot, c.n)
			}
			f(ch)
		}
		return nil
	})
	if err == nil && want != c.version+1 {
		err = failed(ErrCorrupt, "the log ends at version %d, want %d", want-1, c.version)
	}
	return err
}

// scan reads where all points are.
func (c *Collection) scan(ctx context.Context) error {
	return each(c.db, []byte{keyPoint}, after(keyPoint), func(key, value []byte) error {
		id, err := point.FromKey(key[1:])
		if err != nil {
			return failed(ErrCorrupt, "%v", err)
		}
		rec, err := decodeRecord(value)
		if err != nil {
			return failed(ErrCorrupt, "point %s: %v", id, err)
		}
		if rec.slot >= c.n || c.live.Contains(rec.slot) {
			return failed(ErrCorrupt, "point %s: slot %d of %d is not its own", id, rec.slot, c.n)
		}
		c.ids[rec.slot] = id
		c.live.Add(rec.slot)
		return ctx.Err()
	})
}

// loadRows fills the chunks: from files where they are whole, else from the database. Of slots from on it is not known
// yet which have which vectors.
func (c *Collection) loadRows(ctx context.Context, from uint32) error {
	for _, s := range c.spaces {
		s.missing.RemoveRange(uint64(from), uint64(c.n))
	}
	known := c.derivedNames()
	for lo := uint32(0); lo < c.n; lo += chunkRows {
		at, hi := int(lo>>chunkBits), min(lo+chunkRows, c.n)
		if !c.live.IntersectsWithInterval(uint64(lo), uint64(hi)) {
			continue
		}
		var fill []*space
		for _, s := range c.spaces {
			for len(s.chunks) <= at {
				s.chunks = append(s.chunks, nil)
			}
			if name := rowsName(s.uid, at); hi-lo == chunkRows && slices.Contains(known, name) {
				ch, err := c.openRows(name, s, at)
				if err == nil {
					s.chunks[at] = ch
					continue
				}
				c.rebuilding(name, err)
			}
			fill = append(fill, s)
		}
		if len(fill) == 0 && hi <= from {
			continue
		}
		if err := c.readRows(ctx, lo, hi, from, fill); err != nil {
			return err
		}
	}
	return nil
}

// readRows reads the vectors of slots lo to hi from the database, and with them which slots from on have none.
func (c *Collection) readRows(ctx context.Context, lo, hi, from uint32, fill []*space) error {
	slots := roaring.New()
	slots.AddRange(uint64(lo), uint64(hi))
	slots.And(c.live)
	found := roaring.New()
	err := each(c.db, vectorKey(lo), vectorKey(hi), func(key, value []byte) error {
		slot, err := slotOfKey(key)
		if err != nil {
			return err
		}
		if !slots.Contains(slot) {
			return nil
		}
		found.Add(slot)
		vs, err := decodeVectors(value)
		if err != nil {
			return failed(ErrCorrupt, "vectors of slot %d: %v", slot, err)
		}
		for _, s := range c.spaces {
			v, ok := vs.of(s.uid)
			if !ok {
				if slot >= from {
					s.missing.Add(slot)
				}
				continue
			}
			if !fits(v, s.config) {
				return failed(ErrCorrupt, "vectors of slot %d: they are not of the collection's configuration", slot)
			}
			if slices.Contains(fill, s) {
				s.put(slot, v)
			}
		}
		return ctx.Err()
	})
	if err != nil {
		return err
	}
	if slots.AndNot(found); !slots.IsEmpty() {
		return failed(ErrCorrupt, "the vectors of %d points are missing, those of point %s among them; see `latent check`", slots.GetCardinality(), c.ids[slots.Minimum()])
	}
	return nil
}

// fits says whether a stored vector is of its configuration.
func fits(v point.Vector, c VectorConfig) bool {
	if !c.Multi {
		return len(v.Dense) == c.Size
	}
	for _, row := range v.Multi {
		if len(row) != c.Size {
			return false
		}
	}
	return len(v.Multi) > 0
}

func rowsName(uid uint32, at int) string { return fmt.Sprintf("rows-%d-%d", uid, at) }

func (c *Collection) derivedNames() []string {
	names, err := c.store.files.list(c.path(derivedDir))
	if err != nil {
		c.rebuilding("", err)
	}
	return names
}

// rowsMeta is the section "meta" of a file of rows.
type rowsMeta struct {
	UID   uint32
	Chunk int
	Size  int
	Multi bool
}

func (c *Collection) openRows(name string, s *space, at int) (*chunk, error) {
	f, err := c.store.files.artifact(c.path(derivedDir, name), rowsKind, 1)
	if err != nil {
		return nil, err
	}
	ch, err := rowsOf(f, rowsMeta{s.uid, at, s.config.Size, s.config.Multi})
	if err != nil {
		f.Close()
		return nil, err
	}
	return ch, nil
}

func rowsOf(f *artifact.File, want rowsMeta) (*chunk, error) {
	var meta rowsMeta
	if err := f.Decode("meta", &meta); err != nil {
		return nil, err
	}
	if meta != want {
		return nil, f.Reject("it holds %+v, want %+v", meta, want)
	}
	ch := &chunk{file: f, n: chunkRows}
	var err error
	if ch.rows, err = artifact.Slice[float32](f, "rows"); err != nil {
		return nil, err
	}
	if !want.Multi {
		if len(ch.rows) != chunkRows*want.Size {
			return nil, f.Reject("%d values, want %d", len(ch.rows), chunkRows*want.Size)
		}
		return ch, nil
	}
	if ch.ends, err = artifact.Slice[uint32](f, "ends"); err != nil {
		return nil, err
	}
	if len(ch.ends) != chunkRows || !slices.IsSorted(ch.ends) || int(ch.ends[chunkRows-1])*want.Size != len(ch.rows) {
		return nil, f.Reject("its ends do not fit its %d values", len(ch.rows))
	}
	return ch, nil
}

// writeRows writes a full chunk to its file.
func (c *Collection) writeRows(s *spaceView, at int) error {
	ch := s.chunks[at]
	sections := []artifact.Section{
		artifact.JSON("meta", rowsMeta{s.uid, at, s.config.Size, s.config.Multi}),
		artifact.Numbers("rows", ch.rows),
	}
	if s.config.Multi {
		sections = append(sections, artifact.Numbers("ends", ch.filledEnds(s.config.Size)))
	}
	return c.store.files.write(c.path(derivedDir, rowsName(s.uid, at)), func(w io.Writer) error {
		_, err := artifact.Write(w, rowsKind, 1, sections...)
		return err
	})
}

// filledEnds is ends with those of the last slots, which have no vectors, filled in.
func (c *chunk) filledEnds(dim int) []uint32 {
	ends := slices.Clone(c.ends)
	for i := c.n; i < len(ends); i++ {
		ends[i] = c.rowCount(dim)
	}
	return ends
}

// checkpoint writes down where all points are, with the payload indexes as they are then, and forgets the log up to there.
func (c *Collection) checkpoint() error {
	c.deriving.Lock()
	defer c.deriving.Unlock()
	c.state.RLock()
	logged := c.logged
	c.state.RUnlock()
	if logged == 0 {
		return nil
	}
	c.write.Lock()
	v, err := c.view()
	var parts map[string][]byte
	if err == nil {
		defer v.release()
		parts, err = c.followerFiles(v)
	}
	c.write.Unlock()
	if err := errors.Join(err, c.syncLog()); err != nil {
		return err
	}
	old := c.derivedNames()
	for name, data := range parts {
		if err := c.store.files.write(c.path(derivedDir, name), func(w io.Writer) error { _, err := w.Write(data); return err }); err != nil {
			return err
		}
	}
	if err := c.store.files.write(c.path(derivedDir, pointsFile), v.writePoints); err != nil {
		return err
	}
	for _, name := range old {
		if _, new := parts[name]; isFollowerFile(name) && !new {
			if err := c.store.files.Remove(c.path(derivedDir, name)); err != nil {
				return err
			}
		}
	}
	b := c.db.NewBatch()
	b.DeleteRange(logKey(0), logKey(v.version+1), nil)
	c.write.Lock()
	defer c.write.Unlock()
	if err := c.commitQuietly(b, false); err != nil {
		return err
	}
	b.Close()
	c.state.Lock()
	c.logged = int(c.version - v.version)
	c.state.Unlock()
	return nil
}

// syncLog brings all that was written to disk.
func (c *Collection) syncLog() error {
	b := c.db.NewBatch()
	b.LogData(nil, nil)
	c.write.Lock()
	err := c.commitQuietly(b, true)
	c.write.Unlock()
	if err != nil {
		return err
	}
	return c.synced(b)
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
