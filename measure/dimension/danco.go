package dimension

import (
	"context"
	"fmt"
	"math"

	"github.com/latent-go/latent/vec"
)

// DANCo estimates the dimension D as that of the uniform ball, of as many points, in which distances to the K nearest
// neighbours and the angles between them are spread most as they are in the data. Being compared with balls that
// suffer from few points in the same way, it stays near the truth at dimensions where the others read low. Its error is
// that of its distances. Data with fewer than 50 distinct rows, or K+2, give vec.ErrTooFew. Time O(n²d) and several balls of
// n points.
//
// Source: Ceruti et al. 2012, "DANCo: dimensionality from angle and norm concentration". The balls, of dimensions 1, 2, 3, 4, 5,
// 6, 8, 10, 13 …, are drawn with Seed, and what is seen in them is interpolated, so that the result is not rounded.
func DANCo(ctx context.Context, x vec.Matrix, o Options) (Estimate, error) {
	p, err := prepare(x, o)
	if err != nil {
		return Estimate{}, err
	}
	k, err := p.k(o, "DANCo")
	if err != nil {
		return Estimate{}, err
	}
	if err := p.need("DANCo", max(k+1, fewestForBalls-1)); err != nil {
		return Estimate{}, err
	}
	if err := p.find(ctx, k+1, o.Progress); err != nil {
		return Estimate{}, err
	}
	c, err := p.concentration(ctx, k)
	if err != nil {
		return Estimate{}, err
	}
	balls, err := reference(ctx, view{danco: c}, p, o, k)
	if err != nil {
		return Estimate{}, err
	}
	return p.danco(c, balls, k)
}

// fewestForBalls is the number of points below which balls do not show their dimension.
const fewestForBalls = 50

func (p *points) danco(c concentration, balls []view, k int) (Estimate, error) {
	value := nearestBall(c, balls, k)
	return p.estimate("DANCo", k, value, c.stderr*value/c.d)
}

// concentration is what DANCo sees: the dimension that norms show, and the mean direction ν and concentration τ of the
// von Mises distributions of the angles at each point.
type concentration struct{ d, nu, tau, stderr float64 }

func (p *points) concentration(ctx context.Context, k int) (concentration, error) {
	n := p.x.Rows
	rho := make([]float64, n) // distance to the first neighbour over that to the k+1st
	for i := range rho {
		rho[i] = p.row(i)[0] / p.row(i)[k]
	}
	d := minNeighbour(rho, k)
	if math.IsInf(d, 1) {
		return concentration{}, fmt.Errorf("dimension: DANCo: the %d nearest of each of %d rows are equally far: %w", k+1, n, ErrNoScale)
	}
	scores := make([]float64, n)
	var curvature float64
	for i, r := range rho {
		if r < 1 {
			var c float64
			scores[i], c = score(d, r, k)
			curvature += c
		}
	}
	v := concentration{d: d, stderr: p.meanErr(scores, k) * float64(n) / curvature}
	nu, tau := make([]float64, n), make([]float64, n)
	err := vec.Blocks(ctx, n, 64, func(lo, hi int) error {
		unit := vec.NewMatrix(k, p.x.Cols)
		for i := lo; i < hi; i++ {
			ids, _ := p.neighbors.Row(i)
			for j, id := range ids[:k] {
				u := unit.Row(j)
				for c, a := range p.x.Row(int(id)) {
					u[c] = a - p.x.Row(i)[c]
				}
				vec.Normalize(u, u)
			}
			var sin, cos float64
			for a := range k {
				for b := range a {
					c := max(-1, min(1, float64(vec.Dot(unit.Row(a), unit.Row(b)))))
					cos += c
					sin += math.Sqrt(1 - c*c)
				}
			}
			pairs := float64(k * (k - 1) / 2)
			nu[i], tau[i] = math.Atan2(sin, cos), vonMises(math.Hypot(sin, cos)/pairs)
		}
		return nil
	})
	v.nu, _ = meanSD(nu)
	v.tau, _ = meanSD(tau)
	return v, err
}

// minNeighbour is the dimension most likely to give these ratios of the first to the k+1st distance:
// P(ρ) ∝ ρ^(d-1) (1-ρ^d)^(k-1). Ratios of 1, from ties, are left out.
func minNeighbour(rho []float64, k int) float64 {
	sum := func(d float64) (s float64) {
		for _, r := range rho {
			if r < 1 {
				v, _ := score(d, r, k)
				s += v
			}
		}
		return s
	}
	lo, hi := 1e-3, 1e5 // the score falls with d
	if !(sum(hi) < 0) {
		return math.Inf(1)
	}
	for hi/lo > 1+1e-9 {
		if mid := math.Sqrt(lo * hi); sum(mid) > 0 {
			lo = mid
		} else {
			hi = mid
		}
	}
	return lo
}

// score is the derivative by d of the logarithm of that probability, and less its second derivative.
func score(d, rho float64, k int) (first, second float64) {
	l := math.Log(rho)
	rest := -math.Expm1(d * l) // 1 - ρ^d
	power := 1 - rest
	return 1/d + l - float64(k-1)*power*l/rest, 1/(d*d) + float64(k-1)*power*l*l/(rest*rest)
}

// vonMises is the concentration at which unit vectors have a mean of this length, as approximated by Best and Fisher 1981.
// Vectors that all agree count as 0.995, a concentration of 100.
func vonMises(length float64) float64 {
	l := min(length, 0.995)
	switch {
	case l < 0.53:
		return 2*l + l*l*l + 5*math.Pow(l, 5)/6
	case l < 0.85:
		return -0.4 + 1.39*l + 0.43/(1-l)
	default:
		return 1 / (l*l*l - 4*l*l + 3*l)
	}
}

// nearestBall returns the dimension of the ball whose view diverges least from v, between the balls by interpolation.
func nearestBall(v concentration, balls []view, k int) float64 {
	best, least := balls[0].dim, math.Inf(1)
	for b := range balls {
		from, to := balls[b], balls[min(b+1, len(balls)-1)]
		const steps = 100
		for s := range steps {
			t := float64(s) / steps
			mix := func(a, b float64) float64 { return a + t*(b-a) }
			c := concentration{d: mix(from.danco.d, to.danco.d), nu: mix(from.danco.nu, to.danco.nu), tau: mix(from.danco.tau, to.danco.tau)}
			if kl := divergence(v, c, k); kl < least {
				best, least = mix(from.dim, to.dim), kl
			}
		}
	}
	return best
}

// divergence is the Kullback-Leibler divergence of what is seen in a ball from what is seen in the data: that of the
// norms (equation 12 of the paper) and that of the angles (equation 14).
func divergence(v, ball concentration, k int) float64 {
	q := ball.d / v.d
	harmonic, sum, binomial := 0.0, 0.0, 1.0
	for i := range k + 1 {
		if i > 0 {
			harmonic += 1 / float64(i)
			binomial *= -float64(k-i+1) / float64(i)
		}
		sum += binomial * digamma(1+float64(i)/q)
	}
	norms := harmonic*q - math.Log(q) - float64(k-1)*sum // less what does not depend on the ball
	lnV, ratio := bessel(v.tau)
	lnBall, _ := bessel(ball.tau)
	return norms + lnBall - lnV + ratio*(v.tau-ball.tau*math.Cos(v.nu-ball.nu))
}

// digamma is the derivative of ln Γ at x > 0.
func digamma(x float64) float64 {
	var sum float64
	for x < 10 {
		sum -= 1 / x
		x++
	}
	y := 1 / (x * x)
	return sum + math.Log(x) - 0.5/x - y*(1./12-y*(1./120-y*(1./252-y*(1./240-y/132))))
}

// bessel returns ln I₀(x) and I₁(x)/I₀(x), for x from 0 to 200.
func bessel(x float64) (ln0, ratio float64) {
	i0, i1, term := 1.0, x/2, 1.0
	for j := 1.0; term > 1e-17*i0; j++ {
		term *= x / 2 / j * x / 2 / j
		i0 += term
		i1 += term * x / 2 / (j + 1)
	}
	return math.Log(i0), i1 / i0
}
