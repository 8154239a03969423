package collection

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/latent-go/latent/collection/filter"
	"github.com/latent-go/latent/collection/point"
	"github.com/latent-go/latent/vec"
)

// small makes a store with something of everything in it, closed, and what its collection holds.
func small(t *testing.T) (*vfs.MemFS, plain) {
	t.Helper()
	fs := vfs.NewCrashableMem()
	s := must[*Store](t)(Open("db", Options{FS: fs, Still: true}))
	if err := s.Create(ctx, "c", modelConfig); err != nil {
		t.Fatal(err)
	}
	c := must[*Collection](t)(s.Collection("c"))
	m := plain{}
	put := func(from, to int) {
		for i := from; i < to; i++ {
			op := Upsert{Points: []point.Point{{ID: point.Num(uint64(i)), Vectors: point.Vectors{"a": point.Dense([]float32{float32(i), 1, 2}), "s": {Sparse: &point.Sparse{Indices: []uint32{1}, Values: []float32{2}}}}, Payload: point.Payload{"k": int64(i % 3)}}}}
			m.apply(op)
			if _, err := c.Apply(ctx, []Op{op}, true); err != nil {
				t.Fatal(err)
			}
		}
	}
	put(0, 30)
	if err := c.CreateFieldIndex(ctx, "k", filter.Schema{Type: "integer"}); err != nil {
		t.Fatal(err)
	}
	if err := c.db.Flush(); err != nil {
		t.Fatal(err)
	}
	settled(t, c)
	put(20, 40)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return fs.CrashClone(vfs.CrashCloneCfg{}), m
}

// everyFile calls f for the files below a folder.
func everyFile(t *testing.T, fs vfs.FS, dir string, f func(path string)) {
	t.Helper()
	names := must[[]string](t)(fs.List(dir))
	slices.Sort(names)
	for _, name := range names {
		path := fs.PathJoin(dir, name)
		if st, err := fs.Stat(path); err != nil {
			t.Fatal(err)
		} else if st.IsDir() {
			everyFile(t, fs, path, f)
		} else {
			f(path)
		}
	}
}

func readAll(t *testing.T, fs vfs.FS, path string) []byte {
	t.Helper()
	f := must[vfs.File](t)(fs.Open(path))
	defer f.Close()
	return must[[]byte](t)(io.ReadAll(f))
}

func writeAll(t *testing.T, fs vfs.FS, path string, b []byte) {
	t.Helper()
	f := must[vfs.File](t)(fs.Create(path, category))
	if _, err := f.Write(slices.Clone(b)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Sync(), f.Close(), files{fs}.syncDir(fs.PathDir(path))); err != nil {
		t.Fatal(err)
	}
}

// TestBitFlips flips bits in every file of a small store: what is derived is made again, and damage to the points is an
// error that names a file, or of no consequence; no point is lost without a word.
func TestBitFlips(t *testing.T) {
	smallIndexes(t)
	fs, m := small(t)
	seen := map[string]int{} // how each kind of file took it
	everyFile(t, fs, "db", func(path string) {
		size := len(readAll(t, fs, path))
		spots := 24
		if testing.Short() {
			spots = 3
		}
		for i := range min(spots, size) {
			left := fs.CrashClone(vfs.CrashCloneCfg{})
			b := readAll(t, left, path)
			b[i*size/min(spots, size)] ^= 1 << (i % 8)
			writeAll(t, left, path, b)
			left = left.CrashClone(vfs.CrashCloneCfg{})
			how := damaged(t, left, path, m)
			kind, _, _ := strings.Cut(strings.TrimLeft(path[strings.LastIndex(path, "/")+1:], "0123456789."), "-")
			seen[kind+": "+how]++
		}
	})
	for _, line := range slices.Sorted(func(yield func(string) bool) {
		for k, n := range seen {
			if !yield(fmt.Sprint(k, " ", n)) {
				return
			}
		}
	}) {
		t.Log(line)
	}
}

// damaged opens a store with a damaged file and says how it took that.
func damaged(t *testing.T, fs *vfs.MemFS, path string, m plain) string {
	t.Helper()
	s, err := Open("db", Options{FS: fs, Still: true})
	if err != nil {
		if !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v, want ErrCorrupt", path, err)
		}
		return "the store says so"
	}
	defer s.Close()
	c, err := s.Collection("c")
	if err != nil {
		if !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "db/collections/") {
			t.Errorf("%s: %v, want ErrCorrupt that names a file", path, err)
		}
		return "the collection says so"
	}
	hits, err := c.Get(ctx, m.ids(), Select{All: true}, Select{All: true})
	if err != nil {
		if !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "points") {
			t.Errorf("%s: reading: %v, want ErrCorrupt that names a file", path, err)
		}
		return "reading says so"
	}
	whole := len(hits) == len(m)
	for _, h := range hits {
		whole = whole && asJSON(h.Point) == asJSON(m[h.ID])
	}
	if !whole {
		t.Errorf("%s: %d of %d points are there, without an error", path, len(hits), len(m))
	}
	v := must[*view](t)(c.view())
	near, err := v.nearest(ctx, "a", point.Dense([]float32{17, 1, 2}), 1, Params{}, nil)
	if err != nil || len(near) != 1 || v.id(near[0].slot) != point.Num(17) {
		t.Errorf("%s: nearest: %v, %v", path, near, err)
	}
	v.release()
	r := must[Report](t)(s.Check(ctx))
	for _, p := range r.Problems {
		if p.Derived {
			return "made again"
		}
	}
	if len(r.Problems) > 0 {
		return "check says so"
	}
	return "no consequence"
}

// TestGapInLog takes a version out of the log behind the checkpoint: what is derived, payload indexes and sparse vectors
// too, is made again.
func TestGapInLog(t *testing.T) {
	fs, m := small(t)
	s := must[*Store](t)(Open("db", Options{FS: fs, Still: true}))
	c := must[*Collection](t)(s.Collection("c"))
	if err := errors.Join(c.db.Delete(logKey(c.version-1), pebble.Sync), s.Close()); err != nil {
		t.Fatal(err)
	}
	s = must[*Store](t)(Open("db", Options{FS: fs, Still: true}))
	defer s.Close()
	c = must[*Collection](t)(s.Collection("c"))
	for _, kind := range []string{pointsFile, fieldPrefix, sparsePrefix} {
		if !slices.ContainsFunc(c.notes, func(note string) bool { return strings.Contains(note, derivedDir+"/"+kind) }) {
			t.Errorf("%s is not made again: %q", kind, c.notes)
		}
	}
	q := Query{Ask: Nearest{To: Input{Vector: &point.Vector{Sparse: &point.Sparse{Indices: []uint32{1}, Values: []float32{1}}}}}, Using: "s", Limit: 100}
	if hits := must[[]Hit](t)(c.Query(ctx, q)); len(hits) != len(m) {
		t.Errorf("%d points are found, want %d", len(hits), len(m))
	}
}

// TestSnapshotCutShort wants what a crash left of a snapshot gone after the next start, and whole ones there, also those of
// a collection whose name ends as unfinished files do.
func TestSnapshotCutShort(t *testing.T) {
	dir := t.TempDir()
	s := must[*Store](t)(Open(dir, Options{}))
	if err := s.Create(ctx, "c.tmp", Config{Vectors: map[string]VectorConfig{"": {Size: 2}}}); err != nil {
		t.Fatal(err)
	}
	c := must[*Collection](t)(s.Collection("c.tmp"))
	whole := must[SnapshotInfo](t)(c.Snapshot(ctx))
	must[SnapshotInfo](t)(s.Snapshot(ctx))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	var cut []string
	for _, folder := range []string{"collections/c.tmp", "store"} {
		cut = append(cut, filepath.Join(dir, "snapshots", folder, "x.snapshot.tmp"))
		if err := os.WriteFile(cut[len(cut)-1], []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s = must[*Store](t)(Open(dir, Options{}))
	defer s.Close()
	for _, path := range cut {
		if _, err := os.Stat(path); !os.IsNotExist(err) {
			t.Errorf("%s: %v", path, err)
		}
	}
	c = must[*Collection](t)(s.Collection("c.tmp"))
	if got := must[[]SnapshotInfo](t)(c.Snapshots()); len(got) != 1 || got[0].Name != whole.Name || len(must[[]SnapshotInfo](t)(s.Snapshots())) != 1 {
		t.Errorf("%+v", got)
	}
}

func TestSnapshotDamage(t *testing.T) {
	fs, m := small(t)
	s := must[*Store](t)(Open("db", Options{FS: fs, Still: true}))
	defer s.Close()
	c := must[*Collection](t)(s.Collection("c"))
	in := must[SnapshotInfo](t)(c.Snapshot(ctx))
	r := must[io.ReadCloser](t)(c.OpenSnapshot(in.Name))
	whole := must[[]byte](t)(io.ReadAll(r))
	r.Close()
	if int64(len(whole)) != in.Size {
		t.Errorf("%d bytes, %d were said", len(whole), in.Size)
	}
	if err := VerifySnapshot(strings.NewReader(string(whole)), in.Checksum); err != nil {
		t.Fatal(err)
	}
	if err := VerifySnapshot(strings.NewReader(string(whole)), strings.Repeat("0", 64)); !errors.Is(err, ErrInput) {
		t.Errorf("another checksum: %v", err)
	}
	steps := 97
	if testing.Short() {
		steps = 11
	}
	for i := range steps { // with its checksum every flipped bit is found
		b := slices.Clone(whole)
		b[i*len(b)/steps] ^= 1
		if err := s.Restore(ctx, "d", strings.NewReader(string(b)), in.Checksum); !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrInput) {
			t.Fatalf("byte %d: %v", i*len(b)/steps, err)
		}
		cut := whole[:i*(len(whole)-2048)/steps] // what tar ends with says nothing
		if err := s.Restore(ctx, "d", strings.NewReader(string(cut)), ""); !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrInput) {
			t.Fatalf("cut to %d bytes: %v", len(cut), err)
		}
	}
	if _, err := s.Collection("d"); !errors.Is(err, ErrNotFound) {
		t.Errorf("a damaged snapshot left a collection: %v", err)
	}
	if err := s.Restore(ctx, "d", strings.NewReader(string(whole)), in.Checksum); err != nil {
		t.Fatal(err)
	}
	d := must[*Collection](t)(s.Collection("d"))
	if info := must[Info](t)(d.Info()); info.Points != len(m) {
		t.Errorf("%d points, want %d", info.Points, len(m))
	}
	all := must[SnapshotInfo](t)(s.Snapshot(ctx))
	r = must[io.ReadCloser](t)(s.OpenSnapshot(all.Name))
	defer r.Close()
	other := must[*Store](t)(Open("other", Options{FS: vfs.NewMem(), Still: true}))
	defer other.Close()
	if err := other.RestoreAll(ctx, r, all.Checksum); err != nil {
		t.Fatal(err)
	}
	if names := other.Names(); !slices.Equal(names, []string{"c", "d"}) {
		t.Errorf("%q", names)
	}
	healthy(t, other)
	healthy(t, s)
}

func TestNames(t *testing.T) {
	s := must[*Store](t)(Open("db", Options{FS: vfs.NewMem()}))
	defer s.Close()
	for _, name := range []string{"", ".", "..", "a/b", `a\b`, "../x", "a\x00", "a\nb", "a:b", "a*", strings.Repeat("x", 256), "\xff"} {
		if err := s.Create(ctx, name, Config{}); !errors.Is(err, ErrInput) {
			t.Errorf("%q: %v, want ErrInput", name, err)
		}
	}
	for _, name := range []string{"a", "Ünïcode ☃", "a.b", "...", strings.Repeat("x", 255)} {
		if err := s.Create(ctx, name, Config{Vectors: map[string]VectorConfig{"": {Size: 2, Distance: vec.Cosine}}}); err != nil {
			t.Errorf("%q: %v", name, err)
		}
		if err := s.Create(ctx, name, Config{}); !errors.Is(err, ErrExists) {
			t.Errorf("%q again: %v, want ErrExists", name, err)
		}
	}
}

// TestRepair damages the tables of a store here and there; what can be read is there afterwards, and what is lost is named.
func TestRepair(t *testing.T) {
	smallIndexes(t)
	whole, m := small(t)
	everyFile(t, whole, "db/collections/000001/points", func(path string) {
		if !strings.HasSuffix(path, ".sst") {
			return
		}
		for i := range 12 {
			fs := whole.CrashClone(vfs.CrashCloneCfg{})
			b := readAll(t, fs, path)
			b[i*len(b)/12] ^= 8
			writeAll(t, fs, path, b)
			r, err := Repair(ctx, "db", Options{FS: fs})
			if err != nil {
				t.Errorf("%s, byte %d: %v", path, i*len(b)/12, err)
				continue
			}
			beyond := func(p Problem) bool { return strings.Contains(p.What, "restore a snapshot") }
			if slices.ContainsFunc(r.Problems, beyond) {
				continue
			}
			s := must[*Store](t)(Open("db", Options{FS: fs, Still: true}))
			healthy(t, s)
			c := must[*Collection](t)(s.Collection("c"))
			hits := must[[]Hit](t)(c.Get(ctx, m.ids(), Select{All: true}, Select{All: true}))
			bare := 0
			for _, h := range hits {
				if len(h.Vectors) == 0 {
					bare++
				}
			}
			lost := slices.ContainsFunc(r.Problems, func(p Problem) bool { return strings.Contains(p.What, "lost") })
			t.Logf("%s, byte %d: %d of %d points are there, %d without vectors", path, i*len(b)/12, len(hits), len(m), bare)
			if (len(hits) < len(m) || bare > 0) && !lost {
				t.Errorf("%s, byte %d: points are lost without a word: %v", path, i*len(b)/12, r.Problems)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
	})
}
