package vec

// MulT writes a·bᵀ to dst and returns it: a is n×d, b is m×d, dst is n×m, allocated if it is the zero Matrix. So
// dst[i][j] is the dot product of row i of a and row j of b. It uses up to GOMAXPROCS goroutines.
func MulT(dst, a, b Matrix) Matrix {
	sameLen(a.Cols, b.Cols)
	dst = dst.Shaped(a.Rows, b.Rows)
	for i := range a.Rows {
		Dots(dst.Row(i), a.Row(i), b.Data)
	}
	return dst
}
