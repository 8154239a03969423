package vec

import (
	"encoding/binary"
	"math/bits"
	"unsafe"
)

// Kernels over bytes, signed or not. Their results are exact while they fit in an int32, and exact modulo 2³² beyond. What
// fits, whatever the numbers: Dot and SquaredL2 of 33,025 bytes, DotUint8Int8 of 65,793, DotInt8 of 131,071, L1 of 8,421,504.

// DotInt8 returns Σ aᵢbᵢ.
func DotInt8(a, b []int8) int32 {
	sameLen(len(a), len(b))
	switch {
	case hasVNNI:
		return dotInt8AVX512(a, b)
	case hasAVX2:
		return dotInt8AVX2(a, b)
	}
	return dotBytesGo(a, b)
}

// DotUint8 returns Σ aᵢbᵢ.
func DotUint8(a, b []uint8) int32 {
	sameLen(len(a), len(b))
	switch {
	case hasVNNI:
		return dotUint8AVX512(a, b)
	case hasAVX2:
		return dotUint8AVX2(a, b)
	}
	return dotBytesGo(a, b)
}

// DotUint8Int8 returns Σ aᵢbᵢ.
func DotUint8Int8(a []uint8, b []int8) int32 {
	sameLen(len(a), len(b))
	switch {
	case hasVNNI:
		return dotUint8Int8AVX512(a, b)
	case hasAVX2:
		return dotUint8Int8AVX2(a, b)
	}
	return dotBytesGo(a, b)
}

// SquaredL2Int8 returns Σ (aᵢ-bᵢ)².
func SquaredL2Int8(a, b []int8) int32 {
	sameLen(len(a), len(b))
	switch {
	case hasVNNI:
		return squaredL2Int8AVX512(a, b)
	case hasAVX2:
		return squaredL2Int8AVX2(a, b)
	}
	return squaredL2BytesGo(a, b)
}

// SquaredL2Uint8 returns Σ (aᵢ-bᵢ)².
func SquaredL2Uint8(a, b []uint8) int32 {
	sameLen(len(a), len(b))
	switch {
	case hasVNNI:
		return squaredL2Uint8AVX512(a, b)
	case hasAVX2:
		return squaredL2Uint8AVX2(a, b)
	}
	return squaredL2BytesGo(a, b)
}

// L1Int8 returns Σ |aᵢ-bᵢ|.
func L1Int8(a, b []int8) int32 {
	sameLen(len(a), len(b))
	switch {
	case hasAVX512:
		return l1Int8AVX512(a, b)
	case hasAVX2:
		return l1Int8AVX2(a, b)
	}
	return l1BytesGo(a, b)
}

// L1Uint8 returns Σ |aᵢ-bᵢ|.
func L1Uint8(a, b []uint8) int32 {
	sameLen(len(a), len(b))
	switch {
	case hasAVX512:
		return l1Uint8AVX512(a, b)
	case hasAVX2:
		return l1Uint8AVX2(a, b)
	}
	return l1BytesGo(a, b)
}

// Hamming returns the number of bits in which a and b differ.
func Hamming(a, b []byte) int32 {
	sameLen(len(a), len(b))
	switch {
	case hasVPOPCNT:
		return hammingAVX512(a, b)
	case hasAVX2:
		return hammingAVX2(a, b)
	}
	return hammingGo(a, b)
}

// Hammings writes to dst[i] the number of bits in which q differs from row i of rows, which has the length of q and begins
// at i*stride; stride 0 means that rows lie close together.
func Hammings(dst []int32, q, rows []byte, stride int) {
	if stride == 0 {
		stride = len(q)
	}
	if len(dst) == 0 {
		return
	}
	checkRow(len(dst)-1, stride, len(q), len(rows))
	hammings(dst, q, rows, stride, nil)
}

// HammingsAt writes to dst[i] the number of bits in which q differs from row ids[i] of rows, laid out as for [Hammings].
func HammingsAt(dst []int32, q, rows []byte, stride int, ids []uint32) {
	sameLen(len(dst), len(ids))
	if stride == 0 {
		stride = len(q)
	}
	if len(dst) == 0 {
		return
	}
	checkRow(largest(ids), stride, len(q), len(rows))
	hammings(dst, q, rows, stride, ids)
}

func hammings(dst []int32, q, rows []byte, stride int, ids []uint32) {
	switch {
	case hasVPOPCNT:
		hammingsAVX512(dst, q, unsafe.SliceData(rows), stride, unsafe.SliceData(ids))
		return
	case hasAVX2:
		hammingsAVX2(dst, q, unsafe.SliceData(rows), stride, unsafe.SliceData(ids))
		return
	}
	for i := range dst {
		at := i * stride
		if ids != nil {
			at = int(ids[i]) * stride
		}
		dst[i] = hammingGo(q, rows[at:at+len(q)])
	}
}

func dotBytesGo[A, B int8 | uint8](a []A, b []B) (s int32) {
	for i, v := range a {
		s += int32(v) * int32(b[i])
	}
	return s
}

func squaredL2BytesGo[T int8 | uint8](a, b []T) (s int32) {
	for i, v := range a {
		d := int32(v) - int32(b[i])
		s += d * d
	}
	return s
}

func l1BytesGo[T int8 | uint8](a, b []T) (s int32) {
	for i, v := range a {
		s += max(int32(v)-int32(b[i]), int32(b[i])-int32(v))
	}
	return s
}

func hammingGo(a, b []byte) (s int32) {
	for len(a) >= 8 && len(b) >= 8 {
		s += int32(bits.OnesCount64(binary.LittleEndian.Uint64(a) ^ binary.LittleEndian.Uint64(b)))
		a, b = a[8:], b[8:]
	}
	for i, v := range a {
		s += int32(bits.OnesCount8(v ^ b[i]))
	}
	return s
}
