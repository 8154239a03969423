package vec

import "math"

// ToFloat16 returns the bits of x in IEEE 754 half precision, rounded to nearest, ties to even. What is too large
// becomes an infinity; NaN stays NaN, with the upper bits of its payload.
func ToFloat16(x float32) uint16 {
	b := math.Float32bits(x)
	sign := uint16(b>>16) & 0x8000
	b &= 0x7fffffff
	switch {
	case b > 0x7f800000: // NaN; the quiet bit is set, so that it stays one
		return sign | 0x7e00 | uint16(b>>13)&0x3ff
	case b >= 0x477ff000: // 65520, halfway from the largest finite half to the next power of two, rounds up
		return sign | 0x7c00
	case b < 0x38800000: // below 2⁻¹⁴, the smallest normal half: adding ½ leaves multiples of 2⁻²⁴ in the last bits
		return sign | uint16(math.Float32bits(math.Float32frombits(b)+0.5))
	}
	b += 0xfff + b>>13&1 // ties to even; a carry moves into the exponent, as it should
	return sign | uint16((b-0x38000000)>>13)
}

// FromFloat16 returns the number whose bits in half precision are h, exactly.
func FromFloat16(h uint16) float32 {
	sign := uint32(h&0x8000) << 16
	b := uint32(h&0x7fff) << 13
	switch {
	case b >= 0x7c00<<13: // NaN is made quiet, as the processor does
		if b > 0x7c00<<13 {
			b |= 0x400000
		}
		return math.Float32frombits(sign | 0x7f800000 | b)
	case b < 0x400<<13: // subnormal: b is a multiple of 2⁻²⁴
		return math.Float32frombits(sign | math.Float32bits(float32(b>>13)*0x1p-24))
	}
	return math.Float32frombits(sign | b + 0x38000000)
}

// ToBFloat16 returns the upper half of the bits of x, rounded to nearest, ties to even. NaN stays NaN.
func ToBFloat16(x float32) uint16 {
	b := math.Float32bits(x)
	if b&0x7fffffff > 0x7f800000 {
		return uint16(b>>16) | 0x40
	}
	return uint16((b + 0x7fff + b>>16&1) >> 16)
}

// FromBFloat16 returns the number whose upper half is h, exactly.
func FromBFloat16(h uint16) float32 { return math.Float32frombits(uint32(h) << 16) }
