// Package synthetic makes vectors whose intrinsic dimension is known: balls, spheres, curved manifolds, mixtures. They are
// what a measure of dimension is checked against, and what an index is tried on when there is no data.
//
//	spec, err := synthetic.Parse("synthetic:sphere?n=2500&d=10&ambient=50&noise=0.01&seed=1")
//	set, err := spec.Generate(ctx) // set.X is 2500×50, set.Intrinsic is 10
//
// [Generators] is the table of what there is. A generator draws points in the space of its equations, its native space; with
// noise 0 and no ambient given they hold to float32 rounding. A larger ambient turns that space into a random subspace of the
// wider one, which changes no distance. The same Spec gives the same bytes, whatever GOMAXPROCS is, and fewer
// rows are the first rows of more.
//
// [Sprites] and [Mixed] are data of known sources instead, one row for each combination of their levels: what a measure of
// disentanglement is checked against.
package synthetic

import (
	"context"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/latent-go/latent/vec"
)

// Prefix begins every spec in text.
const Prefix = "synthetic:"

// Spec says what to generate. A zero field means the generator's own value, which [Spec.Resolve] fills in.
type Spec struct {
	Name      string  // of a [Generator]
	N         int     // rows; 0 means 2500
	D         int     // intrinsic dimension
	Ambient   int     // columns; 0 means the native space
	Clusters  int     // of a mixture
	Copies    int     // how often the native coordinates of nonlinear are repeated
	Spread    float64 // root mean square distance of a mixture's points from their centre, over that of centres from 0
	Noise     float64 // standard deviation of the Gaussian noise added to every column
	Normalize bool    // scale each row to length 1
	Seed      uint64
}

// Set is generated data.
type Set struct {
	X      vec.Matrix // Spec.N × Spec.Ambient
	Labels []int      // the part each row belongs to, where there is more than one; else nil
	// Intrinsic is the dimension of what the rows were drawn from before noise, the mean over rows where parts differ.
	Intrinsic float64
	// PointIntrinsic is the dimension at each row, where parts differ in it; else nil.
	PointIntrinsic []float64
	Spec           Spec // resolved
}

const (
	maxDim    = 1 << 14 // columns
	maxBasis  = 1 << 28 // values in random bases, 2 GiB: maxDim squared
	maxValues = 1 << 34 // rows × columns
	blockRows = 256     // rows drawn from one random stream; part of what a seed means
)

// Parse reads a spec such as "synthetic:mixture?n=10000&d=8&clusters=20", or the name of one of the [Benchmarks] in place of
// a generator's. It comes back resolved.
func Parse(spec string) (Spec, error) {
	rest, ok := strings.CutPrefix(spec, Prefix)
	if !ok {
		return Spec{}, fmt.Errorf("synthetic: %q does not begin with %q", spec, Prefix)
	}
	name, query, _ := strings.Cut(rest, "?")
	if i := slices.IndexFunc(Benchmarks, func(b Benchmark) bool { return strings.EqualFold(b.Name, name) }); i >= 0 {
		s := Benchmarks[i].Spec
		return s.with(spec, query)
	}
	return Spec{Name: name}.with(spec, query)
}

// with applies a query string to s and resolves the result.
func (s Spec) with(text, query string) (Spec, error) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return Spec{}, fmt.Errorf("synthetic: %q: %w; write ?n=2500&d=10", text, err)
	}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		if len(values[key]) != 1 {
			return Spec{}, fmt.Errorf("synthetic: %q: %s is given %d times", text, key, len(values[key]))
		}
		v := values[key][0]
		var err error
		switch key {
		case "n":
			s.N, err = strconv.Atoi(v)
		case "d":
			s.D, err = strconv.Atoi(v)
		case "ambient":
			s.Ambient, err = strconv.Atoi(v)
		case "clusters":
			s.Clusters, err = strconv.Atoi(v)
		case "copies":
			s.Copies, err = strconv.Atoi(v)
		case "spread":
			s.Spread, err = strconv.ParseFloat(v, 64)
		case "noise":
			s.Noise, err = strconv.ParseFloat(v, 64)
		case "normalize":
			s.Normalize, err = strconv.ParseBool(v)
		case "seed":
			s.Seed, err = strconv.ParseUint(v, 10, 64)
		default:
			return Spec{}, fmt.Errorf("synthetic: %q: no parameter is called %q; there are %s", text, key, parameters)
		}
		if err != nil {
			return Spec{}, fmt.Errorf("synthetic: %q: %s=%q is not a number that fits (%w)", text, key, v, err)
		}
	}
	return s.Resolve()
}

const parameters = "n, d, ambient, noise, seed, clusters, copies, spread, normalize"

// String returns the spec as text that Parse reads back, with everything that was resolved written out.
func (s Spec) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s%s?n=%d&d=%d", Prefix, s.Name, s.N, s.D)
	add := func(key string, v any, set bool) {
		if set {
			fmt.Fprintf(&b, "&%s=%v", key, v)
		}
	}
	add("ambient", s.Ambient, s.Ambient != 0)
	add("clusters", s.Clusters, s.Clusters != 0)
	add("copies", s.Copies, s.Copies != 0)
	add("spread", s.Spread, s.Spread != 0)
	add("noise", s.Noise, s.Noise != 0)
	add("normalize", true, s.Normalize)
	add("seed", s.Seed, s.Seed != 0)
	return b.String()
}

// Resolve fills in what was left zero and checks the rest.
func (s Spec) Resolve() (Spec, error) {
	g, err := lookup(s.Name)
	if err != nil {
		return Spec{}, err
	}
	fail := func(format string, a ...any) (Spec, error) {
		return Spec{}, fmt.Errorf("synthetic: "+s.Name+": "+format, a...)
	}
	def := g.Defaults
	for _, p := range []struct {
		name       string
		v          *int
		def        int
		limit      int
		everywhere bool
	}{
		{"n", &s.N, 2500, maxValues, true},
		{"d", &s.D, def.D, maxDim, true},
		{"ambient", &s.Ambient, def.Ambient, maxDim, true},
		{"clusters", &s.Clusters, def.Clusters, maxDim, false},
		{"copies", &s.Copies, def.Copies, maxDim, false},
	} {
		if p.def == 0 && !p.everywhere && *p.v != 0 {
			return fail("takes no %s; leave it out", p.name)
		}
		if *p.v == 0 {
			*p.v = p.def
		}
		if *p.v < 0 || *p.v > p.limit {
			return fail("%s=%d is not within 1 to %d", p.name, *p.v, p.limit)
		}
	}
	if def.Spread == 0 && s.Spread != 0 {
		return fail("takes no spread; leave it out")
	}
	if s.Spread == 0 {
		s.Spread = def.Spread
	}
	for _, p := range []struct {
		name string
		v    float64
	}{{"spread", s.Spread}, {"noise", s.Noise}} {
		if !(p.v >= 0 && p.v <= 1e9) {
			return fail("%s=%v is not within 0 to 1e9", p.name, p.v)
		}
	}
	if g.Fixed && s.D != def.D {
		return fail("has intrinsic dimension %d, not d=%d; leave d out", def.D, s.D)
	}
	if s.D < g.minD {
		return fail("d=%d is below %d, the least it can have", s.D, g.minD)
	}
	if s.Normalize && g.normalized == nil {
		return fail("cannot be normalized; subspace, gaussian, mixture and clusters can")
	}
	native := g.native(s)
	switch {
	case native > maxDim:
		return fail("d=%d needs %d columns; at most %d are made", s.D, native, maxDim)
	case s.Ambient == 0:
		s.Ambient = native
	case s.Ambient < native:
		return fail("ambient=%d is fewer columns than the %d that d=%d needs", s.Ambient, native, s.D)
	}
	switch {
	case s.N > maxValues/s.Ambient:
		return fail("%d×%d is more than the %d values that are made at once", s.N, s.Ambient, maxValues)
	case s.Clusters*s.D > maxBasis/s.Ambient:
		return fail("%d clusters of %d directions in R^%d need more memory than 2 GiB; ask for fewer", s.Clusters, s.D, s.Ambient)
	case s.Normalize && g.parts && s.Ambient == s.D:
		return fail("clusters that fill all %d columns lose a dimension when normalized; ask for a larger ambient", s.D)
	case s.Normalize && g.Intrinsic(s) == 0:
		return fail("a line scaled to length 1 is two points; ask for d=2 or more")
	}
	return s, nil
}

// Generate makes the data. If ctx ends first its error is returned. Time O(n·native·ambient).
func (s Spec) Generate(ctx context.Context) (Set, error) {
	s, err := s.Resolve()
	if err != nil {
		return Set{}, err
	}
	g, err := lookup(s.Name)
	if err != nil {
		return Set{}, err
	}
	setup := stream(s.Seed, 0)
	native := g.native(s)
	draw := g.make(s, setup)
	var basis []float64 // native × ambient, rows orthonormal
	if s.Ambient > native {
		basis = orthonormal(setup, native, s.Ambient)
	}
	set := Set{X: vec.NewMatrix(s.N, s.Ambient), Intrinsic: g.Intrinsic(s), Spec: s}
	if g.parts {
		set.Labels = make([]int, s.N)
	}
	if g.uneven {
		set.PointIntrinsic = make([]float64, s.N)
	}
	err = vec.Blocks(ctx, s.N, blockRows, func(lo, hi int) error {
		r := stream(s.Seed, uint64(lo/blockRows)+1)
		x, wide := make([]float64, native), make([]float64, s.Ambient)
		for i := lo; i < hi; i++ {
			part := draw(r, x)
			y := x
			if basis != nil {
				y = wide
				combine(y, x, basis)
			}
			if s.Noise > 0 {
				for j := range y {
					y[j] += s.Noise * r.NormFloat64()
				}
			}
			if s.Normalize {
				scaleTo(y, 1)
			}
			for j, v := range y {
				set.X.Row(i)[j] = float32(v)
			}
			if set.Labels != nil {
				set.Labels[i] = part.label
			}
			if set.PointIntrinsic != nil {
				set.PointIntrinsic[i] = part.dim
			}
		}
		return nil
	})
	if err != nil {
		return Set{}, fmt.Errorf("synthetic: %s: %w", s.Name, err)
	}
	if set.PointIntrinsic != nil {
		var sum float64
		for _, d := range set.PointIntrinsic {
			sum += d
		}
		set.Intrinsic = sum / float64(s.N)
	}
	return set, nil
}

// Subspace returns n×d rows of rank m: random combinations, with N(0,1) coefficients, of m random orthonormal directions,
// scaled to length 1 if normalize is set. Source: Elliott & Clark 2024 (arXiv 2405.17813).
func Subspace(n, d, m int, normalize bool, seed uint64) (vec.Matrix, error) {
	set, err := Spec{Name: "subspace", N: n, Ambient: d, D: m, Normalize: normalize, Seed: seed}.Generate(context.Background())
	return set.X, err
}

// stream returns random stream k of a seed; the mixing (SplitMix64) keeps the states of neighbouring streams far apart.
func stream(seed, k uint64) *rand.Rand {
	k += 0x9e3779b97f4a7c15
	k = (k ^ k>>30) * 0xbf58476d1ce4e5b9
	k = (k ^ k>>27) * 0x94d049bb133111eb
	return rand.New(rand.NewPCG(seed, k^k>>31))
}

// orthonormal returns m random orthonormal directions in R^d, one after another: Gram-Schmidt, each vector twice, which is
// enough for orthogonality to rounding.
func orthonormal(r *rand.Rand, m, d int) []float64 {
	b := make([]float64, m*d)
	for i := range m {
		v := b[i*d : (i+1)*d]
		for j := range v {
			v[j] = r.NormFloat64()
		}
		for range 2 {
			for k := range i {
				u := b[k*d : (k+1)*d]
				var dot float64
				for j := range v {
					dot += float64(v[j] * u[j])
				}
				for j := range v {
					v[j] -= float64(dot * u[j])
				}
			}
			scaleTo(v, 1)
		}
	}
	return b
}

// combine writes Σ xᵢ·basisᵢ to dst. The conversions keep the compiler from fusing, so that all machines agree.
func combine(dst, x, basis []float64) {
	clear(dst)
	d := len(dst)
	for i, c := range x {
		for j, u := range basis[i*d : (i+1)*d] {
			dst[j] += float64(c * u)
		}
	}
}

// scaleTo scales v to a length; a zero vector, met with probability 0, stays.
func scaleTo(v []float64, length float64) {
	var s float64
	for _, a := range v {
		s += float64(a * a)
	}
	if s == 0 {
		return
	}
	s = length / math.Sqrt(s)
	for i := range v {
		v[i] *= s
	}
}
