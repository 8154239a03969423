package latent

import (
	"container/heap"
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/latent-go/latent/vec"
)

// Options say how many bits codes have. The zero Options give 4 bits a dimension, spread to where they save the most.
type Options struct {
	// Bits a dimension, on average, of 0 to 8; 0 is 4. A code has ⌊Bits·d⌋ bits if the data has use for them.
	Bits float64

	// Even is for the same bits in each dimension, a whole number of them. Spreading them loses less squared error: a bit
	// goes where it saves the most, given those already spent.
	Even bool
}

const (
	sampleRows = 1 << 12 // that values are learnt from
	points     = 1 << 9  // that the best values are found for, before all of the sample refines them
)

// Fit returns the codec for vectors like the rows of x, learnt from at most 4,096 evenly spaced rows. Where a dimension has
// no more than 512 distinct numbers in them its values are the best there are for them; else they are so for 512
// means of neighbouring numbers, and then refined on all (Lloyd's iteration), near to the best. No rows give
// vec.ErrTooFew, a value that is not finite vec.ErrNotFinite. Time O(d·2ᵇ) times 5,000 for the largest b
// allowed: 8 if bits are spread.
func Fit(x vec.Matrix, o Options) (*Codec, error) {
	if o.Bits == 0 {
		o.Bits = 4
	}
	if !(o.Bits > 0 && o.Bits <= maxBits) || o.Even && o.Bits != math.Trunc(o.Bits) {
		return nil, fmt.Errorf("latent: fit: %v bits a dimension; want up to %d, and a whole number if Even", o.Bits, maxBits)
	}
	if err := x.Check(); err != nil {
		return nil, fmt.Errorf("latent: fit: %w", err)
	}
	if x.Rows == 0 || x.Cols == 0 {
		return nil, fmt.Errorf("latent: fit: no values in %d×%d: %w", x.Rows, x.Cols, vec.ErrTooFew)
	}
	most := maxBits
	if o.Even {
		most = int(o.Bits)
	}
	books := make([][maxBits + 1]book, x.Cols)
	rows := min(x.Rows, sampleRows)
	err := vec.Blocks(context.Background(), x.Cols, 4, func(lo, hi int) error {
		s := make([]float32, rows)
		for j := lo; j < hi; j++ {
			for i := range s {
				s[i] = x.Data[i*x.Rows/rows*x.Cols+j]
			}
			slices.Sort(s)
			books[j] = learn(s, most)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	spent := make([]int, x.Cols)
	if o.Even {
		for j := range spent {
			spent[j] = most
		}
	} else {
		spread(spent, books, int(o.Bits*float64(x.Cols)))
	}
	values := make([][]float32, x.Cols)
	for j, b := range spent {
		values[j] = books[j][b].values
	}
	return New(values)
}

// spread gives out bits one by one, each to the dimension whose squared error falls the most by it, until none falls.
// That is the best there is while a further bit never saves more than the one before.
func spread(spent []int, books [][maxBits + 1]book, bits int) {
	h := make(savings, 0, len(spent))
	for j := range spent {
		h = append(h, saving{books[j][0].loss - books[j][1].loss, j})
	}
	heap.Init(&h)
	for ; bits > 0 && h[0].loss > 0; bits-- {
		j := h[0].dim
		spent[j]++
		if h[0].loss = 0; spent[j] < maxBits {
			h[0].loss = books[j][spent[j]].loss - books[j][spent[j]+1].loss
		}
		heap.Fix(&h, 0)
	}
}

type saving struct {
	loss float64
	dim  int
}

type savings []saving // a heap, the largest first

func (h savings) Len() int { return len(h) }
func (h savings) Less(i, j int) bool {
	return h[i].loss > h[j].loss || h[i].loss == h[j].loss && h[i].dim < h[j].dim
}
func (h savings) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h savings) Push(any)      { panic("latent: nothing is added") }
func (h savings) Pop() any      { panic("latent: nothing is taken") }

// book is values for one dimension, and the squared error they leave over the sample.
type book struct {
	values []float32
	loss   float64
}

// learn returns books of 2ᵇ values, or of as many distinct ones as there are, for b of 0 to most, for the numbers s in
// rising order.
func learn(s []float32, most int) (books [maxBits + 1]book) {
	sums := newSums(s)
	ends := sums.points()
	d := newDivision(sums, ends, min(1<<most, len(ends)))
	for b := range most + 1 {
		cut := d.cuts(min(1<<b, len(ends)))
		books[b] = sums.lloyd(cut)
	}
	return books
}

// sums are running sums of numbers in rising order, taken from their mean so that float64 does not cancel.
type sums struct {
	s        []float32
	mean     float64
	one, two []float64 // Σ and Σ² of the first i
}

func newSums(s []float32) *sums {
	p := &sums{s: s, one: make([]float64, len(s)+1), two: make([]float64, len(s)+1)}
	for _, v := range s {
		p.mean += float64(v) / float64(len(s))
	}
	for i, v := range s {
		x := float64(v) - p.mean
		p.one[i+1], p.two[i+1] = p.one[i]+x, p.two[i]+x*x
	}
	return p
}

// loss is the squared error of numbers lo to hi, hi excluded, if their mean stands for them.
func (p *sums) loss(lo, hi int) float64 {
	one := p.one[hi] - p.one[lo]
	return max(0, p.two[hi]-p.two[lo]-one*one/float64(hi-lo))
}

func (p *sums) value(lo, hi int) float32 {
	return float32(p.mean + (p.one[hi]-p.one[lo])/float64(hi-lo))
}

// points returns where runs of equal numbers end, or, if there are too many, about points of them evenly spaced.
func (p *sums) points() []int {
	var ends []int
	for i := range p.s {
		if i+1 == len(p.s) || p.s[i+1] != p.s[i] {
			ends = append(ends, i+1)
		}
	}
	if len(ends) <= points {
		return ends
	}
	few := ends[:0]
	for i, end := range ends {
		if end*points/len(p.s) > len(few) || i+1 == len(ends) {
			few = append(few, end)
		}
	}
	return few
}

// division holds for every number of parts m how to cut the points, the first i of them, at the least loss.
type division struct {
	ends []int
	from [][]uint16 // from[m-1][i]: where the last of m parts of the points 0 to i begins
}

// newDivision finds it by dynamic programming: where the last part begins does not fall as i rises, so the middle i
// halves the search for the others.
func newDivision(p *sums, ends []int, most int) *division {
	n := len(ends)
	d := &division{ends: ends, from: make([][]uint16, most)}
	start := func(i int) int { // the first number of point i
		if i == 0 {
			return 0
		}
		return ends[i-1]
	}
	before, now := make([]float64, n), make([]float64, n)
	for m := range d.from {
		d.from[m] = make([]uint16, n)
		if m == 0 {
			for i := range now {
				now[i] = p.loss(0, ends[i])
			}
			before, now = now, before
			continue
		}
		var solve func(lo, hi, least, most int)
		solve = func(lo, hi, least, most int) {
			if lo >= hi {
				return
			}
			i := (lo + hi) / 2
			best, at := math.Inf(1), max(least, m)
			for k := max(least, m); k <= min(most, i); k++ {
				if l := before[k-1] + p.loss(start(k), ends[i]); l < best {
					best, at = l, k
				}
			}
			now[i], d.from[m][i] = best, uint16(at)
			solve(lo, i, least, at)
			solve(i+1, hi, at, most)
		}
		solve(m, n, m, n-1)
		before, now = now, before
	}
	return d
}

// cuts returns where m parts of all points end, in numbers.
func (d *division) cuts(m int) []int {
	cut := make([]int, m)
	for i := len(d.ends) - 1; m > 0; m-- {
		cut[m-1] = d.ends[i]
		i = int(d.from[m-1][i]) - 1
	}
	return cut
}

// lloyd moves the cuts to halfway between the means beside them until none moves, and returns the means.
func (p *sums) lloyd(cut []int) book {
	values := make([]float32, len(cut))
	for range 100 {
		lo := 0
		for k, hi := range cut {
			values[k], lo = p.value(lo, hi), hi
		}
		moved := false
		lo = 0
		for k := range cut[:len(cut)-1] {
			// Equal numbers stay together: those at half belong to the lower part, as in Nearest.
			half := float32((float64(values[k]) + float64(values[k+1])) / 2)
			at, _ := slices.BinarySearchFunc(p.s, half, func(a, b float32) int {
				if a <= b {
					return -1
				}
				return 1
			})
			if at = max(at, lo+1); at != cut[k] && at < cut[k+1] {
				cut[k], moved = at, true
			}
			lo = cut[k]
		}
		if !moved {
			break
		}
	}
	b := book{values: values}
	lo := 0
	for k, hi := range cut {
		values[k] = p.value(lo, hi)
		b.loss += p.loss(lo, hi)
		lo = hi
	}
	return b
}
