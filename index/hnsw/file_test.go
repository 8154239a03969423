package hnsw

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/latent-go/latent/artifact"
	"github.com/latent-go/latent/index"
	"github.com/latent-go/latent/quantize/scalar"
	"github.com/latent-go/latent/vec"
)

var sections = []string{"meta", "codec", "ids", "levels", "free", "base", "upper", "codes"}

// pieces returns the sections of a saved index.
func pieces(t testing.TB, ix *Index) [][]byte {
	t.Helper()
	var b bytes.Buffer
	if _, err := ix.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	f, err := artifact.Read(&b, kind, version)
	if err != nil {
		t.Fatal(err)
	}
	var out [][]byte
	for _, name := range sections {
		raw, err := f.Raw(name)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, bytes.Clone(raw))
	}
	return out
}

// file puts sections together, with checksums that match.
func file(t testing.TB, data [][]byte) *bytes.Buffer {
	t.Helper()
	var s []artifact.Section
	for i, name := range sections {
		s = append(s, artifact.Section{Name: name, Data: data[i]})
	}
	b := new(bytes.Buffer)
	if _, err := artifact.Write(b, kind, version, s...); err != nil {
		t.Fatal(err)
	}
	return b
}

// small returns a graph of some layers with free slots: 60 nodes at M = 2, 5 slots free.
func small(t testing.TB) *Index {
	ix := built(t, generate(t, "synthetic:cube?d=3&n=65&seed=2"), Options{M: 2, EfConstruction: 8})
	ix.Delete(3, 10, 20, 21, 64)
	return ix
}

func TestReadRefuses(t *testing.T) {
	good := pieces(t, small(t))
	if _, err := Read(file(t, good), scalar.Read); err != nil {
		t.Fatal(err)
	}
	const meta, codec, ids, levels, free, base, upper, codes = 0, 1, 2, 3, 4, 5, 6, 7
	header := func(change string, to any) func([][]byte) {
		return func(p [][]byte) {
			var h map[string]any
			json.Unmarshal(p[meta], &h)
			h[change] = to
			p[meta], _ = json.Marshal(h)
		}
	}
	word := func(section, at int, to uint32) func([][]byte) {
		return func(p [][]byte) { binary.LittleEndian.PutUint32(p[section][4*at:], to) }
	}
	lone := 0 // a slot that is on layer 0 only
	for good[levels][lone] != 0 {
		lone++
	}
	for name, c := range map[string]struct {
		change func([][]byte)
		says   string
	}{
		"link beyond the end":    {word(base, 0, 65), "which is no other node"},
		"link far beyond":        {word(base, 0, 1<<31), "which is no other node"},
		"link to itself":         {word(base, 4, 1), "which is no other node"},
		"link to a free slot":    {word(base, 0, 20), "which is no other node"},
		"link after the end":     {func(p [][]byte) { word(base, 0, none)(p); word(base, 1, 5)(p) }, "after the end"},
		"links of a free slot":   {word(base, 4*20, 1), "slot 20 is free and has links"},
		"link to a lower layer":  {word(upper, 0, uint32(lone)), "which is no other node"},
		"level too high":         {func(p [][]byte) { p[levels][0] = 31 }, "at most 30"},
		"one level more":         {func(p [][]byte) { p[levels][lone]++ }, `section "upper" has`},
		"entry beyond the end":   {header("entry", 65), "entry point 65"},
		"entry below the top":    {header("entry", lone), "is not a node on the top layer"},
		"no entry":               {header("entry", uint32(none)), "is not a node on the top layer"},
		"slots":                  {header("slots", 64), `section "ids" has 65 values`},
		"slots below 0":          {header("slots", -1), "-1 slots"},
		"M":                      {header("m", 1), "M is 1"},
		"another M":              {header("m", 3), `section "base" has`},
		"metric":                 {header("metric", "hamming"), "no metric"},
		"dimension":              {header("dim", 4), "their codec has 3"},
		"free beyond the end":    {word(free, 0, 65), "free slot 65"},
		"free not in order":      {word(free, 1, 64), "free slot 64"},
		"ID twice":               {word(ids, 1, 0), "ID 0 twice"},
		"a code short":           {func(p [][]byte) { p[codes] = p[codes][12:] }, `section "codes" has`},
		"links cut in a number":  {func(p [][]byte) { p[base] = p[base][1:] }, "not a multiple of 4"},
		"codec that is not one":  {func(p [][]byte) { p[codec] = p[codec][:20] }, "cut short"},
		"header that is no JSON": {func(p [][]byte) { p[meta] = []byte("{") }, `section "meta"`},
	} {
		bad := make([][]byte, len(good))
		for i := range good {
			bad[i] = bytes.Clone(good[i])
		}
		c.change(bad)
		_, err := Read(file(t, bad), scalar.Read)
		if corrupt := new(artifact.CorruptError); !errors.As(err, &corrupt) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: error is %v, want one that says %q", name, err, c.says)
		}
	}
}

// TestReadOfAGreedyFile: an effort that would not fit into memory is an effort of all nodes.
func TestReadOfAGreedyFile(t *testing.T) {
	p := pieces(t, small(t))
	p[0] = bytes.Replace(p[0], []byte(`"ef_construction":8`), []byte(`"ef_construction":1000000000000000`), 1)
	ix, err := Read(file(t, p), scalar.Read)
	if err != nil || ix.Options().EfConstruction != 1e15 {
		t.Fatalf("EfConstruction %d, error %v", ix.Options().EfConstruction, err)
	}
	if err := ix.Add(background, nil, vec.NewMatrix(40, 3)); err != nil || ix.Len() != 100 {
		t.Errorf("Len %d, error %v", ix.Len(), err)
	}
}

// FuzzRead changes a section and mends the checksums: what is read nevertheless must serve, and can be changed.
func FuzzRead(f *testing.F) {
	good := pieces(f, small(f))
	for section := range sections {
		f.Add(uint8(section), uint16(0), []byte{1, 0, 0, 0})
		f.Add(uint8(section), uint16(16), []byte{0xff, 0xff, 0xff, 0x7f})
	}
	f.Add(uint8(5), uint16(4*4*7), bytes.Repeat([]byte{0xff}, 300)) // nodes without links
	f.Add(uint8(7), uint16(0), []byte{0, 0, 0xc0, 0x7f})            // NaN
	f.Fuzz(func(t *testing.T, section uint8, at uint16, with []byte) {
		data := make([][]byte, len(good))
		for i := range good {
			data[i] = bytes.Clone(good[i])
		}
		s := data[int(section)%len(data)]
		copy(s[min(int(at), len(s)):], with)
		ix, err := Read(file(t, data), scalar.Read)
		if err != nil {
			return
		}
		for _, k := range []int{1, 60} {
			r, err := ix.Search(background, make([]float32, ix.Dim()), index.Query{K: k})
			if err != nil && !errors.Is(err, vec.ErrZero) {
				t.Fatal(err)
			}
			if err == nil && len(r.Hits) != min(k, ix.Len()) {
				t.Fatalf("%d hits of %d", len(r.Hits), k)
			}
		}
		var b bytes.Buffer
		if _, err := ix.WriteTo(&b); err != nil {
			t.Fatal(err)
		}
		x := vec.NewMatrix(20, ix.Dim())
		for i := range x.Data {
			x.Data[i] = float32(i % 7)
		}
		x.Row(0)[0] = 1
		if err := ix.Add(background, nil, x); err != nil && !errors.Is(err, index.ErrID) {
			t.Fatal(err)
		}
		ix.Delete(0, 1, 2, 30, 31)
		if s := ix.Stats(); s.Reachable != 1 {
			t.Fatalf("after a change: %+v", s)
		}
	})
}

func TestOpenIsAViewUntilChanged(t *testing.T) {
	ix := small(t)
	path := filepath.Join(t.TempDir(), "a.hnsw")
	if err := artifact.Save(path, ix); err != nil {
		t.Fatal(err)
	}
	open := func() *Index {
		back, err := Open(path, scalar.Read)
		if err != nil {
			t.Fatal(err)
		}
		return back
	}
	back := open()
	raw, err := back.file.Raw("codes")
	if err != nil || &raw[0] != &back.codes[0] {
		t.Errorf("the codes of an opened index are a copy (error %v)", err)
	}
	back.Delete(1)
	if back.file != nil || back.Len() != 59 {
		t.Errorf("after a delete: file %v, Len %d", back.file, back.Len())
	}
	if err := sound(back); err != nil {
		t.Error(err)
	}
	if err := back.Close(); err != nil || back.Len() != 59 {
		t.Errorf("Close of a changed index: %v, Len %d", err, back.Len())
	}
	back = open()
	if err := back.Close(); err != nil {
		t.Fatal(err)
	}
	if r, err := back.Search(background, make([]float32, 3), index.Query{K: 1}); err != nil || len(r.Hits) != 0 {
		t.Errorf("search after Close: %v, %v", r, err)
	}
}
