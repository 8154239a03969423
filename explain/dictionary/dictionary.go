// Package dictionary writes vectors as sums of a few atoms, directions of length 1 out of many, by matching pursuit; and
// measures how alike atoms are, those that are used together and all of them.
//
//	d, err := dictionary.New(atoms, nil)                            // atoms is p×m, rows of length 1
//	codes, err := d.Pursue(ctx, x, dictionary.Stop{K: 8})           // x is n×m
//	features, values := codes.Row(0)                                // x's row 0 is about Σ values·atoms
//	y := d.Decode(vec.Matrix{}, codes)
//
// Package model/sae learns dictionaries.
package dictionary

import (
	"context"
	"fmt"
	"math"
	"sync"

	"github.com/latent-go/latent/vec"
)

// Dictionary is atoms and a point that they start from. It is immutable and safe for concurrent use.
type Dictionary struct {
	atoms vec.Matrix // p×m, rows of length 1
	bias  []float32  // m
	moved bool       // bias is not 0

	packed func() *vec.Packed // of the atoms
	gram   func() vec.Matrix  // atoms·atomsᵀ
}

// New makes a dictionary of atoms, p×m, one a row, for vectors less bias, of length m; nil stands for zeros. It keeps both.
// A row whose length is off 1 by more than 1e-4 gives an error, values that are not finite vec.ErrNotFinite, another
// length of bias vec.ErrDim, no atoms vec.ErrTooFew.
func New(atoms vec.Matrix, bias []float32) (*Dictionary, error) {
	if err := atoms.Check(); err != nil {
		return nil, fmt.Errorf("dictionary: atoms: %w", err)
	}
	if atoms.Rows == 0 || atoms.Cols == 0 {
		return nil, fmt.Errorf("dictionary: %d atoms of %d values: %w", atoms.Rows, atoms.Cols, vec.ErrTooFew)
	}
	if bias == nil {
		bias = make([]float32, atoms.Cols)
	}
	if len(bias) != atoms.Cols {
		return nil, fmt.Errorf("dictionary: atoms have %d values, the bias has %d: %w", atoms.Cols, len(bias), vec.ErrDim)
	}
	if err := (vec.Matrix{Rows: 1, Cols: len(bias), Data: bias}).Check(); err != nil {
		return nil, fmt.Errorf("dictionary: bias: %w", err)
	}
	for i := range atoms.Rows {
		if l := vec.Norm(atoms.Row(i)); math.Abs(float64(l)-1) > 1e-4 {
			return nil, fmt.Errorf("dictionary: atom %d has length %v; atoms must have length 1: scale them with vec.Normalize", i, l)
		}
	}
	d := &Dictionary{atoms: atoms, bias: bias}
	for _, b := range bias {
		d.moved = d.moved || b != 0
	}
	d.packed = sync.OnceValue(func() *vec.Packed { return vec.Pack(atoms) })
	d.gram = sync.OnceValue(func() vec.Matrix { return vec.MulT(vec.Matrix{}, atoms, atoms) })
	return d, nil
}

// Len is the number of atoms.
func (d *Dictionary) Len() int { return d.atoms.Rows }

// Dim is the number of values of an atom.
func (d *Dictionary) Dim() int { return d.atoms.Cols }

// Atoms returns the atoms, one a row: a view, not to be written to.
func (d *Dictionary) Atoms() vec.Matrix { return d.atoms }

// Bias returns the point from which vectors are counted: a view, not to be written to.
func (d *Dictionary) Bias() []float32 { return d.bias }

// Centered writes the rows of x less the bias to dst and returns it; where the bias is zero it returns x itself.
func (d *Dictionary) Centered(dst, x vec.Matrix) vec.Matrix {
	if !d.moved {
		return x
	}
	dst = dst.Shaped(x.Rows, x.Cols)
	copy(dst.Data, x.Data)
	for i := range dst.Rows {
		vec.AddScaled(dst.Row(i), d.bias, -1)
	}
	return dst
}

// Stop says when a code has enough features.
type Stop struct {
	K        int     // at most so many; matching pursuit takes so many steps, each a feature new or old. 0 means the default
	Residual float64 // or when what is left of a vector is at most this part of its length, from 0 to 1
}

func (s Stop) check() error {
	if s.K < 0 || !(s.Residual >= 0 && s.Residual < 1) {
		return fmt.Errorf("dictionary: stop after %d features or at a residual of %v; want 0 or more, and a share from 0 to below 1", s.K, s.Residual)
	}
	return nil
}

const (
	defaultSteps = 8
	// A step that would take less than this part of a vector's length works on rounding.
	rounding = 1e-6
	// Atoms up to which products between them are kept, 4 bytes for each pair: 256 MiB at most.
	gramAtoms = 8192
	// Rows that are multiplied with the atoms at a time.
	pursuitRows = 32
)

// Pursue writes each row of x, n×m, as a sum of atoms by matching pursuit: the atom with the largest inner product with
// what is left of the row, which must be positive, is taken that many times and subtracted, and so on. Each step makes
// what is left orthogonal to its atom, and its squared length smaller by the square of the coefficient; so a code's first
// features are the code of fewer steps. An atom may come more than once; its coefficients add up. Without a K, there are 8
// steps, or with a Residual as many as it takes, at most 4 for each atom.
//
// Steps end, too, when no product is positive beyond rounding. Rows of other than m values give vec.ErrDim, values that are
// not finite vec.ErrNotFinite. Time O(n·p·m) and O(p) a step: up to 8,192 atoms, the inner products follow what is left
// by those between atoms, which are computed once, in O(p²m), at the first call; with more a step takes O(p·m). The
// result does not depend on the number of processors.
// Source: Mallat and Zhang 1993; without negative coefficients, Costa et al. 2025 (arXiv 2506.03093), algorithm 1.
func (d *Dictionary) Pursue(ctx context.Context, x vec.Matrix, s Stop) (*Codes, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	if err := d.fits(x); err != nil {
		return nil, err
	}
	if s.K == 0 {
		s.K = defaultSteps
		if s.Residual > 0 {
			s.K = 4 * d.Len()
		}
	}
	if d.Len() <= gramAtoms {
		d.gram()
	}
	d.packed()
	return Collect(ctx, x.Rows, d.Len(), pursuitRows, func(lo, hi int, add func(index []uint32, value []float32)) error {
		w := d.workspace(hi - lo)
		defer workspaces.Put(w)
		r := d.Centered(w.rows, x.Slice(lo, hi))
		c := d.packed().MulT(w.products, r)
		for i := range r.Rows {
			d.pursue(w, r.Row(i), c.Row(i), s)
			add(w.index, w.value)
		}
		return nil
	})
}

func (d *Dictionary) fits(x vec.Matrix) error {
	if x.Cols != d.Dim() && x.Rows > 0 {
		return fmt.Errorf("dictionary: vectors have %d values, atoms have %d: %w", x.Cols, d.Dim(), vec.ErrDim)
	}
	if err := x.Check(); err != nil {
		return fmt.Errorf("dictionary: %w", err)
	}
	return nil
}

// workspace is what a goroutine pursues in.
type workspace struct {
	rows, products vec.Matrix
	zeros, left    []float32
	index          []uint32
	value          []float32
	data           []float32
}

var workspaces = sync.Pool{New: func() any { return new(workspace) }}

func (d *Dictionary) workspace(rows int) *workspace {
	w := workspaces.Get().(*workspace)
	p, m := d.Len(), d.Dim()
	if need := rows*(m+p) + p + m; len(w.data) < need {
		w.data = make([]float32, need)
	}
	rest := w.data
	next := func(n int) []float32 {
		s := rest[:n:n]
		rest = rest[n:]
		return s
	}
	w.rows = vec.Matrix{Rows: rows, Cols: m, Data: next(rows * m)}
	w.products = vec.Matrix{Rows: rows, Cols: p, Data: next(rows * p)}
	w.zeros, w.left = next(p), next(m)
	clear(w.zeros)
	return w
}

// pursue leaves the code of x in w, given its products c with the atoms, which it writes over.
func (d *Dictionary) pursue(w *workspace, x, c []float32, s Stop) {
	w.index, w.value = w.index[:0], w.value[:0]
	length := float64(vec.Norm(x))
	least := float32(rounding * length)
	left, enough := length*length, s.Residual*s.Residual*length*length
	known := d.atoms.Rows <= gramAtoms
	if !known {
		copy(w.left, x)
	}
	for range s.K {
		if s.Residual > 0 && left <= enough {
			return
		}
		j := vec.ArgMinSum(c, w.zeros, -1)
		v := c[j]
		if !(v > least) {
			return
		}
		w.take(uint32(j), v)
		left -= float64(v) * float64(v)
		if known {
			vec.AddScaled(c, d.gram().Row(j), -v)
		} else {
			vec.AddScaled(w.left, d.atoms.Row(j), -v)
			vec.Dots(c, w.left, d.atoms.Data)
		}
	}
}

// take adds v of atom j to the code.
func (w *workspace) take(j uint32, v float32) {
	for i, at := range w.index {
		if at == j {
			w.value[i] += v
			return
		}
	}
	w.index, w.value = append(w.index, j), append(w.value, v)
}

// Decode writes to dst, n×m, what the codes stand for, and returns it: the bias plus each feature's value times its atom. A
// zero dst is allocated.
func (d *Dictionary) Decode(dst vec.Matrix, c *Codes) vec.Matrix {
	if c.Features != d.Len() {
		panic(fmt.Sprintf("dictionary: codes of %d features for %d atoms", c.Features, d.Len()))
	}
	dst = dst.Shaped(c.Len(), d.Dim())
	for i := range c.Len() {
		d.DecodeRow(dst.Row(i), c, i)
	}
	return dst
}

// DecodeRow writes to dst, of length m, what row i of the codes stands for.
func (d *Dictionary) DecodeRow(dst []float32, c *Codes, i int) {
	copy(dst, d.bias)
	index, value := c.Row(i)
	for k, j := range index {
		vec.AddScaled(dst, d.atoms.Row(int(j)), value[k])
	}
}
