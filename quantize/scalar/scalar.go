// Package scalar is the codecs that keep each dimension of a vector by itself: Float32 as it is, Float16 in half the
// bytes, and Int8 ("sq8") and Int4 ("sq4") as the nearest of 256 or 16 values, at equal steps across the range of the
// data.
//
//	c, err := scalar.FitInt8(x, scalar.Options{}) // a quarter of the bytes
//	codes := c.Encode(nil, x.Row(0))
//	s := c.Scorer(vec.Euclidean, q)
//	s.Distances(dst, codes) // the query stays float32
//
// A scorer's distance is the one between the query and the vector that the code decodes to, up to rounding. Under
// vec.Cosine that is 1 - q·x̂ with x̂ as it decodes: it is not scaled back to length 1, from which the rounding of the
// code takes it.
package scalar

import (
	"fmt"
	"io"
	"math"

	"github.com/latent-go/latent/artifact"
	"github.com/latent-go/latent/quantize"
	"github.com/latent-go/latent/vec"
)

// Codec is one of this package's codecs. It is immutable and safe for concurrent use.
type Codec struct {
	kind     *kind
	dim      int
	lo, step []float32 // code c of dimension i stands for lo[i] + step[i]*c; nil for the floats
}

// kind is what sets the codecs apart.
type kind struct {
	name   string // in a plan
	file   string // of an artifact
	format vec.Format
	top    float32 // the largest code of integers, the largest finite value of floats
}

var (
	f32 = &kind{"f32", "codec.f32", vec.Float32, math.MaxFloat32}
	f16 = &kind{"f16", "codec.f16", vec.Float16, 65504}
	sq8 = &kind{"sq8", "codec.sq8", vec.Uint8, 255}
	sq4 = &kind{"sq4", "codec.sq4", vec.Uint4, 15}

	kinds = []*kind{f32, f16, sq8, sq4}
)

// Float32 returns the codec that changes nothing: 4 bytes a dimension, little-endian. A dim below 1 panics.
func Float32(dim int) *Codec { return float(f32, dim) }

// Float16 returns the codec of IEEE half precision, 2 bytes a dimension: 11 significant bits, so a relative error
// of at most 2⁻¹¹ from 2⁻¹⁴ up to 65504, and beyond that value the value itself. A dim below 1 panics.
func Float16(dim int) *Codec { return float(f16, dim) }

func float(k *kind, dim int) *Codec {
	if dim < 1 {
		panic(fmt.Sprintf("scalar: a codec of %d dimensions; want at least 1", dim))
	}
	return &Codec{kind: k, dim: dim}
}

// Dim is the dimension of the vectors.
func (c *Codec) Dim() int { return c.dim }

// CodeSize is the length of a code, in bytes.
func (c *Codec) CodeSize() int { return c.kind.format.Size(c.dim) }

// String is the codec's name in a plan: f32, f16, sq8 or sq4.
func (c *Codec) String() string { return c.kind.name }

// Range returns the least and the greatest value that dimension i can have after decoding. What lies between is at
// most half a step off then, a step being a 255th of the range for Int8, a 15th for Int4, and what lies outside becomes
// the nearer end.
func (c *Codec) Range(i int) (lo, hi float32) {
	if c.lo == nil {
		return -c.kind.top, c.kind.top
	}
	return c.lo[i], c.lo[i] + c.step[i]*c.kind.top
}

// Encode appends the code of v to dst. A v of another dimension panics. NaN is kept by Float32 and Float16, and becomes
// the least of the range in integers; infinities are kept by Float32 alone.
func (c *Codec) Encode(dst []byte, v []float32) []byte {
	c.sameDim(v)
	if c.kind == f32 {
		return vec.Float32.Append(dst, v)
	}
	var buf [64]float32 // whole blocks of every format
	for at := 0; at < len(v); at += len(buf) {
		part := buf[:min(len(buf), len(v)-at)]
		for i, x := range v[at : at+len(part)] {
			part[i] = c.scaled(at+i, x)
		}
		dst = c.kind.format.Append(dst, part)
	}
	return dst
}

// scaled returns what of x, in dimension i, is to be rounded.
func (c *Codec) scaled(i int, x float32) float32 {
	if c.lo == nil {
		return max(-c.kind.top, min(c.kind.top, x))
	}
	if c.step[i] == 0 {
		return 0
	}
	// In float64, for x-lo may be more than a float32 holds.
	return float32((float64(x) - float64(c.lo[i])) / float64(c.step[i]))
}

// Decode writes the vector that code stands for to dst, of length Dim, and returns it; a nil dst is allocated. A dst or
// code of another length panics.
func (c *Codec) Decode(dst []float32, code []byte) []float32 {
	if dst == nil {
		dst = make([]float32, c.dim)
	}
	c.sameDim(dst)
	if len(code) != c.CodeSize() {
		panic(fmt.Sprintf("scalar: code has %d bytes, those of %v have %d", len(code), c, c.CodeSize()))
	}
	c.kind.format.Decode(dst, code)
	for i, s := range c.step {
		dst[i] = c.lo[i] + s*dst[i]
	}
	return dst
}

// Scorer prepares to measure q against codes; see the package's comment for what it measures. A q of another dimension
// and a metric that vec does not have panic.
func (c *Codec) Scorer(m vec.Metric, q []float32) quantize.Scorer {
	if m > vec.Manhattan {
		panic("scalar: " + m.String())
	}
	s := &scorer{c: c, m: m}
	if c.lo != nil {
		s.q = make([]float32, c.dim)
	}
	s.Reset(q)
	return s
}

// WriteTo writes the codec as an artifact, which Read reads.
func (c *Codec) WriteTo(w io.Writer) (int64, error) {
	return artifact.Write(w, c.kind.file, 1, artifact.JSON("dim", c.dim),
		artifact.Numbers("lo", c.lo), artifact.Numbers("step", c.step))
}

func (c *Codec) sameDim(v []float32) {
	if len(v) != c.dim {
		panic(fmt.Sprintf("scalar: vector has %d dimensions, codec %v has %d", len(v), c, c.dim))
	}
}

// scorer hands the kernels a query in the units of the codes. With x̂ = lo + step·c,
//
//	q·x̂ = q·lo + Σ (qᵢstepᵢ)cᵢ    and    qᵢ-x̂ᵢ = (qᵢ-loᵢ) - stepᵢcᵢ
type scorer struct {
	c    *Codec
	m    vec.Metric
	q    []float32 // the query, or of integers q·step or q-lo by element
	bias float32   // q·lo
}

func (s *scorer) Reset(q []float32) {
	s.c.sameDim(q)
	if s.c.lo == nil {
		s.q = q
		return
	}
	lo, step := s.c.lo, s.c.step
	if s.m == vec.Euclidean || s.m == vec.Manhattan {
		for i, v := range q {
			s.q[i] = v - lo[i]
		}
		return
	}
	var bias float64
	for i, v := range q {
		s.q[i] = v * step[i]
		bias += float64(v) * float64(lo[i])
	}
	s.bias = float32(bias)
}

func (s *scorer) Distances(dst []float32, codes []byte) {
	c := vec.Codes{Format: s.c.kind.format, Data: codes}
	switch s.m {
	case vec.Euclidean:
		c.SquaredL2s(dst, s.q, s.c.step)
	case vec.Manhattan:
		c.L1s(dst, s.q, s.c.step)
	default:
		c.Dots(dst, s.q)
		s.fromDots(dst)
	}
}

func (s *scorer) DistancesAt(dst []float32, codes []byte, ids []uint32) {
	c := vec.Codes{Format: s.c.kind.format, Data: codes}
	switch s.m {
	case vec.Euclidean:
		c.SquaredL2sAt(dst, s.q, s.c.step, ids)
	case vec.Manhattan:
		c.L1sAt(dst, s.q, s.c.step, ids)
	default:
		c.DotsAt(dst, s.q, ids)
		s.fromDots(dst)
	}
}

// fromDots turns products with the codes into distances, under Cosine or InnerProduct.
func (s *scorer) fromDots(dst []float32) {
	base := -s.bias
	if s.m == vec.Cosine {
		base++
	}
	for i, v := range dst {
		dst[i] = base - v
	}
}
