package similarity

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"

	"github.com/latent-go/latent/vec"
)

// CKA is centred kernel alignment: 1 for equal up to rotation and scale, 0 for independent.
type CKA struct {
	Biased float64 `json:"biased"` // as first defined; above 0 for independent sets, by about p·q/n where that is small
	// Debiased is from unbiased HSIC: about 0 for independent sets, and at times below. With very few rows a set can have
	// no structure that rises above its noise; then it is 0.
	Debiased float64 `json:"debiased"`
}

// LinearCKA compares the inner products between all rows of the one set with those of the other, through p×q moments:
// time O(pq + n(p+q)). Source: Kornblith et al. 2019, arXiv 1905.00414; debiased after Song et al., JMLR 13, 2012.
func (p *Pair) LinearCKA() CKA {
	ab, aa, bb := square(p.ab), square(p.aa), square(p.bb)
	n := float64(p.Rows())
	da, db := centredNorms(p.a, p.meanA), centredNorms(p.b, p.meanB)
	ta, tb := floats.Sum(da), floats.Sum(db)
	// Unbiased HSIC up to a common factor: of rows with mean 0, whose inner products sum to 0 along each row.
	unbiased := func(cross float64, dx, dy []float64, tx, ty float64) float64 {
		return cross - n/(n-2)*floats.Dot(dx, dy) + tx*ty/((n-1)*(n-2))
	}
	return CKA{
		Biased:   ab / math.Sqrt(aa*bb),
		Debiased: ratio(unbiased(ab, da, db, ta, tb), unbiased(aa, da, da, ta, ta), unbiased(bb, db, db, tb, tb)),
	}
}

// ratio is xy/√(xx·yy), 0 if one of these is not positive.
func ratio(xy, xx, yy float64) float64 {
	if xx <= 0 || yy <= 0 {
		return 0
	}
	return xy / math.Sqrt(xx*yy)
}

// square is the sum of squares of all entries.
func square(m *mat.Dense) float64 {
	return floats.Dot(m.RawMatrix().Data, m.RawMatrix().Data)
}

func centredNorms(x vec.Matrix, mean []float64) []float64 {
	out := make([]float64, x.Rows)
	for i := range out {
		for j, v := range x.Row(i) {
			d := float64(v) - mean[j]
			out[i] += d * d
		}
	}
	return out
}

// Procrustes is how well one set lies on the other after the best rotation or reflection, both centred and scaled to
// sum of squares 1; the narrower one is padded with zero columns. It is the nuclear norm of the cross-moments: 1 where
// a rotation makes them equal. The distance of shape spaces is its arc cosine; the sum of squared differences 2-2·it.
// Source: Schönemann 1966; Williams et al. 2021, arXiv 2110.14739.
func (p *Pair) Procrustes() (float64, error) {
	var s mat.SVD
	if !s.Factorize(p.ab, mat.SVDNone) {
		return 0, errSolve("rotation")
	}
	return floats.Sum(s.Values(nil)) / p.scale(), nil
}

// scale is the product of the Frobenius norms of the centred sets.
func (p *Pair) scale() float64 { return math.Sqrt(mat.Trace(p.aa) * mat.Trace(p.bb)) }

// ErrSolve says that a factorisation failed, which finite moments do not cause as a rule.
var ErrSolve = errors.New("factorisation failed")

func errSolve(what string) error { return fmt.Errorf("similarity: %s: %w", what, ErrSolve) }

// eigen is a symmetric matrix's eigenvalues, largest first, and its eigenvectors as columns.
type eigen struct {
	values  []float64
	vectors *mat.Dense
}

func decompose(m *mat.Dense) (eigen, error) {
	d, _ := m.Dims()
	sym := mat.NewSymDense(d, nil)
	for i := range d {
		for j := i; j < d; j++ {
			sym.SetSym(i, j, m.At(i, j))
		}
	}
	var e mat.EigenSym
	if !e.Factorize(sym, true) {
		return eigen{}, errSolve("eigenvectors")
	}
	var v mat.Dense
	e.VectorsTo(&v)
	values, out := e.Values(nil), mat.NewDense(d, d, nil)
	for j := range d {
		for i := range d {
			out.Set(i, j, v.At(i, d-1-j))
		}
	}
	slices.Reverse(values)
	return eigen{values, out}, nil
}

// CCAOptions say which directions take part. The zero CCAOptions are plain CCA.
type CCAOptions struct {
	Keep  float64 // SVCCA: keep the principal directions that make up this share of the variance, as 0.99; 0 keeps all
	Ridge float64 // added to each set's covariance, as a share of its mean eigenvalue; 0 adds none

	Directions int // principal directions of each set that take part at most; 0 means all
}

// Canonical is the result of CCA.
type Canonical struct {
	Rho          []float64 `json:"rho"`  // canonical correlations, largest first: min(RankA, RankB) of them
	Mean         float64   `json:"mean"` // their mean: of CCA, or with Keep of SVCCA
	WeightedA    float64   `json:"weighted_a"`
	WeightedB    float64   `json:"weighted_b"` // PWCCA: weighted by how much of each set the direction carries
	RankA, RankB int       // directions that took part; those below 1e-10 of the largest eigenvalue never do
}

// CCA finds the directions in which the two sets correlate most. It does not see invertible linear maps of either set.
// With n below a few times p+q, correlations are high by chance: compare the sets with shuffled rows, set Keep or
// Ridge, or use more rows. Sources: SVCCA, Raghu et al. 2017, arXiv 1706.05806; PWCCA, Morcos et al. 2018,
// arXiv 1806.05759, equations 4 and 5, with the weights for each set (the paper uses those of the narrower).
// Time O((p+q)³).
func (p *Pair) CCA(o CCAOptions) (Canonical, error) {
	if o == (CCAOptions{}) {
		return p.cca() // two measures take it
	}
	return p.correlate(o)
}

func (p *Pair) correlate(o CCAOptions) (Canonical, error) {
	c, err := p.canonical(o)
	if err != nil {
		return Canonical{}, err
	}
	out := Canonical{Rho: c.rho, RankA: c.rankA, RankB: c.rankB, Mean: floats.Sum(c.rho) / float64(len(c.rho))}
	out.WeightedA, out.WeightedB = weighted(c.rho, p.aa, c.a), weighted(c.rho, p.bb, c.b)
	return out, nil
}

// canonical are pairs of directions, p×k and q×k, whose variates have sum of squares 1 over the rows.
type canonical struct {
	rho          []float64
	a, b         *mat.Dense
	rankA, rankB int
}

func (p *Pair) canonical(o CCAOptions) (canonical, error) {
	ea, err := p.eigA()
	if err != nil {
		return canonical{}, err
	}
	eb, err := p.eigB()
	if err != nil {
		return canonical{}, err
	}
	wa, ra := whiten(ea, o)
	wb, rb := whiten(eb, o)
	if ra == 0 || rb == 0 { // of a part of the rows that are all equal, to rounding
		return canonical{}, fmt.Errorf("similarity: canonical directions of a set that does not vary: %w", vec.ErrZero)
	}
	var left, m mat.Dense
	left.Mul(wa.T(), p.ab)
	m.Mul(&left, wb)
	var s mat.SVD
	if !s.Factorize(&m, mat.SVDThin) {
		return canonical{}, errSolve("canonical directions")
	}
	c := canonical{rho: s.Values(nil), rankA: ra, rankB: rb, a: &mat.Dense{}, b: &mat.Dense{}}
	for i, r := range c.rho {
		c.rho[i] = min(r, 1)
	}
	var u, v mat.Dense
	s.UTo(&u)
	s.VTo(&v)
	c.a.Mul(wa, &u)
	c.b.Mul(wb, &v)
	return c, nil
}

// whiten returns the map to uncorrelated directions of variance 1/n, d×rank.
func whiten(e eigen, o CCAOptions) (*mat.Dense, int) {
	total := 0.0
	for _, v := range e.values {
		total += max(v, 0)
	}
	rank, seen := 0, 0.0
	for rank < len(e.values) && e.values[rank] > 1e-10*e.values[0] && (o.Keep == 0 || seen < o.Keep*total) && (o.Directions == 0 || rank < o.Directions) {
		seen += e.values[rank]
		rank++
	}
	d := len(e.values)
	w := mat.DenseCopyOf(e.vectors.Slice(0, d, 0, rank))
	ridge := o.Ridge * total / float64(d)
	for j := range rank {
		f := 1 / math.Sqrt(e.values[j]+ridge)
		for i := range d {
			w.Set(i, j, w.At(i, j)*f)
		}
	}
	return w, rank
}

// weighted is Σ αᵢρᵢ/Σ αᵢ with αᵢ = Σⱼ |⟨hᵢ, xⱼ⟩| for canonical variate hᵢ and column xⱼ.
func weighted(rho []float64, xx, dirs *mat.Dense) float64 {
	var h mat.Dense
	h.Mul(xx, dirs) // ⟨xⱼ, hᵢ⟩
	d, _ := h.Dims()
	top, bottom := 0.0, 0.0
	for i, r := range rho {
		alpha := 0.0
		for j := range d {
			alpha += math.Abs(h.At(j, i))
		}
		top += alpha * r
		bottom += alpha
	}
	return top / bottom
}

// Regression is the share of one set's variance that a linear map of the other explains.
type Regression struct {
	AtoB, BtoA       float64   // held out: fitted on 9 tenths, scored on the tenth; can be below 0
	FitAtoB, FitBtoA float64   // on the rows fitted to, as usually printed; 1 by chance where n ≤ p
	foldsAtoB        []float64 // held-out share by tenth
	foldsBtoA        []float64
}

// regression scores least squares with a ridge of ridge times the mean eigenvalue.
func (p *Pair) regression(folds []fold, ridge float64) (r Regression, err error) {
	if r.FitAtoB, err = inSample(p.aa, p.ab, mat.Trace(p.bb), ridge); err != nil {
		return r, err
	}
	if r.FitBtoA, err = inSample(p.bb, mat.DenseCopyOf(p.ab.T()), mat.Trace(p.aa), ridge); err != nil {
		return r, err
	}
	var lostB, hadB, lostA, hadA float64
	for _, f := range folds {
		// The held-out rows about the means of the others: their own mean is not known to the map.
		da, db := minus(f.rest.meanA, f.in.oa), minus(f.rest.meanB, f.in.ob)
		aa := recentre(f.in.aa, f.in.a, f.in.a, da, da, f.in.n)
		bb := recentre(f.in.bb, f.in.b, f.in.b, db, db, f.in.n)
		ab := recentre(f.in.ab, f.in.a, f.in.b, da, db, f.in.n)
		lost, err := heldOut(f.rest.aa, f.rest.ab, aa, ab, mat.Trace(bb), ridge)
		if err != nil {
			return r, err
		}
		r.foldsAtoB = append(r.foldsAtoB, 1-lost/mat.Trace(bb))
		lostB, hadB = lostB+lost, hadB+mat.Trace(bb)
		lost, err = heldOut(f.rest.bb, mat.DenseCopyOf(f.rest.ab.T()), bb, mat.DenseCopyOf(ab.T()), mat.Trace(aa), ridge)
		if err != nil {
			return r, err
		}
		r.foldsBtoA = append(r.foldsBtoA, 1-lost/mat.Trace(aa))
		lostA, hadA = lostA+lost, hadA+mat.Trace(aa)
	}
	r.AtoB, r.BtoA = 1-lostB/hadB, 1-lostA/hadA
	return r, nil
}

// minus returns x-y.
func minus(x, y []float64) []float64 {
	d := make([]float64, len(x))
	floats.SubTo(d, x, y)
	return d
}

// recentre moves moments about an origin, with sums of deviations x and y, to origins dx and dy away.
func recentre(m *mat.Dense, x, y, dx, dy []float64, n int) *mat.Dense {
	out := mat.DenseCopyOf(m)
	vx, vy, vdx, vdy := mat.NewVecDense(len(x), x), mat.NewVecDense(len(y), y), mat.NewVecDense(len(dx), dx), mat.NewVecDense(len(dy), dy)
	out.RankOne(out, -1, vx, vdy)
	out.RankOne(out, -1, vdx, vy)
	out.RankOne(out, float64(n), vdx, vdy)
	return out
}

// solve returns the least-squares map w, p×q, with (xx + ridge)w = xy.
func solve(xx, xy *mat.Dense, ridge float64) (*mat.Dense, error) {
	d, _ := xx.Dims()
	mean := mat.Trace(xx) / float64(d)
	sym := mat.NewSymDense(d, nil)
	for i := range d {
		for j := i; j < d; j++ {
			sym.SetSym(i, j, xx.At(i, j))
		}
		// Directions without variance are given next to none rather than failing.
		sym.SetSym(i, i, xx.At(i, i)+max(ridge, 1e-10)*mean)
	}
	var c mat.Cholesky
	if !c.Factorize(sym) {
		return nil, errSolve("least squares")
	}
	var w mat.Dense
	if err := c.SolveTo(&w, xy); err != nil {
		var bad mat.Condition
		if !errors.As(err, &bad) { // badly conditioned is still solved
			return nil, errSolve("least squares")
		}
	}
	return &w, nil
}

func inSample(xx, xy *mat.Dense, yy, ridge float64) (float64, error) {
	w, err := solve(xx, xy, ridge)
	if err != nil {
		return 0, err
	}
	return 1 - residual(w, xx, xy, yy)/yy, nil
}

func heldOut(trainXX, trainXY, xx, xy *mat.Dense, yy, ridge float64) (float64, error) {
	w, err := solve(trainXX, trainXY, ridge)
	if err != nil {
		return 0, err
	}
	return residual(w, xx, xy, yy), nil
}

// residual is the sum of |y - xw|² from moments.
func residual(w, xx, xy *mat.Dense, yy float64) float64 {
	var xw mat.Dense
	xw.Mul(xx, w)
	return yy - 2*floats.Dot(w.RawMatrix().Data, xy.RawMatrix().Data) + floats.Dot(w.RawMatrix().Data, xw.RawMatrix().Data)
}
