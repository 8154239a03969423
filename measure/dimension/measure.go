package dimension

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/latent-go/latent/vec"
)

// Report is all that Measure found. It goes into JSON as it is.
type Report struct {
	Rows     int    `json:"rows"`
	Cols     int    `json:"cols"`
	Sampled  int    `json:"sampled"`  // rows drawn
	Distinct int    `json:"distinct"` // different rows among them: the N of the estimates
	Seed     uint64 `json:"seed"`

	// Dimension is the median of the estimates that look at near neighbours, corrected; Lo and Hi are the ends of all their
	// intervals. It is 0 if all rows are equal, or if none could be made.
	Dimension float64 `json:"dimension"`
	Lo        float64 `json:"lo"`
	Hi        float64 `json:"hi"`

	Summary string   `json:"summary"` // one line
	Notes   []string `json:"notes"`   // what disagrees and why, what could not be made; sentences

	Estimates []Estimate `json:"estimates"`
	ByK       []Estimate `json:"by_k"`     // MLE against the neighbourhood
	ByScale   []Scale    `json:"by_scale"` // TwoNN against the distance
	LID       *LIDs      `json:"lid,omitempty"`
	Order     *Order     `json:"order,omitempty"`
	Spectrum  *Eigen     `json:"spectrum"`
}

// LIDs are the local dimensions at the rows, by [Hill].
type LIDs struct {
	K        int       `json:"k"`
	N        int       `json:"n"`        // rows that have one
	Infinite int       `json:"infinite"` // rows whose K neighbours are equally far
	Mean     float64   `json:"mean"`
	P05      float64   `json:"p05"`
	Median   float64   `json:"median"`
	P95      float64   `json:"p95"`
	Edges    []float64 `json:"edges"` // of the bins of Counts, one more than there are of those
	Counts   []int     `json:"counts"`
}

var defaultKs = []int{5, 10, 20, 50, 100}

// Measure estimates the dimension of the rows of x by all that the package has, from one sample and one table of
// neighbours. Estimators that cannot be made of these data are left out and a note says why; values that are
// not finite give vec.ErrNotFinite, fewer than two rows vec.ErrTooFew.
// Time O(s²·columns) for a sample of s; memory O(s·columns + s·K).
func Measure(ctx context.Context, x vec.Matrix, o Options) (*Report, error) {
	p, err := prepare(x, o)
	if err != nil {
		return nil, err
	}
	r := &Report{Rows: x.Rows, Cols: x.Cols, Sampled: p.drawn, Distinct: p.x.Rows, Seed: o.Seed, Notes: []string{},
		Estimates: []Estimate{}, ByK: []Estimate{}, ByScale: []Scale{}}
	work := progress{report: o.Progress}
	work.done(0)
	if r.Spectrum, err = Spectrum(ctx, x, o); err != nil {
		return nil, err
	}
	work.done(15)
	if p.x.Rows > 2 {
		if err := r.local(ctx, p, o, &work); err != nil {
			return nil, err
		}
		e, err := p.fisher(ctx)
		if err := r.add(e, err); err != nil {
			return nil, err
		}
	}
	r.conclude(p.copies)
	r.risks(x, p, o)
	work.done(100)
	return r, nil
}

// add appends e, or a note if there is none to be had. Any other err it returns.
func (r *Report) add(e Estimate, err error) error {
	switch {
	case err == nil:
		r.Estimates = append(r.Estimates, e)
	case errors.Is(err, ErrNoScale) || errors.Is(err, vec.ErrTooFew):
		r.note("%s.", strings.TrimPrefix(err.Error(), "dimension: "))
	default:
		return err
	}
	return nil
}

func (r *Report) note(format string, a ...any) { r.Notes = append(r.Notes, fmt.Sprintf(format, a...)) }

// local adds what near neighbours show.
func (r *Report) local(ctx context.Context, p *points, o Options, work *progress) error {
	k, err := p.k(o, "Measure")
	if errors.Is(err, vec.ErrTooFew) {
		r.note("There are %d distinct rows, too few for neighbourhoods of %d others: look at fewer neighbours for estimates from them.", p.x.Rows, k)
		return nil
	}
	if err != nil {
		return err
	}
	ks := o.Ks
	if ks == nil {
		ks = defaultKs
	}
	ks = slices.DeleteFunc(slices.Clone(ks), func(k int) bool { return k < 2 || k >= p.x.Rows })
	lid := min(max(defaultLID, k), p.x.Rows-1)
	if err := p.find(ctx, max(slices.Max(append(ks, lid)), min(k+1, p.x.Rows-1)), work.part(15, 45)); err != nil {
		return err
	}
	for _, k := range ks {
		if e, err := p.averaged("MLE", k, inverseHill); err == nil {
			r.ByK = append(r.ByK, e)
		}
	}
	r.LID = p.histogram(lid)
	var v view
	for i, f := range locals {
		e, err := f(ctx, p, o, k)
		v.values[i] = e.Value
		if err := r.add(e, err); err != nil {
			return err
		}
	}
	work.done(60)
	switch curve, err := p.decimate(ctx, o); {
	case err == nil:
		r.ByScale = curve
	case !errors.Is(err, ErrNoScale):
		return err
	}
	work.done(80)
	if p.x.Rows < max(k+2, fewestForBalls) {
		r.note("With %d distinct rows there are too few to compare with balls of known dimension: estimates stand as they are.", p.x.Rows)
		return nil
	}
	v.danco, err = p.concentration(ctx, k)
	if err != nil {
		return r.add(Estimate{}, err)
	}
	balls, err := reference(ctx, v, p, o, k)
	if err != nil {
		return err
	}
	made := 0
	for i, value := range v.values {
		if value > 0 {
			r.Estimates[made].Corrected = corrected(value, balls, i)
			made++
		}
	}
	if len(r.ByScale) > 0 {
		r.ByScale[0].Corrected = r.Estimates[0].Corrected // both are TwoNN
		if err := p.correct(ctx, r.ByScale, o); err != nil {
			return err
		}
	}
	e, err := p.danco(v.danco, balls, k)
	e.Corrected = e.Value // it is made by comparing with balls
	return r.add(e, err)
}

// histogram bins the local dimensions, from 0 to their largest but for a far tail, which the last bin takes in.
func (p *points) histogram(k int) *LIDs {
	l := &LIDs{K: k}
	var values []float64
	for i := range p.x.Rows {
		if v := Hill(p.row(i)[:k]); math.IsInf(v, 1) {
			l.Infinite++
		} else {
			values = append(values, v)
		}
	}
	l.N = len(values)
	if l.N == 0 {
		return l
	}
	slices.Sort(values)
	at := func(q float64) float64 { return values[int(q*float64(l.N-1)+0.5)] }
	l.P05, l.Median, l.P95 = at(0.05), at(0.5), at(0.95)
	l.Mean, _ = meanSD(values)
	const bins = 40
	top := min(values[l.N-1], 3*l.P95)
	l.Counts = make([]int, bins)
	for b := range bins + 1 {
		l.Edges = append(l.Edges, top*float64(b)/bins)
	}
	for _, v := range values {
		l.Counts[min(bins-1, int(v/top*bins))]++
	}
	return l
}

// progress counts in hundredths.
type progress struct {
	report func(done, total int)
	last   int
}

func (w *progress) done(percent int) {
	if w.report != nil && (percent > w.last || percent == 0) {
		w.last = percent
		w.report(percent, 100)
	}
}

// part is the progress of a step that takes the work from one percentage to another.
func (w *progress) part(from, to int) func(done, total int) {
	return func(done, total int) { w.done(from + (to-from)*done/max(1, total)) }
}

// conclude fills in the dimension, its summary, and notes on copies and on what disagrees.
func (r *Report) conclude(copies int) {
	var near []Estimate // those that look at near neighbours
	var values []float64
	for _, e := range r.Estimates {
		if e.Method == "FisherS" {
			continue
		}
		if e.Corrected == 0 { // no balls to compare with
			e.Corrected = e.Value
		}
		near = append(near, e)
		values = append(values, e.Corrected)
	}
	if copies > 0 {
		r.note("%d of %d rows are copies of others and were counted once.", copies, r.Sampled)
	}
	if n := r.Sampled - copies - r.Distinct; n > 0 {
		r.note("%d of %d rows differ from others by less than float32 can tell about the middle of the data, and were counted once.", n, r.Sampled)
	}
	if r.Distinct == 1 {
		r.Summary = "intrinsic dimension 0: all rows are equal"
		return
	}
	if len(near) == 0 {
		r.Summary = fmt.Sprintf("no intrinsic dimension could be estimated from %d distinct rows", r.Distinct)
		return
	}
	r.Dimension, r.Lo = median(values), math.Inf(1)
	for _, e := range near {
		to := e.Corrected / e.Value
		r.Lo, r.Hi = min(r.Lo, e.Lo*to), max(r.Hi, e.Hi*to)
	}
	r.Summary = fmt.Sprintf("intrinsic dimension ≈ %s (%s to %s) of %d columns; %d principal directions hold 90 %% of the variance",
		digits(r.Dimension), digits(r.Lo), digits(r.Hi), r.Cols, r.Spectrum.Components(0.9))
	if r.Distinct < r.Rows {
		r.Summary += fmt.Sprintf("; from %d distinct rows of %d, seed %d", r.Distinct, r.Rows, r.Seed)
	}
	slices.SortFunc(near, func(a, b Estimate) int { return int(math.Copysign(1, a.Corrected-b.Corrected)) })
	r.explain(near)
}

// explain notes what a reader should know of near, the estimates from near neighbours in the order of their dimensions.
func (r *Report) explain(near []Estimate) {
	low, high := near[0], near[len(near)-1]
	if high.Corrected > 1.25*low.Corrected {
		r.note("The estimators disagree: %s says %s, %s says %s. They look at different distances and weigh dense places differently; see how the dimension changes with k and with scale.",
			low.Method, digits(low.Corrected), high.Method, digits(high.Corrected))
	}
	for _, e := range near {
		if e.Method == "MLE" && e.Corrected > 1.15*e.Value {
			r.note("MLE itself reads %s: with %d points in so many dimensions, distances to neighbours reach the edges of the data and read low. A uniform ball of %s dimensions reads the same.",
				digits(e.Value), e.N, digits(e.Corrected))
		}
	}
	if n := len(r.ByScale); n > 1 {
		small, large := r.ByScale[0], r.ByScale[n-1]
		gap := 2 * math.Hypot(small.StdErr*small.Corrected/small.Value, large.StdErr*large.Corrected/large.Value)
		switch {
		case small.Corrected > 1.25*large.Corrected+gap:
			r.note("The dimension falls from %s to %s as distances grow from %.3g to %.3g: the smallest scales are blurred, by noise or by rounding, or the data is narrow in many of its directions.",
				digits(small.Corrected), digits(large.Corrected), small.Distance, large.Distance)
		case large.Corrected > 1.25*small.Corrected+gap:
			r.note("The dimension rises from %s to %s as distances grow from %.3g to %.3g: the data is curved, or in clumps or near copies that have fewer dimensions than the whole.",
				digits(small.Corrected), digits(large.Corrected), small.Distance, large.Distance)
		}
	}
	if linear := r.Spectrum.Components(0.9); float64(linear) > 1.5*r.Hi+1 {
		r.note("90 %% of the variance takes %d straight directions where neighbours show %s: the data is curved, or noise fills many directions a little. PCA keeps more than a curved map would need.",
			linear, digits(r.Dimension))
	}
	if l := r.LID; l != nil && l.N > 0 && l.P95 > 3*l.P05 && l.K >= 20 { // one K = 20 estimate has an sd of a quarter: 2.2 by chance
		r.note("The local dimension differs from place to place, %s to %s for nine tenths of the rows: the data is a mixture of parts of different dimension.", digits(l.P05), digits(l.P95))
	}
}

// digits writes a dimension with as many as it deserves.
func digits(v float64) string {
	if v < 100 {
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.0f", v)
}
