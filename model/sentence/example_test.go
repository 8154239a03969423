package sentence_test

import (
	"context"
	"fmt"

	"github.com/latent-go/latent/dataset/catalog"
	"github.com/latent-go/latent/model/sentence"
	"github.com/latent-go/latent/vec"
)

// Without the weights in the cache, `latent data get minilm-l6` or a Get that is not offline brings them.
func ExampleOpen() {
	ctx := context.Background()
	files, err := catalog.Get(ctx, "minilm-l6", catalog.Options{Offline: true})
	if err != nil {
		return
	}
	enc, err := sentence.Open(files.Dir)
	if err != nil {
		panic(err)
	}
	x, err := enc.Encode(ctx, []string{"The cat sat on the mat.", "A feline was sitting on a rug.", "Profits rose by 12 %."}, sentence.Options{})
	if err != nil {
		panic(err)
	}
	fmt.Printf("%.2f %.2f\n", vec.Dot(x.Row(0), x.Row(1)), vec.Dot(x.Row(0), x.Row(2)))
}
