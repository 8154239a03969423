// Package latent is the codec "lloyd": each dimension is one of a few values of its own, learnt from data, and dimensions
// in which there is more to lose get more of them. It is the stored form of a quantised latent, and of any vector
// whose dimensions differ in spread or are far from uniform.
//
//	c, err := latent.Fit(x, latent.Options{Bits: 3}) // on average, a dimension
//	codes := c.Encode(nil, x.Row(0))
//	c.Scorer(vec.Euclidean, q).Distances(dst, codes)
//
// Fit finds the values that lose the least squared error (Lloyd 1982 and Max 1960; in one dimension the best can be
// found, Wang and Song 2011). New takes values learnt elsewhere, such as those of a quantised autoencoder (Hsu et al.
// 2023, arXiv 2305.18378, where codebook V has one row of scalars for each latent). A distance is the one to the
// vector that the code decodes to, up to rounding; under vec.Cosine that vector is not scaled back to length 1.
package latent

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/bits"
	"sort"
	"strconv"

	"github.com/latent-go/latent/artifact"
	"github.com/latent-go/latent/quantize"
	"github.com/latent-go/latent/vec"
)

const (
	maxBits = 8       // a dimension
	maxDim  = 1 << 20 // of a codec that is read
)

// Codec keeps for each dimension the number of the nearest of its values. It is immutable and safe for concurrent use.
type Codec struct {
	values []float32 // of all dimensions, those of one in rising order
	first  []int     // dimension i has values[first[i]:first[i+1]]
	width  []uint8   // bits of a number in dimension i
	bits   int       // their sum
}

// New returns the codec of these values: 1 to 256 finite ones for each dimension, in rising order. It keeps a copy.
func New(values [][]float32) (*Codec, error) {
	if len(values) == 0 {
		return nil, fmt.Errorf("latent: no dimensions: %w", vec.ErrTooFew)
	}
	c := &Codec{first: make([]int, 1, len(values)+1), width: make([]uint8, len(values))}
	for i, v := range values {
		if len(v) < 1 || len(v) > 1<<maxBits {
			return nil, fmt.Errorf("latent: dimension %d has %d values; want 1 to %d", i, len(v), 1<<maxBits)
		}
		if err := (vec.Matrix{Rows: 1, Cols: len(v), Data: v}).Check(); err != nil {
			return nil, fmt.Errorf("latent: values of dimension %d: %w", i, err)
		}
		for k, x := range v[1:] {
			if x < v[k] {
				return nil, fmt.Errorf("latent: dimension %d has value %v after %v; sort them", i, x, v[k])
			}
		}
		c.values = append(c.values, v...)
		c.first = append(c.first, len(c.values))
		c.width[i] = uint8(bits.Len(uint(len(v) - 1)))
		c.bits += int(c.width[i])
	}
	return c, nil
}

// Dim is the dimension of the vectors.
func (c *Codec) Dim() int { return len(c.width) }

// Bits is how many bits a code has: Σ ⌈log₂ nᵢ⌉ for nᵢ values in dimension i.
func (c *Codec) Bits() int { return c.bits }

// CodeSize is the length of a code, in bytes: Bits, filled up with zeros to whole bytes.
func (c *Codec) CodeSize() int { return (c.bits + 7) / 8 }

// String is the codec in a plan with its bits a dimension, such as "lloyd:4" or "lloyd:2.5".
func (c *Codec) String() string {
	return "lloyd:" + strconv.FormatFloat(float64(c.bits)/float64(c.Dim()), 'g', 3, 64)
}

// Values returns the values of dimension i, which are not to be written to.
func (c *Codec) Values(i int) []float32 {
	return c.values[c.first[i]:c.first[i+1]:c.first[i+1]]
}

// Nearest returns the number of the nearest of the values of dimension i to x, of two equally near the lower. NaN gives 0.
func (c *Codec) Nearest(i int, x float32) int {
	v := c.Values(i)
	at := sort.Search(len(v)-1, func(k int) bool { return !(x > v[k]) }) // the first that is not below, or the last
	if at > 0 && float64(x)-float64(v[at-1]) <= float64(v[at])-float64(x) {
		at--
	}
	for at > 0 && v[at-1] == v[at] {
		at--
	}
	return at
}

// Encode appends the code of v to dst: the numbers of its values, each in as few bits as its dimension needs, from the
// lowest bit of the first byte up. A v of another dimension panics.
func (c *Codec) Encode(dst []byte, v []float32) []byte {
	c.sameDim(v)
	var word uint64
	var have uint8
	for i, x := range v {
		word |= uint64(c.Nearest(i, x)) << have
		for have += c.width[i]; have >= 8; have -= 8 {
			dst = append(dst, byte(word))
			word >>= 8
		}
	}
	if have > 0 {
		dst = append(dst, byte(word))
	}
	return dst
}

// Decode writes the vector that code stands for to dst, of length Dim, and returns it; a nil dst is allocated. A number
// that a damaged code holds beyond its dimension's values is taken for the last. A dst or code of another length panics.
func (c *Codec) Decode(dst []float32, code []byte) []float32 {
	if dst == nil {
		dst = make([]float32, c.Dim())
	}
	c.sameDim(dst)
	if len(code) != c.CodeSize() {
		panic(fmt.Sprintf("latent: code has %d bytes, those of %v have %d", len(code), c, c.CodeSize()))
	}
	r := reader{code: code}
	for i, w := range c.width {
		dst[i] = c.values[min(c.first[i]+r.next(w), c.first[i+1]-1)]
	}
	return dst
}

// reader reads numbers from the bits of a code.
type reader struct {
	code []byte
	word uint64
	have uint8
}

func (r *reader) next(width uint8) int {
	if r.have < width {
		r.fill()
	}
	n := r.word & (1<<width - 1)
	r.word >>= width
	r.have -= width
	return int(n)
}

func (r *reader) fill() {
	if len(r.code) >= 4 {
		r.word |= uint64(binary.LittleEndian.Uint32(r.code)) << r.have
		r.code, r.have = r.code[4:], r.have+32
		return
	}
	r.word |= uint64(r.code[0]) << r.have
	r.code, r.have = r.code[1:], r.have+8
}

// Scorer prepares to measure q against codes, by a table of what each value of each dimension adds: a look-up a
// dimension in plain Go, some fifty times slower than package scalar's kernels. A q of another dimension and a metric that
// vec does not have panic.
func (c *Codec) Scorer(m vec.Metric, q []float32) quantize.Scorer {
	if m > vec.Manhattan {
		panic("latent: " + m.String())
	}
	s := &scorer{c: c, m: m, first: make([]int, c.Dim())}
	for i, w := range c.width { // room for every number of w bits, so that a damaged code reads no neighbour's
		s.first[i] = len(s.table)
		s.table = append(s.table, make([]float32, 1<<w)...)
	}
	s.Reset(q)
	return s
}

type scorer struct {
	c     *Codec
	m     vec.Metric
	table []float32 // of dimension i from first[i]
	first []int
	base  float32
}

func (s *scorer) Reset(q []float32) {
	s.c.sameDim(q)
	if s.m == vec.Cosine {
		s.base = 1
	}
	for i, x := range q {
		values := s.c.Values(i)
		t := s.table[s.first[i] : s.first[i]+1<<s.c.width[i]]
		for k := range t {
			v := values[min(k, len(values)-1)]
			switch s.m {
			case vec.Euclidean:
				t[k] = (x - v) * (x - v)
			case vec.Manhattan:
				t[k] = max(x-v, v-x)
			default:
				t[k] = -x * v
			}
		}
	}
}

func (s *scorer) Distances(dst []float32, codes []byte) {
	size := s.c.CodeSize()
	for i := range dst {
		dst[i] = s.distance(codes[i*size : (i+1)*size])
	}
}

func (s *scorer) DistancesAt(dst []float32, codes []byte, ids []uint32) {
	if len(dst) != len(ids) {
		panic(fmt.Sprintf("latent: slices of %d and %d", len(dst), len(ids)))
	}
	size := s.c.CodeSize()
	for i, id := range ids {
		dst[i] = s.distance(codes[int(id)*size : (int(id)+1)*size])
	}
}

func (s *scorer) distance(code []byte) float32 {
	sum, r := s.base, reader{code: code}
	first := s.first[:len(s.c.width)]
	for i, w := range s.c.width {
		sum += s.table[first[i]+r.next(w)]
	}
	return sum
}

const kind = "codec.lloyd"

// WriteTo writes the codec as an artifact, which Read reads.
func (c *Codec) WriteTo(w io.Writer) (int64, error) {
	counts := make([]uint16, c.Dim())
	for i := range counts {
		counts[i] = uint16(len(c.Values(i)))
	}
	return artifact.Write(w, kind, 1, artifact.Numbers("counts", counts), artifact.Numbers("values", c.values))
}

// Read reads the codec that WriteTo wrote, and not a byte further. What does not read as one gives
// *artifact.CorruptError.
func Read(r io.Reader) (*Codec, error) {
	f, err := artifact.Read(r, kind, 1)
	if err != nil {
		return nil, err
	}
	counts, err := artifact.Slice[uint16](f, "counts")
	if err != nil {
		return nil, err
	}
	rest, err := artifact.Slice[float32](f, "values")
	if err != nil {
		return nil, err
	}
	if len(counts) > maxDim {
		return nil, f.Reject("%d dimensions; up to %d make sense", len(counts), maxDim)
	}
	values := make([][]float32, len(counts))
	for i, n := range counts {
		if int(n) > len(rest) {
			return nil, f.Reject("dimension %d has %d values, of which %d are here", i, n, len(rest))
		}
		values[i], rest = rest[:n], rest[n:]
	}
	if len(rest) > 0 {
		return nil, f.Reject("%d values belong to no dimension", len(rest))
	}
	c, err := New(values)
	if err != nil {
		return nil, f.Reject("%v", err)
	}
	return c, nil
}

func (c *Codec) sameDim(v []float32) {
	if len(v) != c.Dim() {
		panic(fmt.Sprintf("latent: vector has %d dimensions, codec %v has %d", len(v), c, c.Dim()))
	}
}
