package cluster

import (
	"context"
	"math"

	"github.com/latent-go/latent/vec"
)

// bounds carry from one assignment to the next how near each centroid can have come to each row, so that most need not be
// looked at: Elkan 2003, ICML 20:147, its lower bounds. Centroids that might be nearer are measured; rows for which many
// might are multiplied with all of them, as without bounds.
type bounds struct {
	s     *rows
	at    vec.Matrix // the centroids that lower holds for
	last  []uint32   // the centroid of each row when it was last looked at
	lower []float32  // n×K: at is no nearer than this, if it is not the row's own
	share float64    // of all distances, those that the last assignment measured
}

const (
	nobody = math.MaxUint32 // in last, of a row that was not looked at yet
	// What distances that were measured or moved along may be off by, as a share: rounding, some hundred times over.
	margin = 0x1p-16
	dear   = 4 // times that a distance takes one by one, of what it takes in a product
)

func newBounds(s *rows, k int) *bounds {
	b := &bounds{s: s, last: make([]uint32, s.Rows), lower: make([]float32, s.Rows*k)}
	for i := range b.last {
		b.last[i] = nobody
	}
	return b
}

// trial is bounds on one row of 64, which tell whether those on all rows would pay.
type trial struct {
	*bounds
	assign    []uint32
	distances []float32
}

// newTrial returns nil where there is nothing to try: bounds would take more than half the memory of the rows, or more
// time than products.
func newTrial(s *rows, k int) *trial {
	const each = 64
	if k < 64 || 2*k > s.Cols || s.Rows < 64*each {
		return nil
	}
	ids := make([]int, s.Rows/each)
	for i := range ids {
		ids[i] = each * i
	}
	return &trial{newBounds(s.pick(ids), k), make([]uint32, len(ids)), make([]float32, len(ids))}
}

// fewLeft are so few iterations that it does not pay to begin with bounds, whose first assignment takes longest.
const fewLeft = 6

// pays assigns the rows of the trial, and says whether bounds took less than 0.4 of the time of products for that. To
// subtract from them what the centroids have moved takes about as long as 84 dimensions of a product.
func (t *trial) pays(ctx context.Context, c vec.Matrix) (bool, error) {
	if t == nil {
		return false, nil
	}
	_, err := t.bounds.assign(ctx, c, t.assign, t.distances)
	return 84/float64(c.Cols)+dear*t.share < 0.4, err
}

// assign is rows.assign with keep.
func (b *bounds) assign(ctx context.Context, c vec.Matrix, assign []uint32, distances []float32) (changed int, err error) {
	drift := make([]float32, c.Rows)
	if b.at.Rows > 0 {
		for j := range drift {
			drift[j] = root(vec.SquaredL2(b.at.Row(j), c.Row(j)))
		}
	}
	b.at = c.Clone()
	all := b.s.prepare(b.at)
	const many = 16 * blockRows // that a goroutine takes at a time
	tasks := (b.s.Rows + many - 1) / many
	changes, measured := make([]int, tasks), make([]int, tasks)
	err = vec.Blocks(ctx, b.s.Rows, many, func(lo, hi int) error {
		w := &boundsWorker{bounds: b, all: all, drift: drift, assign: assign, distances: distances,
			batch: vec.NewMatrix(0, b.s.Cols), ids: make([]uint32, c.Rows), near: make([]float32, c.Rows)}
		for i := lo; i < hi; i++ {
			w.row(i)
		}
		w.flush()
		changes[lo/many], measured[lo/many] = w.changed, w.measured
		return nil
	})
	b.share = 0
	for t, n := range changes {
		changed += n
		b.share += float64(measured[t]) / float64(len(b.lower))
	}
	return changed, err
}

// boundsWorker assigns some rows.
type boundsWorker struct {
	*bounds
	all       *prepared
	drift     []float32 // how far each centroid has moved
	assign    []uint32
	distances []float32
	changed   int
	measured  int
	ids       []uint32  // centroids that may be nearer
	near      []float32 // the distances to them
	waiting   []int     // rows to be multiplied with all centroids,
	batch     vec.Matrix
	products  []vec.Matrix
}

func (w *boundsWorker) lowerOf(i int) []float32 { return w.lower[i*len(w.drift):][:len(w.drift)] }

// row assigns row i, or leaves it to the next flush.
func (w *boundsWorker) row(i int) {
	own := w.assign[i]
	if w.last[i] != own {
		w.wait(i)
		return
	}
	d := w.s.distance(i, w.at.Row(int(own)))
	reach := root(d) * (1 + margin) // who is farther than this is not nearer
	lower, ids, n := w.lowerOf(i), w.ids, 0
	for j, m := range w.drift {
		l := lower[j] - m
		lower[j] = l
		if l < reach && uint32(j) != own {
			ids[n] = uint32(j)
			n++
		}
	}
	ids = ids[:n]
	if dear*n > len(lower) {
		w.wait(i)
		return
	}
	w.measured += n
	to, least := own, d
	near := w.near[:n]
	w.s.distancesTo(near, i, w.at, ids)
	for t, v := range near {
		lower[ids[t]] = root(v)
		if v < least {
			to, least = ids[t], v
		}
	}
	lower[own] = root(d)
	w.move(i, to, least)
}

func (w *boundsWorker) move(i int, to uint32, d float32) {
	if w.assign[i] != to {
		w.changed++
	}
	w.assign[i], w.last[i], w.distances[i] = to, to, d
}

// wait puts row i among those that are multiplied with all centroids.
func (w *boundsWorker) wait(i int) {
	w.waiting = append(w.waiting, i)
	w.batch.Data = append(w.batch.Data, w.s.Row(i)...)
	row := w.batch.Data[w.batch.Rows*w.batch.Cols:]
	w.batch.Rows++
	if w.s.shift != nil {
		vec.AddScaled(row, w.s.shift, -1)
	}
	if w.s.scale != nil {
		vec.Scale(row, row, w.s.scale[i])
	}
	if w.batch.Rows == blockRows {
		w.flush()
	}
}

func (w *boundsWorker) flush() {
	if w.batch.Rows == 0 {
		return
	}
	w.measured += w.batch.Rows * len(w.drift) / dear
	if w.products == nil {
		for _, p := range w.all.parts {
			w.products = append(w.products, vec.NewMatrix(blockRows, len(p.norms)))
		}
	}
	for g, p := range w.all.parts {
		p.multiply(w.products[g].Data, w.batch)
	}
	for r, i := range w.waiting {
		x := w.batch.Row(r)
		// |x-c|² is |x|² + |c|² - 2xc, and what that may be off by: some ten times the rounding of products.
		square := vec.Dot(x, x)
		square -= 0x1p-22 * float32(math.Sqrt(float64(len(x)))) * (square + w.all.most)
		lower := w.lowerOf(i)
		to, least := uint32(0), float32(math.Inf(1))
		for g, p := range w.all.parts {
			row := w.products[g].Row(r)
			if j := vec.ArgMinSum(row, p.norms, -2); p.norms[j]-2*row[j] < least {
				to, least = uint32(p.first+j), p.norms[j]-2*row[j]
			}
			for j, n := range p.norms {
				lower[p.first+j] = root(n - 2*row[j] + square)
			}
		}
		d := w.s.distance(i, w.at.Row(int(to)))
		if own := w.assign[i]; own != to {
			if old := w.s.distance(i, w.at.Row(int(own))); !(d < old) {
				to, d = own, old
			}
		}
		w.move(i, to, d)
	}
	w.waiting, w.batch.Rows, w.batch.Data = w.waiting[:0], 0, w.batch.Data[:0]
}

func root(v float32) float32 { return float32(math.Sqrt(float64(max(v, 0)))) }
