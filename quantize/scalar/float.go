package scalar

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"unsafe"

	"github.com/latent-go/latent/artifact"
	"github.com/latent-go/latent/quantize"
	"github.com/latent-go/latent/vec"
)

// Float32 is the codec that changes nothing: 4 bytes a dimension, little-endian. Its scorers are the kernels of vec
// on the codes as they lie, if these are aligned to 4 bytes, as what Go allocates and artifact opens is; else they
// copy each code first. A dim below 1 panics.
func Float32(dim int) quantize.Codec {
	mustDim(dim)
	return float32Codec(dim)
}

type float32Codec int // the dimension

func (c float32Codec) Dim() int       { return int(c) }
func (c float32Codec) CodeSize() int  { return 4 * int(c) }
func (c float32Codec) String() string { return "f32" }

func (c float32Codec) Encode(dst []byte, v []float32) []byte {
	sameDim(int(c), len(v))
	for _, x := range v {
		dst = binary.LittleEndian.AppendUint32(dst, math.Float32bits(x))
	}
	return dst
}

func (c float32Codec) Decode(dst []float32, code []byte) []float32 {
	dst = shaped(dst, int(c))
	sameCode(c.CodeSize(), len(code))
	for i := range dst {
		dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(code[4*i:]))
	}
	return dst
}

func (c float32Codec) Scorer(m vec.Metric, q []float32) quantize.Scorer {
	return &float32Scorer{decoded: newDecoded(c, m, q)}
}

func (c float32Codec) WriteTo(w io.Writer) (int64, error) {
	return artifact.Write(w, kindFloat32, 1, artifact.JSON("dim", int(c)))
}

type float32Scorer struct{ *decoded }

func (s *float32Scorer) Distances(dst []float32, codes []byte) {
	codes = codes[:len(dst)*s.c.CodeSize()]
	rows, ok := float32s(codes)
	if !ok {
		s.decoded.Distances(dst, codes)
		return
	}
	switch s.m {
	case vec.Euclidean:
		vec.SquaredL2s(dst, s.q, rows)
	case vec.Manhattan:
		vec.L1s(dst, s.q, rows)
	default:
		vec.Dots(dst, s.q, rows)
		fromDots(s.m, dst)
	}
}

func (s *float32Scorer) DistancesAt(dst []float32, codes []byte, ids []uint32) {
	rows, ok := float32s(codes)
	if !ok {
		s.decoded.DistancesAt(dst, codes, ids)
		return
	}
	switch s.m {
	case vec.Euclidean:
		vec.SquaredL2sAt(dst, s.q, rows, ids)
	case vec.Manhattan:
		vec.L1sAt(dst, s.q, rows, ids)
	default:
		vec.DotsAt(dst, s.q, rows, ids)
		fromDots(s.m, dst)
	}
}

// float32s views b as the numbers it holds, if this machine can.
func float32s(b []byte) ([]float32, bool) {
	if len(b) == 0 {
		return nil, true
	}
	p := unsafe.Pointer(unsafe.SliceData(b))
	if bigEndian || uintptr(p)%unsafe.Alignof(float32(0)) != 0 {
		return nil, false
	}
	return unsafe.Slice((*float32)(p), len(b)/4), true
}

var bigEndian = binary.NativeEndian.Uint16([]byte{0, 1}) == 1

// fromDots turns dot products with the query into distances under m, Cosine or InnerProduct.
func fromDots(m vec.Metric, dst []float32) {
	if m == vec.Cosine {
		for i, v := range dst {
			dst[i] = 1 - v
		}
		return
	}
	for i, v := range dst {
		dst[i] = -v
	}
}

// decoded is the definition of a scorer: it decodes a code, then measures. It serves where no kernel does.
type decoded struct {
	c   quantize.Codec
	m   vec.Metric
	q   []float32
	row []float32
}

func newDecoded(c quantize.Codec, m vec.Metric, q []float32) *decoded {
	if m > vec.Manhattan {
		panic("scalar: " + m.String())
	}
	s := &decoded{c: c, m: m, row: make([]float32, c.Dim())}
	s.Reset(q)
	return s
}

func (s *decoded) Reset(q []float32) {
	sameDim(s.c.Dim(), len(q))
	s.q = q
}

func (s *decoded) Distances(dst []float32, codes []byte) {
	n := s.c.CodeSize()
	for i := range dst {
		dst[i] = s.distance(codes[i*n : (i+1)*n])
	}
}

func (s *decoded) DistancesAt(dst []float32, codes []byte, ids []uint32) {
	n := s.c.CodeSize()
	if len(dst) != len(ids) {
		panic("scalar: as many distances as ids are wanted")
	}
	for i, id := range ids {
		dst[i] = s.distance(codes[int(id)*n : (int(id)+1)*n])
	}
}

func (s *decoded) distance(code []byte) float32 {
	x := s.c.Decode(s.row, code)
	switch s.m {
	case vec.Euclidean:
		return vec.SquaredL2(s.q, x)
	case vec.Manhattan:
		return vec.L1(s.q, x)
	case vec.Cosine:
		return 1 - vec.Dot(s.q, x)
	default:
		return -vec.Dot(s.q, x)
	}
}

func mustDim(dim int) {
	if dim < 1 {
		panic(fmt.Sprintf("scalar: a codec of %d dimensions; at least 1 is wanted", dim))
	}
}

func sameDim(want, got int) {
	if want != got {
		panic(fmt.Sprintf("scalar: vector has %d dimensions, codec has %d", got, want))
	}
}

func sameCode(want, got int) {
	if want != got {
		panic(fmt.Sprintf("scalar: code has %d bytes, codec's have %d", got, want))
	}
}

func shaped(dst []float32, dim int) []float32 {
	if dst == nil {
		return make([]float32, dim)
	}
	sameDim(dim, len(dst))
	return dst
}
