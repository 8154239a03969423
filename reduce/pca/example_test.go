package pca_test

import (
	"context"
	"fmt"

	"github.com/latent-go/latent/reduce/pca"
	"github.com/latent-go/latent/vec"
)

// Points near a line in the plane: one direction holds nearly all of the variance.
func ExampleFit() {
	x, _ := vec.FromRows([][]float32{{1, 2}, {2, 4}, {3, 6.1}, {4, 7.9}})
	m, err := pca.Fit(context.Background(), x, pca.Options{Variance: 0.99})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(m, m.Mean())
	fmt.Printf("%.4f of the variance along %.3f\n", m.Ratios()[0], m.Components().Row(0))
	fmt.Printf("%.2f\n", m.Apply(vec.Matrix{}, x).Data)
	// Output:
	// pca:1 [2.5 5]
	// 0.9999 of the variance along [0.451 0.893]
	// [-3.35 -1.12 1.21 3.26]
}

// A sum over parts, for data that does not fit into memory.
func ExampleAccumulator() {
	a := pca.NewAccumulator(2)
	for _, rows := range [][][]float32{{{1, 2}, {2, 4}}, {{3, 6.1}, {4, 7.9}}} {
		block, _ := vec.FromRows(rows)
		if err := a.Add(block); err != nil {
			fmt.Println(err)
			return
		}
	}
	m, err := a.Fit(context.Background(), pca.Options{Components: 1})
	fmt.Println(a.Len(), m, err)
	// Output: 4 pca:1 <nil>
}
