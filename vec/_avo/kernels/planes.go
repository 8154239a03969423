package main

import (
	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

const planes = 4

// planeHammings counts, for each row, the bits in which it differs from each of four planes, weighted 1, 2, 4 and 8. Of
// every 64 bytes the planes lie one behind another, filled up with zeros, so only rows need care at their end.
func planeHammings(m machine) {
	TEXT("planeHammings"+m.name, 4, "func(dst []int32, planes *byte, size int, rows *byte, stride int, ids *uint32)")
	Pragma("noescape")
	Doc("planeHammings" + m.name + " writes to dst the weighted differences of the planes and each row.")
	q := Load(Param("planes"), GP64())
	sum := planes512
	if m == avx2 {
		sum = planes256
	}
	each := sum(q)
	m.rows(func(row, next []reg.Register) []reg.VecVirtual {
		sums := each(row, next)
		for _, v := range sums { // of 64-bit lanes the lower halves
			t := m.vector()
			if m == avx512 {
				VEXTRACTI64X4(operand.U8(1), v, t.AsY())
				VPADDD(t.AsY(), v.AsY(), v.AsY())
			}
			VEXTRACTI128(operand.U8(1), v.AsY(), t.AsX())
			VPADDD(t.AsX(), v.AsX(), v.AsX())
			VPSHUFD(operand.U8(0b01_00_11_10), v.AsX(), t.AsX())
			VPADDD(t.AsX(), v.AsX(), v.AsX())
		}
		return sums
	}, func(s reg.VecVirtual, at operand.Mem) { VMOVD(s.AsX(), at) })
}

type rowSum func(row, next []reg.Register) []reg.VecVirtual

// planes512 keeps a sum for each plane and weighs them at the end.
func planes512(q reg.Register) rowSum {
	tail, n, bits := K(), Load(Param("size"), GP64()), GP64()
	ANDQ(operand.U8(63), n)
	MOVQ(operand.I32(-1), bits)
	BZHIQ(n, bits, bits)
	KMOVQ(bits, tail)
	return func(row, next []reg.Register) []reg.VecVirtual {
		acc := make([][planes]reg.VecVirtual, len(row))
		for r := range acc {
			for p := range planes {
				acc[r][p] = avx512.zero()
			}
		}
		i := GP64()
		add := func(load func(from operand.Mem, v reg.VecVirtual)) {
			x := make([]reg.VecVirtual, len(row))
			for r := range row {
				x[r] = ZMM()
				load(mem(row[r], i, 1, 0), x[r])
			}
			for _, p := range next {
				PREFETCHT0(mem(p, i, 1, 0))
			}
			for p := range planes {
				plane := ZMM()
				VMOVDQU64(mem(q, i, 4, 64*p), plane)
				for r := range row {
					t := ZMM()
					VPXORQ(x[r], plane, t)
					VPOPCNTQ(t, t)
					VPADDQ(t, acc[r][p], acc[r][p])
				}
			}
		}
		loop, last, done := label("loop"), label("last"), label("summed")
		end := Load(Param("size"), GP64())
		XORQ(i, i)
		ANDQ(operand.I8(-64), end)
		JZ(operand.LabelRef(last))
		Label(loop)
		add(func(from operand.Mem, v reg.VecVirtual) { VMOVDQU64(from, v) })
		ADDQ(operand.U8(64), i)
		CMPQ(i, end)
		JL(operand.LabelRef(loop))
		Label(last)
		CMPQ(i, Load(Param("size"), GP64()))
		JGE(operand.LabelRef(done))
		add(func(from operand.Mem, v reg.VecVirtual) { VMOVDQU8_Z(from, tail, v) })
		Label(done)
		out := make([]reg.VecVirtual, len(row))
		for r := range acc {
			out[r] = acc[r][0]
			for p := 1; p < planes; p++ {
				VPSLLQ(operand.U8(p), acc[r][p], acc[r][p])
				VPADDQ(acc[r][p], out[r], out[r])
			}
		}
		return out
	}
}

// planes256 counts the bits of nibbles in a table, from the heaviest plane to the lightest, doubling the count between:
// a byte's comes to 8·15 at most.
func planes256(q reg.Register) rowSum {
	count, low, zero := YMM(), allBytes(avx2, nibbles), avx2.zero()
	VBROADCASTI128(nibbleBits, count)
	return func(row, next []reg.Register) []reg.VecVirtual {
		acc := make([]reg.VecVirtual, len(row))
		for r := range acc {
			acc[r] = avx2.zero()
		}
		i, plane := GP64(), GP64()
		add := func(load func(row reg.Register, v reg.VecVirtual), loadPlane func(from operand.Mem, v reg.VecVirtual)) {
			lo, hi, sum := make([]reg.VecVirtual, len(row)), make([]reg.VecVirtual, len(row)), make([]reg.VecVirtual, len(row))
			for r := range row {
				lo[r], hi[r] = YMM(), YMM()
				load(row[r], lo[r])
				VPSRLW(operand.U8(4), lo[r], hi[r])
				VPAND(low, lo[r], lo[r])
				VPAND(low, hi[r], hi[r])
			}
			for p := planes - 1; p >= 0; p-- {
				pl, ph := YMM(), YMM()
				loadPlane(operand.Mem{Base: plane, Disp: 64 * p}, pl)
				VPSRLW(operand.U8(4), pl, ph)
				VPAND(low, pl, pl)
				VPAND(low, ph, ph)
				for r := range row {
					t := YMM()
					VPXOR(lo[r], pl, t)
					VPSHUFB(t, count, t)
					if sum[r] == nil {
						sum[r] = t
					} else {
						VPADDB(sum[r], sum[r], sum[r])
						VPADDB(t, sum[r], sum[r])
					}
					t = YMM()
					VPXOR(hi[r], ph, t)
					VPSHUFB(t, count, t)
					VPADDB(t, sum[r], sum[r])
				}
			}
			for r := range row {
				VPSADBW(zero, sum[r], sum[r])
				VPADDD(sum[r], acc[r], acc[r])
			}
		}
		half := func() {
			add(func(row reg.Register, v reg.VecVirtual) { VMOVDQU(mem(row, i, 1, 0), v) },
				func(from operand.Mem, v reg.VecVirtual) { VMOVDQU(from, v) })
			ADDQ(operand.U8(32), i)
		}
		short := func(from operand.Mem, v reg.VecVirtual) {
			VPXOR(v, v, v) // the move leaves 0 above; said twice, for avo
			VMOVDQU(from, v.AsX())
		}
		loop, tail, half2, few, done := label("loop"), label("tail"), label("half"), label("few"), label("summed")
		end := Load(Param("size"), GP64())
		XORQ(i, i)
		MOVQ(q, plane)
		ANDQ(operand.I8(-64), end)
		JZ(operand.LabelRef(tail))
		Label(loop)
		for _, p := range next {
			PREFETCHT0(mem(p, i, 1, 0))
		}
		half()
		ADDQ(operand.U8(32), plane)
		half()
		ADDQ(operand.U32(64*planes-32), plane)
		CMPQ(i, end)
		JL(operand.LabelRef(loop))
		Label(tail)
		left := Load(Param("size"), GP64())
		SUBQ(i, left)
		JZ(operand.LabelRef(done))
		CMPQ(left, operand.U8(32))
		JL(operand.LabelRef(half2))
		half()
		ADDQ(operand.U8(32), plane)
		SUBQ(operand.U8(32), left)
		JZ(operand.LabelRef(done))
		Label(half2)
		CMPQ(left, operand.U8(16))
		JL(operand.LabelRef(few))
		add(func(row reg.Register, v reg.VecVirtual) { short(mem(row, i, 1, 0), v) }, short)
		ADDQ(operand.U8(16), plane)
		SUBQ(operand.U8(16), left)
		JZ(operand.LabelRef(done))
		Label(few)
		add(func(row reg.Register, v reg.VecVirtual) {
			x := tailBytes(row, Load(Param("size"), GP64()), left)
			VPXOR(v, v, v)
			VMOVDQA(x.AsX(), v.AsX())
		}, short)
		Label(done)
		return acc
	}
}
