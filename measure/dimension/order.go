package dimension

import (
	"math"
	"math/rand/v2"

	"github.com/latent-go/latent/measure/internal/rank"
	"github.com/latent-go/latent/vec"
)

// Order says what the rows' order tells of them. It matters to indexes that are built one row after another: a
// graph comes to find most when its rows are inserted by falling local dimension, and least by rising. Source: Elliott and
// Clark 2024, arXiv 2405.17813.
type Order struct {
	LIDTrend float64 `json:"lid_trend"` // Spearman's correlation of local dimension and place among the rows: -1 falls, 1 rises
	Step     float64 `json:"step"`      // mean distance from a row to the next, over that of rows drawn at random: 1 for shuffled rows
}

const (
	orderPairs = 2000 // of rows, that Step is measured on
	fewOrdered = 200  // rows below which chance alone makes a trend
	steepTrend = 0.2  // chance makes 0.07 of 200 rows, somewhat more as near rows share neighbours
	smallStep  = 0.8  // seen: 0.95 to 1.01 on the catalog's sets, which are in no such order
	graphsFail = 24   // dimensions from which a graph with usual parameters misses much: `latent reproduce hnsw-order`
)

// risks measures the order of x and notes what in it, or in the dimension, is a risk for the recall of an index.
func (r *Report) risks(x vec.Matrix, p *points, o Options) {
	if r.Dimension >= graphsFail {
		r.note("Near neighbours are hard to tell apart in %s dimensions: graph indexes find fewer of them, or look at more. Of random data of rank 32, HNSW (M 16) found 0.58 of the 10 nearest at effort 10 and 0.90 at effort 40, of rank 64 0.35 and 0.70. Have the recall measured (latent build), and the effort chosen by it.",
			digits(r.Dimension))
	}
	if r.LID == nil || r.LID.N < fewOrdered || p.drawn < fewOrdered {
		return
	}
	lid, place := make([]float64, p.drawn), make([]float64, p.drawn)
	for i, g := range p.groups { // samples are drawn in the order of the rows
		lid[i], place[i] = Hill(p.row(g)[:r.LID.K]), float64(i)
	}
	r.Order = &Order{LIDTrend: rank.Spearman(place, lid), Step: stepOf(x, o.Seed)}
	switch {
	case r.Order.LIDTrend >= steepTrend:
		r.note("The local dimension rises along the rows (rank correlation %.2f): the worst order to build a graph index in. Shuffle them first, or insert by falling local dimension.", r.Order.LIDTrend)
	case r.Order.Step > 0 && r.Order.Step < smallStep:
		r.note("Each row is like the one before it (%.2f of the distance between rows at random): the order carries structure, such as one category after another, which can cost a graph index recall. Shuffle the rows first, or insert by falling local dimension.", r.Order.Step)
	}
}

// stepOf is Order.Step, 0 where all rows drawn are equal.
func stepOf(x vec.Matrix, seed uint64) float64 {
	rng := rand.New(rand.NewPCG(seed, 0x73746570))
	var next, any float64 // means, as a median jumps where rows lie in a few clumps
	for range orderPairs {
		i := rng.IntN(x.Rows - 1)
		next += distance(x.Row(i), x.Row(i+1))
		any += distance(x.Row(rng.IntN(x.Rows)), x.Row(rng.IntN(x.Rows)))
	}
	if any == 0 || math.IsInf(any, 1) {
		return 0
	}
	return next / any
}
