package collection

import (
	"github.com/latent-go/latent/collection/filter"
	"github.com/latent-go/latent/collection/point"
)

// Query asks for points, ranked by Ask among those that Filter lets through. With Prefetch, only what those found is
// ranked; each may have its own, so that a query is a tree whose leaves search the whole collection.
type Query struct {
	Prefetch       []Query
	Ask            Ask    // nil ranks by ID
	Using          string // the vector's name
	Filter         *filter.Filter
	Params         Params
	ScoreThreshold *float32
	Limit          int // 10 if 0
	Offset         int
	WithPayload    Select
	WithVector     Select
	LookupFrom     *Lookup // where the IDs of Ask are looked up, if not here
}

// Ask is what a query ranks by: one of the types below.
type Ask interface{ ask() }

// Nearest ranks by nearness to a vector; with MMR the hits are spread out as well.
type Nearest struct {
	To  Input
	MMR *MMR
}

// MMR is maximal marginal relevance (Carbonell and Goldstein 1998) over Candidates nearest points.
type MMR struct {
	Diversity  float32 // 0 ranks by nearness alone, 1 by novelty alone
	Candidates int     // 0 means the limit
}

// Recommend ranks by likeness to some examples and unlikeness to others.
type Recommend struct {
	Positive, Negative []Input
	Strategy           string // "average_vector" (the default), "best_score" or "sum_scores"
}

// Discover ranks by nearness to Target within the part of space that the pairs of Context mark; without Target by those
// pairs alone.
type Discover struct {
	Target  *Input
	Context []ContextPair
}

// ContextPair marks the part of space that is nearer to Positive than to Negative.
type ContextPair struct{ Positive, Negative Input }

// Fusion joins the rankings of the prefetches.
type Fusion struct {
	Method  string    // "rrf" or "dbsf"
	K       int       // of RRF; 2 if 0, as in Qdrant
	Weights []float32 // of RRF, one a prefetch; all 1 if nil
}

// OrderBy ranks by a payload field that has an index of numbers or times.
type OrderBy struct {
	Key        string
	Descending bool
	StartFrom  any // int64, float64, a time as RFC 3339; nil starts at the end
}

// Sample takes points at random, other ones each time unless Seed is set.
type Sample struct{ Seed uint64 }

// Text ranks by BM25 over a payload field that has a text index. A text that changes while the query runs may be ranked as
// it is afterwards.
type Text struct{ Key, Query string }

func (Nearest) ask()   {}
func (Recommend) ask() {}
func (Discover) ask()  {}
func (Fusion) ask()    {}
func (OrderBy) ask()   {}
func (Sample) ask()    {}
func (Text) ask()      {}

// Input is a vector, given itself or as the ID of a point that has it.
type Input struct {
	ID     *point.ID
	Vector *point.Vector
}

// Params say how to search.
type Params struct {
	Effort       int     // efSearch or nprobe; 0 leaves it to the collection
	Exact        bool    // compare with every vector
	IndexedOnly  bool    // leave out what no index holds yet
	NoRescore    bool    // rank by codes alone
	Oversampling float64 // candidates to re-rank, as a multiple of the limit; 0 means the plan's
}

// Select says which fields or vectors come back with a point: none by default.
type Select struct {
	All     bool
	Include []string // only these
	Exclude []string // all but these
}

// Lookup names another collection and a vector in it.
type Lookup struct{ Collection, Vector string }

// Scroll asks for points in the order of their IDs, or of a field.
type Scroll struct {
	Filter      *filter.Filter
	Offset      *point.ID // the first to return
	Limit       int       // 10 if 0
	OrderBy     *OrderBy
	WithPayload Select
	WithVector  Select
}

// GroupBy says how hits are put into groups: by the values of a payload field, strings or integers. A hit with several
// is in several groups, one with none in none.
type GroupBy struct {
	Key         string
	Limit       int    // groups, 10 if 0
	Size        int    // hits in a group, 3 if 0
	Lookup      string // a collection whose point with a group's value as its ID comes back with the group; "" for none
	WithPayload Select // of that point
	WithVector  Select
}

// Group is the hits that share a value of the field a query was grouped by.
type Group struct {
	Value  any // string, int64
	Hits   []Hit
	Lookup *point.Point // of the other collection whose ID is Value, if asked for
}

// Facet is a value of a field and the number of points that have it.
type Facet struct {
	Value any // string, int64, bool
	Count int
}

// MatrixQuery asks how near some points are to each other.
type MatrixQuery struct {
	Sample int // points, drawn at random; 10 if 0
	Limit  int // of the nearest others that are told of each; 3 if 0
	Using  string
	Filter *filter.Filter
	Seed   uint64 // of the sample; another each time if 0
}

// Matrix is some points, and of each the nearest among the others, nearest first.
type Matrix struct {
	IDs  []point.ID
	Near [][]Edge
}

// Edge leads to another point of a Matrix.
type Edge struct {
	To    int // its place in IDs
	Score float32
}
