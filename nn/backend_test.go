package nn_test

import (
	"sync"
	"testing"
	"time"

	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/latent-go/latent/nn"
	"github.com/latent-go/latent/vec"
)

// TestProductsDoNotWaitForEachOther runs graphs with many independent products from several goroutines, which must not
// hold the backend's workers while they wait for one.
func TestProductsDoNotWaitForEachOther(t *testing.T) {
	const n = 64
	x := vec.NewMatrix(n, n)
	for i := range x.Data {
		x.Data[i] = float32(i%7) / n
	}
	products := func(_ *model.Scope, in []*Node) []*Node {
		sum := Zeros(in[0].Graph(), shapes.Make(in[0].DType(), 4, n/4, n/4))
		for i := range 12 { // none needs another's result
			y := Reshape(AddScalar(in[0], float64(i)), 4, n/4, n)
			z := Einsum("bij,bkj->bik", y, y)
			sum = Add(sum, Einsum("bji,bjk->bik", z, z))
		}
		return []*Node{sum}
	}
	done := make(chan error, 3)
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			w, err := nn.New(1)
			if err != nil {
				done <- err
				return
			}
			f, err := w.Func(products)
			if err != nil {
				done <- err
				return
			}
			defer f.Close()
			for range 200 {
				if _, err := f.Call(nn.Tensor(x)); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		})
	}
	for range 3 {
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
		case <-time.After(time.Minute):
			t.Fatal("products wait for each other")
		}
	}
	wg.Wait()
}
