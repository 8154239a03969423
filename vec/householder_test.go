package vec

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// doubles gives slices of noise that end, or begin, where memory may not be touched.
func doubles(t *testing.T, r *rand.Rand, room int) func(n int) []float64 {
	before, after := guarded[float64](t, room)
	return func(n int) []float64 {
		place := before
		if r.IntN(2) == 0 {
			place = after
		}
		v := place(n)
		for i := range v {
			v[i] = r.NormFloat64()
		}
		return v
	}
}

func TestRank2Mul(t *testing.T) {
	onEach(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		const most = 67
		newA := doubles(t, r, (most+3)*most)
		var newV [4]func(int) []float64
		for i := range newV {
			newV[i] = doubles(t, r, most)
		}
		for n := range most {
			step := n + r.IntN(4)
			a := newA(max(0, (n-1)*step+n))
			q, u, x, p := newV[0](n), newV[1](n), newV[2](n), newV[3](n)
			old, sum := append([]float64{}, a...), append([]float64{}, p...)
			size := make([]float64, n)
			Rank2Mul(a, step, q, u, x, p)
			for i := range n {
				for j := range min(step, len(a)-i*step) {
					got, want := a[i*step+j], old[i*step+j]
					if j > i {
						if got != want {
							t.Fatalf("n=%d: [%d][%d], beyond the diagonal, was %v, is %v", n, i, j, want, got)
						}
						continue
					}
					terms := math.Abs(want) + math.Abs(q[i]*u[j]) + math.Abs(u[i]*q[j])
					want -= q[i]*u[j] + u[i]*q[j]
					if !(math.Abs(got-want) <= 4*0x1p-53*terms) {
						t.Fatalf("n=%d: [%d][%d] is %v, want %v", n, i, j, got, want)
					}
					sum[i] += want * x[j]
					size[i] += terms * math.Abs(x[j])
					if i != j {
						sum[j] += want * x[i]
						size[j] += terms * math.Abs(x[i])
					}
				}
			}
			for i := range n {
				if !(math.Abs(p[i]-sum[i]) <= float64(n+8)*0x1p-53*(size[i]+math.Abs(sum[i])+4)) {
					t.Fatalf("n=%d: p[%d] is %v, want %v", n, i, p[i], sum[i])
				}
			}
		}
	})
}

func TestReflect(t *testing.T) {
	onEach(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 3))
		const most = 41
		newZ, newU := doubles(t, r, 9*(most+3)), doubles(t, r, most)
		for m := 1; m < most; m++ {
			for n := range 9 {
				step := m + r.IntN(4)
				z, u := newZ(max(0, (n-1)*step+m)), newU(m)
				var h float64
				for _, v := range u {
					h += v * v / 2
				}
				old := append([]float64{}, z...)
				Reflect(z, step, n, u, h)
				for i := range n {
					var s, size float64
					for j, v := range u {
						s += v * old[i*step+j]
						size += math.Abs(v * old[i*step+j])
					}
					for j := range min(step, len(z)-i*step) {
						at := i*step + j
						if j >= m {
							if z[at] != old[at] {
								t.Fatalf("m=%d n=%d: value %d of row %d was %v, is %v", m, n, j, i, old[at], z[at])
							}
							continue
						}
						want := old[at] - s/h*u[j]
						if !(math.Abs(z[at]-want) <= float64(m+8)*0x1p-53*(math.Abs(old[at])+size/h*math.Abs(u[j]))) {
							t.Fatalf("m=%d n=%d: value %d of row %d is %v, want %v", m, n, j, i, z[at], want)
						}
					}
				}
			}
		}
	})
}

func ExampleRank2Mul() {
	a := []float64{
		5, 0,
		1, 5,
	}
	p := make([]float64, 2)
	Rank2Mul(a, 2, []float64{1, 0}, []float64{1, 1}, []float64{1, 1}, p)
	fmt.Println(a, p)
	// Output: [3 0 0 5] [3 5]
}

func ExampleReflect() {
	z := []float64{3, 1}
	Reflect(z, 2, 1, []float64{1, 0}, 0.5)
	fmt.Println(z)
	// Output: [-3 1]
}

func BenchmarkRank2Mul(b *testing.B) {
	for _, n := range []int{128, 768} {
		a, v := make([]float64, n*n), make([]float64, n)
		b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) {
			for b.Loop() {
				Rank2Mul(a, n, v, v, v, v)
			}
		})
	}
}
