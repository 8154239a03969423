// Package pca maps vectors to fewer dimensions along the directions in which they vary most: principal component
// analysis.
//
//	m, err := pca.Fit(ctx, x, pca.Options{Components: 110}) // or Variance: 0.95
//	y := m.Apply(vec.Matrix{}, x)                           // n×110
//	back := m.Inverse(vec.Matrix{}, y)                      // n×d, x but for what the other directions held
//
// Euclidean distances between mapped vectors are those between the vectors, less what the dropped directions add.
// [Accumulator] fits data that does not fit into memory.
package pca

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/latent-go/latent/artifact"
	"github.com/latent-go/latent/vec"
)

// Options say what Fit keeps and how it computes. The zero Options keep every component, exactly.
type Options struct {
	Components int     // directions to keep, at most min(n, d); 0 leaves it to Variance
	Variance   float64 // keep the fewest directions that explain this share, 0 to 1, of the variance; 0 keeps all
	Whiten     bool    // scale what Apply returns to variance 1 in each direction

	// Uncentered is for inner products, which a shift of the vectors would change: the mean is taken to be zero, and
	// variances are mean squares.
	Uncentered bool

	Solver   Solver
	Seed     uint64                // of the randomised solver: same seed, same result
	Progress func(done, total int) // rows read, if not nil
}

// Solver is how the directions are found.
type Solver uint8

const (
	// Auto is Exact up to min(n, d) = 2048, and beyond for more than an eighth of the components, else Randomized.
	Auto Solver = iota
	// Exact takes the eigenvectors of the covariance if n ≥ d, else of the rows' inner products.
	Exact
	// Randomized looks for the leading directions in a random subspace, somewhat wider than wanted and turned toward
	// them in four passes over the data: Halko, Martinsson, Tropp 2011, SIAM Review 53:217, algorithm 4.4, with the
	// variances from the covariance within the subspace. Those are never too large, and close where the variances
	// fall. Memory O((k+10)·d) beside the data, time O(n·d·k).
	Randomized
)

// String is the solver's name: auto, exact, randomized.
func (s Solver) String() string {
	if int(s) < len(solverNames) {
		return solverNames[s]
	}
	return fmt.Sprintf("Solver(%d)", uint8(s))
}

var solverNames = [...]string{"auto", "exact", "randomized"}

var (
	errNoConvergence = errors.New("pca: the eigenvalues did not converge")
	errTooLarge      = fmt.Errorf("pca: the squares of values are too large for float32; scale them down: %w", vec.ErrNotFinite)
)

// Map is a fitted PCA: (x-mean)·Vᵀ, V the orthonormal directions. It is immutable and safe for concurrent use.
type Map struct {
	mean       []float64
	components vec.Matrix // k×d, orthonormal rows
	variances  []float64  // of the data along each, falling
	total      float64    // variance of the data in all directions
	whiten     bool

	forward  vec.Matrix // k×d: components, scaled if the map whitens
	offset   []float32  // mean·forwardᵀ
	backward vec.Matrix // d×k: undoes forward, but for what it dropped
}

// Fit finds the directions in which the rows of x, n×d, vary most. Fewer than two rows and more Components than
// min(n, d) give vec.ErrTooFew, values that are not finite, or whose squares are not, vec.ErrNotFinite. Products of
// centred rows are summed in float32 over 384 rows and in float64 beyond, so variances are good to about 1e-6 of the
// largest. Time O(n·d·min(n, d)) for the exact solver. The result does not depend on the number of processors.
func Fit(ctx context.Context, x vec.Matrix, o Options) (*Map, error) {
	least := min(x.Rows, x.Cols)
	solver := o.Solver
	if solver == Auto {
		solver = Exact
		if least > 2048 && o.Components > 0 && o.Components <= least/8 {
			solver = Randomized
		}
	}
	// One pass over x is enough where values that are not finite are found in the mean.
	onePass := solver == Exact && x.Rows >= x.Cols && len(x.Data) == x.Rows*x.Cols
	if !onePass {
		if err := x.Check(); err != nil {
			return nil, fmt.Errorf("pca: %w", err)
		}
	}
	if err := o.check(x.Rows, x.Cols); err != nil {
		return nil, err
	}
	switch {
	case solver == Randomized:
		return fitRandomized(ctx, x, o)
	case x.Rows < x.Cols:
		return fitRows(ctx, x, o)
	}
	a := NewAccumulator(x.Cols)
	if err := a.add(ctx, x, o.Progress); err != nil {
		return nil, err
	}
	a.flush()
	if slices.ContainsFunc(a.mean, notFinite) {
		if err := x.Check(); err != nil {
			return nil, fmt.Errorf("pca: %w", err)
		}
	}
	return a.Fit(ctx, o)
}

// check says whether o can be met by n rows of d values.
func (o Options) check(n, d int) error {
	switch {
	case n < 2 || d < 1:
		return fmt.Errorf("pca: %d rows of %d values have no directions; want 2 rows or more: %w", n, d, vec.ErrTooFew)
	case o.Components < 0:
		return fmt.Errorf("pca: Components is %d; want 0, for all, or more", o.Components)
	case o.Components > min(n, d):
		return fmt.Errorf("pca: %d components wanted of %d rows of %d values, which have at most %d: %w",
			o.Components, n, d, min(n, d), vec.ErrTooFew)
	case !(o.Variance >= 0 && o.Variance <= 1):
		return fmt.Errorf("pca: Variance is %v; want a share of the variance, from 0 to 1", o.Variance)
	case o.Components > 0 && o.Variance > 0:
		return fmt.Errorf("pca: both Components, %d, and Variance, %v; want one of them", o.Components, o.Variance)
	case o.Solver > Randomized:
		return fmt.Errorf("pca: no %v; the solvers are auto, exact and randomized", o.Solver)
	case o.Solver == Randomized && o.Components == 0:
		return errors.New("pca: the randomised solver wants a number of Components; only the exact one knows all variances")
	}
	return nil
}

// wanted returns how many components to keep, of at most most, given their variances.
func (o Options) wanted(values []float64, most int) int {
	switch {
	case o.Components > 0:
		return o.Components
	case o.Variance == 0:
		return most
	}
	var total, sum float64
	for _, v := range values {
		total += max(v, 0)
	}
	for i, v := range values[:most] {
		// What is missing from the whole by rounding is not worth a component.
		if sum += max(v, 0); sum >= o.Variance*total*(1-1e-9) {
			return i + 1
		}
	}
	return most
}

// meanOf returns the mean that Apply is to subtract.
func (o Options) meanOf(x vec.Matrix) []float64 {
	if o.Uncentered {
		return make([]float64, x.Cols)
	}
	return columnMeans(x)
}

// newMap returns the map along the rows of components, which it keeps, given the eigenvalues of the scatter of n rows
// and its trace. It gives them the signs that the package fixes: the largest loading of a direction, the first of
// equals, is positive.
func newMap(mean []float64, components vec.Matrix, values []float64, trace float64, n int, o Options) *Map {
	freedom := float64(n - 1)
	if o.Uncentered {
		freedom = float64(n)
	}
	m := &Map{mean: mean, components: components, total: trace / freedom, whiten: o.Whiten}
	for _, v := range values {
		m.variances = append(m.variances, max(v, 0)/freedom) // less than zero is rounding
	}
	for i := range components.Rows {
		row := components.Row(i)
		top := 0
		for j, v := range row {
			if math.Abs(float64(v)) > math.Abs(float64(row[top])) {
				top = j
			}
		}
		if row[top] < 0 {
			for j := range row {
				row[j] = -row[j]
			}
		}
	}
	m.prepare()
	return m
}

// rounding is the part of the largest variance below which a direction's variance is taken to be rounding. To scale
// rounding up to variance 1 helps nobody: a map that whitens gives 0 there.
const rounding = 1e-7

// prepare makes the matrices that Apply and Inverse multiply by.
func (m *Map) prepare() {
	k, d := m.components.Rows, m.components.Cols
	m.forward = m.components
	if m.whiten {
		m.forward = m.components.Clone()
	}
	m.offset = make([]float32, k)
	m.backward = vec.NewMatrix(d, k)
	for i := range k {
		down, up := 1.0, 1.0
		if m.whiten {
			up = math.Sqrt(m.variances[i])
			down = 0
			if m.variances[i] > rounding*m.variances[0] {
				down = 1 / up
			}
		}
		row := m.forward.Row(i)
		var offset float64
		for j, v := range m.components.Row(i) {
			m.backward.Data[j*k+i] = float32(float64(v) * up)
			if m.whiten {
				row[j] = float32(float64(v) * down)
			}
			offset += float64(row[j]) * m.mean[j]
		}
		m.offset[i] = float32(offset)
	}
}

// InDim is the dimension of the vectors that Apply takes.
func (m *Map) InDim() int { return m.components.Cols }

// OutDim is the number of components.
func (m *Map) OutDim() int { return m.components.Rows }

// String is the map's part of a plan, such as "pca:110".
func (m *Map) String() string {
	s := fmt.Sprintf("pca:%d", m.OutDim())
	if m.whiten {
		s += ",whiten"
	}
	return s
}

// Mean returns the mean of the data, which Apply subtracts.
func (m *Map) Mean() []float32 { return narrow(make([]float32, len(m.mean)), m.mean) }

// Components returns the directions, one a row, orthonormal: a view, not to be written to.
func (m *Map) Components() vec.Matrix { return m.components }

// Variances returns the variance of the data along each direction, falling; the divisor is n-1, or n if Uncentered.
func (m *Map) Variances() []float64 { return slices.Clone(m.variances) }

// TotalVariance is the variance of the data in all directions, kept or not.
func (m *Map) TotalVariance() float64 { return m.total }

// Ratios returns the share of TotalVariance along each direction; 0 for data that does not vary.
func (m *Map) Ratios() []float64 {
	out := make([]float64, len(m.variances))
	if m.total > 0 {
		for i, v := range m.variances {
			out[i] = v / m.total
		}
	}
	return out
}

// Apply maps the rows of x, n×InDim, to dst, n×OutDim, and returns dst; a zero dst is allocated. Other shapes panic.
// The mean is subtracted from the products, not from x, so the result is good to rounding of x, not of x-mean. A single
// row costs no allocation.
func (m *Map) Apply(dst, x vec.Matrix) vec.Matrix {
	if x.Cols != m.InDim() {
		panic(fmt.Sprintf("pca: %d dimensions given to a map of %d", x.Cols, m.InDim()))
	}
	dst = dst.Shaped(x.Rows, m.OutDim())
	if x.Rows == 1 {
		vec.Dots(dst.Data, x.Data, m.forward.Data)
	} else {
		vec.MulT(dst, x, m.forward)
	}
	for i := range dst.Rows {
		for j, v := range dst.Row(i) {
			dst.Data[i*dst.Cols+j] = v - m.offset[j]
		}
	}
	return dst
}

// Inverse maps the rows of y, n×OutDim, to the vectors, n×InDim, that Apply maps to them and that lie nearest to the
// mean. A zero dst is allocated. Other shapes panic.
func (m *Map) Inverse(dst, y vec.Matrix) vec.Matrix {
	if y.Cols != m.OutDim() {
		panic(fmt.Sprintf("pca: %d dimensions given to the inverse of a map to %d", y.Cols, m.OutDim()))
	}
	dst = vec.MulT(dst.Shaped(y.Rows, m.InDim()), y, m.backward)
	for i := range dst.Rows {
		row := dst.Row(i)
		for j, v := range m.mean {
			row[j] += float32(v)
		}
	}
	return dst
}

const kind = "map.pca"

type header struct {
	In, Out int
	Total   float64
	Whiten  bool
}

// WriteTo writes the map as an artifact, which Read reads.
func (m *Map) WriteTo(w io.Writer) (int64, error) {
	return artifact.Write(w, kind, 1,
		artifact.JSON("header", header{m.InDim(), m.OutDim(), m.total, m.whiten}),
		artifact.Numbers("mean", m.mean),
		artifact.Numbers("components", m.components.Data),
		artifact.Numbers("variances", m.variances))
}

// Read reads the map that WriteTo wrote, and not a byte further. What does not read as one gives
// *artifact.CorruptError.
func Read(r io.Reader) (*Map, error) {
	f, err := artifact.Read(r, kind, 1)
	if err != nil {
		return nil, err
	}
	var h header
	if err := f.Decode("header", &h); err != nil {
		return nil, err
	}
	m := &Map{total: h.Total, whiten: h.Whiten}
	if m.mean, err = artifact.Slice[float64](f, "mean"); err != nil {
		return nil, err
	}
	if m.variances, err = artifact.Slice[float64](f, "variances"); err != nil {
		return nil, err
	}
	m.components.Rows, m.components.Cols = h.Out, h.In
	if m.components.Data, err = artifact.Slice[float32](f, "components"); err != nil {
		return nil, err
	}
	if h.Out < 1 || h.Out > h.In || len(m.mean) != h.In || len(m.variances) != h.Out || len(m.components.Data) != h.In*h.Out {
		return nil, f.Reject("a map from %d to %d dimensions with a mean of %d, %d variances, and %d numbers in its directions",
			h.In, h.Out, len(m.mean), len(m.variances), len(m.components.Data))
	}
	if err := m.components.Check(); err != nil {
		return nil, f.Reject("its directions: %v", err)
	}
	for _, s := range [][]float64{m.mean, m.variances, {m.total}} {
		for i, v := range s {
			if notFinite(v) {
				return nil, f.Reject("number %d of its mean or variances is %v", i, v)
			}
		}
	}
	if slices.Min(m.variances) < 0 {
		return nil, f.Reject("a variance is negative")
	}
	m.prepare()
	return m, nil
}

func notFinite(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) }

func narrow(dst []float32, src []float64) []float32 {
	for i, v := range src {
		dst[i] = float32(v)
	}
	return dst
}
