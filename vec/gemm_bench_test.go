package vec

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

func noise(r *rand.Rand, rows, cols int) Matrix {
	m := NewMatrix(rows, cols)
	for i := range m.Data {
		m.Data[i] = float32(r.NormFloat64())
	}
	return m
}

func BenchmarkMulT(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	run := func(b *testing.B, n, m, d int) {
		x, y, dst := noise(r, n, d), noise(r, m, d), NewMatrix(n, m)
		b.Run(fmt.Sprintf("n=%d/m=%d/d=%d", n, m, d), func(b *testing.B) {
			for b.Loop() {
				MulT(dst, x, y)
			}
			b.ReportMetric(2*float64(n)*float64(m)*float64(d)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
		})
	}
	for _, s := range [][3]int{
		{2048, 2048, 2048}, {1000, 6000, 784}, {1000, 6000, 100}, {64, 64, 64}, {6000, 10, 100},
		{1, 6000, 128}, {6, 6000, 128}, {8, 6000, 128}, {6000, 3, 128}, {2000, 2000, 2}, {2000, 2000, 16},
	} {
		run(b, s[0], s[1], s[2])
	}
}

func BenchmarkGram(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, s := range [][2]int{{6000, 784}, {20000, 100}, {1000, 32}} {
		x, acc := noise(r, s[0], s[1]), make([]float64, s[1]*s[1])
		b.Run(fmt.Sprintf("n=%d/d=%d", s[0], s[1]), func(b *testing.B) {
			for b.Loop() {
				Gram(acc, x, nil)
			}
			// One multiplication and addition for each entry on and above the diagonal.
			b.ReportMetric(float64(s[0])*float64(s[1])*float64(s[1]+1)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
		})
	}
}
