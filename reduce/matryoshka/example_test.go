package matryoshka_test

import (
	"context"
	"fmt"
	"log"

	"github.com/latent-go/latent/dataset/synthetic"
	"github.com/latent-go/latent/reduce/matryoshka"
	"github.com/latent-go/latent/vec"
)

func ExampleFit() {
	x, err := synthetic.Subspace(1000, 32, 8, true, 1)
	if err != nil {
		log.Fatal(err)
	}
	m, err := matryoshka.Fit(context.Background(), x, matryoshka.Options{Dims: []int{4, 8}, Steps: 50})
	if err != nil {
		log.Fatal(err)
	}
	y := m.Apply(vec.Matrix{}, x)
	for _, l := range m.Losses() {
		fmt.Printf("the first %d of %d columns find as many neighbours as PCA's or more: %v\n", l.Dim, y.Cols, l.Recall >= l.PCA-0.05)
	}
	fmt.Printf("of rank 8, by the first 8 alone: %.0f %%\n", 100*m.Losses()[1].Recall)
	// Output:
	// the first 4 of 32 columns find as many neighbours as PCA's or more: true
	// the first 8 of 32 columns find as many neighbours as PCA's or more: true
	// of rank 8, by the first 8 alone: 100 %
}
