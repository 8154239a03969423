package similarity

import (
	"context"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"

	"github.com/latent-go/latent/measure/assign"
	"github.com/latent-go/latent/vec"
)

// Shared are two subspaces, k directions of each set of a Pair, in which the sets correlate most, and the maps into them.
// It is immutable and safe for concurrent use.
type Shared struct {
	Rho            []float64 // correlations of the k pairs of variates on the rows fitted to, largest first
	ShareA, ShareB float64   // of the variance of each set that its k variates hold
	a, b           side
}

// side takes rows of one set to their variates.
type side struct {
	name string
	mean []float64
	to   *mat.Dense // d×k
	unit int        // rows count times 2^-unit
}

// Shared finds the k pairs of directions that correlate most, by CCA. Variates have mean 0 and variance 1 and, with no
// Ridge, correlate with no other but their partner, by Rho. That is of the rows fitted to, and high by chance where they
// are few: Subspaces says what is left on others. k = 0 means all that o leaves; more give vec.ErrTooFew.
// Source: arXiv 2503.05283, section 3. Time O((p+q)³).
func (p *Pair) Shared(k int, o CCAOptions) (*Shared, error) {
	c, err := p.canonical(o)
	if err != nil {
		return nil, err
	}
	if k == 0 {
		k = len(c.rho)
	}
	if k < 0 || k > len(c.rho) {
		return nil, fmt.Errorf("similarity: %d shared directions, want 1 to %d: %w", k, len(c.rho), vec.ErrTooFew)
	}
	// Canonical directions have sum of squares 1 over the rows.
	toA, toB := mat.DenseCopyOf(c.a.Slice(0, len(p.meanA), 0, k)), mat.DenseCopyOf(c.b.Slice(0, len(p.meanB), 0, k))
	toA.Scale(math.Sqrt(float64(p.n-1)), toA)
	toB.Scale(math.Sqrt(float64(p.n-1)), toB)
	s := &Shared{Rho: c.rho[:k:k], a: side{"first", p.meanA, toA, p.unitA}, b: side{"second", p.meanB, toB, p.unitB}}
	if s.ShareA, err = held(p.aa, toA); err == nil {
		s.ShareB, err = held(p.bb, toB)
	}
	return s, err
}

// held is the share of the variance of a set that follows from its variates.
func held(scatter, to *mat.Dense) (float64, error) {
	var xh, hh mat.Dense
	xh.Mul(scatter, to)
	hh.Mul(to.T(), &xh)
	return inSample(&hh, mat.DenseCopyOf(xh.T()), mat.Trace(scatter), 0)
}

// A takes rows of the first set, n×p, to their variates, n×k. Another number of columns gives vec.ErrDim.
func (s *Shared) A(x vec.Matrix) (vec.Matrix, error) { return s.a.apply(x) }

// B is A for the second set.
func (s *Shared) B(y vec.Matrix) (vec.Matrix, error) { return s.b.apply(y) }

func (s *side) apply(x vec.Matrix) (vec.Matrix, error) {
	t, err := s.centred(x)
	if err != nil {
		return vec.Matrix{}, err
	}
	var h mat.Dense
	h.Mul(t.T(), s.to)
	_, k := h.Dims()
	out := vec.NewMatrix(x.Rows, k)
	for i, v := range h.RawMatrix().Data {
		out.Data[i] = float32(v)
	}
	return out, nil
}

// centred returns rows about the mean of those fitted to, at their scale, on their side: d×n.
func (s *side) centred(x vec.Matrix) (*mat.Dense, error) {
	if x.Cols != len(s.mean) {
		return nil, fmt.Errorf("similarity: rows of %d columns, the %s set has %d: %w", x.Cols, s.name, len(s.mean), vec.ErrDim)
	}
	if err := x.Check(); err != nil {
		return nil, fmt.Errorf("similarity: rows of the %s set: %w", s.name, err)
	}
	t := mat.NewDense(x.Cols, x.Rows, nil)
	for i := range x.Rows {
		for j, v := range x.Row(i) {
			t.Set(j, i, math.Ldexp(float64(v), -s.unit)-s.mean[j])
		}
	}
	return t, nil
}

// LocalCKA scores how well row j of x, of the first set, goes with row i of y, of the second: entry i,j is the linear CKA
// of the pair with these two rows as one pair more. It takes no map from set to set, and differs in late digits only,
// which float64 has. Source: Maniparambil et al. 2024, arXiv 2401.05224. Time O(mpq + mlp) for m rows of y and l of x.
func (p *Pair) LocalCKA(x, y vec.Matrix) (*mat.Dense, error) {
	a, b := side{"first", p.meanA, nil, p.unitA}, side{"second", p.meanB, nil, p.unitB}
	tx, err := a.centred(x)
	if err != nil {
		return nil, err
	}
	ty, err := b.centred(y)
	if err != nil {
		return nil, err
	}
	return localCKA(p.n, p.aa, p.bb, p.ab, tx, ty), nil
}

// localCKA is of moments about the mean and rows about the same, p×l and q×m. A row more moves the mean: the moments
// gain n/(n+1) of its product with itself.
func localCKA(n int, aa, bb, ab, x, y *mat.Dense) *mat.Dense {
	c := float64(n) / float64(n+1)
	var mid, out mat.Dense
	mid.Mul(ab.T(), x)
	out.Mul(y.T(), &mid)
	sx, nx := norms(aa, x)
	sy, ny := norms(bb, y)
	// |M + c·uvᵀ|² = |M|² + 2c·uᵀMv + c²|u|²|v|².
	grown := func(all, cross, u, v float64) float64 { return all + 2*c*cross + c*c*u*v }
	all, allA, allB := square(ab), square(aa), square(bb)
	m, l := out.Dims()
	for i := range m {
		for j := range l {
			top := grown(all, out.At(i, j), nx[j], ny[i])
			out.Set(i, j, top/math.Sqrt(grown(allA, sx[j], nx[j], nx[j])*grown(allB, sy[i], ny[i], ny[i])))
		}
	}
	return &out
}

// norms returns vᵀMv and |v|² of each column v of x.
func norms(m, x *mat.Dense) (form, squares []float64) {
	var mx mat.Dense
	mx.Mul(m, x)
	d, n := x.Dims()
	form, squares = make([]float64, n), make([]float64, n)
	for i := range d {
		a, b := x.RawRowView(i), mx.RawRowView(i)
		for j, v := range a {
			form[j] += v * b[j]
			squares[j] += v * v
		}
	}
	return form, squares
}

// ChooseK returns how many of the first pairs of directions two sets share, 0 for none, from the correlation that each
// pair has on n rows not fitted to. Chance alone gives such a correlation a standard deviation of 1/√(n-1), whatever the
// distribution, and up to 1.6 times as much where the fits of several parts share rows, as those of Subspaces do. A pair
// counts for as much as its squared correlation, with its sign, exceeds that of four deviations, and k is where the sum
// of these is largest: a lucky pair far down does not carry those before it.
func ChooseK(r []float64, n int) int {
	best, k, sum := 0.0, 0, 0.0
	for i, v := range r {
		sum += float64(n-1)*v*math.Abs(v) - 16
		if sum > best {
			best, k = sum, i+1
		}
	}
	return k
}

// SubspaceOptions say how Subspaces looks. The zero SubspaceOptions are what is recommended.
type SubspaceOptions struct {
	Ks         []int   // sizes of the path; nil means 1, 2, 5, 10, 20, 50 and so on
	Ridge      float64 // added to each set's covariance, as a share of its mean eigenvalue; 0 means 1e-3
	Queries    int     // rows of a fifth at most whose partners are sought; 0 means 500
	Confidence float64 // of the intervals; 0 means 0.95
	Seed       uint64  // of the fifths and the shuffling
}

// Interval is a figure, the mean over five fifths of the rows, with Student's interval from their differences. The maps
// of two fifths share rows, which it does not know.
type Interval struct {
	Value float64 `json:"value"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
}

// Subspaces is how alike two sets are inside the subspaces that they share, beside how alike they are as they stand.
// All figures are of rows that the subspaces were not fitted to, each row once.
type Subspaces struct {
	K      int      `json:"k"`    // directions shared beyond chance, by ChooseK; 0 for none
	Most   int      `json:"most"` // directions tried: fewer than there are where rows are few
	Raw    Interval `json:"raw"`  // debiased linear CKA of the sets as they stand
	Inside Interval `json:"inside"`
	// Inside is that of the first K variates, or of one where K is 0: 0 for unrelated sets. ShareA and ShareB say how much
	// of the variance of each set these variates hold.
	ShareA float64 `json:"share_a"`
	ShareB float64 `json:"share_b"`
	// What the same procedure gives for rows of the second set in random order: K, and CKA of as many variates as Inside.
	ShuffledK int             `json:"shuffled_k"`
	Shuffled  float64         `json:"shuffled"`
	Path      []SubspacePoint `json:"path"`
	Finds     []Find          `json:"finds"`
	Queries   int             `json:"queries"` // in a fifth, among which partners were sought
	Verdict   string          `json:"verdict"`
}

// SubspacePoint is the first K pairs of variates.
type SubspacePoint struct {
	K     int      `json:"k"`
	CKA   Interval `json:"cka"`   // debiased
	Last  float64  `json:"last"`  // correlation of the Kth pair
	Found float64  `json:"found"` // share of rows of the second set whose partner scores best by a linear map
}

// Find is how often the partner of a row of the second set is found among Queries rows of the first, which chance does once
// in Queries.
type Find struct {
	How     string  `json:"how"`
	First   float64 `json:"first"`   // it scores best
	Five    float64 `json:"five"`    // it is among the best five
	Matched float64 `json:"matched"` // the pairing of largest total score has it
}

const (
	fifths      = 5
	rowsForEach = 10 // rows fitted to for each principal direction that takes part
)

// Subspaces fits shared subspaces on four fifths of the rows and looks at the fifth, five times: how alike the sets are
// inside the first k directions, for which k, and how often a row finds its partner there. It is the diagnosis that comes
// before an alignment: sets that are little alike as they stand can be much alike in part. A set of more columns than a
// tenth of the rows fitted to takes part with as many principal directions. Fewer than 40 rows, or a k beyond Most, give
// vec.ErrTooFew. Time O(n(p+q)²) and ten times O((p+q)³). Source: arXiv 2503.05283, sections 3 and 4.
func (p *Pair) Subspaces(ctx context.Context, o SubspaceOptions) (*Subspaces, error) {
	if o.Queries < 0 || !(o.Ridge >= 0) || !(o.Confidence >= 0 && o.Confidence < 1) {
		return nil, fmt.Errorf("similarity: subspaces with %d queries, ridge %v, confidence %v: want none negative, confidence below 1: %w", o.Queries, o.Ridge, o.Confidence, vec.ErrTooFew)
	}
	if p.n < 4*folds {
		return nil, fmt.Errorf("similarity: subspaces of %d pairs of rows, want at least %d: %w", p.n, 4*folds, vec.ErrTooFew)
	}
	if o.Ridge == 0 {
		o.Ridge = 1e-3
	}
	if o.Queries == 0 {
		o.Queries = 500
	}
	if o.Confidence == 0 {
		o.Confidence = .95
	}
	ps, err := p.fifths(ctx, &o)
	if err != nil {
		return nil, err
	}
	dealt, err := p.shuffled(ctx, o.Seed)
	if err != nil {
		return nil, err
	}
	chance, err := dealt.fifths(ctx, &o)
	if err != nil {
		return nil, err
	}
	r := ps.correlations()
	s := &Subspaces{K: ChooseK(r, p.n), Most: len(r), ShuffledK: ChooseK(chance.correlations(), p.n), Queries: ps.queries(&o)}
	k := max(s.K, 1)
	shuffled, err := o.interval(chance.cka(ctx, min(k, len(chance[0].shared.Rho))))
	if err != nil {
		return nil, err
	}
	s.Shuffled = shuffled.Value
	if s.Raw, err = o.interval(ps.raw(ctx)); err != nil {
		return nil, err
	}
	whole, err := p.Shared(k, o.cca(p.n))
	if err != nil {
		return nil, err
	}
	s.ShareA, s.ShareB = whole.ShareA, whole.ShareB
	ks, err := o.ks(k, s.Most)
	if err != nil {
		return nil, err
	}
	for _, at := range ks {
		point := SubspacePoint{K: at, Last: r[at-1]}
		if point.CKA, err = o.interval(ps.cka(ctx, at)); err != nil {
			return nil, err
		}
		for _, t := range ps {
			point.Found += float64(within(t.inside(at, s.Queries), 1)) / float64(fifths*s.Queries)
		}
		if at == k {
			s.Inside = point.CKA
		}
		s.Path = append(s.Path, point)
	}
	if s.Finds, err = ps.finds(ctx, k, s.Queries); err != nil {
		return nil, err
	}
	s.judge(p.a.Cols, p.b.Cols)
	return s, nil
}

// ks are the sizes of the path, k among them.
func (o *SubspaceOptions) ks(k, most int) ([]int, error) {
	ks := slices.Clone(o.Ks)
	if ks == nil {
		for _, step := range []int{1, 10, 100, 1000} {
			ks = append(ks, step, 2*step, 5*step)
		}
		ks = append(slices.DeleteFunc(ks, func(k int) bool { return k > most }), most)
	}
	ks = append(ks, k)
	slices.Sort(ks)
	if ks[0] < 1 || ks[len(ks)-1] > most {
		return nil, fmt.Errorf("similarity: subspaces of %d to %d directions, want 1 to %d: %w", ks[0], ks[len(ks)-1], most, vec.ErrTooFew)
	}
	return slices.Compact(ks), nil
}

// interval is that of one figure a fifth.
func (o *SubspaceOptions) interval(values []float64, err error) (Interval, error) {
	if err != nil {
		return Interval{}, err
	}
	half := quantile(o.Confidence, fifths-1) * stat.StdErr(stat.StdDev(values, nil), fifths)
	m := stat.Mean(values, nil)
	return Interval{m, m - half, min(m+half, 1)}, nil
}

// part is a fifth of the rows, and what was fitted to the others.
type part struct {
	rest   *Pair // moments only
	shared *Shared
	x, y   vec.Matrix // rows of the fifth as they stand
	hx, hy vec.Matrix // their variates
}

type parts []part

// fifths fits all directions that take part, as many in each fifth.
func (p *Pair) fifths(ctx context.Context, o *SubspaceOptions) (parts, error) {
	fs, err := p.folds(ctx, fifths, o.Seed)
	if err != nil {
		return nil, err
	}
	out, most := make(parts, fifths), math.MaxInt
	for i, f := range fs {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := f.rest.varies(); err != nil {
			return nil, fmt.Errorf("four fifths of the rows: %w", err)
		}
		t := &out[i]
		t.rest, t.x, t.y = f.rest, p.a.Gather(f.held), p.b.Gather(f.held)
		if t.shared, err = f.rest.Shared(0, o.cca(p.n)); err != nil {
			return nil, err
		}
		if t.hx, err = t.shared.A(t.x); err != nil {
			return nil, err
		}
		if t.hy, err = t.shared.B(t.y); err != nil {
			return nil, err
		}
		most = min(most, t.hx.Cols)
	}
	for i := range out {
		out[i].hx, out[i].hy = first(out[i].hx, most), first(out[i].hy, most)
	}
	return out, nil
}

// cca says which directions take part where four fifths of n rows are fitted to.
func (o *SubspaceOptions) cca(n int) CCAOptions {
	return CCAOptions{Ridge: o.Ridge, Directions: max(1, n*(fifths-1)/fifths/rowsForEach)}
}

// correlations are those of each pair of variates, over all fifths by their rows.
func (ps parts) correlations() []float64 {
	r, n := make([]float64, ps[0].hx.Cols), 0
	for _, t := range ps {
		n += t.hx.Rows
		for j := range r {
			if c := stat.Correlation(columnOf(t.hx, j), columnOf(t.hy, j), nil); !math.IsNaN(c) { // one that does not vary has none
				r[j] += c * float64(t.hx.Rows)
			}
		}
	}
	for j := range r {
		r[j] /= float64(n)
	}
	return r
}

func columnOf(x vec.Matrix, j int) []float64 {
	out := make([]float64, x.Rows)
	for i := range out {
		out[i] = float64(x.Row(i)[j])
	}
	return out
}

// raw is the debiased CKA of each fifth as it stands.
func (ps parts) raw(ctx context.Context) ([]float64, error) {
	return ps.each(func(t part) (float64, error) { return debiased(ctx, t.x, t.y) })
}

// cka is the debiased CKA of the first k variates, fifth by fifth.
func (ps parts) cka(ctx context.Context, k int) ([]float64, error) {
	return ps.each(func(t part) (float64, error) { return debiased(ctx, first(t.hx, k), first(t.hy, k)) })
}

func (ps parts) each(f func(t part) (float64, error)) ([]float64, error) {
	out := make([]float64, len(ps))
	for i, t := range ps {
		var err error
		if out[i], err = f(t); err != nil {
			return nil, fmt.Errorf("a fifth of the rows: %w", err)
		}
	}
	return out, nil
}

// first returns the first k columns.
func first(x vec.Matrix, k int) vec.Matrix {
	if k == x.Cols {
		return x
	}
	out := vec.NewMatrix(x.Rows, k)
	for i := range x.Rows {
		copy(out.Row(i), x.Row(i))
	}
	return out
}

func debiased(ctx context.Context, x, y vec.Matrix) (float64, error) {
	p, err := NewPair(ctx, x, y)
	if err != nil {
		return 0, err
	}
	return p.LinearCKA().Debiased, nil
}

// queries is how many rows of a fifth look for their partners.
func (ps parts) queries(o *SubspaceOptions) int {
	q := o.Queries
	for _, t := range ps {
		q = min(q, t.x.Rows)
	}
	return q
}

// inside scores pairs by the cosine of ρ·hy, which least squares maps a row's k variates to, and hx.
func (t part) inside(k, queries int) *mat.Dense {
	x, y := dense(first(t.hx, k).Slice(0, queries)), dense(first(t.hy, k).Slice(0, queries))
	y.Apply(func(_, j int, v float64) float64 { return v * t.shared.Rho[j] }, y)
	return cosines(y, x)
}

// whole scores pairs by the cosine of a row mapped by least squares on all columns.
func (t part) whole(queries int) (*mat.Dense, error) {
	w, err := solve(t.rest.bb, mat.DenseCopyOf(t.rest.ab.T()), 1e-6)
	if err != nil {
		return nil, err
	}
	var to mat.Dense
	to.Mul(turned(t.y.Slice(0, queries), t.rest.meanB).T(), w)
	return cosines(&to, mat.DenseCopyOf(turned(t.x.Slice(0, queries), t.rest.meanA).T())), nil
}

func dense(x vec.Matrix) *mat.Dense {
	m := mat.NewDense(x.Rows, x.Cols, nil)
	for i, v := range x.Data {
		m.RawMatrix().Data[i] = float64(v)
	}
	return m
}

// cosines are those of all rows of y with all of x; a row of zeros has 0 with any.
func cosines(y, x *mat.Dense) *mat.Dense {
	for _, m := range []*mat.Dense{y, x} {
		r, _ := m.Dims()
		for i := range r {
			if row := m.RawRowView(i); floats.Norm(row, 2) > 0 {
				floats.Scale(1/floats.Norm(row, 2), row)
			}
		}
	}
	var out mat.Dense
	out.Mul(y, x.T())
	return &out
}

// local is the pair of the first k variates of the rows fitted to, whose means are 0.
func (t part) local(k int) *Pair {
	p := &Pair{n: t.rest.n, meanA: make([]float64, k), meanB: make([]float64, k)}
	moments := func(m, left, right *mat.Dense) *mat.Dense {
		var lm, out mat.Dense
		lm.Mul(left.Slice(0, left.RawMatrix().Rows, 0, k).T(), m)
		out.Mul(&lm, right.Slice(0, right.RawMatrix().Rows, 0, k))
		return &out
	}
	p.aa, p.bb, p.ab = moments(t.rest.aa, t.shared.a.to, t.shared.a.to), moments(t.rest.bb, t.shared.b.to, t.shared.b.to), moments(t.rest.ab, t.shared.a.to, t.shared.b.to)
	return p
}

// finds looks for partners in four ways.
func (ps parts) finds(ctx context.Context, k, queries int) ([]Find, error) {
	ways := []struct {
		how   string
		score func(t part) (*mat.Dense, error)
	}{
		{"linear map, all directions", func(t part) (*mat.Dense, error) { return t.whole(queries) }},
		{"local CKA, all directions", func(t part) (*mat.Dense, error) {
			return t.rest.LocalCKA(t.x.Slice(0, queries), t.y.Slice(0, queries))
		}},
		{fmt.Sprintf("linear map, %d shared", k), func(t part) (*mat.Dense, error) { return t.inside(k, queries), nil }},
		{fmt.Sprintf("local CKA, %d shared", k), func(t part) (*mat.Dense, error) {
			return t.local(k).LocalCKA(first(t.hx, k).Slice(0, queries), first(t.hy, k).Slice(0, queries))
		}},
	}
	out := make([]Find, len(ways))
	for i, w := range ways {
		out[i].How = w.how
		for _, t := range ps {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			score, err := w.score(t)
			if err != nil {
				return nil, err
			}
			m, err := assign.Max(score)
			if err != nil {
				return nil, fmt.Errorf("similarity: matching: %w", err)
			}
			for row, col := range m.Column {
				if col == row {
					out[i].Matched++
				}
			}
			out[i].First += float64(within(score, 1))
			out[i].Five += float64(within(score, 5))
		}
		all := float64(len(ps) * queries)
		out[i].First, out[i].Five, out[i].Matched = out[i].First/all, out[i].Five/all, out[i].Matched/all
	}
	return out, nil
}

// within counts the rows whose own column is among the top; of equal ones it is the last.
func within(score *mat.Dense, top int) (count int) {
	n, _ := score.Dims()
	for i := range n {
		row, better := score.RawRowView(i), 0
		for j, v := range row {
			if v >= row[i] && j != i {
				better++
			}
		}
		if better < top {
			count++
		}
	}
	return count
}

// judge writes Verdict.
func (s *Subspaces) judge(p, q int) {
	if s.K == 0 {
		s.Verdict = fmt.Sprintf("No shared subspace: of %d pairs of directions none correlates on rows that it was not fitted to.", s.Most)
		return
	}
	s.Verdict = fmt.Sprintf("They share %s: inside, CKA is %.2f (%.2f to %.2f), of the sets as they stand %.2f (debiased, on rows not fitted to). These hold %.0f %% of the variance of the first set and %.0f %% of the second.",
		directions(s.K, min(p, q)), s.Inside.Value, s.Inside.Low, s.Inside.High, s.Raw.Value, 100*s.ShareA, 100*s.ShareB)
	if s.Confined() {
		s.Verdict += " What they have in common is confined there: align them inside it."
	}
}

func directions(k, of int) string {
	if k == 1 {
		return fmt.Sprintf("a subspace of 1 direction of %d", of)
	}
	return fmt.Sprintf("a subspace of %d directions of %d", k, of)
}

// Confined says that the sets are alike inside the shared subspaces, and clearly less so as they stand.
func (s *Subspaces) Confined() bool {
	return s.K > 0 && s.Inside.Value >= .3 && s.Inside.Low > s.Raw.High && s.Inside.Value > 2*s.Raw.Value
}
