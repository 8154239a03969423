// Package collection keeps points safely and finds them again: durable named collections of vectors with payloads.
package collection

import (
	"github.com/latent-go/latent/collection/point"
	"github.com/latent-go/latent/vec"
)

// Config is what a collection is made with.
type Config struct {
	Vectors  map[string]VectorConfig // by name; a collection of one unnamed vector has the name ""
	Sparse   map[string]SparseConfig
	Metadata map[string]any // free, the caller's own
	Wire     map[string]any // settings of Qdrant's that have no effect here (optimizers_config …), kept so that they can be told back
}

// VectorConfig is what one named dense vector is.
type VectorConfig struct {
	Size           int
	Distance       vec.Metric
	Multi          bool   // several vectors a point, compared by MaxSim
	Plan           string // a plan (package plan) to hold it to; "" lets the collection choose by its size
	M              int    // of the graph; 0 means the recommended
	EfConstruction int
}

// SparseConfig is what one named sparse vector is.
type SparseConfig struct {
	IDF bool // multiply a query's values with the inverse document frequency
}

// Hit is a point that a query found.
type Hit struct {
	point.Point
	Version uint64
	Score   float32 // as Qdrant has it: similarity for cosine and inner product, distance for Euclidean and Manhattan
}
