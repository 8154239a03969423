package subspace

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sync"

	"github.com/latent-go/latent/vec"
)

// Projector is a fixed linear map P from R^d to R^D, and its transpose. Its columns have unit length, exactly or in the
// mean, and are orthogonal or nearly so. It is safe for concurrent use.
type Projector interface {
	Dims() (d, D int)
	Apply(dst, v []float32)   // dst = P·v, of D numbers from d
	Adjoint(dst, g []float32) // dst = Pᵀ·g, of d numbers from D
}

// dense holds all numbers of P, a column a row. Memory and time O(d·D).
type dense struct{ columns vec.Matrix } // d×D

// maxDense bounds what a dense projection may take: 1 GiB.
const maxDense = 1 << 28

// NewDense draws normal numbers and makes every column one of unit length; orthonormal ones are made orthogonal to all
// before them, too, which wants d ≤ D.
func NewDense(d, D int, orthonormal bool, seed uint64) (Projector, error) {
	if err := checkDims(d, D); err != nil {
		return nil, err
	}
	if d > maxDense/D {
		return nil, fmt.Errorf("subspace: a dense projection from %d to %d takes %d GiB; use Fastfood or Sparse", d, D, d*D>>28)
	}
	if orthonormal && d > D {
		return nil, fmt.Errorf("subspace: %d orthonormal columns of %d numbers; there are at most %d: %w", d, D, D, vec.ErrDim)
	}
	r := rand.New(rand.NewPCG(seed, 0xde45e))
	p := dense{vec.NewMatrix(d, D)}
	for j := range d {
		c := p.columns.Row(j)
		for i := range c {
			c[i] = float32(r.NormFloat64())
		}
		for range 2 { // twice is enough
			if orthonormal {
				for k := range j {
					b := p.columns.Row(k)
					vec.AddScaled(c, b, -vec.Dot(b, c))
				}
			}
			vec.Normalize(c, c)
		}
	}
	return p, nil
}

func (p dense) Dims() (d, D int) { return p.columns.Rows, p.columns.Cols }

func (p dense) Apply(dst, v []float32) {
	clear(dst)
	for j, x := range v {
		vec.AddScaled(dst, p.columns.Row(j), x)
	}
}

func (p dense) Adjoint(dst, g []float32) { vec.Dots(dst, g, p.columns.Data) }

// sparse holds where the numbers of each column are that are not 0, and their sign; they are of one size. Memory and time
// O(d·√D).
type sparse struct {
	D     int
	at    [][]uint32
	minus [][]bool
}

// NewSparse draws very sparse columns: a number is not 0 with probability 1/√D, its sign is random, and its size such that
// the column has unit length. Source: Li, Hastie and Church 2006, with unit columns as Li et al. 2018 have them.
func NewSparse(d, D int, seed uint64) (Projector, error) {
	if err := checkDims(d, D); err != nil {
		return nil, err
	}
	r := rand.New(rand.NewPCG(seed, 0x5ba45e))
	p := sparse{D: D, at: make([][]uint32, d), minus: make([][]bool, d)}
	miss := math.Log1p(-1 / math.Sqrt(float64(D))) // of a number being 0; -∞ for D = 1
	for j := range d {
		gap := func() int { return int(min(math.Log(1-r.Float64())/miss, float64(D))) } // how many in a row are 0
		for i := gap(); i < D; i += 1 + gap() {
			p.at[j] = append(p.at[j], uint32(i))
		}
		if len(p.at[j]) == 0 {
			p.at[j] = []uint32{uint32(r.IntN(D))}
		}
		p.minus[j] = make([]bool, len(p.at[j]))
		for k := range p.minus[j] {
			p.minus[j][k] = r.Uint64()>>63 == 1
		}
	}
	return p, nil
}

func (p sparse) Dims() (d, D int) { return len(p.at), p.D }

func (p sparse) Apply(dst, v []float32) {
	clear(dst)
	for j, x := range v {
		x /= float32(math.Sqrt(float64(len(p.at[j]))))
		for k, i := range p.at[j] {
			if p.minus[j][k] {
				dst[i] -= x
			} else {
				dst[i] += x
			}
		}
	}
}

func (p sparse) Adjoint(dst, g []float32) {
	for j := range dst {
		var s float32
		for k, i := range p.at[j] {
			if p.minus[j][k] {
				s -= g[i]
			} else {
				s += g[i]
			}
		}
		dst[j] = s / float32(math.Sqrt(float64(len(p.at[j]))))
	}
}

// fastfood is P = c·(first D rows of) H·G·Π·H·B (first d columns), over L numbers, a power of two: B are random signs, H is
// the Hadamard matrix, Π a random order and G normal numbers. Memory O(D), time O(D log D), whatever d is.
type fastfood struct {
	d, D  int
	sign  []float32 // B
	order []uint32  // Π
	gauss []float32 // G·c
	room  *sync.Pool
}

// NewFastfood draws a Fastfood projection, which wants d ≤ D. Columns have unit length if D is a power of two, else in the
// mean; the product of two is near 0 with a deviation of about √(2/D). Source: Le, Sarlos and Smola 2013, as Li et al.
// 2018 scale it.
func NewFastfood(d, D int, seed uint64) (Projector, error) {
	if err := checkDims(d, D); err != nil {
		return nil, err
	}
	if d > D {
		return nil, fmt.Errorf("subspace: Fastfood from %d to %d numbers; it goes to more, not fewer: %w", d, D, vec.ErrDim)
	}
	L := vec.PowerOfTwo(D)
	r := rand.New(rand.NewPCG(seed, 0xfa57f00d))
	p := fastfood{d: d, D: D, sign: make([]float32, L), order: make([]uint32, L), gauss: make([]float32, L)}
	var square float64
	for i := range L {
		p.sign[i] = 1
		if r.Uint64()>>63 == 1 {
			p.sign[i] = -1
		}
		p.gauss[i] = float32(r.NormFloat64())
		square += float64(p.gauss[i]) * float64(p.gauss[i])
	}
	for i, from := range r.Perm(L) {
		p.order[i] = uint32(from)
	}
	vec.Scale(p.gauss, p.gauss, float32(1/math.Sqrt(square*float64(D))))
	p.room = &sync.Pool{New: func() any { return &[2][]float32{make([]float32, L), make([]float32, L)} }}
	return p, nil
}

func (p fastfood) Dims() (d, D int) { return p.d, p.D }

func (p fastfood) Apply(dst, v []float32) {
	room := p.room.Get().(*[2][]float32)
	defer p.room.Put(room)
	a, b := room[0], room[1]
	for i, x := range v {
		a[i] = p.sign[i] * x
	}
	clear(a[len(v):])
	vec.Hadamard(a)
	for i, from := range p.order {
		b[i] = p.gauss[i] * a[from]
	}
	vec.Hadamard(b)
	copy(dst, b)
}

func (p fastfood) Adjoint(dst, g []float32) {
	room := p.room.Get().(*[2][]float32)
	defer p.room.Put(room)
	a, b := room[0], room[1]
	clear(a[copy(a, g):])
	vec.Hadamard(a)
	for i, to := range p.order {
		b[to] = p.gauss[i] * a[i]
	}
	vec.Hadamard(b)
	for i := range dst {
		dst[i] = p.sign[i] * b[i]
	}
}

// whole is P = 1: no projection.
type whole int

func (p whole) Dims() (d, D int)         { return int(p), int(p) }
func (p whole) Apply(dst, v []float32)   { copy(dst, v) }
func (p whole) Adjoint(dst, g []float32) { copy(dst, g) }

func checkDims(d, D int) error {
	if d < 1 || D < 1 {
		return fmt.Errorf("subspace: a projection from %d to %d numbers; want 1 or more of each: %w", d, D, vec.ErrTooFew)
	}
	return nil
}
