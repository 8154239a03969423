package dimension

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/latent-go/latent/vec"
)

// TwoNN estimates the dimension from the ratio μ of each row's second to first nearest distance, which has
// P(μ > t) = t^-D in dimension D. It looks closer than the others, so edges and curvature bias it less, and noise and
// copies with small changes bias it more. Fewer than three distinct rows give vec.ErrTooFew. Time O(n²d), memory O(n).
//
// Source: Facco et al. 2017, Sci. Rep. 7:12140, who fit a line to the distribution of ln μ and leave out the largest
// tenth. We take the maximum of the likelihood, with the largest tenth (Discard) as censored, unbiased:
// (m-1) / (Σ_{i≤m} ln μ_i + (n-m) ln μ_m) for the m kept of n.
func TwoNN(ctx context.Context, x vec.Matrix, o Options) (Estimate, error) {
	p, err := prepare(x, o)
	if err != nil {
		return Estimate{}, err
	}
	if err := p.need("TwoNN", 2); err != nil {
		return Estimate{}, err
	}
	if err := p.find(ctx, 2, o.Progress); err != nil {
		return Estimate{}, err
	}
	return p.twoNN(o)
}

func (p *points) twoNN(o Options) (Estimate, error) {
	logs := p.logRatios()
	value, last := censored(logs, o.Discard)
	// The error follows from the score, 1/D for what is kept less the time seen; see a text on survival analysis.
	score, events := make([]float64, len(logs)), 0
	for i, l := range logs {
		score[i] = -min(l, last)
		if l <= last {
			score[i] += 1 / value
			events++
		}
	}
	return p.estimate("TwoNN", 2, value, p.meanErr(score, 2)*float64(len(logs))*value*value/float64(events))
}

// logRatios returns ln μ of each point.
func (p *points) logRatios() []float64 {
	logs := make([]float64, p.x.Rows)
	for i := range logs {
		r := p.row(i)
		logs[i] = math.Log(r[1] / r[0])
	}
	return logs
}

// censored returns the rate of exponentially distributed values of which the largest are only known to be large, and
// the largest that is known. With a rate of +Inf all values are 0.
func censored(logs []float64, discard float64) (rate, last float64) {
	if discard == 0 {
		discard = 0.1
	}
	sorted := slices.Sorted(slices.Values(logs))
	m := max(2, int(float64(len(sorted))*(1-max(0, discard))))
	last = sorted[m-1]
	sum := float64(len(sorted)-m) * last
	for _, l := range sorted[:m] {
		sum += l
	}
	return float64(m-1) / sum, last
}

// Scale is TwoNN at one scale of the data, made by looking at fewer rows.
type Scale struct {
	Fraction float64 `json:"fraction"` // of the distinct rows, in each block
	N        int     `json:"n"`        // rows in a block
	Blocks   int     `json:"blocks"`   // disjoint blocks, over which Value is the mean
	Value    float64 `json:"value"`
	StdErr   float64 `json:"stderr"` // of the mean over the blocks
	// Corrected is the dimension of the uniform balls that give Value with N points; see Estimate. 0 means not made.
	Corrected float64 `json:"corrected,omitempty"`
	Distance  float64 `json:"distance"` // median distance to the second neighbour, in units of the data
}

// Decimate returns TwoNN against scale: on all rows (of the sample), on the two halves, the four quarters and so on, down to
// blocks of 100. A dimension that falls as the distance grows says that the smallest scales hold noise; one that
// rises, that the data is curved or in clumps; but fewer rows by themselves make a high dimension read lower, which
// Measure corrects. Time as TwoNN, twice. Source: Facco et al. 2017, "block analysis".
func Decimate(ctx context.Context, x vec.Matrix, o Options) ([]Scale, error) {
	p, err := prepare(x, o)
	if err != nil {
		return nil, err
	}
	if err := p.need("Decimate", 2); err != nil {
		return nil, err
	}
	if err := p.find(ctx, 2, nil); err != nil {
		return nil, err
	}
	return p.decimate(ctx, o)
}

const smallestBlock = 100

func (p *points) decimate(ctx context.Context, o Options) ([]Scale, error) {
	whole, err := p.twoNN(o)
	if err != nil {
		return nil, err
	}
	n := p.x.Rows
	curve := []Scale{{Fraction: 1, N: n, Blocks: 1, Value: whole.Value, StdErr: whole.StdErr, Distance: p.second()}}
	order := rand.New(rand.NewPCG(o.Seed, 0xdec1)).Perm(n)
	for blocks := 2; n/blocks >= smallestBlock; blocks *= 2 {
		s := Scale{Fraction: 1 / float64(blocks), N: n / blocks, Blocks: blocks}
		var squares float64
		made := 0
		for b := range blocks {
			part := &points{x: p.x.Gather(order[b*s.N : (b+1)*s.N]), scale: p.scale}
			if err := part.find(ctx, 2, nil); err != nil {
				return nil, err
			}
			e, err := part.twoNN(o)
			if err != nil { // all neighbours equally far: the block shows nothing
				continue
			}
			made++
			s.Value += e.Value
			squares += e.StdErr * e.StdErr
			s.Distance += part.second()
		}
		if made < 2 {
			break
		}
		s.Blocks = made
		s.Value /= float64(made)
		s.Distance /= float64(made)
		s.StdErr = math.Sqrt(squares) / float64(made)
		curve = append(curve, s)
	}
	return curve, nil
}

// second is the median distance to the second neighbour.
func (p *points) second() float64 {
	d := make([]float64, p.x.Rows)
	for i := range d {
		d[i] = p.row(i)[1]
	}
	return median(d) / p.scale
}

func meanSD(v []float64) (mean, sd float64) {
	n := float64(len(v))
	for _, a := range v {
		mean += a / n
	}
	for _, a := range v {
		sd += (a - mean) * (a - mean)
	}
	return mean, math.Sqrt(sd / max(1, n-1))
}

// median sorts v.
func median(v []float64) float64 {
	slices.Sort(v)
	n := len(v)
	return (v[(n-1)/2] + v[n/2]) / 2
}
