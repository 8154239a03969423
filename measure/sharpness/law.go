package sharpness

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"

	"github.com/latent-go/latent/measure/internal/rank"
	"github.com/latent-go/latent/vec"
)

// Observation is one training run: N rows of data of sharpness K and dimension Dim, and the test loss reached.
type Observation struct {
	N    int     `json:"n"`
	K    float64 `json:"k"`
	Dim  float64 `json:"dim"`
	Loss float64 `json:"loss"`
}

// Law is log Loss = Const + OfK·log K - OfN·log N/Dim, by least squares. The paper's bound has OfK = OfN = 1.
type Law struct {
	Const   float64 `json:"const"`
	OfK     float64 `json:"of_k"`
	OfN     float64 `json:"of_n"`
	OfKErr  float64 `json:"of_k_stderr"`
	OfNErr  float64 `json:"of_n_stderr"`
	R2      float64 `json:"r2"`       // share of the variance of log Loss
	RankK   float64 `json:"rank_k"`   // Spearman's correlation of loss and sharpness alone
	RankDim float64 `json:"rank_dim"` // and of loss and dimension alone
	Runs    int     `json:"runs"`
	Verdict string  `json:"verdict"`
}

// FitLaw fits the law to runs. Fewer than 5 give vec.ErrTooFew, a value that is not positive and finite
// vec.ErrNotFinite, and runs among which K, or log N/Dim, does not vary, or the one follows from the other, vec.ErrZero.
func FitLaw(runs []Observation) (*Law, error) {
	if len(runs) < 5 {
		return nil, fmt.Errorf("sharpness: a law of 3 numbers from %d runs, want at least 5: %w", len(runs), vec.ErrTooFew)
	}
	n := len(runs)
	x, y := mat.NewDense(n, 2, nil), make([]float64, n)
	k, dim, loss := make([]float64, n), make([]float64, n), make([]float64, n)
	for i, r := range runs {
		for _, v := range []float64{float64(r.N), r.K, r.Dim, r.Loss} {
			if !(v > 0) || math.IsInf(v, 1) {
				return nil, fmt.Errorf("sharpness: run %d has n %d, k %v, dim %v, loss %v; want all positive and finite: %w", i, r.N, r.K, r.Dim, r.Loss, vec.ErrNotFinite)
			}
		}
		x.Set(i, 0, math.Log(r.K))
		x.Set(i, 1, -math.Log(float64(r.N))/r.Dim)
		y[i] = math.Log(r.Loss)
		k[i], dim[i], loss[i] = r.K, r.Dim, r.Loss
	}
	a, b := mat.Col(nil, 0, x), mat.Col(nil, 1, x)
	va, vb, cab := stat.Variance(a, nil), stat.Variance(b, nil), stat.Covariance(a, b, nil)
	det := va*vb - cab*cab
	if !(va > 1e-18) || !(vb > 1e-18) || det < 1e-9*va*vb {
		return nil, fmt.Errorf("sharpness: among the %d runs log K and log N/dim do not vary apart from each other (variances %.2g and %.2g): %w", n, va, vb, vec.ErrZero)
	}
	ca, cb := stat.Covariance(a, y, nil), stat.Covariance(b, y, nil)
	l := &Law{OfK: (vb*ca - cab*cb) / det, OfN: (va*cb - cab*ca) / det, Runs: n,
		RankK: rank.Spearman(k, loss), RankDim: rank.Spearman(dim, loss)}
	l.Const = stat.Mean(y, nil) - l.OfK*stat.Mean(a, nil) - l.OfN*stat.Mean(b, nil)
	lost := 0.0
	for i := range n {
		d := y[i] - l.Const - l.OfK*a[i] - l.OfN*b[i]
		lost += d * d
	}
	if v := stat.Variance(y, nil); v > 0 {
		l.R2 = 1 - lost/(v*float64(n-1))
	}
	noise := lost / float64(n-3) / float64(n-1)
	l.OfKErr, l.OfNErr = math.Sqrt(noise*vb/det), math.Sqrt(noise*va/det)
	if math.IsNaN(l.RankK) {
		l.RankK = 0
	}
	if math.IsNaN(l.RankDim) {
		l.RankDim = 0
	}
	up := func(v, err float64) string {
		switch {
		case v > 2*err:
			return "grows"
		case v < -2*err:
			return "falls"
		}
		return "does not clearly change"
	}
	l.Verdict = fmt.Sprintf("Loss %s with label sharpness (power %.2f ± %.2f, the bound has 1) and %s with N^(-1/d) (power %.2f ± %.2f, the bound has 1); both explain %.0f %% of it over %d runs.",
		up(l.OfK, l.OfKErr), l.OfK, l.OfKErr, up(l.OfN, l.OfNErr), l.OfN, l.OfNErr, 100*l.R2, n)
	return l, nil
}

// Predict is the loss that the law expects of a run; its Loss is not looked at.
func (l *Law) Predict(r Observation) float64 {
	return math.Exp(l.Const + l.OfK*math.Log(r.K) - l.OfN*math.Log(float64(r.N))/r.Dim)
}

// Rate is the slope of log loss against log n by least squares: about -1/d, or -2/d for squared errors, of data of d
// dimensions. Fewer than two different n give vec.ErrTooFew, values that are not positive vec.ErrNotFinite.
func Rate(n []int, loss []float64) (float64, error) {
	if len(n) != len(loss) {
		return 0, fmt.Errorf("sharpness: %d sizes, %d losses: %w", len(n), len(loss), vec.ErrDim)
	}
	x, y := make([]float64, len(n)), make([]float64, len(n))
	for i := range n {
		if n[i] < 1 || !(loss[i] > 0) || math.IsInf(loss[i], 1) {
			return 0, fmt.Errorf("sharpness: loss %v at n = %d, want both positive and finite: %w", loss[i], n[i], vec.ErrNotFinite)
		}
		x[i], y[i] = math.Log(float64(n[i])), math.Log(loss[i])
	}
	if len(n) < 2 || !(stat.Variance(x, nil) > 0) {
		return 0, fmt.Errorf("sharpness: a rate needs two different sizes: %w", vec.ErrTooFew)
	}
	_, slope := stat.LinearRegression(x, y, nil, false)
	return slope, nil
}
