// Package quantize is the family of codecs: ways to keep a vector in fewer bytes and still score a float32 query
// against it. Its members are scalar (float32, float16, 8 and 4 bits a dimension), product, binary, lowrank and latent.
package quantize

import (
	"io"

	"github.com/latent-go/latent/vec"
)

// Codec turns vectors of one dimension into codes of one length. It is immutable and safe for concurrent use.
type Codec interface {
	// Dim is the dimension of the vectors.
	Dim() int
	// CodeSize is the length of a code, in bytes.
	CodeSize() int
	// Encode appends the code of v to dst. A v of another dimension panics.
	Encode(dst []byte, v []float32) []byte
	// Decode writes the vector that code stands for to dst, of length Dim, and returns it; a nil dst is allocated.
	Decode(dst []float32, code []byte) []float32
	// Scorer prepares to measure q, kept float32, against codes. Under vec.Cosine both q and the encoded vectors
	// must have length 1; the caller sees to that.
	Scorer(m vec.Metric, q []float32) Scorer
	// String is the codec's part of a plan spec, such as "sq8".
	String() string
	// WriteTo writes the codec, in a form that the Read of its package reads.
	io.WriterTo
}

// Scorer holds one query, prepared. It is for one goroutine at a time.
type Scorer interface {
	// Reset prepares for another query of the same dimension, and spares the allocation of a new Scorer. q is
	// not kept after the next Reset, and not changed.
	Reset(q []float32)
	// Distances writes the distance to each of the len(dst) codes that lie one after another in codes.
	Distances(dst []float32, codes []byte)
	// DistancesAt writes to dst[i] the distance to code ids[i] of codes.
	DistancesAt(dst []float32, codes []byte, ids []uint32)
}
