package vec

import (
	"fmt"
	"math"
)

//go:generate go -C _avo run ./tables -out ../tables_amd64.s -stubs ../tables_stub_amd64.go -pkg vec

// BlockRows is how many codes lie in a block of TableSums4.
const BlockRows = 32

// TableSums4 writes to dst[32b+i] the value base + scale·s for code i of block b, where s is the sum over j of
// tables[16j + cⱼ] and the code is c₀, c₁, …, of half a byte each. A block holds 16 bytes for each j: the low halves
// hold cⱼ of its codes 0 to 15, the high halves of 16 to 31. There is an even number of tables, and each sum must be
// less than 2¹⁶; what a larger one gives is not promised. dst has 32 values for each block.
func TableSums4(dst []float32, tables, blocks []byte, scale, base float32) {
	n := len(dst) / BlockRows
	if len(tables)%32 != 0 || n*BlockRows != len(dst) || len(blocks) != n*len(tables) {
		panic(fmt.Sprintf("vec: %d bytes of tables and %d of blocks for %d sums", len(tables), len(blocks), len(dst)))
	}
	switch {
	case n == 0:
	case len(tables) == 0:
		for i := range dst {
			dst[i] = base
		}
	case hasAVX512:
		tableSums4AVX512(&dst[0], &tables[0], &blocks[0], len(tables)/32, n, scale, base)
	case hasAVX2:
		tableSums4AVX2(&dst[0], &tables[0], &blocks[0], len(tables)/32, n, scale, base)
	default:
		tableSums4Go(dst, tables, blocks, scale, base)
	}
}

func tableSums4Go(dst []float32, tables, blocks []byte, scale, base float32) {
	for b := 0; b < len(dst); b += BlockRows {
		var sums [BlockRows]uint16
		for j := 0; j < len(tables); j += 16 {
			table, codes := tables[j:j+16], blocks[b/BlockRows*len(tables)+j:][:16]
			for i, c := range codes {
				sums[i] += uint16(table[c&15])
				sums[i+16] += uint16(table[c>>4])
			}
		}
		for i, s := range sums {
			dst[b+i] = base + scale*float32(s)
		}
	}
}

// RoundTables4 writes tables of 16 numbers each to dst as bytes for TableSums4, so that for any code c the sum over j of
// tables[16j + cⱼ] is floor + step·s, off by half a step for each table at most. One step does for all tables: what
// spreads the widest over 256 values, or what keeps the sum of the largest below 2¹⁶. Tables that dst, of whole pairs, has
// beyond are zero. Numbers must be finite. lo is room for two values a table.
func RoundTables4(dst []byte, tables, lo []float32) (step, floor float32) {
	n := len(tables) / 16
	if len(tables)%16 != 0 || len(dst)%32 != 0 || len(dst) < len(tables) || len(lo) < 2*n {
		panic(fmt.Sprintf("vec: %d bytes and room of %d for %d values of tables", len(dst), len(lo), len(tables)))
	}
	clear(dst[16*n:])
	if n == 0 {
		return 0, 0
	}
	lo, hi := lo[:n], lo[n:2*n]
	if hasAVX2 {
		tableRangesAVX2(&lo[0], &hi[0], &tables[0], n)
	} else {
		tableRangesGo(lo, hi, tables)
	}
	var widest, all, least float64
	for j, v := range lo {
		width := float64(hi[j]) - float64(v)
		least += float64(v)
		all += width
		if width > widest {
			widest = width
		}
	}
	s := widest / 255
	if most := all / float64(math.MaxUint16-n); most > s { // each table may round up by one
		s = most
	}
	if inverse := float32(1 / s); s <= 0 || inverse > math.MaxFloat32 {
		clear(dst)
	} else if hasAVX2 {
		roundTablesAVX2(&dst[0], &tables[0], &lo[0], n, inverse)
	} else {
		roundTablesGo(dst, tables, lo, inverse)
	}
	return float32(s), float32(least)
}

func tableRangesGo(lo, hi, tables []float32) {
	for j := range lo {
		t := tables[16*j : 16*j+16]
		lo[j], hi[j] = t[0], t[0]
		for _, v := range t[1:] {
			lo[j], hi[j] = min(lo[j], v), max(hi[j], v)
		}
	}
}

func roundTablesGo(dst []byte, tables, lo []float32, inverse float32) {
	for i, v := range tables {
		dst[i] = byte(min(255, math.RoundToEven(float64((v-lo[i/16])*inverse))))
	}
}
