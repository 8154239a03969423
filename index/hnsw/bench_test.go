package hnsw

import (
	"fmt"
	"testing"

	"github.com/latent-go/latent/index"
	"github.com/latent-go/latent/vec"
)

// Recall and distances stand beside the time: speed alone says little.
func BenchmarkSearch(b *testing.B) {
	for _, c := range []struct{ n, d, intrinsic int }{{20000, 96, 16}, {20000, 768, 24}} {
		x, q := split(generate(b, "synthetic:mixture?d=%d&ambient=%d&clusters=30&n=%d&seed=1", c.intrinsic, c.d, c.n+200), 200)
		ix := built(b, x, Options{EfConstruction: 100})
		for _, effort := range []int{10, 40, 160} {
			share, distances := recall(b, ix, x, q, 10, effort)
			b.Run(fmt.Sprintf("n=%d/d=%d/effort=%d", c.n, c.d, effort), func(b *testing.B) {
				b.ReportAllocs()
				i := 0
				for b.Loop() {
					ix.Search(background, q.Row(i%q.Rows), index.Query{K: 10, Effort: effort})
					i++
				}
				b.ReportMetric(share, "recall@10")
				b.ReportMetric(distances, "distances/op")
			})
		}
	}
}

func BenchmarkAdd(b *testing.B) {
	const n, d = 5000, 96
	for _, m := range []vec.Metric{vec.Euclidean, vec.Cosine} {
		x := generate(b, "synthetic:mixture?d=16&ambient=%d&n=%d&seed=1", d, n)
		b.Run(fmt.Sprintf("n=%d/d=%d/%v", n, d, m), func(b *testing.B) {
			for b.Loop() {
				built(b, x, Options{Metric: m})
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/n, "µs/row")
		})
	}
}
