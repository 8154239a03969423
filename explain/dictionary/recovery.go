package dictionary

import (
	"fmt"

	"gonum.org/v1/gonum/mat"

	"github.com/latent-go/latent/measure/assign"
	"github.com/latent-go/latent/vec"
)

// Recovery is how well learnt atoms are known ones.
type Recovery struct {
	Column []int   // the learnt atom for each known one, -1 for one that has none
	Cosine float64 // mean over known atoms with the learnt one, paired so that it is largest
	// Absorption is the mean cosine of the learnt atom of a child with the known one of its parent: 0 if children are learnt
	// as what they are in a tree whose levels are orthogonal, 0.71 if as parent plus child, in equal parts.
	Absorption float64
}

// Recover pairs learnt atoms with known ones, both rows of length 1 and of the same dimension. Parent[i] is the known atom that
// comes with known atom i, -1 for none. Another length of parent, or dimension of atoms, gives vec.ErrDim.
// Source: Costa et al. 2025 (arXiv 2506.03093), section 4.
func Recover(learnt, known vec.Matrix, parent []int) (*Recovery, error) {
	if learnt.Cols != known.Cols || len(parent) != known.Rows {
		return nil, fmt.Errorf("dictionary: learnt atoms of %d values, %d known ones of %d, and %d parents: %w", learnt.Cols, known.Rows, known.Cols, len(parent), vec.ErrDim)
	}
	if learnt.Rows == 0 || known.Rows == 0 {
		return nil, fmt.Errorf("dictionary: %d learnt atoms and %d known ones: %w", learnt.Rows, known.Rows, vec.ErrTooFew)
	}
	products := vec.MulT(vec.Matrix{}, known, learnt)
	gain := mat.NewDense(known.Rows, learnt.Rows, nil)
	for i := range known.Rows {
		for j, c := range products.Row(i) {
			gain.Set(i, j, float64(c))
		}
	}
	pairs, err := assign.Max(gain)
	if err != nil {
		return nil, fmt.Errorf("dictionary: %w", err)
	}
	r := &Recovery{Column: pairs.Column, Cosine: pairs.Total / float64(known.Rows)}
	children := 0
	for i, p := range parent {
		if p >= known.Rows {
			return nil, fmt.Errorf("dictionary: atom %d has parent %d of %d: %w", i, p, known.Rows, vec.ErrDim)
		}
		if p >= 0 && pairs.Column[i] >= 0 {
			r.Absorption += gain.At(p, pairs.Column[i])
			children++
		}
	}
	if children > 0 {
		r.Absorption /= float64(children)
	}
	return r, nil
}
