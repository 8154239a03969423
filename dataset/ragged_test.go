package dataset

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"

	"github.com/latent-go/latent/vec"
)

var (
	raggedX       = vec.Matrix{Rows: 6, Cols: 2, Data: []float32{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}}
	raggedOffsets = []int{0, 2, 3, 6}
)

// npyInts returns a one-dimensional npy file of int64.
func npyInts(values ...int64) []byte {
	dict := fmt.Sprintf("{'descr': '<i8', 'fortran_order': False, 'shape': (%d,), }\n", len(values))
	b := append([]byte(npyMagic), 1, 0)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(dict)))
	b = append(b, dict...)
	for _, v := range values {
		b = binary.LittleEndian.AppendUint64(b, uint64(v))
	}
	return b
}

func npyMatrix(x vec.Matrix) []byte {
	var b bytes.Buffer
	if err := writeNpy(&b, x); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// npyCube is x, as many rows to a set, in an npy file of three dimensions.
func npyCube(x vec.Matrix, each int) []byte {
	return bytes.Replace(npyMatrix(x), fmt.Appendf(nil, "(%d, %d), }   ", x.Rows, x.Cols), fmt.Appendf(nil, "(%d, %d, %d), }", x.Rows/each, each, x.Cols), 1)
}

func npz(method uint16, members map[string][]byte) []byte {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, name := range slices.Sorted(func(yield func(string) bool) {
		for name := range members {
			if !yield(name) {
				return
			}
		}
	}) {
		w, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: method})
		if err == nil {
			_, err = w.Write(members[name])
		}
		if err != nil {
			panic(err)
		}
	}
	if err := z.Close(); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// nestedParquet writes lists of lists as Arrow does, as list.element within list.element, with IDs if there are any.
func nestedParquet(leaf parquet.Node, ids []string, sets ...[][]float32) []byte {
	g := parquet.Group{"tokens": parquet.List(parquet.List(leaf))}
	if ids != nil {
		g["id"] = parquet.String()
	}
	at := len(g) - 1 // columns are sorted by name
	var rows []parquet.Row
	for i, set := range sets {
		var row parquet.Row
		if ids != nil {
			row = append(row, parquet.ByteArrayValue([]byte(ids[i])).Level(0, 0, 0))
		}
		if len(set) == 0 {
			row = append(row, parquet.NullValue().Level(0, 0, at))
		}
		for j, x := range set {
			if len(x) == 0 {
				row = append(row, parquet.NullValue().Level(min(j, 1), 1, at))
			}
			for k, v := range x {
				value := parquet.FloatValue(v)
				if leaf.Type().Kind() == parquet.Double {
					value = parquet.DoubleValue(float64(v))
				}
				level := 2
				if k == 0 {
					level = min(j, 1)
				}
				row = append(row, value.Level(level, 2, at))
			}
		}
		rows = append(rows, row)
	}
	var b bytes.Buffer
	w := parquet.NewGenericWriter[any](&b, parquet.NewSchema("x", g))
	_, err := w.WriteRows(rows)
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		panic(err)
	}
	return b.Bytes()
}

var (
	raggedSets = [][][]float32{{{1, 2}, {3, 4}}, {{5, 6}}, {{7, 8}, {9, 10}, {11, 12}}}
	floats     = parquet.Leaf(parquet.FloatType)
)

func raggedParquet() []byte { return nestedParquet(floats, []string{"a", "b", "c"}, raggedSets...) }

const raggedJSONL = `{"id":"a","tokens":[[1,2],[3,4]],"n":1}
{"id":"b","n":2,"tokens": [ [5, 6] ]}

{"id":"c","tokens":[[7,8],[9,10],[11,12]]}
`

func TestRagged(t *testing.T) {
	gz := func(b []byte) []byte {
		var out bytes.Buffer
		w := gzip.NewWriter(&out)
		w.Write(b)
		w.Close()
		return out.Bytes()
	}
	x := npyMatrix(raggedX)
	abc := []string{"a", "b", "c"}
	for _, c := range []struct {
		name    string
		content []byte
		beside  map[string][]byte
		ids     []string
	}{
		{"x.npz", npz(zip.Store, map[string][]byte{"tokens.npy": x, "offsets.npy": npyInts(0, 2, 3, 6)}), nil, nil},
		{"x.npz", npz(zip.Deflate, map[string][]byte{"emb.npy": x, "doclens.npy": npyInts(2, 1, 3), "more.npy": npyInts(1)}), nil, nil},
		{"x.npy", x, map[string][]byte{"x.offsets.npy": npyInts(0, 2, 3, 6)}, nil},
		{"x.npy.gz", gz(x), map[string][]byte{"x.lengths.npy": npyInts(2, 1, 3)}, nil},
		{"x.parquet", raggedParquet(), nil, abc},
		{"x.parquet", nestedParquet(parquet.Leaf(parquet.DoubleType), nil, raggedSets...), nil, nil},
		{"x.jsonl", []byte(raggedJSONL), nil, abc},
		{"x.jsonl.gz", gz([]byte(raggedJSONL)), nil, abc},
		{"x.jsonl", []byte("[[1,2],[3,4]]\n[[5,6]]\n[[7,8],[9,10],[11,12]]\n"), nil, nil},
		{"x.json", []byte(" [ [ [1,2],[3,4]],\n[[5,6]],[[7,8],[9,10],[11,12]] ]"), nil, nil},
		{"x.json", []byte(`[{"id":"a","v":[[1,2],[3,4]]},{"id":"b","v":[[5,6]]},{"v":[[7,8],[9,10],[11,12]],"id":"c"}]`), nil, abc},
	} {
		dir := t.TempDir()
		for name, b := range c.beside {
			writeFile(t, filepath.Join(dir, name), b)
		}
		path := filepath.Join(dir, c.name)
		writeFile(t, path, c.content)
		for _, most := range []int{0, 3, 2} {
			r, err := LoadRagged(path, Options{MaxRows: most})
			if err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			n := 3
			if most > 0 {
				n = most
			}
			if r.Name != "x" || r.Len() != n || !slices.Equal(r.Offsets, raggedOffsets[:n+1]) || r.X.Rows != raggedOffsets[n] || r.X.Cols != 2 ||
				!slices.Equal(r.X.Data, raggedX.Data[:2*r.X.Rows]) || c.ids != nil && !slices.Equal(r.IDs, c.ids[:n]) || c.ids == nil && r.IDs != nil {
				t.Errorf("%s, at most %d: %+v", c.name, most, r)
			}
			if got := r.Set(1); got.Rows != 1 || got.Data[0] != 5 {
				t.Errorf("%s: set 1 is %v", c.name, got)
			}
		}
	}
	for _, name := range []string{"x.npy", "x.npz"} { // equally many vectors a set
		b := npyCube(raggedX, 3)
		if name == "x.npz" {
			b = npz(zip.Deflate, map[string][]byte{"t.npy": b})
		}
		path := filepath.Join(t.TempDir(), name)
		writeFile(t, path, b)
		r, err := LoadRagged(path, Options{})
		if err != nil || !slices.Equal(r.Offsets, []int{0, 3, 6}) || !slices.Equal(r.X.Data, raggedX.Data) || r.X.Cols != 2 {
			t.Errorf("%s of three dimensions: %+v, %v", name, r, err)
		}
	}
}

func writeFile(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestRaggedErrors(t *testing.T) {
	x := npyMatrix(raggedX)
	with := func(name string, ints ...int64) []byte {
		return npz(zip.Store, map[string][]byte{"x.npy": x, name + ".npy": npyInts(ints...)})
	}
	parquetOf := func(sets ...[][]float32) []byte { return nestedParquet(floats, nil, sets...) }
	var flat bytes.Buffer
	if err := writeParquet(&flat, &Set{X: raggedX}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		b    []byte
		want error // or nil for any
		text string
	}{
		{"x.npz", with("offsets", 0, 2, 2, 6), vec.ErrTooFew, "set 1 has no vectors"},
		{"x.npz", with("offsets", 0, 4, 2, 6), vec.ErrDim, "ascend"},
		{"x.npz", with("offsets", 0, 2, 3), vec.ErrDim, "0 to 3"},
		{"x.npz", with("offsets", 2, 6), vec.ErrDim, "2 to 6"},
		{"x.npz", with("offsets", 0, -2, 6), vec.ErrDim, "-2"},
		{"x.npz", with("offsets"), vec.ErrTooFew, "no sets"},
		{"x.npz", with("lengths", 2, 0, 4), vec.ErrTooFew, "set 1"},
		{"x.npz", with("lengths", 2, 5), vec.ErrDim, "0 to 7"},
		{"x.npz", with("labels", 2, 4), vec.ErrTooFew, "labels (<i8 (2))"},
		{"x.npz", npz(zip.Store, map[string][]byte{"x.npy": x, "y.npy": x, "offsets.npy": npyInts(0, 6)}), nil, "choose one"},
		{"x.npy", x, vec.ErrTooFew, "x.offsets.npy"},
		{"x.npy", npyInts(1, 2), vec.ErrTooFew, "three dimensions"},
		{"x.jsonl", []byte(`{"t":[[1,2],[3]]}`), vec.ErrDim, "vector 1 has 1 values, want 2"},
		{"x.jsonl", []byte("{\"t\":[[1,2]]}\n{\"t\":[]}"), vec.ErrTooFew, "line 2, set 1"},
		{"x.jsonl", []byte(`{"t":[[]]}`), vec.ErrDim, "vector 0"},
		{"x.jsonl", []byte(`{"t":[[1,null]]}`), nil, "null"},
		{"x.jsonl", []byte(`{"t":[[1,1e99]]}`), vec.ErrNotFinite, "set 0, vector 0, column 1"},
		{"x.jsonl", []byte(`{"t":[[1,NaN]]}`), vec.ErrNotFinite, "NaN"},
		{"x.jsonl", []byte("{\"t\":[[1,2]]}\n[[1,2]]"), nil, "array"},
		{"x.jsonl", []byte("[[1,2]]\n{\"t\":[[1,2]]}"), nil, "object"},
		{"x.jsonl", []byte(`{"t":[1,2]}`), vec.ErrTooFew, "array of arrays"},
		{"x.jsonl", []byte(`{"t":[[1,2]],"u":[[1]]}`), nil, "more than one"},
		{"x.json", []byte(`[[[1,2],[3,4]]`), nil, "cut short"},
		{"x.parquet", parquetOf([][]float32{{1, 2}}, [][]float32{{1, 2}, {1}}), vec.ErrDim, "vector 1 of row 1 has 1 values, want 2"},
		{"x.parquet", parquetOf([][]float32{{1, 2}}, nil), vec.ErrTooFew, "row 1"},
		{"x.parquet", parquetOf([][]float32{{1, 2}}, [][]float32{{1, 2}, {}}), vec.ErrTooFew, "row 1"},
		{"x.parquet", nestedParquet(parquet.Compressed(floats, &parquet.Lz4Raw), nil, raggedSets...), nil, `x.parquet: column "tokens" is written with LZ4`},
		{"x.parquet", flat.Bytes(), vec.ErrTooFew, "in 1 lists"},
		{"x.txt", []byte("1 2 3\n"), nil, "begins with"},
		{"x.npy", nil, nil, "empty"},
	} {
		path := filepath.Join(t.TempDir(), c.name)
		writeFile(t, path, c.b)
		r, err := LoadRagged(path, Options{})
		if err == nil || c.want != nil && !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) || !strings.HasPrefix(err.Error(), "dataset: "+c.name) {
			t.Errorf("%s %.40q: %+v, %v; want %v with %q", c.name, c.b, r, err, c.want, c.text)
		}
	}
	if _, err := LoadRagged(filepath.Join(t.TempDir(), "none"), Options{}); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

// FuzzRagged says that whatever the bytes, they make sound sets or an error that names the file.
func FuzzRagged(f *testing.F) {
	x := npyMatrix(raggedX)
	for _, b := range [][]byte{
		npz(zip.Store, map[string][]byte{"x.npy": x, "offsets.npy": npyInts(0, 2, 3, 6)}),
		npz(zip.Deflate, map[string][]byte{"x.npy": x, "lengths.npy": npyInts(2, 1, 3)}),
		npyCube(raggedX, 3), raggedParquet(), nestedParquet(parquet.Compressed(floats, &parquet.Lz4Raw), nil, raggedSets...), []byte(raggedJSONL), []byte(`[[[1,2],[3,4]],[[5,6]]]`),
		[]byte(`[{"v":[[1,2],[3,4]]}]`), []byte("[[1,2]]\n[[3,4]]"),
	} {
		f.Add(b)
		f.Add(b[:len(b)*2/3])
		bent := bytes.Clone(b)
		bent[len(b)/2] ^= 0x81
		f.Add(bent)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := loadRagged(bytesSource("x", b), filepath.Join(t.TempDir(), "x"), Options{MaxRows: 1 << 12, AllowNonFinite: true})
		if err != nil {
			return
		}
		if len(r.X.Data) != r.X.Rows*r.X.Cols || r.X.Cols < 1 || r.IDs != nil && len(r.IDs) != r.Len() {
			t.Fatalf("%d×%d in %d values, %d IDs for %d sets", r.X.Rows, r.X.Cols, len(r.X.Data), len(r.IDs), r.Len())
		}
		for i := range r.Len() {
			if r.Set(i).Rows < 1 {
				t.Fatalf("set %d is empty", i)
			}
		}
	})
}
