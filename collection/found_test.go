package collection

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/latent-go/latent/collection/point"
)

// TestKept wants what was found out of a vector there after a restart and in a restored snapshot, and gone with the vector,
// the collection, the writes it was made of, or a bit.
func TestKept(t *testing.T) {
	fs := vfs.NewCrashableMem()
	s := must[*Store](t)(Open("db", Options{FS: fs}))
	cfg := Config{Vectors: map[string]VectorConfig{"a": {Size: 2}, "b": {Size: 2}}}
	if err := s.Create(ctx, "c", cfg); err != nil {
		t.Fatal(err)
	}
	c := must[*Collection](t)(s.Collection("c"))
	put := func() {
		op := Upsert{Points: []point.Point{{ID: point.Num(1), Vectors: point.Vectors{"a": point.Dense([]float32{1, 2})}}}}
		must[uint64](t)(c.Apply(ctx, []Op{op}, true))
	}
	put()
	at := time.Date(2026, 1, 2, 3, 4, 5, 678, time.UTC)
	keep := func(vector string, f Finding) {
		t.Helper()
		if err := c.Keep(vector, "recall", f, map[string]float64{"recall": 0.5}); err != nil {
			t.Fatal(err)
		}
	}
	is := func(c *Collection, vector string, want bool, when string) {
		t.Helper()
		got := map[string]float64{}
		f, ok := c.Kept(vector, "recall", &got)
		if ok != want || want && (!f.At.Equal(at) || f.Version != 1 || f.Points != 7 || !maps.Equal(got, map[string]float64{"recall": 0.5})) {
			t.Errorf("%s: vector %q: %v %v %+v", when, vector, got, ok, f)
		}
	}
	reopen := func(fs *vfs.MemFS) {
		t.Helper()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = must[*Store](t)(Open("db", Options{FS: fs}))
		c = must[*Collection](t)(s.Collection("c"))
	}
	is(c, "a", false, "nothing is kept yet")
	if err := c.Keep("other", "recall", Finding{}, nil); err == nil {
		t.Error("something is kept of a vector that is not there")
	}
	keep("a", Finding{Version: 1})
	keep("a", Finding{at, 1, 7})
	keep("b", Finding{at, 1, 7})
	is(c, "a", true, "kept")
	in := must[SnapshotInfo](t)(c.Snapshot(ctx))
	reopen(fs)
	is(c, "a", true, "restarted")

	// A snapshot has it; a collection of the same name made anew has not.
	r, err := c.OpenSnapshot(in.Name)
	if err == nil {
		err = s.Restore(ctx, "d", r, in.Checksum)
		r.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	is(must[*Collection](t)(s.Collection("d")), "a", true, "restored")
	d := must[*Collection](t)(s.Collection("d"))
	must[bool](t)(s.Delete(ctx, "d"))
	if err := d.Keep("a", "recall", Finding{}, nil); err != nil {
		t.Errorf("of a collection that is gone: %v", err)
	}
	if err := s.Create(ctx, "d", cfg); err != nil {
		t.Fatal(err)
	}
	is(must[*Collection](t)(s.Collection("d")), "a", false, "made anew")

	// A vector that goes takes its files along, at the next start at the latest, and one of its name has none.
	if err := c.DropVector(ctx, "b"); err != nil {
		t.Fatal(err)
	}
	if err := c.AddVector(ctx, "b", VectorConfig{Size: 2}); err != nil {
		t.Fatal(err)
	}
	is(c, "b", false, "dropped and added")
	files := func() []string {
		return slices.DeleteFunc(c.derivedNames(), func(name string) bool { return !strings.HasPrefix(name, "found-") })
	}
	if got := files(); len(got) != 2 {
		t.Errorf("before the restart there are %q", got)
	}
	reopen(fs)
	if got := files(); len(got) != 1 {
		t.Errorf("after the restart there are %q", got)
	}
	is(c, "a", true, "of the vector that stayed")

	// What is of writes that a crash took is not believed.
	keep("a", Finding{at, c.version + 1, 7})
	is(c, "a", false, "of a version to come")
	keep("a", Finding{at, 1, 7})
	healthy(t, s)

	// A bit makes it none, but where nothing stands: check says so, reading forgets it.
	path := c.path(derivedDir, files()[0])
	size, found := len(readAll(t, fs, path)), 0
	for i := range size {
		keep("a", Finding{at, 1, 7})
		b := readAll(t, fs, path)
		b[i] ^= 4
		writeAll(t, fs, path, b)
		r := must[Report](t)(s.Check(ctx))
		found += len(r.Problems)
		is(c, "a", len(r.Problems) == 0, "damaged")
		if got := files(); len(got)+len(r.Problems) != 1 {
			t.Fatalf("byte %d: there is %q, and check says %v", i, got, r.Problems)
		}
	}
	if found < size/2 { // seen 200 of 320: the rest fills up sections
		t.Errorf("%d of %d flipped bits were found", found, size)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
