package quantize

import (
	"bytes"
	"io"

	"github.com/latent-go/latent/artifact"
)

// Reader reads a codec: the Read of its package, or one that knows several. Types that implement Codec will do for C.
type Reader[C Codec] = func(io.Reader) (C, error)

// Stored reads the codec that lies in section "codec" of a file, for vectors of dim dimensions. One of another dimension
// gives *artifact.CorruptError.
func Stored[C Codec](f *artifact.File, dim int, read Reader[C]) (c C, err error) {
	raw, err := f.Raw("codec")
	if err != nil {
		return c, err
	}
	if c, err = read(bytes.NewReader(raw)); err != nil {
		return c, err
	}
	if c.Dim() != dim {
		return c, f.Reject("vectors have %d dimensions, their codec has %d", dim, c.Dim())
	}
	return c, nil
}
