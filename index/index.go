// Package index is the family of vector indexes: what each of them promises. Its members are flat (exact), hnsw
// (graph) and ivf (inverted lists). Each stores the codes of a [quantize.Codec], of which full float32 is one.
//
//	ix, err := hnsw.New(scalar.Float32(768), hnsw.Options{Metric: vec.Cosine, M: 16})
//	err = ix.Add(ctx, ids, x)
//	res, err := ix.Search(ctx, q, index.Query{K: 10, Effort: 64})
package index

import (
	"context"
	"errors"
	"io"

	"github.com/latent-go/latent/vec"
)

// Index finds the stored vectors nearest to a query. Searches may run from many goroutines at once, also while
// vectors are added or deleted; what a search that overlaps a change sees of that change is not promised, but it sees
// each vector whole, as it was before or after.
type Index interface {
	Searcher

	// Add stores row i of x under ids[i], an ID chosen by the caller. A vector whose ID is in use is replaced; of rows
	// with the same ID the last stays. With nil ids the rows get the IDs that follow the largest in use (or 0). Rows of
	// another dimension give vec.ErrDim, values that are not finite vec.ErrNotFinite, a zero vector under cosine
	// vec.ErrZero, another number of ids than of rows, or none left above the largest in use, ErrID; then nothing of x
	// has been added. If ctx ends first, some rows may have been added, each of them wholly. ids and x are not kept.
	Add(ctx context.Context, ids []uint32, x vec.Matrix) error

	// Delete removes the vectors of these IDs and returns how many there were. IDs not in use are passed over.
	Delete(ids ...uint32) int

	// Search returns the nearest stored vectors to v, nearest first, ties by smaller ID. It refuses a v that Add
	// would refuse, with the same errors. When nothing matches there are no hits, and no error.
	Search(ctx context.Context, v []float32, q Query) (Result, error)

	// Vector returns the vector stored under id as its code keeps it, of length 1 under cosine; false if there is none.
	Vector(id uint32) ([]float32, bool)

	// Len is the number of vectors stored.
	Len() int

	// Dim is their dimension.
	Dim() int

	// Metric is what nearness means.
	Metric() vec.Metric

	// SizeBytes is the memory that codes and links take, without slack from growth.
	SizeBytes() int64

	// WriteTo writes the index, in a form that the Read or Open of its package reads.
	io.WriterTo
}

// Grower is an Index that can make room beforehand for vectors to come, so that Add need not copy those that are there.
type Grower interface {
	// Grow makes room for n more vectors.
	Grow(n int)
}

// Searcher is what it takes to search.
type Searcher interface {
	// Search returns the nearest stored vectors to v, nearest first, ties by smaller ID.
	Search(ctx context.Context, v []float32, q Query) (Result, error)
}

// Query says what one search wants.
type Query struct {
	// K is the number of neighbours wanted; fewer come back only if fewer match. K below 1 gives ErrQuery.
	K int
	// Effort is how hard to look: efSearch of a graph, nprobe of inverted lists; an exact index ignores it. 0
	// leaves it to the index. Anything below K counts as K where a graph is searched.
	Effort int
	// Rerank is how many candidates to fetch for each neighbour where full vectors re-rank what codes find (package plan). 0
	// leaves it to the index; one without full vectors ignores it.
	Rerank int
	// AnyOrder says that the hits need not be sorted, because the caller does that: an index may save the time.
	AnyOrder bool
	// Keep, if not nil, says which IDs may be returned. It is called from the goroutine of the search.
	Keep func(id uint32) bool
}

// Hit is one neighbour.
type Hit struct {
	ID       uint32  `json:"id"`
	Distance float32 `json:"distance"` // as the index's metric has it; from codes, an estimate
}

// Result is what a search found, and what it cost.
type Result struct {
	Hits      []Hit `json:"hits"`      // nearest first
	Distances int   `json:"distances"` // distances computed, a cost that needs no clock
}

var (
	// ErrQuery says that a query cannot be answered as it stands.
	ErrQuery = errors.New("bad query")
	// ErrID says that IDs do not fit the vectors they are for.
	ErrID = errors.New("bad ID")
)
