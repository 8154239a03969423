package vec

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"
)

func TestUint4Layout(t *testing.T) {
	v := make([]float32, 35)
	for i := range v {
		v[i] = float32(i % 16)
	}
	got := Uint4.Append(nil, v)
	for i := range 16 {
		if want := byte(i | i<<4); got[i] != want {
			t.Errorf("byte %d is %#x, want %#x", i, got[i], want)
		}
	}
	if got[16] != 0|2<<4 || got[17] != 1 || len(got) != 18 {
		t.Errorf("the last block is %x", got[16:])
	}
}

func TestFormatRoundTrip(t *testing.T) {
	for f := Float32; f <= Uint4; f++ {
		for n := range 200 {
			v := make([]float32, n)
			for i := range v {
				v[i] = float32((i*7 + n) % 16)
			}
			row := f.Append(nil, v)
			if len(row) != f.Size(n) {
				t.Fatalf("%v: %d numbers take %d bytes, Size says %d", f, n, len(row), f.Size(n))
			}
			for i, x := range f.Decode(make([]float32, n), row) {
				if x != v[i] {
					t.Fatalf("%v: number %d of %d is %v, want %v", f, i, n, x, v[i])
				}
			}
		}
	}
	nan := float32(math.NaN())
	got := Uint8.Append(nil, []float32{-1, 0.5, 1.5, 254.5, 255.4, 1e9, nan, float32(math.Inf(1))})
	if want := []byte{0, 0, 2, 254, 255, 255, 0, 255}; string(got) != string(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// Every half is a float32, so going there and back changes nothing, and rounding can be checked at the midpoints.
func TestFloat16All(t *testing.T) {
	for i := range 1 << 16 {
		h := uint16(i)
		x := FromFloat16(h)
		back := ToFloat16(x)
		if h&0x7fff > 0x7c00 {
			if x == x || back != h|0x200 {
				t.Fatalf("NaN %#x gives %v and %#x", h, x, back)
			}
			continue
		}
		if back != h {
			t.Fatalf("%#x is %v and comes back as %#x", h, x, back)
		}
		if want := half64(h); float64(x) != want {
			t.Fatalf("%#x is %v, want %v", h, x, want)
		}
		if h&0x7fff >= 0x7bff {
			continue
		}
		mid := float32((half64(h) + half64(h+1)) / 2) // exact
		even := h + h&1
		if got := ToFloat16(mid); got != even {
			t.Fatalf("%v, halfway from %#x, becomes %#x, want %#x", mid, h, got, even)
		}
		below, above := math.Nextafter32(mid, x), math.Nextafter32(mid, FromFloat16(h+1))
		if a, b := ToFloat16(below), ToFloat16(above); a != h || b != h+1 {
			t.Fatalf("beside %v: %#x and %#x, want %#x and %#x", mid, a, b, h, h+1)
		}
	}
	for x, want := range map[float32]uint16{65519.996: 0x7bff, 65520: 0x7c00, 1e9: 0x7c00, 0x1p-25: 0, 0x1.000002p-25: 1, 1e-40: 0} {
		if got := ToFloat16(x); got != want {
			t.Errorf("%v becomes %#x, want %#x", x, got, want)
		}
	}
}

// half64 is the value of a half by the definition of IEEE 754.
func half64(h uint16) float64 {
	m, e, s := float64(h&0x3ff), int(h>>10&31), 1.0
	if h>>15 != 0 {
		s = -1
	}
	switch e {
	case 0:
		return s * m * 0x1p-24
	case 31:
		return s * math.Inf(1)
	}
	return s * math.Ldexp(1+m/1024, e-15)
}

func TestBFloat16All(t *testing.T) {
	for i := range 1 << 16 {
		h := uint16(i)
		x := FromBFloat16(h)
		back := ToBFloat16(x)
		if x != x {
			if back != h|0x40 {
				t.Fatalf("NaN %#x comes back as %#x", h, back)
			}
			continue
		}
		if back != h {
			t.Fatalf("%#x is %v and comes back as %#x", h, x, back)
		}
		if h&0x7fff < 0x7f80 {
			mid := math.Float32frombits(uint32(h)<<16 | 0x8000)
			if got, even := ToBFloat16(mid), h+h&1; got != even {
				t.Fatalf("%v becomes %#x, want %#x", mid, got, even)
			}
		}
	}
}

// Rows of halves come out as the numbers one by one do, whatever their length and place.
func TestConversionKernels(t *testing.T) {
	var values []float32
	for i := range 1 << 16 { // each half, and numbers at and beside the middle between it and the next
		h := FromFloat16(uint16(i))
		mid := (h + FromFloat16(uint16(i+1))) / 2
		values = append(values, h, mid, math.Nextafter32(mid, 0), math.Nextafter32(mid, 1e9), FromBFloat16(uint16(i)),
			math.Float32frombits(uint32(i)<<16|0x7fff), math.Float32frombits(uint32(i)<<16|0x8000), math.Float32frombits(uint32(i)<<16|0x8001))
	}
	r := rand.New(rand.NewPCG(4, 1))
	for range 1 << 16 {
		values = append(values, math.Float32frombits(r.Uint32()))
	}
	onEach(t, func(t *testing.T) {
		for f, to := range map[Format]func(float32) uint16{Float16: ToFloat16, BFloat16: ToBFloat16} {
			got := f.Append(nil, values)
			for i, x := range values {
				if h := binary.LittleEndian.Uint16(got[2*i:]); h != to(x) {
					t.Fatalf("%v: %v (%#x) becomes %#x, want %#x", f, x, math.Float32bits(x), h, to(x))
				}
			}
		}
		before, _ := guarded[byte](t, 1000)
		beforeF, _ := guarded[float32](t, 300)
		for f, from := range map[Format]func(uint16) float32{Float16: FromFloat16, BFloat16: FromBFloat16, Uint8: func(h uint16) float32 { return float32(h & 255) }} {
			for n := range 150 {
				row := before(f.Size(n))
				for i := range row {
					row[i] = byte(r.Uint32())
				}
				dst := f.Decode(beforeF(n), row)
				for i, x := range dst {
					var b [2]byte
					copy(b[:], row[f.Size(i):f.Size(i+1)])
					if want := from(binary.LittleEndian.Uint16(b[:])); math.Float32bits(x) != math.Float32bits(want) {
						t.Fatalf("%v: %x becomes %v, want %v", f, b, x, want)
					}
				}
				head := []byte("head")
				out := f.Append(head, dst)
				if string(out[:4]) != "head" || f == Uint8 && !bytes.Equal(out[4:], row) {
					t.Fatalf("%v: %d numbers come back as %x, want %x", f, n, out, row)
				}
			}
		}
	})
}
