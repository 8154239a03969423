// Command gemm writes the assembly of vec's matrix products: tiles of 8×48 with AVX-512 and 4×24 with AVX2, and the
// transposition that packs their panels.
package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

func main() {
	ConstraintExpr("amd64,!noasm")
	for _, vectors := range []int{1, 2, 3} {
		tile("AVX-512", ZMM, 64, 8, vectors)
		tile("AVX2", YMM, 32, 4, vectors)
	}
	transpose()
	Generate()
}

// tile writes the product of rows × depth, read in place through two strides, and depth × (vectors of columns),
// packed so that the columns of one depth lie together, to or onto rows of c. All of the tile is kept in registers:
// 24 accumulators of 32, or 12 of 16, are enough to hide the latency of the multiply-add, and 11 loads for 24 of
// them (7 for 12) leave the load ports time to spare.
func tile(isa string, vector func() reg.VecVirtual, width, rows, vectors int) {
	name := fmt.Sprintf("tile%dx%d", rows, vectors*width/4)
	TEXT(name, NOSPLIT, "func(depth int, a *float32, rowStep, depthStep int, b *float32, c *float32, cStep int, add bool)")
	Pragma("noescape")
	Doc(fmt.Sprintf("%s writes a tile with %s. Steps are in bytes, depth is at least 1.", name, isa))

	depth := Load(Param("depth"), GP64())
	a := Load(Param("a"), GP64())
	row := Load(Param("rowStep"), GP64())
	step := Load(Param("depthStep"), GP64())
	b := Load(Param("b"), GP64())
	c := Load(Param("c"), GP64())
	cStep := Load(Param("cStep"), GP64())

	// Rows 0 to 7 are a+row·{0,1,2,4} and a+{3,5,7}·row, 3·row·2.
	row3 := GP64()
	LEAQ(Mem{Base: row, Index: row, Scale: 2}, row3)
	at := []Mem{{Base: a}, {Base: a, Index: row, Scale: 1}, {Base: a, Index: row, Scale: 2}, {Base: a, Index: row3, Scale: 1}}
	if rows == 8 {
		row5, row7 := GP64(), GP64()
		LEAQ(Mem{Base: row, Index: row, Scale: 4}, row5)
		LEAQ(Mem{Base: row3, Index: row, Scale: 4}, row7)
		at = append(at, Mem{Base: a, Index: row, Scale: 4}, Mem{Base: a, Index: row5, Scale: 1},
			Mem{Base: a, Index: row3, Scale: 2}, Mem{Base: a, Index: row7, Scale: 1})
	}

	sum := make([][]reg.VecVirtual, rows)
	for r := range sum {
		sum[r] = make([]reg.VecVirtual, vectors)
		for v := range sum[r] {
			sum[r][v] = vector()
			if width == 64 {
				VPXORD(sum[r][v], sum[r][v], sum[r][v])
			} else {
				VXORPS(sum[r][v], sum[r][v], sum[r][v])
			}
		}
	}

	// The rows of c are wanted when the loop ends.
	out := GP64()
	MOVQ(c, out)
	for range rows {
		for v := range vectors {
			PREFETCHT0(Mem{Base: out, Disp: v * width})
		}
		ADDQ(cStep, out)
	}

	panel := vectors * width
	once := func(i int) {
		columns := make([]reg.VecVirtual, vectors)
		for v := range columns {
			columns[v] = vector()
			VMOVUPS(Mem{Base: b, Disp: i*panel + v*width}, columns[v])
		}
		for v := range columns {
			if width == 64 || v%2 == 0 {
				PREFETCHT0(Mem{Base: b, Disp: i*panel + v*width + ahead})
			}
		}
		for r := range rows {
			value := vector()
			VBROADCASTSS(at[r], value)
			for v := range columns {
				VFMADD231PS(value, columns[v], sum[r][v])
			}
		}
		ADDQ(step, a)
	}
	SUBQ(Imm(unroll), depth)
	JLT(LabelRef("rest"))
	Label("loop")
	for i := range unroll {
		once(i)
	}
	ADDQ(U32(unroll*panel), b)
	SUBQ(Imm(unroll), depth)
	JGE(LabelRef("loop"))
	Label("rest")
	ADDQ(Imm(unroll), depth)
	JEQ(LabelRef("store"))
	Label("one")
	once(0)
	ADDQ(U32(panel), b)
	DECQ(depth)
	JNE(LabelRef("one"))

	Label("store")
	add := Load(Param("add"), GP8())
	TESTB(add, add)
	JEQ(LabelRef("write"))
	MOVQ(c, out)
	for r := range rows {
		for v := range vectors {
			VADDPS(Mem{Base: out, Disp: v * width}, sum[r][v], sum[r][v])
		}
		ADDQ(cStep, out)
	}
	Label("write")
	for r := range rows {
		for v := range vectors {
			VMOVUPS(sum[r][v], Mem{Base: c, Disp: v * width})
		}
		ADDQ(cStep, c)
	}
	VZEROUPPER()
	RET()
}

const (
	unroll = 4
	ahead  = 1536 // bytes of a panel to ask for early: eight depths of 192
)

// transpose packs eight rows of a matrix into eight neighbouring columns of a panel.
func transpose() {
	TEXT("transpose8", NOSPLIT, "func(dst *float32, dstStep int, src *float32, srcStep int, blocks int)")
	Pragma("noescape")
	Doc("transpose8 writes eight rows of 8·blocks values at src as 8·blocks rows of eight values at dst. Steps are in bytes. It needs AVX.")
	dst := Load(Param("dst"), GP64())
	dstStep := Load(Param("dstStep"), GP64())
	src := Load(Param("src"), GP64())
	step := Load(Param("srcStep"), GP64())
	blocks := Load(Param("blocks"), GP64())

	low := GP64() // row 4 of src
	LEAQ(Mem{Base: src, Index: step, Scale: 4}, low)
	step3, dstStep3, out := GP64(), GP64(), GP64()
	LEAQ(Mem{Base: step, Index: step, Scale: 2}, step3)
	LEAQ(Mem{Base: dstStep, Index: dstStep, Scale: 2}, dstStep3)
	rows := func(base, s, s3 reg.Register) []Mem {
		return []Mem{{Base: base}, {Base: base, Index: s, Scale: 1}, {Base: base, Index: s, Scale: 2}, {Base: base, Index: s3, Scale: 1}}
	}
	Label("loop")
	var halves [2][4]reg.VecVirtual // of columns 0-3 and 4-7: rows i and i+4 side by side
	top, bottom := rows(src, step, step3), rows(low, step, step3)
	for h := range halves {
		for i := range 4 {
			halves[h][i] = YMM()
			VMOVUPS(top[i].Offset(16*h), halves[h][i].AsX())
			VINSERTF128(Imm(1), bottom[i].Offset(16*h), halves[h][i], halves[h][i])
		}
	}
	for h := range halves {
		r := halves[h]
		t0, t1, t2, t3 := YMM(), YMM(), YMM(), YMM()
		VUNPCKLPS(r[1], r[0], t0)
		VUNPCKHPS(r[1], r[0], t1)
		VUNPCKLPS(r[3], r[2], t2)
		VUNPCKHPS(r[3], r[2], t3)
		c := []reg.VecVirtual{YMM(), YMM(), YMM(), YMM()}
		VSHUFPS(Imm(0x44), t2, t0, c[0])
		VSHUFPS(Imm(0xee), t2, t0, c[1])
		VSHUFPS(Imm(0x44), t3, t1, c[2])
		VSHUFPS(Imm(0xee), t3, t1, c[3])
		if h == 0 {
			MOVQ(dst, out)
		} else {
			LEAQ(Mem{Base: dst, Index: dstStep, Scale: 4}, out)
		}
		for i, m := range rows(out, dstStep, dstStep3) {
			VMOVUPS(c[i], m)
		}
	}
	ADDQ(Imm(32), src)
	ADDQ(Imm(32), low)
	LEAQ(Mem{Base: dst, Index: dstStep, Scale: 8}, dst)
	DECQ(blocks)
	JNE(LabelRef("loop"))
	VZEROUPPER()
	RET()
}
