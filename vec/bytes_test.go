package vec

import (
	"math/rand/v2"
	"testing"
	"unsafe"
)

// fill writes bytes at random or, every other time, extreme ones.
func fill(r *rand.Rand, b []byte) {
	extremes := []byte{0, 127, 128, 255}
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	if r.IntN(2) == 0 {
		e := extremes[r.IntN(4)]
		for i := range b {
			b[i] = e
		}
	}
}

func signed(b []byte) []int8 {
	return unsafe.Slice((*int8)(unsafe.Pointer(unsafe.SliceData(b))), len(b))
}

func TestByteKernels(t *testing.T) {
	onEach(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(5, 1))
		before, after := guarded[byte](t, 40000)
		before2, after2 := guarded[byte](t, 40000)
		check := func(a, b []byte) {
			sa, sb := signed(a), signed(b)
			// Sums in 64 bits. What they are below 2³¹ the kernels must give exactly.
			var dot, dotS, dotUS, l2, l2S, l1, l1S, ham int64
			for i := range a {
				u, v, s, w := int64(a[i]), int64(b[i]), int64(sa[i]), int64(sb[i])
				dot, dotS, dotUS = dot+u*v, dotS+s*w, dotUS+u*w
				l2, l2S = l2+(u-v)*(u-v), l2S+(s-w)*(s-w)
				l1, l1S = l1+max(u-v, v-u), l1S+max(s-w, w-s)
				for x := u ^ v; x > 0; x &= x - 1 {
					ham++
				}
			}
			for _, x := range []struct {
				name string
				got  int32
				want int64
			}{
				{"DotUint8", DotUint8(a, b), dot}, {"DotInt8", DotInt8(sa, sb), dotS}, {"DotUint8Int8", DotUint8Int8(a, sb), dotUS},
				{"SquaredL2Uint8", SquaredL2Uint8(a, b), l2}, {"SquaredL2Int8", SquaredL2Int8(sa, sb), l2S},
				{"L1Uint8", L1Uint8(a, b), l1}, {"L1Int8", L1Int8(sa, sb), l1S}, {"Hamming", Hamming(a, b), ham},
			} {
				if x.got != int32(x.want) {
					t.Fatalf("%s of %d bytes: got %d, want %d", x.name, len(a), x.got, x.want)
				}
			}
		}
		for _, n := range lengths() {
			for shift := range 4 {
				a, b := before(n + shift)[:n], before2(n)
				if shift%2 == 1 {
					a, b = after(n), after2(n + shift)[shift:]
				}
				fill(r, a)
				fill(r, b)
				check(a, b)
			}
		}
		// The largest sums that fit.
		a, b := before(33025), before2(33025)
		for i := range a {
			a[i], b[i] = 255, 255
		}
		check(a, b)
		clear(a)
		check(a, b)
		for i := range a {
			a[i], b[i] = 128, 128
		}
		check(a, b)
	})
}

func TestHammings(t *testing.T) {
	onEach(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(6, 1))
		before, _ := guarded[byte](t, 16*300)
		for _, size := range []int{0, 1, 8, 12, 16, 31, 32, 33, 48, 63, 64, 65, 96, 128, 200, 256, 257} {
			for n := range 11 {
				pad := n % 3
				stride := size + pad
				rows := before(max(n*stride-pad, 0))
				fill(r, rows)
				q := make([]byte, size)
				fill(r, q)
				dst, ids := make([]int32, n+1), make([]uint32, n)
				dst[n] = 42
				for i := range ids {
					ids[i] = r.Uint32N(uint32(n))
				}
				Hammings(dst[:n], q, rows, stride)
				for i := range n {
					if want := Hamming(q, rows[i*stride:i*stride+size]); dst[i] != want {
						t.Fatalf("row %d of %d, %d bytes: got %d, want %d", i, n, size, dst[i], want)
					}
				}
				HammingsAt(dst[:n], q, rows, stride, ids)
				for i, id := range ids {
					if want := Hamming(q, rows[int(id)*stride:int(id)*stride+size]); dst[i] != want {
						t.Fatalf("row %d, %d bytes: got %d, want %d", id, size, dst[i], want)
					}
				}
				if dst[n] != 42 {
					t.Fatal("wrote behind dst")
				}
			}
		}
	})
}

func TestByteMisuse(t *testing.T) {
	b, d := make([]byte, 16), make([]int32, 4)
	onEach(t, func(t *testing.T) {
		for name, f := range map[string]func(){
			"lengths": func() { DotUint8(b, b[1:]) },
			"rows":    func() { Hammings(d[:3], b[:8], b, 0) },
			"stride":  func() { Hammings(d[:2], b[:8], b, -1) },
			"id":      func() { HammingsAt(d[:1], b[:8], b, 0, []uint32{2}) },
			"ids":     func() { HammingsAt(d[:1], b[:8], b, 0, nil) },
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
}
