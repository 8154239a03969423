package collection_test

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/latent-go/latent/collection"
	"github.com/latent-go/latent/collection/filter"
	"github.com/latent-go/latent/collection/point"
	"github.com/latent-go/latent/vec"
)

// A search by meaning and one by words, joined, among the papers of some years.
func ExampleCollection_Query() {
	ctx := context.Background()
	s, err := collection.Open("data", collection.Options{FS: vfs.NewMem()}) // without FS, a folder on the disk
	if err != nil {
		panic(err)
	}
	defer s.Close()
	err = s.Create(ctx, "papers", collection.Config{Vectors: map[string]collection.VectorConfig{"": {Size: 2, Distance: vec.Cosine}}})
	if err != nil {
		panic(err)
	}
	c, err := s.Collection("papers")
	if err != nil {
		panic(err)
	}
	for field, kind := range map[string]string{"title": "text", "year": "integer"} {
		if err := c.CreateFieldIndex(ctx, field, filter.Schema{Type: kind}); err != nil {
			panic(err)
		}
	}
	paper := func(id uint64, x, y float32, title string, year int64) point.Point {
		return point.Point{ID: point.Num(id), Vectors: point.Vectors{"": point.Dense([]float32{x, y})}, Payload: point.Payload{"title": title, "year": year}}
	}
	_, err = c.Apply(ctx, []collection.Op{collection.Upsert{Points: []point.Point{
		paper(1, 1, 0, "Nearest neighbours in graphs", 2016),
		paper(2, 0.9, 0.1, "Product quantization for search", 2011),
		paper(3, 0, 1, "Cooking with graphs", 2019),
		paper(4, 0.8, 0.2, "Vector search at scale", 2021),
	}}}, true)
	if err != nil {
		panic(err)
	}
	var recent filter.Filter
	if err := json.Unmarshal([]byte(`{"must": {"key": "year", "range": {"gte": 2015}}}`), &recent); err != nil {
		panic(err)
	}
	x := point.Dense([]float32{1, 0})
	hits, err := c.Query(ctx, collection.Query{
		Prefetch: []collection.Query{
			{Ask: collection.Nearest{To: collection.Input{Vector: &x}}, Limit: 20},
			{Ask: collection.Text{Key: "title", Query: "vector search"}, Limit: 20},
		},
		Ask:         collection.Fusion{Method: "rrf"},
		Filter:      &recent,
		WithPayload: collection.Select{Include: []string{"title"}},
	})
	if err != nil {
		panic(err)
	}
	for _, h := range hits {
		fmt.Printf("%s %.3f %s\n", h.ID, h.Score, h.Payload["title"])
	}
	// Output:
	// 4 0.833 Vector search at scale
	// 1 0.500 Nearest neighbours in graphs
	// 3 0.250 Cooking with graphs
}
