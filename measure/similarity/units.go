package similarity

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"

	"github.com/latent-go/latent/measure/assign"
	"github.com/latent-go/latent/measure/internal/rows"
	"github.com/latent-go/latent/measure/lasso"
	"github.com/latent-go/latent/measure/spectral"
	"github.com/latent-go/latent/vec"
)

// Units are the correlations between the columns of two sets, each column taken as one unit of a network. The methods
// match units ever more freely, as convergent learning does: Li et al. 2015, arXiv 1511.07543.
type Units struct {
	R            *mat.Dense // correlation, or information, of live unit i of the first set with live unit j of the second
	A, B         []int      // the columns that the live units are
	DeadA, DeadB []int      // columns that do not vary: standard deviation below 1e-6 of the mean
	rows         int
}

// Match says that column A of the first set goes with column B of the second, and how they correlate.
type Match struct {
	A int     `json:"a"`
	B int     `json:"b"`
	R float64 `json:"r"`
}

// Units correlates all columns with all. Scaling a column by a positive factor or moving it changes nothing. If no
// column of a set varies, vec.ErrZero.
func (p *Pair) Units() (*Units, error) {
	u := &Units{rows: p.Rows()}
	u.A, u.DeadA = live(p.aa, p.meanA, p.Rows())
	u.B, u.DeadB = live(p.bb, p.meanB, p.Rows())
	if len(u.A) == 0 || len(u.B) == 0 {
		return nil, fmt.Errorf("similarity: units: no column of a set varies by more than 1e-6 of its mean: %w", vec.ErrZero)
	}
	u.R = mat.NewDense(len(u.A), len(u.B), nil)
	for i, a := range u.A {
		for j, b := range u.B {
			u.R.Set(i, j, p.ab.At(a, b)/math.Sqrt(p.aa.At(a, a)*p.bb.At(b, b)))
		}
	}
	return u, nil
}

// UnitsByInformation is Units with mutual information in nats in place of correlation: it sees any dependence, and no
// sign. Each column is cut into bins of equal mass, 0 meaning 10, and values met often, such as the zeros of a ReLU, stay
// together. From counts, less (bins-1)²/2n, what independent columns would give (Miller and Madow 1955); at times a
// little below 0. The paper finds nearly the same matching either way. Groups makes no sense on these.
// Time O(n·p·q).
func (p *Pair) UnitsByInformation(ctx context.Context, bins int) (*Units, error) {
	if bins == 0 {
		bins = 10
	}
	if bins < 2 || bins > p.n {
		return nil, fmt.Errorf("similarity: %d bins of %d rows, want at least 2 and at most as many: %w", bins, p.n, vec.ErrTooFew)
	}
	u, err := p.Units()
	if err != nil {
		return nil, err
	}
	a, b := make([][]int, len(u.A)), make([][]int, len(u.B))
	for i, j := range u.A {
		a[i] = binned(p.a, j, bins)
	}
	for i, j := range u.B {
		b[i] = binned(p.b, j, bins)
	}
	err = vec.Blocks(ctx, len(a), 1, func(i, _ int) error {
		row := u.R.RawRowView(i)
		for j := range b {
			row[j] = information(a[i], b[j])
		}
		return nil
	})
	return u, err
}

// binned numbers the values of a column by the equal-mass bin that they fall into.
func binned(x vec.Matrix, column, bins int) []int {
	values := make([]float32, x.Rows)
	for i := range values {
		values[i] = x.Row(i)[column]
	}
	sorted := slices.Sorted(slices.Values(values))
	var edges []float32 // the largest value of each bin but the last
	for k := 1; k < bins; k++ {
		edges = append(edges, sorted[k*len(sorted)/bins-1])
	}
	edges = slices.Compact(edges)
	out := make([]int, len(values))
	for i, v := range values {
		out[i], _ = slices.BinarySearch(edges, v) // the number of edges below v
	}
	return out
}

// information is the mutual information of two labellings in nats, from counts less their bias.
func information(a, b []int) float64 {
	ka, kb := slices.Max(a)+1, slices.Max(b)+1
	both, ca, cb := make([]float64, ka*kb), make([]float64, ka), make([]float64, kb)
	for i := range a {
		both[a[i]*kb+b[i]]++
		ca[a[i]]++
		cb[b[i]]++
	}
	n := float64(len(a))
	mi := 0.0
	for i, c := range both {
		if c > 0 {
			mi += c / n * math.Log(c*n/(ca[i/kb]*cb[i%kb]))
		}
	}
	return mi - float64((ka-1)*(kb-1))/(2*n)
}

func live(scatter *mat.Dense, mean []float64, n int) (alive, dead []int) {
	for j, m := range mean {
		if math.Sqrt(scatter.At(j, j)/float64(n)) > 1e-6*math.Abs(m) {
			alive = append(alive, j)
		} else {
			dead = append(dead, j)
		}
	}
	return alive, dead
}

// strength is what matching maximises: the correlation, or where sign has no meaning, as with principal components,
// its size.
func (u *Units) strength(absolute bool) *mat.Dense {
	if !absolute {
		return u.R
	}
	var out mat.Dense
	out.Apply(func(_, _ int, v float64) float64 { return math.Abs(v) }, u.R)
	return &out
}

// OneToOne pairs units so that the sum of correlations is largest, of their absolute values if absolute is set. The
// best pair comes first; units of the larger set are left over.
func (u *Units) OneToOne(absolute bool) ([]Match, error) {
	p, err := assign.Max(u.strength(absolute))
	if err != nil {
		return nil, fmt.Errorf("similarity: units: %w", err)
	}
	var out []Match
	for i, j := range p.Column {
		if j >= 0 {
			out = append(out, Match{u.A[i], u.B[j], u.R.At(i, j)})
		}
	}
	return sorted(out), nil
}

// Best gives each unit of the first set the unit of the second that it correlates most with, and the other way round;
// several may choose the same. The paper calls it semi-matching. Ties go to the lower column; best pair first.
func (u *Units) Best(absolute bool) (forA, forB []Match) {
	s := u.strength(absolute)
	pick := func(s mat.Matrix, n, m int, match func(i, j int) Match) []Match {
		out := make([]Match, n)
		for i := range n {
			best := 0
			for j := range m {
				if s.At(i, j) > s.At(i, best) {
					best = j
				}
			}
			out[i] = match(i, best)
		}
		return sorted(out)
	}
	forA = pick(s, len(u.A), len(u.B), func(i, j int) Match { return Match{u.A[i], u.B[j], u.R.At(i, j)} })
	forB = pick(s.T(), len(u.B), len(u.A), func(j, i int) Match { return Match{u.A[i], u.B[j], u.R.At(i, j)} })
	return forA, forB
}

func sorted(m []Match) []Match {
	slices.SortStableFunc(m, func(x, y Match) int { return cmp.Compare(math.Abs(y.R), math.Abs(x.R)) })
	return m
}

func meanR(m []Match, absolute bool) (s float64) {
	for _, x := range m {
		if absolute {
			s += math.Abs(x.R)
		} else {
			s += x.R
		}
	}
	return s / float64(max(len(m), 1))
}

// Group is units of both sets that belong together; one of the lists can be empty.
type Group struct {
	A []int `json:"a"`
	B []int `json:"b"`
	// Share is how much of the squared correlation of its units lies within the group: 1 for a group apart from the rest.
	Share float64 `json:"share"`
}

// Groups cuts the graph whose nodes are all units and whose weights are the squared correlations across into k parts:
// subspaces that both sets have, in whatever basis. Correlations below 3/√n, which chance gives, count as none. With
// k = 0 it takes the number up to 32 after which the eigenvalues fall most. Groups come largest share first.
func (u *Units) Groups(ctx context.Context, k int, seed uint64) ([]Group, error) {
	noise := 9 / float64(u.rows)
	var w mat.Dense
	w.Apply(func(_, _ int, r float64) float64 {
		if r*r < noise {
			return 0
		}
		return r * r
	}, u.R)
	g, err := spectral.Bipartite(&w)
	if err != nil {
		return nil, err
	}
	if k == 0 {
		values, _, err := g.Leading(ctx, min(33, g.Len()), seed)
		if err != nil {
			return nil, err
		}
		k = 1
		for i := 2; i < len(values); i++ {
			if values[i-1]-values[i] > values[k-1]-values[k] {
				k = i
			}
		}
	}
	label, err := g.Cluster(ctx, k, seed)
	if err != nil {
		return nil, err
	}
	out := make([]Group, k)
	inside, all := make([]float64, k), make([]float64, k)
	for i, a := range u.A {
		out[label[i]].A = append(out[label[i]].A, a)
	}
	for j, b := range u.B {
		l := label[len(u.A)+j]
		out[l].B = append(out[l].B, b)
		for i := range u.A {
			all[l] += w.At(i, j)
			all[label[i]] += w.At(i, j)
			if label[i] == l {
				inside[l] += 2 * w.At(i, j)
			}
		}
	}
	for l := range out {
		if all[l] > 0 {
			out[l].Share = inside[l] / all[l]
		}
	}
	out = slices.DeleteFunc(out, func(g Group) bool { return len(g.A)+len(g.B) == 0 })
	slices.SortStableFunc(out, func(x, y Group) int { return cmp.Compare(y.Share, x.Share) })
	return out, nil
}

// Sparse is how well units of the second set follow from few units of the first, all scaled to variance 1 on the rows
// fitted to, so that guessing the mean loses 1. Losses are of rows that were not fitted to.
type Sparse struct {
	Targets      int           `json:"targets"` // units of the second set that were predicted, drawn at random if not all
	Single       float64       `json:"single"`  // loss with the one best unit, scaled by its correlation
	Path         []SparsePoint `json:"path"`    // penalties from large to small
	LeastSquares float64       `json:"least_squares"`
}

// SparsePoint is one penalty's result.
type SparsePoint struct {
	Lambda  float64 `json:"lambda"`
	Loss    float64 `json:"loss"`
	Weights float64 `json:"weights"` // units used, a target's mean
}

// sparse fits on all rows but a fold's and scores on those.
func (u *Units) sparse(ctx context.Context, f fold, lambdas []float64, targets int, seed uint64) (Sparse, error) {
	train := f.rest
	n, m := float64(train.Rows()), float64(f.in.n)
	da, db := minus(train.meanA, f.in.oa), minus(train.meanB, f.in.ob)
	scaleA, liveA := deviations(train.aa, u.A, n)
	scaleB, _ := deviations(train.bb, u.B, n)
	gram := scaled(train.aa, u.A, u.A, scaleA, scaleA, n)
	xy := scaled(train.ab, u.A, u.B, scaleA, scaleB, n)
	heldXX := scaled(recentre(f.in.aa, f.in.a, f.in.a, da, da, f.in.n), u.A, u.A, scaleA, scaleA, m)
	heldXY := scaled(recentre(f.in.ab, f.in.a, f.in.b, da, db, f.in.n), u.A, u.B, scaleA, scaleB, m)
	heldYY := scaled(recentre(f.in.bb, f.in.b, f.in.b, db, db, f.in.n), u.B, u.B, scaleB, scaleB, m)
	if !liveA {
		return Sparse{}, fmt.Errorf("similarity: sparse prediction: no unit of the first set varies on nine tenths of the rows: %w", vec.ErrZero)
	}
	ids := rows.Sample(len(u.B), targets, seed)
	out := Sparse{Targets: len(ids), Path: make([]SparsePoint, len(lambdas))}
	loss := func(w []float64, j int) float64 {
		v := mat.NewVecDense(len(w), w)
		return heldYY.At(j, j) - 2*mat.Dot(v, heldXY.ColView(j)) + mat.Inner(v, heldXX, v)
	}
	ls, err := solve(gram, xy, 0)
	if err != nil {
		return Sparse{}, err
	}
	type result struct {
		single, least float64
		loss, weights []float64
	}
	results := make([]result, len(ids))
	err = vec.Blocks(ctx, len(ids), 1, func(at, _ int) error {
		j := ids[at]
		cross := mat.Col(nil, j, xy)
		best, w := 0, make([]float64, len(cross))
		for i, c := range cross {
			if math.Abs(c) > math.Abs(cross[best]) {
				best = i
			}
		}
		w[best] = cross[best]
		r := result{single: loss(w, j), least: loss(mat.Col(nil, j, ls), j)}
		var start []float64
		for _, lambda := range lambdas {
			// 1e-4 of a correlation is far below what a loss shows.
			w, err := lasso.Fit(gram, cross, lambda, lasso.Options{Start: start, Tolerance: 1e-4})
			if err != nil {
				return fmt.Errorf("similarity: sparse prediction of column %d: %w", u.B[j], err)
			}
			used := 0
			for _, v := range w {
				if v != 0 {
					used++
				}
			}
			r.loss, r.weights = append(r.loss, loss(w, j)), append(r.weights, float64(used))
			start = w
		}
		results[at] = r
		return nil
	})
	if err != nil {
		return Sparse{}, err
	}
	share := 1 / float64(len(ids))
	for _, r := range results {
		out.Single += r.single * share
		out.LeastSquares += r.least * share
		for i, lambda := range lambdas {
			out.Path[i].Lambda = lambda
			out.Path[i].Loss += r.loss[i] * share
			out.Path[i].Weights += r.weights[i] * share
		}
	}
	return out, nil
}

// deviations returns the standard deviations of some columns, 1 for one that does not vary, and whether any does.
func deviations(scatter *mat.Dense, ids []int, n float64) (sd []float64, any bool) {
	sd = make([]float64, len(ids))
	for i, j := range ids {
		sd[i] = math.Sqrt(max(scatter.At(j, j), 0) / n)
		if sd[i] == 0 {
			sd[i] = 1
		} else {
			any = true
		}
	}
	return sd, any
}

func scaled(m *mat.Dense, rows, cols []int, sr, sc []float64, n float64) *mat.Dense {
	out := mat.NewDense(len(rows), len(cols), nil)
	for i, r := range rows {
		for j, c := range cols {
			out.Set(i, j, m.At(r, c)/(n*sr[i]*sc[j]))
		}
	}
	return out
}
