package hnsw_test

import (
	"context"
	"fmt"
	"log"

	"github.com/latent-go/latent/index"
	"github.com/latent-go/latent/index/hnsw"
	"github.com/latent-go/latent/quantize/scalar"
	"github.com/latent-go/latent/vec"
)

func Example() {
	ctx := context.Background()
	x, err := vec.FromRows([][]float32{{0, 0}, {1, 0}, {0, 2}, {5, 5}})
	if err != nil {
		log.Fatal(err)
	}
	ix, err := hnsw.New(scalar.Float32(2), hnsw.Options{})
	if err != nil {
		log.Fatal(err)
	}
	if err := ix.Add(ctx, []uint32{10, 11, 12, 13}, x); err != nil {
		log.Fatal(err)
	}
	ix.Delete(10)
	res, err := ix.Search(ctx, []float32{0.9, 0.1}, index.Query{K: 2, Effort: 50})
	if err != nil {
		log.Fatal(err)
	}
	for _, h := range res.Hits {
		fmt.Printf("%d at %.2f\n", h.ID, h.Distance)
	}
	// Output:
	// 11 at 0.02
	// 12 at 4.42
}
