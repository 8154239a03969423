//go:build amd64 && !noasm

package vec

func tiles() tiling {
	switch {
	case hasAVX512:
		return tiling{rows: 8, width: 48, lanes: 16}
	case hasAVX2:
		return tiling{rows: 4, width: 24, lanes: 8}
	}
	return tiling{rows: 4, width: 4, lanes: 4}
}

// tile multiplies t.rows rows of a with a panel of b. a has a value at each r*step + p*next for r < t.rows and
// p < depth, c room for t.rows rows of width values.
func tile(t tiling, depth int, a []float32, step, next int, b []float32, width int, c []float32, cStep int, add bool) {
	if t.lanes == 4 {
		tileGo(depth, a, step, next, b, c, cStep, add)
		return
	}
	// The assembly does not check: these are the last values it touches.
	_, _, _ = a[(t.rows-1)*step+(depth-1)*next], b[depth*width-1], c[(t.rows-1)*cStep+width-1]
	f := tile8x48
	switch {
	case t.lanes == 16 && width == 32:
		f = tile8x32
	case t.lanes == 16 && width == 16:
		f = tile8x16
	case t.lanes == 8 && width == 24:
		f = tile4x24
	case t.lanes == 8 && width == 16:
		f = tile4x16
	case t.lanes == 8:
		f = tile4x8
	}
	f(depth, &a[0], 4*step, 4*next, &b[0], &c[0], 4*cStep, add)
}

// packColumns packs as many of the columns of b as it can and says how many these are.
func packColumns(panel []float32, whole int, b []float32, next, k, width int) int {
	blocks := k / 8
	if !hasAVX2 || blocks == 0 {
		return 0
	}
	width &^= 7
	for c := 0; c < width; c += 8 {
		_, _ = b[(c+7)*next+k-1], panel[(k-1)*whole+c+7]
		transpose8(&panel[c], 4*whole, &b[c*next], 4*next, blocks)
		for q := 8 * blocks; q < k; q++ {
			for i := range 8 {
				panel[q*whole+c+i] = b[(c+i)*next+q]
			}
		}
	}
	return width
}
