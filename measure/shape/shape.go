// Package shape measures how vectors lie, apart from how many dimensions they have: whether their lengths differ, whether
// they point in a common direction, whether a few of them are neighbours of very many, and what is broken: copies, zero
// vectors, constant columns. What should be known before vectors are indexed, it says in sentences.
//
//	r, err := shape.Measure(ctx, x, shape.Options{})
//	for _, w := range r.Warnings { fmt.Println(w) }
package shape

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/latent-go/latent/measure/internal/rows"
	"github.com/latent-go/latent/neighbors"
	"github.com/latent-go/latent/vec"
)

// Options say what is measured. The zero Options are what is recommended.
type Options struct {
	Sample int        // rows among which neighbours are sought, at most; 0 means 10,000, below 0 all
	Seed   uint64     // of the samples
	K      int        // neighbours of hubness; 0 means 10, or as many as there are
	Metric vec.Metric // of hubness
	// Progress, if not nil, is told how much of the work is done, from one goroutine at a time.
	Progress func(done, total int)
}

// Report is all that Measure found. It goes into JSON as it is.
type Report struct {
	Rows     int      `json:"rows"`
	Cols     int      `json:"cols"`
	Seed     uint64   `json:"seed"`
	Warnings []string `json:"warnings"` // sentences, the gravest first

	Copies  Copies   `json:"copies"`
	Norms   Norms    `json:"norms"`
	Columns Columns  `json:"columns"`
	Spread  Spread   `json:"spread"`
	Hubness *Hubness `json:"hubness,omitempty"` // nil with fewer than three distinct rows
}

// Copies are rows equal, or nearly, to another. Equal ones are sought among all rows, near ones in the sample.
type Copies struct {
	Distinct int `json:"distinct"` // different rows
	Equal    int `json:"equal"`    // rows that repeat an earlier one
	Largest  int `json:"largest"`  // rows in the largest group of equal ones
	Row      int `json:"row"`      // the first row of that group

	Near         int     `json:"near"`          // distinct rows of the sample with another nearer than NearDistance
	NearDistance float64 `json:"near_distance"` // Euclidean: a hundredth of the median distance between two rows
	Sampled      int     `json:"sampled"`       // distinct rows in the sample
}

// Norms are the Euclidean lengths of all rows.
type Norms struct {
	Mean   float64 `json:"mean"`
	SD     float64 `json:"sd"`
	Min    float64 `json:"min"`
	P05    float64 `json:"p05"`
	Median float64 `json:"median"`
	P95    float64 `json:"p95"`
	Max    float64 `json:"max"`
	Zeros  int     `json:"zeros"`  // rows of length 0
	Counts []int   `json:"counts"` // rows in bins of equal width from Min to Max
}

// Columns are the columns that tell no rows apart.
type Columns struct {
	Constant int   `json:"constant"` // columns with one value, those of zeros among them
	Zero     int   `json:"zero"`     // columns of zeros
	First    []int `json:"first"`    // the first ten constant ones
}

// Spread says how evenly the directions of space are used.
type Spread struct {
	// MeanCosine is the mean cosine between two different rows, over all pairs of rows that have a direction. 0 when they
	// point everywhere, near 1 when they lie in a narrow cone.
	MeanCosine float64 `json:"mean_cosine"`
	// MeanShare is |mean|² over the mean of |x|²: the share of the energy in a vector common to all.
	MeanShare float64 `json:"mean_share"`
	// TopShare is the share of the variance in the first principal direction, of the N rows sampled for it.
	TopShare float64 `json:"top_share"`
	// Isotropy is (Σλ)²/(d Σλ²) of the covariance, with little bias from the N rows sampled: 1 when all directions hold the
	// same variance, 1/d when one holds all.
	Isotropy float64 `json:"isotropy"`
	N        int     `json:"n"`
}

// Hubness says how unequally rows are found as neighbours of others. N_k is the number of rows that have a given
// row among their k nearest; its mean is k. In high dimension some rows, hubs, are neighbours of very many, and others,
// antihubs, of none, so that no search returns them. Source: Radovanović, Nanopoulos and Ivanović 2010, JMLR 11.
type Hubness struct {
	K        int     `json:"k"`
	N        int     `json:"n"`        // rows among which neighbours were sought
	Skewness float64 `json:"skewness"` // of N_k; above 1.4 is taken for strong
	Antihubs float64 `json:"antihubs"` // share of rows with N_k = 0
	Max      int     `json:"max"`      // largest N_k
	Row      int     `json:"row"`      // the row that has it
	Counts   []int   `json:"counts"`   // rows with N_k from 0 up, in bins of Step
	Step     int     `json:"step"`
}

const (
	bins          = 40 // of histograms, at most
	defaultSample = 10_000
	defaultK      = 10
	spreadRows    = 2_000 // for the covariance, by the products of that many rows
	nearShare     = 0.01  // of the distance between two rows at random
)

// Measure measures the rows of x. Values that are not finite give vec.ErrNotFinite, no values at all vec.ErrTooFew, and more
// neighbours than there are the same. Time O(nd + s²d) for a sample of s; memory O(n + sd).
func Measure(ctx context.Context, x vec.Matrix, o Options) (*Report, error) {
	if x.Rows < 1 || x.Cols < 1 {
		return nil, fmt.Errorf("shape: there are %d rows of %d columns, nothing to measure: %w", x.Rows, x.Cols, vec.ErrTooFew)
	}
	if err := check(x); err != nil {
		return nil, err
	}
	r := &Report{Rows: x.Rows, Cols: x.Cols, Seed: o.Seed, Warnings: []string{}, Columns: columns(x)}
	first := rows.Groups(x)
	distinct := r.Copies.count(first)
	mean := r.energy(x)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	r.Spread.covariance(x.Gather(rows.Sample(x.Rows, spreadRows, o.Seed)), mean)

	sample := o.Sample
	switch {
	case sample == 0:
		sample = defaultSample
	case sample < 0:
		sample = len(distinct)
	}
	ids := rows.Sample(len(distinct), sample, o.Seed)
	for i, j := range ids {
		ids[i] = distinct[j]
	}
	r.Copies.Sampled = len(ids)
	r.Copies.NearDistance = nearShare * usual(x, ids, o.Seed)
	if len(ids) > 2 {
		if err := r.near(ctx, x.Gather(ids), ids, o); err != nil {
			return nil, err
		}
	}
	r.warn()
	return r, nil
}

// check is x.Check, and says how many rows are at fault.
func check(x vec.Matrix) error {
	err := x.Check()
	if err == nil {
		return nil
	}
	bad := 0
	if len(x.Data) == x.Rows*x.Cols {
		for i := range x.Rows {
			if x.Slice(i, i+1).Check() != nil {
				bad++
			}
		}
	}
	return fmt.Errorf("shape: %d of %d rows cannot be measured, leave them out or mend them; the first: %w", bad, x.Rows, err)
}

// count fills in the equal rows, given for each row the first that equals it, and returns the distinct ones.
func (c *Copies) count(first []int) (distinct []int) {
	size := make([]int, len(first))
	for i, f := range first {
		if size[f]++; size[f] > c.Largest {
			c.Largest = size[f]
		}
		if f == i {
			distinct = append(distinct, i)
		}
	}
	c.Row = slices.Index(size, c.Largest)
	c.Distinct, c.Equal = len(distinct), len(first)-len(distinct)
	return distinct
}

func columns(x vec.Matrix) Columns {
	c := Columns{First: []int{}}
	varies := make([]bool, x.Cols)
	for i := 1; i < x.Rows; i++ {
		for j, v := range x.Row(i) {
			if v != x.Data[j] {
				varies[j] = true
			}
		}
	}
	for j, v := range varies {
		if v {
			continue
		}
		c.Constant++
		if x.Data[j] == 0 {
			c.Zero++
		}
		if len(c.First) < 10 {
			c.First = append(c.First, j)
		}
	}
	return c
}

// energy fills in the norms, the mean cosine and the share of the mean, and returns the mean vector.
func (r *Report) energy(x vec.Matrix) []float64 {
	n := float64(x.Rows)
	var meanSquare float64 // of |x|
	mean := make([]float64, x.Cols)
	direction := make([]float64, x.Cols) // Σ x/|x|
	lengths := make([]float64, x.Rows)
	for i := range x.Rows {
		row := x.Row(i)
		var squares float64
		for _, v := range row {
			squares += float64(v) * float64(v)
		}
		lengths[i] = math.Sqrt(squares)
		meanSquare += squares / n
		if squares == 0 {
			r.Norms.Zeros++
			continue
		}
		for j, v := range row {
			mean[j] += float64(v) / n
			direction[j] += float64(v) / lengths[i]
		}
	}
	var common, sum float64
	for j, v := range mean {
		common += v * v
		sum += direction[j] * direction[j]
	}
	if meanSquare > 0 {
		r.Spread.MeanShare = min(1, common/meanSquare)
	}
	if m := n - float64(r.Norms.Zeros); m > 1 { // |Σu|² is m, each with itself, and the cosines of all pairs
		r.Spread.MeanCosine = max(-1, min(1, (sum-m)/(m*(m-1))))
	}
	r.Norms.fill(lengths)
	return mean
}

func (s *Norms) fill(lengths []float64) {
	slices.Sort(lengths)
	n := float64(len(lengths))
	at := func(q float64) float64 { return lengths[int(q*(n-1)+0.5)] }
	s.Min, s.P05, s.Median, s.P95, s.Max = at(0), at(0.05), at(0.5), at(0.95), at(1)
	for _, v := range lengths {
		s.Mean += v / n
	}
	for _, v := range lengths {
		s.SD += (v - s.Mean) * (v - s.Mean)
	}
	s.SD = math.Sqrt(s.SD / max(1, n-1))
	s.Counts = make([]int, bins)
	for _, v := range lengths {
		at := 0.0
		if s.Max > s.Min {
			at = (v - s.Min) / (s.Max - s.Min) * bins
		}
		s.Counts[min(int(at), bins-1)]++
	}
}

// covariance fills in what follows from the products of the rows of x, less mean: their matrix has the eigenvalues of the
// covariance, and the variance of what is off the diagonal is Σλ², with little bias.
func (s *Spread) covariance(x vec.Matrix, mean []float64) {
	s.N = x.Rows
	var largest float64
	for i := range x.Rows {
		for j, v := range x.Row(i) {
			largest = max(largest, math.Abs(float64(v)-mean[j]))
		}
	}
	if x.Rows < 2 || largest == 0 {
		return
	}
	for i := range x.Rows { // x is a copy
		row := x.Row(i)
		for j, v := range row {
			row[j] = float32((float64(v) - mean[j]) / largest)
		}
	}
	products := vec.MulT(vec.Matrix{}, x, x)
	n := float64(x.Rows)
	var trace, sum, squares float64 // sum and squares are those off the diagonal
	for i := range x.Rows {
		for j, v := range products.Row(i) {
			if i == j {
				trace += float64(v)
			} else {
				sum += float64(v)
				squares += float64(v) * float64(v)
			}
		}
	}
	if !(trace > 0) {
		return
	}
	s.TopShare = min(1, top(products)/trace)
	d, pairs := float64(x.Cols), n*(n-1)
	// Rows less their own mean are a little against each other: products are below 0 by their mean.
	s.Isotropy = 1
	if square := squares/pairs - (sum/pairs)*(sum/pairs); square > 0 {
		s.Isotropy = max(1/d, min(1, (trace/n)*(trace/n)/square/d))
	}
}

// top is the largest eigenvalue of a positive semidefinite matrix, by power iteration.
func top(a vec.Matrix) float64 {
	v, w := make([]float32, a.Rows), make([]float32, a.Rows)
	for i := range v { // not orthogonal to the answer, but for chance
		v[i] = 1 + float32(i%7)
	}
	var value float64
	for range 200 {
		vec.Normalize(v, v)
		vec.Dots(w, v, a.Data)
		next := float64(vec.Norm(w))
		v, w = w, v
		if math.Abs(next-value) <= 1e-6*next {
			return next
		}
		value = next
	}
	return value
}

// near fills in what neighbours show: x are the rows ids.
func (r *Report) near(ctx context.Context, x vec.Matrix, ids []int, o Options) error {
	k := o.K
	if k == 0 {
		k = min(defaultK, x.Rows-1)
	}
	level := rows.Level(x)
	t, err := neighbors.Exact(ctx, level, level, neighbors.Options{K: k, Metric: o.Metric, ExcludeSelf: true, Progress: o.Progress})
	if err != nil {
		return fmt.Errorf("shape: %w", err)
	}
	h := Hubs(t, x.Rows)
	h.Row = ids[h.Row]
	r.Hubness = &h
	for i := range x.Rows {
		found, _ := t.Row(i)
		for _, j := range found {
			if distance(x.Row(i), x.Row(int(j))) < r.Copies.NearDistance {
				r.Copies.Near++
				break
			}
		}
	}
	return nil
}

// usual is the median distance of two of the rows ids, from 1000 pairs of them: a mean would be that of the farthest rows.
func usual(x vec.Matrix, ids []int, seed uint64) float64 {
	if len(ids) < 2 {
		return 0
	}
	rng := rand.New(rand.NewPCG(seed, 0x05a1))
	d := make([]float64, 1000)
	for k := range d {
		i, j := rng.IntN(len(ids)), rng.IntN(len(ids)-1)
		if j >= i {
			j++
		}
		d[k] = distance(x.Row(ids[i]), x.Row(ids[j]))
	}
	slices.Sort(d)
	return d[len(d)/2]
}

func distance(a, b []float32) float64 {
	var s float64
	for i, v := range a {
		d := float64(v) - float64(b[i])
		s += d * d
	}
	return math.Sqrt(s)
}

// Hubs returns the hubness of n rows from the table of their neighbours among themselves. Row is a row of the table.
func Hubs(t neighbors.Table, n int) Hubness {
	h := Hubness{K: t.K, N: n}
	counts := make([]int, n)
	for _, id := range t.IDs {
		counts[id]++
	}
	mean := float64(len(t.IDs)) / float64(n)
	var second, third float64
	none := 0
	for i, c := range counts {
		d := float64(c) - mean
		second += d * d / float64(n)
		third += d * d * d / float64(n)
		if c == 0 {
			none++
		}
		if c > h.Max {
			h.Max, h.Row = c, i
		}
	}
	h.Antihubs = float64(none) / float64(n)
	if second > 0 {
		h.Skewness = third / math.Pow(second, 1.5)
	}
	h.Step = h.Max/bins + 1
	h.Counts = make([]int, h.Max/h.Step+1)
	for _, c := range counts {
		h.Counts[c/h.Step]++
	}
	return h
}

// warn says what a user should know before indexing.
func (r *Report) warn() {
	say := func(format string, a ...any) { r.Warnings = append(r.Warnings, fmt.Sprintf(format, a...)) }
	share := func(n int) float64 { return 100 * float64(n) / float64(r.Rows) }
	if r.Norms.Zeros > 0 {
		say("Zero vectors: %d of %d rows (%.2g %%). They have no direction: leave them out if you compare by cosine.", r.Norms.Zeros, r.Rows, share(r.Norms.Zeros))
	}
	if r.Copies.Distinct == 1 {
		if r.Rows > 1 {
			say("All rows are equal.")
		}
		return
	}
	if c := r.Copies; c.Equal > 0 {
		say("Rows that repeat others: %d of %d (%.2g %%); row %d occurs %d times. Copies crowd out other neighbours: store each once.", c.Equal, r.Rows, share(c.Equal), c.Row, c.Largest)
	}
	if c := r.Copies; c.Near > c.Sampled/100 {
		say("Rows with a near copy, at less than a hundredth of the usual distance: %d of %d sampled. They bias dimensions down and make recall look easy.", c.Near, c.Sampled)
	}
	if c := r.Columns; c.Constant > 0 {
		say("Constant columns: %d of %d (%d of zeros), the first is column %d. They carry nothing: PCA drops them.", c.Constant, r.Cols, c.Zero, c.First[0])
	}
	switch n := r.Norms; {
	case n.SD <= 1e-3*n.Mean:
		say("All vectors have length %.4g: cosine, inner product and Euclidean distance rank alike.", n.Mean)
	case n.SD > 0.1*n.Mean:
		say("Norms vary, from %.3g to %.3g for nine tenths of the rows: if only direction means something, use cosine or normalise.", n.P05, n.P95)
	}
	if s := r.Spread; s.MeanCosine > 0.3 {
		say("The vectors point in a common direction: two rows have a cosine of %.2f on average, and %.0f %% of the energy is in their mean. Subtract the mean before you quantise, or compare by cosine.", s.MeanCosine, 100*s.MeanShare)
	}
	if s := r.Spread; s.TopShare > 0.5 && r.Cols > 2 {
		say("One direction holds %.0f %% of the variance. See whether it means anything: it decides most distances.", 100*s.TopShare)
	}
	if h := r.Hubness; h != nil && h.Skewness > 1.4 {
		say("Hubs: row %d is among the %d nearest of %d others, and %.0f %% of the rows are among nobody's. Centring, or cosine, often helps.", h.Row, h.K, h.Max, 100*h.Antihubs)
	}
}
