package lasso

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"

	"github.com/latent-go/latent/vec"
)

// problem is a random design with correlated columns.
func problem(n, p int, seed uint64) (gram *mat.Dense, cross []float64) {
	rng := rand.New(rand.NewPCG(seed, 0))
	x, y := mat.NewDense(n, p, nil), mat.NewVecDense(n, nil)
	for i := range n {
		common := rng.NormFloat64()
		for j := range p {
			x.Set(i, j, rng.NormFloat64()+common)
		}
		y.SetVec(i, x.At(i, 0)-2*x.At(i, 1)+rng.NormFloat64())
	}
	gram = mat.NewDense(p, p, nil)
	gram.Mul(x.T(), x)
	gram.Scale(1/float64(n), gram)
	var c mat.VecDense
	c.MulVec(x.T(), y)
	c.ScaleVec(1/float64(n), &c)
	return gram, c.RawVector().Data
}

func TestLimits(t *testing.T) {
	gram, cross := problem(200, 12, 1)
	top := 0.0
	for _, c := range cross {
		top = max(top, math.Abs(c))
	}
	w, err := Fit(gram, cross, top, Options{})
	if err != nil || floats.Norm(w, 1) != 0 {
		t.Errorf("at the largest lambda: %v %v", w, err)
	}
	w, err = Fit(gram, cross, 0, Options{Tolerance: 1e-12})
	if err != nil {
		t.Fatal(err)
	}
	var want mat.VecDense
	if err := want.SolveVec(gram, mat.NewVecDense(12, cross)); err != nil {
		t.Fatal(err)
	}
	if d := floats.Distance(w, want.RawVector().Data, math.Inf(1)); d > 1e-9 {
		t.Errorf("at lambda 0 it is %v from least squares", d)
	}
}

// On orthonormal columns each weight is the soft-thresholded product.
func TestOrthonormal(t *testing.T) {
	gram := mat.NewDense(3, 3, []float64{1, 0, 0, 0, 1, 0, 0, 0, 0})
	w, err := Fit(gram, []float64{.9, -.3, 5}, .5, Options{})
	if err != nil || math.Abs(w[0]-.4) > 1e-12 || w[1] != 0 || w[2] != 0 {
		t.Errorf("%v %v, want .4 0 0", w, err)
	}
}

// The condition is sufficient: the problem is convex. Checked here from scratch, for cold and warm starts.
func TestCondition(t *testing.T) {
	gram, cross := problem(60, 40, 2)
	var warm []float64
	for _, lambda := range []float64{1, .3, .1, .03, .01} {
		w, err := Fit(gram, cross, lambda, Options{Start: warm})
		if err != nil {
			t.Fatal(err)
		}
		var gw mat.VecDense
		gw.MulVec(gram, mat.NewVecDense(40, w))
		for j, v := range w {
			s := cross[j] - gw.AtVec(j)
			bad := math.Abs(s) - lambda
			if v != 0 {
				bad = math.Abs(s - math.Copysign(lambda, v))
			}
			if bad > 1e-6 {
				t.Errorf("lambda %v: weight %d is %v, condition off by %v", lambda, j, v, bad)
			}
		}
		warm = w
	}
}

func TestErrors(t *testing.T) {
	g := mat.NewDense(2, 2, []float64{1, 0, 0, 1})
	if _, err := Fit(g, []float64{1}, 0, Options{}); !errors.Is(err, vec.ErrDim) {
		t.Error(err)
	}
	if _, err := Fit(g, []float64{1, 1}, -1, Options{}); !errors.Is(err, vec.ErrNotFinite) {
		t.Error(err)
	}
	hard := mat.NewDense(2, 2, []float64{1, .9999, .9999, 1})
	if _, err := Fit(hard, []float64{1, -1}, 1e-9, Options{Sweeps: 5}); !errors.Is(err, ErrConverge) {
		t.Error(err)
	}
}

func ExampleFit() {
	gram := mat.NewDense(2, 2, []float64{1, .5, .5, 1})
	w, _ := Fit(gram, []float64{1, .6}, .2, Options{})
	fmt.Printf("%.3f\n", w)
	// Output: [0.800 0.000]
}
