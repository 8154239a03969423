package dimension_test

import (
	"errors"
	"math"
	"testing"

	"github.com/latent-go/latent/measure/dimension"
	"github.com/latent-go/latent/vec"
)

// axes has rows ±aⱼ on axis j, whose covariance is diagonal: 2aⱼ²/(n-1).
func axes(cols int, a ...float32) vec.Matrix {
	x := vec.NewMatrix(2*len(a), cols)
	for j, v := range a {
		x.Row(2 * j)[j], x.Row(2*j + 1)[j] = v, -v
	}
	return x
}

func TestSpectrum(t *testing.T) {
	for _, cols := range []int{3, 4, 5, 6, 7, 40} { // rows 6: covariance, and the rows' own products
		e, err := dimension.Spectrum(ctx, axes(cols, 1, 3, 2), dimension.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if want := min(5, cols); len(e.Values) != want {
			t.Fatalf("%d values of 6 rows in %d columns", len(e.Values), cols)
		}
		for i, want := range []float64{18. / 5, 8. / 5, 2. / 5} {
			near(t, "eigenvalue", e.Values[i], want, 1e-12)
		}
		for _, v := range e.Values[3:] {
			if !(v <= 1e-12) {
				t.Errorf("an eigenvalue of %g where there is no variance", v)
			}
		}
		near(t, "total", e.Total, 28./5, 1e-12)
		near(t, "participation", e.Participation, 14.*14/(81+16+1), 1e-12)
		var h float64
		for _, q := range []float64{9. / 14, 4. / 14, 1. / 14} {
			h -= q * math.Log(q)
		}
		near(t, "effective rank", e.EffectiveRank, math.Exp(h), 1e-12)
		kaiser := 1 // 9/14 is above 1/3, 4/14 is not; in more columns the mean is less, and 1/14 above it from 15 on
		if cols > 3 {
			kaiser = 2
		}
		if cols > 14 {
			kaiser = 3
		}
		if e.Kaiser != kaiser || e.Rank != 3 || e.N != 6 || e.Cols != cols {
			t.Errorf("%d columns: %+v", cols, e)
		}
		for share, want := range map[float64]int{0: 0, 0.5: 1, 9. / 14: 1, 0.65: 2, 13. / 14: 2, 0.95: 3, 1: 3} {
			if got := e.Components(share); got != want {
				t.Errorf("%g of the variance is in %d directions, want %d", share, got, want)
			}
		}
	}
	// A stick broken in three has pieces of 11/18, 5/18 and 2/18 on average.
	if e, _ := dimension.Spectrum(ctx, axes(3, 3, 2, 1), dimension.Options{}); e.BrokenStick != 2 { // 0.643 and 0.286 are longer, 0.071 is not
		t.Errorf("broken stick: %d", e.BrokenStick)
	}
	if e, _ := dimension.Spectrum(ctx, axes(3, 1, 1, 1), dimension.Options{}); e.BrokenStick != 0 || math.Abs(e.Participation-3) > 1e-12 || math.Abs(e.EffectiveRank-3) > 1e-12 || e.Kaiser != 0 {
		t.Errorf("all directions alike: %+v", e)
	}
	constant := vec.NewMatrix(5, 2)
	for i := range constant.Data {
		constant.Data[i] = 7
	}
	if e, err := dimension.Spectrum(ctx, constant, dimension.Options{}); err != nil || e.Participation != 0 || e.EffectiveRank != 0 || e.Rank != 0 || e.Components(0.9) != 0 {
		t.Errorf("constant: %+v, %v", e, err)
	}
	if _, err := dimension.Spectrum(ctx, vec.NewMatrix(1, 3), dimension.Options{}); !errors.Is(err, vec.ErrTooFew) {
		t.Errorf("one row: %v", err)
	}
}

// The error of the participation ratio is what it scatters by, from the covariance and from the rows' own products.
func TestParticipationErr(t *testing.T) {
	for _, c := range []struct{ n, cols int }{{400, 8}, {60, 80}} {
		n := c.n
		const draws = 200
		var sum, squares, errs float64
		for seed := range uint64(draws) {
			x := gaussianOf(c.cols).points(n, seed)
			for i := range n {
				for j := range x.Row(i) {
					x.Row(i)[j] *= float32(j + 1)
				}
			}
			e, err := dimension.Spectrum(ctx, x, dimension.Options{})
			if err != nil {
				t.Fatal(err)
			}
			sum, squares, errs = sum+e.Participation, squares+e.Participation*e.Participation, errs+e.ParticipErr
		}
		sd := math.Sqrt((squares - sum*sum/draws) / (draws - 1))
		t.Logf("n = %d: %.3f, scatter %.3f, standard error %.3f", n, sum/draws, sd, errs/draws)
		if ratio := errs / draws / sd; !(ratio > 0.8 && ratio < 1.5) { // 0.98 and 1.29 seen
			t.Errorf("n = %d: the participation ratio scatters by %.3f, its standard error is %.3f", n, sd, errs/draws)
		}
	}
}
