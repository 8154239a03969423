//go:build amd64 && !noasm

package vec

import "unsafe"

//go:generate go -C _avo run ./kernels -out ../kernels_amd64.s -stubs ../kernels_amd64.go -pkg vec

// scoreFast calls the kernel for f and o, if there is one for this processor, and says whether it did. All must have been
// checked: the kernels do not look at lengths.
func (f Format) scoreFast(o op, dst, q, step []float32, data []byte, stride int, ids []uint32) bool {
	var (
		s    = unsafe.SliceData(step)
		rows = unsafe.SliceData(data)
		at   = unsafe.SliceData(ids)
	)
	if hasAVX512 {
		switch int(f)*3 + int(o) {
		case int(Float32)*3 + int(opDot):
			dotsFloat32AVX512(dst, q, s, rows, stride, at)
		case int(Float32)*3 + int(opSquaredL2):
			squaredL2sFloat32AVX512(dst, q, s, rows, stride, at)
		case int(Float32)*3 + int(opL1):
			l1sFloat32AVX512(dst, q, s, rows, stride, at)
		case int(Float16)*3 + int(opDot):
			dotsFloat16AVX512(dst, q, s, rows, stride, at)
		case int(Float16)*3 + int(opSquaredL2):
			squaredL2sFloat16AVX512(dst, q, s, rows, stride, at)
		case int(Float16)*3 + int(opL1):
			l1sFloat16AVX512(dst, q, s, rows, stride, at)
		case int(BFloat16)*3 + int(opDot):
			dotsBFloat16AVX512(dst, q, s, rows, stride, at)
		case int(BFloat16)*3 + int(opSquaredL2):
			squaredL2sBFloat16AVX512(dst, q, s, rows, stride, at)
		case int(BFloat16)*3 + int(opL1):
			l1sBFloat16AVX512(dst, q, s, rows, stride, at)
		case int(Uint8)*3 + int(opDot):
			dotsUint8AVX512(dst, q, s, rows, stride, at)
		case int(Uint8)*3 + int(opSquaredL2):
			squaredL2sUint8AVX512(dst, q, s, rows, stride, at)
		case int(Uint8)*3 + int(opL1):
			l1sUint8AVX512(dst, q, s, rows, stride, at)
		case int(Uint4)*3 + int(opDot):
			dotsUint4AVX512(dst, q, s, rows, stride, at)
		case int(Uint4)*3 + int(opSquaredL2):
			squaredL2sUint4AVX512(dst, q, s, rows, stride, at)
		case int(Uint4)*3 + int(opL1):
			l1sUint4AVX512(dst, q, s, rows, stride, at)
		}
		return true
	}
	if hasAVX2 {
		switch int(f)*3 + int(o) {
		case int(Float32)*3 + int(opDot):
			dotsFloat32AVX2(dst, q, s, rows, stride, at)
		case int(Float32)*3 + int(opSquaredL2):
			squaredL2sFloat32AVX2(dst, q, s, rows, stride, at)
		case int(Float32)*3 + int(opL1):
			l1sFloat32AVX2(dst, q, s, rows, stride, at)
		case int(Float16)*3 + int(opDot):
			dotsFloat16AVX2(dst, q, s, rows, stride, at)
		case int(Float16)*3 + int(opSquaredL2):
			squaredL2sFloat16AVX2(dst, q, s, rows, stride, at)
		case int(Float16)*3 + int(opL1):
			l1sFloat16AVX2(dst, q, s, rows, stride, at)
		case int(BFloat16)*3 + int(opDot):
			dotsBFloat16AVX2(dst, q, s, rows, stride, at)
		case int(BFloat16)*3 + int(opSquaredL2):
			squaredL2sBFloat16AVX2(dst, q, s, rows, stride, at)
		case int(BFloat16)*3 + int(opL1):
			l1sBFloat16AVX2(dst, q, s, rows, stride, at)
		case int(Uint8)*3 + int(opDot):
			dotsUint8AVX2(dst, q, s, rows, stride, at)
		case int(Uint8)*3 + int(opSquaredL2):
			squaredL2sUint8AVX2(dst, q, s, rows, stride, at)
		case int(Uint8)*3 + int(opL1):
			l1sUint8AVX2(dst, q, s, rows, stride, at)
		case int(Uint4)*3 + int(opDot):
			dotsUint4AVX2(dst, q, s, rows, stride, at)
		case int(Uint4)*3 + int(opSquaredL2):
			squaredL2sUint4AVX2(dst, q, s, rows, stride, at)
		case int(Uint4)*3 + int(opL1):
			l1sUint4AVX2(dst, q, s, rows, stride, at)
		}
		return true
	}
	return false
}

// scoreFast is the same for rows that are float32 already.
func scoreFast(o op, dst, q, rows []float32, ids []uint32) bool {
	return Float32.scoreFast(o, dst, q, nil, asBytes(rows), 4*len(q), ids)
}

func asBytes(v []float32) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(v))), 4*len(v))
}

// encodeFast writes the numbers of v, or the first of them, as a row to dst and says how many.
func encodeFast(f Format, dst []byte, v []float32) int {
	if f == Float32 { // this processor's own
		copy(dst, asBytes(v))
		return len(v)
	}
	if !hasAVX2 {
		return 0
	}
	n := len(v) &^ 7
	switch f {
	case Float16:
		encodeFloat16AVX2(unsafe.SliceData(dst), unsafe.SliceData(v), n)
	case BFloat16:
		encodeBFloat16AVX2(unsafe.SliceData(dst), unsafe.SliceData(v), n)
	default:
		return 0
	}
	return n
}

// decodeFast writes the first numbers of a row to dst and says how many.
func decodeFast(f Format, dst []float32, row []byte) int {
	if f == Float32 {
		copy(asBytes(dst), row)
		return len(dst)
	}
	if !hasAVX2 {
		return 0
	}
	n := len(dst) &^ 7
	switch f {
	case Float16:
		decodeFloat16AVX2(unsafe.SliceData(dst), unsafe.SliceData(row), n)
	case BFloat16:
		decodeBFloat16AVX2(unsafe.SliceData(dst), unsafe.SliceData(row), n)
	case Uint8:
		decodeUint8AVX2(unsafe.SliceData(dst), unsafe.SliceData(row), n)
	default:
		return 0
	}
	return n
}
