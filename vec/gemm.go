package vec

import (
	"context"
	"runtime"
	"sync"
)

//go:generate go -C _avo run ./gemm -out ../gemm_amd64.s -stubs ../gemm_stub_amd64.go -pkg vec

// MulT writes a·bᵀ to dst and returns it: a is n×d, b is m×d, dst is n×m, allocated if it is the zero Matrix. So
// dst[i][j] is the dot product of row i of a and row j of b.
//
// Here and in [Mul] and [TMul], dst must not overlap a or b, work is shared by up to GOMAXPROCS goroutines, and the
// result does not depend on how many: products are summed in float32 in an order that depends on the shapes alone.
func MulT(dst, a, b Matrix) Matrix {
	sameLen(a.Cols, b.Cols)
	dst = dst.Shaped(a.Rows, b.Rows)
	switch {
	case a.Rows <= skinny:
		fewRows(dst, a, b)
	case b.Rows <= 2:
		fewCols(dst, a, b)
	default:
		product(dst, operand{a.Data, a.Cols, 1}, operand{b.Data, 1, b.Cols}, a.Cols)
	}
	return dst
}

// Mul writes a·b to dst and returns it: a is n×d, b is d×m, dst is n×m, allocated if it is the zero Matrix.
func Mul(dst, a, b Matrix) Matrix {
	sameLen(a.Cols, b.Rows)
	dst = dst.Shaped(a.Rows, b.Cols)
	product(dst, operand{a.Data, a.Cols, 1}, operand{b.Data, b.Cols, 1}, a.Cols)
	return dst
}

// TMul writes aᵀ·b to dst and returns it: a is d×n, b is d×m, dst is n×m, allocated if it is the zero Matrix. For aᵀ·a
// see [Gram].
func TMul(dst, a, b Matrix) Matrix {
	sameLen(a.Rows, b.Rows)
	dst = dst.Shaped(a.Cols, b.Cols)
	product(dst, operand{a.Data, 1, a.Cols}, operand{b.Data, b.Cols, 1}, a.Rows)
	return dst
}

// A product is made of tiles of dst, each kept in registers while one value of each of its rows of a and one vector
// of its columns of b after another are multiplied. To feed it, a block of b is packed into panels as wide as a
// tile, in the order in which they will be read, and stays in the level 2 cache while all rows of a pass by.
//
// The depth, over which products are summed, is cut into equal parts: each part of a sum starts at zero and is then
// added to what stands in dst. That order, and so each bit of the result, is the same for whole tiles and edges, for
// any split among goroutines.
const (
	maxDepth = 384 // of a block of b
	maxCols  = 480 // of a block of b: with maxDepth, 720 KiB
	maxRows  = 512 // of a that pass by a block, if there are goroutines to share with
	skinny   = 4   // rows of a so few that packing b would cost more than it saves; between 3 and 6 by shape
)

// operand is one side of a product as it lies in memory: the value of row (a) or depth (b) i and depth (a) or column
// (b) j is at i*step + j*next, and one of the two is 1.
type operand struct {
	data       []float32
	step, next int
}

// tiling is the shape of the tiles of one kernel.
type tiling struct {
	rows  int // of a
	width int // columns of a whole panel
	lanes int // a narrower panel is a multiple of this
}

func ceilTo(n, unit int) int { return (n + unit - 1) / unit * unit }

// evenly returns the size of n's parts when it is cut into as few as possible of at most most, of whole units.
func evenly(n, most, unit int) int {
	parts := (n + most - 1) / most
	return ceilTo((n+parts-1)/parts, unit)
}

func product(dst Matrix, a, b operand, depth int) {
	n, m := dst.Rows, dst.Cols
	if n == 0 || m == 0 {
		return
	}
	if depth == 0 {
		clear(dst.Data)
		return
	}
	t := tiles()
	rows, cols := evenly(n, maxRows, t.rows), evenly(m, maxCols, t.width)
	across := (m + cols - 1) / cols
	down := (n + rows - 1) / rows
	for down*across < 3*runtime.GOMAXPROCS(0) && rows >= 16*t.rows && rows*cols*depth > 1<<22 {
		rows = ceilTo(rows/2, t.rows)
		down = (n + rows - 1) / rows
	}
	Blocks(context.Background(), down*across, 1, func(block, _ int) error {
		i, j := block/across*rows, block%across*cols
		w := workspaces.Get().(*workspace)
		defer workspaces.Put(w)
		w.block(t, dst, a, b, depth, i, min(i+rows, n), j, min(j+cols, m))
		return nil
	})
}

// workspace is what one goroutine packs into.
type workspace struct {
	panels []float32 // a block of b
	rows   []float32 // one tile's rows of a, where they cannot be read in place
	tile   []float32 // one tile of dst, where it hangs over the edge
}

var workspaces = sync.Pool{New: func() any { return new(workspace) }}

// block computes rows iLo to iHi and columns jLo to jHi of dst.
func (w *workspace) block(t tiling, dst Matrix, a, b operand, depth, iLo, iHi, jLo, jHi int) {
	part := evenly(depth, maxDepth, 1)
	grow(&w.panels, ceilTo(jHi-jLo, t.lanes)*part)
	for p := 0; p < depth; p += part {
		k := min(part, depth-p)
		for j := jLo; j < jHi; j += t.width {
			pack(t, w.panels[(j-jLo)*k:], b, p, k, j, min(j+t.width, jHi))
		}
		w.multiply(t, dst, a, p, k, iLo, iHi, w.panels, jLo, jHi)
	}
}

// multiply writes, or for p > 0 adds, what depths p to p+k contribute to the block of dst whose panels of b these are.
func (w *workspace) multiply(t tiling, dst Matrix, a operand, p, k, iLo, iHi int, panels []float32, jLo, jHi int) {
	grow(&w.rows, t.rows*k)
	grow(&w.tile, t.rows*t.width)
	for i := iLo; i < iHi; i += t.rows {
		height := min(t.rows, iHi-i)
		rows, step, next := a.data, a.step, a.next
		if height == t.rows && next == 1 {
			rows = rows[i*step+p:]
		} else {
			rows, step, next = w.rows, 1, t.rows
			packRows(rows, t.rows, a, p, k, i, height)
		}
		for j := jLo; j < jHi; j += t.width {
			panel := panels[(j-jLo)*k:]
			width := min(t.width, jHi-j)
			if whole := ceilTo(width, t.lanes); height == t.rows && width == whole {
				tile(t, k, rows, step, next, panel, width, dst.Data[i*dst.Cols+j:], dst.Cols, p > 0)
			} else {
				tile(t, k, rows, step, next, panel, whole, w.tile, whole, false)
				for r := range height {
					put(dst.Row(i + r)[j:j+width], w.tile[r*whole:], p > 0)
				}
			}
		}
	}
}

func grow(s *[]float32, n int) {
	if cap(*s) < n {
		*s = make([]float32, n)
	}
	*s = (*s)[:n]
}

func put(dst, src []float32, add bool) {
	src = src[:len(dst)]
	if !add {
		copy(dst, src)
		return
	}
	for i, v := range src {
		dst[i] += v
	}
}

// pack writes columns lo to hi of b, at depths p to p+k, as one panel. Columns that fill up the last vector are zero.
func pack(t tiling, panel []float32, b operand, p, k, lo, hi int) {
	width := hi - lo
	whole := ceilTo(width, t.lanes)
	panel = panel[:whole*k]
	if b.next == 1 {
		for q := range k {
			row := panel[q*whole : (q+1)*whole]
			n := copy(row, b.data[(p+q)*b.step+lo:][:width])
			clear(row[n:])
		}
		return
	}
	done := packColumns(panel, whole, b.data[lo*b.next+p:], b.next, k, width)
	for c := done; c < whole; c++ {
		if c >= width {
			for q := range k {
				panel[q*whole+c] = 0
			}
			continue
		}
		for q, v := range b.data[(lo+c)*b.next+p:][:k] {
			panel[q*whole+c] = v
		}
	}
}

// packRows writes height rows of a from i, at depths p to p+k, one depth after another; rows that a tile has beyond
// are zero.
func packRows(out []float32, rows int, a operand, p, k, i, height int) {
	for q := range k {
		row := out[q*rows : (q+1)*rows]
		from := a.data[i*a.step+(p+q)*a.next:]
		if a.step == 1 {
			copy(row, from[:height])
		} else {
			for r := range height {
				row[r] = from[r*a.step]
			}
		}
		clear(row[height:])
	}
}

// Packed is the right side of [MulT], made ready once for many products. It is safe for concurrent use.
type Packed struct {
	t          tiling
	rows, cols int
	panels     []float32 // by parts of the depth
}

// Pack copies b, m×d, into the order in which products read it.
func Pack(b Matrix) *Packed {
	q := &Packed{t: tiles(), rows: b.Rows, cols: b.Cols}
	if b.Rows == 0 || b.Cols == 0 {
		return q
	}
	whole := ceilTo(b.Rows, q.t.lanes)
	q.panels = make([]float32, whole*b.Cols)
	part := evenly(b.Cols, maxDepth, 1)
	for p := 0; p < b.Cols; p += part {
		k := min(part, b.Cols-p)
		for j := 0; j < b.Rows; j += q.t.width {
			pack(q.t, q.panels[whole*p+j*k:], operand{b.Data, 1, b.Cols}, p, k, j, min(j+q.t.width, b.Rows))
		}
	}
	return q
}

// MulT writes a·bᵀ to dst and returns it: a is n×d, dst is n×m, allocated if it is the zero Matrix. Unlike the function
// MulT it keeps to its caller's goroutine, for a caller that has several.
func (q *Packed) MulT(dst, a Matrix) Matrix {
	sameLen(a.Cols, q.cols)
	dst = dst.Shaped(a.Rows, q.rows)
	if q.panels == nil {
		clear(dst.Data)
		return dst
	}
	w := workspaces.Get().(*workspace)
	defer workspaces.Put(w)
	whole := ceilTo(q.rows, q.t.lanes)
	part := evenly(q.cols, maxDepth, 1)
	for p := 0; p < q.cols; p += part {
		w.multiply(q.t, dst, operand{a.Data, a.Cols, 1}, p, min(part, q.cols-p), 0, a.Rows, q.panels[whole*p:], 0, q.rows)
	}
	return dst
}

// tileGo is the definition of a tile: 4×4.
func tileGo(depth int, a []float32, step, next int, b, c []float32, cStep int, add bool) {
	var s [4][4]float32
	for p := range depth {
		b := b[4*p : 4*p+4]
		b0, b1, b2, b3 := b[0], b[1], b[2], b[3]
		for r := range s {
			v := a[r*step+p*next]
			s[r][0] += v * b0
			s[r][1] += v * b1
			s[r][2] += v * b2
			s[r][3] += v * b3
		}
	}
	for r := range s {
		put(c[r*cStep:][:4], s[r][:], add)
	}
}

// fewRows multiplies each row of a with a block of b while it is in the cache.
func fewRows(dst, a, b Matrix) {
	Blocks(context.Background(), b.Rows, 1+1<<16/(1+b.Cols), func(lo, hi int) error {
		for i := range a.Rows {
			Dots(dst.Row(i)[lo:hi], a.Row(i), b.Slice(lo, hi).Data)
		}
		return nil
	})
}

// fewCols is fewRows with the parts exchanged.
func fewCols(dst, a, b Matrix) {
	Blocks(context.Background(), a.Rows, 1+1<<16/(1+b.Cols), func(lo, hi int) error {
		column := make([]float32, hi-lo)
		for j := range b.Rows {
			Dots(column, b.Row(j), a.Slice(lo, hi).Data)
			for i, v := range column {
				dst.Data[(lo+i)*dst.Cols+j] = v
			}
		}
		return nil
	})
}
