package ivf_test

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/latent-go/latent/index"
	"github.com/latent-go/latent/index/ivf"
	"github.com/latent-go/latent/quantize/product"
	"github.com/latent-go/latent/vec"
)

// A thousand points of the plane in a byte each, by what they differ in from the nearest of 16 centroids.
func Example() {
	x := vec.NewMatrix(1000, 2)
	r := rand.New(rand.NewPCG(1, 1))
	for i := range x.Data {
		x.Data[i] = r.Float32()
	}
	ctx := context.Background()
	lists, err := ivf.Train(ctx, x, ivf.Options{Lists: 16, Residual: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	residuals, _ := lists.Residuals(ctx, x)
	codec, err := product.Fit(ctx, residuals, product.Options{M: 2, Bits: 4})
	if err != nil {
		fmt.Println(err)
		return
	}
	ix, _ := ivf.New(codec, lists)
	if err := ix.Add(ctx, nil, x); err != nil {
		fmt.Println(err)
		return
	}
	res, _ := ix.Search(ctx, []float32{0.5, 0.5}, index.Query{K: 1, Effort: 4})
	near := x.Row(int(res.Hits[0].ID))
	fmt.Println(codec.CodeSize(), "byte, found one within 0.05:", vec.SquaredL2(near, []float32{0.5, 0.5}) < 0.05*0.05)
	// Output: 1 byte, found one within 0.05: true
}
