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
	keys()
	keyRange()
	below(false)
	below(true)
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

// keys gathers what TopK keeps: the distances that are small, as keys.
func keys() {
	TEXT("topKeysAVX512", NOSPLIT, "func(dst *uint64, x *float32, ids *uint32, n int, bound float32) int")
	Pragma("noescape")
	Doc("topKeysAVX512 writes to dst, which has room for n, topKey(x[i], ids[i]) of each i < n where x[i] is at most bound, and returns how many.")
	dst, x, ids, n := Load(Param("dst"), GP64()), Load(Param("x"), GP64()), Load(Param("ids"), GP64()), Load(Param("n"), GP64())
	bound, zero, top := ZMM(), ZMM(), ZMM()
	from, _ := Param("bound").Resolve()
	VBROADCASTSS(from.Addr, bound)
	VPXORD(zero, zero, zero)
	sign := GP32()
	MOVL(U32(1<<31), sign)
	VPBROADCASTD(sign, top)
	count, at, whole, bits := GP64(), GP64(), GP32(), GP32()
	few, hits := K(), K()
	XORQ(count, count)
	XORQ(at, at)
	MOVL(U32(0xffff), whole)
	emit := func(v reg.VecVirtual) {
		s, id := ZMM(), ZMM()
		VADDPS(zero, v, v) // -0 is 0
		VPSRAD(Imm(31), v, s)
		VPORD(top, s, s)
		VPXORD(s, v, v)
		VMOVDQU32_Z(Mem{Base: ids, Index: at, Scale: 4}, hits, id)
		VPCOMPRESSD_Z(v, hits, v)
		VPCOMPRESSD_Z(id, hits, id)
		POPCNTL(bits, bits)
		stored := GP32()
		BZHIL(bits, whole, stored)
		KMOVW(stored, hits)
		for half := range 2 {
			key, low := ZMM(), ZMM()
			if half == 1 {
				VEXTRACTI64X4(Imm(1), v, v.AsY())
				VEXTRACTI64X4(Imm(1), id, id.AsY())
				KSHIFTRW(Imm(8), hits, hits)
			}
			VPMOVZXDQ(v.AsY(), key)
			VPMOVZXDQ(id.AsY(), low)
			VPSLLQ(Imm(32), key, key)
			VPORQ(low, key, key)
			VMOVDQU64(key, hits, Mem{Base: dst, Index: count, Scale: 8, Disp: 64 * half})
		}
		ADDQ(bits.As64(), count)
	}
	v := ZMM()
	SUBQ(Imm(16), n)
	JLT(LabelRef("tail"))
	Label("loop")
	VMOVUPS(Mem{Base: x, Index: at, Scale: 4}, v)
	VCMPPS(Imm(lessOrEqual), bound, v, hits)
	KMOVW(hits, bits)
	TESTL(bits, bits)
	JNE(LabelRef("hit"))
	Label("next")
	ADDQ(Imm(16), at)
	SUBQ(Imm(16), n)
	JGE(LabelRef("loop"))
	Label("tail")
	ADDQ(Imm(16), n)
	JEQ(LabelRef("done"))
	some := GP32()
	MOVL(n.(reg.GPVirtual).As32(), some)
	BZHIL(some, whole, some)
	KMOVW(some, few)
	VMOVUPS_Z(Mem{Base: x, Index: at, Scale: 4}, few, v)
	VCMPPS(Imm(lessOrEqual), bound, v, few, hits)
	KMOVW(hits, bits)
	emit(v)
	Label("done")
	Store(count, ReturnIndex(0))
	VZEROUPPER()
	RET()
	Label("hit")
	emit(v)
	JMP(LabelRef("next"))
}

// eachKey runs body for eight keys of a at a time, of which few says which there are.
func eachKey(a, n reg.Register, few reg.Register, body func(v reg.VecVirtual)) {
	whole, some, v := GP32(), GP32(), ZMM()
	MOVL(U32(0xff), whole)
	KMOVW(whole, few)
	Label("loop")
	CMPQ(n, Imm(8))
	JGE(LabelRef("full"))
	MOVL(n.(reg.GPVirtual).As32(), some)
	BZHIL(some, whole, some)
	KMOVW(some, few)
	Label("full")
	VMOVDQU64_Z(Mem{Base: a}, few, v)
	body(v)
	ADDQ(I8(64), a)
	SUBQ(Imm(8), n)
	JG(LabelRef("loop"))
}

// keyRange finds the least and the greatest key.
func keyRange() {
	TEXT("keyRangeAVX512", NOSPLIT, "func(a *uint64, n int) (lo, hi uint64)")
	Pragma("noescape")
	Doc("keyRangeAVX512 returns the least and the greatest of n keys, at least 1.")
	a, n, few := Load(Param("a"), GP64()), Load(Param("n"), GP64()), K()
	lo, hi := ZMM(), ZMM()
	VPTERNLOGQ(Imm(0xff), lo, lo, lo)
	VPXORQ(hi, hi, hi)
	eachKey(a, n, few, func(v reg.VecVirtual) {
		VPMINUQ(v, lo, few, lo)
		VPMAXUQ(v, hi, few, hi)
	})
	for i, r := range []struct {
		v    reg.VecVirtual
		best func(...Op)
	}{{lo, VPMINUQ}, {hi, VPMAXUQ}} {
		other, x := ZMM(), GP64()
		VEXTRACTI64X4(Imm(1), r.v, other.AsY())
		r.best(other, r.v, r.v)
		VEXTRACTI128(Imm(1), r.v.AsY(), other.AsX())
		r.best(other, r.v, r.v)
		VPSHUFD(Imm(0x4e), r.v.AsX(), other.AsX())
		r.best(other, r.v, r.v)
		VMOVQ(r.v.AsX(), x)
		Store(x, ReturnIndex(i))
	}
	VZEROUPPER()
	RET()
}

// below counts the keys less than a pivot, or moves them to the front.
func below(keep bool) {
	name, what := "countBelowAVX512", "returns how many of n keys, at least 1, are less than pivot."
	if keep {
		name, what = "keepBelowAVX512", "moves those of n keys, at least 1, that are less than pivot to the front, and returns how many there are."
	}
	TEXT(name, NOSPLIT, "func(a *uint64, n int, pivot uint64) int")
	Pragma("noescape")
	Doc(name + " " + what)
	a, n, few, less := Load(Param("a"), GP64()), Load(Param("n"), GP64()), K(), K()
	pivot, count, bits, to := ZMM(), GP64(), GP32(), GP64()
	from, _ := Param("pivot").Resolve()
	VPBROADCASTQ(from.Addr, pivot)
	MOVQ(a, to)
	XORQ(count, count)
	eachKey(a, n, few, func(v reg.VecVirtual) {
		VPCMPUQ(Imm(1), pivot, v, few, less)
		KMOVW(less, bits)
		POPCNTL(bits, bits)
		if keep {
			VPCOMPRESSQ_Z(v, less, v)
			stored := GP32()
			MOVL(U32(0xff), stored)
			BZHIL(bits, stored, stored)
			KMOVW(stored, less)
			VMOVDQU64(v, less, Mem{Base: to, Index: count, Scale: 8}) // behind what was read
		}
		ADDQ(bits.As64(), count)
	})
	Store(count, ReturnIndex(0))
	VZEROUPPER()
	RET()
}
