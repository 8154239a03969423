package scalar_test

import (
	"fmt"

	"github.com/latent-go/latent/quantize/scalar"
	"github.com/latent-go/latent/vec"
)

// Two dimensions of different range, in one byte each.
func ExampleFitInt8() {
	x, _ := vec.FromRows([][]float32{{0, -100}, {1, 100}, {0.5, 20}})
	c, err := scalar.FitInt8(x, scalar.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	codes := c.Encode(nil, x.Row(2))
	fmt.Println(codes, c.Decode(nil, codes))

	d := make([]float32, 1)
	c.Scorer(vec.Manhattan, []float32{0, 0}).Distances(d, codes)
	fmt.Printf("%.3f\n", d[0])
	// Output:
	// [127 153] [0.49803925 20]
	// 20.498
}
