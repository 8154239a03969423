package product_test

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/latent-go/latent/quantize/product"
	"github.com/latent-go/latent/vec"
)

// Sixteen numbers in eight bytes.
func ExampleFit() {
	x := vec.NewMatrix(1000, 16)
	r := rand.New(rand.NewPCG(1, 1))
	for i := range x.Data {
		x.Data[i] = float32(r.IntN(4)) // two of them make one of 16 pairs
	}
	c, err := product.Fit(context.Background(), x, product.Options{M: 8, Bits: 4})
	if err != nil {
		fmt.Println(err)
		return
	}
	code := c.Encode(nil, x.Row(0))
	d := make([]float32, 1)
	c.Scorer(vec.Euclidean, x.Row(0)).Distances(d, code)
	fmt.Printf("%v: %d bytes, decoded at a squared distance of %.0f\n", c, len(code), d[0])
	// Output: pq:8x4: 4 bytes, decoded at a squared distance of 0
}
