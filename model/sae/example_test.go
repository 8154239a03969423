package sae_test

import (
	"context"
	"fmt"

	"github.com/latent-go/latent/dataset/synthetic"
	"github.com/latent-go/latent/explain/dictionary"
	"github.com/latent-go/latent/model/sae"
	"github.com/latent-go/latent/nn"
)

func ExampleFit() {
	ctx := context.Background()
	tree, err := synthetic.Tree{N: 1000, Seed: 1}.Generate() // rows of 20 numbers, sums of one or two of 20 directions
	if err != nil {
		fmt.Println(err)
		return
	}
	m, _, err := sae.Fit(ctx, tree.X, sae.Options{Kind: sae.MP, Features: 40, K: 4, Train: nn.Options{Epochs: 40, Rate: 1e-2}})
	if err != nil {
		fmt.Println(err)
		return
	}
	codes, err := m.Encode(ctx, tree.X, dictionary.Stop{})
	if err != nil {
		fmt.Println(err)
		return
	}
	r, err := m.Report(ctx, tree.X, dictionary.Stop{}, 3)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%v of %d features; %d rows, at most %d features each\n", m.Kind(), m.Features(), codes.Len(), m.K())
	fmt.Printf("more than 90 %% explained: %v; rows with most of the first feature: %d\n", r.Explained > 0.9, len(r.Features[0].Top))
	fewer, err := m.Encode(ctx, tree.X, dictionary.Stop{K: 1}) // of the same model
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("with one step: %.0f\n", fewer.L0())
	// Output:
	// mp of 40 features; 1000 rows, at most 4 features each
	// more than 90 % explained: true; rows with most of the first feature: 3
	// with one step: 1
}
