//go:build !race

package product

import (
	"math/rand/v2"
	"testing"

	"github.com/latent-go/latent/vec"
)

// With the race detector a sync.Pool forgets at random.
func TestAllocates(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 9))
	c := random(r, 20, 7, 4, true)
	q, dst, code := make([]float32, 20), make([]float32, 32), make([]byte, 0, c.CodeSize())
	codes := make([]byte, 32*c.CodeSize())
	s := c.Scorer(vec.Euclidean, q).(*Scorer)
	s.BlockDistances(dst, codes)
	if n := testing.AllocsPerRun(10, func() {
		s.Reset(q)
		s.Distances(dst, codes)
		s.BlockDistances(dst, codes)
		c.Encode(code, q)
	}); n != 0 {
		t.Errorf("%v allocations a query, want none", n)
	}
}
