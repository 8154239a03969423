// Command householder writes the assembly of float64 reflections: to a tridiagonal matrix, and of its vectors.
package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

func main() {
	ConstraintExpr("amd64,!noasm")
	rank2("AVX512", ZMM, 64, 4)
	rank2("AVX2", YMM, 32, 2) // more would not fit into 16 registers
	reflect("AVX512", ZMM, 64)
	reflect("AVX2", YMM, 32)
	Generate()
}

// rowsAt returns the addresses of rows 0 to 3 (or 1) at a, step bytes apart.
func rowsAt(a, step reg.GPVirtual, rows int) []Mem {
	at := []Mem{{Base: a}, {Base: a, Index: step, Scale: 1}}
	if rows == 4 {
		step3 := GP64()
		LEAQ(Mem{Base: step, Index: step, Scale: 2}, step3)
		at = append(at, Mem{Base: a, Index: step, Scale: 2}, Mem{Base: a, Index: step3, Scale: 1})
	}
	return at
}

func zero(v reg.VecVirtual) reg.VecVirtual {
	if v.Size() == 64 {
		VPXORQ(v, v, v)
	} else {
		VXORPD(v, v, v)
	}
	return v
}

// total sums the lanes of v into its lowest.
func total(v reg.VecVirtual) {
	y, x := YMM(), XMM()
	if v.Size() == 64 {
		VEXTRACTF64X4(Imm(1), v, y)
		VADDPD(y, v.AsY(), v.AsY())
	}
	VEXTRACTF128(Imm(1), v.AsY(), x)
	VADDPD(x, v.AsX(), v.AsX())
	VPERMILPD(Imm(1), v.AsX(), x)
	VADDSD(x, v.AsX(), v.AsX())
}

// rank2 reads q, u, x and p once for some rows.
func rank2(isa string, vector func() reg.VecVirtual, bytes, rows int) {
	name := fmt.Sprintf("rank2x%d%s", rows, isa)
	TEXT(name, NOSPLIT, "func(a *float64, step int, q, u, x, p *float64, n int, at *float64, sums *float64)")
	Pragma("noescape")
	Doc(fmt.Sprintf("%s subtracts q·u[i] + u·q[i] from %d rows i of a, adds them times x[i] to p, and writes their products with x to", name, rows),
		fmt.Sprintf("sums. At at are the u[i], the q[i], and the x[i]. The step is in bytes, n a multiple of %d, at least that.", bytes/8))
	a := Load(Param("a"), GP64()).(reg.GPVirtual)
	step := Load(Param("step"), GP64()).(reg.GPVirtual)
	q, u := Load(Param("q"), GP64()), Load(Param("u"), GP64())
	x, p := Load(Param("x"), GP64()), Load(Param("p"), GP64())
	n := Load(Param("n"), GP64())
	at := Load(Param("at"), GP64())
	sums := Load(Param("sums"), GP64())
	var coefficients [3][]reg.VecVirtual
	for c := range coefficients {
		for r := range rows {
			v := vector()
			VBROADCASTSD(Mem{Base: at, Disp: 8 * (c*rows + r)}, v)
			coefficients[c] = append(coefficients[c], v)
		}
	}
	var sum []reg.VecVirtual
	for range rows {
		sum = append(sum, zero(vector()))
	}
	row := rowsAt(a, step, rows)
	SHLQ(Imm(3), n)
	i := GP64()
	XORQ(i, i)
	Label("loop")
	qv, uv, xv, pv := vector(), vector(), vector(), vector()
	for _, l := range []struct {
		from reg.Register
		to   reg.VecVirtual
	}{{q, qv}, {u, uv}, {x, xv}, {p, pv}} {
		VMOVUPD(Mem{Base: l.from, Index: i, Scale: 1}, l.to)
	}
	for r, m := range row {
		v := vector()
		VMOVUPD(m, v)
		VFNMADD231PD(coefficients[0][r], qv, v)
		VFNMADD231PD(coefficients[1][r], uv, v)
		VMOVUPD(v, m)
		VFMADD231PD(xv, v, sum[r])
		VFMADD231PD(coefficients[2][r], v, pv)
	}
	VMOVUPD(pv, Mem{Base: p, Index: i, Scale: 1})
	ADDQ(Imm(uint64(bytes)), a)
	ADDQ(Imm(uint64(bytes)), i)
	CMPQ(i, n)
	JLT(LabelRef("loop"))
	for r, s := range sum {
		total(s)
		VMOVSD(s.AsX(), Mem{Base: sums, Disp: 8 * r})
	}
	VZEROUPPER()
	RET()
}

// reflect takes four rows through one reflection.
func reflect(isa string, vector func() reg.VecVirtual, bytes int) {
	name := "reflect4" + isa
	TEXT(name+"Dots", NOSPLIT, "func(z *float64, step int, u *float64, n int, sums *float64)")
	Pragma("noescape")
	Doc(fmt.Sprintf("%sDots writes the products of u with four rows of z. The step is in bytes, n a multiple of %d, at least that.", name, bytes/8))
	z, step, u, n := load()
	sums := Load(Param("sums"), GP64())
	row := rowsAt(z, step, 4)
	var sum []reg.VecVirtual
	for range row {
		sum = append(sum, zero(vector()))
	}
	Label("loop")
	uv := vector()
	VMOVUPD(Mem{Base: u}, uv)
	for r, m := range row {
		VFMADD231PD(m, uv, sum[r])
	}
	ADDQ(Imm(uint64(bytes)), z)
	ADDQ(Imm(uint64(bytes)), u)
	SUBQ(Imm(uint64(bytes/8)), n)
	JG(LabelRef("loop"))
	for r, s := range sum {
		total(s)
		VMOVSD(s.AsX(), Mem{Base: sums, Disp: 8 * r})
	}
	VZEROUPPER()
	RET()

	TEXT(name+"Subtract", NOSPLIT, "func(z *float64, step int, u *float64, n int, sums *float64)")
	Pragma("noescape")
	Doc(fmt.Sprintf("%sSubtract subtracts sums[r]·u from row r of four of z, as %sDots takes them.", name, name))
	z, step, u, n = load()
	sums = Load(Param("sums"), GP64())
	row = rowsAt(z, step, 4)
	var c []reg.VecVirtual
	for r := range row {
		v := vector()
		VBROADCASTSD(Mem{Base: sums, Disp: 8 * r}, v)
		c = append(c, v)
	}
	Label("loop")
	uv = vector()
	VMOVUPD(Mem{Base: u}, uv)
	for r, m := range row {
		v := vector()
		VMOVUPD(m, v)
		VFNMADD231PD(c[r], uv, v)
		VMOVUPD(v, m)
	}
	ADDQ(Imm(uint64(bytes)), z)
	ADDQ(Imm(uint64(bytes)), u)
	SUBQ(Imm(uint64(bytes/8)), n)
	JG(LabelRef("loop"))
	VZEROUPPER()
	RET()
}

func load() (z, step reg.GPVirtual, u, n reg.Register) {
	return Load(Param("z"), GP64()).(reg.GPVirtual), Load(Param("step"), GP64()).(reg.GPVirtual),
		Load(Param("u"), GP64()), Load(Param("n"), GP64())
}
