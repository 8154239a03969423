package dictionary

import (
	"context"
	"math"

	"gonum.org/v1/gonum/mat"

	"github.com/latent-go/latent/vec"
)

// Codes are vectors as a few features each.
type Codes struct {
	Features int       // how many there are
	Offsets  []int     // one more than there are rows: row i is Offsets[i] to Offsets[i+1] of what follows
	Index    []uint32  // below Features, each once a row; in the order of their choice, where there is one
	Value    []float32 // of each, above 0
}

// Len is the number of rows.
func (c *Codes) Len() int { return len(c.Offsets) - 1 }

// Row returns the features of row i and their values, as views.
func (c *Codes) Row(i int) (index []uint32, value []float32) {
	lo, hi := c.Offsets[i], c.Offsets[i+1]
	return c.Index[lo:hi:hi], c.Value[lo:hi:hi]
}

// L0 is the mean number of features a row.
func (c *Codes) L0() float64 {
	if c.Len() == 0 {
		return 0
	}
	return float64(len(c.Index)) / float64(c.Len())
}

// Counts returns how many rows have each feature.
func (c *Codes) Counts() []int {
	out := make([]int, c.Features)
	for _, j := range c.Index {
		out[j]++
	}
	return out
}

// Collect makes the codes of n rows of p features: code is called for blocks of at most size rows, from many goroutines, and
// adds each row of its block in order; what it adds is copied.
func Collect(ctx context.Context, n, p, size int, code func(lo, hi int, add func(index []uint32, value []float32)) error) (*Codes, error) {
	type block struct {
		ends  []int
		index []uint32
		value []float32
	}
	blocks := make([]block, (n+size-1)/size)
	err := vec.Blocks(ctx, n, size, func(lo, hi int) error {
		b := &blocks[lo/size]
		return code(lo, hi, func(index []uint32, value []float32) {
			b.index, b.value = append(b.index, index...), append(b.value, value...)
			b.ends = append(b.ends, len(b.index))
		})
	})
	if err != nil {
		return nil, err
	}
	total := 0
	for _, b := range blocks {
		total += len(b.index)
	}
	c := &Codes{Features: p, Offsets: make([]int, 1, n+1), Index: make([]uint32, 0, total), Value: make([]float32, 0, total)}
	for _, b := range blocks {
		for _, end := range b.ends {
			c.Offsets = append(c.Offsets, len(c.Index)+end)
		}
		c.Index, c.Value = append(c.Index, b.index...), append(c.Value, b.value...)
	}
	return c, nil
}

// EffectiveRank says over how many directions the codes spread: the exponential of the entropy, in nats, of the
// eigenvalues of ZᵀZ as shares of their sum, where Z is the codes as a matrix. It is 1 if all rows are multiples of one,
// and at most min(n, p); 0 for codes that are all empty. Time O(p³).
// Source: Roy and Vetterli 2007; of codes, Costa et al. 2025.
func (c *Codes) EffectiveRank() float64 {
	used := make([]int, c.Features) // 1 + place among the features that occur
	p := 0
	for _, j := range c.Index {
		if used[j] == 0 {
			p++
			used[j] = p
		}
	}
	if p == 0 {
		return 0
	}
	s := mat.NewSymDense(p, nil)
	for i := range c.Len() {
		index, value := c.Row(i)
		for a, j := range index {
			for b, k := range index {
				if at, to := used[j]-1, used[k]-1; at <= to {
					s.SetSym(at, to, s.At(at, to)+float64(value[a])*float64(value[b]))
				}
			}
		}
	}
	var eig mat.EigenSym
	if !eig.Factorize(s, false) {
		return math.NaN()
	}
	var sum, h float64
	values := eig.Values(nil)
	for _, v := range values {
		sum += max(v, 0)
	}
	for _, v := range values {
		if q := v / sum; q > 0 {
			h -= q * math.Log(q)
		}
	}
	return math.Exp(h)
}

// Babel measures how far r atoms together can imitate another: the largest sum of |⟨atom, other⟩| over r others, of any
// atom. It is 0 for orthogonal atoms, at most r, and grows with r; r is cut to p-1. Atoms are the rows of a p×m matrix, of
// length 1. Time O(p²m). Source: Tropp 2004, definition 3.1.
func Babel(atoms vec.Matrix, r int) float64 {
	return babel(vec.MulT(vec.Matrix{}, atoms, atoms), r)
}

func babel(gram vec.Matrix, r int) float64 {
	p := gram.Rows
	r = min(r, p-1)
	if r < 1 {
		return 0
	}
	others := vec.NewTopK(r) // of what is least, so signs are turned
	var products []float32
	var most float64
	for j := range p {
		others.Reset()
		for i, g := range gram.Row(j) {
			if i != j {
				others.Push(-max(g, -g), uint32(i))
			}
		}
		_, products = others.Append(nil, products[:0])
		var sum float64
		for _, g := range products {
			sum -= float64(g)
		}
		most = max(most, sum)
	}
	return most
}

const coactiveRows = 2000

// CoactiveBabel is the mean over rows of the codes of the Babel measure of the atoms that the row has, for rows of more than r
// features; rows says how many those are. Of more than 2,000 rows it looks at 2,000, evenly spaced. It is what matters for reading a code: atoms that are alike but never used
// together do no harm. Source: Costa et al. 2025, section 5.
func (d *Dictionary) CoactiveBabel(c *Codes, r int) (mean float64, rows int) {
	n := min(c.Len(), coactiveRows)
	for i := range n {
		index, _ := c.Row(i * c.Len() / n)
		if len(index) <= r {
			continue
		}
		ids := make([]int, len(index))
		for k, j := range index {
			ids[k] = int(j)
		}
		mean += Babel(d.atoms.Gather(ids), r)
		rows++
	}
	if rows > 0 {
		mean /= float64(rows)
	}
	return mean, rows
}
