// Package reduce is the family of maps to fewer dimensions. Its members are pca, matryoshka and wavelet.
package reduce

import (
	"io"

	"github.com/latent-go/latent/vec"
)

// Map takes vectors from one space to another. It is immutable and safe for concurrent use.
type Map interface {
	// InDim and OutDim are the dimensions of the two spaces.
	InDim() int
	OutDim() int
	// Apply maps the rows of x, n×InDim, to dst, n×OutDim, and returns dst; a zero dst is allocated.
	Apply(dst, x vec.Matrix) vec.Matrix
	// WriteTo writes the map, in a form that the Read of its package reads.
	io.WriterTo
}
