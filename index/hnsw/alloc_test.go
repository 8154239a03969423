//go:build !race

package hnsw

import (
	"testing"

	"github.com/latent-go/latent/index"
	"github.com/latent-go/latent/vec"
)

// With the race detector a sync.Pool forgets at random.
func TestSearchAllocatesItsHitsOnly(t *testing.T) {
	x := generate(t, "synthetic:cube?d=16&n=2000")
	ix := built(t, x, Options{Metric: vec.Cosine, EfConstruction: 40})
	q := index.Query{K: 10, Effort: 50}
	if n := testing.AllocsPerRun(100, func() { ix.Search(background, x.Row(3), q) }); n > 1 {
		t.Errorf("%v allocations a search, want 1", n)
	}
}
