package manifold_test

import (
	"context"
	"fmt"
	"math"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/latent-go/latent/nn"
	"github.com/latent-go/latent/nn/manifold"
	"github.com/latent-go/latent/vec"
)

// The plane in which a symmetric matrix is largest, by descent over planes: of diag(1, 5, 2, 4) the second and the fourth axis.
func ExampleSGD() {
	a := vec.NewMatrix(4, 4)
	for i, v := range []float32{1, 5, 2, 4} {
		a.Row(i)[i] = v
	}
	loss := func(scope *model.Scope, in []*Node) (*Node, nn.Metrics) {
		x := scope.WithInitializer(manifold.Orthonormal(scope)).VariableWithShape("plane", shapes.Make(dtypes.Float32, 4, 2)).NodeValue(in[0])
		return Neg(ReduceAllSum(Mul(x, MatMul(in[0], x)))), nil
	}
	feed, err := nn.Batches(nn.BatchOptions{InOrder: true}, nn.Rows(a))
	if err != nil {
		fmt.Println(err)
		return
	}
	w, err := nn.New(1)
	if err != nil {
		fmt.Println(err)
		return
	}
	o := manifold.SGD{On: func(path string) manifold.Kind { return manifold.Grassmann }}
	if _, err := nn.Train(context.Background(), w, loss, feed, nn.Options{Steps: 200, Rate: 0.05, Optimizer: o}); err != nil {
		fmt.Println(err)
		return
	}
	x, _, err := w.Float32("/plane")
	if err != nil {
		fmt.Println(err)
		return
	}
	for i := range 4 { // how far each axis lies within the plane
		fmt.Printf("%.2f\n", math.Hypot(float64(x[2*i]), float64(x[2*i+1])))
	}
	// Output:
	// 0.00
	// 1.00
	// 0.00
	// 1.00
}
