package hnsw

import (
	"io"
	"testing"

	"github.com/latent-go/latent/index"
	"github.com/latent-go/latent/index/indextest"
	"github.com/latent-go/latent/quantize/scalar"
	"github.com/latent-go/latent/vec"
)

func TestIndex(t *testing.T) {
	indextest.Run(t, func(t *testing.T, dim int, m vec.Metric) index.Index {
		ix, err := New(scalar.Float32(dim), Options{Metric: m, M: 8, EfConstruction: 64})
		if err != nil {
			t.Fatal(err)
		}
		return ix
	}, indextest.Options{
		Recall: 0.99,
		Effort: 100,
		Read:   func(r io.Reader, _ vec.Metric) (index.Index, error) { return Read(r, scalar.Read) },
		Open:   func(path string, _ vec.Metric) (index.Index, error) { return Open(path, scalar.Read) },
	})
}
