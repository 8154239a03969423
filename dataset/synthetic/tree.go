package synthetic

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/latent-go/latent/vec"
)

// Tree says how rows are drawn whose concepts form a tree: sums of a parent's direction and, at times, one child's. What the
// directions are is known, so whatever claims to find concepts can be asked for them. The zero Tree is the benchmark of
// Costa et al. 2025 (arXiv 2506.03093), appendix B.1, at correlation 0.
//
// There are 20 unit vectors in R^20. Three parents have three children each; eight have none. Exactly one parent is
// active in a row: one of the three with probability 0.2 each, one of the eight with 0.05. Of a parent's children at most
// one is active, each with probability 0.2. So a row has 1.36 concepts on average.
type Tree struct {
	N           int     // rows; 0 means 2500
	Correlation float64 // of any two parents, and of any two children of a parent: from 0 to below 1. Levels stay orthogonal
	// Coefficients are normal: of parents N(1.5, 0.25²) and of children the same, unless a mean is given.
	ParentMean, ParentSD float64
	ChildMean, ChildSD   float64
	Seed                 uint64 // of directions and rows
}

// Grown is rows drawn from a tree.
type Grown struct {
	X      vec.Matrix // n×20
	Codes  vec.Matrix // n×20: how much of each concept is in each row, 0 of most
	Atoms  vec.Matrix // 20×20: the concepts' directions, of length 1
	Parent []int      // of each concept, -1 for parents themselves
}

const (
	treeInner    = 3 // parents that have children
	treeChildren = 3 // of each of them
	treeLeaves   = 8 // parents without
	treeAtoms    = treeInner*(1+treeChildren) + treeLeaves
)

// Generate draws the rows. Concepts 0, 4 and 8 have the three that follow each as children; 12 to 19 have none. Fewer rows
// are the first rows of more.
func (t Tree) Generate() (*Grown, error) {
	if t.N == 0 {
		t.N = 2500
	}
	if t.ParentMean == 0 {
		t.ParentMean, t.ParentSD = 1.5, 0.25
	}
	if t.ChildMean == 0 {
		t.ChildMean, t.ChildSD = 1.5, 0.25
	}
	if t.N < 0 || t.N > maxValues/treeAtoms {
		return nil, fmt.Errorf("synthetic: a tree of %d rows; want 1 to %d", t.N, maxValues/treeAtoms)
	}
	if !(t.Correlation >= 0 && t.Correlation < 1) {
		return nil, fmt.Errorf("synthetic: concepts with a correlation of %v; want 0 to below 1", t.Correlation)
	}
	for _, v := range []float64{t.ParentMean, t.ChildMean, t.ParentSD, t.ChildSD} {
		if !(v >= 0 && v < math.MaxFloat32/100) {
			return nil, fmt.Errorf("synthetic: coefficients of mean or deviation %v; want 0 or more", v)
		}
	}
	g := &Grown{X: vec.NewMatrix(t.N, treeAtoms), Codes: vec.NewMatrix(t.N, treeAtoms), Atoms: vec.NewMatrix(treeAtoms, treeAtoms)}
	siblings := make([][]int, 1+treeInner) // the parents, then the children of each
	for i := range treeAtoms {
		parent, group := -1, 0
		if in := treeInner * (1 + treeChildren); i < in && i%(1+treeChildren) != 0 {
			parent, group = i-i%(1+treeChildren), 1+i/(1+treeChildren)
		}
		g.Parent = append(g.Parent, parent)
		siblings[group] = append(siblings[group], i)
	}
	basis := orthonormal(stream(t.Seed, 0), treeAtoms, treeAtoms)
	for _, s := range siblings {
		lean := leaning(len(s), t.Correlation)
		for _, i := range s {
			weights, row := make([]float64, treeAtoms), make([]float64, treeAtoms)
			for _, j := range s {
				weights[j] = lean
			}
			weights[i] = 1
			combine(row, weights, basis)
			scaleTo(row, 1)
			for j, v := range row {
				g.Atoms.Row(i)[j] = float32(v)
			}
		}
	}
	for lo := 0; lo < t.N; lo += blockRows {
		r := stream(t.Seed, uint64(1+lo/blockRows))
		for i := lo; i < min(lo+blockRows, t.N); i++ {
			t.draw(r, g.Codes.Row(i))
			for j, v := range g.Codes.Row(i) {
				if v != 0 {
					vec.AddScaled(g.X.Row(i), g.Atoms.Row(j), v)
				}
			}
		}
	}
	return g, nil
}

// draw takes the same number of random numbers whatever comes of it.
func (t Tree) draw(r *rand.Rand, code []float32) {
	which, child := r.Float64(), r.Float64()
	a, b := r.NormFloat64(), r.NormFloat64()
	const inner = 0.2 * treeInner
	parent := treeInner*(1+treeChildren) + min(int((which-inner)/0.05), treeLeaves-1)
	if which < inner {
		parent = min(int(which/0.2), treeInner-1) * (1 + treeChildren)
		if k := int(child / 0.2); k < treeChildren {
			code[parent+1+k] = float32(max(t.ChildMean+t.ChildSD*b, 0))
		}
	}
	code[parent] = float32(max(t.ParentMean+t.ParentSD*a, 0))
}

// leaning is by how much of each of its siblings an orthonormal direction moves, so that afterwards any two of n siblings have
// inner product c: the e for which (2e + (n-2)e²) / (1 + (n-1)e²) = c.
func leaning(n int, c float64) float64 {
	a := float64(n-2) - c*float64(n-1)
	return c / (1 + math.Sqrt(1+a*c))
}
