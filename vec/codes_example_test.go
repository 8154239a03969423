package vec_test

import (
	"fmt"

	"github.com/latent-go/latent/vec"
)

// Three vectors are kept as half precision and scored by a query in float32: all of them, then two by number.
func ExampleCodes() {
	var data []byte
	for _, v := range [][]float32{{1, 0}, {0, 1}, {3, 4}} {
		data = vec.Float16.Append(data, v)
	}
	c := vec.Codes{Format: vec.Float16, Data: data}
	q := []float32{1, 2}

	products := make([]float32, 3)
	c.Dots(products, q)
	distances := make([]float32, 2)
	c.SquaredL2sAt(distances, q, nil, []uint32{2, 0})
	fmt.Println(len(data), "bytes", products, distances)
	// Output: 12 bytes [1 2 11] [8 4]
}

func ExampleSquaredL2sAt() {
	rows := []float32{0, 0, 3, 4, 1, 1} // three rows of two
	d := make([]float32, 2)
	vec.SquaredL2sAt(d, []float32{0, 0}, rows, []uint32{1, 2})
	fmt.Println(d)
	// Output: [25 2]
}
