//go:build !amd64 || noasm

package vec

func rank2LeftFast(a []float64, step int, q, u, x, p []float64, i, rows int) int { return 0 }

func reflectFast(z []float64, step int, u []float64, h float64) bool { return false }
