// Package binary is the codec "rabitq": 1 to 8 bits a dimension of a randomly rotated vector, from which products are
// estimated without bias and within a bound that is known beforehand. With one bit it is the smallest code here, and its
// scan counts bits.
//
//	c, err := binary.Fit(x, binary.Options{})    // d/8 bytes and 8 more
//	codes := c.Encode(nil, x.Row(0))
//	s := c.NewScorer(vec.Euclidean, q)
//	s.Distances(dst, codes)                      // estimates
//	s.Bounds(dst, lo, codes, 3)                  // and what the distances hardly ever fall below: re-rank only where lo is small
//
// A vector x is kept as the residual r = R(x-c) to the centre c of the data under a random rotation R. Its code is the
// point ŷ nearest in angle of the grid of half numbers ±½, ±1½, …, 2ᵇ of them a dimension, and the numbers |r|² and
// f = |r|²/⟨ŷ,r⟩. Then ⟨fŷ,q⟩ is the estimate of ⟨r,q⟩ for any q: fŷ is r and an error at right angles to it, of a length e
// that is known and in a direction that the rotation made random, so the estimate is off by about e|q|/√(d-1), in both
// directions alike.
//
// Sources: Gao and Long 2024, RaBitQ, arXiv 2405.12497, for one bit (their ō is ŷ scaled to length 1, their estimator
// ⟨ō,q⟩/⟨ō,o⟩), and Gao et al. 2024, arXiv 2409.09913, for more. Differences: the rotation is of Hadamard
// transforms; the query is rounded to nearest, not at random; and what rounding adds is part of the bound.
package binary

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"

	"github.com/latent-go/latent/artifact"
	"github.com/latent-go/latent/quantize"
	"github.com/latent-go/latent/vec"
)

// Options say how many bits a dimension takes. The zero Options take one.
type Options struct {
	Bits int    // a dimension, 1 to 8; 0 is 1
	Seed uint64 // of the rotation: same seed, same codes
}

const (
	maxBits = 8
	maxDim  = 1 << 16 // so that sums of 8-bit codes with 8-bit queries fit in an int32
)

// Codec makes codes of RaBitQ. It is immutable and safe for concurrent use.
type Codec struct {
	dim, bits int
	seed      uint64
	centre    []float32
	rotation  *rotation
}

// Fit returns the codec for vectors like the rows of x, whose mean is the centre. Without rows the error is
// vec.ErrTooFew, with a value that is not finite vec.ErrNotFinite, with more than 65,536 dimensions vec.ErrDim.
func Fit(x vec.Matrix, o Options) (*Codec, error) {
	if o.Bits == 0 {
		o.Bits = 1
	}
	if o.Bits < 1 || o.Bits > maxBits {
		return nil, fmt.Errorf("binary: fit: %d bits a dimension; want 1 to %d", o.Bits, maxBits)
	}
	if err := x.Check(); err != nil {
		return nil, fmt.Errorf("binary: fit: %w", err)
	}
	if x.Rows == 0 || x.Cols == 0 {
		return nil, fmt.Errorf("binary: fit: no values in %d×%d: %w", x.Rows, x.Cols, vec.ErrTooFew)
	}
	if x.Cols > maxDim {
		return nil, fmt.Errorf("binary: fit: %d dimensions; reduce them to %d or less: %w", x.Cols, maxDim, vec.ErrDim)
	}
	sum := make([]float64, x.Cols)
	for i := range x.Rows {
		for j, v := range x.Row(i) {
			sum[j] += float64(v)
		}
	}
	centre := make([]float32, x.Cols)
	for j, s := range sum {
		centre[j] = float32(s / float64(x.Rows))
	}
	return newCodec(o.Bits, o.Seed, centre), nil
}

func newCodec(bits int, seed uint64, centre []float32) *Codec {
	return &Codec{dim: len(centre), bits: bits, seed: seed, centre: centre, rotation: newRotation(len(centre), seed)}
}

// Dim is the dimension of the vectors.
func (c *Codec) Dim() int { return c.dim }

// Bits is the number of bits that a dimension takes.
func (c *Codec) Bits() int { return c.bits }

// CodeSize is the length of a code, in bytes: of d dimensions d/8 for each bit, and 8 more, or 12 with more than one bit.
func (c *Codec) CodeSize() int { return c.factorsAt() + 4*c.factors() }

// String is the codec in a plan, such as "rabitq:1".
func (c *Codec) String() string { return fmt.Sprintf("rabitq:%d", c.bits) }

// A code is the grid point, then float32 factors, little-endian: f, |r|² and, of more than one bit, e. Grid points
// of 4 and 8 bits lie as vec has Uint4 and Uint8; of others bit by bit, the planes one after another, lowest first.

func (c *Codec) packed() (vec.Format, bool) {
	switch c.bits {
	case 4:
		return vec.Uint4, true
	case 8:
		return vec.Uint8, true
	}
	return 0, false
}

func (c *Codec) planeSize() int { return (c.dim + 7) / 8 }

func (c *Codec) factorsAt() int {
	if f, ok := c.packed(); ok {
		return f.Size(c.dim)
	}
	return c.bits * c.planeSize()
}

func (c *Codec) factors() int {
	if c.bits == 1 {
		return 2 // e follows: |ŷ|² is d/4
	}
	return 3
}

// Encode appends the code of v to dst. A v of another dimension panics; one that is not finite, or whose square is
// not, has a code without meaning.
func (c *Codec) Encode(dst []byte, v []float32) []byte {
	c.sameDim(v)
	room := make([]float32, 2*c.dim)
	r, t := room[:c.dim], room[c.dim:]
	var norm2 float64
	for i, x := range v {
		r[i] = x - c.centre[i]
		norm2 += float64(r[i]) * float64(r[i])
	}
	c.rotation.apply(r, t)
	u := make([]uint8, c.dim)
	f, e := gridPoint(u, r, norm2, c.bits)

	if format, ok := c.packed(); ok {
		for i, x := range u {
			t[i] = float32(x)
		}
		dst = format.Append(dst, t)
	} else {
		for plane := range c.bits {
			dst = appendPlane(dst, u, plane)
		}
	}
	dst = appendFloat(appendFloat(dst, f), norm2)
	if c.bits > 1 {
		dst = appendFloat(dst, e)
	}
	return dst
}

func appendFloat(dst []byte, x float64) []byte {
	return binary.LittleEndian.AppendUint32(dst, math.Float32bits(float32(x)))
}

// gridPoint writes to u, as numbers from 0, the grid point ŷ of b bits of nearly the largest cosine with r, of squared
// length norm2, and returns f = |r|²/⟨ŷ,r⟩ and e = |fŷ-r|; of a zero r both are 0.
//
// That point is r scaled and rounded for some scale (2409.09913, section 3.2). The scales tried lie about the one that
// suits a Gaussian, which is what rotation makes of any r.
func gridPoint(u []uint8, r []float32, norm2 float64, b int) (f, e float64) {
	half := 1 << (b - 1) // magnitudes ½ to half-½
	scale, dot := 0.0, 0.0
	if norm2 > 0 {
		unit := math.Sqrt(float64(len(r))/norm2) / gaussianStep[b]
		best := -1.0
		for t := 0.6 * unit; t < 2*unit; t *= 1.06 {
			rr, yy := cosine(r, float32(t), half)
			if cos := rr / math.Sqrt(yy); cos > best {
				best, scale, dot = cos, t, rr
			}
			if b == 1 {
				break // all scales give the signs
			}
		}
	}
	if dot > 0 {
		f = norm2 / dot
	}
	for i, x := range r {
		y := magnitude(x, float32(scale), half)
		u[i] = uint8(half + y)
		if x < 0 {
			u[i] = uint8(half - 1 - y)
		}
		d := f*(float64(u[i])-float64(half)+0.5) - float64(x)
		e += d * d
	}
	return f, math.Sqrt(e)
}

// gaussianStep is the step of the best uniform quantiser of 2ᵇ levels for a unit Gaussian (Max 1960, table II).
var gaussianStep = [maxBits + 1]float64{1: 1.596, 2: 0.9957, 3: 0.5860, 4: 0.3352, 5: 0.1881, 6: 0.1041, 7: 0.0569, 8: 0.0308}

// magnitude returns m, of 0 to half-1, where m+½ is what |x| becomes at this scale. NaN becomes 0.
func magnitude(x, scale float32, half int) int {
	y := math.Float32frombits(math.Float32bits(x)&^(1<<31)) * scale
	if y < float32(half) {
		return int(y)
	}
	if y != y {
		return 0
	}
	return half - 1
}

// cosine returns ⟨ŷ,r⟩ and |ŷ|² for the grid point ŷ of r at this scale.
func cosine(r []float32, scale float32, half int) (dot, norm2 float64) {
	for _, x := range r {
		y := float32(magnitude(x, scale, half)) + 0.5
		dot += float64(y * math.Float32frombits(math.Float32bits(x)&^(1<<31)))
		norm2 += float64(y * y)
	}
	return dot, norm2
}

// appendPlane appends bit plane of each number of u, eight to a byte, the first lowest.
func appendPlane(dst []byte, u []uint8, plane int) []byte {
	for len(u) > 0 {
		var b byte
		for j, x := range u[:min(8, len(u))] {
			b |= x >> plane & 1 << j
		}
		dst, u = append(dst, b), u[min(8, len(u)):]
	}
	return dst
}

// Decode writes to dst, of length Dim, the nearest vector to the encoded one that lies in the code's direction from the
// centre, and returns it; a nil dst is allocated. It is nearer than fŷ, which Distances measures to. A dst or code of
// another length panics.
func (c *Codec) Decode(dst []float32, code []byte) []float32 {
	if dst == nil {
		dst = make([]float32, c.dim)
	}
	c.sameDim(dst)
	if len(code) != c.CodeSize() {
		panic(fmt.Sprintf("binary: code has %d bytes, those of %v have %d", len(code), c, c.CodeSize()))
	}
	norm2 := c.point(dst, code)
	f, r2, _ := c.factorsOf(code[c.factorsAt():])
	g := 0.0
	if f > 0 {
		g = float64(r2) / float64(f) / norm2
	}
	vec.Scale(dst, dst, float32(g))
	c.rotation.inverse(dst, make([]float32, c.dim))
	vec.AddScaled(dst, c.centre, 1)
	return dst
}

// point writes ŷ to dst and returns |ŷ|².
func (c *Codec) point(dst []float32, code []byte) (norm2 float64) {
	if format, ok := c.packed(); ok {
		format.Decode(dst, code[:c.factorsAt()])
	} else {
		for i := range dst {
			u := 0
			for plane := range c.bits {
				u |= int(code[plane*c.planeSize()+i/8]>>(i%8)&1) << plane
			}
			dst[i] = float32(u)
		}
	}
	for i := range dst {
		dst[i] -= float32(int(1)<<c.bits-1) / 2
		norm2 += float64(dst[i]) * float64(dst[i])
	}
	return norm2
}

// factorsOf returns f, |r|² and e².
func (c *Codec) factorsOf(b []byte) (f, r2, e2 float32) {
	f = math.Float32frombits(binary.LittleEndian.Uint32(b))
	r2 = math.Float32frombits(binary.LittleEndian.Uint32(b[4:]))
	if c.bits == 1 {
		return f, r2, max(0, f*f*float32(c.dim)/4-r2)
	}
	e := math.Float32frombits(binary.LittleEndian.Uint32(b[8:]))
	return f, r2, e * e
}

// Scorer is NewScorer as quantize.Codec wants it.
func (c *Codec) Scorer(m vec.Metric, q []float32) quantize.Scorer { return c.NewScorer(m, q) }

// WriteTo writes the codec as an artifact, which Read reads. The rotation is written as its seed.
func (c *Codec) WriteTo(w io.Writer) (int64, error) {
	return artifact.Write(w, kind, 1, artifact.JSON("meta", meta{c.dim, c.bits, c.seed}), artifact.Numbers("centre", c.centre))
}

const kind = "codec.rabitq"

type meta struct {
	Dim, Bits int
	Seed      uint64
}

// Read reads the codec that WriteTo wrote, and not a byte further. What does not read as one gives
// *artifact.CorruptError.
func Read(r io.Reader) (*Codec, error) {
	f, err := artifact.Read(r, kind, 1)
	if err != nil {
		return nil, err
	}
	var m meta
	if err := f.Decode("meta", &m); err != nil {
		return nil, err
	}
	centre, err := artifact.Slice[float32](f, "centre")
	if err != nil {
		return nil, err
	}
	if m.Dim < 1 || m.Dim > maxDim || m.Bits < 1 || m.Bits > maxBits || len(centre) != m.Dim {
		return nil, f.Reject("%d dimensions of %d bits with a centre of %d; want 1 to %d, of 1 to %d bits", m.Dim, m.Bits, len(centre), maxDim, maxBits)
	}
	if err := (vec.Matrix{Rows: 1, Cols: m.Dim, Data: centre}).Check(); err != nil {
		return nil, f.Reject("the centre: %v", err)
	}
	return newCodec(m.Bits, m.Seed, centre), nil
}

func (c *Codec) sameDim(v []float32) {
	if len(v) != c.dim {
		panic(fmt.Sprintf("binary: vector has %d dimensions, codec %v has %d", len(v), c, c.dim))
	}
}
