package scalar

import (
	"bytes"
	"io"
	"strings"

	"github.com/latent-go/latent/artifact"
	"github.com/latent-go/latent/quantize"
)

const (
	kindFloat32 = "codec.f32"
	maxDim      = 1 << 24 // of a codec that is read, so that a damaged file cannot ask for all memory
)

// Read reads a codec that any of this package's WriteTo wrote, and not a byte further. What does not read
// as one gives *artifact.CorruptError.
func Read(r io.Reader) (quantize.Codec, error) {
	head := make([]byte, 24) // magic and kind
	n, err := io.ReadFull(r, head)
	if err != nil {
		return nil, &artifact.CorruptError{Offset: int64(n), Reason: "cut short: " + err.Error()}
	}
	kind := strings.TrimRight(string(head[8:]), "\x00")
	f, err := artifact.Read(io.MultiReader(bytes.NewReader(head), r), kind, 1)
	if err != nil {
		return nil, err
	}
	switch kind {
	case kindFloat32:
		dim, err := readDim(f)
		if err != nil {
			return nil, err
		}
		return float32Codec(dim), nil
	}
	return nil, f.Reject("it holds %q, not a scalar codec", kind)
}

func readDim(f *artifact.File) (dim int, err error) {
	if err = f.Decode("dim", &dim); err == nil && (dim < 1 || dim > maxDim) {
		err = f.Reject("%d dimensions, 1 to %d make sense", dim, maxDim)
	}
	return dim, err
}
