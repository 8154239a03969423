package main

import (
	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// rows writes the body of a kernel with parameters
//
//	dst, a slice; rows, the first row; stride, in bytes; ids, nil if row i is number i
//
// sum adds up the rows it is given, all at once, touching each line of next as it goes (next may be nil), and store
// writes a sum to memory.
func (m machine) rows(sum func(row, next []reg.Register) []reg.VecVirtual, store func(s reg.VecVirtual, at operand.Mem)) {
	i := AllocLocal(8)                // in memory: the inner loop needs the registers
	row := func(j int) reg.Register { // the address of row min(i+j, n-1)
		at, last := GP64(), GP64()
		MOVQ(i, at)
		if j > 0 {
			ADDQ(operand.U8(j), at)
		}
		Load(Param("dst").Len(), last)
		DECQ(last)
		CMPQ(at, last)
		CMOVQGT(last, at)
		direct := label("direct")
		ids := Load(Param("ids"), GP64())
		TESTQ(ids, ids)
		JZ(operand.LabelRef(direct))
		MOVL(mem(ids, at, 4, 0), at.As32())
		Label(direct)
		IMULQ(Load(Param("stride"), GP64()), at)
		ADDQ(Load(Param("rows"), GP64()), at)
		return at
	}
	put := func(sums []reg.VecVirtual) {
		dst, at := Load(Param("dst").Base(), GP64()), GP64()
		MOVQ(i, at)
		for j, s := range sums {
			store(s, mem(dst, at, 4, 4*j))
		}
		ADDQ(operand.U8(len(sums)), at)
		MOVQ(at, i)
	}

	t := GP64()
	XORQ(t, t)
	MOVQ(t, i)
	n := Load(Param("dst").Len(), GP64())
	CMPQ(n, operand.U8(m.group))
	JL(operand.LabelRef("rest"))
	m.ahead()
	next := make([]reg.Register, m.group)
	now := make([]reg.Register, m.group)
	for j := range next {
		now[j], next[j] = GP64(), GP64()
		MOVQ(row(j), next[j])
	}
	Label("group")
	for j := range next {
		MOVQ(next[j], now[j])
		MOVQ(row(m.group+j), next[j])
	}
	put(sum(now, next))
	at, n := GP64(), Load(Param("dst").Len(), GP64())
	MOVQ(i, at)
	ADDQ(operand.U8(m.group), at)
	CMPQ(at, n)
	JLE(operand.LabelRef("group"))
	Label("rest")
	at, n = GP64(), Load(Param("dst").Len(), GP64())
	MOVQ(i, at)
	CMPQ(at, n)
	JGE(operand.LabelRef("done"))
	put(sum([]reg.Register{row(0)}, nil))
	JMP(operand.LabelRef("rest"))
	Label("done")
	VZEROUPPER()
	RET()
}

// ahead begins to fetch the first line of up to 32 rows if they are named by ids: such rows lie anywhere, and finding their
// pages takes longer than reading on in them.
func (m machine) ahead() {
	again, few, done := label("again"), label("few"), label("done")
	ids, n := Load(Param("ids"), GP64()), Load(Param("dst").Len(), GP64())
	TESTQ(ids, ids)
	JZ(operand.LabelRef(done))
	CMPQ(n, operand.U8(32))
	JLE(operand.LabelRef(few))
	MOVQ(operand.U32(32), n)
	Label(few)
	rows, stride, i := Load(Param("rows"), GP64()), Load(Param("stride"), GP64()), GP64()
	XORQ(i, i)
	Label(again)
	at := GP64()
	MOVL(mem(ids, i, 4, 0), at.As32())
	IMULQ(stride, at)
	PREFETCHT0(mem(rows, at, 1, 0))
	INCQ(i)
	CMPQ(i, n)
	JL(operand.LabelRef(again))
	Label(done)
}

// tailBytes returns the last n bytes of the row of size bytes, 0 < n ≤ 16, with zeros behind. It reads nothing outside of the row.
func tailBytes(row, size, n reg.Register) reg.VecVirtual {
	x := XMM()
	short, again, done := label("short"), label("again"), label("done")
	CMPQ(size, operand.U8(16))
	JL(operand.LabelRef(short))
	VMOVDQU(mem(row, size, 1, -16), x)
	table := GP64()
	LEAQ(slide.Offset(16), table)
	SUBQ(n, table)
	VPSHUFB(operand.Mem{Base: table}, x, x)
	JMP(operand.LabelRef(done))
	Label(short)
	VPXOR(x, x, x)
	at, left := GP64(), GP64()
	LEAQ(mem(row, size, 1, -1), at)
	MOVQ(n, left)
	Label(again)
	VPSLLDQ(operand.U8(1), x, x)
	VPINSRB(operand.U8(0), operand.Mem{Base: at}, x, x)
	DECQ(at)
	DECQ(left)
	JNZ(operand.LabelRef(again))
	Label(done)
	return x
}
