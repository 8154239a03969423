package vec

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"slices"
)

// Format is how the numbers of a stored row are written as bytes. Rows need no alignment.
type Format uint8

const (
	Float32  Format = iota // 4 bytes each, IEEE 754, little-endian
	Float16                // 2 bytes each, IEEE 754 half precision, little-endian
	BFloat16               // 2 bytes each, the upper half of a float32, little-endian
	Uint8                  // 1 byte each, 0 to 255
	Uint4                  // half a byte each, 0 to 15, in blocks; see [Format.Append]
)

var formatNames = [...]string{Float32: "float32", Float16: "float16", BFloat16: "bfloat16", Uint8: "uint8", Uint4: "uint4"}

// String returns the name of the format, such as "float16".
func (f Format) String() string {
	if int(f) < len(formatNames) {
		return formatNames[f]
	}
	return fmt.Sprintf("Format(%d)", uint8(f))
}

// Size is the length of a row of d numbers, in bytes.
func (f Format) Size(d int) int {
	switch f {
	case Float32:
		return 4 * d
	case Float16, BFloat16:
		return 2 * d
	case Uint8:
		return d
	case Uint4:
		return (d + 1) / 2
	}
	panic("vec: " + f.String())
}

// Codes are rows of numbers in a Format, of which a query in float32 asks products and distances. It is a view, as
// Matrix is. Row i begins at Data[i*Stride]; bytes between the end of a row and the start of the next are passed over,
// so a code may carry a header or a trailer. The dimension is that of the query.
type Codes struct {
	Format Format
	Data   []byte
	Stride int // bytes from row to row; 0 means that rows lie close together
}

// Dots writes to dst[i] the product Σ qⱼcⱼ of q with row i.
func (c Codes) Dots(dst, q []float32) { c.score(opDot, dst, q, nil, nil, false) }

// DotsAt writes to dst[i] the product Σ qⱼcⱼ of q with row ids[i].
func (c Codes) DotsAt(dst, q []float32, ids []uint32) { c.score(opDot, dst, q, nil, ids, true) }

// SquaredL2s writes to dst[i] the distance Σ (qⱼ - stepⱼcⱼ)² of q to row i. Float formats have no step and ignore it.
func (c Codes) SquaredL2s(dst, q, step []float32) { c.score(opSquaredL2, dst, q, step, nil, false) }

// SquaredL2sAt writes to dst[i] the distance of q to row ids[i], as SquaredL2s does.
func (c Codes) SquaredL2sAt(dst, q, step []float32, ids []uint32) {
	c.score(opSquaredL2, dst, q, step, ids, true)
}

// L1s writes to dst[i] the distance Σ |qⱼ - stepⱼcⱼ| of q to row i. Float formats have no step and ignore it.
func (c Codes) L1s(dst, q, step []float32) { c.score(opL1, dst, q, step, nil, false) }

// L1sAt writes to dst[i] the distance of q to row ids[i], as L1s does.
func (c Codes) L1sAt(dst, q, step []float32, ids []uint32) { c.score(opL1, dst, q, step, ids, true) }

// score checks that everything fits and calls the kernel. Without gather ids is nil.
func (c Codes) score(o op, dst, q, step []float32, ids []uint32, gather bool) {
	size := c.Format.Size(len(q))
	stride := c.Stride
	if stride == 0 {
		stride = size
	}
	if stride < size {
		panic(fmt.Sprintf("vec: stride %d is less than the %d bytes of %d dimensions", stride, size, len(q)))
	}
	if o == opDot || c.Format < Uint8 {
		step = nil
	} else {
		sameLen(len(step), len(q))
	}
	last := len(dst) - 1
	if gather {
		sameLen(len(dst), len(ids))
		last = largest(ids)
	}
	if last < 0 {
		return
	}
	checkRow(last, stride, size, len(c.Data))
	if c.Format.scoreFast(o, dst, q, step, c.Data, stride, ids) {
		return
	}
	for i := range dst {
		at := i
		if gather {
			at = int(ids[i])
		}
		dst[i] = c.Format.scoreGo(o, q, step, c.Data[at*stride:at*stride+size])
	}
}

// largest returns the largest of ids, or -1.
func largest(ids []uint32) int {
	top := -1
	for _, id := range ids {
		top = max(top, int(id))
	}
	return top
}

// checkRow panics unless row i, size units that begin at i*stride, lies within n units.
func checkRow(i, stride, size, n int) {
	hi, at := bits.Mul64(uint64(i), uint64(stride))
	if hi != 0 || size > n || at > uint64(n-size) {
		panic(fmt.Sprintf("vec: row %d, of stride %d, lies outside of %d", i, stride, n))
	}
}

// scoreGo is the definition of the kernels over codes: decode, scale by step, then the float32 kernel.
func (f Format) scoreGo(o op, q, step []float32, row []byte) (s float32) {
	var buf [64]float32 // two whole blocks of Uint4
	for lo := 0; lo < len(q); lo += len(buf) {
		q := q[lo:min(lo+len(buf), len(q))]
		x := buf[:len(q)]
		f.decodeGo(x, row[f.Size(lo):])
		if step != nil {
			for i, t := range step[lo : lo+len(q)] {
				x[i] *= t
			}
		}
		s += o.plain(q, x)
	}
	return s
}

// Append appends the numbers of v to dst as one row. Float16 and BFloat16 round to nearest, ties to even, and keep NaN
// and infinities; Uint8 and Uint4 round likewise, then values below range and NaN become 0, values above range the
// largest.
//
// Uint4 packs 32 numbers to a block of 16 bytes: the low halves of the bytes hold the first 16, the high halves the
// other 16. If less than 32 numbers are left, n of them, the last block has (n+1)/2 bytes, whose low halves hold
// the first (n+1)/2 numbers and whose high halves the others; a high half left over is 0.
func (f Format) Append(dst []byte, v []float32) []byte {
	at, size := len(dst), f.Size(len(v))
	dst = slices.Grow(dst, size)
	n := encodeFast(f, dst[at:at+size], v)
	dst, v = dst[:at+f.Size(n)], v[n:]
	switch f {
	case Float32:
		for _, x := range v {
			dst = binary.LittleEndian.AppendUint32(dst, math.Float32bits(x))
		}
	case Float16:
		for _, x := range v {
			dst = binary.LittleEndian.AppendUint16(dst, ToFloat16(x))
		}
	case BFloat16:
		for _, x := range v {
			dst = binary.LittleEndian.AppendUint16(dst, ToBFloat16(x))
		}
	case Uint8:
		for _, x := range v {
			dst = append(dst, toUint(x, 255))
		}
	case Uint4:
		for len(v) > 0 {
			block := v[:min(32, len(v))]
			v = v[len(block):]
			low := block[:(len(block)+1)/2]
			high := block[len(low):]
			for i, x := range low {
				c := toUint(x, 15)
				if i < len(high) {
					c |= toUint(high[i], 15) << 4
				}
				dst = append(dst, c)
			}
		}
	}
	return dst
}

// Decode writes the first len(dst) numbers of row, as Append wrote it, to dst and returns dst. Of Uint4 it can read
// whole blocks or all of a row: 32 numbers, 64, and so on, or as many as Append was given.
func (f Format) Decode(dst []float32, row []byte) []float32 {
	n := decodeFast(f, dst, row[:f.Size(len(dst))])
	f.decodeGo(dst[n:], row[f.Size(n):])
	return dst
}

func (f Format) decodeGo(dst []float32, row []byte) {
	row = row[:f.Size(len(dst))]
	switch f {
	case Float32:
		for i := range dst {
			dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(row[4*i:]))
		}
	case Float16:
		for i := range dst {
			dst[i] = FromFloat16(binary.LittleEndian.Uint16(row[2*i:]))
		}
	case BFloat16:
		for i := range dst {
			dst[i] = FromBFloat16(binary.LittleEndian.Uint16(row[2*i:]))
		}
	case Uint8:
		for i, c := range row {
			dst[i] = float32(c)
		}
	case Uint4:
		for rest := dst; len(rest) > 0; {
			n := min(32, len(rest))
			half := (n + 1) / 2
			for i, c := range row[:half] {
				rest[i] = float32(c & 15)
				if half+i < n {
					rest[half+i] = float32(c >> 4)
				}
			}
			rest, row = rest[n:], row[half:]
		}
	}
}

// toUint rounds x to the nearest of 0 to top; NaN gives 0.
func toUint(x, top float32) uint8 {
	if !(x > 0) {
		return 0
	}
	return uint8(math.RoundToEven(float64(min(x, top))))
}
