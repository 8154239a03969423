package flat_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"testing"

	"github.com/latent-go/latent/index"
	"github.com/latent-go/latent/index/flat"
	"github.com/latent-go/latent/index/indextest"
	"github.com/latent-go/latent/quantize"
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

func TestScore(t *testing.T) {
	ctx := context.Background()
	for _, m := range []vec.Metric{vec.Euclidean, vec.Cosine, vec.InnerProduct, vec.Manhattan} {
		ix := flat.New(scalar.Float32(8), m)
		if err := ix.Add(ctx, nil, indextest.Vectors(20, 8, 1)); err != nil {
			t.Fatal(err)
		}
		ix.Delete(3)
		q := indextest.Vectors(1, 8, 2).Row(0)
		res, err := ix.Search(ctx, q, index.Query{K: 20})
		if err != nil {
			t.Fatal(err)
		}
		want := slices.DeleteFunc(res.Hits, func(h index.Hit) bool { return h.ID%2 != 0 })
		var ids []uint32
		for _, h := range want {
			ids = append(ids, h.ID)
		}
		got, err := ix.Score(q, append([]uint32{3, 99}, ids...))
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%v: scores are %v (error %v), want %v", m, got, err, want)
		}
	}
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
