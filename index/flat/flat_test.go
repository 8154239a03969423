package flat_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/latent-go/latent/artifact"
	"github.com/latent-go/latent/index"
	"github.com/latent-go/latent/index/flat"
	"github.com/latent-go/latent/index/indextest"
	"github.com/latent-go/latent/quantize"
	"github.com/latent-go/latent/quantize/binary"
	"github.com/latent-go/latent/quantize/product"
	"github.com/latent-go/latent/quantize/scalar"
	"github.com/latent-go/latent/vec"
)

var _ index.Index = (*flat.Index)(nil)

func read(r io.Reader, _ vec.Metric) (index.Index, error) { return flat.Read(r, scalar.Read) }
func open(path string, _ vec.Metric) (index.Index, error) { return flat.Open(path, scalar.Read) }

func TestIndex(t *testing.T) {
	indextest.Run(t, func(t *testing.T, dim int, m vec.Metric) index.Index {
		return flat.New(scalar.Float32(dim), m)
	}, indextest.Options{Read: read, Open: open})
}

// TestIndexOfBlocks has codes that lie in blocks.
func TestIndexOfBlocks(t *testing.T) {
	codecs := map[vec.Metric]quantize.Codec{}
	indextest.Run(t, func(t *testing.T, dim int, m vec.Metric) index.Index {
		if codecs[m] == nil {
			c, err := product.Fit(t.Context(), indextest.Vectors(2000, dim, 100), product.Options{M: 23, Bits: 4})
			if err != nil {
				t.Fatal(err)
			}
			codecs[m] = c
		}
		return flat.New(codecs[m], m)
	}, indextest.Options{Metrics: []vec.Metric{vec.Euclidean, vec.Manhattan}, Recall: 0.7, Tolerance: 0.12, // seen 0.757 and 0.759
		Read: func(r io.Reader, _ vec.Metric) (index.Index, error) { return flat.Read(r, product.Read) },
		Open: func(path string, _ vec.Metric) (index.Index, error) { return flat.Open(path, product.Read) }})
}

func TestIndexOfCodes(t *testing.T) {
	for name, c := range map[string]struct {
		fit       func(x vec.Matrix) (quantize.Codec, error)
		recall    float64
		tolerance float64
	}{
		"f16": {func(x vec.Matrix) (quantize.Codec, error) { return scalar.Float16(x.Cols), nil }, 0.99, 1e-3},         // seen 0.998 to 1
		"sq8": {func(x vec.Matrix) (quantize.Codec, error) { return scalar.FitInt8(x, scalar.Options{}) }, 0.95, 5e-2}, // seen 0.972 to 0.982; distances are off by up to 3e-2 where a value lies outside of the fitted range
	} {
		t.Run(name, func(t *testing.T) {
			indextest.Run(t, func(t *testing.T, dim int, m vec.Metric) index.Index {
				x := indextest.Vectors(3000, dim, 100)
				if m == vec.Cosine {
					for i := range x.Rows {
						vec.Normalize(x.Row(i), x.Row(i))
					}
				}
				c, err := c.fit(x)
				if err != nil {
					t.Fatal(err)
				}
				return flat.New(c, m)
			}, indextest.Options{Read: read, Recall: c.recall, Tolerance: c.tolerance})
		})
	}
}

// TestLarge searches a store that is scanned by several goroutines, and one by one.
func TestLarge(t *testing.T) {
	x := indextest.Vectors(30_000, 64, 1)
	ix := flat.New(scalar.Float32(64), vec.Euclidean)
	if err := ix.Add(context.Background(), nil, x); err != nil {
		t.Fatal(err)
	}
	queries := indextest.Vectors(5, 64, 2)
	for i := range queries.Rows {
		q := queries.Row(i)
		top := vec.NewTopK(25)
		for j := range x.Rows {
			top.Push(vec.SquaredL2(q, x.Row(j)), uint32(j))
		}
		ids, distances := top.Append(nil, nil)
		for _, keep := range []func(uint32) bool{nil, func(uint32) bool { return true }} {
			res, err := ix.Search(context.Background(), q, index.Query{K: 25, Keep: keep})
			if err != nil {
				t.Fatal(err)
			}
			for j, h := range res.Hits {
				if h.ID != ids[j] || h.Distance != distances[j] {
					t.Fatalf("query %d, hit %d is %v, want %d at %v", i, j, h, ids[j], distances[j])
				}
			}
			if len(res.Hits) != 25 || res.Distances != x.Rows {
				t.Fatalf("%d hits after %d distances", len(res.Hits), res.Distances)
			}
		}
	}
}

// TestBatch compares the answers of SearchBatch with those of Search, to the bit.
func TestBatch(t *testing.T) {
	ctx := context.Background()
	x, queries := indextest.Vectors(700, 24, 1), indextest.Vectors(40, 24, 2)
	int8s, err := scalar.FitInt8(x, scalar.Options{})
	if err != nil {
		t.Fatal(err)
	}
	blocks, err := product.Fit(ctx, x, product.Options{M: 12, Bits: 4})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []quantize.Codec{scalar.Float32(24), scalar.Float16(24), int8s, blocks} {
		for _, m := range []vec.Metric{vec.Euclidean, vec.Cosine, vec.InnerProduct, vec.Manhattan} {
			ix := flat.New(c, m)
			if r, err := ix.SearchBatch(ctx, queries, index.Query{K: 3}); err != nil || len(r) != 40 || r[0].Hits != nil {
				t.Fatalf("empty: %v, error %v", r, err)
			}
			ids := make([]uint32, x.Rows)
			for i := range ids {
				ids[i] = uint32(5 * ((i * 11) % x.Rows)) // rows are not in the order of IDs
			}
			if err := ix.Add(ctx, ids, x); err != nil {
				t.Fatal(err)
			}
			if err := ix.Add(ctx, nil, x.Slice(0, 300)); err != nil { // ties
				t.Fatal(err)
			}
			ix.Delete(0, 10, 3000)
			for name, q := range map[string]index.Query{
				"10":    {K: 10},
				"all":   {K: 5000},
				"third": {K: 10, Keep: func(id uint32) bool { return id%3 == 0 }},
				"two":   {K: 10, Keep: func(id uint32) bool { return id == 15 || id == 20 }},
				"none":  {K: 10, Keep: func(id uint32) bool { return false }},
			} {
				for _, n := range []int{1, 40} {
					got, err := ix.SearchBatch(ctx, queries.Slice(0, n), q)
					if err != nil {
						t.Fatal(err)
					}
					for i := range n {
						want, err := ix.Search(ctx, queries.Row(i), q)
						if err != nil {
							t.Fatal(err)
						}
						if !slices.Equal(got[i].Hits, want.Hits) {
							t.Fatalf("%v under %v, %s, query %d: %v, want %v", c, m, name, i, got[i].Hits, want.Hits)
						}
					}
				}
			}
		}
	}
	ix := flat.New(scalar.Float32(24), vec.Cosine)
	if _, err := ix.SearchBatch(ctx, queries, index.Query{}); !errors.Is(err, index.ErrQuery) {
		t.Errorf("K = 0: error is %v", err)
	}
	if _, err := ix.SearchBatch(ctx, vec.NewMatrix(3, 23), index.Query{K: 1}); !errors.Is(err, vec.ErrDim) {
		t.Errorf("23 dimensions: error is %v", err)
	}
	if _, err := ix.SearchBatch(ctx, vec.NewMatrix(3, 24), index.Query{K: 1}); !errors.Is(err, vec.ErrZero) {
		t.Errorf("zeros: error is %v", err)
	}
}

func TestNearest(t *testing.T) {
	ctx := context.Background()
	for _, m := range []vec.Metric{vec.Euclidean, vec.Cosine, vec.InnerProduct, vec.Manhattan} {
		for _, plain := range []bool{true, false} { // IDs that are rows, or not
			ix := flat.New(scalar.Float32(8), m)
			if err := ix.Add(ctx, nil, indextest.Vectors(2000, 8, 1)); err != nil {
				t.Fatal(err)
			}
			if !plain {
				ix.Delete(3)
			}
			q := indextest.Vectors(1, 8, 2).Row(0)
			res, err := ix.Search(ctx, q, index.Query{K: 2000})
			if err != nil {
				t.Fatal(err)
			}
			want := slices.DeleteFunc(res.Hits, func(h index.Hit) bool { return h.ID%2 != 0 })
			ids := []uint32{9999}
			if !plain {
				ids = append(ids, 3)
			}
			for _, h := range slices.Backward(want) {
				ids = append(ids, h.ID)
			}
			for _, k := range []int{1, 10, 600, 3000, math.MaxInt32} {
				got, err := ix.Nearest(q, k, ids)
				if err != nil || !slices.Equal(got, want[:min(k, len(want))]) {
					t.Errorf("%v, plain %v, %d: %v (error %v), want %v", m, plain, k, got, err, want)
				}
			}
			if got, err := ix.Nearest(q, math.MaxInt32, nil); err != nil || len(got) != 0 {
				t.Errorf("the nearest of none: %v, error %v", got, err)
			}
			if _, err := ix.Nearest(q, 0, ids); !errors.Is(err, index.ErrQuery) {
				t.Errorf("nearest 0: error is %v", err)
			}
		}
	}
}

// TestPlain: IDs that come in the order of rows are found as any others are, whatever is added and deleted.
func TestPlain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ix, model := flat.New(scalar.Float32(1), vec.Euclidean), map[uint32]float32{}
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			switch rapid.IntRange(0, 3).Draw(t, "step") {
			case 0, 1: // the IDs that follow, or any
				var ids []uint32
				n := rapid.IntRange(1, 4).Draw(t, "n")
				first := uint32(len(model))
				if rapid.Bool().Draw(t, "any") {
					first = rapid.Uint32Max(12).Draw(t, "first")
				}
				x := vec.NewMatrix(n, 1)
				for i := range n {
					ids = append(ids, first+uint32(i))
					x.Data[i] = float32(rapid.IntRange(0, 99).Draw(t, "value"))
					model[ids[i]] = x.Data[i]
				}
				if err := ix.Add(t.Context(), ids, x); err != nil {
					t.Fatal(err)
				}
			case 2:
				id := rapid.Uint32Max(15).Draw(t, "delete")
				_, there := model[id]
				delete(model, id)
				if got := ix.Delete(id); (got == 1) != there {
					t.Fatalf("%d deleted of ID %d, which was there: %v", got, id, there)
				}
			case 3:
				var b bytes.Buffer
				if _, err := ix.WriteTo(&b); err != nil {
					t.Fatal(err)
				}
				var err error
				if ix, err = flat.Read(&b, scalar.Read); err != nil {
					t.Fatal(err)
				}
			}
			if ix.Len() != len(model) {
				t.Fatalf("%d vectors, want %d", ix.Len(), len(model))
			}
			for id := range uint32(20) {
				want, there := model[id]
				if v, ok := ix.Vector(id); ok != there || ok && v[0] != want {
					t.Fatalf("ID %d is %v, %v; want %v, %v", id, v, ok, want, there)
				}
			}
		}
	})
}

// TestOpenedAtOnce uses an index, opened and not changed yet, from many goroutines.
func TestOpenedAtOnce(t *testing.T) {
	ctx := context.Background()
	made, x := flat.New(scalar.Float32(8), vec.Euclidean), indextest.Vectors(100, 8, 1)
	if err := made.Add(ctx, nil, x); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "index")
	if err := artifact.Save(path, made); err != nil {
		t.Fatal(err)
	}
	ix, err := flat.Open(path, scalar.Read)
	if err != nil {
		t.Fatal(err)
	}
	defer ix.Close()
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			if hits, err := ix.Nearest(x.Row(i), 1, []uint32{uint32(i)}); err != nil || len(hits) != 1 || hits[0].Distance != 0 {
				t.Errorf("nearest of %d: %v, error %v", i, hits, err)
			}
			if v, ok := ix.Vector(uint32(i)); !ok || !slices.Equal(v, x.Row(i)) {
				t.Errorf("vector %d: %v", i, v)
			}
			if i == 5 && ix.Delete(99) != 1 {
				t.Error("99 was not there")
			}
		})
	}
	wg.Wait()
}

func FuzzRead(f *testing.F) {
	for _, n := range []int{0, 1, 7} {
		ix := flat.New(scalar.Float32(3), vec.Cosine)
		if err := ix.Add(context.Background(), nil, indextest.Vectors(n, 3, 1)); err != nil {
			f.Fatal(err)
		}
		var b bytes.Buffer
		if _, err := ix.WriteTo(&b); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		ix, err := flat.Read(bytes.NewReader(b), scalar.Read)
		if err != nil {
			return
		}
		if ix.Dim() > 1000 {
			return
		}
		q := make([]float32, ix.Dim())
		q[0] = 1
		if _, err := ix.Search(context.Background(), q, index.Query{K: 3}); err != nil {
			t.Fatal(err)
		}
		var again bytes.Buffer
		if _, err := ix.WriteTo(&again); err != nil {
			t.Fatal(err)
		}
		if _, err := flat.Read(&again, scalar.Read); err != nil {
			t.Fatalf("what was read and written does not read: %v", err)
		}
	})
}

// TestBounds: true distances are hardly ever less than bounds, and with bounds the same vectors are found by reading fewer.
func TestBounds(t *testing.T) {
	ctx := context.Background()
	x, queries := indextest.Vectors(3000, 64, 1), indextest.Vectors(20, 64, 2)
	for _, m := range []vec.Metric{vec.Euclidean, vec.InnerProduct, vec.Cosine} {
		if m == vec.Cosine {
			for i := range x.Rows {
				vec.Normalize(x.Row(i), x.Row(i))
			}
		}
		codec, err := binary.Fit(x, binary.Options{})
		if err != nil {
			t.Fatal(err)
		}
		codes, full := flat.New(codec, m), flat.New(scalar.Float32(64), m)
		for _, ix := range []*flat.Index{codes, full} {
			if err := ix.Add(ctx, nil, x); err != nil {
				t.Fatal(err)
			}
			ix.Delete(0) // so that IDs are not rows
		}
		below, read := 0, 0
		for i := range queries.Rows {
			q := queries.Row(i)
			all, err := codes.Search(ctx, q, index.Query{K: 1000})
			if err != nil {
				t.Fatal(err)
			}
			ids := []uint32{0}
			for _, h := range all.Hits {
				ids = append(ids, h.ID)
			}
			bounds, err := codes.Bounds(q, ids, 3)
			if err != nil || !math.IsInf(float64(bounds[0]), -1) {
				t.Fatalf("%v: bound %v of an ID not in use, %v", m, bounds[0], err)
			}
			for j, h := range all.Hits {
				if bounds[j+1] > h.Distance {
					t.Fatalf("%v: bound %v of distance %v", m, bounds[j+1], h.Distance)
				}
			}
			exact, err := full.Nearest(q, 1000, ids)
			if err != nil {
				t.Fatal(err)
			}
			for _, h := range exact {
				if h.Distance < bounds[slices.Index(ids, h.ID)] {
					below++
				}
			}
			res, err := full.NearestBounded(q, 10, ids, bounds)
			if err != nil {
				t.Fatal(err)
			}
			read += res.Distances
			missed := 0
			for j, h := range res.Hits {
				if h != exact[j] {
					missed++
				}
			}
			if len(res.Hits) != 10 || missed > 1 {
				t.Errorf("%v: found %v, want %v", m, res.Hits, exact[:10])
			}
		}
		if below > 27 { // of 20,000, which is as often as a Gaussian would be; seen 1, 0, 0
			t.Errorf("%v: %d distances below their bounds", m, below)
		}
		if read > 12_000 { // of 20,000; seen 7,306, 7,034, 7,302
			t.Errorf("%v: %d distances measured", m, read)
		}
		if b, err := full.Bounds(queries.Row(0), []uint32{1}, 3); b != nil || err != nil {
			t.Errorf("float32 vectors have bounds %v, %v", b, err)
		}
		if _, err := codes.Bounds(queries.Row(0)[:3], []uint32{1}, 3); !errors.Is(err, vec.ErrDim) {
			t.Errorf("bounds of another dimension: %v", err)
		}
		if _, err := full.NearestBounded(queries.Row(0), 1, []uint32{1}, []float32{1, 2}); !errors.Is(err, index.ErrID) {
			t.Errorf("two bounds for one ID: %v", err)
		}
	}
}

// BenchmarkSearch reports GB/s of codes beside that of bytes.IndexByte over the same memory, which only reads.
func BenchmarkSearch(b *testing.B) {
	ctx := context.Background()
	for _, s := range [][2]int{{100_000, 100}, {60_000, 784}} {
		n, d := s[0], s[1]
		x := indextest.Vectors(n, d, 1)
		int8s, err := scalar.FitInt8(x.Slice(0, 1000), scalar.Options{})
		if err != nil {
			b.Fatal(err)
		}
		for _, c := range []quantize.Codec{scalar.Float32(d), int8s} {
			ix := flat.New(c, vec.Euclidean)
			if err := ix.Add(ctx, nil, x); err != nil {
				b.Fatal(err)
			}
			bytesOf := int64(n * c.CodeSize())
			queries := indextest.Vectors(1000, d, 2)
			name := fmt.Sprintf("codec=%v/n=%d/d=%d", c, n, d)
			b.Run("one/"+name, func(b *testing.B) {
				b.SetBytes(bytesOf)
				for b.Loop() {
					if _, err := ix.Search(ctx, queries.Row(0), index.Query{K: 10}); err != nil {
						b.Fatal(err)
					}
				}
			})
			memory := bytes.Repeat([]byte{2}, int(bytesOf)) // written, or it would be one page of zeros
			b.Run("read/"+name, func(b *testing.B) {
				b.SetBytes(bytesOf)
				for b.Loop() {
					bytes.IndexByte(memory, 1)
				}
			})
			b.Run("batch=1000/"+name, func(b *testing.B) {
				for b.Loop() {
					if _, err := ix.SearchBatch(ctx, queries, index.Query{K: 10}); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(2*1000*float64(n)*float64(d)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
			})
		}
	}
}

func Example() {
	ix := flat.New(scalar.Float32(2), vec.Euclidean)
	x, _ := vec.FromRows([][]float32{{0, 0}, {3, 4}, {1, 1}})
	if err := ix.Add(context.Background(), []uint32{10, 20, 30}, x); err != nil {
		panic(err)
	}
	res, err := ix.Search(context.Background(), []float32{0, 1}, index.Query{K: 2})
	fmt.Println(res.Hits, err)
	// Output: [{10 1} {30 1}] <nil>
}
