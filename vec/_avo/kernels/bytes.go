package main

import (
	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// integers is a kernel over two rows of bytes. All arithmetic is modulo 2³², so results are exact while they fit.
type integers struct {
	machine
	name, signature string
	a, b            string // parameters
	step            int    // bytes that one vector takes

	load      func(at operand.Op, second bool, v reg.VecVirtual) // of memory or an XMM; loads step bytes
	combine   func(x, y reg.VecVirtual, acc []reg.VecVirtual)    // adds to the accumulators of a chain; x and y are lost
	finish    func(acc []reg.VecVirtual) reg.VecVirtual          // one accumulator of 32-bit (or, if wide, 64-bit) sums
	constants func()                                             // loads what combine needs
	accs      int                                                // accumulators of a chain
	wide      bool

	tail reg.Register // AVX-512: mask of the bytes in the last vector
}

func (k *integers) size() reg.Register { return Load(Param(k.a).Len(), GP64()) }

func (k *integers) prepare() {
	if k.constants != nil {
		k.constants()
	}
	if k.machine == avx512 {
		n, bits := k.size(), GP64()
		k.tail = K()
		ANDQ(operand.U8(63), n)
		MOVQ(operand.I32(-1), bits)
		BZHIQ(n, bits, bits)
		KMOVQ(bits, k.tail)
	}
}

func (k *integers) single() {
	TEXT(k.name+k.machine.name, 4, k.signature)
	Pragma("noescape")
	Doc(k.name + k.machine.name + " is " + k.name + "Go.")
	a, b := Load(Param(k.a).Base(), GP64()), Load(Param(k.b).Base(), GP64())
	k.prepare()
	s := k.sum(a, []reg.Register{b}, nil)[0]
	out := GP32()
	VMOVD(s.AsX(), out)
	VZEROUPPER()
	Store(out, ReturnIndex(0))
	RET()
}

// rows writes the kernel of one query, in parameter a, against many rows.
func (k *integers) rows(name string) {
	TEXT(name+k.machine.name, 4, "func(dst []int32, q []byte, rows *byte, stride int, ids *uint32)")
	Pragma("noescape")
	Doc(name + k.machine.name + " writes to dst the result of q and each row.")
	k.a = "q"
	q := Load(Param("q").Base(), GP64())
	k.prepare()
	k.machine.rows(func(row, next []reg.Register) []reg.VecVirtual { return k.sum(q, row, next) },
		func(s reg.VecVirtual, at operand.Mem) { VMOVD(s.AsX(), at) })
}

func (k *integers) sum(q reg.Register, row, next []reg.Register) []reg.VecVirtual {
	acc := make([][][]reg.VecVirtual, len(row))
	for r := range row {
		acc[r] = make([][]reg.VecVirtual, chains)
		for c := range chains {
			for range k.accs {
				acc[r][c] = append(acc[r][c], k.zero())
			}
		}
	}
	add := func(c int, i reg.Register, disp int, load func(base reg.Register, second bool, v reg.VecVirtual)) {
		x := k.vector()
		load(q, false, x)
		for r := range row {
			x0, y := x, k.vector()
			load(row[r], true, y)
			if r < len(row)-1 { // combine may change it
				x0 = k.vector()
				VMOVUPS(x, x0)
			}
			k.combine(x0, y, acc[r][c])
		}
	}
	whole := func(c int, i reg.Register, disp int) {
		add(c, i, disp, func(base reg.Register, second bool, v reg.VecVirtual) { k.load(mem(base, i, 1, disp), second, v) })
		for _, p := range next {
			if disp%64 == 0 {
				PREFETCHT0(mem(p, i, 1, disp))
			}
		}
	}
	loop, tail, last, done := label("loop"), label("tail"), label("last"), label("summed")
	i, end := GP64(), k.size()
	XORQ(i, i)
	ANDQ(operand.I32(-int32(chains*k.step)), end)
	JZ(operand.LabelRef(tail))
	Label(loop)
	for c := range chains {
		whole(c, i, c*k.step)
	}
	ADDQ(operand.I32(chains*k.step), i)
	CMPQ(i, end)
	JL(operand.LabelRef(loop))
	Label(tail)
	for c := range chains - 1 {
		n := GP64()
		LEAQ(operand.Mem{Base: i, Disp: k.step}, n)
		CMPQ(n, k.size())
		JG(operand.LabelRef(last))
		whole(c, i, 0)
		MOVQ(n, i)
	}
	Label(last)
	left := k.size()
	SUBQ(i, left)
	JZ(operand.LabelRef(done))
	if k.machine == avx512 {
		add(chains-1, i, 0, func(base reg.Register, second bool, v reg.VecVirtual) {
			VMOVDQU8_Z(mem(base, i, 1, 0), k.tail, v)
			k.load(nil, second, v)
		})
	} else {
		if k.step == 32 { // 16 first, so that tailBytes can do the rest
			few := label("few")
			CMPQ(left, operand.U8(16))
			JL(operand.LabelRef(few))
			add(chains-1, i, 0, func(base reg.Register, second bool, v reg.VecVirtual) {
				x := XMM()
				VMOVDQU(mem(base, i, 1, 0), x)
				k.load(x, second, v)
			})
			SUBQ(operand.U8(16), left)
			JZ(operand.LabelRef(done))
			Label(few)
		}
		add(chains-1, i, 0, func(base reg.Register, second bool, v reg.VecVirtual) {
			k.load(tailBytes(base, k.size(), left), second, v)
		})
	}
	Label(done)
	out := make([]reg.VecVirtual, len(row))
	for r, a := range acc {
		for c := 1; c < chains; c++ {
			for j := range k.accs {
				VPADDD(a[c][j], a[0][j], a[0][j]) // of wide sums the upper halves are 0 or do not matter
			}
		}
		v := k.finish(a[0])
		t := k.vector()
		if k.machine == avx512 {
			VEXTRACTI64X4(operand.U8(1), v, t.AsY())
			VPADDD(t.AsY(), v.AsY(), v.AsY())
		}
		VEXTRACTI128(operand.U8(1), v.AsY(), t.AsX())
		VPADDD(t.AsX(), v.AsX(), v.AsX())
		VPSHUFD(operand.U8(0b01_00_11_10), v.AsX(), t.AsX())
		VPADDD(t.AsX(), v.AsX(), v.AsX())
		if !k.wide {
			VPSHUFD(operand.U8(0b10_11_00_01), v.AsX(), t.AsX())
			VPADDD(t.AsX(), v.AsX(), v.AsX())
		}
		out[r] = v
	}
	return out
}

func allBytes(m machine, b operand.Mem) reg.VecVirtual {
	v := m.vector()
	VPBROADCASTD(b, v)
	return v
}

func xor(x, y, out reg.VecVirtual) {
	if x.Size() == 64 {
		VPXORD(x, y, out)
	} else {
		VPXOR(x, y, out)
	}
}

// integerKernels writes all of them.
func integerKernels() {
	signatures := map[string]string{"Int8": "func(a, b []int8) int32", "Uint8": "func(a, b []uint8) int32", "Uint8Int8": "func(a []uint8, b []int8) int32"}
	for _, types := range []string{"Int8", "Uint8", "Uint8Int8"} {
		for _, op := range []string{"dot", "squaredL2"} {
			if op == "squaredL2" && types == "Uint8Int8" {
				continue
			}
			wideWords(op, types, signatures[types])
			vnni(op, types, signatures[types])
		}
	}
	for _, m := range []machine{avx2, avx512} {
		sad(m, "Int8", signatures["Int8"])
		sad(m, "Uint8", signatures["Uint8"])
		hamming(m)
	}
}

// wideWords multiplies 16-bit words: any pair of products of bytes fits in 32 bits.
func wideWords(op, types, signature string) {
	k := &integers{machine: avx2, name: op + types, signature: signature, a: "a", b: "b", step: 16, accs: 1}
	k.load = func(at operand.Op, second bool, v reg.VecVirtual) {
		if types == "Int8" || types == "Uint8Int8" && second {
			VPMOVSXBW(at, v)
		} else {
			VPMOVZXBW(at, v)
		}
	}
	k.combine = func(x, y reg.VecVirtual, acc []reg.VecVirtual) {
		if op == "squaredL2" {
			VPSUBW(y, x, x)
			y = x
		}
		VPMADDWD(y, x, x)
		VPADDD(x, acc[0], acc[0])
	}
	k.finish = func(acc []reg.VecVirtual) reg.VecVirtual { return acc[0] }
	k.single()
}

// vnni multiplies unsigned by signed bytes, four products to a sum. What has the wrong sign is shifted by 128, which a second sum
// takes back: x·y = (x+128)·y - 128·Σy, x·y = x·(y-128) + 128·Σx.
func vnni(op, types, signature string) {
	k := &integers{machine: avx512, name: op + types, signature: signature, a: "a", b: "b", step: 64, accs: 2}
	if types == "Uint8Int8" {
		k.accs = 1
	}
	var flip, ones reg.VecVirtual
	k.load = func(at operand.Op, second bool, v reg.VecVirtual) {
		if at != nil {
			VMOVDQU8(at, v)
		}
	}
	k.combine = func(x, y reg.VecVirtual, acc []reg.VecVirtual) {
		switch {
		case types == "Uint8Int8":
			VPDPBUSD(y, x, acc[0])
			return
		case op == "squaredL2": // the difference, unsigned, times itself
			big := ZMM()
			if types == "Int8" {
				VPMAXSB(x, y, big)
				VPMINSB(x, y, x)
			} else {
				VPMAXUB(x, y, big)
				VPMINUB(x, y, x)
			}
			VPSUBB(x, big, x)
			xor(flip, x, y)
			VPDPBUSD(y, x, acc[0])
			VPDPBUSD(ones, x, acc[1])
		case types == "Int8":
			xor(flip, x, x)
			VPDPBUSD(y, x, acc[0])
			VPDPBUSD(y, flip, acc[1])
		default:
			xor(flip, y, y)
			VPDPBUSD(y, x, acc[0])
			VPDPBUSD(ones, x, acc[1])
		}
	}
	k.finish = func(acc []reg.VecVirtual) reg.VecVirtual {
		switch {
		case k.accs == 1:
		case op == "dot" && types == "Int8":
			VPSUBD(acc[1], acc[0], acc[0])
		default:
			VPSLLD(operand.U8(7), acc[1], acc[1])
			VPADDD(acc[1], acc[0], acc[0])
		}
		return acc[0]
	}
	k.constants = func() {
		if k.accs == 2 {
			flip = allBytes(avx512, flips)
			ones = allBytes(avx512, oneBytes)
		}
	}
	k.single()
}

// sad sums absolute differences of bytes. Signed ones are shifted to unsigned, which keeps differences.
func sad(m machine, types, signature string) {
	k := &integers{machine: m, name: "l1" + types, signature: signature, a: "a", b: "b", step: m.bytes, accs: 1, wide: true}
	var flip reg.VecVirtual
	k.constants = func() {
		if types == "Int8" {
			flip = allBytes(m, flips)
		}
	}
	k.load = loadBytes(m)
	k.combine = func(x, y reg.VecVirtual, acc []reg.VecVirtual) {
		if types == "Int8" {
			xor(flip, x, x)
			xor(flip, y, y)
		}
		VPSADBW(y, x, x)
		VPADDD(x, acc[0], acc[0])
	}
	k.finish = func(acc []reg.VecVirtual) reg.VecVirtual { return acc[0] }
	k.single()
}

func loadBytes(m machine) func(at operand.Op, second bool, v reg.VecVirtual) {
	return func(at operand.Op, second bool, v reg.VecVirtual) {
		switch x, ok := at.(reg.VecVirtual); {
		case at == nil:
		case ok: // an XMM, which leaves 0 above it; said twice, for avo
			VPXOR(v, v, v)
			VMOVDQA(x, v.AsX())
		case m == avx512:
			VMOVDQU8(at, v)
		default:
			VMOVDQU(at, v)
		}
	}
}

// hamming counts bits that differ: with VPOPCNTQ, or on AVX2 in a table of the bits of a nibble.
func hamming(m machine) {
	k := &integers{machine: m, name: "hamming", signature: "func(a, b []byte) int32", a: "a", b: "b", step: m.bytes, accs: 1, wide: true}
	var count, low, zero reg.VecVirtual
	k.constants = func() {
		if m == avx2 {
			count, low, zero = YMM(), allBytes(m, nibbles), k.zero()
			VBROADCASTI128(nibbleBits, count)
		}
	}
	k.load = loadBytes(m)
	k.combine = func(x, y reg.VecVirtual, acc []reg.VecVirtual) {
		xor(x, y, x)
		if m == avx512 {
			VPOPCNTQ(x, x)
		} else {
			VPSRLW(operand.U8(4), x, y)
			VPAND(low, x, x)
			VPAND(low, y, y)
			VPSHUFB(x, count, x)
			VPSHUFB(y, count, y)
			VPADDB(x, y, x)
			VPSADBW(zero, x, x)
		}
		VPADDD(x, acc[0], acc[0])
	}
	k.finish = func(acc []reg.VecVirtual) reg.VecVirtual { return acc[0] }
	k.single()
	k.rows("hammings")
}
