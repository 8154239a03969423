package rows

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/latent-go/latent/vec"
)

func TestUnit(t *testing.T) {
	x, _ := vec.FromRows([][]float32{{1, -3}, {0.25, 2}})
	if y := Unit(x); &y.Data[0] != &x.Data[0] {
		t.Error("values near 1 were copied")
	}
	for _, e := range []int{-120, -30, 30, 120} {
		y := x.Clone()
		for i, v := range y.Data {
			y.Data[i] = float32(math.Ldexp(float64(v), e))
		}
		if got := Unit(y); !slices.Equal(got.Data, []float32{0.25, -0.75, 0.0625, 0.5}) {
			t.Errorf("scale 2^%d: %v", e, got.Data)
		}
	}
	if y := Unit(vec.NewMatrix(2, 3)); slices.Max(y.Data) != 0 {
		t.Errorf("zeros: %v", y.Data)
	}
}

func TestLevel(t *testing.T) {
	x, _ := vec.FromRows([][]float32{{1, 0.5}, {0, 0}, {0.75, 2}, {1, 1}, {3e30, 1.5e30}})
	for _, e := range []int{-100, -40, 0, 20} {
		y := x.Clone()
		for i, v := range y.Data {
			y.Data[i] = float32(math.Ldexp(float64(v), e))
		}
		got := Level(y)
		// The median of the rows that are not 0 has its largest value between ½ and 1.
		if !slices.Equal(got.Data[:8], []float32{0.25, 0.125, 0, 0, 0.1875, 0.5, 0.25, 0.25}) || got.Row(4)[0] > 1<<Far || got.Row(4)[0] < 1<<(Far-1) || got.Row(4)[0] != 2*got.Row(4)[1] {
			t.Errorf("scale 2^%d: %v", e, got.Data)
		}
	}
}

func TestSquaredL2s(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	x := vec.NewMatrix(600, 7)
	for _, scale := range []float64{1e-42, 1e-25, 1, 1e19, 3e37} {
		for i := range x.Data {
			x.Data[i] = float32(scale * rng.NormFloat64())
		}
		copy(x.Row(9), x.Row(0))
		got := make([]float64, x.Rows)
		SquaredL2s(got, x.Row(0), x.Data)
		for i, g := range got {
			if want := squaredL2(x.Row(0), x.Row(i)); math.Abs(g-want) > 1e-5*want || (g == 0) != (i == 0 || i == 9) {
				t.Fatalf("scale %g, row %d: %g, want %g", scale, i, g, want)
			}
		}
	}
}
