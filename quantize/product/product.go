// Package product is the product quantiser ("pq"): dimensions are cut into M parts, and of each part the code keeps the
// number of the nearest of 256 or 16 centroids. Optimised ("opq"), the vectors are rotated first, so that the parts are
// about as hard and hardly correlated.
//
//	c, err := product.Fit(ctx, x, product.Options{M: 98})          // "pq:98": 98 bytes a vector
//	c, err := product.Fit(ctx, x, product.Options{M: 98, Bits: 4}) // "pq:98x4": 49 bytes, scanned by shuffles
//
// A scorer's distance is the one between the query and the vector that the code decodes to, up to rounding; under
// vec.Cosine that is 1 - q·x̂, with x̂ not scaled back to length 1. BlockDistances adds what Scorer.BlockError says.
//
// Sources: Jégou, Douze, Schmid 2011, PAMI 33:117; rotation: Ge, He, Ke, Sun 2013, CVPR'13; scans by shuffles: André,
// Kermarrec, Le Scouarnec 2015, VLDB 9:288.
package product

import (
	"fmt"
	"io"
	"sync"

	"github.com/latent-go/latent/artifact"
	"github.com/latent-go/latent/quantize"
	"github.com/latent-go/latent/vec"
)

// Codec is a product quantiser. It is immutable and safe for concurrent use.
type Codec struct {
	dim, m, bits int
	mean         []float32  // taken from vectors first
	rotation     vec.Matrix // then they are rotated: dim×dim, orthonormal; the zero Matrix if they are not
	// Row i holds dimension i of all centroids of the part that i belongs to, so that one AddScaled a dimension
	// multiplies a vector with all of them.
	values  vec.Matrix
	norms   []float32 // squared lengths of the centroids, part after part
	scratch sync.Pool
}

// start is the first dimension of part j: parts are as equal as can be.
func (c *Codec) start(j int) int { return start(c.dim, c.m, j) }

func start(dim, m, j int) int { return j * dim / m }

// newCodec returns the codec of these centroids.
func newCodec(m, bits int, mean []float32, rotation, values vec.Matrix) *Codec {
	c := &Codec{dim: len(mean), m: m, bits: bits, mean: mean, rotation: rotation, values: values, norms: make([]float32, m<<bits)}
	for j := range m {
		norms := c.part(c.norms, j)
		for i := c.start(j); i < c.start(j+1); i++ {
			for k, v := range values.Row(i) {
				norms[k] += v * v
			}
		}
	}
	c.scratch.New = func() any {
		return &scratch{make([]float32, c.dim), make([]float32, c.dim), make([]float32, 1<<bits)}
	}
	return c
}

type scratch struct{ v, rotated, products []float32 }

// part returns what of s, with a value for each centroid, is of part j.
func (c *Codec) part(s []float32, j int) []float32 { return s[j<<c.bits : (j+1)<<c.bits] }

// Dim is the dimension of the vectors.
func (c *Codec) Dim() int { return c.dim }

// CodeSize is the length of a code, in bytes: a byte a part, or half of one, rounded up.
func (c *Codec) CodeSize() int { return (c.m*c.bits + 7) / 8 }

// Parts is M, the number of parts.
func (c *Codec) Parts() int { return c.m }

// String is the codec's name in a plan, such as pq:98, pq:98x4 or opq:98.
func (c *Codec) String() string {
	name := fmt.Sprintf("pq:%d", c.m)
	if c.rotation.Rows > 0 {
		name = "o" + name
	}
	if c.bits == 4 {
		name += "x4"
	}
	return name
}

func (c *Codec) sameDim(v []float32) {
	if len(v) != c.dim {
		panic(fmt.Sprintf("product: vector has %d dimensions, codec %v has %d", len(v), c, c.dim))
	}
}

// centred returns v less the mean, rotated, in one of the buffers.
func (c *Codec) centred(s *scratch, v []float32) []float32 {
	copy(s.v, v)
	vec.AddScaled(s.v, c.mean, -1)
	return c.rotated(s.rotated, s.v)
}

// rotated returns v rotated, in dst, or v itself.
func (c *Codec) rotated(dst, v []float32) []float32 {
	if c.rotation.Rows == 0 {
		return v
	}
	vec.Dots(dst, v, c.rotation.Data)
	return dst
}

// Encode appends the code of v to dst. A v of another dimension panics.
func (c *Codec) Encode(dst []byte, v []float32) []byte {
	c.sameDim(v)
	s := c.scratch.Get().(*scratch)
	defer c.scratch.Put(s)
	y := c.centred(s, v)
	for j := range c.m {
		clear(s.products)
		for i := c.start(j); i < c.start(j+1); i++ {
			vec.AddScaled(s.products, c.values.Row(i), y[i])
		}
		code := byte(vec.ArgMinSum(s.products, c.part(c.norms, j), -2))
		if c.bits == 4 && j%2 == 1 {
			dst[len(dst)-1] |= code << 4
		} else {
			dst = append(dst, code)
		}
	}
	return dst
}

// at is the centroid of part j that code names.
func (c *Codec) at(code []byte, j int) int {
	if c.bits == 8 {
		return int(code[j])
	}
	return int(code[j/2] >> (4 * (j % 2)) & 15)
}

// Decode writes the vector that code stands for to dst, of length Dim, and returns it; a nil dst is allocated. A dst or
// code of another length panics.
func (c *Codec) Decode(dst []float32, code []byte) []float32 {
	if dst == nil {
		dst = make([]float32, c.dim)
	}
	c.sameDim(dst)
	if len(code) != c.CodeSize() {
		panic(fmt.Sprintf("product: code has %d bytes, those of %v have %d", len(code), c, c.CodeSize()))
	}
	copy(dst, c.mean)
	for j := range c.m {
		k := c.at(code, j)
		for i := c.start(j); i < c.start(j+1); i++ {
			if v := c.values.Row(i)[k]; c.rotation.Rows > 0 {
				vec.AddScaled(dst, c.rotation.Row(i), v)
			} else {
				dst[i] += v
			}
		}
	}
	return dst
}

// BlockRows is 32 for codes of 4 bits, else 0: see [quantize.Blocked].
func (c *Codec) BlockRows() int {
	if c.bits == 4 {
		return vec.BlockRows
	}
	return 0
}

// place returns where in blocks the half byte of part 0 of code i is; that of the next part is 16 bytes on.
func (c *Codec) place(i int) (at int, shift byte) {
	if c.bits != 4 {
		panic(fmt.Sprintf("product: codes of %v have no blocks", c))
	}
	return i/vec.BlockRows*vec.BlockRows*c.CodeSize() + i%16, byte(i % vec.BlockRows / 16 * 4)
}

// Put writes code as code i of blocks.
func (c *Codec) Put(blocks []byte, i int, code []byte) {
	at, shift := c.place(i)
	for j := range 2 * c.CodeSize() { // with an odd M, the last is padding
		b := &blocks[at+16*j]
		*b = *b&^(15<<shift) | code[j/2]>>(4*(j%2))&15<<shift
	}
}

// Get appends code i of blocks to dst.
func (c *Codec) Get(dst []byte, blocks []byte, i int) []byte {
	at, shift := c.place(i)
	for j := 0; j < 2*c.CodeSize(); j += 2 {
		dst = append(dst, blocks[at+16*j]>>shift&15|blocks[at+16*j+16]>>shift&15<<4)
	}
	return dst
}

// WriteTo writes the codec as an artifact, which Read reads.
func (c *Codec) WriteTo(w io.Writer) (int64, error) {
	return artifact.Write(w, kind, 1, artifact.JSON("meta", header{c.dim, c.m, c.bits}),
		artifact.Numbers("mean", c.mean), artifact.Numbers("rotation", c.rotation.Data), artifact.Numbers("centroids", c.values.Data))
}

const kind = "codec.pq"

// An artifact of kind codec.pq has the sections
//
//	meta        JSON, as header below
//	mean        float32 a dimension, taken from vectors first
//	rotation    dim×dim float32, or none: what they are multiplied with then
//	centroids   dim×2^bits float32: of each dimension its value in all centroids of its part
type header struct {
	Dim   int `json:"dim"`
	Parts int `json:"parts"`
	Bits  int `json:"bits"`
}

// Read reads the codec that WriteTo wrote, and not a byte further. What does not read as one gives *artifact.CorruptError.
func Read(r io.Reader) (quantize.Codec, error) {
	f, err := artifact.Read(r, kind, 1)
	if err != nil {
		return nil, err
	}
	var h header
	if err := f.Decode("meta", &h); err != nil {
		return nil, err
	}
	const maxDim = 1 << 20
	if h.Dim < 1 || h.Dim > maxDim || h.Parts < 1 || h.Parts > h.Dim || h.Bits != 4 && h.Bits != 8 {
		return nil, f.Reject("%d dimensions in %d parts of %d bits", h.Dim, h.Parts, h.Bits)
	}
	var sections [3][]float32
	for i, name := range []string{"mean", "rotation", "centroids"} {
		if sections[i], err = artifact.Slice[float32](f, name); err != nil {
			return nil, err
		}
		if err := (vec.Matrix{Rows: 1, Cols: len(sections[i]), Data: sections[i]}).Check(); err != nil {
			return nil, f.Reject("section %q: %v", name, err)
		}
	}
	mean, rotation := sections[0], vec.Matrix{}
	if len(sections[1]) > 0 {
		rotation = vec.Matrix{Rows: h.Dim, Cols: h.Dim, Data: sections[1]}
	}
	values := vec.Matrix{Rows: h.Dim, Cols: 1 << h.Bits, Data: sections[2]}
	if len(mean) != h.Dim || len(rotation.Data) != rotation.Rows*rotation.Cols || len(values.Data) != values.Rows*values.Cols {
		return nil, f.Reject("%d values of mean, %d of rotation and %d of centroids for %d dimensions of %d bits",
			len(mean), len(rotation.Data), len(values.Data), h.Dim, h.Bits)
	}
	return newCodec(h.Parts, h.Bits, mean, rotation, values), nil
}
