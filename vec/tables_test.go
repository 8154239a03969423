package vec

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

func TestTableSums4(t *testing.T) {
	onEach(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 1))
		const most = 256 // tables, of whose greatest values the sum is 65,280
		bytesBefore, bytesAfter := guarded[byte](t, 16*most)
		blocksBefore, blocksAfter := guarded[byte](t, 3*16*most)
		dstBefore, dstAfter := guarded[float32](t, 3*BlockRows)
		for m := 0; m <= most; m += 2 {
			for n := range 4 {
				tables, blocks, dst := bytesBefore(16*m), blocksBefore(n*16*m), dstBefore(n*BlockRows)
				if r.IntN(2) == 0 {
					tables, blocks, dst = bytesAfter(16*m), blocksAfter(n*16*m), dstAfter(n*BlockRows)
				}
				for i := range tables {
					tables[i] = byte(r.Uint32())
					if m > 200 {
						tables[i] = 255 - byte(r.IntN(2))
					}
				}
				for i := range blocks {
					blocks[i] = byte(r.Uint32())
				}
				TableSums4(dst, tables, blocks, 2, -7) // exact
				for i, got := range dst {
					sum := 0
					for j := range m {
						c := blocks[i/32*16*m+16*j+i%16]
						if i%32 >= 16 {
							c >>= 4
						}
						sum += int(tables[16*j+int(c&15)])
					}
					if want := float32(2*sum - 7); got != want {
						t.Fatalf("%d tables, %d blocks: sum %d is %v, want %v", m, n, i, got, want)
					}
				}
			}
		}
	})
}

// What bytes stand for is compared with the tables in float64, and sums of the largest with 2¹⁶.
func TestRoundTables4(t *testing.T) {
	onEach(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(3, 3))
		const most = 400
		tablesBefore, tablesAfter := guarded[float32](t, 16*most)
		dstBefore, dstAfter := guarded[byte](t, 16*(most+1))
		loBefore, loAfter := guarded[float32](t, 2*most)
		for n := range most {
			pairs := (n + 1) / 2
			tables, dst, lo := tablesBefore(16*n), dstBefore(32*pairs), loBefore(2*n)
			if n%2 == 0 {
				tables, dst, lo = tablesAfter(16*n), dstAfter(32*pairs), loAfter(2*n)
			}
			spread := []float64{1, 1e-3, 1e6, 0}[r.IntN(4)]
			for i := range tables {
				tables[i] = float32(spread * (3 + r.NormFloat64()))
			}
			for i := range dst {
				dst[i] = 0xaa
			}
			step, floor := RoundTables4(dst, tables, lo)
			sum, all := 0, 0.0
			for j := range n {
				least, greatest, top := math.Inf(1), math.Inf(-1), 0
				for _, v := range tables[16*j:][:16] {
					least, greatest = min(least, float64(v)), max(greatest, float64(v))
				}
				all += least
				for k, v := range tables[16*j:][:16] {
					b := int(dst[16*j+k])
					top = max(top, b)
					// Half a step, and rounding in float32.
					if e := math.Abs(float64(step)*float64(b) - (float64(v) - least)); !(e <= float64(step)*0.5001+1e-6*(greatest-least)) {
						t.Fatalf("n=%d: value %d of table %d is %v with steps of %v, want %v", n, k, j, b, step, float64(v)-least)
					}
				}
				sum += top
			}
			if sum > math.MaxUint16 {
				t.Fatalf("n=%d: the largest sum to %d", n, sum)
			}
			if n%2 == 1 && [16]byte(dst[16*n:]) != [16]byte{} {
				t.Fatalf("n=%d: the table to fill up is not zero", n)
			}
			if !(math.Abs(float64(floor)-all) <= 1e-6*math.Abs(all)) {
				t.Fatalf("n=%d: floor is %v, want %v", n, floor, all)
			}
		}
	})
}

func BenchmarkRoundTables4(b *testing.B) {
	const n = 392
	tables, dst, lo := noise(rand.New(rand.NewPCG(4, 4)), 1, 16*n).Data, make([]byte, 16*n), make([]float32, 2*n)
	for b.Loop() {
		RoundTables4(dst, tables, lo)
	}
}

func TestTableSums4Panics(t *testing.T) {
	for _, c := range []struct{ dst, tables, blocks int }{{32, 16, 16}, {31, 32, 32}, {32, 32, 31}, {64, 32, 32}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%+v is accepted", c)
				}
			}()
			TableSums4(make([]float32, c.dst), make([]byte, c.tables), make([]byte, c.blocks), 1, 0)
		}()
	}
}

func BenchmarkTableSums4(b *testing.B) {
	const n = 100
	for _, m := range []int{16, 50, 98, 392} {
		m += m % 2
		tables, blocks, dst := make([]byte, 16*m), make([]byte, n*16*m), make([]float32, n*BlockRows)
		b.Run(fmt.Sprintf("n=%d/m=%d", len(dst), m), func(b *testing.B) {
			for b.Loop() {
				TableSums4(dst, tables, blocks, 1, 0)
			}
			perRow(b, len(dst), m/2)
		})
	}
}

// Two codes of two halves: (1, 0) and, in the other half of the bytes, (2, 3).
func ExampleTableSums4() {
	tables := make([]byte, 32)
	copy(tables, []byte{10, 11, 12})
	copy(tables[16:], []byte{50, 60, 70, 80})
	blocks := make([]byte, 32)
	blocks[0], blocks[16] = 1|2<<4, 0|3<<4
	dst := make([]float32, BlockRows)
	TableSums4(dst, tables, blocks, 0.5, 1)
	fmt.Println(dst[0], dst[16])
	// Output: 31.5 47
}
