package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"

	"github.com/latent-go/latent/collection/filter"
	"github.com/latent-go/latent/collection/point"
)

// Point is one entry of a collection as it is sent and comes back.
type Point struct {
	ID      point.ID      `json:"id"`
	Vectors point.Vectors `json:"vector,omitempty"`
	Payload point.Payload `json:"payload,omitempty"`
}

// Hit is a point that was found.
type Hit struct {
	Point
	Version uint64  `json:"version"`
	Score   float32 `json:"score"`
}

// Select names the points that a change is for: these, or all that a filter lets through.
type Select struct {
	IDs    []point.ID     `json:"points,omitempty"`
	Filter *filter.Filter `json:"filter,omitempty"`
}

// change sends a change of points. With wait it is on disk, and to be found, when the call returns.
func (c *Client) change(ctx context.Context, method, collection, what string, wait bool, body any) error {
	return c.Call(ctx, method, path("collections", collection, "points")+what+"?wait="+strconv.FormatBool(wait), body, nil)
}

// Upsert stores points, each in the place of one with its ID.
func (c *Client) Upsert(ctx context.Context, collection string, points []Point, wait bool) error {
	type whole struct {
		ID      point.ID      `json:"id"`
		Vectors point.Vectors `json:"vector"` // also of a point without any, which says so
		Payload point.Payload `json:"payload,omitempty"`
	}
	list := make([]whole, len(points))
	for i, p := range points {
		if list[i] = whole(p); p.Vectors == nil {
			list[i].Vectors = point.Vectors{}
		}
	}
	return c.change(ctx, http.MethodPut, collection, "", wait, map[string]any{"points": list})
}

// Delete removes points.
func (c *Client) Delete(ctx context.Context, collection string, s Select, wait bool) error {
	return c.change(ctx, http.MethodPost, collection, "/delete", wait, s)
}

// SetPayload sets some fields of points' payloads and leaves the others.
func (c *Client) SetPayload(ctx context.Context, collection string, payload point.Payload, s Select, wait bool) error {
	return c.change(ctx, http.MethodPost, collection, "/payload", wait, struct {
		Payload point.Payload `json:"payload"`
		Select
	}{payload, s})
}

// UpdateVectors stores vectors of points that are there, and leaves their payload and their other vectors.
func (c *Client) UpdateVectors(ctx context.Context, collection string, points []Point, wait bool) error {
	type vectors struct {
		ID      point.ID      `json:"id"`
		Vectors point.Vectors `json:"vector"`
	}
	list := make([]vectors, len(points))
	for i, p := range points {
		list[i] = vectors{p.ID, p.Vectors}
	}
	return c.change(ctx, http.MethodPut, collection, "/vectors", wait, map[string]any{"points": list})
}

// Get returns points by ID, those that are there, in the order asked for.
func (c *Client) Get(ctx context.Context, collection string, ids []point.ID, withVector bool) ([]Point, error) {
	var r []Point
	err := c.Call(ctx, http.MethodPost, path("collections", collection, "points"), map[string]any{"ids": ids, "with_payload": true, "with_vector": withVector}, &r)
	return r, err
}

// Count is the number of points that a filter lets through; of all of them for nil.
func (c *Client) Count(ctx context.Context, collection string, f *filter.Filter) (int, error) {
	var r struct{ Count int }
	err := c.Call(ctx, http.MethodPost, path("collections", collection, "points", "count"), map[string]any{"filter": f, "exact": true}, &r)
	return r.Count, err
}

// Scroll asks for points in the order of their IDs.
type Scroll struct {
	Filter     *filter.Filter `json:"filter,omitempty"`
	Offset     *point.ID      `json:"offset,omitempty"` // the first to return
	Limit      int            `json:"limit,omitempty"`  // 10 if 0
	WithVector bool           `json:"with_vector"`
}

// Scroll returns points with their payloads, and the ID to go on from, nil after the last.
func (c *Client) Scroll(ctx context.Context, collection string, s Scroll) ([]Point, *point.ID, error) {
	var r struct {
		Points *[]struct {
			ID      *point.ID     `json:"id"`
			Vectors point.Vectors `json:"vector"`
			Payload point.Payload `json:"payload"`
		} `json:"points"`
		Next *point.ID `json:"next_page_offset"`
	}
	if err := c.Call(ctx, http.MethodPost, path("collections", collection, "points", "scroll"), struct {
		Scroll
		WithPayload bool `json:"with_payload"`
	}{s, true}, &r); err != nil {
		return nil, nil, err
	}
	if r.Points == nil {
		return nil, nil, fmt.Errorf("client: scroll %s: the answer has no points; is this the server's address?", collection)
	}
	points := make([]Point, len(*r.Points))
	for i, p := range *r.Points {
		if p.ID == nil { // else it would be point 0
			return nil, nil, fmt.Errorf("client: scroll %s: point %d of the answer has no ID", collection, i)
		}
		points[i] = Point{*p.ID, p.Vectors, p.Payload}
	}
	return points, r.Next, nil
}

// Query asks for points ranked by Query, or by ID without one. The fields are those of Qdrant's POST …/points/query.
type Query struct {
	Prefetch       []Query        `json:"prefetch,omitempty"`
	Query          any            `json:"query,omitempty"` // Near, NearPoint, Fuse, or what Qdrant's documentation has, as maps
	Using          string         `json:"using,omitempty"` // the vector's name
	Filter         *filter.Filter `json:"filter,omitempty"`
	Params         *Params        `json:"params,omitempty"`
	ScoreThreshold *float32       `json:"score_threshold,omitempty"`
	Limit          int            `json:"limit,omitempty"`
	Offset         int            `json:"offset,omitempty"`
	WithPayload    any            `json:"with_payload,omitempty"` // true, or names of fields
	WithVector     any            `json:"with_vector,omitempty"`  // true, or names of vectors
}

// Params say how to search.
type Params struct {
	Effort int  `json:"hnsw_ef,omitempty"` // efSearch or nprobe
	Exact  bool `json:"exact,omitempty"`   // compare with every vector
}

// Near ranks by nearness to a vector.
func Near(v []float32) any { return point.Dense(v) }

// NearSparse ranks by the inner product with a sparse vector.
func NearSparse(s point.Sparse) any { return point.Vector{Sparse: &s} }

// NearPoint ranks by nearness to the vector of a point.
func NearPoint(id point.ID) any { return id }

// Fuse joins the rankings of the prefetches, by "rrf" or "dbsf".
func Fuse(method string) any { return map[string]string{"fusion": method} }

// Query returns the points that q asks for, best first.
func (c *Client) Query(ctx context.Context, collection string, q Query) ([]Hit, error) {
	var r struct {
		Points []Hit `json:"points"`
	}
	err := c.Call(ctx, http.MethodPost, path("collections", collection, "points", "query"), q, &r)
	return r.Points, err
}

// QueryBatch answers several queries in one request.
func (c *Client) QueryBatch(ctx context.Context, collection string, queries []Query) ([][]Hit, error) {
	var r []struct {
		Points []Hit `json:"points"`
	}
	err := c.Call(ctx, http.MethodPost, path("collections", collection, "points", "query", "batch"), map[string]any{"searches": queries}, &r)
	hits := make([][]Hit, len(r))
	for i := range r {
		hits[i] = r[i].Points
	}
	return hits, err
}

// bare writes a map whose one key is "" as that key's value.
func bare[T any](m map[string]T) ([]byte, error) {
	if v, ok := m[""]; ok && len(m) == 1 {
		return json.Marshal(v)
	}
	return json.Marshal(m)
}

// named reads what bare writes; one says whether a value that was read stands by itself.
func named[T any](b []byte, one func(T) bool) (map[string]T, error) {
	var v T
	if err := json.Unmarshal(b, &v); err == nil && one(v) {
		return map[string]T{"": v}, nil
	}
	var m map[string]T
	err := json.Unmarshal(b, &m)
	return m, err
}
