// Command argmin writes the assembly that looks for the least of a row of sums.
package main

import (
	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/gotypes"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

const (
	less  = 1 // ordered: false for NaN
	equal = 0
)

func main() {
	ConstraintExpr("amd64,!noasm")
	counting := GLOBL("counting16", RODATA|NOPTR)
	for i := range 16 {
		DATA(4*i, U32(i))
	}
	avx512(counting)
	avx2(counting)
	Generate()
}

func begin(isa, which string) (x, y, n reg.Register, c gotypes.Component) {
	TEXT("argMinSum"+isa, NOSPLIT, "func(x, y *float32, n int, c float32) int")
	Pragma("noescape")
	Doc("argMinSum" + isa + " returns the first i < n" + which + " for which c·x[i] + y[i] is least, 0 if none is below +Inf.")
	return Load(Param("x"), GP64()), Load(Param("y"), GP64()), Load(Param("n"), GP64()), Param("c")
}

func spread(c gotypes.Component, to reg.VecVirtual) reg.VecVirtual {
	from, _ := c.Resolve()
	VBROADCASTSS(from.Addr, to)
	return to
}

// infinity fills best with +Inf.
func infinity(best reg.VecVirtual) {
	bits := GP32()
	MOVL(U32(0x7f800000), bits)
	x := XMM()
	VMOVD(bits, x)
	VBROADCASTSS(x, best)
}

// first stores the least of eight values and, of those that are equal, the least position.
func first(best, at reg.VecVirtual) {
	v, least := YMM(), YMM()
	VPERM2F128(Imm(1), best, best, v)
	VMINPS(v, best, least)
	VPERMILPS(Imm(0x4e), least, v)
	VMINPS(v, least, least)
	VPERMILPS(Imm(0xb1), least, v)
	VMINPS(v, least, least)
	VCMPPS(Imm(equal), least, best, v)
	VPCMPEQD(least, least, least)
	VPXOR(least, v, v) // all ones where it is not the least
	VPOR(v, at, at)
	w := XMM()
	VEXTRACTI128(Imm(1), at, w)
	VPMINUD(w, at.AsX(), w)
	z := XMM()
	VPSHUFD(Imm(0x4e), w, z)
	VPMINUD(z, w, w)
	VPSHUFD(Imm(0xb1), w, z)
	VPMINUD(z, w, w)
	i := GP32()
	VMOVD(w, i)
	Store(i.As64(), ReturnIndex(0))
	VZEROUPPER()
	RET()
}

func avx512(counting Mem) {
	x, y, n, param := begin("AVX512", "")
	c := spread(param, ZMM())
	best, at, positions, step := ZMM(), ZMM(), ZMM(), ZMM()
	infinity(best)
	VPXORD(at, at, at)
	VMOVDQU32(counting, positions)
	sixteen := GP32()
	MOVL(U32(16), sixteen)
	VPBROADCASTD(sixteen, step)
	i := GP64()
	XORQ(i, i)
	few, lower := K(), K()
	SUBQ(Imm(16), n)
	JLT(LabelRef("tail"))
	Label("loop")
	v := ZMM()
	VMOVUPS(Mem{Base: y, Index: i, Scale: 4}, v)
	VFMADD231PS(Mem{Base: x, Index: i, Scale: 4}, c, v)
	VCMPPS(Imm(less), best, v, lower)
	VMINPS(best, v, best) // a NaN in v gives the second operand of the two, which is best
	VMOVDQA32(positions, lower, at)
	VPADDD(step, positions, positions)
	ADDQ(Imm(16), i)
	SUBQ(Imm(16), n)
	JGE(LabelRef("loop"))
	Label("tail")
	ADDQ(Imm(16), n)
	JEQ(LabelRef("reduce"))
	bits := GP32()
	MOVL(U32(0xffff), bits)
	BZHIL(n.(reg.GPVirtual).As32(), bits, bits)
	KMOVW(bits, few)
	w, u := ZMM(), ZMM()
	VMOVUPS_Z(Mem{Base: y, Index: i, Scale: 4}, few, w)
	VMOVUPS_Z(Mem{Base: x, Index: i, Scale: 4}, few, u)
	VFMADD231PS(u, c, w)
	VCMPPS(Imm(less), best, w, few, lower)
	VMOVAPS(w, lower, best)
	VMOVDQA32(positions, lower, at)
	Label("reduce")
	// Sixteen to eight: of two that are equal the least position.
	high, highAt, mask := YMM(), YMM(), K()
	VEXTRACTF64X4(Imm(1), best, high)
	VEXTRACTI64X4(Imm(1), at, highAt)
	low, lowAt := best.AsY(), at.AsY()
	VCMPPS(Imm(less), low, high, mask)
	taken, takenAt := YMM(), YMM()
	VMOVAPS(low, taken)
	VMOVDQA(lowAt, takenAt)
	VMOVAPS(high, mask, taken)
	VMOVDQA32(highAt, mask, takenAt)
	same, lesser := K(), YMM()
	VCMPPS(Imm(equal), low, high, same)
	VPMINUD(lowAt, highAt, lesser)
	VMOVDQA32(lesser, same, takenAt)
	first(taken, takenAt)
}

// avx2 leaves the last n mod 8 to its caller.
func avx2(counting Mem) {
	x, y, n, param := begin("AVX2", " &^ 7")
	c := spread(param, YMM())
	best, at, positions, step := YMM(), YMM(), YMM(), YMM()
	infinity(best)
	VPXOR(at, at, at)
	VMOVDQU(counting, positions)
	eight, e := GP32(), XMM()
	MOVL(U32(8), eight)
	VMOVD(eight, e)
	VPBROADCASTD(e, step)
	i := GP64()
	XORQ(i, i)
	ANDQ(I8(-8), n)
	JEQ(LabelRef("done"))
	Label("loop")
	v, lower := YMM(), YMM()
	VMOVUPS(Mem{Base: y, Index: i, Scale: 4}, v)
	VFMADD231PS(Mem{Base: x, Index: i, Scale: 4}, c, v)
	VCMPPS(Imm(less), best, v, lower)
	VMINPS(best, v, best)
	VPBLENDVB(lower, positions, at, at)
	VPADDD(step, positions, positions)
	ADDQ(Imm(8), i)
	CMPQ(i, n)
	JLT(LabelRef("loop"))
	Label("done")
	first(best, at)
}
