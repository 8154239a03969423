package plan_test

import (
	"context"
	"fmt"

	"github.com/latent-go/latent/dataset/synthetic"
	"github.com/latent-go/latent/index"
	"github.com/latent-go/latent/plan"
	"github.com/latent-go/latent/vec"
)

func Example() {
	ctx := context.Background()
	spec, _ := synthetic.Parse("synthetic:mixture?n=2000&d=6&ambient=64&seed=1")
	set, err := spec.Generate(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	p, err := plan.Parse("pca:24|sq8|hnsw:16|rerank:4")
	if err != nil {
		fmt.Println(err)
		return
	}
	ix, err := plan.Build(ctx, p, set.X, plan.Options{Metric: vec.Cosine})
	if err != nil {
		fmt.Println(err)
		return
	}
	res, err := ix.Search(ctx, set.X.Row(7), index.Query{K: 3, Effort: 50})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(ix.Plan(), "keeps", ix.Len(), "vectors; the nearest to vector 7 is", res.Hits[0].ID)
	// Output: pca:24|sq8|hnsw:16|rerank:4 keeps 2000 vectors; the nearest to vector 7 is 7
}

func ExampleTune() {
	ctx := context.Background()
	spec, _ := synthetic.Parse("synthetic:mixture?n=4000&d=6&ambient=64&seed=1")
	set, err := spec.Generate(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	report, ix, err := plan.Tune(ctx, set.X, plan.Target{Recall: 0.9, Weight: -1}) // only bytes count
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("proven:", report.Proof.Met, "in a quarter of the bytes or fewer:", 4*report.Bytes.Index <= report.Bytes.Float32, "vectors:", ix.Len())
	// Output: proven: true in a quarter of the bytes or fewer: true vectors: 4000
}
