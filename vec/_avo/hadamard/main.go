// Command hadamard writes the assembly of the fast Walsh-Hadamard transform.
package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

func main() {
	ConstraintExpr("amd64,!noasm")
	block()
	pass()
	Generate()
}

// signs is a constant of eight floats that are -1 where a lane's number has the bit h, else 1.
func signs(h int) Mem {
	m := GLOBL([]string{1: "signs1", 2: "signs2", 4: "signs4"}[h], RODATA|NOPTR)
	for i := range 8 {
		s := float32(1)
		if i&h != 0 {
			s = -1
		}
		DATA(4*i, F32(s))
	}
	return m
}

// block does the first six levels, within 64 numbers that eight registers hold: three between the lanes of each, where
// x·signs + (x with neighbours swapped) is a level, then three between registers.
func block() {
	s1, s2, s4 := signs(1), signs(2), signs(4)
	TEXT("hadamard64AVX2", NOSPLIT, "func(x *float32, n int)")
	Pragma("noescape")
	Doc("hadamard64AVX2 transforms each 64 of n numbers, a multiple of 64, by themselves.")
	x, n := Load(Param("x"), GP64()), Load(Param("n"), GP64())
	Label("loop")
	v := make([]reg.VecVirtual, 8)
	for i := range v {
		v[i] = YMM()
		VMOVUPS(Mem{Base: x, Disp: 32 * i}, v[i])
		t := YMM()
		VPERMILPS(Imm(0b10_11_00_01), v[i], t)
		VFMADD132PS(s1, t, v[i]) // v = v·signs + t
		t = YMM()
		VPERMILPS(Imm(0b01_00_11_10), v[i], t)
		VFMADD132PS(s2, t, v[i])
		t = YMM()
		VPERM2F128(Imm(1), v[i], v[i], t)
		VFMADD132PS(s4, t, v[i])
	}
	for h := 1; h < 8; h *= 2 {
		for i := range v {
			if i&h == 0 {
				sum := YMM()
				VADDPS(v[i+h], v[i], sum)
				VSUBPS(v[i+h], v[i], v[i+h])
				v[i] = sum
			}
		}
	}
	for i := range v {
		VMOVUPS(v[i], Mem{Base: x, Disp: 32 * i})
	}
	ADDQ(Imm(256/2), x)
	ADDQ(Imm(256/2), x)
	SUBQ(Imm(64), n)
	JG(LabelRef("loop"))
	VZEROUPPER()
	RET()
}

// pass does two levels, between numbers that are h and 2h apart.
func pass() {
	TEXT("hadamardPassAVX2", NOSPLIT, "func(x *float32, n, h int)")
	Pragma("noescape")
	Doc("hadamardPassAVX2 does the levels h and 2h, a power of two from 8, over n numbers, a multiple of 4h.")
	x, n, h := Load(Param("x"), GP64()), Load(Param("n"), GP64()), Load(Param("h"), GP64())
	three, at := GP64(), GP64()
	LEAQ(Mem{Base: h, Index: h, Scale: 2}, three)
	Label("groups")
	MOVQ(h, at)
	Label("loop")
	var v [4]reg.VecVirtual
	from := [4]Mem{{Base: x}, {Base: x, Index: h, Scale: 4}, {Base: x, Index: h, Scale: 8}, {Base: x, Index: three, Scale: 4}}
	for i := range v {
		v[i] = YMM()
		VMOVUPS(from[i], v[i])
	}
	sum := func(a, b reg.VecVirtual) (s, d reg.VecVirtual) {
		s, d = YMM(), YMM()
		VADDPS(b, a, s)
		VSUBPS(b, a, d)
		return
	}
	s, t := sum(v[0], v[1])
	u, w := sum(v[2], v[3])
	a, c := sum(s, u)
	b, d := sum(t, w)
	for i, r := range []reg.VecVirtual{a, b, c, d} {
		VMOVUPS(r, from[i])
	}
	ADDQ(Imm(32), x)
	SUBQ(Imm(8), at)
	JG(LabelRef("loop"))
	LEAQ(Mem{Base: x, Index: three, Scale: 4}, x)
	SUBQ(h, n)
	SUBQ(three, n)
	JG(LabelRef("groups"))
	VZEROUPPER()
	RET()
}
