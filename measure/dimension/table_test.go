package dimension_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/latent-go/latent/measure/dimension"
	"github.com/latent-go/latent/vec"
)

// manifold has a known dimension; put writes a point of it.
type manifold struct {
	name string
	dim  int
	cols int
	put  func(rng *rand.Rand, x []float64)
}

func (m manifold) points(n int, seed uint64) vec.Matrix {
	rng := rand.New(rand.NewPCG(seed, 1))
	x, row := vec.NewMatrix(n, m.cols), make([]float64, m.cols)
	for i := range n {
		clear(row)
		m.put(rng, row)
		for j, v := range row {
			x.Row(i)[j] = float32(v)
		}
	}
	return x
}

func gauss(rng *rand.Rand, x []float64) (length float64) {
	for j := range x {
		x[j] = rng.NormFloat64()
		length += x[j] * x[j]
	}
	return math.Sqrt(length)
}

func uniform(rng *rand.Rand, x []float64) {
	for j := range x {
		x[j] = rng.Float64()
	}
}

func ballOf(d int) manifold {
	return manifold{fmt.Sprintf("ball %d", d), d, d, func(rng *rand.Rand, x []float64) {
		r := gauss(rng, x)
		r = math.Pow(rng.Float64(), 1/float64(d)) / r
		for j := range x {
			x[j] *= r
		}
	}}
}

func sphereOf(d int) manifold {
	return manifold{fmt.Sprintf("sphere %d", d), d, d + 1, func(rng *rand.Rand, x []float64) {
		r := gauss(rng, x)
		for j := range x {
			x[j] /= r
		}
	}}
}

func cubeOf(d int) manifold {
	return manifold{fmt.Sprintf("cube %d", d), d, d, uniform}
}

func gaussianOf(d int) manifold {
	return manifold{fmt.Sprintf("gaussian %d", d), d, d, func(rng *rand.Rand, x []float64) { gauss(rng, x) }}
}

// manifolds are those of dimension 1 to 10 that the estimates are held to, and some beyond.
var manifolds = []manifold{
	{"helix", 1, 3, func(rng *rand.Rand, x []float64) {
		t := 4 * math.Pi * rng.Float64()
		x[0], x[1], x[2] = math.Cos(t), math.Sin(t), t/4
	}},
	{"swiss roll", 2, 3, func(rng *rand.Rand, x []float64) {
		t := 1.5 * math.Pi * (1 + 2*rng.Float64())
		x[0], x[1], x[2] = t*math.Cos(t), 21*rng.Float64(), t*math.Sin(t)
	}},
	{"Möbius strip", 2, 3, func(rng *rand.Rand, x []float64) {
		a, w := 2*math.Pi*rng.Float64(), rng.Float64()-0.5
		r := 1 + w*math.Cos(a/2)
		x[0], x[1], x[2] = r*math.Cos(a), r*math.Sin(a), w*math.Sin(a/2)
	}},
	sphereOf(2),
	{"paraboloid 3 in 12", 3, 12, func(rng *rand.Rand, x []float64) {
		uniform(rng, x[:3])
		for j := 3; j < 12; j++ {
			for i := range 3 {
				x[j] += float64((i+j)%3) * x[i] * x[i] / 3
			}
		}
	}},
	{"nonlinear 4 in 8", 4, 8, func(rng *rand.Rand, x []float64) {
		uniform(rng, x[:4])
		for j := range 4 {
			x[4+j] = x[(j+1)%4] * math.Sin(2*math.Pi*x[j])
			x[j] = x[(j+1)%4] * math.Cos(2*math.Pi*x[j])
		}
	}},
	ballOf(5), cubeOf(5), sphereOf(5), gaussianOf(5),
	{"subspace 8 in 64", 8, 64, func(rng *rand.Rand, x []float64) {
		var z [8]float64
		gauss(rng, z[:])
		for j := range x {
			for i := range z {
				x[j] += math.Cos(float64(3*i*i+7*i*j+j*j)) * z[i] // 64 fixed directions in R^8
			}
		}
	}},
	ballOf(10), cubeOf(10), sphereOf(10), gaussianOf(10),
	ballOf(20), gaussianOf(20), sphereOf(20), gaussianOf(40),
	{"plane in noise", 2, 10, func(rng *rand.Rand, x []float64) { // sd 0.01 in 10 directions, the square has sides of 1
		gauss(rng, x)
		for j := range x {
			x[j] *= 0.01
		}
		x[0] += rng.Float64()
		x[1] += rng.Float64()
	}},
}

// TestTable holds the dimension of Measure to a tenth of the truth on manifolds of up to 10 dimensions, 2,500 points each.
// go test -v -run TestTable ./measure/dimension prints the table of docs/dimension.md, with TABLE=1 for those of more as well.
func TestTable(t *testing.T) {
	if testing.Short() {
		t.Skip("20 s")
	}
	var table strings.Builder
	fmt.Fprintf(&table, "| manifold | truth | Measure | lo to hi |")
	head := false
	for i, m := range manifolds {
		if i > 14 && os.Getenv("TABLE") == "" {
			break
		}
		r, err := dimension.Measure(context.Background(), m.points(2500, 1), dimension.Options{})
		if err != nil {
			t.Fatalf("%s: %v", m.name, err)
		}
		if !head {
			for _, e := range r.Estimates {
				fmt.Fprintf(&table, " %s |", e.Method)
			}
			fmt.Fprintf(&table, " participation |\n|---|%s\n", strings.Repeat("--:|", 4+len(r.Estimates)))
			head = true
		}
		fmt.Fprintf(&table, "| %s | %d | %.2f | %.2f to %.2f |", m.name, m.dim, r.Dimension, r.Lo, r.Hi)
		for _, e := range r.Estimates {
			fmt.Fprintf(&table, " %.2f", e.Value)
			if e.Corrected != e.Value && e.Corrected > 0 {
				fmt.Fprintf(&table, " (%.2f)", e.Corrected)
			}
			fmt.Fprintf(&table, " |")
		}
		fmt.Fprintf(&table, " %.2f |\n", r.Spectrum.Participation)
		if i <= 14 && !(math.Abs(r.Dimension/float64(m.dim)-1) <= 0.1) {
			t.Errorf("%s of dimension %d: %.2f", m.name, m.dim, r.Dimension)
		}
		for _, note := range r.Notes {
			t.Logf("%s: %s", m.name, note)
		}
	}
	t.Log("\n" + table.String())
}
