//go:build !race

package ivf

import (
	"testing"

	"github.com/latent-go/latent/index"
	"github.com/latent-go/latent/index/indextest"
	"github.com/latent-go/latent/quantize/product"
	"github.com/latent-go/latent/vec"
)

// With the race detector a sync.Pool forgets at random.
func TestSearchAllocatesItsHitsOnly(t *testing.T) {
	x := indextest.Vectors(1000, 16, 1)
	for m := vec.Euclidean; m <= vec.Manhattan; m++ {
		ix := trained(t, x, Options{Lists: 10, Metric: m, Residual: true}, pq(product.Options{M: 8, Bits: 4}))
		if err := ix.Add(background, nil, x); err != nil {
			t.Fatal(err)
		}
		q := index.Query{K: 10, Effort: 3}
		if n := testing.AllocsPerRun(100, func() { ix.Search(background, x.Row(3), q) }); n > 1 {
			t.Errorf("%v: %v allocations a search, want 1", m, n)
		}
	}
}
