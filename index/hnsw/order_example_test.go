package hnsw_test

import (
	"context"
	"fmt"
	"log"

	"github.com/latent-go/latent/dataset/synthetic"
	"github.com/latent-go/latent/index/hnsw"
	"github.com/latent-go/latent/quantize/scalar"
	"github.com/latent-go/latent/vec"
)

func ExampleOrderLID() {
	ctx := context.Background()
	x, err := synthetic.Subspace(500, 16, 6, true, 1)
	if err != nil {
		log.Fatal(err)
	}
	order, err := hnsw.OrderLID(ctx, x, hnsw.OrderOptions{Metric: vec.Cosine})
	if err != nil {
		log.Fatal(err)
	}
	ix, err := hnsw.New(scalar.Float32(16), hnsw.Options{Metric: vec.Cosine})
	if err != nil {
		log.Fatal(err)
	}
	if err := ix.AddInOrder(ctx, nil, x, order); err != nil { // row i has ID i, whatever its turn
		log.Fatal(err)
	}
	fmt.Println(ix.Len(), "vectors")
	// Output: 500 vectors
}
