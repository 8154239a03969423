package synthetic

import (
	"math"
	"slices"
	"testing"

	"github.com/latent-go/latent/vec"
)

func TestTreeAtoms(t *testing.T) {
	for _, c := range []float64{0, 0.3, 0.6, 0.9} {
		g, err := Tree{N: 1, Correlation: c, Seed: 3}.Generate()
		if err != nil {
			t.Fatal(err)
		}
		for i := range g.Atoms.Rows {
			for j := range g.Atoms.Rows {
				want := 0.0
				switch {
				case i == j:
					want = 1
				case g.Parent[i] == g.Parent[j]:
					want = c
				}
				if got := float64(vec.Dot(g.Atoms.Row(i), g.Atoms.Row(j))); !(math.Abs(got-want) < 1e-6) {
					t.Fatalf("correlation %v: atoms %d and %d have product %v, want %v", c, i, j, got, want)
				}
			}
		}
	}
}

// TestTreeRows holds the rows to the law they are drawn from.
func TestTreeRows(t *testing.T) {
	const n = 200_000
	g, err := Tree{N: n, Seed: 1}.Generate()
	if err != nil {
		t.Fatal(err)
	}
	if want := []int{-1, 0, 0, 0, -1, 4, 4, 4, -1, 8, 8, 8, -1, -1, -1, -1, -1, -1, -1, -1}; !slices.Equal(g.Parent, want) {
		t.Fatalf("parents %v", g.Parent)
	}
	counts := make([]int, len(g.Parent))
	total, sum := 0, 0.0
	for i := range n {
		parents, children := 0, 0
		for j, v := range g.Codes.Row(i) {
			if v == 0 {
				continue
			}
			counts[j]++
			total++
			sum += float64(v)
			if g.Parent[j] < 0 {
				parents++
				continue
			}
			children++
			if g.Codes.Row(i)[g.Parent[j]] == 0 {
				t.Fatalf("row %d has child %d without its parent", i, j)
			}
		}
		if parents != 1 || children > 1 {
			t.Fatalf("row %d has %d parents and %d children", i, parents, children)
		}
	}
	if l0 := float64(total) / n; math.Abs(l0-1.36) > 0.01 { // sd of the mean 0.0011
		t.Errorf("%v concepts a row, want 1.36", l0)
	}
	if m := sum / float64(total); math.Abs(m-1.5) > 0.005 {
		t.Errorf("mean coefficient %v, want 1.5", m)
	}
	for j, c := range counts {
		want := 0.05
		switch {
		case g.Parent[j] >= 0:
			want = 0.2 * 0.2
		case j < 12:
			want = 0.2
		}
		if got := float64(c) / n; math.Abs(got-want) > 0.005 { // 5 standard deviations at the most
			t.Errorf("concept %d is in %v of the rows, want %v", j, got, want)
		}
	}
	x := vec.Mul(vec.Matrix{}, g.Codes.Slice(0, 100), g.Atoms)
	for i, v := range x.Data {
		if math.Abs(float64(v-g.X.Data[i])) > 1e-5 {
			t.Fatalf("value %d is %v, not the sum %v of its concepts", i, g.X.Data[i], v)
		}
	}
	few, err := Tree{N: 300, Seed: 1}.Generate()
	if err != nil || !slices.Equal(few.X.Data, g.X.Data[:len(few.X.Data)]) {
		t.Errorf("300 rows are not the first 300 of more: %v", err)
	}
}

func TestTreeRefuses(t *testing.T) {
	for _, tree := range []Tree{{N: -1}, {Correlation: 1}, {Correlation: math.NaN()}, {ChildMean: -1}, {ChildMean: 1, ChildSD: math.Inf(1)}} {
		if _, err := tree.Generate(); err == nil {
			t.Errorf("%+v was generated", tree)
		}
	}
}
