//go:build amd64 && !noasm

package vec

// packCentredFast does the first columns of packCentred and says how many.
func packCentredFast(dst []float32, whole int, src []float32, step int, mean, sums []float32, rows int) int {
	lanes, f := 16, packCentredAVX512
	switch {
	case hasAVX512:
	case hasAVX2:
		lanes, f = 8, packCentredAVX2
	default:
		return 0
	}
	n := len(mean) &^ (lanes - 1)
	if n == 0 || rows == 0 {
		return 0
	}
	// The assembly does not check: these are the last values it touches.
	_, _, _ = dst[(rows-1)*whole+n-1], src[(rows-1)*step+n-1], sums[n-1]
	f(&dst[0], 4*whole, &src[0], 4*step, &mean[0], &sums[0], rows, n/lanes)
	return n
}

// addTileFast is addTile for whole vectors.
func addTileFast(acc []float64, step int, tile []float32, whole, rows, width int) bool {
	if !hasAVX2 || width%8 != 0 || width != whole {
		return false
	}
	_, _ = acc[(rows-1)*step+width-1], tile[rows*width-1]
	if hasAVX512 {
		addTileAVX512(&acc[0], 8*step, &tile[0], rows, width/8)
	} else {
		addTileAVX2(&acc[0], 8*step, &tile[0], rows, width/8)
	}
	return true
}
