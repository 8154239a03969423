// Package spectral cuts a weighted graph into groups by the leading eigenvectors of its random walk: which inputs lie
// together, which units of two networks do the same work.
//
//	g, err := spectral.Nearest(ctx, x, 10)       // each row with its 10 nearest
//	label, err := g.Cluster(ctx, 8, 0)           // eight groups
//
// Groups are read off the eigenvectors by a pivoted QR factorisation (Damle, Minden and Ying, Information and
// Inference 8, 2019), which has no random start, unlike k-means on them.
package spectral

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"

	"github.com/latent-go/latent/neighbors"
	"github.com/latent-go/latent/vec"
)

// ErrConverge says that eigenvectors did not settle.
var ErrConverge = errors.New("eigenvectors did not converge")

// Edge joins two nodes. An edge between two nodes that are joined already adds to their weight.
type Edge struct {
	A, B   int
	Weight float64
}

// Graph is an undirected graph with weights ≥ 0. It is immutable and safe for concurrent use.
type Graph struct {
	n      int
	start  []int // edges of node i are start[i] to start[i+1]
	to     []int32
	weight []float64
	degree []float64 // sum of a node's weights
}

// New makes a graph of n nodes. Edges from a node to itself have no part in a cut and are left out, as are those of
// weight 0. An edge to a node that is not there gives vec.ErrDim, a weight that is negative or not finite
// vec.ErrNotFinite.
func New(n int, edges []Edge) (*Graph, error) {
	g := &Graph{n: n, start: make([]int, n+1), degree: make([]float64, n)}
	for _, e := range edges {
		if e.A < 0 || e.B < 0 || e.A >= n || e.B >= n {
			return nil, fmt.Errorf("spectral: edge %d to %d in a graph of %d nodes: %w", e.A, e.B, n, vec.ErrDim)
		}
		if !(e.Weight >= 0) || math.IsInf(e.Weight, 1) {
			return nil, fmt.Errorf("spectral: edge %d to %d has weight %v, want a finite one ≥ 0: %w", e.A, e.B, e.Weight, vec.ErrNotFinite)
		}
		if e.A != e.B && e.Weight > 0 {
			g.start[e.A+1]++
			g.start[e.B+1]++
		}
	}
	for i := range n {
		g.start[i+1] += g.start[i]
	}
	g.to, g.weight = make([]int32, g.start[n]), make([]float64, g.start[n])
	fill := slices.Clone(g.start[:n])
	for _, e := range edges {
		if e.A == e.B || e.Weight == 0 {
			continue
		}
		for _, d := range [2][2]int{{e.A, e.B}, {e.B, e.A}} {
			g.to[fill[d[0]]], g.weight[fill[d[0]]] = int32(d[1]), e.Weight
			g.degree[d[0]] += e.Weight
			fill[d[0]]++
		}
	}
	return g, nil
}

// Nearest joins each row of x with its k nearest, by Euclidean distance; rows that choose each other have weight 1,
// others ½. (scikit-learn's nearest_neighbors affinity with n_neighbors = k+1, since that counts the row itself.)
func Nearest(ctx context.Context, x vec.Matrix, k int) (*Graph, error) {
	t, err := neighbors.Exact(ctx, x, x, neighbors.Options{K: k, ExcludeSelf: true})
	if err != nil {
		return nil, fmt.Errorf("spectral: neighbours: %w", err)
	}
	edges := make([]Edge, 0, x.Rows*k)
	for i := range x.Rows {
		ids, _ := t.Row(i)
		for _, j := range ids {
			edges = append(edges, Edge{i, int(j), .5})
		}
	}
	return New(x.Rows, edges)
}

// Bipartite joins node i of the first rows(w) nodes with node rows(w)+j by weight w[i][j]: units of two networks by
// how much they correlate.
func Bipartite(w *mat.Dense) (*Graph, error) {
	r, c := w.Dims()
	edges := make([]Edge, 0, r*c)
	for i := range r {
		for j, v := range w.RawRowView(i) {
			edges = append(edges, Edge{i, r + j, v})
		}
	}
	return New(r+c, edges)
}

// Len is the number of nodes.
func (g *Graph) Len() int { return g.n }

// Cluster puts each node in one of k groups, numbered 0 to k-1 in the order in which their first nodes come. A group may
// stay empty. Errors are those of Leading.
func (g *Graph) Cluster(ctx context.Context, k int, seed uint64) ([]int, error) {
	_, v, err := g.Leading(ctx, k, seed)
	if err != nil {
		return nil, err
	}
	// Eigenvectors of the random walk D^-1 W: constant on each part of a graph that falls apart.
	for i := range g.n {
		if g.degree[i] > 0 {
			floats.Scale(1/math.Sqrt(g.degree[i]), v.RawRowView(i))
		}
	}
	var svd mat.SVD
	if !svd.Factorize(mat.DenseCopyOf(pivots(v).T()), mat.SVDThin) {
		return nil, fmt.Errorf("spectral: rotation to groups: %w", ErrConverge)
	}
	var u, w, polar, near mat.Dense
	svd.UTo(&u)
	svd.VTo(&w)
	polar.Mul(&u, w.T())
	near.Mul(v, &polar)
	label, name := make([]int, g.n), map[int]int{}
	for i := range g.n {
		row := near.RawRowView(i)
		best := 0
		for j := range row {
			if math.Abs(row[j]) > math.Abs(row[best]) {
				best = j
			}
		}
		if _, ok := name[best]; !ok {
			name[best] = len(name)
		}
		label[i] = name[best]
	}
	return label, nil
}

// pivots returns the k rows of v, n×k, that a QR factorisation of vᵀ with column pivoting takes first: each the one
// farthest from the span of those before it.
func pivots(v *mat.Dense) *mat.Dense {
	n, k := v.Dims()
	out, rest := mat.NewDense(k, k, nil), mat.DenseCopyOf(v)
	for c := range k {
		best, norm := 0, -1.0
		for i := range n {
			if s := floats.Dot(rest.RawRowView(i), rest.RawRowView(i)); s > norm {
				best, norm = i, s
			}
		}
		out.SetRow(c, v.RawRowView(best))
		q := slices.Clone(rest.RawRowView(best))
		floats.Scale(1/math.Sqrt(max(norm, math.SmallestNonzeroFloat64)), q)
		for i := range n {
			r := rest.RawRowView(i)
			floats.AddScaled(r, -floats.Dot(q, r), q)
		}
	}
	return out
}

// Leading returns the k largest eigenvalues of D^-½ W D^-½, largest first, and their eigenvectors as columns, n×k.
// They are in [-1, 1]; the value 1 appears once for each connected part. A node without edges counts as a part of its
// own. Up to 2048 nodes all eigenvectors are computed, in time O(n³). Above, a block of k+8 vectors is filtered by a
// Chebyshev polynomial until the residuals of the k leading ones are below 1e-8, in time O(edges·k + n·k²) a round;
// ErrConverge after 300 rounds, which happens where many eigenvalues lie close together around the kth.
func (g *Graph) Leading(ctx context.Context, k int, seed uint64) ([]float64, *mat.Dense, error) {
	if k < 1 || k > g.n {
		return nil, nil, fmt.Errorf("spectral: %d eigenvectors of a graph of %d nodes: %w", k, g.n, vec.ErrTooFew)
	}
	if g.n > 2048 {
		return g.iterate(ctx, k, seed)
	}
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	one := mat.NewDense(g.n, g.n, nil)
	for i := range g.n {
		one.Set(i, i, 1)
	}
	all := mat.NewDense(g.n, g.n, nil)
	g.mul(all, one)
	values, v, err := decompose(all)
	if err != nil {
		return nil, nil, err
	}
	return values[:k], mat.DenseCopyOf(v.Slice(0, g.n, 0, k)), nil
}

// iterate is Leading for large graphs.
func (g *Graph) iterate(ctx context.Context, k int, seed uint64) ([]float64, *mat.Dense, error) {
	const degree, tolerance = 12, 1e-8
	b := min(g.n, k+8)
	rng := rand.New(rand.NewPCG(seed, 0x5bec))
	x := mat.NewDense(g.n, b, nil)
	for i := range x.RawMatrix().Data {
		x.RawMatrix().Data[i] = rng.NormFloat64()
	}
	y := mat.NewDense(g.n, b, nil)
	cut := 0.0 // eigenvalues in [-1, cut] are damped
	for range 300 {
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
		x = g.filter(x, y, degree, cut)
		orthonormal(x, rng)
		g.mul(y, x)
		var h mat.Dense
		h.Mul(x.T(), y)
		values, rotate, err := decompose(&h)
		if err != nil {
			return nil, nil, err
		}
		var xr, yr mat.Dense
		xr.Mul(x, rotate)
		yr.Mul(y, rotate)
		worst := 0.0
		for j := range k {
			sum := 0.0
			for i := range g.n {
				d := yr.At(i, j) - values[j]*xr.At(i, j)
				sum += d * d
			}
			worst = max(worst, math.Sqrt(sum))
		}
		if worst < tolerance {
			return values[:k], mat.DenseCopyOf(xr.Slice(0, g.n, 0, k)), nil
		}
		x = &xr
		cut = min(values[b-1], 0.999)
	}
	return nil, nil, fmt.Errorf("spectral: %d of %d nodes: %w; ask for a different number of groups", k, g.n, ErrConverge)
}

// mul sets y to D^-½ W D^-½ x.
func (g *Graph) mul(y, x *mat.Dense) {
	_, b := x.Dims()
	_ = vec.Blocks(context.Background(), g.n, 512, func(lo, hi int) error {
		for i := lo; i < hi; i++ {
			out := y.RawRowView(i)
			clear(out)
			if g.degree[i] == 0 {
				copy(out, x.RawRowView(i))
				continue
			}
			for e := g.start[i]; e < g.start[i+1]; e++ {
				j := g.to[e]
				w := g.weight[e] / math.Sqrt(g.degree[i]*g.degree[j])
				in := x.RawRowView(int(j))
				for c := range b {
					out[c] += w * in[c]
				}
			}
		}
		return nil
	})
}

// filter applies the Chebyshev polynomial that is at most 1 on [-1, cut] and grows fastest above it.
func (g *Graph) filter(x, y *mat.Dense, degree int, cut float64) *mat.Dense {
	mid, half := (cut-1)/2, max((cut+1)/2, 1e-3)
	step := func(v, prev *mat.Dense, scale float64) *mat.Dense { // scale·(A - mid)/half·v - prev
		g.mul(y, v)
		out := mat.NewDense(g.n, v.RawMatrix().Cols, nil)
		o, a, b := out.RawMatrix().Data, y.RawMatrix().Data, v.RawMatrix().Data
		for i := range o {
			o[i] = scale * (a[i] - mid*b[i]) / half
		}
		if prev != nil {
			out.Sub(out, prev)
		}
		return out
	}
	prev, cur := x, step(x, nil, 1)
	for range degree - 1 {
		prev, cur = cur, step(cur, prev, 2)
	}
	return cur
}

// orthonormal makes the columns of x orthonormal by Gram-Schmidt, twice for accuracy. A column that depends on those
// before it is replaced by a random one.
func orthonormal(x *mat.Dense, rng *rand.Rand) {
	_, b := x.Dims()
	cols := make([][]float64, b)
	for j := range b {
		c := mat.Col(nil, j, x)
		for scale := floats.Norm(c, 2); ; scale = floats.Norm(c, 2) {
			for range 2 {
				for _, q := range cols[:j] {
					floats.AddScaled(c, -floats.Dot(q, c), q)
				}
			}
			if norm := floats.Norm(c, 2); norm > 1e-10*scale {
				floats.Scale(1/norm, c)
				break
			}
			for i := range c {
				c[i] = rng.NormFloat64()
			}
		}
		cols[j] = c
		x.SetCol(j, c)
	}
}

// decompose returns the eigenvalues of h, symmetric up to rounding, largest first, and its eigenvectors.
func decompose(h *mat.Dense) ([]float64, *mat.Dense, error) {
	b, _ := h.Dims()
	sym := mat.NewSymDense(b, nil)
	for i := range b {
		for j := i; j < b; j++ {
			sym.SetSym(i, j, (h.At(i, j)+h.At(j, i))/2)
		}
	}
	var e mat.EigenSym
	if !e.Factorize(sym, true) {
		return nil, nil, fmt.Errorf("spectral: %w", ErrConverge)
	}
	var v mat.Dense
	e.VectorsTo(&v)
	values, out := make([]float64, b), mat.NewDense(b, b, nil)
	for j, w := range e.Values(nil) {
		values[b-1-j] = w
		for i := range b {
			out.Set(i, b-1-j, v.At(i, j))
		}
	}
	return values, out, nil
}
