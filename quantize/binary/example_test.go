package binary_test

import (
	"fmt"
	"math/rand/v2"

	"github.com/latent-go/latent/quantize/binary"
	"github.com/latent-go/latent/vec"
)

// One bit a dimension finds few candidates, and bounds say which of them are worth an exact look.
func Example() {
	rng := rand.New(rand.NewPCG(1, 1))
	x := vec.NewMatrix(1000, 256)
	for i := range x.Data {
		x.Data[i] = float32(rng.NormFloat64())
	}
	c, err := binary.Fit(x, binary.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	var codes []byte
	for i := range x.Rows {
		codes = c.Encode(codes, x.Row(i))
	}
	q := make([]float32, 256)
	copy(q, x.Row(42))
	q[0]++

	s := c.NewScorer(vec.Euclidean, q)
	dst, lo := make([]float32, x.Rows), make([]float32, x.Rows)
	s.Bounds(dst, lo, codes, 4)
	nearest, best, looks := -1, float32(1e9), 0
	for i := range x.Rows {
		if lo[i] < best {
			looks++
			if d := vec.SquaredL2(q, x.Row(i)); d < best {
				nearest, best = i, d
			}
		}
	}
	fmt.Printf("%d bytes instead of %d: row %d at %.0f\n", c.CodeSize(), 4*c.Dim(), nearest, best)
	fmt.Println("fewer than a tenth of the rows looked at:", looks < 100)
	// Output:
	// 40 bytes instead of 1024: row 42 at 1
	// fewer than a tenth of the rows looked at: true
}
