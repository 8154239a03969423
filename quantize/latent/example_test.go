package latent_test

import (
	"fmt"

	"github.com/latent-go/latent/quantize/latent"
	"github.com/latent-go/latent/vec"
)

// Three bits: one tells the two ends of the first dimension apart, two the four values of the second; the third is
// always the same and takes none.
func ExampleFit() {
	x, _ := vec.FromRows([][]float32{{-5, 0, 7}, {-5, 1, 7}, {5, 10, 7}, {5, 12, 7}})
	c, err := latent.Fit(x, latent.Options{Bits: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	for i := range c.Dim() {
		fmt.Println(c.Values(i))
	}
	code := c.Encode(nil, []float32{4, 2, 9})
	fmt.Println(c.Bits(), "bits:", code, c.Decode(nil, code))
	// Output:
	// [-5 5]
	// [0 1 10 12]
	// [7]
	// 3 bits: [3] [5 1 7]
}
