package dataset

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/latent-go/latent/vec"
)

// keeps says what survives in each format that Save writes.
var keeps = map[string]struct{ ids, columns, small bool }{
	".npy": {}, ".npz": {}, ".fvecs": {}, ".fbin": {}, ".idx": {}, ".safetensors": {}, ".npy.gz": {}, ".idx.gz": {}, ".safetensors.gz": {}, ".fvecs.gz": {},
	".bvecs": {small: true}, ".ivecs": {small: true}, ".u8bin": {small: true}, ".i8bin": {small: true},
	".parquet": {ids: true, columns: true}, ".jsonl": {ids: true, columns: true}, ".jsonl.gz": {ids: true, columns: true},
	".csv": {ids: true, columns: true}, ".csv.gz": {ids: true, columns: true}, ".tsv": {ids: true, columns: true},
	".vec": {ids: true}, ".txt": {ids: true}, ".vec.gz": {ids: true}, ".bin": {ids: true},
}

func TestRoundTrip(t *testing.T) {
	for ext := range savers {
		if _, ok := keeps[ext]; !ok {
			t.Errorf("%s is saved but not tested", ext)
		}
	}
	for ext, keep := range keeps {
		t.Run(ext[1:], func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				s := drawSet(t, ext, keep.small)
				write, err := saver("x" + ext)
				if err != nil {
					t.Fatal(err)
				}
				var b bytes.Buffer
				if err := cmp.Or(s.check(), write(&b, s)); err != nil {
					t.Fatal(err)
				}
				f, err := open(bytesSource("x"+ext, b.Bytes()), Options{}, true)
				if err != nil {
					t.Fatalf("%v\n%.300q", err, b.Bytes())
				}
				got, err := f.load()
				if err != nil {
					t.Fatalf("%v\n%.300q", err, b.Bytes())
				}
				if !keep.columns {
					s.Columns = nil
				}
				if !keep.ids {
					s.IDs = nil
				} else if s.IDs == nil && !keep.columns { // word2vec wants words, so rows are numbered
					for i := range s.X.Rows {
						s.IDs = append(s.IDs, fmt.Sprint(i))
					}
				}
				same(t, got, s)
				same(t, stream(t, "x"+ext, b.Bytes(), rapid.IntRange(1, 9).Draw(t, "block")), s)
			})
		})
	}
}

// drawSet draws vectors with IDs and columns such as the format of ext can hold.
func drawSet(t *rapid.T, ext string, small bool) *Set {
	rows, cols := rapid.IntRange(1, 12).Draw(t, "rows"), rapid.IntRange(1, 9).Draw(t, "cols")
	if ext == ".txt" { // with one column, and numbers for words, it could as well be a matrix of two
		cols++
	}
	s := &Set{Name: "x", X: vec.NewMatrix(rows, cols)}
	value := rapid.Float32().Filter(func(v float32) bool { return v-v == 0 })
	if small {
		value = rapid.Map(rapid.IntRange(0, 127), func(n int) float32 { return float32(n) })
	}
	for i := range s.X.Data {
		s.X.Data[i] = value.Draw(t, "value")
	}
	text := rapid.String()
	switch ext {
	case ".vec", ".txt", ".vec.gz":
		text = rapid.StringMatching(`[^\pZ\pC]{1,8}`)
	case ".bin":
		text = rapid.StringMatching(`[^ \n]{1,8}`)
	case ".tsv":
		text = rapid.StringMatching(`[^\t\r\n]*`)
	case ".csv", ".csv.gz":
		text = rapid.StringMatching(`[\pL ,;"\r\n\t0-9.\[\]]*`)
	}
	if rapid.Bool().Draw(t, "with IDs") {
		s.IDs = rapid.SliceOfN(text, rows, rows).Draw(t, "IDs")
	}
	for i := range rapid.IntRange(0, 2).Draw(t, "columns") {
		s.Columns = append(s.Columns, Column{Name: []string{"title", "a b"}[i], Values: rapid.SliceOfN(text, rows, rows).Draw(t, "column")})
	}
	return s
}

func stream(t *rapid.T, name string, b []byte, block int) *Set {
	f, err := open(bytesSource(name, b), Options{}, true)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s := &Set{Name: "x", X: vec.Matrix{Cols: f.Dim()}}
	for _, c := range f.Columns() {
		s.Columns = append(s.Columns, Column{Name: c})
	}
	for {
		x := vec.NewMatrix(block, f.Dim())
		n, err := f.Next(x)
		if err == io.EOF {
			if f.Rows() >= 0 && f.Rows() != s.X.Rows {
				t.Fatalf("%d rows were promised, %d came", f.Rows(), s.X.Rows)
			}
			return s
		}
		if err != nil {
			t.Fatal(err)
		}
		s.X.Rows += n
		s.X.Data = append(s.X.Data, x.Data[:n*x.Cols]...)
		s.IDs = append(s.IDs, f.IDs()...)
		for i := range s.Columns {
			s.Columns[i].Values = append(s.Columns[i].Values, f.Column(s.Columns[i].Name)...)
		}
	}
}

func same(t *rapid.T, got, want *Set) {
	t.Helper()
	if got.Name != want.Name || got.X.Rows != want.X.Rows || got.X.Cols != want.X.Cols || !slices.Equal(got.X.Data, want.X.Data) {
		t.Fatalf("got %q %v, want %q %v", got.Name, got.X, want.Name, want.X)
	}
	if !slices.Equal(got.IDs, want.IDs) {
		t.Fatalf("got IDs %q, want %q", got.IDs, want.IDs)
	}
	if !slices.EqualFunc(got.Columns, want.Columns, func(a, b Column) bool { return a.Name == b.Name && slices.Equal(a.Values, b.Values) }) {
		t.Fatalf("got columns %q, want %q", got.Columns, want.Columns)
	}
}

// TestSaveLoad goes through files, once for each format.
func TestSaveLoad(t *testing.T) {
	x := vec.NewMatrix(3, 2)
	for i := range x.Data {
		x.Data[i] = float32(i)
	}
	for ext := range keeps {
		path := filepath.Join(t.TempDir(), "set"+ext)
		if err := Save(path, &Set{X: x}); err != nil {
			t.Fatal(err)
		}
		got, err := Load(path, Options{MaxRows: 2})
		if err != nil || got.Name != "set" || got.X.Rows != 2 || !slices.Equal(got.X.Data, x.Data[:4]) {
			t.Errorf("%s: got %v, %v", ext, got, err)
		}
	}
}

// TestSaveRefuses checks that what cannot be saved leaves no file, and what was there as it was.
func TestSaveRefuses(t *testing.T) {
	dir := t.TempDir()
	one := vec.Matrix{Rows: 1, Cols: 1, Data: []float32{1.5}}
	nan := vec.NewMatrix(1, 1)
	nan.Data[0] /= nan.Data[0]
	for _, c := range []struct {
		name string
		set  Set
		want error
	}{
		{"x.npy", Set{X: nan}, vec.ErrNotFinite},
		{"x.npy", Set{}, vec.ErrTooFew},
		{"x.npy", Set{X: one, IDs: []string{"a", "b"}}, vec.ErrDim},
		{"x.bvecs", Set{X: one}, nil},
		{"x.hdf5", Set{X: one}, nil},
		{"x.parquet.gz", Set{X: one}, nil},
		{"x.bin", Set{X: one, IDs: []string{"New York"}}, nil},
		{"x.tsv", Set{X: one, IDs: []string{"a\tb"}}, nil},
		{"x.csv", Set{X: one, Columns: []Column{{"vector", []string{""}}}}, nil},
	} {
		path := filepath.Join(dir, c.name)
		if err := os.WriteFile(path, []byte("before"), 0o600); err != nil {
			t.Fatal(err)
		}
		err := Save(path, &c.set)
		if err == nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
		if b, _ := os.ReadFile(path); string(b) != "before" {
			t.Errorf("%s was overwritten with %.20q", c.name, b)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}
