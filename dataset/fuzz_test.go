package dataset

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/latent-go/latent/vec"
)

// fuzzFile says that whatever the bytes of a file, reading it ends in rows or in an error that names it, takes no more
// memory than the bytes justify, and gives the same rows in blocks as at once.
func fuzzFile(f *testing.F, name string, seeds ...[]byte) {
	for _, b := range seeds {
		f.Add(b)
		f.Add(b[:len(b)*2/3])
		if len(b) > 16 {
			bent := bytes.Clone(b)
			bent[len(b)/2] ^= 0x81
			f.Add(bent)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, vectors := range []bool{true, false} {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			all, err := readBytes(name, b, vectors, 1<<12)
			runtime.ReadMemStats(&after)
			// Buffers and inflated bytes; a vector in memory is at most 4 bytes for each of the file, doubled as it grows.
			if took := after.TotalAlloc - before.TotalAlloc; name != "x.parquet" && took > 64<<20+1000*uint64(len(b)) {
				t.Fatalf("%d bytes were allocated for %d", took, len(b))
			}
			if err != nil {
				if !strings.HasPrefix(err.Error(), "dataset: "+name) {
					t.Fatalf("the error does not name the file: %v", err)
				}
				continue
			}
			again, err := readBytes(name, b, vectors, 3)
			if err != nil {
				t.Fatalf("in blocks of 3: %v", err)
			}
			if !bytes.Equal(asBytes(all.X.Data), asBytes(again.X.Data)) || strings.Join(all.IDs, "\x00") != strings.Join(again.IDs, "\x00") {
				t.Fatal("in blocks of 3 it reads otherwise")
			}
		}
	})
}

func readBytes(name string, b []byte, vectors bool, block int) (*Set, error) {
	f, err := open(bytesSource(name, b), Options{MaxRows: 1 << 16, AllowNonFinite: true}, vectors)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	s := &Set{}
	x := vec.NewMatrix(max(1, min(block, (1<<18)/max(f.Dim(), 1))), f.Dim())
	for {
		n, err := f.Next(x)
		if err == io.EOF {
			return s, nil
		}
		if err != nil {
			return nil, err
		}
		s.X.Data = append(s.X.Data, x.Data[:n*x.Cols]...)
		s.IDs = append(s.IDs, f.IDs()...)
	}
}

// seedSet is a set that each format can hold.
func seedSet() *Set {
	x := vec.NewMatrix(4, 3)
	for i := range x.Data {
		x.Data[i] = float32(i)
	}
	return &Set{X: x, IDs: []string{"a", "b", "c", "d"}, Columns: []Column{{"title", []string{"one", "two", "", "four"}}}}
}

func saved(f *testing.F, exts ...string) (out [][]byte) {
	for _, ext := range exts {
		write, err := saver("x" + ext)
		if err != nil {
			f.Fatal(err)
		}
		var b bytes.Buffer
		if err := write(&b, seedSet()); err != nil {
			f.Fatal(err)
		}
		out = append(out, b.Bytes())
	}
	return out
}

func goldenFiles(f *testing.F, pattern string) (out [][]byte) {
	paths, err := filepath.Glob(filepath.Join("testdata", pattern))
	if err != nil || len(paths) == 0 {
		f.Fatal(pattern, err)
	}
	for _, p := range paths {
		b, err := os.ReadFile(p)
		if err != nil {
			f.Fatal(err)
		}
		out = append(out, b)
	}
	return out
}

func FuzzNpy(f *testing.F) { fuzzFile(f, "x.npy", goldenFiles(f, "*.npy")...) }
func FuzzNpz(f *testing.F) {
	fuzzFile(f, "x.npz", append(saved(f, ".npz"), goldenFiles(f, "*.npz")...)...)
}
func FuzzSafetensors(f *testing.F) { fuzzFile(f, "x.safetensors", goldenFiles(f, "*.safetensors")...) }
func FuzzParquet(f *testing.F) {
	fuzzFile(f, "x.parquet", append(saved(f, ".parquet"), goldenFiles(f, "*.parquet")...)...)
}
func FuzzFvecs(f *testing.F) { fuzzFile(f, "x.fvecs", saved(f, ".fvecs")...) }
func FuzzBvecs(f *testing.F) { fuzzFile(f, "x.bvecs", saved(f, ".bvecs")...) }
func FuzzFbin(f *testing.F) {
	fuzzFile(f, "x.fbin", append(saved(f, ".fbin"), []byte("0000\x00\x00\x00\x00"))...)
}
func FuzzIDX(f *testing.F) {
	fuzzFile(f, "x.idx", append(saved(f, ".idx"), []byte{0, 0, 8, 1, 0, 0, 0, 3, 1, 2, 3})...)
}

func FuzzGzip(f *testing.F) { // of any format, which cannot be read twice nor its size be known
	fuzzFile(f, "x.gz", append(saved(f, ".npy.gz", ".idx.gz", ".safetensors.gz", ".jsonl.gz", ".csv.gz"), gz(bytes.Repeat([]byte{0}, 1<<16)))...)
}

func FuzzWord2vecBinary(f *testing.F) { fuzzFile(f, "x.bin", saved(f, ".bin")...) }

func FuzzText(f *testing.F) {
	fuzzFile(f, "x.txt", append(saved(f, ".csv", ".tsv", ".txt"), []byte("the 0.1 0.2\n. . 0.3 -4e2\n"), []byte("1 2\n3 4\n"), []byte("x;y\n1;2\n"),
		[]byte("id,e\n1,\"[0.1, 0.2]\"\n\"a\"\"b\",\"[1 2\n]\"\n"), []byte("0,1,2\n4,5,6\n"), []byte(",a,b\n0,nan,3\n"), []byte("2 1\na 1\nb 2\n"))...)
}

func FuzzJSON(f *testing.F) {
	fuzzFile(f, "x.jsonl", append(saved(f, ".jsonl"), []byte("[1,2]\n[3,4]\n"), []byte("[[1,2],[3,4]]"), []byte(`[{"id":1,"v":[1,2]},{"v":[3,4],"id":null}]`),
		[]byte(`{"v":[NaN]}`), []byte(`{"a":{"b":[1]},"v":[1e400],"s":"\u00e7"}`))...)
}

func gz(b []byte) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	z.Write(b)
	z.Close()
	return out.Bytes()
}

// TestPromises checks that headers which promise much get no memory for it, and an error that says why.
func TestPromises(t *testing.T) {
	npy := func(shape string) []byte {
		dict := "{'descr': '<f4', 'fortran_order': False, 'shape': " + shape + "}"
		return append(append([]byte(npyMagic+"\x01\x00"), byte(len(dict)), 0), dict...)
	}
	idx := []byte{0, 0, 0x0e, 2, 0x7f, 0xff, 0xff, 0xff, 0, 0xf, 0xff, 0xff, 1, 2, 3}
	zipped := func(name string, b []byte) []byte {
		var out bytes.Buffer
		z := zip.NewWriter(&out)
		w, _ := z.Create(name)
		w.Write(b)
		z.Close()
		return out.Bytes()
	}
	tensor := []byte(`{"a":{"dtype":"F32","shape":[1000000000,1000],"data_offsets":[0,4000000000000]}}`)
	tensor = append(binary.LittleEndian.AppendUint64(nil, uint64(len(tensor))), tensor...)
	for _, c := range []struct {
		name  string
		bytes []byte
		want  string
	}{
		{"x.npy", npy("(1000000000, 768)"), "it is cut short: its header promises 3072000000078 bytes, 78 are there; copy or download it again"},
		{"x.npy", npy("(9223372036854775807, 9223372036854775807)"), "are past belief"},
		{"x.npy", npy("(4294967296, 4294967296, 4294967296)"), "are past belief"},
		{"x.npy", npy("(0, 16000000)"), "it holds no rows"},
		{"x.npy", npy("(5, 0)"), "its vectors have no values"},
		{"x.npy.gz", gz(npy("(1000000000, 16000000)")), "it is cut short"},
		{"x.npz", zipped("a.npy", npy("(1000000000, 768)")), "it is cut short"},
		{"x.idx", idx, "it is cut short: its header promises"},
		{"x.idx.gz", gz(idx), "it is cut short"},
		{"x.safetensors", tensor, "it is cut short: its header promises"},
		{"x.fvecs", []byte{255, 255, 255, 0, 1, 2, 3}, "it is cut short"},
		{"x.fvecs", []byte{255, 255, 255, 255, 1, 2, 3}, "row 0 has -1 values by its length"},
		{"x.fbin", []byte{255, 255, 255, 15, 255, 255, 255, 0}, "it is cut short"},
		{"x.bin", []byte("1000000000 1000\nthe \x00\x00\x80\x3f"), "it is cut short"},
		{"x.parquet", []byte("PAR1\xff\xff\xff\x7fPAR1"), "its footer is said to have 2147483647 bytes, the file has 12"},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := func() (*Set, error) {
			f, err := open(bytesSource(c.name, c.bytes), Options{}, true)
			if err != nil {
				return nil, err
			}
			return f.load()
		}()
		runtime.ReadMemStats(&after)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > 160<<20 { // a row of 16 million values, twice under -race
			t.Errorf("%s: %v: %d MiB were allocated for %d bytes", c.name, err, took>>20, len(c.bytes))
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

func TestBombGuard(t *testing.T) {
	for _, c := range []struct {
		in, out int64
		bomb    bool
	}{{1 << 20, 1 << 28, false}, {1 << 18, 1<<28 + 1<<20, true}, {1 << 20, 1<<28 + 1<<20, false}} {
		g := &bombGuard{r: zeros{}, in: func() int64 { return c.in }}
		_, err := io.CopyN(io.Discard, g, c.out)
		if bomb := err != nil && strings.Contains(err.Error(), "zip bomb"); bomb != c.bomb {
			t.Errorf("%d bytes from %d: %v", c.out, c.in, err)
		}
	}
}
