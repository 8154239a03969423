// Package subspace trains models in a random subspace of their parameters: θ = θ₀ + P·v, where θ₀ stays at where the D
// parameters start, P is a fixed random map and only the d numbers of v learn. How small d may be is a measure of how hard
// a task is, the same for small nets and large ones (Li et al. 2018, arXiv 1804.08838) and for fine-tuning a net that was
// trained before (Aghajanyan et al. 2020, arXiv 2012.13255); and v with a seed is all there is to send of what was learnt.
//
//	m, err := subspace.Of(w, loss, feed)                                  // the parameters of any model of nn as one θ
//	s, err := subspace.New(m.Blocks(), subspace.Options{Dim: 500})
//	fit, err := m.Fit(ctx, s, feed, subspace.Training{Steps: 1000})
//
// Search finds the smallest d that does as well as is asked.
package subspace

import (
	"fmt"

	"github.com/latent-go/latent/vec"
)

// Family is a kind of random projection.
type Family string

// The families of Li et al. 2018.
const (
	Fastfood Family = "fastfood" // O(D log D) whatever d is; see NewFastfood
	Dense    Family = "dense"    // normal numbers, O(d·D); see NewDense
	Sparse   Family = "sparse"   // O(d·√D); see NewSparse
)

// Options say which subspace. The zero Options are all of R^D, without a projection: ordinary training.
type Options struct {
	Dim    int    // d, how many numbers learn, scales included; 0 means all D
	Family Family // of the projection; "" means Fastfood
	// PerBlock gives every tensor of the model a projection of its own from the same v, with columns of unit length within
	// it, as the code of Aghajanyan et al. has it. Otherwise there is one projection over all parameters, as Li et al.
	// have it, in which small tensors hardly move.
	PerBlock bool
	// Scales makes the first numbers of v act through a factor a tensor, λ, that learns as well: θᵢ = θ₀ᵢ + λᵢ·(P·v)ᵢ. The
	// factors are the last numbers of v and count. Source: SAID, Aghajanyan et al. 2020, equation 4.
	Scales      bool
	Orthonormal bool   // columns of Dense are orthogonal, not only nearly so
	Seed        uint64 // of the projection
}

// Block is a tensor's share of θ.
type Block struct {
	Name string `json:"name"`
	Size int    `json:"size"`
}

// Space is a random subspace of R^D, with the factors of SAID if asked for. It is immutable, and safe for concurrent use.
type Space struct {
	o      Options
	blocks []Block
	at     []int // where each block begins in θ; one more at the end
	shared int   // numbers of v that are projected, d without the scales
	maps   []Projector
}

// New draws a subspace for parameters in these blocks. Fastfood goes to more numbers than d, and is nearest to orthogonal
// if there are many more: where fewer than 4d numbers are moved, as in small tensors with PerBlock, there is a dense
// projection instead, unless it takes more than 64 MiB.
func New(blocks []Block, o Options) (*Space, error) {
	s := &Space{o: o, blocks: blocks, at: make([]int, len(blocks)+1)}
	for i, b := range blocks {
		if b.Size < 1 {
			return nil, fmt.Errorf("subspace: block %s has %d numbers; want 1 or more: %w", b.Name, b.Size, vec.ErrTooFew)
		}
		s.at[i+1] = s.at[i] + b.Size
	}
	D := s.at[len(blocks)]
	if D == 0 {
		return nil, fmt.Errorf("subspace: no parameters: %w", vec.ErrTooFew)
	}
	switch {
	case o.Dim < 0:
		return nil, fmt.Errorf("subspace: dimension %d; want 1 or more, or 0 for all %d", o.Dim, D)
	case o.Dim == 0:
		if o.Scales || o.PerBlock || o.Orthonormal || o.Family != "" {
			return nil, fmt.Errorf("subspace: a projection without a dimension: set Dim")
		}
		s.shared, s.maps = D, []Projector{whole(D)}
		return s, nil
	case o.Orthonormal && o.Family != Dense:
		return nil, fmt.Errorf("subspace: orthonormal columns are of family %q, not %q", Dense, o.Family)
	}
	s.shared = o.Dim
	if o.Scales {
		if s.shared -= len(blocks); s.shared < 1 {
			return nil, fmt.Errorf("subspace: dimension %d leaves nothing beside %d scales; want %d or more: %w", o.Dim, len(blocks), len(blocks)+1, vec.ErrTooFew)
		}
	}
	sizes := []int{D}
	if o.PerBlock {
		sizes = sizes[:0]
		for _, b := range blocks {
			sizes = append(sizes, b.Size)
		}
	}
	for i, size := range sizes {
		p, err := o.projector(s.shared, size, o.Seed+uint64(i)*0x9e3779b97f4a7c15)
		if err != nil {
			return nil, err
		}
		s.maps = append(s.maps, p)
	}
	return s, nil
}

func (o Options) projector(d, D int, seed uint64) (Projector, error) {
	switch o.Family {
	case "", Fastfood:
		if d > D || D < 4*d && d*D <= 1<<24 {
			return NewDense(d, D, false, seed)
		}
		return NewFastfood(d, D, seed)
	case Dense:
		return NewDense(d, D, o.Orthonormal, seed)
	case Sparse:
		return NewSparse(d, D, seed)
	}
	return nil, fmt.Errorf("subspace: no family %q; there are %q, %q and %q", o.Family, Fastfood, Dense, Sparse)
}

// Dims returns how many numbers learn, and how many there are.
func (s *Space) Dims() (d, D int) {
	d = s.shared
	if s.o.Scales {
		d += len(s.blocks)
	}
	return d, s.at[len(s.blocks)]
}

// Options returns what the space was made with.
func (s *Space) Options() Options { return s.o }

// Start returns the v of θ₀: zeros, and ones for the factors.
func (s *Space) Start() []float32 {
	d, _ := s.Dims()
	v := make([]float32, d)
	for i := s.shared; i < d; i++ {
		v[i] = 1
	}
	return v
}

// Move writes θ − θ₀ of v to dst.
func (s *Space) Move(dst, v []float32) {
	if len(s.maps) == 1 {
		s.maps[0].Apply(dst, v[:s.shared])
	} else {
		for i, p := range s.maps {
			p.Apply(dst[s.at[i]:s.at[i+1]], v[:s.shared])
		}
	}
	if s.o.Scales {
		for i, λ := range v[s.shared:] {
			part := dst[s.at[i]:s.at[i+1]]
			vec.Scale(part, part, λ)
		}
	}
}

// Pull writes the gradient with respect to v to dst, from that with respect to θ, g.
func (s *Space) Pull(dst, v, g []float32) {
	if s.o.Scales {
		moved, one := make([]float32, len(g)), append([]float32(nil), v...)
		for i := s.shared; i < len(one); i++ {
			one[i] = 1
		}
		s.Move(moved, one)
		scaled := make([]float32, len(g))
		for i, λ := range v[s.shared:] {
			lo, hi := s.at[i], s.at[i+1]
			dst[s.shared+i] = vec.Dot(moved[lo:hi], g[lo:hi])
			vec.Scale(scaled[lo:hi], g[lo:hi], λ)
		}
		g = scaled
	}
	if len(s.maps) == 1 {
		s.maps[0].Adjoint(dst[:s.shared], g)
		return
	}
	part := make([]float32, s.shared)
	clear(dst[:s.shared])
	for i, p := range s.maps {
		p.Adjoint(part, g[s.at[i]:s.at[i+1]])
		vec.AddScaled(dst[:s.shared], part, 1)
	}
}
