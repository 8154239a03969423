package vec_test

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/latent-go/latent/vec"
)

func TestExp(t *testing.T) {
	for x, want := range map[float64]float64{0: 1, math.Inf(-1): 0, math.Inf(1): math.Inf(1), 1000: math.Inf(1), -1000: 0, 710.5: math.Inf(1), -750: 0} {
		if got := vec.Exp(x); got != want {
			t.Errorf("Exp(%v) is %v, want %v", x, got, want)
		}
	}
	if !math.IsNaN(vec.Exp(math.NaN())) {
		t.Error("Exp of NaN is a number")
	}
	r := rand.New(rand.NewPCG(1, 1))
	for i := range 200_000 {
		x := r.Float64()*1449 - 740 // from 709.1 on the assembly of math.Exp overflows, early
		if i%2 == 0 {
			x = r.NormFloat64() * 5
		}
		got, want := vec.Exp(x), math.Exp(x)
		if bound := 2*math.Abs(math.Nextafter(want, math.Inf(1))-want) + math.SmallestNonzeroFloat64; !(math.Abs(got-want) <= bound) && got != want { // math.Exp is off by one itself
			t.Fatalf("Exp(%v) is %v, math.Exp %v", x, got, want)
		}
	}
	for i := range 2000 { // e^(k/128) as a power of a precise e^(1/128)
		x := float64(i-1000) / 128
		want := precise(i - 1000)
		if ulp := math.Nextafter(want, math.Inf(1)) - want; math.Abs(vec.Exp(x)-want) > ulp {
			t.Fatalf("Exp(%v) is %v, want %v", x, vec.Exp(x), want)
		}
	}
}

// precise is e^(k/128) by its series in 200 bits.
func precise(k int) float64 {
	num := func(v float64) *big.Float { return big.NewFloat(v).SetPrec(200) }
	x := num(float64(k) / 128)
	term, sum := num(1), num(1)
	for i := 1; i < 120; i++ {
		term.Mul(term, x).Quo(term, num(float64(i)))
		sum.Add(sum, term)
	}
	v, _ := sum.Float64()
	return v
}

func BenchmarkExp(b *testing.B) {
	for name, f := range map[string]func(float64) float64{"vec": vec.Exp, "math": math.Exp} {
		b.Run(name, func(b *testing.B) {
			s, x := 0.0, 0.0
			for b.Loop() {
				x += 0.001
				s += f(-x)
			}
			if s < 0 {
				b.Error(s)
			}
		})
	}
}
