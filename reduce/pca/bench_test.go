package pca

import (
	"context"
	"math/rand/v2"
	"testing"
)

func BenchmarkFit(b *testing.B) {
	x := gaussian(rand.New(rand.NewPCG(1, 1)), 20_000, 768)
	for _, s := range []Solver{Exact, Randomized} {
		b.Run("n=2e4/d=768/k=128/"+s.String(), func(b *testing.B) {
			for b.Loop() {
				if _, err := Fit(context.Background(), x, Options{Components: 128, Solver: s}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
