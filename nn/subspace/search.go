package subspace

import (
	"context"
	"fmt"
	"math"
	"slices"
)

// Trial trains in a subspace of d dimensions and returns how well it does: higher is better.
type Trial func(ctx context.Context, d int) (score float64, err error)

// SearchOptions say what Search looks for.
type SearchOptions struct {
	Target   float64 // the score that is asked for, such as 0.9 of what training all parameters reaches
	From     int     // the first dimension tried; 0 means 100
	Max      int     // the largest dimension worth a trial; 0 means 1<<20
	Finest   float64 // stop when the dimensions on either side of the target are within this factor; 0 means 1.25
	Progress func(trials int, p Point)
}

// Point is one trial.
type Point struct {
	Dim   int     `json:"dim"`
	Score float64 `json:"score"`
}

// Dimension is an intrinsic dimension and how it was found.
type Dimension struct {
	// Dim is where the line between the two trials on either side of the target, over the logarithm of d, crosses it. If
	// Reached is false no trial up to Max did as well as was asked, and Dim is Max. If Below is true a trial of one
	// dimension did, and Dim is 1.
	Dim     float64 `json:"dim"`
	Reached bool    `json:"reached"`
	Below   bool    `json:"below,omitempty"`
	Target  float64 `json:"target"`
	Curve   []Point `json:"curve"` // the trials, by dimension
}

// Search finds the smallest dimension that reaches a target. From a first guess it doubles or halves until the target lies
// between two trials, then tries the geometric mean of the two until they are close. It takes about six trials. A score
// that falls by chance as d grows can mislead it: the answer holds for these trials, and its spread over seeds says how
// far to trust it.
func Search(ctx context.Context, trial Trial, o SearchOptions) (*Dimension, error) {
	if math.IsNaN(o.Target) || o.From < 0 || o.Max < 0 || o.Finest != 0 && !(o.Finest > 1) {
		return nil, fmt.Errorf("subspace: a search for %v from %d to %d, within a factor %v; want a number, dimensions of 1 or more and a factor above 1", o.Target, o.From, o.Max, o.Finest)
	}
	if o.Max == 0 {
		o.Max = 1 << 20
	}
	if o.From == 0 {
		o.From = 100
	}
	if o.Finest == 0 {
		o.Finest = 1.25
	}
	out := &Dimension{Target: o.Target}
	try := func(d int) (Point, error) {
		score, err := trial(ctx, d)
		if err != nil {
			return Point{}, fmt.Errorf("subspace: dimension %d: %w", d, err)
		}
		p := Point{d, score}
		out.Curve = append(out.Curve, p)
		slices.SortFunc(out.Curve, func(a, b Point) int { return a.Dim - b.Dim })
		if o.Progress != nil {
			o.Progress(len(out.Curve), p)
		}
		return p, nil
	}
	p, err := try(min(o.From, o.Max))
	if err != nil {
		return nil, err
	}
	lo, hi := p, p // lo misses the target, hi reaches it
	for p.Score >= o.Target {
		hi = p
		if p.Dim == 1 {
			out.Dim, out.Reached, out.Below = 1, true, true
			return out, nil
		}
		if p, err = try(p.Dim / 2); err != nil {
			return nil, err
		}
		lo = p
	}
	for hi.Score < o.Target {
		lo = hi
		if lo.Dim == o.Max {
			out.Dim = float64(o.Max)
			return out, nil
		}
		if hi, err = try(min(2*lo.Dim, o.Max)); err != nil {
			return nil, err
		}
	}
	for float64(hi.Dim) > o.Finest*float64(lo.Dim) && hi.Dim > lo.Dim+1 {
		middle := int(math.Round(math.Sqrt(float64(lo.Dim) * float64(hi.Dim))))
		middle = min(max(middle, lo.Dim+1), hi.Dim-1)
		if p, err = try(middle); err != nil {
			return nil, err
		}
		if p.Score >= o.Target {
			hi = p
		} else {
			lo = p
		}
	}
	a, b := math.Log(float64(lo.Dim)), math.Log(float64(hi.Dim))
	out.Dim = math.Exp(a + (b-a)*(o.Target-lo.Score)/(hi.Score-lo.Score))
	out.Reached = true
	return out, nil
}

// DescriptionBits is how many bits say what was learnt: d numbers of so many bits each, and a seed of 64.
func DescriptionBits(d, bits int) int { return d*bits + 64 }

// Bound is what the error on data that were not seen exceeds the error on n samples by at most, with probability 1 - δ,
// when one of r^d models was chosen by these samples: √((d·ln r + ln(1/δ)) / 2n), Hoeffding's inequality and a union over
// the models. The seed and the start must have been chosen before. Above 1 it says nothing. Source: Aghajanyan et al.
// 2020, section 5, who have it up to constants, after Arora et al. 2018.
func Bound(d, r, n int, δ float64) float64 {
	return math.Sqrt((float64(d)*math.Log(float64(r)) + math.Log(1/δ)) / (2 * float64(n)))
}

// Quantize rounds every number of v, in place, to one of r levels spread evenly from -a to a, a the largest of their
// sizes raised to a power of two, so that one of r^len(v) results at each of few scales remains. r is 2 or more.
func Quantize(v []float32, r int) {
	var top float64
	for _, x := range v {
		top = max(top, math.Abs(float64(x)))
	}
	if top == 0 {
		return
	}
	a := math.Exp2(math.Ceil(math.Log2(top)))
	step := 2 * a / float64(r-1)
	for i, x := range v {
		v[i] = float32(math.Round((float64(x)+a)/step)*step - a)
	}
}
