package synthetic_test

import (
	"context"
	"fmt"

	"github.com/latent-go/latent/dataset/synthetic"
)

func Example() {
	spec, err := synthetic.Parse("synthetic:sphere?n=1000&d=10&ambient=50&noise=0.01&seed=1")
	if err != nil {
		fmt.Println(err)
		return
	}
	set, err := spec.Generate(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%d×%d, intrinsic dimension %v\n", set.X.Rows, set.X.Cols, set.Intrinsic)
	// Output: 1000×50, intrinsic dimension 10
}

func ExampleParse() {
	spec, _ := synthetic.Parse("synthetic:mixture?d=4")
	fmt.Println(spec)
	_, err := synthetic.Parse("synthetic:swissroll?d=3")
	fmt.Println(err)
	// Output:
	// synthetic:mixture?n=2500&d=4&ambient=64&clusters=10&spread=1
	// synthetic: swissroll: has intrinsic dimension 2, not d=3; leave d out
}
