// Package made has what tests of the measures share: inputs that other programs can make too, and a comparison.
package made

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/latent-go/latent/vec"
)

// Noise is n×d numbers uniform on ±½, by a generator that the reference.py of each measure has too.
func Noise(n, d int, x uint32) vec.Matrix {
	m := vec.NewMatrix(n, d)
	for i := range m.Data {
		x = x*1664525 + 1013904223
		m.Data[i] = float32(float64(x>>8)/(1<<24) - 0.5)
	}
	return m
}

// Normal is n×d numbers of mean 0 and variance 1.
func Normal(n, d int, seed uint64) vec.Matrix {
	rng := rand.New(rand.NewPCG(seed, 1))
	m := vec.NewMatrix(n, d)
	for i := range m.Data {
		m.Data[i] = float32(rng.NormFloat64())
	}
	return m
}

// Near is an error unless got is within tolerance of want.
func Near(t testing.TB, name string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance) {
		t.Errorf("%s is %.9f, want %.9f ± %g", name, got, want, tolerance)
	}
}
