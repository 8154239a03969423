package synthetic

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
)

// Generator is one way to draw points.
type Generator struct {
	Name     string
	Doc      string // one line: what it is, and its source
	Defaults Spec   // D, and the parameters it takes besides n, ambient, noise and seed: those that are not zero here
	Fixed    bool   // D cannot be chosen

	minD       int
	native     func(Spec) int     // columns of the native space
	intrinsic  func(Spec) float64 // nil means D
	normalized func(Spec) float64 // the same for rows scaled to length 1; nil where that has no plain answer
	parts      bool               // rows are labelled
	uneven     bool               // and parts differ in dimension
	make       func(s Spec, setup *rand.Rand) drawer
}

// drawer draws one point into x, of the native dimension.
type drawer func(r *rand.Rand, x []float64) part

// part says where a point was drawn.
type part struct {
	label int
	dim   float64
}

// Intrinsic is the true dimension for a resolved Spec; where parts differ in dimension, the mean expected over rows.
func (g Generator) Intrinsic(s Spec) float64 {
	switch {
	case s.Normalize && g.normalized != nil:
		return g.normalized(s)
	case g.intrinsic != nil:
		return g.intrinsic(s)
	}
	return float64(s.D)
}

// Ambient is the number of columns for a resolved Spec.
func (g Generator) Ambient(s Spec) int { return max(s.Ambient, g.native(s)) }

// Generators returns the table of generators, in the order in which help prints it.
func Generators() []Generator { return slices.Clone(generators) }

// Names returns the generators' names, sorted.
func Names() []string {
	names := make([]string, len(generators))
	for i, g := range generators {
		names[i] = g.Name
	}
	slices.Sort(names)
	return names
}

func lookup(name string) (Generator, error) {
	for _, g := range generators {
		if g.Name == name {
			return g, nil
		}
	}
	return Generator{}, fmt.Errorf("synthetic: no generator is called %q; there are %s (and scikit-dimension's M1_Sphere to Mp3_Paraboloid)",
		name, strings.Join(Names(), ", "))
}

var generators = []Generator{
	{Name: "ball", Doc: "uniform in the unit ball of R^d", Defaults: Spec{D: 10}, minD: 1, native: same, make: always(ball)},
	{Name: "cube", Doc: "uniform in the unit cube of R^d", Defaults: Spec{D: 10}, minD: 1, native: same, make: always(cube)},
	{Name: "sphere", Doc: "uniform on the unit sphere S^d in R^(d+1)", Defaults: Spec{D: 10}, minD: 1, native: plus1, make: always(sphere)},
	{Name: "gaussian", Doc: "standard normal in R^d", Defaults: Spec{D: 10}, minD: 1, native: same, normalized: lessOne, make: always(normal)},
	{Name: "subspace", Doc: "standard normal on d random directions of R^ambient (Elliott & Clark 2024)", Defaults: Spec{D: 10, Ambient: 50}, minD: 1,
		native: same, normalized: lessOne, make: always(normal)},
	{Name: "affine", Doc: "uniform in [-2.5, 2.5]^d (Hein & Audibert 2005)", Defaults: Spec{D: 10}, minD: 1, native: same, make: always(affine)},
	{Name: "affine3", Doc: "a 3-dimensional oblique box in R^5 (Hein & Audibert 2005)", Defaults: Spec{D: 3}, Fixed: true, native: columns(5),
		make: always(affine3)},
	{Name: "cubic", Doc: "uniform on the surface of the unit cube of R^(d+1)", Defaults: Spec{D: 10}, minD: 1, native: plus1, make: always(cubic)},
	{Name: "swissroll", Doc: "swiss roll in R^3, t in 1.5π to 4.5π", Defaults: Spec{D: 2}, Fixed: true, native: columns(3), make: always(swissRoll)},
	{Name: "scurve", Doc: "S-curve in R^3", Defaults: Spec{D: 2}, Fixed: true, native: columns(3), make: always(sCurve)},
	{Name: "moebius", Doc: "Moebius band in R^3 with ten half twists (Hein & Audibert 2005)", Defaults: Spec{D: 2}, Fixed: true, native: columns(3),
		make: always(moebius)},
	{Name: "torus", Doc: "uniform on the torus in R^3, radii 1 and 1/4", Defaults: Spec{D: 2}, Fixed: true, native: columns(3), make: always(torus)},
	{Name: "helix", Doc: "closed curve in R^3, 8 windings around a torus", Defaults: Spec{D: 1}, Fixed: true, native: columns(3), make: always(helix)},
	{Name: "helicoid", Doc: "helicoid in R^3, 5 turns (a 2-dimensional helix)", Defaults: Spec{D: 2}, Fixed: true, native: columns(3), make: always(helicoid)},
	{Name: "spiral", Doc: "helix in R^3 of radius 100, 5 turns", Defaults: Spec{D: 1}, Fixed: true, native: columns(3), make: always(spiral)},
	{Name: "nonlinear4", Doc: "4-dimensional manifold in R^6, easily taken for 3-dimensional (Hein & Audibert 2005)", Defaults: Spec{D: 4}, Fixed: true,
		native: columns(6), make: always(nonlinear4)},
	{Name: "nonlinear", Doc: "circles whose radii are each other's angles, in R^(2d·copies) (Hein & Audibert 2005)", Defaults: Spec{D: 4, Copies: 1}, minD: 2,
		native: func(s Spec) int { return 2 * s.D * s.Copies }, make: nonlinear},
	{Name: "paraboloid", Doc: "paraboloid over a Burr law, bent into R^(3d+3) (Campadelli et al. 2015)", Defaults: Spec{D: 3}, minD: 1,
		native: func(s Spec) int { return 3 * (s.D + 1) }, make: always(paraboloid)},
	{Name: "beta", Doc: "Beta(10, 1/2) coordinates bent into R^(4d) (Campadelli et al. 2015)", Defaults: Spec{D: 10}, minD: 1, native: times4, make: always(betaBend)},
	{Name: "tangent", Doc: "tan and arctan of products of uniforms, in R^(4d) (Campadelli et al. 2015)", Defaults: Spec{D: 18}, minD: 2, native: times4,
		make: always(tangent)},
	{Name: "ball-line", Doc: "half the rows from the unit ball of R^d, half from a segment beside it", Defaults: Spec{D: 5}, minD: 2, native: same,
		intrinsic: func(s Spec) float64 { return float64(s.D+1) / 2 }, parts: true, uneven: true, make: ballLine},
	{Name: "mixture", Doc: "Gaussian clusters, each on d random directions of its own", Defaults: Spec{D: 10, Ambient: 64, Clusters: 10, Spread: 1}, minD: 1,
		native: ambient, normalized: unbent, parts: true, make: mixture},
	{Name: "clusters", Doc: "mixture whose clusters differ in dimension: 4, 8, 16 and so on up to d in turn", Defaults: Spec{D: 64, Ambient: 128, Clusters: 20, Spread: 1}, minD: 4,
		native: ambient, intrinsic: meanDim, normalized: meanDim, parts: true, uneven: true, make: mixture},
}

// Benchmark is a manifold under the name that scikit-dimension gives it.
type Benchmark struct {
	Name string
	Spec Spec // N and Seed are left to the caller
}

// Benchmarks are the manifolds of scikit-dimension's BenchmarkManifolds, after Hein & Audibert 2005 and Campadelli et
// al. 2015, of the same laws. Where scikit-dimension pads with zero columns, ours lie on random directions.
var Benchmarks = []Benchmark{
	{"M1_Sphere", Spec{Name: "sphere", D: 10}},
	{"M2_Affine_3to5", Spec{Name: "affine3"}},
	{"M3_Nonlinear_4to6", Spec{Name: "nonlinear4"}},
	{"M4_Nonlinear", Spec{Name: "nonlinear", D: 4}},
	{"M5a_Helix1d", Spec{Name: "helix"}},
	{"M5b_Helix2d", Spec{Name: "helicoid"}},
	{"M6_Nonlinear", Spec{Name: "nonlinear", D: 6, Copies: 3}},
	{"M7_Roll", Spec{Name: "swissroll"}},
	{"M8_Nonlinear", Spec{Name: "nonlinear", D: 12, Copies: 3}},
	{"M9_Affine", Spec{Name: "affine", D: 20}},
	{"M10a_Cubic", Spec{Name: "cubic", D: 10}},
	{"M10b_Cubic", Spec{Name: "cubic", D: 17}},
	{"M10c_Cubic", Spec{Name: "cubic", D: 24}},
	{"M10d_Cubic", Spec{Name: "cubic", D: 70}},
	{"M11_Moebius", Spec{Name: "moebius"}},
	{"M12_Norm", Spec{Name: "gaussian", D: 20}},
	{"M13a_Scurve", Spec{Name: "scurve"}},
	{"M13b_Spiral", Spec{Name: "spiral", Ambient: 13}},
	{"Mbeta", Spec{Name: "beta", D: 10}},
	{"Mn1_Nonlinear", Spec{Name: "tangent", D: 18}},
	{"Mn2_Nonlinear", Spec{Name: "tangent", D: 24}},
	{"Mp1_Paraboloid", Spec{Name: "paraboloid", D: 3}},
	{"Mp2_Paraboloid", Spec{Name: "paraboloid", D: 6}},
	{"Mp3_Paraboloid", Spec{Name: "paraboloid", D: 9}},
}

func same(s Spec) int   { return s.D }
func plus1(s Spec) int  { return s.D + 1 }
func times4(s Spec) int { return 4 * s.D }

// A flat through the origin loses the dimension along which rows are scaled; one that misses it, as a cluster's does, keeps all.
func lessOne(s Spec) float64 { return float64(s.D - 1) }
func unbent(s Spec) float64  { return float64(s.D) }

// ambient is the native space of mixtures, whose parts lie in it each in its own way. An unresolved one needs d.
func ambient(s Spec) int           { return max(s.Ambient, s.D) }
func columns(n int) func(Spec) int { return func(Spec) int { return n } }

// always makes a generator of points that need no preparation.
func always(f func(r *rand.Rand, x []float64)) func(Spec, *rand.Rand) drawer {
	return func(Spec, *rand.Rand) drawer {
		return func(r *rand.Rand, x []float64) part {
			f(r, x)
			return part{}
		}
	}
}

func normal(r *rand.Rand, x []float64) {
	for i := range x {
		x[i] = r.NormFloat64()
	}
}

func sphere(r *rand.Rand, x []float64) {
	normal(r, x)
	scaleTo(x, 1)
}

// ball takes a uniform direction and a radius whose d-th power is uniform.
func ball(r *rand.Rand, x []float64) {
	normal(r, x)
	scaleTo(x, math.Pow(r.Float64(), 1/float64(len(x))))
}

func cube(r *rand.Rand, x []float64) {
	for i := range x {
		x[i] = r.Float64()
	}
}

func affine(r *rand.Rand, x []float64) {
	for i := range x {
		x[i] = 5*r.Float64() - 2.5
	}
}

func affine3(r *rand.Rand, x []float64) {
	a, b, c := 4*r.Float64(), 4*r.Float64(), 4*r.Float64()
	x[0] = 1.2*a - 0.5*b + 3
	x[1] = 0.5*a + 0.9*b - 1
	x[2] = -0.5*a - 0.2*b + c
	x[3] = 0.4*a - 0.9*b - 0.1*c
	x[4] = 1.1*a - 0.3*b + 8
}

func cubic(r *rand.Rand, x []float64) {
	cube(r, x)
	x[r.IntN(len(x))] = float64(r.IntN(2))
}

func swissRoll(r *rand.Rand, x []float64) {
	t := 1.5 * math.Pi * (1 + 2*r.Float64())
	x[0], x[1], x[2] = t*math.Cos(t), 21*r.Float64(), t*math.Sin(t)
}

func sCurve(r *rand.Rand, x []float64) {
	t := 3 * math.Pi * (r.Float64() - 0.5)
	x[0], x[1], x[2] = math.Sin(t), 2*r.Float64(), math.Copysign(1, t)*(math.Cos(t)-1)
}

// moebius turns a segment of half-length 1/2 by 5φ while its centre goes once round the unit circle: ten half twists.
func moebius(r *rand.Rand, x []float64) {
	phi, w := 2*math.Pi*r.Float64(), r.Float64()-0.5
	rho := 1 + w*math.Cos(5*phi)
	x[0], x[1], x[2] = rho*math.Cos(phi), rho*math.Sin(phi), w*math.Sin(5*phi)
}

// torus draws the angle around the tube by rejection, its density being in proportion to the distance from the axis.
func torus(r *rand.Rand, x []float64) {
	const tube = 0.25
	theta := 2 * math.Pi * r.Float64()
	for r.Float64()*(1+tube) > 1+tube*math.Cos(theta) {
		theta = 2 * math.Pi * r.Float64()
	}
	phi, rho := 2*math.Pi*r.Float64(), 1+tube*math.Cos(theta)
	x[0], x[1], x[2] = rho*math.Cos(phi), rho*math.Sin(phi), tube*math.Sin(theta)
}

func helix(r *rand.Rand, x []float64) {
	t := 2 * math.Pi * r.Float64()
	rho := 2 + math.Cos(8*t)
	x[0], x[1], x[2] = rho*math.Cos(t), rho*math.Sin(t), math.Sin(8*t)
}

func helicoid(r *rand.Rand, x []float64) {
	rho, t := 10*math.Pi*r.Float64(), 10*math.Pi*r.Float64()
	x[0], x[1], x[2] = rho*math.Cos(t), rho*math.Sin(t), t/2
}

func spiral(r *rand.Rand, x []float64) {
	t := 10 * math.Pi * r.Float64()
	x[0], x[1], x[2] = 100*math.Cos(t), 100*math.Sin(t), t
}

func nonlinear4(r *rand.Rand, x []float64) {
	a, b, c, d := r.Float64(), r.Float64(), r.Float64(), r.Float64()
	x[0] = b * b * math.Cos(2*math.Pi*a)
	x[1] = c * c * math.Sin(2*math.Pi*a)
	x[2] = b + c + (b-d)*(b-d)
	x[3] = b - 2*c + (a-d)*(a-d)
	x[4] = -b - 2*c + (c-d)*(c-d)
	x[5] = a*a - b*b + c*c - d*d
}

func nonlinear(s Spec, _ *rand.Rand) drawer {
	return func(r *rand.Rand, x []float64) part {
		p := x[len(x)-s.D:] // drawn where the last copy goes, and used before that is written
		if s.Copies == 1 {
			p = make([]float64, s.D)
		}
		cube(r, p)
		for i, angle := range p {
			radius := p[(i+1)%s.D]
			x[2*i] = radius * math.Cos(2*math.Pi*angle)
			x[2*i+1] = radius * math.Sin(2*math.Pi*angle)
		}
		for c := 1; c < s.Copies; c++ {
			copy(x[2*s.D*c:], x[:2*s.D])
		}
		return part{}
	}
}

// paraboloid draws from a multivariate Burr law: exponentials over one that they share.
func paraboloid(r *rand.Rand, x []float64) {
	k := len(x) / 3 // d + 1
	shared := r.ExpFloat64()
	var sum float64
	for i := range k - 1 {
		x[i] = 1 / (1 + r.ExpFloat64()/shared)
		sum += x[i] * x[i]
	}
	x[k-1] = sum
	for i := range k {
		x[k+i], x[2*k+i] = math.Sin(x[i]), x[i]*x[i]
	}
}

func betaBend(r *rand.Rand, x []float64) {
	d := len(x) / 4
	for i := range d {
		// Beta(10, 1/2) = G/(G+H), of Gamma(10) and Gamma(1/2): a sum of ten exponentials, and half a squared normal.
		var g float64
		for range 10 {
			g += r.ExpFloat64()
		}
		h := r.NormFloat64()
		b := g / (g + h*h/2)
		x[i] = b * math.Sin(math.Cos(2*math.Pi*b))
		x[d+i] = b * math.Cos(math.Sin(2*math.Pi*b))
	}
	copy(x[2*d:], x[:2*d])
}

func tangent(r *rand.Rand, x []float64) {
	d := len(x) / 4
	u := x[2*d : 3*d]
	cube(r, u)
	for i := range d {
		a, b := u[i], u[d-1-i]
		x[i], x[d+i] = math.Tan(a*math.Cos(b)), math.Atan(b*math.Sin(a))
	}
	copy(x[2*d:], x[:2*d])
}

// ballLine keeps its parts 1 apart: no neighbourhood smaller than that mixes them.
func ballLine(s Spec, _ *rand.Rand) drawer {
	return func(r *rand.Rand, x []float64) part {
		if r.IntN(2) == 0 {
			ball(r, x)
			return part{0, float64(s.D)}
		}
		clear(x)
		x[0] = 2 + 2*r.Float64()
		return part{1, 1}
	}
}

// mixture draws centres from a standard normal of all columns, and points around them so that in every cluster
// E|x-c|² = (spread)²·E|c|², however many directions it has: radius then tells nothing of dimension.
func mixture(s Spec, setup *rand.Rand) drawer {
	type cluster struct {
		centre, basis []float64
		dim           int
	}
	cs := make([]cluster, s.Clusters)
	for i := range cs {
		c := cluster{centre: make([]float64, s.Ambient), dim: clusterDim(s, i)}
		normal(setup, c.centre)
		c.basis = orthonormal(setup, c.dim, s.Ambient)
		cs[i] = c
	}
	return func(r *rand.Rand, x []float64) part {
		label := r.IntN(len(cs))
		c := cs[label]
		coef := make([]float64, c.dim)
		scale := s.Spread * math.Sqrt(float64(s.Ambient)/float64(c.dim))
		for i := range coef {
			coef[i] = scale * r.NormFloat64()
		}
		combine(x, coef, c.basis)
		for i := range x {
			x[i] += c.centre[i]
		}
		return part{label, float64(c.dim)}
	}
}

// clusterDim is the dimension of cluster i.
func clusterDim(s Spec, i int) int {
	if s.Name == "mixture" {
		return s.D
	}
	steps := 1 // how many of 4, 8, 16 … are at most D
	for 4<<steps <= s.D {
		steps++
	}
	return 4 << (i % steps)
}

func meanDim(s Spec) float64 {
	var sum float64
	for i := range s.Clusters {
		sum += float64(clusterDim(s, i))
	}
	return sum / float64(s.Clusters)
}
