// Package disentangle says whether each coordinate of a representation is about one source of variation, and each
// source in one coordinate: InfoMEC, with MIG and DCI beside it.
//
//	r, err := disentangle.InfoMEC(ctx, z, sources, disentangle.Options{})   // z n×latents, sources n×factors
//	fmt.Println(r.InfoM, r.InfoE, r.InfoC, r.Verdict)
//
// Modularity (InfoM) is 1 if every latent knows of one source only, explicitness (InfoE) if every source is read off
// the latents linearly, compactness (InfoC) if every source is in one latent. Source: Hsu et al. 2023,
// arXiv 2305.18378, section 4.
package disentangle

import (
	"context"
	"encoding"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"

	"github.com/latent-go/latent/measure/internal/rows"
	"github.com/latent-go/latent/measure/lasso"
	"github.com/latent-go/latent/vec"
)

// Kind says what the values of columns mean.
type Kind uint8

// Kinds. Auto takes columns as discrete if each has at most 50 different values, and at most a tenth as many as rows.
const (
	Auto Kind = iota
	Discrete
	Continuous
)

var _ encoding.TextMarshaler = Auto

// String returns auto, discrete or continuous.
func (k Kind) String() string {
	if int(k) >= len(kinds) {
		return fmt.Sprintf("Kind(%d)", k)
	}
	return kinds[k]
}

var kinds = [...]string{"auto", "discrete", "continuous"}

// MarshalText is String.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads what String writes.
func (k *Kind) UnmarshalText(b []byte) error {
	i := slices.Index(kinds[:], string(b))
	if i < 0 {
		return fmt.Errorf("disentangle: kind is %q, want one of %q", b, kinds)
	}
	*k = Kind(i)
	return nil
}

// Options say how information is estimated. The zero Options are those of the paper's program.
type Options struct {
	Latents    Kind    // of the columns of z
	Sources    Kind    // of the columns of sources
	Neighbours int     // of the estimators for continuous latents; 0 means 10, an earlier version of the program had 3
	Prune      float64 // latents whose range is at most this share of the largest are inactive; 0 means 1/20 (earlier 1/8); of discrete latents only constant ones are
	Bins       int     // equal-mass bins of a continuous source, and equal-width bins of MIG; 0 means 20
	KSG        bool    // for continuous latents and sources: KSG's estimate I, normalised as 1-exp(-2I), a Gaussian pair's shared variance, in place of bins
	Lambda     float64 // L1 penalty of DCI's lasso on standardised columns; 0 means 0.02
	MaxRows    int     // rows at most, drawn at random; 0 means 10,000
	Seed       uint64  // of draws and of telling equal values apart: same seed, same report
	// Progress, if not nil, is told how many sources are done; from one goroutine at a time.
	Progress func(done, total int) `json:"-"`
}

// Report is what InfoMEC found.
type Report struct {
	InfoM float64 `json:"info_m"` // modularity, 0 to 1
	InfoE float64 `json:"info_e"` // explicitness: 1 all read off linearly, 0 none; at best 1
	InfoC float64 `json:"info_c"` // compactness, 0 to 1

	NMI      [][]float64 `json:"nmi"`      // latent by source: I(latent; source)/H(source), cut at 1: the estimate from neighbours exceeds H by about (classes-1)/2n nats where classes lie apart
	Active   []bool      `json:"active"`   // latents that vary enough to count
	Explicit []float64   `json:"explicit"` // InfoE of each source
	GapM     float64     `json:"gap_m"`    // mean over active latents of the largest NMI less the second: kept by the paper as a contrast
	MIG      float64     `json:"mig"`      // Chen et al. 2018: mean over sources of the largest NMI less the second, continuous latents binned
	DCI      DCI         `json:"dci"`

	Rows    int      `json:"rows"`
	Total   int      `json:"total"`
	Latents Kind     `json:"latents"` // as taken
	Sources Kind     `json:"sources"`
	Seed    uint64   `json:"seed"`
	Verdict string   `json:"verdict"`
	Notes   []string `json:"notes,omitempty"`
}

// DCI is Eastwood and Williams 2018 with their lasso: how much each latent weighs in predicting each source, sources
// taken as numbers.
type DCI struct {
	Disentanglement float64     `json:"disentanglement"`
	Completeness    float64     `json:"completeness"`
	Informativeness float64     `json:"informativeness"` // mean share of a source's variance explained
	Importance      [][]float64 `json:"importance"`      // latent by source: absolute weights
}

// InfoMEC scores the latents z, n×l, against sources, n×s: row i of both is the same thing. Fewer than two sources,
// or than 20 rows, give vec.ErrTooFew, different numbers of rows vec.ErrDim, a source that takes one value only, or
// latents that are all constant, vec.ErrZero. Information about single pairs comes from counts for discrete latents
// and from [MutualInfoKNN] for continuous ones.
func InfoMEC(ctx context.Context, z, sources vec.Matrix, o Options) (*Report, error) {
	o = o.filled()
	if err := check(z, sources); err != nil {
		return nil, err
	}
	r := &Report{Total: z.Rows, Rows: min(z.Rows, o.MaxRows), Seed: o.Seed}
	if z.Rows > o.MaxRows {
		ids := rows.Sample(z.Rows, o.MaxRows, o.Seed)
		z, sources = z.Gather(ids), sources.Gather(ids)
		r.Notes = append(r.Notes, fmt.Sprintf("From %d of %d rows drawn at random.", r.Rows, r.Total))
	}
	zs, ss := columns(z), columns(sources)
	r.Latents, r.Sources = kindOf(zs, o.Latents), kindOf(ss, o.Sources)
	for j, s := range ss {
		if len(distinct(s)) < 2 {
			return nil, fmt.Errorf("disentangle: source %d takes one value only, %v; leave it out: %w", j, s[0], vec.ErrZero)
		}
	}
	if r.Active = active(zs, r.Latents, o.Prune); !slices.Contains(r.Active, true) {
		return nil, fmt.Errorf("disentangle: all %d latents are constant: %w", len(zs), vec.ErrZero)
	}
	features := r.features(zs)
	labels := make([][]int, len(ss))
	r.Explicit = make([]float64, len(ss))
	for j, s := range ss {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		var err error
		if r.Sources == Discrete {
			labels[j] = numbered(s)
			k := len(distinct(s))
			var ce float64
			ce, err = crossEntropy(features, labels[j], k)
			// Knowing nothing, each class weighing the same, is to give all the same probability.
			r.Explicit[j] = 1 - ce/math.Log(float64(k))
		} else {
			labels[j] = equalMass(s, o.Bins)
			r.Explicit[j], err = determination(features, s)
		}
		if err != nil {
			return nil, fmt.Errorf("source %d: %w", j, err)
		}
		r.InfoE += r.Explicit[j] / float64(len(ss))
		if o.Progress != nil {
			o.Progress(j+1, len(ss)+len(zs))
		}
	}
	binned := make([][]float64, len(zs)) // NMI for MIG
	for i, c := range zs {
		r.NMI, binned[i] = append(r.NMI, make([]float64, len(ss))), make([]float64, len(ss))
		var cell []int
		if r.Latents == Discrete {
			cell = numbered(c)
		} else {
			cell = equalWidth(c, o.Bins)
		}
		err := vec.Blocks(ctx, len(ss), 1, func(j, _ int) error {
			h := entropyOf(labels[j])
			mi, err := MutualInfo(cell, labels[j])
			if err != nil {
				return err
			}
			binned[i][j], r.NMI[i][j] = mi/h, mi/h
			switch {
			case r.Latents == Discrete:
			case o.KSG && r.Sources == Continuous:
				mi, err = MutualInfoKSG(c, ss[j], o.Neighbours, o.Seed)
				r.NMI[i][j] = 1 - math.Exp(-2*mi)
			case len(distinct(c)) > 1:
				mi, err = MutualInfoKNN(c, labels[j], o.Neighbours, o.Seed)
				r.NMI[i][j] = mi / h
			default: // a constant knows nothing, but its jitter might seem to
				r.NMI[i][j] = 0
			}
			r.NMI[i][j], binned[i][j] = min(r.NMI[i][j], 1), min(binned[i][j], 1)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("latent %d: %w", i, err)
		}
		if o.Progress != nil {
			o.Progress(len(ss)+i+1, len(ss)+len(zs))
		}
	}
	r.score(binned)
	var err error
	if r.DCI, err = dci(zs, ss, o.Lambda); err != nil {
		return nil, err
	}
	r.judge()
	return r, nil
}

func (o Options) filled() Options {
	for p, v := range map[*int]int{&o.Neighbours: 10, &o.Bins: 20, &o.MaxRows: 10000} {
		if *p == 0 {
			*p = v
		}
	}
	if o.Prune == 0 {
		o.Prune = 1. / 20
	}
	if o.Lambda == 0 {
		o.Lambda = .02
	}
	return o
}

func check(z, sources vec.Matrix) error {
	if err := z.Check(); err != nil {
		return fmt.Errorf("disentangle: latents: %w", err)
	}
	if err := sources.Check(); err != nil {
		return fmt.Errorf("disentangle: sources: %w", err)
	}
	switch {
	case z.Rows != sources.Rows:
		return fmt.Errorf("disentangle: %d rows of latents, %d of sources; row i of both must be the same thing: %w", z.Rows, sources.Rows, vec.ErrDim)
	case z.Rows < 20:
		return fmt.Errorf("disentangle: %d rows, want at least 20: %w", z.Rows, vec.ErrTooFew)
	case z.Cols < 1:
		return fmt.Errorf("disentangle: no latents: %w", vec.ErrTooFew)
	case sources.Cols < 2:
		return fmt.Errorf("disentangle: %d sources; telling them apart needs at least 2: %w", sources.Cols, vec.ErrTooFew)
	}
	return nil
}

// score computes everything that follows from NMI.
func (r *Report) score(binned [][]float64) {
	m, latents := 0.0, 0
	n := len(r.NMI[0])
	act := 0
	for i, row := range r.NMI {
		if !r.Active[i] {
			continue
		}
		act++
		if sum, top, second := tops(row); sum > 0 {
			m += top / sum
			r.GapM += top - second
			latents++
		}
	}
	if latents > 0 {
		r.InfoM = above(m/float64(latents), n)
		r.GapM /= float64(latents)
	}
	c, seen := 0.0, 0
	for j := range n {
		var column, cells []float64
		for i := range r.NMI {
			cells = append(cells, binned[i][j])
			if r.Active[i] {
				column = append(column, r.NMI[i][j])
			}
		}
		if sum, top, _ := tops(column); sum > 0 {
			c += top / sum
			seen++
		}
		_, top, second := tops(cells)
		r.MIG += (top - second) / float64(n)
	}
	if seen > 0 {
		r.InfoC = above(c/float64(seen), act)
	}
	if act == 1 {
		r.Notes = append(r.Notes, "Only one latent is active: compactness says nothing, and is given as 0.")
	}
	if latents < act {
		r.Notes = append(r.Notes, fmt.Sprintf("%d of %d active latents know of no source alone; modularity leaves them out.", act-latents, act))
	}
	if act < len(r.Active) {
		r.Notes = append(r.Notes, fmt.Sprintf("%d of %d latents are inactive.", len(r.Active)-act, len(r.Active)))
	}
}

// above turns a share whose least value is 1/n into a score from 0 to 1.
func above(share float64, n int) float64 {
	if n < 2 {
		return 0
	}
	return (share - 1/float64(n)) / (1 - 1/float64(n))
}

func tops(v []float64) (sum, top, second float64) {
	for _, x := range v {
		sum += x
		if x > top {
			top, second = x, top
		} else if x > second {
			second = x
		}
	}
	return sum, top, second
}

// judge writes the verdict.
func (r *Report) judge() {
	word := func(v float64) string {
		switch {
		case v >= .9:
			return "almost wholly"
		case v >= .6:
			return "mostly"
		case v >= .3:
			return "partly"
		}
		return "hardly"
	}
	r.Verdict = fmt.Sprintf("Latents are %s about one source each (InfoM %.2f), sources are %s in one latent each (InfoC %.2f) and %s readable by a linear probe (InfoE %.2f).",
		word(r.InfoM), r.InfoM, word(r.InfoC), r.InfoC, word(r.InfoE), r.InfoE)
}

// features are what the probes see: discrete latents one-hot, continuous ones standardised.
func (r *Report) features(zs [][]float64) *design {
	d := &design{n: len(zs[0])}
	if r.Latents == Continuous {
		d.f, d.x = len(zs), mat.NewDense(d.n, len(zs), nil)
		for i, c := range zs {
			d.x.SetCol(i, standardised(c))
		}
		return d
	}
	d.hot = make([][]int, d.n)
	for _, c := range zs {
		for i, l := range numbered(c) {
			d.hot[i] = append(d.hot[i], d.f+l)
		}
		d.f += len(distinct(c))
	}
	return d
}

// dci fits each source, standardised, by lasso on the standardised latents.
func dci(zs, ss [][]float64, lambda float64) (DCI, error) {
	n, l := len(zs[0]), len(zs)
	x := mat.NewDense(n, l, nil)
	for i, c := range zs {
		x.SetCol(i, standardised(c))
	}
	var gram mat.Dense
	gram.Mul(x.T(), x)
	gram.Scale(1/float64(n), &gram)
	d := DCI{Importance: make([][]float64, l)}
	for _, s := range ss {
		var cross mat.VecDense
		cross.MulVec(x.T(), mat.NewVecDense(n, standardised(s)))
		cross.ScaleVec(1/float64(n), &cross)
		w, err := lasso.Fit(&gram, cross.RawVector().Data, lambda, lasso.Options{})
		if err != nil {
			return d, fmt.Errorf("disentangle: DCI: %w", err)
		}
		v := mat.NewVecDense(l, w)
		d.Informativeness += (2*mat.Dot(v, &cross) - mat.Inner(v, &gram, v)) / float64(len(ss))
		for i := range w {
			d.Importance[i] = append(d.Importance[i], math.Abs(w[i]))
		}
	}
	total := 0.0
	for _, row := range d.Importance {
		sum, _, _ := tops(row)
		total += sum
	}
	if total == 0 {
		return d, nil
	}
	for _, row := range d.Importance {
		sum, _, _ := tops(row)
		d.Disentanglement += sum / total * evenness(row)
	}
	for j := range ss {
		column := make([]float64, l)
		for i := range column {
			column[i] = d.Importance[i][j]
		}
		d.Completeness += evenness(column) / float64(len(ss))
	}
	return d, nil
}

// evenness is 1 less the entropy of v's shares, in units of its largest: 1 for a single share, 0 for equal ones or none.
func evenness(v []float64) float64 {
	sum, _, _ := tops(v)
	if sum == 0 {
		return 0
	}
	h := 0.0
	for _, x := range v {
		if x > 0 {
			h -= x / sum * math.Log(x/sum)
		}
	}
	if len(v) < 2 {
		return 1
	}
	return 1 - h/math.Log(float64(len(v)))
}

func columns(x vec.Matrix) [][]float64 {
	out := make([][]float64, x.Cols)
	for j := range out {
		out[j] = make([]float64, x.Rows)
		for i := range x.Rows {
			out[j][i] = float64(x.Row(i)[j])
		}
	}
	return out
}

func distinct(c []float64) []float64 {
	return slices.Compact(slices.Sorted(slices.Values(c)))
}

// numbered replaces values by their place among the distinct ones.
func numbered(c []float64) []int {
	names := distinct(c)
	out := make([]int, len(c))
	for i, v := range c {
		out[i], _ = slices.BinarySearch(names, v)
	}
	return out
}

func kindOf(cs [][]float64, asked Kind) Kind {
	if asked != Auto {
		return asked
	}
	for _, c := range cs {
		if n := len(distinct(c)); n > 50 || n*10 > len(c) {
			return Continuous
		}
	}
	return Discrete
}

func active(zs [][]float64, k Kind, prune float64) []bool {
	spread, largest := make([]float64, len(zs)), 0.0
	for i, c := range zs {
		spread[i] = slices.Max(c) - slices.Min(c)
		largest = max(largest, spread[i])
	}
	if k == Discrete {
		prune = 0
	}
	out := make([]bool, len(zs))
	for i, s := range spread {
		out[i] = s > prune*largest
	}
	return out
}

func standardised(c []float64) []float64 {
	mean, ss := 0.0, 0.0
	for _, v := range c {
		mean += v / float64(len(c))
	}
	for _, v := range c {
		ss += (v - mean) * (v - mean)
	}
	sd := math.Sqrt(ss / float64(len(c)))
	if sd <= 1e-10*math.Abs(mean) {
		sd = 1
	}
	out := make([]float64, len(c))
	for i, v := range c {
		if out[i] = (v - mean) / sd; sd == 1 && ss == 0 {
			out[i] = 0
		}
	}
	return out
}

// equalMass cuts values into bins that hold about as many each; equal values share one.
func equalMass(c []float64, bins int) []int {
	sorted := slices.Sorted(slices.Values(c))
	out := make([]int, len(c))
	for i, v := range c {
		at, _ := slices.BinarySearch(sorted, v)
		out[i] = at * bins / len(c)
	}
	return out
}

// equalWidth cuts values into bins from the least to the largest.
func equalWidth(c []float64, bins int) []int {
	lo, hi := slices.Min(c), slices.Max(c)
	out := make([]int, len(c))
	for i, v := range c {
		if hi > lo {
			out[i] = min(int((v-lo)/(hi-lo)*float64(bins)), bins-1)
		}
	}
	return out
}
