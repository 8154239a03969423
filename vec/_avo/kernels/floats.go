package main

import (
	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// format is how the numbers of a row lie in memory.
type format struct {
	name string
	// A loop counter i stands for dims*i numbers, which begin at q + i*q and at row + i*row bytes.
	dims   int
	q, row uint8
	step   bool // numbers are multiples of a step
}

var formats = []format{
	{"Float32", 1, 4, 4, false},
	{"Float16", 1, 4, 2, false},
	{"BFloat16", 1, 4, 2, false},
	{"Uint8", 1, 4, 1, true},
	{"Uint4", 2, 8, 1, true},
}

// floats is a kernel that takes a query in float32 and rows in some format.
type floats struct {
	machine
	format
	op string

	query, stepsAt reg.Register
	dim            func() reg.Register // loads the dimension
	abs            reg.VecVirtual
	nibble         reg.VecVirtual
	digits         reg.VecVirtual
	tail           reg.Register // AVX-512: mask of the lanes in use in the last vector; of Uint4, of its low halves
	tailHigh       reg.Register
}

func (k *floats) steps() bool { return k.format.step && k.op != "dot" }

func (k *floats) single() {
	TEXT(k.op+k.machine.name, 4, "func(a, b []float32) float32")
	Pragma("noescape")
	Doc(k.op + k.machine.name + " is " + k.op + "Go.")
	k.query = Load(Param("a").Base(), GP64())
	k.dim = func() reg.Register { return Load(Param("a").Len(), GP64()) }
	b := Load(Param("b").Base(), GP64())
	k.prepare()
	s := k.sum([]reg.Register{b}, nil)[0]
	VZEROUPPER()
	Store(s.AsX(), ReturnIndex(0))
	RET()
}

func (k *floats) rows() {
	name := k.op + "s" + k.format.name + k.machine.name
	TEXT(name, 4, "func(dst, q []float32, step *float32, rows *byte, stride int, ids *uint32)")
	Pragma("noescape")
	Doc(name + " writes to dst the " + k.op + " of q and each row.")
	k.query = Load(Param("q").Base(), GP64())
	k.dim = func() reg.Register { return Load(Param("q").Len(), GP64()) }
	if k.steps() {
		k.stepsAt = Load(Param("step"), GP64())
	}
	k.prepare()
	k.machine.rows(k.sum, func(s reg.VecVirtual, at operand.Mem) { VMOVSS(s.AsX(), at) })
}

// prepare loads constants and masks.
func (k *floats) prepare() {
	if k.op == "l1" {
		k.abs = k.vector()
		VBROADCASTSS(abs, k.abs)
	}
	if k.format.name == "Uint4" {
		if k.machine == avx512 {
			k.digits = ZMM()
			VMOVUPS(digits, k.digits)
		} else {
			k.nibble = YMM()
			VPBROADCASTD(nibble, k.nibble)
		}
	}
	if k.machine != avx512 {
		return
	}
	mask := func(n reg.Register) reg.Register {
		m, bits := K(), GP64()
		MOVQ(operand.I32(-1), bits)
		BZHIQ(n, bits, bits)
		KMOVW(bits.(reg.GPVirtual).As32(), m)
		return m
	}
	if k.format.name == "Uint4" {
		low, high := k.halves()
		k.tail, k.tailHigh = mask(low), mask(high)
		return
	}
	n := k.dim()
	ANDQ(operand.U8(k.lanes()-1), n)
	k.tail = mask(n)
}

// halves returns how many numbers the last block of Uint4, if it is not whole, has in low and in high halves.
func (k *floats) halves() (low, high reg.Register) {
	low, high = GP64(), k.dim()
	ANDQ(operand.U8(31), high)
	LEAQ(operand.Mem{Base: high, Disp: 1}, low)
	SHRQ(operand.U8(1), low)
	SUBQ(low, high)
	return low, high
}

// sum adds up the rows and returns each sum in the first lane.
func (k *floats) sum(row, next []reg.Register) []reg.VecVirtual {
	acc := make([][]reg.VecVirtual, len(row))
	for r := range row {
		for range chains {
			acc[r] = append(acc[r], k.zero())
		}
	}
	loop, tail, done := label("loop"), label("tail"), label("done")
	i, end := GP64(), k.dim()
	XORQ(i, i)
	ANDQ(operand.I8(-int8(chains*k.lanes())), end)
	if k.dims > 1 {
		SHRQ(operand.U8(k.dims/2), end)
	}
	JZ(operand.LabelRef(tail))
	Label(loop)
	block := chains * k.lanes() / k.dims // what one turn adds to i
	for c := range chains {
		if k.format.name != "Uint4" {
			k.add(acc, c, c, row, i, c*k.lanes())
		} else if c < chains/2 {
			k.addPair(acc, c, row, i)
		}
		for b := c * block / chains * int(k.row); b < (c+1)*block/chains*int(k.row); b++ {
			if b%64 == 0 {
				k.prefetch(next, i, b)
			}
		}
	}
	ADDQ(operand.U8(block), i)
	CMPQ(i, end)
	JL(operand.LabelRef(loop))
	Label(tail)
	if k.format.name == "Uint4" {
		k.tailUint4(acc, row, next, i)
	} else {
		k.tailVectors(acc, row, next, i)
	}
	Label(done)
	out := make([]reg.VecVirtual, len(row))
	for r, a := range acc {
		VADDPS(a[1], a[0], a[0])
		VADDPS(a[3], a[2], a[2])
		VADDPS(a[2], a[0], a[0])
		out[r] = a[0]
		horizontal(k.machine, a[0])
	}
	return out
}

func (k *floats) prefetch(next []reg.Register, i reg.Register, disp int) {
	for _, p := range next {
		PREFETCHT0(mem(p, i, k.row, disp))
	}
}

// horizontal adds up the lanes of v into the first.
func horizontal(m machine, v reg.VecVirtual) {
	t := m.vector()
	if m == avx512 {
		VEXTRACTF64X4(operand.U8(1), v, t.AsY())
		VADDPS(t.AsY(), v.AsY(), v.AsY())
	}
	VEXTRACTF128(operand.U8(1), v.AsY(), t.AsX())
	VADDPS(t.AsX(), v.AsX(), v.AsX())
	VPERMILPS(operand.U8(0b01_00_11_10), v.AsX(), t.AsX())
	VADDPS(t.AsX(), v.AsX(), v.AsX())
	VMOVSHDUP(v.AsX(), t.AsX())
	VADDSS(t.AsX(), v.AsX(), v.AsX())
}

// add adds a vector of numbers, which begins disp numbers after i, to chain c.
func (k *floats) add(acc [][]reg.VecVirtual, c, chain int, row []reg.Register, i reg.Register, disp int) {
	q := k.vector()
	VMOVUPS(mem(k.query, i, k.q, 4*disp), q)
	var s reg.VecVirtual
	if k.steps() {
		s = k.vector()
		VMOVUPS(mem(k.stepsAt, i, k.q, 4*disp), s)
	}
	for r := range row {
		at := mem(row[r], i, k.row, int(k.row)*disp)
		if k.format.name == "Float32" {
			k.combine(at, q, s, acc[r][chain])
			continue
		}
		x := k.vector()
		switch k.format.name {
		case "Float16":
			VCVTPH2PS(at, x)
		case "BFloat16":
			VPMOVZXWD(at, x)
			VPSLLD(operand.U8(16), x, x)
		case "Uint8":
			VPMOVZXBD(at, x)
			VCVTDQ2PS(x, x)
		}
		k.combine(x, q, s, acc[r][chain])
	}
}

// combine adds the term of x and q to acc. x, if it is a register, is lost.
func (k *floats) combine(x operand.Op, q, s, acc reg.VecVirtual) {
	if k.op == "dot" {
		VFMADD231PS(x, q, acc)
		return
	}
	var t operand.Op
	if s != nil {
		VFNMADD213PS(q, s, x)
		t = x
	} else {
		t = k.vector()
		VSUBPS(x, q, t)
	}
	if k.op == "l1" {
		VANDPS(k.abs, t, t)
		VADDPS(t, acc, acc)
	} else {
		VFMADD231PS(t, t, acc)
	}
}

// tailVectors adds what is left after the loop: whole vectors to the first chains, the rest to the last.
func (k *floats) tailVectors(acc [][]reg.VecVirtual, row, next []reg.Register, i reg.Register) {
	masked, done := label("masked"), label("summed")
	for c := range chains - 1 {
		n := GP64()
		LEAQ(operand.Mem{Base: i, Disp: k.lanes()}, n)
		CMPQ(n, k.dim())
		JG(operand.LabelRef(masked))
		k.add(acc, 0, c, row, i, 0)
		k.prefetch(next, i, 0)
		MOVQ(n, i)
	}
	Label(masked)
	d := k.dim()
	SUBQ(i, d) // what is left
	JZ(operand.LabelRef(done))
	k.prefetch(next, i, 0)
	if k.machine == avx512 {
		q := k.vector()
		VMOVUPS_Z(mem(k.query, i, 4, 0), k.tail, q)
		var s reg.VecVirtual
		if k.steps() {
			s = k.vector()
			VMOVUPS_Z(mem(k.stepsAt, i, 4, 0), k.tail, s)
		}
		for r := range row {
			at, x := mem(row[r], i, k.row, 0), k.vector()
			switch k.format.name {
			case "Float32":
				VMOVUPS_Z(at, k.tail, x)
			case "Float16":
				VCVTPH2PS_Z(at, k.tail, x)
			case "BFloat16":
				VPMOVZXWD_Z(at, k.tail, x)
				VPSLLD(operand.U8(16), x, x)
			case "Uint8":
				VPMOVZXBD_Z(at, k.tail, x)
				VCVTDQ2PS(x, x)
			}
			k.combine(x, q, s, acc[r][chains-1])
		}
		Label(done)
		return
	}
	mask := lanes(d, 0)
	q := k.vector()
	VMASKMOVPS(mem(k.query, i, 4, 0), mask, q)
	var s reg.VecVirtual
	if k.steps() {
		s = k.vector()
		VMASKMOVPS(mem(k.stepsAt, i, 4, 0), mask, s)
	}
	size := k.dim()
	if k.row == 2 {
		SHLQ(operand.U8(1), d)
		SHLQ(operand.U8(1), size)
	}
	for r := range row {
		x := k.vector()
		switch k.format.name {
		case "Float32":
			VMASKMOVPS(mem(row[r], i, 4, 0), mask, x)
		case "Float16":
			VCVTPH2PS(tailBytes(row[r], size, d), x)
		case "BFloat16":
			VPMOVZXWD(tailBytes(row[r], size, d), x)
			VPSLLD(operand.U8(16), x, x)
		case "Uint8":
			VPMOVZXBD(tailBytes(row[r], size, d), x)
			VCVTDQ2PS(x, x)
		}
		k.combine(x, q, s, acc[r][chains-1])
	}
	Label(done)
}

// lanes returns a mask of n-from lanes, at least 0 and at most 8, where n is at most 16.
func lanes(n reg.Register, from int) reg.VecVirtual {
	at, m := GP64(), YMM()
	minus := GP64()
	MOVQ(n, minus)
	NEGQ(minus)
	LEAQ(laneMask.Offset(64+4*from), at)
	VMOVUPS(mem(at, minus, 4, 0), m)
	return m
}

// addPair adds the numbers in the low and in the high halves of the p-th vector of bytes.
func (k *floats) addPair(acc [][]reg.VecVirtual, p int, row []reg.Register, i reg.Register) {
	// In a block of 16 bytes the first 16 numbers are low, the others high. A vector takes a block on AVX-512 and
	// half of one on AVX2.
	first := p * k.lanes() / 16 * 32
	first += p * k.lanes() % 16
	bytes := make([]reg.VecVirtual, len(row))
	for r := range row {
		bytes[r] = k.vector()
		VPMOVZXBD(mem(row[r], i, 1, p*k.lanes()), bytes[r])
	}
	for h, disp := range []int{first, first + 16} {
		q := k.vector()
		VMOVUPS(mem(k.query, i, k.q, 4*disp), q)
		var s reg.VecVirtual
		if k.steps() {
			s = k.vector()
			VMOVUPS(mem(k.stepsAt, i, k.q, 4*disp), s)
		}
		for r := range row {
			k.combine(k.half(bytes[r], h), q, s, acc[r][disp/k.lanes()])
		}
	}
}

// half returns the low or the high halves of bytes as floats. After the high ones bytes is lost.
func (k *floats) half(bytes reg.VecVirtual, h int) reg.VecVirtual {
	x := k.vector()
	if h == 1 {
		VPSRLD(operand.U8(4), bytes, bytes)
	}
	if k.machine == avx512 { // an index takes its low four bits only
		VPERMPS(k.digits, bytes, x)
		return x
	}
	if h == 0 {
		VPAND(k.nibble, bytes, x)
		VCVTDQ2PS(x, x)
	} else {
		VCVTDQ2PS(bytes, x)
	}
	return x
}

// tailUint4 adds what is left after the loop: on AVX-512 perhaps a whole block, then part of one.
func (k *floats) tailUint4(acc [][]reg.VecVirtual, row, next []reg.Register, i reg.Register) {
	done := label("summed")
	if k.machine == avx512 {
		part := label("part")
		d := k.dim()
		ANDQ(operand.U8(63), d)
		CMPQ(d, operand.U8(32))
		JL(operand.LabelRef(part))
		k.addPair(acc, 0, row, i)
		ADDQ(operand.U8(16), i)
		Label(part)
	}
	low, high := k.halves()
	TESTQ(low, low)
	JZ(operand.LabelRef(done))
	k.prefetch(next, i, 0)
	load := func(base reg.Register, m reg.Register, highHalf bool, disp int) reg.VecVirtual {
		v, at := k.vector(), GP64()
		LEAQ(mem(base, i, 8, disp), at)
		if highHalf {
			LEAQ(mem(at, low, 4, 0), at)
		}
		if k.machine == avx512 {
			VMOVUPS_Z(operand.Mem{Base: at}, m, v)
		} else {
			VMASKMOVPS(operand.Mem{Base: at}, m, v)
		}
		return v
	}
	if k.machine == avx512 {
		bytes := make([]reg.VecVirtual, len(row))
		for r := range row {
			bytes[r] = k.vector()
			VPMOVZXBD_Z(mem(row[r], i, 1, 0), k.tail, bytes[r])
		}
		for h, m := range []reg.Register{k.tail, k.tailHigh} {
			q := load(k.query, m, h == 1, 0)
			var s reg.VecVirtual
			if k.steps() {
				s = load(k.stepsAt, m, h == 1, 0)
			}
			for r := range row {
				k.combine(k.half(bytes[r], h), q, s, acc[r][2+h])
			}
		}
		Label(done)
		return
	}
	size := k.dim()
	INCQ(size)
	SHRQ(operand.U8(1), size)
	for r := range row {
		x := tailBytes(row[r], size, low)
		for p := range 2 {
			bytes := k.vector()
			VPMOVZXBD(x, bytes)
			for h, n := range []reg.Register{low, high} {
				m := lanes(n, 8*p)
				q := load(k.query, m, h == 1, 32*p)
				var s reg.VecVirtual
				if k.steps() {
					s = load(k.stepsAt, m, h == 1, 32*p)
				}
				k.combine(k.half(bytes, h), q, s, acc[r][2*h+p])
			}
			if p == 0 {
				VPSRLDQ(operand.U8(8), x, x)
			}
		}
	}
	Label(done)
}
