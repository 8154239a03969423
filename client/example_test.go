package client_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net/http/httptest"
	"os"

	"github.com/latent-go/latent/client"
	"github.com/latent-go/latent/collection"
	"github.com/latent-go/latent/collection/filter"
	"github.com/latent-go/latent/collection/point"
	"github.com/latent-go/latent/server"
)

// A collection is made, filled and asked. In place of the test's server stands the address of yours.
func Example() {
	address, stop := exampleServer()
	defer stop()
	ctx := context.Background()

	c, err := client.New(address, client.Options{})
	check(err)
	check(c.CreateCollection(ctx, "cities", client.Config{Vectors: client.Vectors{"": {Size: 2, Distance: client.Euclid}}}))
	check(c.Upsert(ctx, "cities", []client.Point{
		{ID: point.Num(1), Vectors: point.Vectors{"": point.Dense([]float32{52.5, 13.4})}, Payload: point.Payload{"name": "Berlin", "rivers": []any{"Spree", "Havel"}}},
		{ID: point.Num(2), Vectors: point.Vectors{"": point.Dense([]float32{53.6, 10.0})}, Payload: point.Payload{"name": "Hamburg", "rivers": []any{"Elbe", "Alster"}}},
		{ID: point.Num(3), Vectors: point.Vectors{"": point.Dense([]float32{51.1, 13.7})}, Payload: point.Payload{"name": "Dresden", "rivers": []any{"Elbe"}}},
	}, true))

	var elbe filter.Filter
	check(json.Unmarshal([]byte(`{"must": {"key": "rivers", "match": {"value": "Elbe"}}}`), &elbe))
	hits, err := c.Query(ctx, "cities", client.Query{Query: client.NearPoint(point.Num(1)), Filter: &elbe, Limit: 2, WithPayload: true})
	check(err)
	for _, h := range hits {
		fmt.Printf("%v %.1f\n", h.Payload["name"], h.Score)
	}
	// Output:
	// Dresden 1.4
	// Hamburg 3.6
}

// A collection tells the recall of its own searches. This one is small enough to compare all of its points.
func ExampleClient_Recall() {
	address, stop := exampleServer()
	defer stop()
	ctx := context.Background()
	c, err := client.New(address, client.Options{})
	check(err)
	check(c.CreateCollection(ctx, "grid", client.Config{Vectors: client.Vectors{"": {Size: 2, Distance: client.Euclid}}}))
	var points []client.Point
	for i := range 400 {
		points = append(points, client.Point{ID: point.Num(uint64(i)), Vectors: point.Vectors{"": point.Dense([]float32{float32(i % 20), float32(i / 20)})}})
	}
	check(c.Upsert(ctx, "grid", points, true))

	r, err := c.Recall(ctx, "grid", client.RecallQuery{K: 5})
	check(err)
	fmt.Printf("recall@%d %.2f by %s\n", r.K, r.Mean, r.Plan)
	// Output:
	// recall@5 1.00 by f32|flat
}

// An alias moves from one collection to another at once, so that readers of the alias never miss it.
func ExampleClient_ChangeAliases() {
	address, stop := exampleServer()
	defer stop()
	ctx := context.Background()
	c, err := client.New(address, client.Options{})
	check(err)
	for _, name := range []string{"monday", "tuesday"} {
		check(c.CreateCollection(ctx, name, client.Config{Vectors: client.Vectors{"": {Size: 2, Distance: client.Cosine}}}))
		check(c.ChangeAliases(ctx, client.CreateAlias("today", name)))
	}
	aliases, err := c.Aliases(ctx)
	check(err)
	fmt.Println(aliases)
	// Output:
	// map[today:tuesday]
}

// exampleServer is what `latent serve` starts, in this process.
func exampleServer() (address string, stop func()) {
	dir, err := os.MkdirTemp("", "latent")
	check(err)
	store, err := collection.Open(dir, collection.Options{})
	check(err)
	s, err := server.New(store, server.Options{})
	check(err)
	web := httptest.NewServer(s.Handler())
	return web.URL, func() {
		web.Close()
		check(store.Close())
		check(os.RemoveAll(dir))
	}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
