package binary

import (
	"math"
	"math/rand/v2"

	"github.com/latent-go/latent/vec"
)

// rotation is a random orthogonal map of d dimensions, in O(d log d): three rounds of a random order with random signs,
// then a Hadamard transform of the first and one of the last p dimensions, p the largest power of two within d. So
// every dimension is mixed with at least half of the others in each round, whatever d.
type rotation struct {
	p      int
	rounds [3]struct {
		from []uint32
		sign []float32
	}
}

func newRotation(d int, seed uint64) *rotation {
	rng := rand.New(rand.NewPCG(seed, 0x726162697471)) // "rabitq"
	r := &rotation{p: 1}
	for 2*r.p <= d {
		r.p *= 2
	}
	for i := range r.rounds {
		round := &r.rounds[i]
		round.from, round.sign = make([]uint32, d), make([]float32, d)
		for j, f := range rng.Perm(d) {
			round.from[j], round.sign[j] = uint32(f), 1
			if rng.Uint64()>>63 == 1 {
				round.sign[j] = -1
			}
		}
	}
	return r
}

// apply rotates x in place; t is room for as many numbers.
func (r *rotation) apply(x, t []float32) {
	for _, round := range r.rounds {
		for i, f := range round.from {
			t[i] = round.sign[i] * x[f]
		}
		hadamard(t[:r.p])
		if r.p < len(t) {
			hadamard(t[len(t)-r.p:])
		}
		copy(x, t)
	}
}

// inverse takes apply back.
func (r *rotation) inverse(x, t []float32) {
	for i := len(r.rounds) - 1; i >= 0; i-- {
		if r.p < len(x) {
			hadamard(x[len(x)-r.p:])
		}
		hadamard(x[:r.p])
		for j, f := range r.rounds[i].from {
			t[f] = r.rounds[i].sign[j] * x[j]
		}
		copy(x, t)
	}
}

// hadamard multiplies x, whose length is a power of two, by the orthogonal Hadamard matrix, which is its own inverse.
func hadamard(x []float32) {
	vec.Hadamard(x)
	vec.Scale(x, x, float32(1/math.Sqrt(float64(len(x)))))
}
