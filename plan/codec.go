package plan

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/latent-go/latent/quantize"
	"github.com/latent-go/latent/quantize/binary"
	"github.com/latent-go/latent/quantize/product"
	"github.com/latent-go/latent/quantize/scalar"
	"github.com/latent-go/latent/vec"
)

// FitCodec fits the codec that a plan names, such as "sq8" or "pq:98x4", to the rows of x.
func FitCodec(ctx context.Context, spec string, x vec.Matrix, seed uint64) (quantize.Codec, error) {
	name, arg, _ := strings.Cut(spec, ":")
	m, bits, _ := strings.Cut(arg, "x")
	number, _ := strconv.Atoi(m) // Parse saw to it
	switch name {
	case "f32":
		return scalar.Float32(x.Cols), nil
	case "f16":
		return scalar.Float16(x.Cols), nil
	case "sq8":
		return scalar.FitInt8(x, scalar.Options{})
	case "sq4":
		return scalar.FitInt4(x, scalar.Options{})
	case "pq", "opq":
		o := product.Options{M: number, Rotate: name == "opq", Seed: seed}
		if bits == "4" {
			o.Bits = 4
		}
		return product.Fit(ctx, x, o)
	case "rabitq":
		return binary.Fit(x, binary.Options{Bits: number, Seed: seed})
	}
	return nil, fmt.Errorf("no codec %q", spec)
}

// codecReader returns what reads a codec of the kind that a plan names.
func codecReader(spec string) func(io.Reader) (quantize.Codec, error) {
	switch name, _, _ := strings.Cut(spec, ":"); name {
	case "pq", "opq":
		return product.Read
	case "rabitq":
		return func(r io.Reader) (quantize.Codec, error) { return binary.Read(r) }
	}
	return scalar.Read
}
