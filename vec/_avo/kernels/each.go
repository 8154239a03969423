package main

import (
	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// scaled writes scale, dst = s·a, and addScaled, dst += s·a.
func scaled(m machine, add bool) {
	name := "scale"
	if add {
		name = "addScaled"
	}
	TEXT(name+m.name, 4, "func(dst, a []float32, s float32)")
	Pragma("noescape")
	Doc(name + m.name + " is " + name + "Go.")
	dst, a, n := Load(Param("dst").Base(), GP64()), Load(Param("a").Base(), GP64()), Load(Param("dst").Len(), GP64())
	s := m.vector()
	at, _ := Param("s").Resolve()
	VBROADCASTSS(at.Addr, s)
	i, end := GP64(), GP64()
	loop, tail, last, done := label("loop"), label("tail"), label("last"), label("done")
	one := func(disp int) {
		x, to := m.vector(), mem(dst, i, 4, disp)
		if add {
			VMOVUPS(to, x)
			VFMADD231PS(mem(a, i, 4, disp), s, x)
		} else {
			VMULPS(mem(a, i, 4, disp), s, x)
		}
		VMOVUPS(x, to)
	}
	XORQ(i, i)
	MOVQ(n, end)
	ANDQ(operand.I8(-int8(chains*m.lanes())), end)
	JZ(operand.LabelRef(tail))
	Label(loop)
	for c := range chains {
		one(c * m.bytes)
	}
	ADDQ(operand.U8(chains*m.lanes()), i)
	CMPQ(i, end)
	JL(operand.LabelRef(loop))
	Label(tail)
	for range chains - 1 {
		to := GP64()
		LEAQ(operand.Mem{Base: i, Disp: m.lanes()}, to)
		CMPQ(to, n)
		JG(operand.LabelRef(last))
		one(0)
		MOVQ(to, i)
	}
	Label(last)
	SUBQ(i, n)
	JZ(operand.LabelRef(done))
	var read func(from operand.Mem) reg.VecVirtual
	var write func(v reg.VecVirtual, to operand.Mem)
	if m == avx512 {
		k, bits := K(), GP64()
		MOVQ(operand.I32(-1), bits)
		BZHIQ(n, bits, bits)
		KMOVW(bits.As32(), k)
		read = func(from operand.Mem) reg.VecVirtual { v := ZMM(); VMOVUPS_Z(from, k, v); return v }
		write = func(v reg.VecVirtual, to operand.Mem) { VMOVUPS(v, k, to) }
	} else {
		mask := lanes(n, 0)
		read = func(from operand.Mem) reg.VecVirtual { v := YMM(); VMASKMOVPS(from, mask, v); return v }
		write = func(v reg.VecVirtual, to operand.Mem) { VMASKMOVPS(v, mask, to) }
	}
	x, to := read(mem(a, i, 4, 0)), mem(dst, i, 4, 0)
	if add {
		y := read(to)
		VFMADD231PS(x, s, y)
		x = y
	} else {
		VMULPS(x, s, x)
	}
	write(x, to)
	Label(done)
	VZEROUPPER()
	RET()
}

// convert writes a function that turns whole groups of numbers, and leaves the rest of them to Go.
func convert(name, signature string, group int, row uint8, body func(dst, src operand.Mem)) {
	TEXT(name, 4, signature)
	Pragma("noescape")
	Doc(name + " converts len numbers, a multiple of the group.")
	dst, src, n := Load(Param("dst"), GP64()), Load(Param("src"), GP64()), Load(Param("n"), GP64())
	i := GP64()
	XORQ(i, i)
	loop, done := label("loop"), label("done")
	SUBQ(operand.U8(group), n)
	JL(operand.LabelRef(done))
	Label(loop)
	to, from := mem(dst, i, 4, 0), mem(src, i, row, 0)
	if signature == encode {
		to, from = mem(dst, i, row, 0), mem(src, i, 4, 0)
	}
	body(to, from)
	ADDQ(operand.U8(group), i)
	CMPQ(i, n)
	JLE(operand.LabelRef(loop))
	Label(done)
	VZEROUPPER()
	RET()
}

const (
	decode = "func(dst *float32, src *byte, n int)"
	encode = "func(dst *byte, src *float32, n int)"
)

// conversions writes those for AVX2: what they read and write bounds them, not their arithmetic.
func conversions() {
	convert("decodeFloat16AVX2", decode, 8, 2, func(dst, src operand.Mem) {
		v := YMM()
		VCVTPH2PS(src, v)
		VMOVUPS(v, dst)
	})
	convert("decodeBFloat16AVX2", decode, 8, 2, func(dst, src operand.Mem) {
		v := YMM()
		VPMOVZXWD(src, v)
		VPSLLD(operand.U8(16), v, v)
		VMOVDQU(v, dst)
	})
	convert("decodeUint8AVX2", decode, 8, 1, func(dst, src operand.Mem) {
		v := YMM()
		VPMOVZXBD(src, v)
		VCVTDQ2PS(v, v)
		VMOVUPS(v, dst)
	})
	convert("encodeFloat16AVX2", encode, 8, 2, func(dst, src operand.Mem) {
		v := YMM()
		VMOVUPS(src, v)
		VCVTPS2PH(operand.U8(0), v, dst) // to nearest, ties to even
	})
	convert("encodeBFloat16AVX2", encode, 8, 2, func(dst, src operand.Mem) {
		v, odd, nan, half, quiet := YMM(), YMM(), YMM(), YMM(), YMM()
		VMOVUPS(src, v)
		VPBROADCASTD(bfloatHalf, half)
		VPBROADCASTD(bfloatQuiet, quiet)
		VCMPPS(operand.U8(3), v, v, nan) // unordered with itself
		VPSLLD(operand.U8(15), v, odd)   // the last bit that stays, to the top
		VPSRLD(operand.U8(31), odd, odd)
		VPADDD(half, odd, odd)
		VPADDD(v, odd, odd)
		VPOR(quiet, v, v)
		VPBLENDVB(nan, v, odd, v)
		VPSRLD(operand.U8(16), v, v)
		VPACKUSDW(v, v, v)
		VPERMQ(operand.U8(0b00_00_10_00), v, v)
		VMOVDQU(v.AsX(), dst)
	})
}
