package vec

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// perRow reports the time for a row and the speed at which rows of size bytes are read.
func perRow(b *testing.B, rows, size int) {
	ns := float64(b.Elapsed().Nanoseconds()) / float64(b.N) / float64(rows)
	b.ReportMetric(ns, "ns/row")
	b.ReportMetric(float64(size)/ns, "GB/s")
	b.ReportMetric(0, "ns/op")
}

func benchmarkPair(b *testing.B, f func(x, y []float32) float32) {
	for _, d := range []int{16, 100, 128, 768, 1536, 4096} {
		b.Run(fmt.Sprintf("d=%d", d), func(b *testing.B) {
			r := rand.New(rand.NewPCG(1, 1))
			x, y := random(r, make([]float32, d)), random(r, make([]float32, d))
			for b.Loop() {
				f(x, y)
			}
			perRow(b, 1, 4*d)
		})
	}
}

func BenchmarkDot(b *testing.B)       { benchmarkPair(b, Dot) }
func BenchmarkSquaredL2(b *testing.B) { benchmarkPair(b, SquaredL2) }
func BenchmarkL1(b *testing.B)        { benchmarkPair(b, L1) }

func BenchmarkBytes(b *testing.B) {
	for _, d := range []int{64, 100, 768} {
		x, y := make([]byte, d), make([]byte, d)
		for _, k := range []struct {
			name string
			run  func()
		}{
			{"DotUint8", func() { DotUint8(x, y) }},
			{"DotInt8", func() { DotInt8(signed(x), signed(y)) }},
			{"DotUint8Int8", func() { DotUint8Int8(x, signed(y)) }},
			{"SquaredL2Uint8", func() { SquaredL2Uint8(x, y) }},
			{"SquaredL2Int8", func() { SquaredL2Int8(signed(x), signed(y)) }},
			{"L1Uint8", func() { L1Uint8(x, y) }},
			{"L1Int8", func() { L1Int8(signed(x), signed(y)) }},
			{"Hamming", func() { Hamming(x, y) }},
		} {
			b.Run(fmt.Sprintf("%s/d=%d", k.name, d), func(b *testing.B) {
				for b.Loop() {
					k.run()
				}
				perRow(b, 1, d)
			})
		}
	}
}

func BenchmarkHammings(b *testing.B) {
	for _, size := range []int{12, 16, 96} { // 96, 128 and 768 bits
		b.Run(fmt.Sprintf("bytes=%d", size), func(b *testing.B) {
			const n = 1024
			q, rows, dst := make([]byte, size), make([]byte, n*size), make([]int32, n)
			for b.Loop() {
				Hammings(dst, q, rows, 0)
			}
			perRow(b, n, size)
		})
	}
}

// BenchmarkConvert writes and reads rows.
func BenchmarkConvert(b *testing.B) {
	const d = 768
	for f := Float32; f <= Uint4; f++ {
		v := random(rand.New(rand.NewPCG(1, 1)), make([]float32, d))
		row := f.Append(nil, v)
		b.Run(fmt.Sprintf("%v/append", f), func(b *testing.B) {
			for b.Loop() {
				row = f.Append(row[:0], v)
			}
			perRow(b, 1, 4*d)
		})
		b.Run(fmt.Sprintf("%v/decode", f), func(b *testing.B) {
			for b.Loop() {
				f.Decode(v, row)
			}
			perRow(b, 1, 4*d)
		})
	}
}

// BenchmarkScale writes a vector of 768.
func BenchmarkScale(b *testing.B) {
	x, y := make([]float32, 768), make([]float32, 768)
	b.Run("Scale", func(b *testing.B) {
		for b.Loop() {
			Scale(x, y, 0.5)
		}
		perRow(b, 1, 4*768)
	})
	b.Run("AddScaled", func(b *testing.B) {
		for b.Loop() {
			AddScaled(x, y, 0.5)
		}
		perRow(b, 1, 4*768)
	})
}

// BenchmarkGather is what graph search does: 24 rows at random places, in cache (1 MiB) or beyond it (1 GiB). "one by one"
// is the same with a call a row.
func BenchmarkGather(b *testing.B) {
	const n = 24
	for _, size := range []int{1 << 20, 1 << 30} {
		data := make([]byte, size)
		for i := 0; i < size; i += 4096 {
			data[i] = 1 // have the memory
		}
		for _, d := range []int{100, 128, 768} {
			for _, f := range []Format{Float32, Float16, BFloat16, Uint8, Uint4} {
				c := Codes{Format: f, Data: data}
				q, step := make([]float32, d), make([]float32, d)
				rows := size / f.Size(d)
				dst, ids := make([]float32, n), make([]uint32, n)
				r := rand.New(rand.NewPCG(1, 1))
				name := fmt.Sprintf("MiB=%d/d=%d/%v/", size>>20, d, f)
				run := func(what string, score func()) {
					b.Run(name+what, func(b *testing.B) {
						for b.Loop() {
							for i := range ids {
								ids[i] = r.Uint32N(uint32(rows))
							}
							score()
						}
						perRow(b, n, f.Size(d))
					})
				}
				run("l2", func() { c.SquaredL2sAt(dst, q, step, ids) })
				if f == Float32 || f == Uint8 {
					run("one by one", func() {
						for i := range ids {
							c.SquaredL2sAt(dst[i:i+1], q, step, ids[i:i+1])
						}
					})
					run("dot", func() { c.DotsAt(dst, q, ids) })
				}
			}
		}
	}
}

// BenchmarkScan scores rows that lie one after another, in cache.
func BenchmarkScan(b *testing.B) {
	const n = 64
	for _, d := range []int{64, 100, 768} {
		for _, f := range []Format{Float32, Float16, BFloat16, Uint8, Uint4} {
			c := Codes{Format: f, Data: make([]byte, n*f.Size(d))}
			q, step, dst := make([]float32, d), make([]float32, d), make([]float32, n)
			for o, run := range []func(){func() { c.Dots(dst, q) }, func() { c.SquaredL2s(dst, q, step) }, func() { c.L1s(dst, q, step) }} {
				b.Run(fmt.Sprintf("d=%d/%v/%s", d, f, ops[o].name), func(b *testing.B) {
					for b.Loop() {
						run()
					}
					perRow(b, n, f.Size(d))
				})
			}
		}
	}
}
