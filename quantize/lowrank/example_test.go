package lowrank_test

import (
	"context"
	"fmt"

	"github.com/latent-go/latent/quantize/lowrank"
	"github.com/latent-go/latent/vec"
)

// Pieces of two numbers that lie on one line, in three places: rank 1 and three codewords are all of them.
func ExampleFit() {
	x, _ := vec.FromRows([][]float32{{3, 4, -3, -4}, {6, 8, 3, 4}, {-3, -4, 6, 8}})
	c, err := lowrank.Fit(context.Background(), x, lowrank.Options{Sub: 2, Rank: 1, Clusters: 3})
	if err != nil {
		fmt.Println(err)
		return
	}
	for i := range x.Rows {
		fmt.Printf("%.2f\n", c.Decode(nil, c.Encode(nil, x.Row(i))))
	}
	fmt.Println(c, "takes", c.CodeSize(), "bytes a row and", c.SizeBytes(), "for all")
	// Output:
	// [3.00 4.00 -3.00 -4.00]
	// [6.00 8.00 3.00 4.00]
	// [-3.00 -4.00 6.00 8.00]
	// lrvq:2,1 takes 2 bytes a row and 20 for all
}
