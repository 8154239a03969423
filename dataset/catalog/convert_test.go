package catalog

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// dropped is an entry whose raw files lie in its drop folder.
func dropped(t testing.TB, dim int, c converter, files map[string][]byte) (Entry, Options) {
	t.Helper()
	o := Options{Dir: t.TempDir(), Offline: true}
	drop := filepath.Join(o.Dir, "tiny.raw")
	if err := os.Mkdir(drop, 0o755); err != nil {
		t.Fatal(err)
	}
	e := Entry{Name: "tiny", Dim: dim, Verified: true, version: 1, convert: c}
	for name, b := range files {
		if err := os.WriteFile(filepath.Join(drop, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
		name, _ := strings.CutSuffix(name, ".gz")
		e.Raw = append(e.Raw, Raw{Name: name})
	}
	return e, o
}

func idx(dims []int, values ...byte) []byte {
	b := []byte{0, 0, 8, byte(len(dims))}
	for _, d := range dims {
		b = binary.BigEndian.AppendUint32(b, uint32(d))
	}
	return append(b, values...)
}

func TestIDX(t *testing.T) {
	files := map[string][]byte{
		"train-images-idx3-ubyte.gz": gz(idx([]int{3, 1, 2}, 0, 1, 2, 3, 254, 255)),
		"train-labels-idx1-ubyte.gz": gz(idx([]int{3}, 9, 0, 4)),
		"t10k-images-idx3-ubyte":     idx([]int{1, 1, 2}, 7, 8),
		"t10k-labels-idx1-ubyte":     idx([]int{1}, 5),
	}
	e, o := dropped(t, 2, idxFiles, files)
	s, err := e.load(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if s.Train.Rows != 3 || s.Train.Cols != 2 || !slices.Equal(s.Train.Data, []float32{0, 1, 2, 3, 254, 255}) ||
		!slices.Equal(s.Test.Data, []float32{7, 8}) || !slices.Equal(s.TrainLabels, []int{9, 0, 4}) || !slices.Equal(s.TestLabels, []int{5}) || s.Words != nil {
		t.Errorf("it loads as %+v", s)
	}
	files["t10k-labels-idx1-ubyte"] = idx([]int{2}, 5) // promises one more
	e, o = dropped(t, 2, idxFiles, files)
	if _, err := e.load(t.Context(), o); err == nil || !strings.Contains(err.Error(), "t10k labels") {
		t.Errorf("error %v, want one about the labels", err)
	}
}

func TestDigits(t *testing.T) {
	e, o := dropped(t, 3, digitFiles, map[string][]byte{"digits.csv.gz": gz([]byte("0,1,2,7\n3,4,5,8\n"))})
	s, err := e.load(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(s.Train.Data, []float32{0, 1, 2, 3, 4, 5}) || !slices.Equal(s.TrainLabels, []int{7, 8}) || s.Test.Rows != 0 {
		t.Errorf("it loads as %+v", s)
	}
	for _, bad := range []string{"", "1,2,3\n1,2\n", "1,x,3\n"} {
		e, o := dropped(t, 3, digitFiles, map[string][]byte{"digits.csv": []byte(bad)})
		if _, err := e.load(t.Context(), o); err == nil {
			t.Errorf("%q loads", bad)
		}
		if left := leftBehind(t, o, "tiny.raw"); left != nil {
			t.Errorf("%q left %v", bad, left)
		}
	}
}

const wink = `{"precision":8,"size":3,"dimensions":2,"words":["the","42","ca\u0066é"],"vectors":{` +
	`"42":[0.5,-1,1.118,1],"the":[1,2,2.236,0],"café":[-0.25,1e-3,0.25,2]},"unkVector":[0,0,0,-1]}`

func TestWink(t *testing.T) {
	e, o := dropped(t, 2, winkFiles("w.json"), map[string][]byte{"w.json": []byte(wink)})
	s, err := e.load(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if want := []float32{1, 2, 0.5, -1, -0.25, 1e-3}; !slices.Equal(s.Train.Data, want) || !slices.Equal(s.Words, []string{"the", "42", "café"}) {
		t.Errorf("it loads as %v of %q, want %v", s.Train.Data, s.Words, want)
	}
	for _, c := range [][3]string{
		{`"dimensions":2`, `"dimensions":3`, "has 4 values, want 5"},
		{`1.118,1]`, `1.118,0]`, "says that it is of word 0"},
		{`1.118,1]`, `1.118,7]`, "says that it is of word 7"},
		{`1.118,1]`, `1.118,-1e300]`, "says that it is of word"},
		{`"the":[1`, `"42":[1`, "says that it is of word 0"},
		{`"42":[0.5,-1,1.118,1],`, ``, "3 words have 2 vectors"},
		{`"words"`, `"wards"`, "before words"},
		{`"vectors"`, `"vortices"`, "has no vectors"},
		{`"the","42"`, `"t\ne","42"`, "says that it is of word 0"},
		{`]},"unk`, `]`, "invalid"},
	} {
		e, o := dropped(t, 2, winkFiles("w.json"), map[string][]byte{"w.json": []byte(strings.Replace(wink, c[0], c[1], 1))})
		if _, err := e.load(t.Context(), o); err == nil || !strings.Contains(err.Error(), c[2]) {
			t.Errorf("%s for %s: error %v, want one that says %q", c[1], c[0], err, c[2])
		}
	}
}

func FuzzWink(f *testing.F) {
	f.Add([]byte(wink))
	f.Add([]byte(wink[:100]))
	f.Add([]byte(`{"words":["a"],"dimensions":60000,"vectors":{}}`))
	f.Add([]byte(`{"words":null,"vectors":[]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		j := &job{in: t.TempDir()}
		out := t.TempDir()
		if err := os.WriteFile(filepath.Join(j.in, "w.json"), b, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := winkFiles("w.json")(t.Context(), j, out); err != nil {
			return
		}
		words, err := readLines(filepath.Join(out, "words.txt"))
		if err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(filepath.Join(out, "train.npy"))
		if err != nil || info.Size() < int64(4*len(words)) {
			t.Fatalf("%d words and a file of %v bytes (%v)", len(words), info, err)
		}
	})
}

func TestSIFT(t *testing.T) {
	if testing.Short() {
		t.Skip("18 MB of vectors")
	}
	vectors := func(rows, dim int, value func(i, k int) uint32) []byte {
		var b []byte
		for i := range rows {
			b = binary.LittleEndian.AppendUint32(b, uint32(dim))
			for k := range dim {
				b = binary.LittleEndian.AppendUint32(b, value(i, k))
			}
		}
		return b
	}
	float := func(i, k int) uint32 { return math.Float32bits(float32((i + k) % 256)) }
	files := map[string][]byte{
		"siftsmall_base.fvecs":        vectors(10000, 128, float),
		"siftsmall_query.fvecs":       vectors(100, 128, float),
		"siftsmall_learn.fvecs":       vectors(25000, 128, float),
		"siftsmall_groundtruth.ivecs": vectors(100, 100, func(i, k int) uint32 { return uint32(k) }),
	}
	e, o := dropped(t, 128, siftFiles, files)
	s, err := e.load(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if s.Train.Rows != 10000 || s.Test.Rows != 100 || s.Train.Row(9999)[127] != (9999+127)%256 || !s.Data.has("groundtruth.ivecs") || !s.Data.has("learn.npy") {
		t.Errorf("%d and %d rows, files %v", s.Train.Rows, s.Test.Rows, s.Data.Files)
	}
	files["siftsmall_query.fvecs"] = files["siftsmall_query.fvecs"][:129*4]
	e, o = dropped(t, 128, siftFiles, files)
	if _, err := e.load(t.Context(), o); err == nil || !strings.Contains(err.Error(), "siftsmall_query.fvecs does not have the 51600 bytes") {
		t.Errorf("error %v, want one about the size", err)
	}
}

// The header is as NumPy writes it: data begins at a multiple of 64, whatever the shape.
func TestNpyHeader(t *testing.T) {
	for rows := 1; rows < 1e9; rows *= 7 {
		path := filepath.Join(t.TempDir(), "a.npy")
		w, err := createNpy(path, rows, 3)
		if err != nil {
			t.Fatal(err)
		}
		w.f.Close()
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if len(b)%64 != 0 || int64(len(b)) != w.header || b[len(b)-1] != '\n' || int(binary.LittleEndian.Uint16(b[8:])) != len(b)-10 ||
			!bytes.Contains(b, fmt.Appendf(nil, "(%d, 3)", rows)) {
			t.Errorf("%d rows: header %q", rows, b)
		}
	}
}
