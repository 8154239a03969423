package dataset

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"

	"github.com/latent-go/latent/vec"
)

// golden is the matrix of testdata: (3i+j)/4 - 1, or 3i+j where a file holds integers.
func golden(whole bool) vec.Matrix {
	x := vec.NewMatrix(5, 3)
	for i := range x.Data {
		if x.Data[i] = float32(i); !whole {
			x.Data[i] = float32(i)/4 - 1
		}
	}
	return x
}

// TestGolden reads what numpy, pyarrow and safetensors wrote; testdata/README.md names their versions.
func TestGolden(t *testing.T) {
	ids := []string{"a", "b", "ç", "", "e f"}
	titles := []string{"one", "two, three", `say "four"`, "", "five"}
	for _, c := range []struct {
		file, format string
		whole, rich  bool
	}{
		{"f2.npy", "npy", false, false}, {"f4.npy", "npy", false, false}, {"f8.npy", "npy", false, false},
		{"f2_fortran_big.npy", "npy", false, false}, {"f4_fortran_big.npy", "npy", false, false}, {"f8_fortran_big.npy", "npy", false, false},
		{"i1.npy", "npy", true, false}, {"u1.npy", "npy", true, false}, {"i4.npy", "npy", true, false}, {"i8.npy", "npy", true, false},
		{"i4_fortran_big.npy", "npy", true, false}, {"v2.npy", "npy", false, false}, {"v3.npy", "npy", false, false},
		{"f4.npy.gz", "npy", false, false}, {"plain.npz", "npz", false, false}, {"plain.npz#x", "npz", false, false},
		{"two.npz#b", "npz", false, false}, {"savetxt.txt", "text", false, false},
		{"list_float.parquet", "parquet", false, true}, {"list_double.parquet", "parquet", false, true}, {"list_half.parquet", "parquet", false, true},
		{"fixed.parquet", "parquet", false, true}, {"large_list.parquet", "parquet", false, true}, {"two.parquet#b", "parquet", false, false},
		{"struct.parquet", "parquet", false, false}, {"struct.parquet#meta.scores", "parquet", false, false},
		{"f32.safetensors", "safetensors", false, false}, {"f16.safetensors", "safetensors", false, false}, {"f64.safetensors#emb", "safetensors", false, false},
		{"gensim.bin", "word2vec-binary", false, false}, {"gensim.vec", "word2vec", false, false},
		{"bf16.safetensors", "safetensors", false, false}, {"i8.safetensors", "safetensors", true, false},
	} {
		t.Run(c.file, func(t *testing.T) {
			path := filepath.Join("testdata", c.file)
			f, err := Open(path, Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if f.Format() != c.format {
				t.Errorf("format is %s, want %s", f.Format(), c.format)
			}
			s, err := f.load()
			if err != nil {
				t.Fatal(err)
			}
			if want := golden(c.whole); s.X.Rows != 5 || s.X.Cols != 3 || !slices.Equal(s.X.Data, want.Data) {
				t.Errorf("got %v, want %v", s.X, want)
			}
			if strings.HasPrefix(c.file, "gensim") && !slices.Equal(s.IDs, []string{"the", ",", "ç", "0.5", "[PAD]"}) {
				t.Errorf("IDs %q", s.IDs)
			}
			if c.rich && (!slices.Equal(s.IDs, ids) || !slices.Equal(s.Column("title"), titles) || !slices.Equal(s.Column("n"), []string{"1", "2", "3", "4", "5"})) {
				t.Errorf("IDs %q, columns %q", s.IDs, s.Columns)
			}
		})
	}
}

// TestGoldenCube reads an array of three dimensions in Fortran order, as 2 vectors of 12.
func TestGoldenCube(t *testing.T) {
	s, err := Load("testdata/cube_fortran.npy", Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range s.X.Data {
		if s.X.Cols != 12 || v != float32(i) {
			t.Fatalf("got %v", s.X)
		}
	}
}

func TestGoldenLabels(t *testing.T) {
	for _, c := range []struct {
		file  string
		of    []int
		names []string
	}{
		{"labels_i8.npy", []int{2, 0, 2, 3, 1}, []string{"1", "2", "3", "10"}},
		{"labels_text.npy", []int{1, 2, 1, 0, 1}, []string{"ant", "cat", "dög"}},
		{"two.npz#y", []int{0, 1, 2, 3, 4}, []string{"0", "1", "2", "3", "4"}},
		{"list_float.parquet#title", []int{2, 4, 3, 0, 1}, []string{"", "five", "one", `say "four"`, "two, three"}},
		{"labels.parquet#y", []int{0, 1, 0}, []string{"0.1", "0.10000000000000002"}},
		{"list_float.parquet#id", []int{1, 2, 4, 0, 3}, []string{"", "a", "b", "e f", "ç"}},
	} {
		l, err := LoadLabels(filepath.Join("testdata", c.file), Options{})
		if err != nil {
			t.Errorf("%s: %v", c.file, err)
		} else if !slices.Equal(l.Of, c.of) || !slices.Equal(l.Names, c.names) {
			t.Errorf("%s: got %v %q, want %v %q", c.file, l.Of, l.Names, c.of, c.names)
		}
	}
}

func TestGoldenErrors(t *testing.T) {
	for file, want := range map[string]string{
		"two.npz":            "dataset: two.npz: more than one member; choose one by name, as in two.npz#a; it has a (<f4 (5×3)), b (<f4 (5×3)), y (<i8 (5))",
		"two.npz#c":          `dataset: two.npz: no member "c"; it has a (<f4 (5×3)), b (<f4 (5×3)), y (<i8 (5))`,
		"two.parquet":        "dataset: two.parquet: more than one column holds vectors; choose one by name, as in FILE#a; it has title (string), a (list of double), b (list of double)",
		"no_vectors.parquet": "dataset: no_vectors.parquet: no column holds vectors; it has title (string), n (int64): too few vectors",
		"lz4.parquet":        `dataset: lz4.parquet: column "emb" is written with LZ4, which is not read here; write it with zstd or snappy`,
		"no_rows.parquet":    "dataset: no_rows.parquet: it holds no rows: too few vectors",
		"struct.parquet#x":   `dataset: struct.parquet: no column "x" that holds vectors; it has emb (list of double), meta.scores (list of double, in a struct: read if named), points.list.element.x (list of double, in a struct: read if named), map.key_value.key (string), map.key_value.value (list of float, in a struct: read if named)`,
		"null.parquet":       `dataset: null.parquet: row 2 of column "emb" is null or empty; leave the row out: dimensions differ`,
		"labels_i8.npy":      "dataset: labels_i8.npy: an array of shape (5) holds no vectors, which take two dimensions: rows and values: dimensions differ",
		"labels_text.npy":    "dataset: labels_text.npy: it holds <U3 (5), which are no real numbers; write it with x.astype('float32')",
		"nowhere.npy":        "dataset: open testdata/nowhere.npy: no such file or directory",
		"../testdata":        "dataset: testdata is a folder; name a file in it",
		"f32.safetensors#a":  `dataset: f32.safetensors: no tensor "a" that holds vectors; it has bias (F32 (4)), emb (F32 (5×3))`,
	} {
		_, err := Load(filepath.Join("testdata", file), Options{})
		if err == nil || strings.ReplaceAll(err.Error(), `\`, "/") != want {
			t.Errorf("%s:\n got %v\nwant %s", file, err, want)
		}
	}
}

// TestLZ4 refuses LZ4 in any column that is to be read, whichever of the two the file says it is; make.py wrote LZ4_RAW.
func TestLZ4(t *testing.T) {
	raw, err := os.ReadFile("testdata/lz4.parquet")
	if err != nil {
		t.Fatal(err)
	}
	footer := bytes.Index(raw[4:], []byte("schema")) + 4
	was, is := []byte{0x15, 7 << 1}, []byte{0x15, 5 << 1} // an int32 of Thrift's compact protocol
	if n := bytes.Count(raw[footer:], was); n != 2 {
		t.Fatalf("the footer names LZ4_RAW %d times, want once for each of 2 columns", n)
	}
	old := append(bytes.Clone(raw[:footer]), bytes.ReplaceAll(raw[footer:], was, is)...)
	text := append(bytes.Clone(raw[:footer]), bytes.Replace(raw[footer:], was, is, 1)...)
	for name, b := range map[string][]byte{"raw": raw, "old": old, "both": text} {
		for vectors, column := range map[bool]string{true: "emb", false: "id"} {
			_, err := open(bytesSource("x.parquet", b), Options{}, vectors)
			if want := `column "` + column + `" is written with LZ4`; err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: got %v, want %s", name, err, want)
			}
		}
	}
}

func TestNoRows(t *testing.T) {
	for _, load := range []func(string, Options) error{
		func(p string, o Options) error { _, err := Load(p, o); return err },
		func(p string, o Options) error { _, err := LoadLabels(p, o); return err },
	} {
		if err := load("testdata/no_rows.parquet", Options{}); !errors.Is(err, vec.ErrTooFew) || !strings.Contains(err.Error(), "holds no rows") {
			t.Errorf("got %v", err)
		}
	}
}

// TestListNames takes a list for one by its shape, as Spark names its levels otherwise than Arrow.
func TestListNames(t *testing.T) {
	schema := parquet.NewSchema("x", parquet.Group{"emb": parquet.Group{"bag": parquet.Repeated(parquet.Group{"array_element": floats})}})
	var b bytes.Buffer
	w := parquet.NewGenericWriter[any](&b, schema)
	_, err := w.WriteRows([]parquet.Row{{parquet.FloatValue(1).Level(0, 1, 0), parquet.FloatValue(2).Level(1, 1, 0)}})
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	if s, _, err := loadBytes("x.parquet", b.String(), Options{}); err != nil || !slices.Equal(s.X.Data, []float32{1, 2}) {
		t.Errorf("got %v, %v", s, err)
	}
}
