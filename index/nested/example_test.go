package nested_test

import (
	"context"
	"fmt"
	"log"

	"github.com/latent-go/latent/index"
	"github.com/latent-go/latent/index/nested"
	"github.com/latent-go/latent/vec"
)

func Example() {
	ctx := context.Background()
	x, err := vec.FromRows([][]float32{{5, 1, 0}, {5, 0, 1}, {-5, 1, 0}, {0, 0, 1}})
	if err != nil {
		log.Fatal(err)
	}
	ix, err := nested.New(x, nested.Options{Dims: []int{1}})
	if err != nil {
		log.Fatal(err)
	}
	q := []float32{4, 0, 1}
	short, err := ix.SearchPrefix(ctx, q, 1, index.Query{K: 2})
	if err != nil {
		log.Fatal(err)
	}
	full, err := ix.Search(ctx, q, index.Query{K: 1, Effort: 2})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("by the first column:", short.Hits)
	fmt.Println("the nearest of these:", full.Hits, "at the cost of", full.Distances, "of 4 vectors")
	// Output:
	// by the first column: [{0 1} {1 1}]
	// the nearest of these: [{1 1}] at the cost of 3 of 4 vectors
}
