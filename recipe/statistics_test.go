package recipe

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestSpearman(t *testing.T) {
	for _, c := range []struct {
		a, b []float64
		want float64
	}{
		{[]float64{1, 2, 3, 4}, []float64{10, 20, 25, 1e6}, 1},
		{[]float64{1, 2, 3, 4}, []float64{4, 3, 2, 1}, -1},
		{[]float64{1, 2, 3, 4, 5}, []float64{2, 1, 4, 3, 5}, 0.8},  // 1 - 6·4/(5·24)
		{[]float64{1, 1, 2}, []float64{1, 2, 3}, math.Sqrt(3) / 2}, // the equal ones share rank 1.5
		{[]float64{1, 1, 1}, []float64{1, 2, 3}, 0},
	} {
		if got := spearman(c.a, c.b); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("%v with %v: %v, want %v", c.a, c.b, got, c.want)
		}
	}
}

func TestAdjustedRand(t *testing.T) {
	if got := adjustedRand([]int{0, 0, 1, 1, 2}, []int{5, 5, 3, 3, 4}); got != 1 {
		t.Errorf("the same groups under other names: %v", got)
	}
	// One pair is together in both, of 2 in each; by chance 2·2/15 would be.
	if got, want := adjustedRand([]int{0, 0, 1, 1, 2, 3}, []int{0, 0, 1, 2, 3, 3}), (1-4./15)/(2-4./15); math.Abs(got-want) > 1e-12 {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestTurnIsOrthogonal(t *testing.T) {
	q := turn(rand.New(rand.NewPCG(1, 2)))
	for i := range q {
		for j := range q {
			dot, want := q[i][0]*q[j][0]+q[i][1]*q[j][1]+q[i][2]*q[j][2], 0.0
			if i == j {
				want = 1
			}
			if math.Abs(dot-want) > 1e-12 {
				t.Errorf("rows %d and %d: product %v, want %v", i, j, dot, want)
			}
		}
	}
}
