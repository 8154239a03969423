//go:build amd64 && !noasm

package vec

import (
	"math"
	"testing"
	"time"
)

// BenchmarkDotBound says how near Dot is to the limit of the processor's load ports: it times 1000 calls of a kernel that
// only loads, then 1000 of Dot, by turns, and reports the shortest time of each and their ratio. What else the machine does
// passes both by.
func BenchmarkDotBound(b *testing.B) {
	if !hasAVX512 {
		b.Skip("no AVX-512")
	}
	x, y := make([]float32, 768), make([]float32, 768)
	best := func(least *float64, f func(a, b []float32) float32) {
		start := time.Now()
		for range 1000 {
			f(x, y)
		}
		*least = min(*least, float64(time.Since(start))/1000)
	}
	loads, dot, narrow := math.Inf(1), math.Inf(1), math.Inf(1)
	for b.Loop() {
		best(&loads, loadsAVX512)
		best(&dot, Dot)
		best(&narrow, dotAVX2)
	}
	b.ReportMetric(loads, "ns/loads")
	b.ReportMetric(dot, "ns/dot")
	b.ReportMetric(dot/loads, "dot/loads")
	b.ReportMetric(narrow/loads, "dotAVX2/loads")
	b.ReportMetric(0, "ns/op")
}
