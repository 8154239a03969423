package vec

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
)

func TestScatter(t *testing.T) {
	onEach(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(7, 8))
		newX, newAbout := arena(t, r, 1537*50), arena(t, r, 600)
		accBefore, _ := guarded[float64](t, 500*500)
		sumBefore, _ := guarded[float64](t, 500)
		for _, s := range [][2]int{{0, 3}, {1, 1}, {3, 2}, {5, 47}, {383, 48}, {385, 49}, {100, 8}, {100, 9}, {1537, 24}, {2000, 25}, {5, 500}, {50, 130}, {129, 96}} {
			n, d := s[0], s[1]
			x, about := newX(n, d), newAbout(1, d).Data
			acc, sums := accBefore(d*d), sumBefore(d)
			clear(acc)
			for i := range d {
				acc[i*d+i], sums[i] = 7, 5 // what was there stays
			}
			Scatter(acc, sums, x, about)
			for i := range d {
				want, size := 5.0, 0.0
				for p := range n {
					v := float64(x.Row(p)[i] - about[i])
					want += v
					size += math.Abs(v)
				}
				if !(math.Abs(sums[i]-want) <= 128*0x1p-24*size+1e-14) {
					t.Fatalf("n=%d d=%d: sum %d is %v, want %v", n, d, i, sums[i], want)
				}
				for j := range i + 1 {
					var want, size float64
					for p := range n {
						v := float64(x.Row(p)[i]-about[i]) * float64(x.Row(p)[j]-about[j])
						want += v
						size += math.Abs(v)
					}
					if i == j {
						want += 7
					}
					if got := acc[i*d+j]; !(math.Abs(got-want) <= float64(maxDepth+8)*0x1p-24*size+1e-14) {
						t.Fatalf("n=%d d=%d: [%d][%d] is %v, want %v", n, d, i, j, got, want)
					}
				}
			}
		}
	})
}

func TestScatterIsSteady(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 9))
	const d = 150
	x, about := noise(r, 3000, d), noise(r, 1, d).Data
	run := func() []float64 {
		acc := make([]float64, (d+1)*d)
		Scatter(acc[:d*d], acc[d*d:], x, about)
		return acc
	}
	want := run()
	for _, procs := range []int{1, 5} {
		old := runtime.GOMAXPROCS(procs)
		got := run()
		runtime.GOMAXPROCS(old)
		if !slices.Equal(got, want) {
			t.Fatalf("GOMAXPROCS %d changes the result", procs)
		}
	}
}

// A value that is not finite must show in the sum of its column, wherever it stands: fits rely on it.
func TestScatterShowsNotFinite(t *testing.T) {
	onEach(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(3, 3))
		const n, d = 200, 53
		for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
			for range 50 {
				x := noise(r, n, d)
				i, j := r.IntN(n), r.IntN(d)
				x.Row(i)[j] = float32(bad)
				sums := make([]float64, d)
				Scatter(make([]float64, d*d), sums, x, make([]float32, d))
				for c, s := range sums {
					if finite := !math.IsNaN(s) && !math.IsInf(s, 0); finite == (c == j) {
						t.Fatalf("%v at row %d, column %d: the sum of column %d is %v", bad, i, j, c, s)
					}
				}
			}
		}
	})
}

func TestScatterPanics(t *testing.T) {
	x := NewMatrix(2, 3)
	for name, f := range map[string]func(){
		"acc":   func() { Scatter(make([]float64, 8), make([]float64, 3), x, make([]float32, 3)) },
		"sums":  func() { Scatter(make([]float64, 9), make([]float64, 2), x, make([]float32, 3)) },
		"about": func() { Scatter(make([]float64, 9), make([]float64, 3), x, nil) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s of another length: no panic", name)
				}
			}()
			f()
		}()
	}
}

func BenchmarkScatter(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, d := range []int{100, 768} {
		x, about := noise(r, 6144, d), make([]float32, d)
		acc, sums := make([]float64, d*d), make([]float64, d)
		b.Run(fmt.Sprintf("n=6144/d=%d", d), func(b *testing.B) {
			for b.Loop() {
				Scatter(acc, sums, x, about)
			}
		})
	}
}

func ExampleScatter() {
	x, _ := FromRows([][]float32{{1, 0}, {2, 1}, {3, 5}})
	acc, sums := make([]float64, 4), make([]float64, 2)
	Scatter(acc, sums, x, []float32{2, 2})
	fmt.Println(sums, acc[0], acc[2], acc[3])
	// Output: [0 0] 2 5 14
}
