package catalog_test

import (
	"fmt"

	"github.com/latent-go/latent/dataset/catalog"
)

func ExampleFind() {
	e, err := catalog.Find("fashion-mnist")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%d×%d and %d queries, %s, licence %s\n", e.Rows, e.Dim, e.Queries, e.Metric, e.Licence)
	for _, s := range e.Sources[:2] {
		fmt.Println(s)
	}
	// Output:
	// 60000×784 and 10000 queries, l2, licence MIT
	// /usr/share/datasets/fashion-mnist
	// Debian package dataset-fashion-mnist
}
