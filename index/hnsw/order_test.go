package hnsw

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/latent-go/latent/dataset/synthetic"
	"github.com/latent-go/latent/index"
	"github.com/latent-go/latent/quantize/scalar"
	"github.com/latent-go/latent/vec"
)

// twoSheets is n rows near a line followed by n rows that fill 12 dimensions, far from it.
func twoSheets(n int) vec.Matrix {
	rng := rand.New(rand.NewPCG(1, 2))
	x := vec.NewMatrix(2*n, 12)
	for i := range x.Rows {
		row := x.Row(i)
		row[0] = 100 + 10*rng.Float32()
		if i >= n {
			for j := range row {
				row[j] = float32(rng.NormFloat64())
			}
		}
	}
	return x
}

func TestOrderLID(t *testing.T) {
	ctx := context.Background()
	x := twoSheets(500)
	for _, sample := range []int{-1, 200} {
		order, err := OrderLID(ctx, x, OrderOptions{K: 20, Sample: sample})
		if err != nil {
			t.Fatal(err)
		}
		sorted := slices.Sorted(slices.Values(order))
		for i, v := range sorted {
			if v != i {
				t.Fatalf("sample %d: not a permutation: %d at %d", sample, v, i)
			}
		}
		first := 0
		for _, i := range order[:500] {
			if i >= 500 {
				first++
			}
		}
		if first < 500 { // 12 dimensions against 1: every one of them
			t.Errorf("sample %d: %d of the 500 rows of 12 dimensions come before the line's", sample, first)
		}
	}
}

func TestLocalDimensions(t *testing.T) {
	ctx := context.Background()
	x := twoSheets(500)
	base, err := localDimensions(ctx, x, OrderOptions{K: 20, Sample: -1})
	if err != nil {
		t.Fatal(err)
	}
	scaled := vec.NewMatrix(x.Rows, x.Cols)
	vec.Scale(scaled.Data, x.Data, 4) // a power of two, so exact
	same, err := localDimensions(ctx, scaled, OrderOptions{K: 20, Sample: -1})
	if err != nil {
		t.Fatal(err)
	}
	for i := range base {
		if math.Abs(same[i]-base[i]) > 1e-4*base[i] {
			t.Fatalf("row %d: %g, and %g when all is four times as large", i, base[i], same[i])
		}
	}
	// Two copies of each row: with all found at distance 0 there is no dimension.
	copies := vec.NewMatrix(6, 2)
	for i := range copies.Rows {
		copies.Row(i)[0] = 1
	}
	lid, err := localDimensions(ctx, copies, OrderOptions{})
	if err != nil || slices.Max(lid) != 0 {
		t.Errorf("copies: %v, %v", lid, err)
	}
}

func TestOrderErrors(t *testing.T) {
	ctx := context.Background()
	x := twoSheets(10)
	bad := x.Clone()
	bad.Row(3)[1] = float32(math.NaN())
	if _, err := OrderLID(ctx, bad, OrderOptions{}); !errors.Is(err, vec.ErrNotFinite) {
		t.Errorf("NaN: %v", err)
	}
	clear(bad.Row(3))
	if _, err := OrderLID(ctx, bad, OrderOptions{Metric: vec.Cosine}); !errors.Is(err, vec.ErrZero) {
		t.Errorf("zero vector: %v", err)
	}
	if _, err := OrderLID(ctx, x.Slice(0, 2), OrderOptions{}); !errors.Is(err, vec.ErrTooFew) {
		t.Errorf("two rows: %v", err)
	}
	ix, err := New(scalar.Float32(12), Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, order := range [][]int{{0}, append(rand.Perm(19), 3), append(rand.Perm(19), -1), rand.Perm(21)} {
		if err := ix.AddInOrder(ctx, nil, x, order); !errors.Is(err, index.ErrID) {
			t.Errorf("order %v: %v", order, err)
		}
	}
	if ix.Len() != 0 {
		t.Errorf("%d vectors after errors", ix.Len())
	}
}

// TestAddInOrder checks that IDs stay those of the rows, whatever their turn, and that the graph is that of Add on rows
// in that order.
func TestAddInOrder(t *testing.T) {
	ctx := context.Background()
	x, err := synthetic.Subspace(300, 16, 8, true, 1)
	if err != nil {
		t.Fatal(err)
	}
	order := rand.New(rand.NewPCG(3, 4)).Perm(x.Rows)
	ix, err := New(scalar.Float32(16), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := ix.AddInOrder(ctx, nil, x.Slice(0, 100), rand.Perm(100)); err != nil {
		t.Fatal(err)
	}
	if err := ix.AddInOrder(ctx, nil, x.Slice(100, 300), rand.Perm(200)); err != nil {
		t.Fatal(err)
	}
	for i := range x.Rows {
		if v, ok := ix.Vector(uint32(i)); !ok || !slices.Equal(v, x.Row(i)) {
			t.Fatalf("row %d is not stored under its own ID", i)
		}
	}
	a, _ := New(scalar.Float32(16), Options{Seed: 1})
	b, _ := New(scalar.Float32(16), Options{Seed: 1})
	if err := a.AddInOrder(ctx, nil, x, order); err != nil {
		t.Fatal(err)
	}
	ids := make([]uint32, len(order))
	for at, i := range order {
		ids[at] = uint32(i)
	}
	if err := b.Add(ctx, ids, x.Gather(order)); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(a.base, b.base) || !slices.Equal(a.ids, b.ids) {
		t.Error("AddInOrder and Add of rows in that order make different graphs")
	}
}
