// Package vec holds float32 matrices and the kernels everything fast in latent stands on: dot products, distances,
// matrix products, top-k selection, number formats.
//
// A [Matrix] is rows of float32; rows are vectors. Kernels work on slices, one vector or a block of rows at a time:
// a search loop hands over many rows in one call, as in [SquaredL2sAt], because that, and not the language, decides
// its speed. Plain Go is the definition of each kernel; on amd64 assembly with AVX2 or AVX-512 is chosen at start by
// the processor's features, and agrees with the definition within rounding. The build tag noasm leaves only plain Go.
// [Codes] are rows kept in fewer bytes, as halves or small integers, of which a float32 query asks the same.
//
// Kernels panic when the lengths of their slices do not fit together: that is a slip of the caller's. What comes from
// outside, such as a matrix read from a file, is checked with [Matrix.Check], which gives errors.
package vec

import "errors"

// Errors that a caller can act on, wherever in latent they arise.
var (
	// ErrDim says that vectors of different dimension met.
	ErrDim = errors.New("dimensions differ")
	// ErrTooFew says that there are too few vectors for what was asked.
	ErrTooFew = errors.New("too few vectors")
	// ErrNotFinite says that a vector holds NaN or an infinity.
	ErrNotFinite = errors.New("value is not finite")
	// ErrZero says that a vector has no direction, where one is needed: cosine of a zero vector.
	ErrZero = errors.New("zero vector")
)
