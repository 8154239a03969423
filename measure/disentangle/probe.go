package disentangle

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/optimize"

	"github.com/latent-go/latent/vec"
)

// design is what a probe sees of n rows: f columns of numbers, or one-hot columns by the places of their ones.
type design struct {
	n, f int
	x    *mat.Dense // n×f, nil if the columns are one-hot
	hot  [][]int    // for each row
}

// times sets dst to the design times w, f×k.
func (d *design) times(dst, w *mat.Dense) {
	if d.x != nil {
		dst.Mul(d.x, w)
		return
	}
	for i, ones := range d.hot {
		row := dst.RawRowView(i)
		clear(row)
		for _, j := range ones {
			floats.Add(row, w.RawRowView(j))
		}
	}
}

// turnedTimes sets dst, f×k, to the transposed design times y.
func (d *design) turnedTimes(dst, y *mat.Dense) {
	if d.x != nil {
		dst.Mul(d.x.T(), y)
		return
	}
	dst.Zero()
	for i, ones := range d.hot {
		for _, j := range ones {
			floats.Add(dst.RawRowView(j), y.RawRowView(i))
		}
	}
}

// dense spells out one-hot columns.
func (d *design) dense() *mat.Dense {
	if d.x != nil {
		return d.x
	}
	x := mat.NewDense(d.n, d.f, nil)
	for i, ones := range d.hot {
		for _, j := range ones {
			x.Set(i, j, 1)
		}
	}
	return x
}

// crossEntropy fits a multinomial logistic regression of the labels 0 to k-1 on features, without penalty, each
// class weighing the same, and returns its mean cross-entropy in nats on the same rows, each weighing the same. Where
// classes can be separated the optimum lies at infinity: 200 iterations come near enough.
func crossEntropy(features *design, label []int, k int) (float64, error) {
	n, f := features.n, features.f
	count := make([]float64, k)
	for _, l := range label {
		count[l]++
	}
	weight := make([]float64, n) // of sum 1
	for i, l := range label {
		weight[i] = 1 / (float64(k) * count[l])
	}
	// Parameters: f×k weights, then k intercepts.
	logits := mat.NewDense(n, k, nil)
	forward := func(p []float64) {
		features.times(logits, mat.NewDense(f, k, p[:f*k]))
		for i := range n {
			row := logits.RawRowView(i)
			floats.Add(row, p[f*k:])
			floats.AddConst(-floats.LogSumExp(row), row)
		}
	}
	loss := func(p []float64) (s float64) {
		forward(p)
		for i, l := range label {
			s -= weight[i] * logits.At(i, l)
		}
		return s
	}
	grad := func(g, p []float64) {
		forward(p)
		clear(g)
		for i, l := range label {
			row := logits.RawRowView(i)
			for c := range row {
				row[c] = weight[i] * vec.Exp(row[c])
			}
			row[l] -= weight[i]
			floats.Add(g[f*k:], row)
		}
		features.turnedTimes(mat.NewDense(f, k, g[:f*k]), logits)
	}
	res, err := optimize.Minimize(optimize.Problem{Func: loss, Grad: grad}, make([]float64, (f+1)*k),
		&optimize.Settings{GradientThreshold: 1e-7, MajorIterations: 200}, &optimize.LBFGS{})
	if res == nil {
		return 0, fmt.Errorf("disentangle: logistic regression: %w", err)
	}
	// An error with a result is a line search that can improve no further: the optimum within rounding.
	forward(res.X)
	ce := 0.0
	for i, l := range label {
		ce -= max(logits.At(i, l), math.Log(1e-12)) / float64(n)
	}
	return ce, nil
}

// determination is the share of y's variance that a linear map of the features explains on the same rows.
func determination(features *design, y []float64) (float64, error) {
	n, f := features.n, features.f
	x := mat.NewDense(n, f+1, nil)
	x.Slice(0, n, 0, f).(*mat.Dense).Copy(features.dense())
	for i := range n {
		x.Set(i, f, 1)
	}
	var svd mat.SVD
	if !svd.Factorize(x, mat.SVDThin) {
		return 0, fmt.Errorf("disentangle: least squares: singular values did not converge")
	}
	var u, fit mat.Dense
	svd.UTo(&u)
	rank := svd.Rank(1e-10)
	basis := u.Slice(0, n, 0, rank)
	target := mat.NewDense(n, 1, append([]float64(nil), y...))
	var inner mat.Dense
	inner.Mul(basis.T(), target)
	fit.Mul(basis, &inner)
	mean := floats.Sum(y) / float64(n)
	lost, had := 0.0, 0.0
	for i, v := range y {
		lost += (v - fit.At(i, 0)) * (v - fit.At(i, 0))
		had += (v - mean) * (v - mean)
	}
	return 1 - lost/had, nil
}
