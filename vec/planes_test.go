package vec

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// The sum over planes, number by number.
func TestPlanes(t *testing.T) {
	onEach(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(7, 1))
		before, after := guarded[byte](t, 16*300)
		var p Planes
		for _, d := range []int{0, 1, 7, 8, 9, 100, 127, 128, 129, 250, 255, 256, 257, 300, 384, 500, 511, 512, 513, 784, 960, 1025, 2050} {
			for n := range 11 {
				size, pad := (d+7)/8, n%3*5
				stride := size + pad
				rows := before(max(n*stride-pad, 0))
				if n%2 == 1 {
					rows = after(len(rows))
				}
				num := make([]uint8, d)
				want := make([]int32, n)
				for j := range num {
					num[j] = uint8(r.Uint32()) // of which the upper half is ignored
				}
				p.Set(num)
				fill(r, rows)
				for i := range n {
					row := rows[i*stride : i*stride+size]
					if d%8 != 0 {
						row[size-1] &= 1<<(d%8) - 1
					}
					for j := range num {
						want[i] += int32(num[j]&15 ^ row[j/8]>>(j%8)&1*15)
					}
				}
				dst, ids := make([]int32, n+1), make([]uint32, n)
				dst[n] = 42
				for i := range ids {
					ids[i] = r.Uint32N(uint32(n))
				}
				p.Hammings(dst[:n], rows, stride)
				for i := range n {
					if dst[i] != want[i] {
						t.Fatalf("row %d of %d, %d bits: got %d, want %d", i, n, d, dst[i], want[i])
					}
				}
				p.HammingsAt(dst[:n], rows, stride, ids)
				for i, id := range ids {
					if dst[i] != want[id] {
						t.Fatalf("row %d, %d bits: got %d, want %d", id, d, dst[i], want[id])
					}
				}
				if dst[n] != 42 {
					t.Fatal("wrote behind dst")
				}
			}
		}
	})
}

func TestPlanesMisuse(t *testing.T) {
	b, d := make([]byte, 16), make([]int32, 4)
	var p Planes
	p.Set(make([]uint8, 60))
	onEach(t, func(t *testing.T) {
		for name, f := range map[string]func(){
			"rows":   func() { p.Hammings(d[:3], b, 0) },
			"stride": func() { p.Hammings(d[:2], b, 7) },
			"id":     func() { p.HammingsAt(d[:1], b, 0, []uint32{2}) },
			"ids":    func() { p.HammingsAt(d[:1], b, 0, nil) },
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

func BenchmarkPlanes(b *testing.B) {
	r := rand.New(rand.NewPCG(8, 1))
	for _, d := range []int{100, 784, 1536} {
		b.Run(fmt.Sprintf("d=%d", d), func(b *testing.B) {
			num, size := make([]uint8, d), (d+7)/8
			for j := range num {
				num[j] = uint8(r.Uint32N(16))
			}
			var p Planes
			p.Set(num)
			rows, dst := make([]byte, 1000*size), make([]int32, 1000)
			fill(r, rows)
			for b.Loop() {
				p.Hammings(dst, rows, 0)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*1000), "ns/row")
		})
	}
}
