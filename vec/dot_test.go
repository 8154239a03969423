package vec

import (
	"bytes"
	"math"
	"math/rand/v2"
	"testing"
)

const maxLen = 1100

// lengths are all up to maxLen; with -short those where something can go wrong: small ones, and both sides of each block size.
func lengths() []int {
	var out []int
	for n := range maxLen + 1 {
		if !testing.Short() || n <= 130 || n == maxLen || (n+65)%128 <= 2 {
			out = append(out, n)
		}
	}
	return out
}

// random fills v with values of mixed sign and size, so that sums cancel.
func random(r *rand.Rand, v []float32) []float32 {
	at := r.IntN(len(wild))
	for i := range v {
		v[i] = wild[(at+i)%len(wild)]
	}
	return v
}

var wild = func() []float32 {
	r := rand.New(rand.NewPCG(0, 1))
	v := make([]float32, 10007)
	for i := range v {
		v[i] = float32(r.NormFloat64() * math.Exp(2*r.NormFloat64()))
	}
	return v
}()

// exact returns the result of o in float64, and how far from it rounding may take float32. With u = 2⁻²⁴, a sum of n terms in
// any order errs by (n-1)u Σ|term|, to first order. A product adds u|term|. A difference t = q - s·x errs by
// u(|t| + |s·x|), without a step by u|t|, and its square by 2|t| times that and another u·t².
func (o op) exact(q, step, x []float32) (sum, bound float64) {
	const u = 0x1p-24
	n := float64(len(q))
	for i, v := range q {
		sx, e := float64(x[i]), 0.0
		if step != nil {
			sx *= float64(step[i])
			e = math.Abs(sx)
		}
		t := float64(v) - sx
		switch o {
		case opDot:
			p := float64(v) * float64(x[i])
			sum += p
			bound += n * u * math.Abs(p)
		case opSquaredL2:
			sum += t * t
			bound += u * ((n+2)*t*t + 2*math.Abs(t)*e)
		case opL1:
			sum += math.Abs(t)
			bound += u * (n*math.Abs(t) + e)
		}
	}
	return sum, bound*1.001 + 0x1p-149*n // second order, and products that are subnormal
}

func within(got float32, want, bound float64) bool { return math.Abs(float64(got)-want) <= bound }

var ops = []struct {
	op
	name   string
	one    func(a, b []float32) float32
	rows   func(dst, q, rows []float32)
	rowsAt func(dst, q, rows []float32, ids []uint32)
}{
	{opDot, "Dot", Dot, Dots, DotsAt},
	{opSquaredL2, "SquaredL2", SquaredL2, SquaredL2s, SquaredL2sAt},
	{opL1, "L1", L1, L1s, L1sAt},
}

func TestFloat32Kernels(t *testing.T) {
	onEach(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 1))
		before, after := guarded[float32](t, 2*maxLen)
		before2, after2 := guarded[float32](t, 2*maxLen)
		for _, o := range ops {
			for n := range maxLen + 1 {
				for shift := n % 4; shift < 4; shift += 1 + n/130*4 { // all starts for small n
					// Against the end of memory, against its beginning, and at odd starts between.
					a, b := random(r, before(n + shift)[:n]), random(r, before2(n))
					if shift%2 == 1 {
						a, b = random(r, after(n)), random(r, after2(n + shift)[shift:])
					}
					want, bound := o.exact(a, nil, b)
					if got := o.one(a, b); !within(got, want, bound) {
						t.Fatalf("%s of %d values, shift %d: got %v, want %v", o.name, n, shift, got, want)
					}
				}
			}
		}
	})
}

// A row's distance must not depend on how it was asked for: alone, in a block or by id, at any place.
func TestRowsAgreeWithSingle(t *testing.T) {
	onEach(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(2, 1))
		before, _ := guarded[float32](t, 16*maxLen)
		beforeIDs, _ := guarded[uint32](t, 64)
		for _, o := range ops {
			for _, d := range []int{0, 1, 2, 7, 8, 15, 16, 17, 31, 33, 63, 64, 65, 100, 112, 127, 128, 129, 200, 768, 1001} {
				q := random(r, make([]float32, d))
				for n := range 14 {
					rows := random(r, before(n*d))
					dst := make([]float32, n+2)
					dst[n], dst[n+1] = 42, 43
					o.rows(dst[:n], q, rows)
					for i := range n {
						if want := o.one(q, rows[i*d:(i+1)*d]); dst[i] != want {
							t.Fatalf("%ss: d=%d, row %d of %d: %v, alone %v", o.name, d, i, n, dst[i], want)
						}
					}
					if n == 0 {
						continue
					}
					ids := beforeIDs(n)
					for i := range ids {
						ids[i] = r.Uint32N(uint32(n))
					}
					o.rowsAt(dst[:n], q, rows, ids)
					for i, id := range ids {
						if want := o.one(q, rows[int(id)*d:(int(id)+1)*d]); dst[i] != want {
							t.Fatalf("%ssAt: d=%d, row %d: %v, alone %v", o.name, d, id, dst[i], want)
						}
					}
					if dst[n] != 42 || dst[n+1] != 43 {
						t.Fatalf("%s wrote behind dst", o.name)
					}
				}
			}
		}
	})
}

func TestSpecialValues(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	onEach(t, func(t *testing.T) {
		for _, o := range ops {
			for _, n := range []int{1, 5, 8, 16, 31, 64, 100, 129} {
				for at := range n {
					a, b := make([]float32, n), make([]float32, n)
					for i := range a {
						a[i], b[i] = 1, 2
					}
					a[at] = nan
					if got := o.one(a, b); got == got {
						t.Fatalf("%s: NaN at %d of %d gives %v", o.name, at, n, got)
					}
					a[at] = inf
					if got := o.one(a, b); got != inf {
						t.Fatalf("%s: infinity at %d of %d gives %v", o.name, at, n, got)
					}
					a[at], b[at] = inf, inf
					if got := o.one(a, b); o.op != opDot && got == got {
						t.Fatalf("%s: infinity less infinity at %d of %d gives %v", o.name, at, n, got)
					}
				}
			}
			a, b := make([]float32, 100), make([]float32, 100)
			for i := range a {
				a[i] = 0x1p-140
				b[i] = 1
			}
			if got := Dot(a, b); got != 100*0x1p-140 {
				t.Errorf("subnormals sum to %v, want %v", got, float32(100*0x1p-140))
			}
			clear(b)
			if got := L1(a, b); got != 100*0x1p-140 {
				t.Errorf("subnormals are %v apart, want %v", got, float32(100*0x1p-140))
			}
		}
	})
}

func TestCodeKernels(t *testing.T) {
	onEach(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(3, 1))
		before, after := guarded[byte](t, 8*4*maxLen)
		beforeQ, _ := guarded[float32](t, maxLen)
		beforeStep, _ := guarded[float32](t, maxLen)
		for f := Float32; f <= Uint4; f++ {
			for _, d := range lengths() {
				const n = 7
				pad := d % 3 // codes may carry a trailer
				size := f.Size(d)
				stride := size + pad
				data := before(n*stride - min(pad, n*stride))
				if d%2 == 1 {
					data = after(n * stride)
				}
				for i := range data {
					data[i] = byte(r.Uint32())
				}
				q, step := random(r, beforeQ(d)), random(r, beforeStep(d))
				x := make([][]float32, n)
				for i := range x {
					if f <= BFloat16 { // not any bytes: no NaN here
						f.Append(data[i*stride:i*stride], random(r, make([]float32, d)))
					}
					x[i] = f.Decode(make([]float32, d), data[i*stride:])
				}
				c := Codes{Format: f, Data: data, Stride: stride}
				s := step
				if f < Uint8 {
					s = nil
				}
				dst := make([]float32, n)
				check := func(o op, ids []uint32, what string) {
					t.Helper()
					for i, id := range ids {
						st := s
						if o == opDot {
							st = nil
						}
						want, bound := o.exact(q, st, x[id])
						if !within(dst[i], want, bound) {
							t.Fatalf("%v %s: d=%d, row %d: got %v, want %v", f, what, d, id, dst[i], want)
						}
					}
				}
				all := []uint32{0, 1, 2, 3, 4, 5, 6}
				some := []uint32{6, 0, 6, 3, 2, 1, 1}
				c.Dots(dst, q)
				check(opDot, all, "Dots")
				c.SquaredL2s(dst, q, s)
				check(opSquaredL2, all, "SquaredL2s")
				c.L1s(dst, q, s)
				check(opL1, all, "L1s")
				c.DotsAt(dst, q, some)
				check(opDot, some, "DotsAt")
				dst = dst[:3]
				c.SquaredL2sAt(dst, q, s, some[:3])
				check(opSquaredL2, some[:3], "SquaredL2sAt")
				c.L1sAt(dst[:1], q, s, some[:1])
				check(opL1, some[:1], "L1sAt")
			}
		}
	})
}

// What lies beside a row must not come in, not even times zero: here it is NaN.
func TestNeighboursAreNaN(t *testing.T) {
	onEach(t, func(t *testing.T) {
		for f := Float32; f <= BFloat16; f++ {
			for d := range 131 {
				size := f.Size(d)
				data := bytes.Repeat([]byte{0xff}, 11*size)
				q, ones, dst := make([]float32, d), make([]float32, d), make([]float32, 5)
				for i := range q {
					q[i], ones[i] = 3, 1
				}
				for _, row := range []int{1, 3, 5, 7, 9} {
					f.Append(data[row*size:row*size], ones)
				}
				c := Codes{Format: f, Data: data}
				for want, score := range map[float32]func(ids []uint32){
					3: func(ids []uint32) { c.DotsAt(dst, q, ids) },
					4: func(ids []uint32) { c.SquaredL2sAt(dst, q, nil, ids) },
					2: func(ids []uint32) { c.L1sAt(dst, q, nil, ids) },
				} {
					score([]uint32{1, 9, 3, 7, 5})
					for _, got := range dst {
						if got != want*float32(d) {
							t.Fatalf("%v, d=%d: got %v, want %v", f, d, dst, want*float32(d))
						}
					}
				}
			}
		}
	})
}

// Every half and bfloat16, through the kernels.
func TestHalvesThroughKernels(t *testing.T) {
	onEach(t, func(t *testing.T) {
		for _, f := range []Format{Float16, BFloat16} {
			for _, d := range []int{1, 16} { // a masked vector and a whole one
				q := make([]float32, d)
				q[d-1] = 1
				data := make([]byte, 2*d)
				got, decoded := make([]float32, 1), make([]float32, d)
				for i := range 1 << 16 {
					data[2*d-2], data[2*d-1] = byte(i), byte(i>>8)
					want := f.Decode(decoded, data)[d-1]
					Codes{Format: f, Data: data}.Dots(got, q)
					if got[0] != want && (got[0] == got[0] || want == want) {
						t.Fatalf("%v %#x gives %v, want %v", f, i, got[0], want)
					}
				}
			}
		}
	})
}

func TestMisuse(t *testing.T) {
	v := make([]float32, 8)
	c := Codes{Format: Uint8, Data: make([]byte, 16)}
	onEach(t, func(t *testing.T) {
		for name, f := range map[string]func(){
			"lengths":      func() { Dot(v, v[1:]) },
			"rows":         func() { Dots(v[:2], v[:4], v[:7]) },
			"id":           func() { DotsAt(v[:1], v[:4], v, []uint32{2}) },
			"id, d=0":      func() { DotsAt(v[:1], v[:4], nil, []uint32{0}) },
			"largest id":   func() { DotsAt(v[:1], v[:4], v, []uint32{math.MaxUint32}) },
			"ids":          func() { DotsAt(v[:1], v[:4], v, nil) },
			"code rows":    func() { c.Dots(v[:3], v[:8]) },
			"code id":      func() { c.DotsAt(v[:1], v[:8], []uint32{2}) },
			"no step":      func() { c.L1s(v[:1], v[:8], nil) },
			"short stride": func() { Codes{Uint8, c.Data, 3}.Dots(v[:1], v[:8]) },
			"overflow":     func() { Codes{Uint8, c.Data, math.MaxInt}.DotsAt(v[:1], v[:8], []uint32{4}) },
			"format":       func() { Codes{Format: 9, Data: c.Data}.Dots(v[:1], v) },
		} {
			func() {
				defer func() {
					if recover() == nil {
						t.Errorf("%s: no panic", name)
					}
				}()
				f()
			}()
		}
	})
	Dots(nil, nil, nil)
	DotsAt(nil, v, v, nil)
	c.Dots(nil, v)
	c.DotsAt(nil, v, nil)
	got := []float32{1, 1}
	Dots(got, nil, nil) // the product of empty vectors is 0
	if got[0] != 0 || got[1] != 0 {
		t.Errorf("products of empty vectors are %v", got)
	}
}

// Buffers of a search may lie on its stack: the kernels do not make them move to the heap.
func TestNoAllocation(t *testing.T) {
	rows, codes := make([]float32, 64), make([]byte, 64)
	n := testing.AllocsPerRun(10, func() {
		var q, dst [4]float32
		var ids [4]uint32
		var counts [4]int32
		var b [16]byte
		SquaredL2sAt(dst[:], q[:], rows, ids[:])
		Dots(dst[:], q[:], rows[:16])
		Codes{Format: Uint8, Data: codes}.SquaredL2sAt(dst[:], q[:], q[:], ids[:])
		HammingsAt(counts[:], b[:], codes, 0, ids[:])
		Normalize(q[:], q[:])
		Dot(q[:], dst[:])
		DotUint8(b[:], b[:])
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestNormalize(t *testing.T) {
	inf := float32(math.Inf(1))
	for _, tt := range []struct{ scale, norm float32 }{{1, 5}, {1e-20, 5e-20}, {1e-39, 5e-39}, {0x1p-149, 5 * 0x1p-149}, {1e19, 5e19}, {0.5e38, 2.5e38}, {0.8e38, inf}} {
		v := []float32{3 * tt.scale, 0, -4 * tt.scale}
		n := Normalize(v, v)
		if math.Abs(float64(n/tt.norm)-1) > 1e-6 && n != tt.norm {
			t.Errorf("length of %v is %v, want %v", tt.scale, n, tt.norm)
		}
		for i, want := range []float64{0.6, 0, -0.8} {
			if math.Abs(float64(v[i])-want) > 2e-7 {
				t.Errorf("scale %v: normalized is %v", tt.scale, v)
			}
		}
	}
	zero := make([]float32, 3)
	if n := Normalize(zero, zero); n != 0 || zero[0] != 0 {
		t.Errorf("the zero vector has length %v and becomes %v", n, zero)
	}
}

func TestScale(t *testing.T) {
	onEach(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(7, 1))
		before, after := guarded[float32](t, maxLen)
		before2, after2 := guarded[float32](t, maxLen)
		for _, n := range lengths() {
			for _, s := range []float32{0.7, -3, 0x1p-140} {
				dst, a := before(n), random(r, before2(n))
				if n%2 == 1 {
					dst, a = after(n), random(r, after2(n))
				}
				Scale(dst, a, s)
				for i, v := range a {
					if dst[i] != v*s {
						t.Fatalf("Scale: %d of %d is %v, want %v", i, n, dst[i], v*s)
					}
				}
				random(r, dst)
				was := append([]float32(nil), dst...)
				AddScaled(dst, a, s)
				for i, v := range a {
					p := float64(v) * float64(s)
					want := float64(was[i]) + p
					// one rounding with FMA; without, one more of the product
					if !within(dst[i], want, 1.001*0x1p-24*(math.Abs(want)+math.Abs(p))+0x1p-149) {
						t.Fatalf("AddScaled: %d of %d is %v, want %v", i, n, dst[i], want)
					}
				}
				copy(was, a)
				Scale(a, a, s)
				for i, v := range was {
					if a[i] != v*s {
						t.Fatalf("Scale in place: %d of %d is %v, want %v", i, n, a[i], v*s)
					}
				}
			}
		}
		backing := make([]float32, 120)
		for n := range 100 { // nothing is written outside
			for i := range backing {
				backing[i] = 42
			}
			Scale(backing[10:10+n], make([]float32, n), 1)
			AddScaled(backing[10:10+n], make([]float32, n), 1)
			for i, v := range backing {
				if inside := i >= 10 && i < 10+n; !inside && v != 42 || inside && v != 0 {
					t.Fatalf("value %d is %v after a write of 10 to %d", i, v, 10+n)
				}
			}
		}
	})
}

func FuzzCodes(f *testing.F) {
	f.Add(uint8(3), uint16(33), []byte("some bytes that are numbers"))
	f.Fuzz(func(t *testing.T, format uint8, d16 uint16, data []byte) {
		fm, d := Format(format%5), int(d16%512)
		if fm.Size(d) > len(data) {
			return
		}
		q, ones := make([]float32, d), make([]float32, d)
		for i := range q {
			q[i], ones[i] = float32(i%5)-2, 1
		}
		var got [1]float32
		for o, run := range []func(){
			func() { Codes{Format: fm, Data: data}.Dots(got[:], q) },
			func() { Codes{Format: fm, Data: data}.SquaredL2s(got[:], q, ones) },
			func() { Codes{Format: fm, Data: data}.L1s(got[:], q, ones) },
		} {
			run()
			want, bound := op(o).exact(q, nil, fm.Decode(make([]float32, d), data))
			if !(bound < 1e30) { // float32 may overflow on its way
				continue
			}
			if !within(got[0], want, bound) {
				t.Fatalf("%v, d=%d, op %d: got %v, want %v", fm, d, o, got[0], want)
			}
		}
	})
}

func TestPrefetch(t *testing.T) {
	x := []uint32{1, 2, 3}
	Prefetch(x)
	Prefetch(x[:0])
	Prefetch([]struct{}{{}})
	Prefetch[byte](nil)
	if x[0] != 1 || x[1] != 2 || x[2] != 3 {
		t.Errorf("prefetching changed %v", x)
	}
}
