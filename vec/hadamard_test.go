package vec

import (
	"fmt"
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"
)

func ExampleHadamard() {
	x := []float32{1, 0, 1, 0, 0, 1, 1, 0}
	Hadamard(x)
	fmt.Println(x)
	// Output: [4 2 0 -2 0 2 0 2]
}

// TestHadamardDefinition holds the transform of small integers, which float32 adds without rounding, against the matrix.
func TestHadamardDefinition(t *testing.T) {
	before, after := guarded[float32](t, 1024)
	onEach(t, func(t *testing.T) {
		for n := 1; n <= 1024; n *= 2 {
			r := rand.New(rand.NewPCG(uint64(n), 1))
			x := make([]float32, n)
			for i := range x {
				x[i] = float32(r.IntN(201) - 100)
			}
			want := make([]float32, n)
			for i := range want {
				for j, v := range x {
					if bits.OnesCount(uint(i&j))%2 == 1 {
						v = -v
					}
					want[i] += v
				}
			}
			for _, at := range []func(int) []float32{before, after} {
				got := at(n)
				copy(got, x)
				Hadamard(got)
				if !slices.Equal(got, want) {
					t.Fatalf("n = %d: %v, want %v", n, got, want)
				}
			}
		}
		Hadamard(nil)
	})
}

// TestHadamardAgrees: every kernel adds the same pairs in the same order, so that all give the same bits.
func TestHadamardAgrees(t *testing.T) {
	onEach(t, func(t *testing.T) {
		for n := 1; n <= 1<<17; n *= 2 {
			r := rand.New(rand.NewPCG(uint64(n), 2))
			x := make([]float32, n)
			for i := range x {
				x[i] = float32(r.NormFloat64() * math.Exp(4*r.NormFloat64()))
			}
			want := slices.Clone(x)
			hadamardGo(want, 1)
			Hadamard(x)
			for i := range want {
				if math.Float32bits(x[i]) != math.Float32bits(want[i]) {
					t.Fatalf("n = %d: number %d is %v, want %v", n, i, x[i], want[i])
				}
			}
		}
	})
}

func TestHadamardTwice(t *testing.T) {
	const n = 4096
	r := rand.New(rand.NewPCG(3, 3))
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	y := slices.Clone(x)
	Hadamard(y)
	Hadamard(y)
	for i := range x {
		// 24 levels of rounding, of sums up to about 6√n.
		if d := math.Abs(float64(y[i]/n - x[i])); !(d <= 24*0x1p-24*6) {
			t.Fatalf("number %d: %v came back as %v", i, x[i], y[i]/n)
		}
	}
}

func TestHadamardLength(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a transform of 3 numbers went through")
		}
	}()
	Hadamard(make([]float32, 3))
}

func TestPowerOfTwo(t *testing.T) {
	for n, want := range map[int]int{-1: 1, 0: 1, 1: 1, 2: 2, 3: 4, 4: 4, 5: 8, 1023: 1024, 1024: 1024, 1025: 2048} {
		if got := PowerOfTwo(n); got != want {
			t.Errorf("PowerOfTwo(%d) = %d, want %d", n, got, want)
		}
	}
}

func BenchmarkHadamard(b *testing.B) {
	for _, n := range []int{128, 1024, 65536, 262144} {
		x := make([]float32, n)
		b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) {
			b.SetBytes(int64(4 * n))
			for b.Loop() {
				Hadamard(x)
			}
		})
		b.Run(fmt.Sprintf("n=%d/go", n), func(b *testing.B) {
			b.SetBytes(int64(4 * n))
			for b.Loop() {
				hadamardGo(x, 1)
			}
		})
	}
}
