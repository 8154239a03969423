// Command kernels writes the assembly of package vec for amd64: kernels_amd64.s and kernels_amd64.go. Run it with
// go generate in the folder of vec.
//
// Every kernel over rows has the same outline, in rows.go: groups of rows that share the loads of the query, while the
// lines of the next group are prefetched; then rows one by one. A row is summed in four chains in either case, in the
// same order, so that a row's result does not depend on which rows are asked for beside it.
package main

import (
	"fmt"
	"math/bits"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// machine is what a kernel may use.
type machine struct {
	name  string
	bytes int // in a vector register
	group int // rows that are summed side by side: as many as registers allow
}

var (
	avx2   = machine{"AVX2", 32, 2}
	avx512 = machine{"AVX512", 64, 4}
)

func (m machine) lanes() int { return m.bytes / 4 }

func (m machine) vector() reg.VecVirtual {
	if m == avx512 {
		return ZMM()
	}
	return YMM()
}

func (m machine) zero() reg.VecVirtual {
	v := m.vector()
	VXORPS(v, v, v)
	return v
}

const chains = 4

func main() {
	ConstraintExpr("amd64,!noasm")
	tables()
	for _, m := range []machine{avx2, avx512} {
		for _, f := range formats {
			for _, o := range []string{"dot", "squaredL2", "l1"} {
				k := &floats{machine: m, format: f, op: o}
				if f.name == "Float32" {
					k.single()
				}
				k.rows()
			}
		}
	}
	for _, m := range []machine{avx2, avx512} {
		scaled(m, false)
		scaled(m, true)
	}
	integerKernels()
	conversions()
	loads()
	prefetch()
	planeHammings(avx2)
	planeHammings(avx512)
	Generate()
}

// loads writes the bound that BenchmarkDot is measured against: it reads what a dot product reads and does nothing else.
func loads() {
	TEXT("loadsAVX512", 4, "func(a, b []float32) float32")
	Pragma("noescape")
	Doc("loadsAVX512 loads a and b, whole blocks of 64, and returns 0: no dot product can be faster.")
	a, n := Load(Param("a").Base(), GP64()), Load(Param("a").Len(), GP64())
	b, i := Load(Param("b").Base(), GP64()), GP64()
	XORQ(i, i)
	loop, done := label("loop"), label("done")
	ANDQ(operand.I8(-64), n)
	JZ(operand.LabelRef(done))
	Label(loop)
	for c := range chains {
		x := ZMM()
		VMOVUPS(mem(a, i, 4, 64*c), x)
		VMOVUPS(mem(b, i, 4, 64*c), x)
	}
	ADDQ(operand.U8(64), i)
	CMPQ(i, n)
	JL(operand.LabelRef(loop))
	Label(done)
	s := XMM()
	VXORPS(s, s, s)
	VZEROUPPER()
	Store(s, ReturnIndex(0))
	RET()
}

func prefetch() {
	TEXT("prefetch", 4, "func(p *byte, n int)")
	Pragma("noescape")
	Doc("prefetch asks for the lines of n bytes, 1 or more.")
	p, end := Load(Param("p"), GP64()), Load(Param("n"), GP64())
	ADDQ(p, end)
	Label("again")
	PREFETCHT0(operand.Mem{Base: p})
	ADDQ(operand.U8(64), p)
	CMPQ(p, end)
	JLT(operand.LabelRef("again"))
	RET()
}

var labels int

// label returns a name that no other label has.
func label(what string) string {
	labels++
	return fmt.Sprintf("%s%d", what, labels)
}

var (
	laneMask, slide, abs, nibble, digits operand.Mem
	flips, oneBytes, nibbles, nibbleBits operand.Mem
	bfloatHalf, bfloatQuiet              operand.Mem
)

// tables writes the constants.
func tables() {
	laneMask = GLOBL("laneMask", 8|16) // 16 ones, then 16 zeros: load 4*n bytes before the middle for n lanes
	for i := range 32 {
		v := operand.U32(0)
		if i < 16 {
			v = 0xffffffff
		}
		DATA(4*i, v)
	}
	slide = GLOBL("slide", 8|16) // for VPSHUFB: loaded at 16-n, moves the last n bytes to the front, zeros behind
	for i := range 32 {
		v := operand.U8(0x80)
		if i < 16 {
			v = operand.U8(i)
		}
		DATA(i, v)
	}
	digits = GLOBL("digits", 8|16) // 0 to 15
	for i := range 16 {
		DATA(4*i, operand.F32(i))
	}
	dword := func(name string, v uint32) operand.Mem {
		at := GLOBL(name, 8|16)
		DATA(0, operand.U32(v))
		return at
	}
	abs = dword("abs", 0x7fffffff)
	nibble = dword("nibble", 15)
	flips = dword("flips", 0x80808080)
	oneBytes = dword("oneBytes", 0x01010101)
	nibbles = dword("nibbles", 0x0f0f0f0f)
	bfloatHalf = dword("bfloatHalf", 0x7fff)
	bfloatQuiet = dword("bfloatQuiet", 0x400000)
	nibbleBits = GLOBL("nibbleBits", 8|16) // how many bits 0 to 15 have
	for i := range 16 {
		DATA(i, operand.U8(bits.OnesCount(uint(i))))
	}
}

func mem(base, index reg.Register, scale uint8, disp int) operand.Mem {
	return operand.Mem{Base: base, Index: index, Scale: scale, Disp: disp}
}
