// Package point says what a collection holds: points, each with an ID, one or more named vectors and a JSON payload, as
// Go values and as the JSON that Qdrant's clients write.
//
//	p := point.Point{
//		ID:      point.Num(7),
//		Vectors: point.Vectors{"": point.Dense([]float32{0.1, 0.2})},
//		Payload: point.Payload{"city": "Berlin"},
//	}
package point

// Point is one entry of a collection.
type Point struct {
	ID      ID
	Vectors Vectors
	Payload Payload // nil if there is none
}

// Vectors are a point's vectors by name. The one vector of a collection without names has the name "".
type Vectors map[string]Vector

// Vector is one of three: a dense vector, several of one dimension (late interaction), or a sparse one.
type Vector struct {
	Dense  []float32
	Multi  [][]float32
	Sparse *Sparse
}

// Dense is the Vector of v.
func Dense(v []float32) Vector { return Vector{Dense: v} }

// Multi is the Vector of several rows.
func Multi(rows [][]float32) Vector { return Vector{Multi: rows} }

// Sparse is a vector by its entries other than zero: Values[i] stands at Indices[i]. Indices are distinct; they need
// not be sorted when they come in, and are when they are stored.
type Sparse struct {
	Indices []uint32  `json:"indices"`
	Values  []float32 `json:"values"`
}

// Payload is a JSON object as Go values: nil, bool, int64, float64, string, []any, map[string]any. A number without
// fraction or exponent that fits int64 is an int64, any other a float64.
type Payload map[string]any
