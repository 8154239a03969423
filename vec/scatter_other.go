//go:build !amd64 || noasm

package vec

func packCentredFast(dst []float32, whole int, src []float32, step int, mean, sums []float32, rows int) int {
	return 0
}

func addTileFast(acc []float64, step int, tile []float32, whole, rows, width int) bool { return false }
