//go:build amd64 && !noasm

package vec

import "testing"

// BenchmarkDotBound times a kernel that only loads beside Dot: their ratio, in one run, says how near to the limit of
// the processor's load ports Dot is.
func BenchmarkDotBound(b *testing.B) {
	if !hasAVX512 {
		b.Skip("no AVX-512")
	}
	x, y := make([]float32, 768), make([]float32, 768)
	b.Run("loads", func(b *testing.B) {
		for b.Loop() {
			loadsAVX512(x, y)
		}
	})
	b.Run("dot", func(b *testing.B) {
		for b.Loop() {
			Dot(x, y)
		}
	})
	b.Run("avx2", func(b *testing.B) {
		for b.Loop() {
			dotAVX2(x, y)
		}
	})
}
