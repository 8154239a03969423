package cur_test

import (
	"context"
	"fmt"

	"github.com/latent-go/latent/index/cur"
)

// The scorer stands for a model that reads a query and an item together. Here it counts letters that stand at the same
// place from the end.
func Example() {
	items := []string{"walking", "talking", "walked", "talked", "singing", "sang", "banking", "ranked", "ringing", "looking"}
	scorer := cur.ScorerFunc[string](func(_ context.Context, query string, ids []uint32) ([]float32, error) {
		scores := make([]float32, len(ids))
		for i, id := range ids {
			a, b := query, items[id]
			for j := 1; j <= min(len(a), len(b)); j++ {
				if a[len(a)-j] == b[len(b)-j] {
					scores[i]++
				}
			}
		}
		return scores, nil
	})
	ctx := context.Background()
	past := []string{"baking", "thinking", "asked", "rang", "linked", "bringing", "stalked"} // queries of former days
	ix, err := cur.Build(ctx, scorer, past, len(items), cur.Options{})
	if err != nil {
		panic(err)
	}
	res, err := ix.Search(ctx, "stalking", cur.Query{K: 2, Budget: 6})
	if err != nil {
		panic(err)
	}
	for _, h := range res.Hits {
		fmt.Println(items[h.ID], h.Score)
	}
	fmt.Println(res.Calls, "of", ix.Len(), "scored")
	// Output:
	// talking 7
	// walking 6
	// 6 of 10 scored
}
