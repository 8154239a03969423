package dataset

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/latent-go/latent/vec"
)

// BenchmarkRead reads 20,000 × 100 vectors, as GloVe's are, from the system's cache. MB/s are of the file.
func BenchmarkRead(b *testing.B) {
	const n, d = 20000, 100
	rng := rand.New(rand.NewPCG(1, 1))
	s := &Set{X: vec.NewMatrix(n, d), IDs: make([]string, n)}
	for i := range s.X.Data {
		s.X.Data[i] = float32(int(rng.NormFloat64()*1e5)) / 1e5 // five digits after the point, as GloVe prints them
	}
	for i := range s.IDs {
		s.IDs[i] = fmt.Sprintf("word%d", i)
	}
	dir := b.TempDir()
	for _, ext := range []string{".npy", ".npz", ".fvecs", ".idx", ".parquet", ".safetensors", ".bin", ".vec", ".csv", ".jsonl", ".npy.gz"} {
		b.Run("format="+ext[1:], func(b *testing.B) {
			path := filepath.Join(dir, "x"+ext)
			if err := Save(path, s); err != nil {
				b.Fatal(err)
			}
			st, err := os.Stat(path)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(st.Size())
			b.ReportAllocs()
			x := vec.NewMatrix(1024, d)
			for b.Loop() {
				f, err := Open(path, Options{})
				if err != nil {
					b.Fatal(err)
				}
				rows := 0
				for {
					n, err := f.Next(x)
					if err == io.EOF {
						break
					}
					if err != nil {
						b.Fatal(err)
					}
					rows += n
				}
				if f.Close(); rows != n {
					b.Fatal(rows)
				}
			}
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

// BenchmarkMap maps a file of 61 MB and looks at one row.
func BenchmarkMap(b *testing.B) {
	for _, ext := range []string{".npy", ".fvecs"} {
		b.Run("format="+ext[1:], func(b *testing.B) {
			path := filepath.Join(b.TempDir(), "x"+ext)
			if err := Save(path, &Set{X: vec.NewMatrix(20000, 768)}); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				m, err := Map(path, Options{})
				if err != nil {
					b.Fatal(err)
				}
				if m.Row(m.Rows() / 2)[0] != 0 {
					b.Fatal("wrong row")
				}
				m.Close()
			}
		})
	}
}

// BenchmarkSave writes the same vectors, without the disk.
func BenchmarkSave(b *testing.B) {
	s := &Set{X: vec.NewMatrix(5000, 100), IDs: make([]string, 5000)}
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range s.X.Data {
		s.X.Data[i] = float32(rng.NormFloat64())
	}
	for i := range s.IDs {
		s.IDs[i] = fmt.Sprintf("word%d", i)
	}
	for _, ext := range []string{".npy", ".parquet", ".jsonl", ".vec"} {
		b.Run("format="+ext[1:], func(b *testing.B) {
			var out bytes.Buffer
			write, _ := saver("x" + ext)
			for b.Loop() {
				out.Reset()
				if err := write(&out, s); err != nil {
					b.Fatal(err)
				}
			}
			b.SetBytes(int64(out.Len()))
		})
	}
}
