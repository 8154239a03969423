// Package lasso predicts a number from many columns using as few of them as it pays to use: least squares with an L1
// penalty, from second moments alone, so that its cost does not grow with the rows.
//
//	w, err := lasso.Fit(gram, cross, 0.1, lasso.Options{})   // gram = XᵀX/n, cross = Xᵀy/n
package lasso

import (
	"errors"
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"

	"github.com/latent-go/latent/vec"
)

// ErrConverge says that the optimality condition was not met within Options.Sweeps.
var ErrConverge = errors.New("lasso did not converge")

// Options steer Fit. The zero Options are the recommended ones.
type Options struct {
	Start     []float64 // weights to begin from, as those of a larger lambda; nil means zeros
	Tolerance float64   // largest violation of the optimality condition, relative to max|cross|; 0 means 1e-7
	Sweeps    int       // passes over all columns; 0 means 10,000
}

// Fit returns the weights w that minimise ½·wᵀGw - cᵀw + λ|w|₁, where G is gram, p×p, symmetric with a non-negative
// diagonal, and c is cross: with G = XᵀX/n and c = Xᵀy/n that is |y-Xw|²/2n + λ|w|₁, as in scikit-learn. Columns whose
// diagonal is 0 get weight 0. It descends one coordinate at a time (Friedman, Hastie and Tibshirani, J. Stat. Softw.
// 33(1), 2010), on the columns in use between passes over all. The condition that it meets: Gw - c is -λ·sign(w)
// where w ≠ 0 and within ±λ elsewhere. Shapes that do not fit give vec.ErrDim. Time O(p) for each weight that changes.
func Fit(gram *mat.Dense, cross []float64, lambda float64, o Options) ([]float64, error) {
	p, q := gram.Dims()
	if p != q || p != len(cross) || o.Start != nil && len(o.Start) != p {
		return nil, fmt.Errorf("lasso: gram is %d×%d, cross has %d, start %d: %w", p, q, len(cross), len(o.Start), vec.ErrDim)
	}
	if !(lambda >= 0) || math.IsInf(lambda, 1) {
		return nil, fmt.Errorf("lasso: lambda is %v, want a finite one ≥ 0: %w", lambda, vec.ErrNotFinite)
	}
	if o.Tolerance == 0 {
		o.Tolerance = 1e-7
	}
	if o.Sweeps == 0 {
		o.Sweeps = 10000
	}
	w, slope := make([]float64, p), make([]float64, p) // slope is c - Gw
	copy(slope, cross)
	for j, v := range o.Start {
		if v != 0 && gram.At(j, j) > 0 {
			w[j] = v
			for i, g := range gram.RawRowView(j) {
				slope[i] -= g * v
			}
		}
	}
	step := func(j int) {
		row := gram.RawRowView(j)
		if row[j] <= 0 {
			return
		}
		next := soft(slope[j]+row[j]*w[j], lambda) / row[j]
		if d := next - w[j]; d != 0 {
			for i, g := range row {
				slope[i] -= g * d
			}
			w[j] = next
		}
	}
	scale := 0.0
	for _, c := range cross {
		scale = max(scale, math.Abs(c))
	}
	limit := o.Tolerance * scale
	for sweep := 0; ; {
		for j := range p {
			step(j)
		}
		sweep++
		if violation(gram, w, slope, lambda) <= limit {
			return w, nil
		}
		if sweep >= o.Sweeps {
			return nil, fmt.Errorf("lasso: lambda %v: condition violated by %.2g after %d sweeps, want at most %.2g: %w; use a larger lambda",
				lambda, violation(gram, w, slope, lambda), sweep, limit, ErrConverge)
		}
		var used []int
		for j, v := range w {
			if v != 0 {
				used = append(used, j)
			}
		}
		for ; sweep < o.Sweeps-1; sweep++ {
			for _, j := range used {
				step(j)
			}
			worst := 0.0
			for _, j := range used {
				worst = max(worst, miss(gram, w, slope, lambda, j))
			}
			if worst <= limit/2 {
				break
			}
		}
	}
}

// miss is by how much coordinate j violates the condition.
func miss(gram *mat.Dense, w, slope []float64, lambda float64, j int) float64 {
	switch {
	case gram.At(j, j) <= 0:
		return 0
	case w[j] > 0:
		return math.Abs(slope[j] - lambda)
	case w[j] < 0:
		return math.Abs(slope[j] + lambda)
	}
	return max(0, math.Abs(slope[j])-lambda)
}

func violation(gram *mat.Dense, w, slope []float64, lambda float64) (worst float64) {
	for j := range w {
		worst = max(worst, miss(gram, w, slope, lambda, j))
	}
	return worst
}

func soft(x, lambda float64) float64 {
	return math.Copysign(max(0, math.Abs(x)-lambda), x)
}
