package dimension_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/latent-go/latent/measure/dimension"
	"github.com/latent-go/latent/vec"
)

// A swiss roll is a sheet of two dimensions, rolled up in three.
func ExampleMeasure() {
	rng := rand.New(rand.NewPCG(1, 1))
	x := vec.NewMatrix(500, 3)
	for i := range x.Rows {
		t := 1.5 * math.Pi * (1 + 2*rng.Float64())
		copy(x.Row(i), []float32{float32(t * math.Cos(t)), float32(21 * rng.Float64()), float32(t * math.Sin(t))})
	}
	r, err := dimension.Measure(context.Background(), x, dimension.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(r.Summary)
	for _, e := range r.Estimates {
		fmt.Printf("%-12s %.1f\n", e.Method, e.Value)
	}
	// Output:
	// intrinsic dimension ≈ 2.0 (1.6 to 2.1) of 3 columns; 3 principal directions hold 90 % of the variance
	// TwoNN        1.8
	// MLE          1.9
	// MOM          1.9
	// Correlation  1.9
	// DANCo        2.0
	// FisherS      2.9
}
