// Command topk writes the assembly that looks for the small values in a block of distances.
package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

const lessOrEqual = 2 // ordered: false for NaN

func main() {
	ConstraintExpr("amd64,!noasm")
	first16 := GLOBL("first16", RODATA|NOPTR)
	for i := range 16 {
		DATA(4*i, U32(i))
	}
	for _, sum := range []bool{false, true} {
		avx512(first16, sum)
		avx2(sum)
	}
	Generate()
}

// begin loads what both kernels have in common. The caller sees to it that dst has room for n positions.
func begin(name, isa string, sum bool, vector func() reg.VecVirtual) (dst, x, n, y reg.Register, cx, cy, bound reg.VecVirtual) {
	args, value := "x *float32, n int, bound float32", "x[i]"
	if sum {
		name, args, value = name+"Sum", "x, y *float32, n int, cx, cy, bound float32", "cx*x[i] + cy*y[i]"
	}
	TEXT(name+isa, NOSPLIT, "func(dst *uint32, "+args+") int")
	Pragma("noescape")
	Doc(name + isa + " writes to dst the positions i < n where " + value + " is at most bound, and returns how many.")
	dst, x, n = Load(Param("dst"), GP64()), Load(Param("x"), GP64()), Load(Param("n"), GP64())
	spread := func(param string) reg.VecVirtual {
		v := vector()
		from, _ := Param(param).Resolve()
		VBROADCASTSS(from.Addr, v)
		return v
	}
	bound = spread("bound")
	if sum {
		y = Load(Param("y"), GP64())
		cx, cy = spread("cx"), spread("cy")
	}
	return
}

func avx512(first16 Mem, sum bool) {
	dst, x, n, y, cx, cy, bound := begin("atMost", "AVX512", sum, ZMM)
	count, at, rest := GP64(), GP64(), GP64()
	XORQ(count, count)
	XORQ(at, at)
	positions, step := ZMM(), ZMM()
	VMOVDQU32(first16, positions)
	sixteen := GP32()
	MOVL(U32(16), sixteen)
	VPBROADCASTD(sixteen, step)

	few, hits := K(), K()
	bits := GP32()
	whole := GP32()
	value := func(tail bool) {
		v := ZMM()
		load := func(p reg.Register, to reg.VecVirtual) {
			if tail {
				VMOVUPS_Z(Mem{Base: p, Index: at, Scale: 4}, few, to)
			} else {
				VMOVUPS(Mem{Base: p, Index: at, Scale: 4}, to)
			}
		}
		load(x, v)
		if sum {
			w := ZMM()
			load(y, w)
			VMULPS(cy, w, w)
			VFMADD132PS(cx, w, v) // v = v·cx + w
		}
		if tail {
			VCMPPS(Imm(lessOrEqual), bound, v, few, hits)
		} else {
			VCMPPS(Imm(lessOrEqual), bound, v, hits)
		}
		KMOVW(hits, bits)
	}
	emit := func() {
		VPCOMPRESSD(positions, hits, Mem{Base: dst, Index: count, Scale: 4})
		POPCNTL(bits, bits)
		ADDQ(bits.As64(), count)
	}
	MOVQ(n, rest)
	SUBQ(Imm(16), rest)
	JLT(LabelRef("tail"))
	Label("loop")
	value(false)
	TESTL(bits, bits)
	JNE(LabelRef("hit"))
	Label("next")
	VPADDD(step, positions, positions)
	ADDQ(Imm(16), at)
	SUBQ(Imm(16), rest)
	JGE(LabelRef("loop"))
	Label("tail")
	ADDQ(Imm(16), rest)
	JEQ(LabelRef("done"))
	MOVL(U32(0xffff), whole)
	BZHIL(rest.As32(), whole, whole)
	KMOVW(whole, few)
	value(true)
	emit()
	Label("done")
	Store(count, ReturnIndex(0))
	VZEROUPPER()
	RET()
	Label("hit")
	emit()
	JMP(LabelRef("next"))
}

// avx2 leaves the last n mod 8 to its caller.
func avx2(sum bool) {
	dst, x, n, y, cx, cy, bound := begin("atMost", "AVX2", sum, YMM)
	count, at := GP64(), GP64()
	XORQ(count, count)
	XORQ(at, at)
	bits, bit := GP32(), GP32()
	ANDQ(I8(-8), n)
	JEQ(LabelRef("done"))
	Label("loop")
	v := YMM()
	VMOVUPS(Mem{Base: x, Index: at, Scale: 4}, v)
	if sum {
		w := YMM()
		VMULPS(Mem{Base: y, Index: at, Scale: 4}, cy, w)
		VFMADD132PS(cx, w, v)
	}
	VCMPPS(Imm(lessOrEqual), bound, v, v)
	VMOVMSKPS(v, bits)
	TESTL(bits, bits)
	JNE(LabelRef("hit"))
	Label("next")
	ADDQ(Imm(8), at)
	CMPQ(at, n)
	JLT(LabelRef("loop"))
	Label("done")
	Store(count, ReturnIndex(0))
	VZEROUPPER()
	RET()
	Label("hit")
	TZCNTL(bits, bit)
	ADDL(at.As32(), bit)
	MOVL(bit, Mem{Base: dst, Index: count, Scale: 4})
	INCQ(count)
	BLSRL(bits, bits)
	JNE(LabelRef("hit"))
	JMP(LabelRef("next"))
}
