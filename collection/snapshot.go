package collection

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// A snapshot is a tar file. First comes snapshot.json, then the files of the collection under points/ and derived/, or of
// a whole store a snapshot of each collection, and last SHA256SUMS, by which a whole one is known.

// SnapshotInfo is what there is to know of a snapshot.
type SnapshotInfo struct {
	Name     string
	Created  time.Time
	Size     int64
	Checksum string // SHA-256 of the file, in hex
}

const (
	snapshotFormat = 1
	snapshotJSON   = "snapshot.json"
	sumsFile       = "SHA256SUMS"
	checksumSuffix = ".checksum"
)

// snapshotMeta is the file snapshot.json.
type snapshotMeta struct {
	Format      int               `json:"format"`
	Collection  string            `json:"collection,omitempty"`
	Version     uint64            `json:"version,omitempty"`
	Created     time.Time         `json:"created"`
	Collections map[string]string `json:"collections,omitempty"` // of a store: name by file
	Aliases     map[string]string `json:"aliases,omitempty"`
}

// snapshots is a folder of snapshots.
type snapshots struct {
	files files
	dir   string
}

func (c *Collection) snapshots() snapshots {
	return snapshots{c.store.files, c.store.path(snapshotsDir, collectionsDir, c.Name())}
}

func (s *Store) snapshots() snapshots { return snapshots{s.files, s.path(snapshotsDir, "store")} }

// Snapshot writes down the collection as it is now, while reads and writes go on. It holds all that was acknowledged
// before the call, and is on disk when Snapshot returns.
func (c *Collection) Snapshot(ctx context.Context) (SnapshotInfo, error) {
	if err := c.writable(); err != nil {
		return SnapshotInfo{}, err
	}
	now := time.Now().UTC()
	return c.snapshots().create(snapshotName(c.Name(), now), now, func(w *packer) error { return c.pack(ctx, w, now) })
}

// snapshotName is a name as Qdrant gives them. One of a collection whose name is too long for more has the start of it.
func snapshotName(name string, now time.Time) string {
	for len(name) > 180 {
		name = strings.ToValidUTF8(name[:180], "")
	}
	return name + "-" + strings.ReplaceAll(now.Format("2006-01-02-15-04-05.000000"), ".", "-") + ".snapshot"
}

// pack writes the files of the collection.
func (c *Collection) pack(ctx context.Context, w *packer, now time.Time) error {
	// Derived files do not change while they are copied, and are older than the points.
	c.tending.Lock()
	defer c.tending.Unlock()
	c.deriving.Lock()
	defer c.deriving.Unlock()
	f := c.store.files
	tmp := c.path("snapshot.tmp")
	if err := f.RemoveAll(tmp); err != nil && !missing(err) {
		return err
	}
	defer f.RemoveAll(tmp)
	if err := c.syncLog(); err != nil {
		return err
	}
	c.state.RLock()
	version := c.version
	c.state.RUnlock()
	if err := c.copyDB(tmp); err != nil {
		return err
	}
	if err := w.json(snapshotJSON, snapshotMeta{Format: snapshotFormat, Collection: c.Name(), Version: version, Created: now}); err != nil {
		return err
	}
	if err := w.folder(ctx, f, pointsDir, tmp); err != nil {
		return err
	}
	return w.folder(ctx, f, derivedDir, c.path(derivedDir))
}

// copyDB makes a copy of the database, most of it as links.
func (c *Collection) copyDB(dir string) error {
	if err := c.writable(); err != nil {
		return err
	}
	return explain(c.attempt(func() error { return c.db.Checkpoint(dir, pebble.WithFlushedWAL()) }))
}

// create makes a snapshot of what pack writes.
func (s snapshots) create(name string, now time.Time, pack func(*packer) error) (in SnapshotInfo, err error) {
	up := s.files.PathDir(s.dir)
	for _, dir := range []string{s.files.PathDir(up), up, s.dir} {
		if err := s.files.mkdir(dir); err != nil {
			return in, err
		}
	}
	sum := sha256.New()
	n := int64(0)
	err = s.files.write(s.files.PathJoin(s.dir, name), func(w io.Writer) error {
		p := newPacker(io.MultiWriter(w, sum, counter{&n}), now)
		if err := pack(p); err != nil {
			return err
		}
		return p.close()
	})
	if err != nil {
		return in, fmt.Errorf("collection: snapshot %s: %w", name, err)
	}
	in = SnapshotInfo{Name: name, Created: now.Truncate(time.Second), Size: n, Checksum: hex.EncodeToString(sum.Sum(nil))}
	return in, s.files.write(s.files.PathJoin(s.dir, name+checksumSuffix), func(w io.Writer) error {
		_, err := io.WriteString(w, in.Checksum)
		return err
	})
}

type counter struct{ n *int64 }

func (c counter) Write(b []byte) (int, error) {
	*c.n += int64(len(b))
	return len(b), nil
}

// list returns what snapshots there are, the oldest first.
func (s snapshots) list() ([]SnapshotInfo, error) {
	names, err := s.files.list(s.dir)
	if err != nil {
		return nil, err
	}
	var out []SnapshotInfo
	for _, name := range names {
		if !strings.HasSuffix(name, ".snapshot") {
			continue
		}
		in, err := s.info(name)
		if missing(err) {
			continue // just deleted
		} else if err != nil {
			return nil, err
		}
		out = append(out, in)
	}
	slices.SortFunc(out, func(a, b SnapshotInfo) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

func (s snapshots) info(name string) (SnapshotInfo, error) {
	st, err := s.files.Stat(s.files.PathJoin(s.dir, name))
	if err != nil {
		return SnapshotInfo{}, err
	}
	in := SnapshotInfo{Name: name, Created: st.ModTime().UTC().Truncate(time.Second), Size: st.Size()}
	if r, err := s.files.Open(s.files.PathJoin(s.dir, name+checksumSuffix)); err == nil {
		b, err := io.ReadAll(io.LimitReader(r, 100))
		if r.Close(); err == nil {
			in.Checksum = string(b)
		}
	}
	return in, nil
}

// check refuses what is not a snapshot's name.
func (s snapshots) check(name string) error {
	if checkName("Snapshot", name) != nil || !strings.HasSuffix(name, ".snapshot") {
		return failed(ErrNotFound, "Snapshot %s not found", name)
	}
	if ok, err := s.files.exists(s.files.PathJoin(s.dir, name)); err != nil {
		return err
	} else if !ok {
		return failed(ErrNotFound, "Snapshot %s not found", name)
	}
	return nil
}

func (s snapshots) open(name string) (io.ReadCloser, error) {
	if err := s.check(name); err != nil {
		return nil, err
	}
	return s.files.Open(s.files.PathJoin(s.dir, name))
}

func (s snapshots) delete(name string) error {
	if err := s.check(name); err != nil {
		return err
	}
	if err := s.files.Remove(s.files.PathJoin(s.dir, name+checksumSuffix)); err != nil && !missing(err) {
		return err
	}
	if err := s.files.Remove(s.files.PathJoin(s.dir, name)); err != nil {
		return err
	}
	return s.files.syncDir(s.dir)
}

// Snapshots returns the snapshots of the collection, the oldest first.
func (c *Collection) Snapshots() ([]SnapshotInfo, error) { return c.snapshots().list() }

// OpenSnapshot opens a snapshot for reading; Restore takes what it gives.
func (c *Collection) OpenSnapshot(name string) (io.ReadCloser, error) {
	return c.snapshots().open(name)
}

// DeleteSnapshot removes a snapshot.
func (c *Collection) DeleteSnapshot(name string) error { return c.snapshots().delete(name) }

// Snapshot writes down all collections and aliases, each collection as it is when its turn comes.
func (s *Store) Snapshot(ctx context.Context) (SnapshotInfo, error) {
	if err := s.open(); err != nil {
		return SnapshotInfo{}, err
	}
	s.change.Lock() // none comes or goes
	defer s.change.Unlock()
	now := time.Now().UTC()
	return s.snapshots().create(snapshotName("full-snapshot", now), now, func(w *packer) error {
		meta := snapshotMeta{Format: snapshotFormat, Created: now, Collections: map[string]string{}, Aliases: s.Aliases()}
		names := s.Names()
		for i, name := range names {
			meta.Collections[fmt.Sprintf("%d.snapshot", i)] = name
		}
		if err := w.json(snapshotJSON, meta); err != nil {
			return err
		}
		for i, name := range names {
			c, err := s.Collection(name)
			if err != nil {
				return err
			}
			if err := c.packWhole(ctx, w, fmt.Sprintf("%d.snapshot", i), now); err != nil {
				return err
			}
		}
		return nil
	})
}

// packWhole writes a snapshot of the collection as one file into another.
func (c *Collection) packWhole(ctx context.Context, w *packer, name string, now time.Time) error {
	f := c.store.files
	tmp := c.path("snapshot.tar.tmp")
	defer f.Remove(tmp)
	err := f.write(tmp, func(inner io.Writer) error {
		p := newPacker(inner, now)
		if err := c.pack(ctx, p, now); err != nil {
			return err
		}
		return p.close()
	})
	if err != nil {
		return err
	}
	return w.file(ctx, f, name, tmp)
}

// Snapshots returns the snapshots of the whole store, the oldest first.
func (s *Store) Snapshots() ([]SnapshotInfo, error) { return s.snapshots().list() }

// OpenSnapshot opens a snapshot of the whole store for reading; RestoreAll takes what it gives.
func (s *Store) OpenSnapshot(name string) (io.ReadCloser, error) { return s.snapshots().open(name) }

// DeleteSnapshot removes a snapshot of the whole store.
func (s *Store) DeleteSnapshot(name string) error { return s.snapshots().delete(name) }

// packer writes a tar file with checksums.
type packer struct {
	tar  *tar.Writer
	now  time.Time
	sums bytes.Buffer
}

func newPacker(w io.Writer, now time.Time) *packer { return &packer{tar: tar.NewWriter(w), now: now} }

// entry writes one file, of size bytes that r gives.
func (p *packer) entry(name string, size int64, r io.Reader) error {
	if err := p.tar.WriteHeader(&tar.Header{Name: name, Size: size, Mode: 0o644, ModTime: p.now, Format: tar.FormatPAX}); err != nil {
		return err
	}
	sum := sha256.New()
	if _, err := io.CopyN(io.MultiWriter(p.tar, sum), r, size); err != nil {
		return err
	}
	fmt.Fprintf(&p.sums, "%x  %s\n", sum.Sum(nil), name)
	return nil
}

func (p *packer) json(name string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	b = append(b, '\n')
	return p.entry(name, int64(len(b)), bytes.NewReader(b))
}

func (p *packer) file(ctx context.Context, f files, name, from string) error {
	st, err := f.Stat(from)
	if err != nil {
		return err
	}
	r, err := f.Open(from)
	if err != nil {
		return err
	}
	defer r.Close()
	return p.entry(name, st.Size(), stoppable{ctx, r})
}

// stoppable is a reader that ends with its context.
type stoppable struct {
	ctx context.Context
	r   io.Reader
}

func (s stoppable) Read(b []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	return s.r.Read(b)
}

// folder writes the files of a folder and of those in it.
func (p *packer) folder(ctx context.Context, f files, name, from string) error {
	names, err := f.List(from)
	if err != nil {
		return err
	}
	slices.Sort(names)
	for _, base := range names {
		if base == lockFile || strings.HasSuffix(base, ".tmp") {
			continue
		}
		at := f.PathJoin(from, base)
		st, err := f.Stat(at)
		if err != nil {
			return err
		}
		if st.IsDir() {
			err = p.folder(ctx, f, name+"/"+base, at)
		} else {
			err = p.file(ctx, f, name+"/"+base, at)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *packer) close() error {
	sums := slices.Clone(p.sums.Bytes()) // entry goes on with p.sums
	if err := p.entry(sumsFile, int64(len(sums)), bytes.NewReader(sums)); err != nil {
		return err
	}
	return p.tar.Close()
}

// unpack reads a snapshot: put is called for every file but snapshot.json and the sums, with what is in it. What is no
// snapshot gives ErrInput, a damaged one ErrCorrupt.
func unpack(r io.Reader, put func(meta snapshotMeta, name string, r io.Reader) error) (meta snapshotMeta, err error) {
	t := tar.NewReader(r)
	sums := map[string]string{}
	for {
		h, err := t.Next()
		if err == io.EOF {
			return meta, failed(ErrCorrupt, "the snapshot is cut short: it does not end with %s", sumsFile)
		} else if err != nil {
			if len(sums) == 0 {
				return meta, failed(ErrInput, "this is no snapshot: %v", err)
			}
			return meta, failed(ErrCorrupt, "the snapshot is damaged or cut short: %v", err)
		}
		if h.Typeflag != tar.TypeReg || !plainPath(h.Name) {
			return meta, failed(ErrInput, "this is no snapshot: it holds %q", h.Name)
		}
		if (len(sums) == 0) != (h.Name == snapshotJSON) {
			return meta, failed(ErrInput, "this is no snapshot: %s does not come first, but %q", snapshotJSON, h.Name)
		}
		if _, ok := sums[h.Name]; ok {
			return meta, failed(ErrCorrupt, "the snapshot holds %q twice", h.Name)
		}
		sum := sha256.New()
		in := io.TeeReader(t, sum)
		switch h.Name {
		case sumsFile:
			b, err := io.ReadAll(io.LimitReader(in, 64<<20))
			if err != nil {
				return meta, failed(ErrCorrupt, "the snapshot is damaged or cut short: %v", err)
			}
			return meta, compareSums(b, sums)
		case snapshotJSON:
			b, err := io.ReadAll(io.LimitReader(in, 16<<20))
			if err != nil {
				return meta, failed(ErrCorrupt, "the snapshot is damaged or cut short: %v", err)
			}
			if err := json.Unmarshal(b, &meta); err != nil {
				return meta, failed(ErrInput, "this is no snapshot: %s: %v", snapshotJSON, err)
			}
			if meta.Format != snapshotFormat {
				return meta, failed(ErrInput, "the snapshot has format %d; this program reads format %d", meta.Format, snapshotFormat)
			}
		default:
			if err := put(meta, h.Name, damagedAsCorrupt{in}); err != nil {
				return meta, err
			}
		}
		if _, err := io.Copy(io.Discard, in); err != nil {
			return meta, failed(ErrCorrupt, "the snapshot is damaged or cut short: %v", err)
		}
		sums[h.Name] = hex.EncodeToString(sum.Sum(nil))
	}
}

// damagedAsCorrupt says of an end that comes too soon that it is damage.
type damagedAsCorrupt struct{ r io.Reader }

func (d damagedAsCorrupt) Read(b []byte) (int, error) {
	n, err := d.r.Read(b)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = failed(ErrCorrupt, "the snapshot is cut short: %v", err)
	}
	return n, err
}

func compareSums(b []byte, have map[string]string) error {
	want := map[string]string{}
	for line := range strings.Lines(string(b)) {
		sum, name, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "  ")
		if !ok {
			return failed(ErrCorrupt, "the snapshot is damaged: %s has the line %q", sumsFile, line)
		}
		want[name] = sum
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if have[name] != want[name] {
			return failed(ErrCorrupt, "the snapshot is damaged: the checksum of %s differs", name)
		}
	}
	if len(have) != len(want) {
		return failed(ErrCorrupt, "the snapshot is damaged: it has %d files, its list %d", len(have), len(want))
	}
	return nil
}

// plainPath says whether a name in a snapshot is one that this package gives: a path downwards, of plain names.
func plainPath(name string) bool {
	if name == "" || len(name) > 300 || path.Clean(name) != name || path.IsAbs(name) || strings.Count(name, "/") > 3 {
		return false
	}
	for part := range strings.SplitSeq(name, "/") {
		if strings.Trim(part, ".") == "" {
			return false
		}
		for _, r := range part {
			if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' || r == '.') {
				return false
			}
		}
	}
	return true
}

// VerifySnapshot reads a snapshot and checks that it is whole; a checksum, if not "", must be that of the file.
func VerifySnapshot(r io.Reader, checksum string) error {
	_, err := unpackAs(checksum, r, func(snapshotMeta, string, io.Reader) error { return nil })
	return err
}

// unpackAs is unpack of a file whose checksum is to be want, if that is not "".
func unpackAs(want string, r io.Reader, put func(meta snapshotMeta, name string, r io.Reader) error) (snapshotMeta, error) {
	if want == "" {
		return unpack(r, put)
	}
	sum := sha256.New()
	in := io.TeeReader(r, sum)
	meta, err := unpack(in, put)
	if _, left := io.Copy(io.Discard, in); left != nil {
		return meta, errors.Join(err, left)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); !strings.EqualFold(got, want) {
		err = errors.Join(err, failed(ErrInput, "Snapshot checksum mismatch: expected %s, got %s", want, got))
	}
	return meta, err
}

// Restore makes a collection of a snapshot, under a name of its own or in the place of what is there. It appears whole, when
// all of it is on disk and was checked, or not at all. A checksum, if not "", must be that of the snapshot.
func (s *Store) Restore(ctx context.Context, name string, r io.Reader, checksum string) error {
	if err := checkName("Collection", name); err != nil {
		return err
	}
	if err := errors.Join(ctx.Err(), s.open()); err != nil {
		return err
	}
	tmp := "restore-" + rand.Text()
	dir := s.path(collectionsDir, tmp)
	done := false
	defer func() {
		if !done {
			s.files.RemoveAll(dir)
		}
	}()
	if err := s.files.mkdir(dir); err != nil {
		return err
	}
	folders := map[string]bool{dir: true}
	meta, err := unpackAs(checksum, stoppable{ctx, r}, func(_ snapshotMeta, file string, r io.Reader) error {
		kind, _, ok := strings.Cut(file, "/")
		if !ok || kind != pointsDir && kind != derivedDir {
			return failed(ErrInput, "this is no snapshot of a collection: it holds %q", file)
		}
		at := s.files.PathJoin(append([]string{dir}, strings.Split(file, "/")...)...)
		for up := s.files.PathDir(at); !folders[up]; up = s.files.PathDir(up) {
			if err := s.files.MkdirAll(up, 0o755); err != nil {
				return err
			}
			folders[up] = true
		}
		return s.files.fill(at, func(w io.Writer) error { _, err := io.Copy(w, r); return err })
	})
	if err != nil {
		return err
	}
	if meta.Collection == "" {
		return failed(ErrInput, "this is a snapshot of a whole store, not of a collection")
	}
	for folder := range folders {
		if err := s.files.syncDir(folder); err != nil {
			return err
		}
	}

	s.change.Lock()
	defer s.change.Unlock()
	if err := s.open(); err != nil {
		return err
	}
	if _, ok := s.catalogue.Aliases[name]; ok {
		return wrong("Can't create collection with name %s. Alias with the same name already exists", name)
	}
	next := s.catalogue.clone()
	folder := next.place(name)
	if err := s.files.Rename(dir, s.path(collectionsDir, folder)); err != nil {
		return err
	}
	if err := s.files.syncDir(s.path(collectionsDir)); err != nil {
		return err
	}
	c, err := openCollection(s, name, folder)
	if err != nil {
		return errors.Join(err, s.files.RemoveAll(s.path(collectionsDir, folder)))
	}
	if c.settingsNow().Name != name {
		err = c.changeSettings(func(s *settings) error { s.Name = name; return nil }, func() {})
	}
	if err != nil {
		return errors.Join(err, c.close(false), s.files.RemoveAll(s.path(collectionsDir, folder)))
	}
	was := s.catalogue.Collections[name]
	if err := s.writeCatalogue(next); err != nil {
		return errors.Join(err, c.close(false))
	}
	done = true
	s.mu.Lock()
	old := s.collections[name]
	s.collections[name] = c
	delete(s.broken, name)
	s.mu.Unlock()
	if old != nil {
		if err := old.close(false); err != nil {
			s.log.Warn("closing a replaced collection", "collection", name, "error", err)
		}
	}
	if was != "" {
		if err := s.files.RemoveAll(s.path(collectionsDir, was)); err != nil {
			s.log.Warn("removing a replaced collection's files; the next start tries again", "collection", name, "error", err)
		}
	}
	return nil
}

// RestoreAll restores every collection and the aliases of a snapshot of a whole store. Each collection appears whole or not
// at all; after an error some may have been restored. Collections that the snapshot does not have stay.
func (s *Store) RestoreAll(ctx context.Context, r io.Reader, checksum string) error {
	meta, err := unpackAs(checksum, r, func(meta snapshotMeta, file string, r io.Reader) error {
		name, ok := meta.Collections[file]
		if !ok {
			return failed(ErrInput, "this is no snapshot of a whole store: it holds %q", file)
		}
		return s.Restore(ctx, name, r, "")
	})
	if err != nil {
		return err
	}
	var changes []AliasChange
	for alias, to := range meta.Aliases {
		changes = append(changes, AliasChange{Create: alias, Collection: to})
	}
	return s.ChangeAliases(ctx, changes)
}
