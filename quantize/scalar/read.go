package scalar

import (
	"bytes"
	"io"
	"slices"
	"strings"

	"github.com/latent-go/latent/artifact"
	"github.com/latent-go/latent/quantize"
	"github.com/latent-go/latent/vec"
)

const maxDim = 1 << 24 // of a codec that is read, so that a strange file cannot ask for all memory

// Read reads the codec that WriteTo wrote, of whichever kind, and not a byte further. What does not read as one
// gives *artifact.CorruptError.
func Read(r io.Reader) (quantize.Codec, error) {
	head := make([]byte, 24) // of every artifact: magic and kind
	if n, err := io.ReadFull(r, head); err != nil {
		return nil, &artifact.CorruptError{Offset: int64(n), Reason: "cut short: " + err.Error()}
	}
	name := strings.TrimRight(string(head[8:]), "\x00")
	f, err := artifact.Read(io.MultiReader(bytes.NewReader(head), r), name, 1)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(kinds, func(k *kind) bool { return k.file == name })
	if i < 0 {
		return nil, f.Reject("it holds %q, which is no codec of package scalar", name)
	}
	c := &Codec{kind: kinds[i]}
	if err := f.Decode("dim", &c.dim); err != nil {
		return nil, err
	}
	if c.dim < 1 || c.dim > maxDim {
		return nil, f.Reject("%d dimensions; 1 to %d make sense", c.dim, maxDim)
	}
	if c.lo, err = artifact.Slice[float32](f, "lo"); err != nil {
		return nil, err
	}
	if c.step, err = artifact.Slice[float32](f, "step"); err != nil {
		return nil, err
	}
	want := c.dim
	if c.kind == f32 || c.kind == f16 {
		want = 0
	}
	if len(c.lo) != want || len(c.step) != want {
		return nil, f.Reject("%d dimensions have %d ranges and %d steps; want %d", c.dim, len(c.lo), len(c.step), want)
	}
	for i, s := range c.step {
		if err := (vec.Matrix{Rows: 1, Cols: 2, Data: []float32{c.lo[i], s}}).Check(); err != nil || s < 0 {
			return nil, f.Reject("dimension %d begins at %v with steps of %v", i, c.lo[i], s)
		}
	}
	return c, nil
}
