package artifact_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/latent-go/latent/artifact"
)

func sample(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	n, err := artifact.Write(&b, "test.kind", 2,
		artifact.Numbers("floats", []float32{1, -2, 3.5}),
		artifact.Numbers("ids", []uint64{1 << 40, 7}),
		artifact.JSON("meta", map[string]int{"a": 1}),
		artifact.Section{Name: "empty"},
	)
	if err != nil || n != int64(b.Len()) || n%64 != 0 {
		t.Fatalf("Write: %d bytes of %d, %v", n, b.Len(), err)
	}
	return b.Bytes()
}

func check(t testing.TB, f *artifact.File) {
	t.Helper()
	if x, err := artifact.Slice[float32](f, "floats"); err != nil || !slices.Equal(x, []float32{1, -2, 3.5}) {
		t.Errorf("floats: %v, %v", x, err)
	}
	if x, err := artifact.Slice[uint64](f, "ids"); err != nil || !slices.Equal(x, []uint64{1 << 40, 7}) {
		t.Errorf("ids: %v, %v", x, err)
	}
	var meta map[string]int
	if err := f.Decode("meta", &meta); err != nil || meta["a"] != 1 {
		t.Errorf("meta: %v, %v", meta, err)
	}
	if x, err := artifact.Slice[uint16](f, "empty"); err != nil || len(x) != 0 {
		t.Errorf("empty: %v, %v", x, err)
	}
	if _, err := f.Raw("absent"); err == nil {
		t.Error("a section that is not there was found")
	}
	if _, err := artifact.Slice[uint64](f, "floats"); err == nil {
		t.Error("12 bytes read as 8-byte numbers")
	}
}

func TestRoundTrip(t *testing.T) {
	b := sample(t)
	r := bytes.NewReader(append(slices.Clone(b), "what follows"...))
	f, err := artifact.Read(r, "test.kind", 2)
	if err != nil {
		t.Fatal(err)
	}
	check(t, f)
	if rest, _ := io.ReadAll(r); string(rest) != "what follows" {
		t.Errorf("Read took more than the artifact: %q is left", rest)
	}
	path := filepath.Join(t.TempDir(), "x")
	if err := artifact.Atomic(path, func(w io.Writer) error { _, err := w.Write(b); return err }); err != nil {
		t.Fatal(err)
	}
	m, err := artifact.Open(path, "test.kind", 2)
	if err != nil {
		t.Fatal(err)
	}
	check(t, m)
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}

// TestDamage flips every bit, and cuts at every length: each is refused, or lies in the padding between sections,
// which carries nothing.
func TestDamage(t *testing.T) {
	good := sample(t)
	padding := 0
	for i := range good {
		for bit := range 8 {
			bad := slices.Clone(good)
			bad[i] ^= 1 << bit
			f, err := artifact.Read(bytes.NewReader(bad), "test.kind", 2)
			if err == nil {
				padding++
				check(t, f)
				continue
			}
			if c := new(artifact.CorruptError); !errors.As(err, &c) {
				t.Fatalf("byte %d bit %d: %v is no CorruptError", i, bit, err)
			}
		}
		if _, err := artifact.Read(bytes.NewReader(good[:i]), "test.kind", 2); err == nil {
			t.Fatalf("cut to %d of %d bytes was accepted", i, len(good))
		}
	}
	if want := (len(good) - 32 - 4*40 - 4 - 12 - 16 - 7) * 8; padding != want {
		t.Errorf("%d bits change nothing, want only the %d of the padding", padding, want)
	}
}

func TestRefuses(t *testing.T) {
	b := sample(t)
	if _, err := artifact.Read(bytes.NewReader(b), "other", 2); err == nil || !strings.Contains(err.Error(), "test.kind") {
		t.Errorf("another kind: %v", err)
	}
	if _, err := artifact.Read(bytes.NewReader(b), "test.kind", 1); err == nil || !strings.Contains(err.Error(), "version 2") {
		t.Errorf("a later version: %v", err)
	}
	dir := t.TempDir()
	if _, err := artifact.Open(filepath.Join(dir, "none"), "k", 1); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	if _, err := artifact.Open(dir, "k", 1); err == nil {
		t.Error("a folder was opened")
	}
	empty := filepath.Join(dir, "empty")
	os.WriteFile(empty, nil, 0o600)
	if _, err := artifact.Open(empty, "k", 1); err == nil {
		t.Error("an empty file was opened")
	}
}

func TestAtomicLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x")
	os.WriteFile(path, []byte("before"), 0o600)
	full := errors.New("disk full")
	err := artifact.Atomic(path, func(w io.Writer) error {
		w.Write(make([]byte, 3<<20))
		return full
	})
	if !errors.Is(err, full) || !strings.Contains(err.Error(), path) {
		t.Errorf("err = %v", err)
	}
	if b, _ := os.ReadFile(path); string(b) != "before" {
		t.Errorf("what stood there is now %q", b)
	}
	if files, _ := os.ReadDir(dir); len(files) != 1 {
		t.Errorf("left behind: %v", files)
	}
}

func TestAnySections(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		data := rapid.SliceOfN(rapid.SliceOf(rapid.Byte()), 0, 9).Draw(t, "sections")
		var ss []artifact.Section
		for i, d := range data {
			ss = append(ss, artifact.Section{Name: string(rune('a' + i)), Data: d})
		}
		var b bytes.Buffer
		artifact.Write(&b, "k", 1, ss...)
		f, err := artifact.Read(&b, "k", 1)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range ss {
			if got, err := f.Raw(s.Name); err != nil || !bytes.Equal(got, s.Data) {
				t.Fatalf("%s: %v, %v", s.Name, got, err)
			}
		}
	})
}

func FuzzRead(f *testing.F) {
	f.Add(sample(f))
	f.Add(sample(f)[:40])
	f.Fuzz(func(t *testing.T, b []byte) {
		g, err := artifact.Read(bytes.NewReader(b), "test.kind", 2)
		if err != nil {
			return
		}
		artifact.Slice[float32](g, "floats")
		var v any
		g.Decode("meta", &v)
	})
}

func TestFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "x")
	fill := func(text string) func(string) error {
		return func(tmp string) error { return os.WriteFile(filepath.Join(tmp, "marker"), []byte(text), 0o600) }
	}
	if err := artifact.Folder(dir, "marker", false, fill("one")); err != nil {
		t.Fatal(err)
	}
	if err := artifact.Folder(dir, "marker", false, fill("two")); !errors.Is(err, os.ErrExist) {
		t.Errorf("replaced unasked: %v", err)
	}
	full := errors.New("disk full")
	if err := artifact.Folder(dir, "marker", true, func(tmp string) error {
		fill("three")(tmp)
		return full
	}); !errors.Is(err, full) {
		t.Errorf("err = %v", err)
	}
	if b, _ := os.ReadFile(filepath.Join(dir, "marker")); string(b) != "one" {
		t.Errorf("what stood there is now %q", b)
	}
	if err := artifact.Folder(dir, "marker", true, fill("four")); err != nil {
		t.Error(err)
	}
	if b, _ := os.ReadFile(filepath.Join(dir, "marker")); string(b) != "four" {
		t.Errorf("the new one holds %q", b)
	}
	if files, _ := os.ReadDir(filepath.Dir(dir)); len(files) != 1 {
		t.Errorf("left beside it: %v", files)
	}
	other := t.TempDir()
	if err := artifact.Folder(other, "marker", false, fill("five")); err != nil {
		t.Errorf("an empty folder: %v", err)
	}
	os.WriteFile(filepath.Join(other, "thesis"), nil, 0o600)
	os.Remove(filepath.Join(other, "marker"))
	if err := artifact.Folder(other, "marker", true, fill("six")); !errors.Is(err, os.ErrExist) {
		t.Errorf("other files: %v", err)
	}
	if err := artifact.Vacant(filepath.Join(dir, "a", "b"), "marker", false); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("in a folder that is not there: %v", err)
	}
}
