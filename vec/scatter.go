package vec

import "context"

//go:generate go -C _avo run ./scatter -out ../scatter_amd64.s -stubs ../scatter_stub_amd64.go -pkg vec

// Scatter adds Σ yyᵀ to acc and Σ y to sums over the rows y of x-about: x is n×d, about and sums have length d, acc
// is d×d, of which only the triangle on and below the diagonal counts; what lies above it is not kept.
//
// It is [Gram] for a mean that is not known yet, in one pass over x. With m = Σy/n the rows' own scatter is
// Σ yyᵀ - n·mmᵀ, and as good as the one about the mean if about lies within a few standard deviations of it.
// Errors are those of Gram; sums are in float32 over 128 rows and in float64 beyond. A value of x that is not finite
// makes its column's sum NaN or infinite. It uses up to GOMAXPROCS goroutines; the result does not depend on how many.
func Scatter(acc, sums []float64, x Matrix, about []float32) {
	d := x.Cols
	sameLen(len(acc), d*d)
	sameLen(len(sums), d)
	sameLen(len(about), d)
	if d == 0 || x.Rows == 0 {
		return
	}
	t := tiles()
	const at = 4 * maxDepth // rows packed at a time, for all goroutines
	const chunk = at / 12   // of those that one goroutine packs
	w := workspaces.Get().(*workspace)
	defer workspaces.Put(w)
	grow(&w.panels, min(at, x.Rows)*ceilTo(d, t.lanes))
	packed := w.panels
	partial := make([]float32, 12*d) // the sums of each chunk
	for lo := 0; lo < x.Rows; lo += at {
		part := x.Slice(lo, min(lo+at, x.Rows))
		clear(partial)
		Blocks(context.Background(), part.Rows, chunk, func(lo, hi int) error {
			packScatter(t, packed, part, lo, hi, about, partial[lo/chunk*d:][:d])
			return nil
		})
		for c := range 12 {
			for j, v := range partial[c*d:][:d] {
				sums[j] += float64(v)
			}
		}
		scatterPanels(t, acc, d, packed, part.Rows)
	}
}

// packScatter writes rows lo to hi of x less about to their places in all panels, a few rows at a time so that x is
// read as it lies in memory.
func packScatter(t tiling, packed []float32, x Matrix, lo, hi int, about, sums []float32) {
	const few = 16
	for i := lo; i < hi; i += few {
		rows := min(few, hi-i)
		for c := 0; c < x.Cols; c += t.width {
			width := min(t.width, x.Cols-c)
			whole := ceilTo(width, t.lanes)
			packCentred(packed[c*x.Rows+i*whole:], whole, x.Data[i*x.Cols+c:], x.Cols, about[c:c+width], sums[c:c+width], rows)
		}
	}
}

// packCentred writes rows of len(mean) values less mean, and zeros up to whole, to dst and adds them to sums.
func packCentred(dst []float32, whole int, src []float32, step int, mean, sums []float32, rows int) {
	done := packCentredFast(dst, whole, src, step, mean, sums, rows)
	for r := range rows {
		to, from := dst[r*whole:][:whole], src[r*step:][:len(mean)]
		for j := done; j < len(mean); j++ {
			v := from[j] - mean[j]
			to[j] = v
			sums[j] += v
		}
		clear(to[len(mean):])
	}
}

// scatterPanels adds the products of n packed rows to the triangle of acc on and below the diagonal.
func scatterPanels(t tiling, acc []float64, d int, packed []float32, n int) {
	// A task is a panel of columns and the tiles of it on and below the diagonal. The first have the most to do.
	Blocks(context.Background(), (d+t.width-1)/t.width, 1, func(p, _ int) error {
		scatterPanel(t, acc, d, packed, n, p*t.width)
		return nil
	})
}

// scatterPanel adds columns j.. of one panel, from the diagonal down. The rows of a tile are columns of x too, so they
// are read out of the panel that they are packed in.
func scatterPanel(t tiling, acc []float64, d int, packed []float32, n, j int) {
	width := min(t.width, d-j)
	whole := ceilTo(width, t.lanes)
	panel := packed[j*n:]
	out := make([]float32, t.rows*whole)
	for i := j; i < d; i += t.rows {
		first := i / t.width * t.width // column where the panel of i begins
		step := min(t.width, ceilTo(d-first, t.lanes))
		rows := packed[first*n+i-first:]
		for p := 0; p < n; p += maxDepth {
			k := min(maxDepth, n-p)
			tile(t, k, rows[p*step:], 1, step, panel[p*whole:], whole, out, whole, false)
			addTile(acc[i*d+j:], d, out, whole, min(t.rows, d-i), width)
		}
	}
}

// addTile adds rows of width values, whole values apart in tile, to acc.
func addTile(acc []float64, step int, tile []float32, whole, rows, width int) {
	if addTileFast(acc, step, tile, whole, rows, width) {
		return
	}
	for r := range rows {
		sum := acc[r*step:][:width]
		for c, v := range tile[r*whole:][:width] {
			sum[c] += float64(v)
		}
	}
}
