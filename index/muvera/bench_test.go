package muvera

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/latent-go/latent/quantize"
	"github.com/latent-go/latent/quantize/scalar"
	"github.com/latent-go/latent/vec"
)

// BenchmarkScores scores documents of 40 tokens, one an iteration, through scorers or decoded: see decodeFrom.
func BenchmarkScores(b *testing.B) {
	const d, documents, each = 128, 300, 40
	r := rand.New(rand.NewPCG(1, 2))
	x := units(r, documents*each, d)
	c8, err := scalar.FitInt8(x, scalar.Options{})
	if err != nil {
		b.Fatal(err)
	}
	var offsets []int
	for i := range documents + 1 {
		offsets = append(offsets, each*i)
	}
	for _, c := range []quantize.Codec{nil, scalar.Float16(d), c8} {
		docs, err := NewDocuments(x, offsets, c)
		if err != nil {
			b.Fatal(err)
		}
		for _, n := range []int{4, decodeFrom - 1, decodeFrom, 32} {
			s := docs.scorer(x.Slice(0, n))
			name := "f32"
			if c != nil {
				name = c.String()
			}
			b.Run(fmt.Sprintf("%s/d=%d/query=%d", name, d, n), func(b *testing.B) {
				for i := 0; b.Loop(); i++ {
					s.score(i % documents)
				}
			})
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	x := units(rand.New(rand.NewPCG(1, 2)), 40, 128)
	e := mustNew(b, 128, Options{})
	dst := make([]float32, e.Dim())
	for _, c := range []struct {
		name   string
		encode func([]float32, vec.Matrix) ([]float32, error)
		x      vec.Matrix
	}{{"document=40", e.EncodeDocument, x}, {"query=8", e.EncodeQuery, x.Slice(0, 8)}} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				if _, err := c.encode(dst, c.x); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
