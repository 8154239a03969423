package cluster_test

import (
	"context"
	"fmt"

	"github.com/latent-go/latent/cluster"
	"github.com/latent-go/latent/vec"
)

func ExampleKMeans() {
	x, _ := vec.FromRows([][]float32{{0, 0}, {0, 2}, {10, 0}, {10, 4}, {10, 2}})
	r, err := cluster.KMeans(context.Background(), x, cluster.Options{K: 2})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(r.Centroids.Row(int(r.Assign[0])), r.Centroids.Row(int(r.Assign[2])), r.Inertia)
	// Output: [0 1] [10 2] 10
}
