//go:build !amd64 || noasm

package vec

func tiles() tiling { return tiling{rows: 4, width: 4, lanes: 4} }

func tile(_ tiling, depth int, a []float32, step, next int, b []float32, _ int, c []float32, cStep int, add bool) {
	tileGo(depth, a, step, next, b, c, cStep, add)
}

func packColumns(panel []float32, whole int, b []float32, next, k, width int) int { return 0 }
