package client

import (
	"context"
	"net/http"

	"github.com/latent-go/latent/collection/filter"
	"github.com/latent-go/latent/measure/dimension"
	"github.com/latent-go/latent/measure/similarity"
	"github.com/latent-go/latent/plan"
)

// What a latent server has and Qdrant has not. All of these read a sample and may take minutes: they end with their
// context. A server does one analysis at a time and refuses others with 429, which is tried again.

// Plan says how a collection is held and searched, and why.
type Plan struct {
	Collection string                `json:"collection"`
	Points     int                   `json:"points"`
	Status     string                `json:"status"`
	Error      string                `json:"error,omitempty"` // why an index could not be made
	Vectors    map[string]VectorPlan `json:"vectors"`         // by name; the unnamed one has the name ""
}

// VectorPlan is the plan of one vector.
type VectorPlan struct {
	Plan    string `json:"plan"`             // in force
	Asked   string `json:"asked,omitempty"`  // that the configuration holds the vector to
	Effort  int    `json:"effort,omitempty"` // of searches that name none
	Size    int    `json:"size"`
	Because string `json:"because"`
}

// Plan says how a collection is held and searched.
func (c *Client) Plan(ctx context.Context, collection string) (Plan, error) {
	var r Plan
	err := c.do(ctx, request{method: http.MethodGet, path: path("latent", "collections", collection, "plan"), result: &r, bare: true})
	return r, err
}

// Sample says what an analysis looks at.
type Sample struct {
	Using  string         `json:"using,omitempty"` // the vector's name
	Filter *filter.Filter `json:"filter,omitempty"`
	Sample int            `json:"sample,omitempty"` // points; 0 means the recommended number
	Seed   uint64         `json:"seed,omitempty"`
}

// Measure says what the vectors of a collection are like: their intrinsic dimension, spectrum and local dimensions.
func (c *Client) Measure(ctx context.Context, collection string, s Sample) (dimension.Report, error) {
	var r dimension.Report
	err := c.analysis(ctx, collection, "measure", s, &r)
	return r, err
}

// RecallQuery says what recall is measured of.
type RecallQuery struct {
	Sample
	K       int         `json:"k,omitempty"`       // neighbours; 0 means 10
	Queries [][]float32 `json:"queries,omitempty"` // nil for vectors of the collection's own points
	Effort  int         `json:"hnsw_ef,omitempty"`
}

// Recall is the share of the true nearest neighbours that searches find, with its interval and what searches take.
type Recall struct {
	plan.Recall
	Exact  float64 `json:"exact_p50_micros"` // time of one exact search
	Points int     `json:"points"`           // that are searched
	Plan   string  `json:"plan"`             // in force
	Effort int     `json:"effort"`
	Scans  bool    `json:"scans"`  // all points are compared: recall is 1 by construction
	Source string  `json:"source"` // where they came from
}

// Recall measures the recall of a collection's searches against exact ones.
func (c *Client) Recall(ctx context.Context, collection string, q RecallQuery) (Recall, error) {
	var r Recall
	err := c.analysis(ctx, collection, "recall", q, &r)
	return r, err
}

// TuneQuery says what searches are to reach.
type TuneQuery struct {
	Using  string   `json:"using,omitempty"`  // the vector's name
	Recall float64  `json:"recall,omitempty"` // for the lower end of the interval; 0 means 0.95
	K      int      `json:"k,omitempty"`      // neighbours; 0 means 10
	Plans  []string `json:"plans,omitempty"`  // to choose among
	Sample int      `json:"sample,omitempty"` // vectors that plans are tried on; 0 means 20,000
	Seed   uint64   `json:"seed,omitempty"`
	Try    bool     `json:"try,omitempty"` // only say what would be chosen
}

// Tuning says what was tried on a sample, what was chosen, and what recall it has in the collection.
type Tuning struct {
	*plan.Report
	Reached bool      `json:"reached"`
	Why     string    `json:"why,omitempty"` // not
	Chosen  plan.Plan `json:"chosen"`
	Applied bool      `json:"applied"` // the collection searches by it
	Effort  int       `json:"effort,omitempty"`
	Recall  *Recall   `json:"recall,omitempty"`
}

// Tune finds the cheapest plan that reaches a recall, and has the collection searched by it. A recall that no plan reaches
// is no error: Reached is false then, and nothing is changed.
func (c *Client) Tune(ctx context.Context, collection string, q TuneQuery) (Tuning, error) {
	var r Tuning
	err := c.analysis(ctx, collection, "tune", q, &r)
	return r, err
}

// CompareQuery says which two vectors of the same points are compared.
type CompareQuery struct {
	A        string         `json:"a"`
	B        string         `json:"b"`
	Measures []string       `json:"measures,omitempty"` // nil for all
	Filter   *filter.Filter `json:"filter,omitempty"`
	Sample   int            `json:"sample,omitempty"` // points; 0 means 2,000
	Seed     uint64         `json:"seed,omitempty"`
}

// Compare says how alike two named vectors are.
func (c *Client) Compare(ctx context.Context, collection string, q CompareQuery) (similarity.Report, error) {
	var r similarity.Report
	err := c.analysis(ctx, collection, "compare", q, &r)
	return r, err
}

// Check is what a server finds when it reads its whole store.
type Check struct {
	Collections int       `json:"collections"`
	Points      int       `json:"points"`
	Vectors     int       `json:"vectors"`
	Files       int       `json:"derived_files"`
	Snapshots   int       `json:"snapshots"`
	Problems    []Problem `json:"problems"` // nil if the store is whole
}

// Problem is something wrong with a store.
type Problem struct {
	Collection string `json:"collection"`
	What       string `json:"what"`
	Derived    bool   `json:"derived"` // only what can be made again is touched: nothing is lost
}

// Check reads the whole store and says whether it holds together.
func (c *Client) Check(ctx context.Context) (Check, error) {
	var r Check
	err := c.do(ctx, request{method: http.MethodPost, path: "/latent/check", result: &r, bare: true, long: true})
	return r, err
}

func (c *Client) analysis(ctx context.Context, collection, what string, body, result any) error {
	return c.do(ctx, request{method: http.MethodPost, path: path("latent", "collections", collection, what), body: body, result: result, bare: true, long: true})
}
