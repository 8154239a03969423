// Package entropy says how many directions or clusters a representation really uses, and how much it knows about
// labels, in bits, robustly to noise: diffusion spectral entropy (DSE) and mutual information (DSMI).
//
//	r, err := entropy.DSE(ctx, x, entropy.Options{})           // r.EntropyBits, r.Verdict
//	m, err := entropy.DSMI(ctx, x, labels, entropy.Options{})  // m.Bits, m.Verdict
//
// Both take the random walk that steps from row to row, to near ones rather than far ones, and the entropy of its
// eigenvalues: noise makes many small eigenvalues, structure a few large ones. Source: Liao, Liu et al. 2024,
// arXiv 2312.04823. Figures compare only at the same number of rows, bandwidth and T, so results name them.
package entropy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"

	"github.com/latent-go/latent/measure/internal/rows"
	"github.com/latent-go/latent/measure/spectral"
	"github.com/latent-go/latent/vec"
)

// ErrSolve says that eigenvalues could not be computed, which finite rows do not cause as a rule.
var ErrSolve = errors.New("eigenvalues did not converge")

// PaperSigma is the bandwidth of the paper, which suits rows a distance of 10 to 50 apart.
const PaperSigma = 10

// Options say how the random walk is built. The zero Options are recommended for vectors of any scale.
type Options struct {
	Sigma     float64 // bandwidth of the Gaussian kernel, in units of the rows; 0 means the median distance between them
	T         int     // steps of the walk: powers of the eigenvalues; 0 means 1
	Alpha     float64 // how far the density of rows is divided out first: 0, as the paper's code, to 1; its text has 0.5
	Normalize bool    // scale rows to length 1 first
	MaxRows   int     // rows at most, drawn at random; 0 means 1500. Time grows with its cube: 2000 take about 5 s
	Draws     int     // samples that DSE averages when it draws; 0 means 3
	Subsets   int     // random subsets that DSMI compares each class with; 0 means 5
	Seed      uint64  // of what is drawn: same seed, same result
	// Progress, if not nil, is told how many sets of eigenvalues are done; from one goroutine.
	Progress func(done, total int) `json:"-"`
}

func (o Options) filled() (Options, error) {
	if !(o.Sigma >= 0) || math.IsInf(o.Sigma, 1) || !(o.Alpha >= 0 && o.Alpha <= 1) || o.T < 0 || o.MaxRows < 0 || o.Draws < 0 || o.Subsets < 0 {
		return o, fmt.Errorf("entropy: sigma %v, alpha %v, t %d, rows %d, draws %d, subsets %d: want none negative and alpha at most 1: %w",
			o.Sigma, o.Alpha, o.T, o.MaxRows, o.Draws, o.Subsets, vec.ErrNotFinite)
	}
	for p, v := range map[*int]int{&o.T: 1, &o.MaxRows: 1500, &o.Draws: 3, &o.Subsets: 5} {
		if *p == 0 {
			*p = v
		}
	}
	return o, nil
}

// Setting is what a figure depends on beside the rows themselves.
type Setting struct {
	Rows       int     `json:"rows"`  // rows in each set of eigenvalues
	Total      int     `json:"total"` // rows given
	Sigma      float64 `json:"sigma"`
	SigmaRule  string  `json:"sigma_rule"` // "given" or "median distance"
	T          int     `json:"t"`
	Alpha      float64 `json:"alpha"`
	Normalized bool    `json:"normalized"`
	Seed       uint64  `json:"seed"`
}

// Result is a diffusion spectral entropy.
type Result struct {
	EntropyBits float64   `json:"entropy_bits"`
	SD          float64   `json:"sd"` // standard deviation over draws; 0 if all rows took part
	Draws       int       `json:"draws"`
	MaxBits     float64   `json:"max_bits"`    // log2 of the rows: every row far from every other
	Effective   float64   `json:"effective"`   // 2^EntropyBits: as many clusters, far apart, have this entropy
	Large       float64   `json:"large"`       // share of eigenvalues above 0.01 once powered: the paper's rule of thumb for T is about 1 %
	Eigenvalues []float64 `json:"eigenvalues"` // of the walk, not powered, largest first; of the first draw
	Setting
	Verdict string   `json:"verdict"`
	Notes   []string `json:"notes,omitempty"`
}

// DSE is the diffusion spectral entropy of the rows of x: from 0, all alike, to log2 n, all far apart. Fewer than 2
// rows give vec.ErrTooFew, zero rows under Normalize vec.ErrZero, equal rows throughout without a Sigma vec.ErrZero.
// It grows with the rows looked at: ten Gaussian clusters in 512 columns have 3.22, 3.29, 3.35 bits in draws of 500, 1000
// and 1500 (TestSampling), and 3.46 in 6000.
// Time O(rows³ + rows²·d) a draw, memory O(rows²).
func DSE(ctx context.Context, x vec.Matrix, o Options) (*Result, error) {
	o, err := o.filled()
	if err != nil {
		return nil, err
	}
	if x, err = prepared(x, 2, o); err != nil {
		return nil, err
	}
	r := &Result{Draws: o.Draws}
	if x.Rows <= o.MaxRows {
		r.Draws = 1
	}
	bits := make([]float64, r.Draws)
	for i := range bits {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		d := distances(x.Gather(rows.Sample(x.Rows, o.MaxRows, o.Seed+uint64(i))))
		if i == 0 {
			if r.Setting, err = setting(d, x.Rows, o); err != nil {
				return nil, err
			}
		}
		values, err := walk(d, r.Sigma, o.Alpha)
		if err != nil {
			return nil, err
		}
		bits[i] = entropyBits(values, o.T)
		if i == 0 {
			r.Eigenvalues = values
			for _, v := range values {
				if math.Pow(math.Abs(v), float64(o.T)) > .01 {
					r.Large += 1 / float64(len(values))
				}
			}
		}
		if o.Progress != nil {
			o.Progress(i+1, len(bits))
		}
	}
	if r.EntropyBits = bits[0]; len(bits) > 1 {
		r.EntropyBits, r.SD = stat.MeanStdDev(bits, nil)
	}
	r.MaxBits, r.Effective = math.Log2(float64(r.Rows)), math.Exp2(r.EntropyBits)
	r.judge()
	return r, nil
}

// judge writes Verdict and Notes.
func (r *Result) judge() {
	r.Verdict = fmt.Sprintf("%d rows are as diverse as %.1f clusters far apart: %.2f of at most %.2f bits, at bandwidth %.3g and t = %d.",
		r.Rows, r.Effective, r.EntropyBits, r.MaxBits, r.Sigma, r.T)
	switch {
	case r.EntropyBits < .05:
		r.Notes = append(r.Notes, "At this bandwidth all rows look the same. Unless they are, take a smaller one.")
	case r.EntropyBits > .97*r.MaxBits:
		r.Notes = append(r.Notes, "At this bandwidth every row stands alone. Unless that is so, take a larger one.")
	}
	if r.Rows < r.Total {
		r.Notes = append(r.Notes, fmt.Sprintf("The mean of %d draws of %d out of %d rows, standard deviation %.3f bits. Entropy grows with rows: compare only with other figures of %d rows.",
			r.Draws, r.Rows, r.Total, r.SD, r.Rows))
	}
}

// prepared checks x and normalises it if asked to.
func prepared(x vec.Matrix, least int, o Options) (vec.Matrix, error) {
	if err := x.Check(); err != nil {
		return x, fmt.Errorf("entropy: %w", err)
	}
	if x.Rows < least {
		return x, fmt.Errorf("entropy: %d rows, want at least %d: %w", x.Rows, least, vec.ErrTooFew)
	}
	if o.Normalize {
		x = x.Clone()
		for i := range x.Rows {
			if vec.Normalize(x.Row(i), x.Row(i)) == 0 {
				return x, fmt.Errorf("entropy: row %d is zero and cannot be scaled to length 1: %w", i, vec.ErrZero)
			}
		}
	}
	return x, nil
}

// setting decides the bandwidth.
func setting(d *mat.SymDense, total int, o Options) (Setting, error) {
	n := d.SymmetricDim()
	s := Setting{Rows: n, Total: total, Sigma: o.Sigma, SigmaRule: "given", T: o.T, Alpha: o.Alpha, Normalized: o.Normalize, Seed: o.Seed}
	if o.Sigma == 0 {
		upper := make([]float64, 0, n*(n-1)/2)
		for i := range n {
			upper = append(upper, d.RawSymmetric().Data[i*n+i+1:(i+1)*n]...)
		}
		slices.Sort(upper)
		s.Sigma, s.SigmaRule = math.Sqrt(upper[len(upper)/2]), "median distance"
		if s.Sigma == 0 {
			return s, fmt.Errorf("entropy: half of the distances between rows are 0, so their median is no bandwidth; set Sigma: %w", vec.ErrZero)
		}
	}
	return s, nil
}

// distances returns squared Euclidean distances: differences squared, so that a common offset costs no digits.
func distances(x vec.Matrix) *mat.SymDense {
	d := mat.NewSymDense(x.Rows, nil)
	_ = vec.Blocks(context.Background(), x.Rows, 16, func(lo, hi int) error {
		line := make([]float64, x.Rows)
		for i := lo; i < hi; i++ {
			rows.SquaredL2s(line[i:], x.Row(i), x.Data[i*x.Cols:])
			for j := i; j < x.Rows; j++ {
				d.SetSym(i, j, line[j])
			}
		}
		return nil
	})
	return d
}

// walk returns the eigenvalues of the random walk, largest first. With G the Gaussian kernel and W its row sums,
// G ← W^-α G W^-α, then W^-½ G W^-½ with the new row sums, which has the eigenvalues of W⁻¹G.
func walk(d *mat.SymDense, sigma, alpha float64) ([]float64, error) {
	n := d.SymmetricDim()
	g := mat.NewSymDense(n, nil)
	for i := range n {
		for j := i; j < n; j++ {
			g.SetSym(i, j, vec.Exp(-d.At(i, j)/sigma/sigma/2))
		}
	}
	if alpha > 0 {
		divide(g, alpha)
	}
	divide(g, .5)
	return eigenvalues(g)
}

// divide scales entry i,j by (WᵢWⱼ)^-power, W being row sums.
func divide(g *mat.SymDense, power float64) {
	n := g.SymmetricDim()
	f := make([]float64, n)
	for i := range n {
		for j := range n {
			f[i] += g.At(i, j)
		}
		f[i] = math.Pow(f[i], -power)
	}
	for i := range n {
		for j := i; j < n; j++ {
			g.SetSym(i, j, g.At(i, j)*f[i]*f[j])
		}
	}
}

func eigenvalues(g *mat.SymDense) ([]float64, error) {
	var e mat.EigenSym
	if !e.Factorize(g, false) {
		return nil, fmt.Errorf("entropy: %d rows: %w", g.SymmetricDim(), ErrSolve)
	}
	v := e.Values(nil)
	slices.SortFunc(v, func(a, b float64) int { return cmp.Compare(b, a) })
	return v, nil
}

// entropyBits is -Σ α log2 α with α = |λ|^t/Σ|λ|^t.
func entropyBits(values []float64, t int) float64 {
	total := 0.0
	p := make([]float64, len(values))
	for i, v := range values {
		p[i] = math.Pow(math.Abs(v), float64(t))
		total += p[i]
	}
	bits := 0.0
	for _, v := range p {
		if v > 0 {
			bits -= v / total * math.Log2(v/total)
		}
	}
	return max(bits, 0)
}

// MI is a diffusion spectral mutual information.
type MI struct {
	Bits      float64 `json:"bits"`       // can be a little below 0
	Noise     float64 `json:"noise"`      // standard deviation of what labels dealt at random would give, around 0
	LabelBits float64 `json:"label_bits"` // entropy of the labels
	Classes   []Class `json:"classes"`
	Small     []int   `json:"small,omitempty"` // labels of fewer than ten rows, whose classes say little
	Setting
	Verdict string   `json:"verdict"`
	Notes   []string `json:"notes,omitempty"`
}

// Class is one label's part.
type Class struct {
	Label       int     `json:"label"`
	Rows        int     `json:"rows"`
	EntropyBits float64 `json:"entropy_bits"` // of its rows
	AnyBits     float64 `json:"any_bits"`     // of as many rows of any label: mean over subsets
	AnySD       float64 `json:"any_sd"`
}

// DSMI is how much less diverse the rows of x become once their label is known: Σ n_c/n (S(any n_c rows) - S(class c)).
// Each class is compared with random subsets of its own size, since entropy grows with the number of rows; the subsets
// of all classes come from one stream. labels has one entry a row, from [Bin] or [Cluster] if what is known is a number
// or a vector. Another number of labels than rows gives vec.ErrDim, a single class vec.ErrTooFew.
// Time O(Σ n_c³·Subsets + n²d), memory O(n²), for n up to MaxRows.
func DSMI(ctx context.Context, x vec.Matrix, labels []int, o Options) (*MI, error) {
	o, err := o.filled()
	if err != nil {
		return nil, err
	}
	if len(labels) != x.Rows {
		return nil, fmt.Errorf("entropy: %d labels for %d rows: %w", len(labels), x.Rows, vec.ErrDim)
	}
	if x, err = prepared(x, 2, o); err != nil {
		return nil, err
	}
	ids := rows.Sample(x.Rows, o.MaxRows, o.Seed)
	members := map[int][]int{}
	for i, id := range ids {
		members[labels[id]] = append(members[labels[id]], i)
	}
	if len(members) < 2 {
		return nil, fmt.Errorf("entropy: all %d rows have the label %d, want two labels at least: %w", len(ids), labels[ids[0]], vec.ErrTooFew)
	}
	d := distances(x.Gather(ids))
	m := &MI{}
	if m.Setting, err = setting(d, x.Rows, o); err != nil {
		return nil, err
	}
	part := func(ids []int) (float64, error) {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		sub := mat.NewSymDense(len(ids), nil)
		for i, a := range ids {
			for j := i; j < len(ids); j++ {
				sub.SetSym(i, j, d.At(a, ids[j]))
			}
		}
		v, err := walk(sub, m.Sigma, o.Alpha)
		return entropyBits(v, o.T), err
	}
	rng := rand.New(rand.NewPCG(o.Seed, 0xd531))
	names := make([]int, 0, len(members))
	for l := range members {
		names = append(names, l)
	}
	slices.Sort(names)
	variance, done := 0.0, 0
	for _, l := range names {
		c := Class{Label: l, Rows: len(members[l])}
		if c.EntropyBits, err = part(members[l]); err != nil {
			return nil, err
		}
		any := make([]float64, o.Subsets)
		for i := range any {
			if any[i], err = part(rng.Perm(len(ids))[:c.Rows]); err != nil {
				return nil, err
			}
		}
		if c.AnyBits = any[0]; len(any) > 1 {
			c.AnyBits, c.AnySD = stat.MeanStdDev(any, nil)
		}
		share := float64(c.Rows) / float64(len(ids))
		m.Bits += share * (c.AnyBits - c.EntropyBits)
		m.LabelBits -= share * math.Log2(share)
		variance += share * share * c.AnySD * c.AnySD * (1 + 1/float64(o.Subsets))
		m.Classes = append(m.Classes, c)
		if done++; o.Progress != nil {
			o.Progress(done, len(names))
		}
	}
	m.Noise = math.Sqrt(variance)
	m.judge()
	return m, nil
}

// judge writes Verdict and Notes.
func (m *MI) judge() {
	switch {
	case m.Bits < 3*m.Noise || m.Bits < .02:
		m.Verdict = fmt.Sprintf("Knows next to nothing of the labels: %.3f bits, where labels dealt at random give 0 ± %.3f.", m.Bits, m.Noise)
	case m.Bits < .5*m.LabelBits:
		m.Verdict = fmt.Sprintf("Knows something of the labels: %.2f bits (chance gives 0 ± %.3f; well separated classes of no other structure would give about %.2f).", m.Bits, m.Noise, m.LabelBits)
	default:
		m.Verdict = fmt.Sprintf("The labels are what much of its diversity is about: %.2f bits (chance gives 0 ± %.3f; well separated classes of no other structure would give about %.2f).", m.Bits, m.Noise, m.LabelBits)
	}
	if m.Rows < m.Total {
		m.Notes = append(m.Notes, fmt.Sprintf("From %d of %d rows drawn at random; compare only with figures of %d rows.", m.Rows, m.Total, m.Rows))
	}
	for _, c := range m.Classes {
		if c.Rows < 10 {
			m.Small = append(m.Small, c.Label)
		}
	}
}

// Bin turns numbers into labels: bins of equal width from the smallest to the largest. The paper has 10. Constant
// values give vec.ErrZero.
func Bin(values []float64, bins int) ([]int, error) {
	if bins < 2 || len(values) == 0 {
		return nil, fmt.Errorf("entropy: %d bins of %d values, want at least 2 of 1: %w", bins, len(values), vec.ErrTooFew)
	}
	lo, hi := math.Inf(1), math.Inf(-1)
	for i, v := range values {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, fmt.Errorf("entropy: value %d is %v: %w", i, v, vec.ErrNotFinite)
		}
		lo, hi = min(lo, v), max(hi, v)
	}
	if lo == hi {
		return nil, fmt.Errorf("entropy: all values are %v, so bins say nothing: %w", lo, vec.ErrZero)
	}
	out := make([]int, len(values))
	for i, v := range values {
		out[i] = min(int((v-lo)/(hi-lo)*float64(bins)), bins-1)
	}
	return out, nil
}

// Cluster turns vectors, such as a network's inputs, into k labels by spectral clustering of the graph of the
// neighbours nearest to each row. The paper has 10 labels and 9 neighbours, and makes them once for all checkpoints.
func Cluster(ctx context.Context, y vec.Matrix, k, neighbours int, seed uint64) ([]int, error) {
	if err := y.Check(); err != nil {
		return nil, fmt.Errorf("entropy: cluster: %w", err)
	}
	g, err := spectral.Nearest(ctx, rows.Level(y), neighbours)
	if err != nil {
		return nil, fmt.Errorf("entropy: cluster: %w", err)
	}
	labels, err := g.Cluster(ctx, k, seed)
	if err != nil {
		return nil, fmt.Errorf("entropy: cluster: %w", err)
	}
	return labels, nil
}

// CSE is the classic contrast: each column cut into bins of equal width, and the Shannon entropy in bits of the cells
// that rows fall into. Constant columns count as one bin. In many dimensions nearly every row has a cell of its own,
// and it says log2 n whatever the rows are.
func CSE(x vec.Matrix, bins int) (float64, error) {
	if err := x.Check(); err != nil {
		return 0, fmt.Errorf("entropy: %w", err)
	}
	if x.Rows == 0 || bins < 2 || bins > 256 {
		return 0, fmt.Errorf("entropy: %d rows in %d bins a column, want at least 1 row and 2 to 256 bins: %w", x.Rows, bins, vec.ErrTooFew)
	}
	lo, hi := slices.Clone(x.Row(0)), slices.Clone(x.Row(0))
	for i := range x.Rows {
		for j, v := range x.Row(i) {
			lo[j], hi[j] = min(lo[j], v), max(hi[j], v)
		}
	}
	cells, cell := map[string]int{}, make([]byte, x.Cols)
	for i := range x.Rows {
		for j, v := range x.Row(i) {
			cell[j] = 0
			if hi[j] > lo[j] {
				f := (float64(v) - float64(lo[j])) / (float64(hi[j]) - float64(lo[j]))
				cell[j] = byte(min(int(f*float64(bins)), bins-1))
			}
		}
		cells[string(cell)]++
	}
	counts := make([]float64, 0, len(cells))
	for _, c := range cells {
		counts = append(counts, float64(c))
	}
	slices.Sort(counts) // a map has no order, and sums depend on it in the last digit
	return entropyBits(counts, 1), nil
}

// ASE is DSE without the walk: the entropy in bits of the eigenvalues of the Gaussian kernel itself, on rows drawn as
// DSE draws its first. The paper's ablation.
func ASE(ctx context.Context, x vec.Matrix, o Options) (float64, Setting, error) {
	o, err := o.filled()
	if err != nil {
		return 0, Setting{}, err
	}
	if x, err = prepared(x, 2, o); err != nil {
		return 0, Setting{}, err
	}
	if err := ctx.Err(); err != nil {
		return 0, Setting{}, err
	}
	d := distances(x.Gather(rows.Sample(x.Rows, o.MaxRows, o.Seed)))
	s, err := setting(d, x.Rows, o)
	if err != nil {
		return 0, s, err
	}
	n := d.SymmetricDim()
	for i := range n {
		for j := i; j < n; j++ {
			d.SetSym(i, j, vec.Exp(-d.At(i, j)/s.Sigma/s.Sigma/2))
		}
	}
	v, err := eigenvalues(d)
	return entropyBits(v, 1), s, err
}
