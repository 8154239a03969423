package vec

import "fmt"

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
