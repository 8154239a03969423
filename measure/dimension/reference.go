package dimension

import (
	"context"
	"math"
	"math/rand/v2"

	"github.com/latent-go/latent/vec"
)

// view is what the estimators that look at distances see in one set of points.
type view struct {
	dim    float64              // the true dimension, of a ball
	values [len(locals)]float64 // by the estimators of locals; 0 where one failed
	danco  concentration
}

// locals are the estimators whose bias is that of distances, and can be told from balls.
var locals = [...]func(ctx context.Context, p *points, o Options, k int) (Estimate, error){
	func(_ context.Context, p *points, o Options, _ int) (Estimate, error) { return p.twoNN(o) },
	func(_ context.Context, p *points, _ Options, k int) (Estimate, error) {
		return p.averaged("MLE", k, inverseHill)
	},
	func(_ context.Context, p *points, _ Options, k int) (Estimate, error) {
		return p.averaged("MOM", k, inverseMoment)
	},
	func(ctx context.Context, p *points, _ Options, k int) (Estimate, error) { return p.correlation(ctx, k) },
}

// ladder are the dimensions of balls, up to the largest that is tried.
var ladder = []int{1, 2, 3, 4, 5, 6, 8, 10, 13, 16, 20, 25, 32, 40, 50, 64, 80, 100, 128, 160, 200, 256, 320, 400, 512}

// reference returns what is seen in uniform balls of as many points as p has, of rising dimension, from below what was seen in p to
// above it, but not above the columns of p.
func reference(ctx context.Context, v view, p *points, o Options, k int) ([]view, error) {
	low := v.danco.d
	for _, value := range v.values {
		if value > 0 {
			low = min(low, value)
		}
	}
	var balls []view
	for _, dim := range ladder[firstRung(low, p.x.Cols):] {
		dim = min(dim, p.x.Cols)
		b, err := ball(ctx, dim, p.x.Rows, o, k)
		if err != nil {
			return nil, err
		}
		balls = append(balls, b)
		n := len(balls)
		above := n > 1 && divergence(v.danco, b.danco, k) > divergence(v.danco, balls[n-2].danco, k)
		for i, value := range v.values {
			above = above && b.values[i] >= value
		}
		if above || dim == p.x.Cols {
			break
		}
	}
	return balls, nil
}

// firstRung is where on the ladder to begin for a dimension that reads as low.
func firstRung(low float64, cols int) int {
	i := 0
	for i+1 < len(ladder) && float64(ladder[i+1]) < 0.8*low && ladder[i+1] < cols {
		i++
	}
	return i
}

// drawsOf is the number of balls of n points whose mean is taken.
func drawsOf(n int) int { return max(1, min(8, 5_000/n)) }

// ball returns what is seen in a uniform ball, as a mean over several where they are small.
func ball(ctx context.Context, dim, n int, o Options, k int) (view, error) {
	mean := view{dim: float64(dim)}
	draws := drawsOf(n)
	for draw := range draws {
		p := uniformBall(dim, n, o.Seed, draw)
		if err := p.find(ctx, k+1, nil); err != nil {
			return view{}, err
		}
		for i, f := range locals {
			e, err := f(ctx, p, o, k)
			if err != nil {
				return view{}, err
			}
			mean.values[i] += e.Value / float64(draws)
		}
		c, err := p.concentration(ctx, k)
		if err != nil {
			return view{}, err
		}
		mean.danco.d += c.d / float64(draws)
		mean.danco.nu += c.nu / float64(draws)
		mean.danco.tau += c.tau / float64(draws)
	}
	return mean, nil
}

// uniformBall returns n points drawn from the ball.
func uniformBall(dim, n int, seed uint64, draw int) *points {
	rng := rand.New(rand.NewPCG(seed, uint64(dim)<<32|uint64(draw)))
	p := &points{x: vec.NewMatrix(n, dim), scale: 1}
	point := make([]float64, dim)
	for i := range n {
		var squares float64
		for j := range point {
			point[j] = rng.NormFloat64()
			squares += point[j] * point[j]
		}
		length := math.Pow(rng.Float64(), 1/float64(dim)) / math.Sqrt(squares)
		for j, c := range point {
			p.x.Row(i)[j] = float32(c * length)
		}
	}
	return p
}

// correct fills in Corrected of scales below the whole, from balls of as many points as a block has.
func (p *points) correct(ctx context.Context, curve []Scale, o Options) error {
	for i := range curve {
		s := &curve[i]
		if s.Corrected > 0 {
			continue
		}
		var balls []view
		for _, dim := range ladder[firstRung(s.Value, p.x.Cols):] {
			b := view{dim: float64(min(dim, p.x.Cols))}
			draws := drawsOf(s.N)
			for draw := range draws {
				part := uniformBall(int(b.dim), s.N, o.Seed, draw)
				if err := part.find(ctx, 2, nil); err != nil {
					return err
				}
				value, _ := censored(part.logRatios(), o.Discard)
				b.values[0] += value / float64(draws)
			}
			balls = append(balls, b)
			if b.values[0] >= s.Value || int(b.dim) == p.x.Cols {
				break
			}
		}
		s.Corrected = corrected(s.Value, balls, 0)
	}
	return nil
}

// corrected returns the dimension of the ball in which estimator i gives value.
// Source of the idea: Camastra and Vinciarelli 2002.
func corrected(value float64, balls []view, i int) float64 {
	for j, b := range balls {
		if b.values[i] < value {
			continue
		}
		if j == 0 {
			return b.dim * value / b.values[i]
		}
		a := balls[j-1]
		return a.dim + (b.dim-a.dim)*(value-a.values[i])/(b.values[i]-a.values[i])
	}
	return balls[len(balls)-1].dim // the columns, or the top of the ladder
}
