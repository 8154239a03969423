package binary

import (
	"fmt"
	"testing"

	"github.com/latent-go/latent/dataset/catalog"
	"github.com/latent-go/latent/neighbors"
	"github.com/latent-go/latent/quantize"
	"github.com/latent-go/latent/quantize/scalar"
	"github.com/latent-go/latent/vec"
)

// BenchmarkRecall scans real data, where `latent data get` has put it, and reports how many of the 10 nearest are among the
// first 10, 20, 50, 100 and 500 by code; then, of rabitq, how many rows have a lower bound (at 3 deviations) within the
// tenth exact distance, which is how many a pruned re-ranking must look at, and its recall.
func BenchmarkRecall(b *testing.B) {
	for _, set := range []struct {
		name   string
		metric vec.Metric
	}{{"fashion-mnist", vec.Euclidean}, {"glove-100", vec.Cosine}} {
		b.Run(set.name, func(b *testing.B) {
			data, err := catalog.Load(b.Context(), set.name, catalog.Options{Offline: true})
			if err != nil {
				b.Skip(err)
			}
			x, queries := data.Train.Clone(), data.Test
			if queries.Rows == 0 { // then rows after those searched
				queries = x.Slice(200_000, 200_100)
				x = x.Slice(0, 200_000)
			}
			queries = queries.Slice(0, 100).Clone()
			if set.metric == vec.Cosine {
				for _, m := range []vec.Matrix{x, queries} {
					for i := range m.Rows {
						vec.Normalize(m.Row(i), m.Row(i))
					}
				}
			}
			truth, err := neighbors.Exact(b.Context(), queries, x, neighbors.Options{K: 10, Metric: set.metric})
			if err != nil {
				b.Fatal(err)
			}
			var codecs []quantize.Codec
			for _, bits := range []int{1, 2, 3, 4, 8} {
				codecs = append(codecs, fit(b, x, Options{Bits: bits}))
			}
			for _, fit := range []func(vec.Matrix, scalar.Options) (*scalar.Codec, error){scalar.FitInt4, scalar.FitInt8} {
				c, err := fit(x, scalar.Options{})
				if err != nil {
					b.Fatal(err)
				}
				codecs = append(codecs, c)
			}
			for _, c := range codecs {
				b.Run(fmt.Sprintf("%v/bytes=%d", c, c.CodeSize()), func(b *testing.B) { benchmarkRecall(b, c, set.metric, x, queries, truth) })
			}
		})
	}
}

func benchmarkRecall(b *testing.B, c quantize.Codec, m vec.Metric, x, queries vec.Matrix, truth neighbors.Table) {
	size := c.CodeSize()
	codes := make([]byte, x.Rows*size)
	if err := vec.Blocks(b.Context(), x.Rows, 64, func(lo, hi int) error {
		for i := lo; i < hi; i++ {
			c.Encode(codes[i*size:i*size], x.Row(i))
		}
		return nil
	}); err != nil {
		b.Fatal(err)
	}
	dst, lo := make([]float32, x.Rows), make([]float32, x.Rows)
	s := c.Scorer(m, queries.Row(0))
	wanted := []int{10, 20, 50, 100, 500}
	found := make([]int, len(wanted))
	var within, caught int
	for q := range queries.Rows {
		s.Reset(queries.Row(q))
		s.Distances(dst, codes)
		top := vec.NewTopK(wanted[len(wanted)-1])
		for i, d := range dst {
			top.Push(d, uint32(i))
		}
		ids, _ := top.Append(nil, nil)
		near, far := truth.Row(q)
		is := map[uint32]bool{}
		for _, id := range near {
			is[id] = true
		}
		for w, n := range wanted {
			for _, id := range ids[:n] {
				if is[id] {
					found[w]++
				}
			}
		}
		if s, ok := s.(*Scorer); ok {
			s.Bounds(dst, lo, codes, 3)
			for i, l := range lo {
				if l <= far[len(far)-1] {
					within++
					if is[uint32(i)] {
						caught++
					}
				}
			}
		}
	}
	q := 0
	for b.Loop() {
		s.Reset(queries.Row(q % queries.Rows))
		s.Distances(dst, codes)
		q++
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*x.Rows), "ns/vector")
	for w, n := range wanted {
		b.ReportMetric(float64(found[w])/float64(10*queries.Rows), fmt.Sprintf("recall@10in%d", n))
	}
	if within > 0 {
		b.ReportMetric(float64(within)/float64(queries.Rows), "within")
		b.ReportMetric(float64(caught)/float64(10*queries.Rows), "recall-within")
	}
}
