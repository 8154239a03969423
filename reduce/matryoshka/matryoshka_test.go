package matryoshka

import (
	"bytes"
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/latent-go/latent/artifact"
	"github.com/latent-go/latent/neighbors"
	"github.com/latent-go/latent/vec"
)

// misleading is data whose neighbours PCA does not see first: each row is near a few others by eight weak columns, and a
// strong column that takes one of two values tells them nothing.
func misleading(n int, seed uint64) vec.Matrix {
	rng := rand.New(rand.NewPCG(seed, 1))
	x := vec.NewMatrix(n, 16)
	for i := range n {
		row := x.Row(i)
		for j := range row {
			switch {
			case j < 4: // the same two values over and over: variance without information
				row[j] = 1.5 * float32(2*rng.IntN(2)-1)
			case j < 12:
				row[j] = float32(rng.NormFloat64())
			default:
				row[j] = 0.1 * float32(rng.NormFloat64())
			}
		}
	}
	return x
}

func TestFit(t *testing.T) {
	ctx := context.Background()
	x := misleading(1000, 1)
	m, err := Fit(ctx, x, Options{Dims: []int{4, 8}, Steps: 150, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := orthonormal(m.rotation); err != nil {
		t.Error(err)
	}
	if !m.Trained() { // seen: 4 columns 0.439 to 0.425, 8 columns 0.571 to 0.592
		t.Errorf("training gained nothing: %+v", m.Losses())
	}
	y := m.Apply(vec.Matrix{}, x)
	back := m.Inverse(vec.Matrix{}, y)
	for i := range x.Data {
		if math.Abs(float64(back.Data[i]-x.Data[i])) > 1e-4 {
			t.Fatalf("value %d is %g after there and back, was %g", i, back.Data[i], x.Data[i])
		}
	}
	for i := range 20 { // a rotation keeps products
		a, b := vec.Dot(x.Row(i), x.Row(i+1)), vec.Dot(y.Row(i), y.Row(i+1))
		if math.Abs(float64(a-b)) > 1e-4 {
			t.Errorf("product of rows %d and %d: %g, was %g", i, i+1, b, a)
		}
	}
	again, err := Fit(ctx, x, Options{Dims: []int{4, 8}, Steps: 150, Seed: 1})
	if err != nil || !slices.Equal(again.rotation.Data, m.rotation.Data) {
		t.Errorf("same seed, another rotation (%v)", err)
	}
}

// TestGradient holds the gradient against differences of the loss.
func TestGradient(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	x := misleading(60, 2)
	for i := range x.Rows {
		vec.Normalize(x.Row(i), x.Row(i))
	}
	table, err := neighbors.Exact(context.Background(), x, x, neighbors.Options{K: 20, Metric: vec.Cosine, ExcludeSelf: true})
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Dims: []int{3, 6}, Weights: []float64{1, 2}}
	pool := rng.Perm(60)[:24]
	const n = 4
	z := prefix(x.Gather(pool), 6)
	// The sharpness follows the spread of cosines, and the gradient takes it as given: so does this loss.
	heats := map[[2]int]float64{}
	loss := func(z vec.Matrix, fix bool) float64 {
		var sum float64
		for at, k := range o.Dims {
			for r := range n {
				var cos []float64
				for j := range pool {
					a, b := z.Row(r)[:k], z.Row(j)[:k]
					cos = append(cos, float64(vec.Dot(a, b))/float64(vec.Norm(a))/float64(vec.Norm(b)))
				}
				if fix {
					var s, q float64
					for _, c := range cos {
						s, q = s+c/float64(len(cos)), q+c*c/float64(len(cos))
					}
					heats[[2]int{at, r}] = sharpness*math.Sqrt(q-s*s) + 1e-6
				}
				heat := heats[[2]int{at, r}]
				var total, wanted, got float64
				ids, _ := table.Row(pool[r])
				for j, c := range cos {
					if j == r {
						continue
					}
					total += math.Exp((c - 1) / heat)
					if slices.Contains(ids[:near], uint32(pool[j])) {
						wanted++
						got += (c - 1) / heat
					}
				}
				if wanted > 0 {
					sum += o.Weights[at] / n * (math.Log(total) - got/wanted)
				}
			}
		}
		return sum
	}
	loss(z, true)
	g := gradient(z, pool, n, table, o)
	const h = 1e-3
	var largest float64
	for _, v := range g.Data {
		largest = max(largest, math.Abs(float64(v)))
	}
	for _, i := range []int{0, 3, 7, 20, 30, 50, 77, 100, 140} {
		up, down := z.Clone(), z.Clone()
		up.Data[i] += h
		down.Data[i] -= h
		want := (loss(up, false) - loss(down, false)) / float64(up.Data[i]-down.Data[i])
		if got := float64(g.Data[i]); math.Abs(got-want) > 1e-3*largest { // seen: below 2e-5 of the largest
			t.Errorf("by value %d: %g, differences say %g (largest %g)", i, got, want, largest)
		}
	}
}

func TestErrors(t *testing.T) {
	ctx := context.Background()
	x := misleading(200, 3)
	bad := x.Clone()
	bad.Data[5] = float32(math.Inf(1))
	zero := x.Clone()
	clear(zero.Row(7))
	for _, c := range []struct {
		name string
		x    vec.Matrix
		o    Options
		want error
	}{
		{"few rows", x.Slice(0, 50), Options{}, vec.ErrTooFew},
		{"infinity", bad, Options{}, vec.ErrNotFinite},
		{"zero row", zero, Options{}, vec.ErrZero},
		{"too long", x, Options{Dims: []int{16}}, vec.ErrDim},
		{"falling", x, Options{Dims: []int{8, 4}}, vec.ErrDim},
	} {
		if _, err := Fit(ctx, c.x, c.o); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	if _, err := Fit(ctx, x, Options{Dims: []int{4}, Weights: []float64{-1}}); err == nil {
		t.Error("a weight below 0 was taken")
	}
	done, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := Fit(done, x, Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestComplete(t *testing.T) {
	rows, err := vec.FromRows([][]float32{{1, 1, 0, 0}, {2, 2, 0, 0}, {0, 0, 3, 0}})
	if err != nil {
		t.Fatal(err)
	}
	if err := orthonormal(complete(rows, 4)); err != nil {
		t.Error(err)
	}
}

func written(t testing.TB) (*Map, []byte) {
	m, err := Fit(context.Background(), misleading(120, 4), Options{Dims: []int{4}, Steps: 5})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := m.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return m, b.Bytes()
}

func TestRead(t *testing.T) {
	m, b := written(t)
	got, err := Read(bytes.NewReader(b))
	if err != nil || !slices.Equal(got.rotation.Data, m.rotation.Data) || !slices.Equal(got.Losses(), m.Losses()) || got.Trained() != m.Trained() {
		t.Errorf("%+v, %v", got, err)
	}
	broken := m.rotation.Clone()
	broken.Data[0] += 1
	var w bytes.Buffer
	if _, err := (&Map{rotation: broken, losses: m.losses}).WriteTo(&w); err != nil {
		t.Fatal(err)
	}
	var bad *artifact.CorruptError
	if _, err := Read(&w); !errors.As(err, &bad) {
		t.Errorf("no rotation: %v", err)
	}
}

func FuzzRead(f *testing.F) {
	_, b := written(f)
	f.Add(b)
	f.Add(b[:len(b)-3])
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Read(bytes.NewReader(b))
		if err != nil {
			return
		}
		if m.InDim() < 1 || m.OutDim() != m.InDim() {
			t.Fatalf("read a map from %d to %d dimensions", m.InDim(), m.OutDim())
		}
	})
}
