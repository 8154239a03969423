package muvera_test

import (
	"context"
	"fmt"

	"github.com/latent-go/latent/index/muvera"
	"github.com/latent-go/latent/vec"
)

func Example() {
	// Three documents of two, one and three tokens in the plane.
	tokens, err := vec.FromRows([][]float32{{1, 0}, {0, 1}, {-1, 0}, {0.6, 0.8}, {0.8, 0.6}, {0, -1}})
	if err != nil {
		panic(err)
	}
	docs, err := muvera.NewDocuments(tokens, []int{0, 2, 3, 6}, nil)
	if err != nil {
		panic(err)
	}
	ctx := context.Background()
	ix, err := muvera.Build(ctx, docs, muvera.BuildOptions{Options: muvera.Options{Seed: 1}})
	if err != nil {
		panic(err)
	}
	query, err := vec.FromRows([][]float32{{0.6, 0.8}, {0, -1}})
	if err != nil {
		panic(err)
	}
	res, err := ix.Search(ctx, query, muvera.Query{K: 2})
	if err != nil {
		panic(err)
	}
	for _, h := range res.Hits {
		fmt.Printf("document %d: %.1f\n", h.ID, h.Score)
	}
	// Output:
	// document 2: 2.0
	// document 0: 0.8
}

func ExampleBallCarve() {
	q, err := vec.FromRows([][]float32{{1, 0}, {0, 1}, {0.8, 0.6}})
	if err != nil {
		panic(err)
	}
	fmt.Println(muvera.BallCarve(q, 0.7).Data)
	// Output: [1.8 0.6 0 1]
}
