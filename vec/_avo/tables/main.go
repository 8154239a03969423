// Command tables writes the assembly that sums looked-up bytes over blocks of half-byte codes.
package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

func main() {
	ConstraintExpr("amd64,!noasm")
	kernel("AVX512", true)
	kernel("AVX2", false)
	ranges()
	round()
	Generate()
}

const ahead = 512 // bytes to ask for before they are read: lists are short, and hardware sees late where each goes

// kernel reads 16 bytes of codes for each table, of which a register holds four, or two. A shuffle looks up 16 at a
// time, for codes in the low halves and in the high halves of the bytes. Its bytes are summed in 16 bits: all of a
// register into even, where the odd bytes count 256-fold, and these alone into odd. In the end 256·odd is taken away.
func kernel(isa string, wide bool) {
	TEXT("tableSums4"+isa, NOSPLIT, "func(dst *float32, tables, blocks *byte, pairs, n int, scale, base float32)")
	Pragma("noescape")
	Doc("tableSums4" + isa + " writes base + scale·sum for each of the 32 codes of each of n blocks; tables come in pairs.")
	dst, tables, block := Load(Param("dst"), GP64()), Load(Param("tables"), GP64()), Load(Param("blocks"), GP64())
	pairs, n := Load(Param("pairs"), GP64()), Load(Param("n"), GP64())
	vector := func() reg.VecVirtual { return YMM() }
	if wide {
		vector = func() reg.VecVirtual { return ZMM() }
	}
	spread := func(param string) reg.VecVirtual {
		v := vector()
		from, _ := Param(param).Resolve()
		VBROADCASTSS(from.Addr, v)
		return v
	}
	scale, base := spread("scale"), spread("base")
	low := vector()
	bits, x := GP32(), XMM()
	MOVL(U32(0x0f0f0f0f), bits)
	VMOVD(bits, x)
	VPBROADCASTD(x, low)
	xor := func(v reg.VecVirtual) {
		if wide {
			VPXORD(v, v, v)
		} else {
			VPXOR(v, v, v)
		}
	}
	load := func(from Mem, to reg.VecVirtual) {
		if wide {
			VMOVDQU8(from, to)
		} else {
			VMOVDQU(from, to)
		}
	}
	and := func(a, b, to reg.VecVirtual) {
		if wide {
			VPANDD(a, b, to)
		} else {
			VPAND(a, b, to)
		}
	}
	sums := [4]reg.VecVirtual{vector(), vector(), vector(), vector()} // even, odd of the low halves, of the high
	add := func(codes, table reg.VecVirtual) {
		lo, hi := vector(), vector()
		VPSRLW(Imm(4), codes, hi)
		and(low, codes, lo)
		and(low, hi, hi)
		for i, c := range []reg.VecVirtual{lo, hi} {
			VPSHUFB(c, table, c)
			VPADDW(c, sums[2*i], sums[2*i])
			VPSRLW(Imm(8), c, c)
			VPADDW(c, sums[2*i+1], sums[2*i+1])
		}
	}
	t, left := GP64(), GP64()
	TESTQ(n, n)
	JEQ(LabelRef("done"))
	Label("block")
	for _, s := range sums {
		xor(s)
	}
	MOVQ(tables, t)
	MOVQ(pairs, left)
	step := 1
	if wide {
		step = 2
	}
	SUBQ(Imm(uint64(step)), left)
	JLT(LabelRef("rest"))
	Label("loop")
	codes, table := vector(), vector()
	PREFETCHT0(Mem{Base: block, Disp: ahead})
	load(Mem{Base: block}, codes)
	load(Mem{Base: t}, table)
	add(codes, table)
	ADDQ(Imm(uint64(32*step)), block)
	ADDQ(Imm(uint64(32*step)), t)
	SUBQ(Imm(uint64(step)), left)
	JGE(LabelRef("loop"))
	Label("rest")
	if wide {
		ADDQ(Imm(2), left)
		JEQ(LabelRef("sum"))
		codes, table := ZMM(), ZMM() // the upper halves are zero, and so is what is looked up there
		VMOVDQU(Mem{Base: block}, codes.AsY())
		VMOVDQU(Mem{Base: t}, table.AsY())
		add(codes, table)
		ADDQ(Imm(32), block)
		Label("sum")
	}
	for half := range 2 {
		even, odd := sums[2*half], sums[2*half+1]
		v := vector()
		VPSLLW(Imm(8), odd, v)
		VPSUBW(v, even, even)
		fold := func(v reg.VecVirtual) reg.VecVirtual {
			y := v
			if wide {
				y = YMM()
				VEXTRACTI64X4(Imm(1), v, y)
				VPADDW(y, v.AsY(), y)
			}
			x := XMM()
			VEXTRACTI128(Imm(1), y.AsY(), x)
			VPADDW(x, y.AsX(), x)
			return x
		}
		e, o := fold(even), fold(odd)
		for part, unpack := range []func(_, _, _ Op){
			func(a, b, to Op) { VPUNPCKLWD(a, b, to) },
			func(a, b, to Op) { VPUNPCKHWD(a, b, to) },
		} {
			words, f := XMM(), YMM()
			unpack(o, e, words)
			VPMOVZXWD(words, f)
			VCVTDQ2PS(f, f)
			VFMADD213PS(base.AsY(), scale.AsY(), f)
			VMOVUPS(f, Mem{Base: dst, Disp: 64*half + 32*part})
		}
	}
	ADDQ(I32(128), dst)
	DECQ(n)
	JNE(LabelRef("block"))
	Label("done")
	VZEROUPPER()
	RET()
}

// ranges finds the least and the greatest of each 16 values.
func ranges() {
	TEXT("tableRangesAVX2", NOSPLIT, "func(lo, hi, tables *float32, n int)")
	Pragma("noescape")
	Doc("tableRangesAVX2 writes the least and the greatest value of each of n tables, at least 1, of 16.")
	lo, hi := Load(Param("lo"), GP64()), Load(Param("hi"), GP64())
	t, n := Load(Param("tables"), GP64()), Load(Param("n"), GP64())
	Label("loop")
	a, b := YMM(), YMM()
	VMOVUPS(Mem{Base: t}, a)
	VMOVUPS(Mem{Base: t, Disp: 32}, b)
	for _, r := range []struct {
		to   reg.Register
		best func(a, b, to Op)
	}{
		{lo, func(a, b, to Op) { VMINPS(a, b, to) }},
		{hi, func(a, b, to Op) { VMAXPS(a, b, to) }},
	} {
		v, x, y := YMM(), XMM(), XMM()
		r.best(a, b, v)
		VEXTRACTF128(Imm(1), v, x)
		r.best(x, v.AsX(), x)
		VPERMILPS(Imm(0x4e), x, y)
		r.best(y, x, x)
		VPERMILPS(Imm(0xb1), x, y)
		r.best(y, x, x)
		VMOVSS(x, Mem{Base: r.to})
		ADDQ(Imm(4), r.to)
	}
	ADDQ(Imm(64), t)
	DECQ(n)
	JNE(LabelRef("loop"))
	VZEROUPPER()
	RET()
}

// round writes tables as bytes.
func round() {
	TEXT("roundTablesAVX2", NOSPLIT, "func(dst *byte, tables, lo *float32, n int, inverse float32)")
	Pragma("noescape")
	Doc("roundTablesAVX2 writes (v-lo)*inverse, to the nearest of 0 to 255, for the 16 values of each of n tables, at least 1.")
	dst, t := Load(Param("dst"), GP64()), Load(Param("tables"), GP64())
	lo, n := Load(Param("lo"), GP64()), Load(Param("n"), GP64())
	inverse := YMM()
	from, _ := Param("inverse").Resolve()
	VBROADCASTSS(from.Addr, inverse)
	Label("loop")
	least := YMM()
	VBROADCASTSS(Mem{Base: lo}, least)
	var halves [2]reg.VecVirtual
	for i := range halves {
		v := YMM()
		VMOVUPS(Mem{Base: t, Disp: 32 * i}, v)
		VSUBPS(least, v, v)
		VMULPS(inverse, v, v)
		VCVTPS2DQ(v, v)
		halves[i] = v
	}
	words, high := YMM(), XMM()
	VPACKSSDW(halves[1], halves[0], words) // the quarters 0, 2, 1, 3
	VPERMQ(Imm(0xd8), words, words)
	VEXTRACTI128(Imm(1), words, high)
	VPACKUSWB(high, words.AsX(), high)
	VMOVDQU(high, Mem{Base: dst})
	ADDQ(Imm(64), t)
	ADDQ(Imm(4), lo)
	ADDQ(Imm(16), dst)
	DECQ(n)
	JNE(LabelRef("loop"))
	VZEROUPPER()
	RET()
}
