// Package dimension measures how many dimensions data really has: the intrinsic dimension of the manifold that the
// rows of a matrix lie near, by several estimators that fail in different ways, and the spectrum of their covariance.
//
//	r, err := dimension.Measure(ctx, x, dimension.Options{})
//	fmt.Println(r.Summary) // intrinsic dimension ≈ 9.8 (9.2 to 10.4) of 64 columns …
//
// Each estimator is also a function of its own: [TwoNN], [MLE], [MOM], [Correlation], [DANCo], [FisherS], and [LID] for
// every row. All of them but FisherS look at distances to near neighbours, so they are unchanged by a shift, a
// rotation or a common scale of the data. Equal rows count once: a copy says nothing about dimension and has distance 0.
//
// docs/dimension.md shows each estimator on manifolds of known dimension, and says which fails where.
package dimension

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/latent-go/latent/measure/internal/rows"
	"github.com/latent-go/latent/neighbors"
	"github.com/latent-go/latent/vec"
)

// ErrNoScale says that distances do not differ as they must for a dimension to show: all rows are equally far apart,
// or most of them are on a lattice.
var ErrNoScale = errors.New("distances show no dimension")

// Options say what is measured. The zero Options are what is recommended.
type Options struct {
	// Sample is the number of rows to draw, at most, from those given: time grows with its square. 0 means 10,000,
	// below 0 all rows.
	Sample int
	// Seed of the sample and of the reference balls: same seed, same result.
	Seed uint64
	// K is the number of neighbours looked at, but for TwoNN and FisherS. 0 means 10, for LID 20, or as many as there are.
	// More neighbours even out noise, in the estimate and in the data, and reach further round its bends.
	K int
	// Ks are the neighbourhoods of the curve of dimension against k in Measure; nil means 5, 10, 20, 50 and 100. Those
	// beyond the data are left out.
	Ks []int
	// Discard is the share of TwoNN's ratios, the largest, of which only is used that they are large. 0 means 0.1,
	// below 0 none.
	Discard float64
	// Progress, if not nil, is told how much of the work is done, from one goroutine at a time.
	Progress func(done, total int)
}

const (
	defaultSample = 10_000
	defaultK      = 10
	defaultLID    = 20
)

// Estimate is one estimator's answer.
type Estimate struct {
	Method string  `json:"method"`
	Value  float64 `json:"value"`  // a dimension, not rounded
	StdErr float64 `json:"stderr"` // from sampling alone: it knows nothing of bias
	Lo     float64 `json:"lo"`     // Value ± 1.96 StdErr
	Hi     float64 `json:"hi"`
	// Corrected is the dimension of the uniform balls which give the same Value with the same number of points: what is
	// left when the bias of few points and of edges is taken away. Measure fills it in; 0 means not made.
	Corrected float64 `json:"corrected,omitempty"`

	K    int    `json:"k,omitempty"` // neighbours looked at
	N    int    `json:"n"`           // distinct rows it was made from
	Of   int    `json:"of"`          // rows there were
	Seed uint64 `json:"seed"`        // of the sample, where N rows are not all
}

func (p *points) estimate(method string, k int, value, stderr float64) (Estimate, error) {
	if !(value > 0 && value < 1e6) || !(stderr >= 0) { // rounding alone tells equal distances apart by a millionth or less
		return Estimate{}, fmt.Errorf("dimension: %s: the neighbours of %d rows are all equally far: %w", method, p.x.Rows, ErrNoScale)
	}
	return Estimate{Method: method, Value: value, StdErr: stderr, Lo: max(0, value-1.96*stderr), Hi: value + 1.96*stderr,
		K: k, N: p.x.Rows, Of: p.of, Seed: p.seed}, nil
}

// points are the distinct rows an estimate is made from, centred, at a scale near 1, with their nearest neighbours.
type points struct {
	x         vec.Matrix // the distinct rows
	drawn     int        // rows in the sample, copies and all
	copies    int        // rows of the sample that equal an earlier one
	of        int        // rows given
	seed      uint64
	scale     float64 // what distances were multiplied by, a power of two
	groups    []int   // for each row drawn, its row in x
	neighbors neighbors.Table
	dist      []float64 // Euclidean, n×K, ascending
}

// prepare draws the sample of o and finds its distinct rows.
func prepare(x vec.Matrix, o Options) (*points, error) {
	if err := x.Check(); err != nil {
		return nil, fmt.Errorf("dimension: %w", err)
	}
	sample := o.Sample
	switch {
	case sample == 0:
		sample = defaultSample
	case sample < 0:
		sample = x.Rows
	}
	p := &points{of: x.Rows, seed: o.Seed}
	if sample < x.Rows {
		x = x.Gather(rows.Sample(x.Rows, sample, o.Seed))
	}
	for i, first := range rows.Groups(x) {
		if first != i {
			p.copies++
		}
	}
	x, p.scale = level(x)
	p.groups = make([]int, x.Rows)
	var keep []int
	for i, first := range rows.Groups(x) { // rounding may have made more of them equal
		if first == i {
			p.groups[i] = len(keep)
			keep = append(keep, i)
		} else {
			p.groups[i] = p.groups[first]
		}
	}
	p.drawn, p.x = x.Rows, x
	if len(keep) < x.Rows {
		p.x = x.Gather(keep)
	}
	return p, nil
}

// center is a shift and a scale that bring data to where float32 is finest, its mean at 0 and its size near 1, so
// that distances keep all the digits that the data has, and their squares neither overflow nor vanish.
type center struct {
	mean  []float64
	scale float64 // a power of two
}

func centering(x vec.Matrix) center {
	c := center{mean: make([]float64, x.Cols), scale: 1}
	for i := range x.Rows {
		for j, v := range x.Row(i) {
			c.mean[j] += float64(v)
		}
	}
	for j := range c.mean {
		c.mean[j] /= float64(max(1, x.Rows))
	}
	var largest float64
	for i := range x.Rows {
		for j, v := range x.Row(i) {
			largest = max(largest, math.Abs(float64(v)-c.mean[j]))
		}
	}
	if largest > 0 {
		_, e := math.Frexp(largest)
		c.scale = math.Ldexp(1, -e)
	}
	return c
}

// apply returns x shifted and scaled.
func (c center) apply(x vec.Matrix) vec.Matrix {
	y := vec.NewMatrix(x.Rows, x.Cols)
	for i := range x.Rows {
		row := y.Row(i)
		for j, v := range x.Row(i) {
			row[j] = float32((float64(v) - c.mean[j]) * c.scale)
		}
	}
	return y
}

// level returns x shifted and scaled so that most rows lie about 0 with a size near 1, and the scale, a power of two. Rows
// far larger than most, such as a broken one of 1e30, have no say in either: in the mean of all they would leave the others
// no digits to differ in. What then lies beyond 2^40 keeps its direction and is brought back to there.
func level(x vec.Matrix) (vec.Matrix, float64) {
	const most = 8 // powers of two
	var sizes []int
	for i := range x.Rows {
		if e, ok := rows.Size(x.Row(i)); ok {
			sizes = append(sizes, e)
		}
	}
	if len(sizes) == 0 {
		return x, 1
	}
	slices.Sort(sizes)
	var keep []int
	for i := range x.Rows {
		if e, ok := rows.Size(x.Row(i)); !ok || e <= sizes[len(sizes)/2]+most {
			keep = append(keep, i)
		}
	}
	c := centering(x.Gather(keep))
	y := vec.NewMatrix(x.Rows, x.Cols)
	line := make([]float64, x.Cols)
	for i := range x.Rows {
		largest := 0.0
		for j, v := range x.Row(i) {
			line[j] = (float64(v) - c.mean[j]) * c.scale
			largest = max(largest, math.Abs(line[j]))
		}
		back := 1.0
		if _, e := math.Frexp(largest); e > rows.Far {
			back = math.Ldexp(1, rows.Far-e)
		}
		for j, v := range line {
			y.Row(i)[j] = float32(v * back)
		}
	}
	return y, c.scale
}

// k returns the neighbourhood that o asks for, or what the points allow.
func (p *points) k(o Options, method string) (int, error) {
	k := o.K
	if k == 0 {
		k = max(2, min(defaultK, p.x.Rows-1))
	}
	if k < 2 {
		return 0, fmt.Errorf("dimension: %s looks at %d neighbours, it needs at least 2", method, k)
	}
	return k, p.need(method, k)
}

func (p *points) need(method string, k int) error {
	if p.x.Rows > k {
		return nil
	}
	return fmt.Errorf("dimension: %s with %d neighbours needs %d distinct rows, %d rows have %d: %w", method, k, k+1,
		p.drawn, p.x.Rows, vec.ErrTooFew)
}

// find fills in the k nearest neighbours of each point. Their distances are taken anew, in float64, since a logarithm of
// a ratio asks more of them than an order does.
func (p *points) find(ctx context.Context, k int, progress func(done, total int)) error {
	t, err := neighbors.Exact(ctx, p.x, p.x, neighbors.Options{K: k, ExcludeSelf: true, Progress: progress})
	if err != nil {
		return fmt.Errorf("dimension: %w", err)
	}
	p.neighbors, p.dist = t, make([]float64, len(t.IDs))
	return vec.Blocks(ctx, p.x.Rows, 64, func(lo, hi int) error {
		for i := lo; i < hi; i++ {
			ids, _ := t.Row(i)
			d := p.row(i)
			for j, id := range ids {
				d[j] = distance(p.x.Row(i), p.x.Row(int(id)))
				for h := j; h > 0 && d[h] < d[h-1]; h-- { // nearly sorted already
					d[h], d[h-1] = d[h-1], d[h]
					ids[h], ids[h-1] = ids[h-1], ids[h]
				}
			}
		}
		return nil
	})
}

func distance(a, b []float32) float64 {
	var s0, s1 float64
	b = b[:len(a)]
	for len(a) >= 2 {
		u, v := float64(a[0])-float64(b[0]), float64(a[1])-float64(b[1])
		s0, s1 = s0+u*u, s1+v*v
		a, b = a[2:], b[2:]
	}
	if len(a) > 0 {
		u := float64(a[0]) - float64(b[0])
		s0 += u * u
	}
	return math.Sqrt(s0 + s1)
}

// row returns the distances from point i to its neighbours.
func (p *points) row(i int) []float64 {
	k := p.neighbors.K
	return p.dist[i*k : (i+1)*k : (i+1)*k]
}

// ready is prepare and find, for one estimator that looks at o's K neighbours.
func ready(ctx context.Context, x vec.Matrix, o Options, method string) (*points, int, error) {
	p, err := prepare(x, o)
	if err != nil {
		return nil, 0, err
	}
	k, err := p.k(o, method)
	if err != nil {
		return nil, 0, err
	}
	return p, k, p.find(ctx, k, o.Progress)
}

// meanErr returns the standard error of the mean of h, one value a point. Values of points that are among each other's
// k nearest are correlated, since they see the same distances, so their products count too: without them the error
// of the dimension would read too small, at k = 20 by a factor of 2 and more.
func (p *points) meanErr(h []float64, k int) float64 {
	n := len(h)
	var mean float64
	for _, v := range h {
		mean += v / float64(n)
	}
	var own, shared float64
	for i, v := range h {
		g := v - mean
		own += g * g
		ids, _ := p.neighbors.Row(i)
		for _, j := range ids[:k] {
			weight := 2.0 // the pair is met once, or twice if each is the other's neighbour
			back, _ := p.neighbors.Row(int(j))
			for _, b := range back[:k] {
				if int(b) == i {
					weight = 1
					break
				}
			}
			shared += weight * g * (h[j] - mean)
		}
	}
	return math.Sqrt(max(own, own+shared)) / float64(n)
}
