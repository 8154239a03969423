// Command scatter writes the assembly around the tiles of vec's Scatter: what packs rows into panels, and what adds a
// tile to sums in float64.
package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

func main() {
	ConstraintExpr("amd64,!noasm")
	for _, isa := range []struct {
		name   string
		vector func() reg.VecVirtual
		bytes  int
	}{{"AVX512", ZMM, 64}, {"AVX2", YMM, 32}} {
		pack(isa.name, isa.vector, isa.bytes)
		add(isa.name, isa.vector, isa.bytes)
	}
	Generate()
}

// pack keeps one vector of the mean and one of the sums in registers while a vector of one row after another passes.
func pack(isa string, vector func() reg.VecVirtual, bytes int) {
	name := "packCentred" + isa
	TEXT(name, NOSPLIT, "func(dst *float32, dstStep int, src *float32, srcStep int, mean, sums *float32, rows, vectors int)")
	Pragma("noescape")
	Doc(name + " writes rows of src less mean to dst and adds them to sums. Steps are in bytes, rows and vectors at least 1.")
	dst := Load(Param("dst"), GP64())
	dstStep := Load(Param("dstStep"), GP64())
	src := Load(Param("src"), GP64())
	srcStep := Load(Param("srcStep"), GP64())
	mean := Load(Param("mean"), GP64())
	sums := Load(Param("sums"), GP64())
	rows := Load(Param("rows"), GP64())
	vectors := Load(Param("vectors"), GP64())
	Label("column")
	m, sum := vector(), vector()
	VMOVUPS(Mem{Base: mean}, m)
	VMOVUPS(Mem{Base: sums}, sum)
	from, to, left := GP64(), GP64(), GP64()
	MOVQ(src, from)
	MOVQ(dst, to)
	MOVQ(rows, left)
	Label("row")
	v := vector()
	VMOVUPS(Mem{Base: from}, v)
	VSUBPS(m, v, v)
	VMOVUPS(v, Mem{Base: to})
	VADDPS(v, sum, sum)
	ADDQ(srcStep, from)
	ADDQ(dstStep, to)
	DECQ(left)
	JNE(LabelRef("row"))
	VMOVUPS(sum, Mem{Base: sums})
	for _, p := range []reg.Register{src, dst, mean, sums} {
		ADDQ(Imm(uint64(bytes)), p)
	}
	DECQ(vectors)
	JNE(LabelRef("column"))
	VZEROUPPER()
	RET()
}

// add works in eights: one vector of float64 with AVX-512, two with AVX2.
func add(isa string, vector func() reg.VecVirtual, bytes int) {
	name := "addTile" + isa
	TEXT(name, NOSPLIT, "func(acc *float64, accStep int, tile *float32, rows, eights int)")
	Pragma("noescape")
	Doc(name + " adds rows of tile, of 8·eights values, to rows of acc. The step is in bytes, rows and eights at least 1.")
	acc := Load(Param("acc"), GP64())
	step := Load(Param("accStep"), GP64())
	tile := Load(Param("tile"), GP64())
	rows := Load(Param("rows"), GP64())
	eights := Load(Param("eights"), GP64())
	Label("row")
	at, left := GP64(), GP64()
	MOVQ(acc, at)
	MOVQ(eights, left)
	Label("eight")
	for i := 0; i < 64; i += bytes {
		v := vector()
		VCVTPS2PD(Mem{Base: tile, Disp: i / 2}, v)
		VADDPD(Mem{Base: at, Disp: i}, v, v)
		VMOVUPD(v, Mem{Base: at, Disp: i})
	}
	ADDQ(Imm(32), tile)
	ADDQ(Imm(64), at)
	DECQ(left)
	JNE(LabelRef("eight"))
	ADDQ(step, acc)
	DECQ(rows)
	JNE(LabelRef("row"))
	VZEROUPPER()
	RET()
}
