// Package similarity says how alike two representations of the same things are, and in what sense: the same units, the
// same shape turned, the same information, the same neighbours, a subspace in common, or nothing.
//
//	r, err := similarity.Compare(ctx, a, b, similarity.Options{})   // row i of a and of b are the same thing
//	fmt.Println(r.Verdict)
//
// One measure alone comes from a [Pair]: p, err := NewPair(ctx, a, b); p.LinearCKA(). Sets that are little alike over all
// may be much alike in part: [Pair.Subspaces] says inside how many directions, and [Pair.Shared] has the maps into these.
package similarity

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"

	"github.com/latent-go/latent/measure/assign"
	"github.com/latent-go/latent/measure/lasso"
	"github.com/latent-go/latent/measure/spectral"
	"github.com/latent-go/latent/vec"
)

// Options say what Compare measures. The zero Options measure all.
type Options struct {
	Measures     []string  // names from Names; nil means all
	NoUnits      bool      // leave out the matching of units: Report.Units is nil
	NoSubspaces  bool      // leave out the shared subspaces: Report.Subspaces is nil
	K            int       // neighbours of mutual-knn; 0 means 10
	Width        float64   // of cka-rbf, in median distances; 0 means 1
	Keep         float64   // variance that svcca keeps; 0 means 0.99
	Ridge        float64   // of regression, as a share of the mean eigenvalue; 0 means 1e-6
	Absolute     bool      // match units by the size of their correlation, whatever its sign
	Lambdas      []float64 // penalties of sparse prediction; nil means 0.3, 0.1, 0.03, 0.01
	Targets      int       // units to predict sparsely at most; 0 means 64
	Groups       int       // groups of units; 0 lets the eigenvalues choose
	MaxRows      int       // rows at most for the measures that compare all pairs of rows; 0 means 2000
	Permutations int       // shufflings of the second set for the chance level; 0 means 5
	Confidence   float64   // of the intervals; 0 means 0.95
	Seed         uint64    // of samples, folds and shufflings: same seed, same report
	// Progress, if not nil, is told how many steps are done; from one goroutine.
	Progress func(done, total int) `json:"-"`
}

func (o Options) check() error {
	if o.K < 1 || o.Permutations < 1 || o.MaxRows < 4*folds || o.Targets < 1 || o.Groups < 0 || !(o.Width > 0 && o.Keep > 0 && o.Keep <= 1 && o.Ridge > 0 && o.Confidence > 0 && o.Confidence < 1) {
		return fmt.Errorf("similarity: options k %d, permutations %d, rows %d, targets %d, groups %d, width %v, keep %v, ridge %v, confidence %v: want none negative, rows at least %d, keep and confidence at most 1: %w",
			o.K, o.Permutations, o.MaxRows, o.Targets, o.Groups, o.Width, o.Keep, o.Ridge, o.Confidence, 4*folds, vec.ErrTooFew)
	}
	return nil
}

func (o Options) filled() Options {
	set := func(p *float64, v float64) {
		if *p == 0 {
			*p = v
		}
	}
	count := func(p *int, v int) {
		if *p == 0 {
			*p = v
		}
	}
	count(&o.K, 10)
	set(&o.Width, 1)
	set(&o.Keep, .99)
	set(&o.Ridge, 1e-6)
	if o.Lambdas == nil {
		o.Lambdas = []float64{.3, .1, .03, .01}
	}
	count(&o.Targets, 64)
	count(&o.MaxRows, 2000)
	count(&o.Permutations, 5)
	set(&o.Confidence, .95)
	return o
}

// Report is what Compare found.
type Report struct {
	Rows      int          `json:"rows"`
	DimA      int          `json:"dim_a"`
	DimB      int          `json:"dim_b"`
	Scores    []Score      `json:"scores"`
	Units     *UnitsReport `json:"units,omitempty"`
	Subspaces *Subspaces   `json:"subspaces,omitempty"`
	Verdict   string       `json:"verdict"`         // in words
	Notes     []string     `json:"notes,omitempty"` // what to beware of
	Seed      uint64       `json:"seed"`
}

// Score is one measure's result. All are 1 for equal sets, and near Chance for unrelated ones.
type Score struct {
	Name   string  `json:"name"`
	Says   string  `json:"says"`        // what 1 would mean, in words
	Value  float64 `json:"value"`       // of Rows rows
	Low    float64 `json:"low"`         // interval for what as many rows again would give: a jackknife over ten tenths
	High   float64 `json:"high"`        // of the rows, with Student's t; equal rows or a drawn-out tail make it too narrow
	Chance float64 `json:"chance"`      // mean over shufflings of the second set; of regression 0 by its nature
	Top    float64 `json:"chance_high"` // the largest of these
	Rows   int     `json:"rows"`        // fewer than the report's where all pairs of rows are compared
}

// UnitsReport is how single columns relate.
type UnitsReport struct {
	OneToOne []Match `json:"one_to_one"` // the best pairing, best pair first
	ForA     []Match `json:"for_a"`      // each unit's best partner, whoever else takes it
	ForB     []Match `json:"for_b"`
	Sparse   Sparse  `json:"sparse"` // units of B from few of A
	Groups   []Group `json:"groups"` // subspaces in common
	DeadA    []int   `json:"dead_a"` // columns that do not vary
	DeadB    []int   `json:"dead_b"`
	Absolute bool    `json:"absolute"`
}

// measure is a line of the table of measures. One that looks at pairs of rows works on a sample.
type measure struct {
	name, says string
	pairs      bool
	of         func(p *Pair, o *Options) (float64, error)
}

var measures = []measure{
	{"cka", "equal up to rotation and scale, large directions counting most", false, func(p *Pair, _ *Options) (float64, error) { return p.LinearCKA().Biased, nil }},
	{"cka-debiased", "as cka, and 0 for unrelated sets of any size", false, func(p *Pair, _ *Options) (float64, error) { return p.LinearCKA().Debiased, nil }},
	{"cka-rbf", "the same near and middle distances", true, func(p *Pair, o *Options) (float64, error) {
		c, err := p.RBFCKA(o.Width)
		return c.Debiased, err
	}},
	{"procrustes", "equal after one rotation and scaling", false, func(p *Pair, _ *Options) (float64, error) { return p.Procrustes() }},
	{"permutation", "equal after reordering columns and one scaling", false, func(p *Pair, _ *Options) (float64, error) { return p.Permutation() }},
	{"cca", "each an invertible linear map of the other, all directions counting the same", false, func(p *Pair, _ *Options) (float64, error) {
		c, err := p.CCA(CCAOptions{})
		return c.Mean, err
	}},
	{"svcca", "as cca, without the directions of least variance", false, func(p *Pair, o *Options) (float64, error) {
		c, err := p.CCA(CCAOptions{Keep: o.Keep})
		return c.Mean, err
	}},
	{"pwcca", "as cca, directions weighted by how much of the narrower set they carry", false, func(p *Pair, _ *Options) (float64, error) {
		c, err := p.CCA(CCAOptions{})
		if c.RankB < c.RankA {
			return c.WeightedB, err
		}
		return c.WeightedA, err
	}},
	{"rsa", "the same order of distances between rows", true, func(p *Pair, _ *Options) (float64, error) { return p.RSA(p.a.Cols < 2 || p.b.Cols < 2) }},
	{"mutual-knn", "the same nearest neighbours", true, func(p *Pair, o *Options) (float64, error) { return p.MutualKNN(o.K) }},
	{"one-to-one", "each column has its own partner in the other set", false, func(p *Pair, o *Options) (float64, error) {
		u, err := p.Units()
		if err != nil {
			return 0, err
		}
		m, err := u.OneToOne(o.Absolute)
		return meanR(m, o.Absolute), err
	}},
	{"best-for-a", "each column of the first set has a twin in the second", false, func(p *Pair, o *Options) (float64, error) {
		u, err := p.Units()
		if err != nil {
			return 0, err
		}
		a, _ := u.Best(o.Absolute)
		return meanR(a, o.Absolute), nil
	}},
	{"best-for-b", "each column of the second set has a twin in the first", false, func(p *Pair, o *Options) (float64, error) {
		u, err := p.Units()
		if err != nil {
			return 0, err
		}
		_, b := u.Best(o.Absolute)
		return meanR(b, o.Absolute), nil
	}},
	{name: "regression-a-to-b", says: "the second set follows from the first by a linear map"},
	{name: "regression-b-to-a", says: "the first set follows from the second by a linear map"},
}

// Names lists the measures, in the order in which they are reported.
func Names() []string {
	out := make([]string, len(measures))
	for i, m := range measures {
		out[i] = m.name
	}
	return out
}

// Permutation is Procrustes where columns may only change places: the largest sum of inner products of centred columns,
// each with a partner of its own, over the product of norms. 1 where reordering columns makes the sets equal.
func (p *Pair) Permutation() (float64, error) {
	m, err := assign.Max(p.ab)
	if err != nil {
		return 0, fmt.Errorf("similarity: permutation: %w", err)
	}
	return m.Total / p.scale(), nil
}

const folds = 10

// Compare measures how alike a, n×p, and b, n×q, are. Row i of both must be the same thing. Errors are those of NewPair;
// fewer than 40 rows, or than K+2 in nine tenths of the sample, give vec.ErrTooFew. A measure that these sets leave
// undefined, such as rsa where a row is constant, is left out with a note.
// Time O(n(p+q)²) and about 22+Permutations times O((p+q)³), 12+Permutations times O(MaxRows²(p+q)).
func Compare(ctx context.Context, a, b vec.Matrix, o Options) (*Report, error) {
	o = o.filled()
	if err := o.check(); err != nil {
		return nil, err
	}
	chosen, err := choose(o.Measures)
	if err != nil {
		return nil, err
	}
	if err := check(a, b); err != nil {
		return nil, err
	}
	if a.Rows < 4*folds {
		return nil, fmt.Errorf("similarity: %d pairs of rows, want at least %d for intervals; a Pair measures fewer: %w", a.Rows, 4*folds, vec.ErrTooFew)
	}
	full, err := NewPair(ctx, a, b)
	if err != nil {
		return nil, err
	}
	var onRows, onPairs []measure
	for _, m := range chosen {
		switch {
		case m.pairs:
			onPairs = append(onPairs, m)
		case m.of != nil:
			onRows = append(onRows, m)
		}
	}
	fs, err := full.folds(ctx, folds, o.Seed)
	if err != nil {
		return nil, err
	}
	t := tally{o: &o, total: 1}
	for _, ms := range [][]measure{onRows, onPairs} {
		if len(ms) > 0 {
			t.total += 1 + folds + o.Permutations
		}
	}
	if !o.NoSubspaces {
		t.total++
	}
	r := &Report{Rows: a.Rows, DimA: a.Cols, DimB: b.Cols, Seed: o.Seed}
	scores := map[string]Score{}
	full.outlier(r)
	if err := t.score(ctx, r, scores, full, fs, onRows); err != nil {
		return nil, err
	}
	if len(onPairs) > 0 {
		sample, sampleFolds := full, fs
		if a.Rows > o.MaxRows {
			if sample, err = full.sample(ctx, o.MaxRows, o.Seed); err != nil {
				return nil, err
			}
			if sampleFolds, err = sample.folds(ctx, folds, o.Seed); err != nil {
				return nil, err
			}
			r.Notes = append(r.Notes, fmt.Sprintf("Measures of pairs of rows are of %d of %d rows drawn at random, which their intervals include; %d neighbours among these reach as far as %d among all.",
				o.MaxRows, a.Rows, o.K, o.K*a.Rows/o.MaxRows))
		}
		if err := t.score(ctx, r, scores, sample, sampleFolds, onPairs); err != nil {
			return nil, err
		}
	}
	var reg *Regression
	for _, m := range chosen {
		s, ok := scores[m.name]
		if m.of == nil {
			if reg == nil {
				x, err := full.regression(fs, o.Ridge)
				if errors.Is(err, ErrSolve) {
					r.leftOut(m.name, err.Error())
					continue
				}
				if err != nil {
					return nil, err
				}
				reg = &x
			}
			if s = regressionScore(m, reg, o.Confidence); !s.finite() {
				r.leftOut(m.name, "on some of the rows it has no value")
				continue
			}
			s.Rows = a.Rows
		} else if !ok {
			continue
		}
		s.Name, s.Says = m.name, m.says
		r.Scores = append(r.Scores, s)
	}
	if !o.NoUnits {
		if r.Units, err = units(ctx, full, fs[0], r, &o); err != nil {
			return nil, err
		}
	}
	t.step()
	if !o.NoSubspaces {
		if r.Subspaces, err = full.Subspaces(ctx, SubspaceOptions{Confidence: o.Confidence, Seed: o.Seed}); undefined(err) {
			r.leftOut("the subspace in common", err.Error())
		} else if err != nil {
			return nil, err
		}
		t.step()
	}
	r.judge()
	return r, nil
}

// undefined says that these sets have no such figure, as against that something went wrong.
func undefined(err error) bool { return errors.Is(err, vec.ErrZero) || errors.Is(err, ErrSolve) }

func choose(names []string) ([]measure, error) {
	if names == nil {
		return measures, nil
	}
	var out []measure
	for _, name := range names {
		i := slices.IndexFunc(measures, func(m measure) bool { return m.name == name })
		if i < 0 {
			return nil, fmt.Errorf("similarity: no measure is called %q; there are %s", name, strings.Join(Names(), ", "))
		}
		out = append(out, measures[i])
	}
	return out, nil
}

// tally counts steps for Progress.
type tally struct {
	o           *Options
	done, total int
}

func (t *tally) step() {
	t.done++
	if t.o.Progress != nil {
		t.o.Progress(t.done, t.total)
	}
}

// score measures the pair, each nine tenths of it for the interval, and each shuffling for chance, one after the other so
// that one at a time is in memory. Rows are never drawn twice, as a bootstrap would: a row's copy is its nearest
// neighbour, and its inner product with itself is not that of two rows, so that mutual-knn and cka-debiased would measure
// the drawing.
func (t *tally) score(ctx context.Context, r *Report, scores map[string]Score, p *Pair, fs []fold, ms []measure) error {
	if len(ms) == 0 {
		return nil
	}
	var value []float64
	defined := ms[:0:0]
	for _, m := range ms {
		v, err := m.of(p, t.o)
		switch {
		case undefined(err):
			r.leftOut(m.name, err.Error())
		case err != nil:
			return err
		default:
			value, defined = append(value, v), append(defined, m)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	ms = defined
	t.step()
	why := make([]error, len(ms))
	values := func(p *Pair, what string) ([]float64, error) {
		out := make([]float64, len(ms))
		for i, m := range ms {
			err := ctx.Err()
			if err == nil {
				out[i], err = m.of(p, t.o)
			}
			switch {
			case undefined(err):
				out[i], why[i] = math.NaN(), fmt.Errorf("%s%w", what, err)
			case err != nil:
				return nil, fmt.Errorf("%s%w", what, err)
			}
		}
		t.step()
		return out, nil
	}
	var without, chance [][]float64
	for _, f := range fs {
		v, err := values(f.whole(p), "nine tenths of the rows: ")
		if err != nil {
			return err
		}
		without = append(without, v)
	}
	for i := range t.o.Permutations {
		q, err := p.shuffled(ctx, t.o.Seed+uint64(i))
		if err != nil {
			return err
		}
		v, err := values(q, "shuffled rows: ")
		if err != nil {
			return err
		}
		chance = append(chance, v)
	}
	g := float64(len(fs))
	for i, m := range ms {
		s := Score{Value: value[i], Rows: p.n}
		parts := column(without, i)
		half := quantile(t.o.Confidence, g-1) * (g - 1) / math.Sqrt(g) * stat.StdDev(parts, nil)
		s.Low, s.High = s.Value-half, min(s.Value+half, 1)
		dealt := column(chance, i)
		s.Chance, s.Top = stat.Mean(dealt, nil), slices.Max(dealt)
		switch {
		case s.finite():
			scores[m.name] = s
		case why[i] != nil:
			r.leftOut(m.name, why[i].Error())
		default:
			r.leftOut(m.name, "on some of the rows it has no value")
		}
	}
	return nil
}

// finite says whether all figures are numbers, which JSON can hold.
func (s Score) finite() bool {
	sum := s.Value + s.Low + s.High + s.Chance + s.Top // of an infinite one it is infinite, or no number
	return !math.IsNaN(sum) && !math.IsInf(sum, 0)
}

func (r *Report) leftOut(name, why string) {
	r.Notes = append(r.Notes, fmt.Sprintf("%s is left out: %s.", name, why))
}

// outlier notes a row that is nearly all there is of a set: the sums of the others are lost beside it.
func (p *Pair) outlier(r *Report) {
	for s, d := range [][]float64{centredNorms(p.a, p.meanA), centredNorms(p.b, p.meanB)} {
		i := floats.MaxIdx(d)
		if share := d[i] / floats.Sum(d); share > .9 {
			r.Notes = append(r.Notes, fmt.Sprintf("Row %d holds %.3g %% of the variance of the %s set, and scores that follow variance are about that row: see whether it is broken, and leave it out.",
				i, 100*share, [2]string{"first", "second"}[s]))
		}
	}
}

func column(rows [][]float64, j int) []float64 {
	out := make([]float64, len(rows))
	for i, r := range rows {
		out[i] = r[j]
	}
	return out
}

func quantile(confidence, freedom float64) float64 {
	return distuv.StudentsT{Mu: 0, Sigma: 1, Nu: freedom}.Quantile((1 + confidence) / 2)
}

func regressionScore(m measure, r *Regression, confidence float64) Score {
	s, parts := Score{Value: r.AtoB}, r.foldsAtoB
	if m.name == "regression-b-to-a" {
		s.Value, parts = r.BtoA, r.foldsBtoA
	}
	half := quantile(confidence, float64(len(parts)-1)) * stat.StdErr(stat.StdDev(parts, nil), float64(len(parts)))
	s.Low, s.High = s.Value-half, min(s.Value+half, 1)
	return s
}

// Regression is the linear map's share of variance in both directions, held out over ten random tenths of the rows and
// fitted; ridge is as in Options. Fewer than 20 rows give vec.ErrTooFew.
func (p *Pair) Regression(ctx context.Context, ridge float64, seed uint64) (Regression, error) {
	if p.Rows() < 2*folds {
		return Regression{}, fmt.Errorf("similarity: regression on tenths of %d rows, want at least %d: %w", p.Rows(), 2*folds, vec.ErrTooFew)
	}
	f, err := p.folds(ctx, folds, seed)
	if err != nil {
		return Regression{}, err
	}
	return p.regression(f, ridge)
}

func units(ctx context.Context, p *Pair, f fold, report *Report, o *Options) (*UnitsReport, error) {
	u, err := p.Units()
	if err != nil {
		return nil, err
	}
	r := &UnitsReport{DeadA: u.DeadA, DeadB: u.DeadB, Absolute: o.Absolute}
	if r.OneToOne, err = u.OneToOne(o.Absolute); err != nil {
		return nil, err
	}
	r.ForA, r.ForB = u.Best(o.Absolute)
	switch r.Sparse, err = u.sparse(ctx, f, o.Lambdas, o.Targets, o.Seed); {
	case errors.Is(err, lasso.ErrConverge) || undefined(err):
		report.Notes = append(report.Notes, fmt.Sprintf("Sparse prediction is left out: %v.", err))
	case err != nil:
		return nil, err
	}
	r.Groups, err = u.Groups(ctx, o.Groups, o.Seed)
	if errors.Is(err, spectral.ErrConverge) {
		report.Notes = append(report.Notes, "The units do not fall into groups: no clear gap among the eigenvalues of their graph.")
		err = nil
	}
	return r, err
}

// Score returns the result of a measure by name, false if it was not measured.
func (r *Report) Score(name string) (Score, bool) {
	i := slices.IndexFunc(r.Scores, func(s Score) bool { return s.Name == name })
	if i < 0 {
		return Score{}, false
	}
	return r.Scores[i], true
}

// judge writes Verdict and Notes. It takes the strongest claim that holds: the thresholds are conventions, the figures
// beside the words are the result.
func (r *Report) judge() {
	value := func(name string) float64 {
		if s, ok := r.Score(name); ok {
			return s.Value
		}
		return math.NaN()
	}
	above := func(name string) bool { // clear of chance, interval and all
		s, ok := r.Score(name)
		return ok && s.Low > s.Top && s.Value-s.Top > .02
	}
	one, turn, ab, ba, cka, knn := value("one-to-one"), value("procrustes"), value("regression-a-to-b"), value("regression-b-to-a"), value("cka-debiased"), value("mutual-knn")
	shared := r.Subspaces
	related := shared != nil && shared.K > 0 && shared.Inside.Low > .02
	for _, s := range r.Scores {
		related = related || above(s.Name)
	}
	switch {
	case len(r.Scores) == 0:
		r.Verdict = "Nothing was measured."
	case one >= .95 && turn >= .95 && r.DimA == r.DimB:
		r.Verdict = fmt.Sprintf("The same units%s: partners correlate %.2f on average.", order(r.Units), one)
	case turn >= .95:
		r.Verdict = fmt.Sprintf("The same shape, turned: one rotation brings them to %.2f, though single units need not match (%.2f).", turn, one)
	case ab >= .9 && ba >= .9:
		r.Verdict = fmt.Sprintf("The same information: a linear map gives either from the other (held-out share of variance %.2f and %.2f), but distances differ (procrustes %.2f).", ab, ba, turn)
	case ab >= .9:
		r.Verdict = fmt.Sprintf("The first contains the second: a linear map gives B from A (%.2f of the variance, held out) but not A from B (%.2f).", ab, ba)
	case ba >= .9:
		r.Verdict = fmt.Sprintf("The second contains the first: a linear map gives A from B (%.2f of the variance, held out) but not B from A (%.2f).", ba, ab)
	case cka >= .5 || ab >= .5 || ba >= .5:
		r.Verdict = fmt.Sprintf("Largely alike: CKA %.2f (debiased), a linear map explains %.2f of B from A and %.2f of A from B, %.0f %% of nearest neighbours are shared.", cka, ab, ba, 100*knn)
	case shared != nil && shared.Confined():
		r.Verdict = fmt.Sprintf("Alike in part: inside the subspace that they share, %d of %d directions, CKA is %.2f, over all %.2f (debiased, on rows not fitted to).",
			shared.K, min(r.DimA, r.DimB), shared.Inside.Value, shared.Raw.Value)
	case related:
		r.Verdict = fmt.Sprintf("Something in common, but not much: CKA %.2f (debiased), %.2f of B explained from A and %.2f of A from B, %.0f %% of nearest neighbours shared.", cka, ab, ba, 100*knn)
	default:
		r.Verdict = "Unrelated, as far as these measures see: no score is clear of what shuffled rows give."
	}
	r.Verdict = strings.ReplaceAll(r.Verdict, "NaN", "not measured")
	if _, ok := r.Score("cca"); ok && r.Rows < 5*(r.DimA+r.DimB) {
		r.Notes = append(r.Notes, fmt.Sprintf("With %d rows for %d + %d columns, canonical correlations are high by chance: read cca, svcca and pwcca against their chance level, or bring at least %d rows.",
			r.Rows, r.DimA, r.DimB, 5*(r.DimA+r.DimB)))
	}
	if u := r.Units; u != nil && len(u.DeadA)+len(u.DeadB) > 0 {
		r.Notes = append(r.Notes, fmt.Sprintf("%d columns of the first set and %d of the second do not vary; they have no partner.", len(u.DeadA), len(u.DeadB)))
	}
}

// order says whether partners stand in the same place.
func order(u *UnitsReport) string {
	if u == nil {
		return ""
	}
	for _, m := range u.OneToOne {
		if m.A != m.B {
			return ", in another order"
		}
	}
	return ", in the same order"
}
