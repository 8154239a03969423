package synthetic

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/latent-go/latent/vec"
)

// Factor is one source that data varies by, and how many levels it takes.
type Factor struct {
	Name   string
	Levels int
}

// Design is the full factorial design of its factors: each combination of their levels is one row, the last factor
// changing fastest. Its factors are independent of each other, exactly. [Sprites] and [Mixed] are data made over a Design.
type Design []Factor

// Rows is the number of combinations.
func (d Design) Rows() int {
	n := 1
	for _, f := range d {
		n *= f.Levels
	}
	return n
}

// Levels writes the levels of a row to dst, one for each factor, and returns it; a nil dst is allocated.
func (d Design) Levels(dst []int, row int) []int {
	if dst == nil {
		dst = make([]int, len(d))
	}
	for i := len(d) - 1; i >= 0; i-- {
		dst[i] = row % d[i].Levels
		row /= d[i].Levels
	}
	return dst
}

// Row is the row of these levels, one for each factor. Another number of them, or a level out of range, panics.
func (d Design) Row(levels ...int) int {
	if len(levels) != len(d) {
		panic(fmt.Sprintf("synthetic: %d levels for %d factors", len(levels), len(d)))
	}
	row := 0
	for i, f := range d {
		if levels[i] < 0 || levels[i] >= f.Levels {
			panic(fmt.Sprintf("synthetic: level %d of %s, which has %d", levels[i], f.Name, f.Levels))
		}
		row = row*f.Levels + levels[i]
	}
	return row
}

// Sources are the levels of all rows, rows × factors, as measure/disentangle takes them.
func (d Design) Sources() vec.Matrix {
	s := vec.NewMatrix(d.Rows(), len(d))
	levels := make([]int, len(d))
	for i := range s.Rows {
		for j, l := range d.Levels(levels, i) {
			s.Row(i)[j] = float32(l)
		}
	}
	return s
}

// Sprites are small anti-aliased images of one shape on black, for each combination of where it is, how large, how it is
// turned, what it is and its colour, as in dSprites (Matthey et al. 2017) but of a few thousand images. Shapes of one
// scale have the same area, nothing is cut off at an edge, and all images differ. Fields count the levels of a factor;
// 1 holds it fixed, and then it is not in the Design.
type Sprites struct {
	Size      int // pixels a side, 8 to 128; 0 means 16
	X, Y      int // centres, from 5/16 to 11/16 of the side, evenly; up to Size; 0 means 4
	Scales    int // from 0.6 to 1 times the largest, evenly; up to 8; 0 means 3
	Rotations int // clockwise, from 0° to less than 90°, evenly; up to 8; 0 means 4
	Shapes    int // the first of square, ellipse, triangle; 0 means 3
	Colours   int // hues, from red, evenly; up to 12; 0 means 3. 1 is white, in one channel instead of three
}

func (s Sprites) resolve() (Sprites, error) {
	if s.Size == 0 {
		s.Size = 16
	}
	for _, f := range []struct {
		name           string
		v              *int
		def, low, high int
	}{
		{"size", &s.Size, 16, 8, 128}, {"x", &s.X, 4, 1, s.Size}, {"y", &s.Y, 4, 1, s.Size}, {"scales", &s.Scales, 3, 1, 8},
		{"rotations", &s.Rotations, 4, 1, 8}, {"shapes", &s.Shapes, 3, 1, 3}, {"colours", &s.Colours, 3, 1, 12},
	} {
		if *f.v == 0 {
			*f.v = f.def
		}
		if *f.v < f.low || *f.v > f.high {
			return s, fmt.Errorf("synthetic: sprites: %s is %d; want %d to %d", f.name, *f.v, f.low, f.high)
		}
	}
	return s, nil
}

// Design names the factors that vary, of x, y, scale, rotation, shape and colour, in that order. What Generate refuses
// gives nil.
func (s Sprites) Design() Design {
	s, err := s.resolve()
	if err != nil {
		return nil
	}
	var d Design
	for _, f := range s.factors() {
		if f.Levels > 1 {
			d = append(d, f)
		}
	}
	return d
}

func (s Sprites) factors() Design {
	return Design{{"x", s.X}, {"y", s.Y}, {"scale", s.Scales}, {"rotation", s.Rotations}, {"shape", s.Shapes}, {"colour", s.Colours}}
}

// Generate draws the images of the Design, a row each: pixels from the top left, line by line, and of each its channels,
// from 0 to 1.
func (s Sprites) Generate(ctx context.Context) (vec.Matrix, error) {
	s, err := s.resolve()
	if err != nil {
		return vec.Matrix{}, err
	}
	all := s.factors()
	channels := 3
	if s.Colours == 1 {
		channels = 1
	}
	if n := all.Rows(); n > maxValues/(s.Size*s.Size*channels) {
		return vec.Matrix{}, fmt.Errorf("synthetic: sprites: %d images of %d×%d pixels are too many; want fewer levels", n, s.Size, s.Size)
	}
	x := vec.NewMatrix(all.Rows(), s.Size*s.Size*channels)
	// The rows of the Design are those of all factors, in the same order: factors of one level change neither.
	err = vec.Blocks(ctx, x.Rows, 16, func(lo, hi int) error {
		levels := make([]int, len(all))
		for i := lo; i < hi; i++ {
			s.draw(x.Row(i), all.Levels(levels, i))
		}
		return ctx.Err()
	})
	return x, err
}

// draw paints one image: the share of 8×8 points in each pixel that lie within the shape, in its colour.
func (s Sprites) draw(img []float32, l []int) {
	const points = 8
	reach := 5.0 / 16 * float64(s.Size)
	cx := reach + 6.0/16*float64(s.Size)*along(l[0], s.X, 0.5)
	cy := reach + 6.0/16*float64(s.Size)*along(l[1], s.Y, 0.5)
	scale := 0.6 + 0.4*along(l[2], s.Scales, 1)
	sin, cos := math.Sincos(math.Pi / 2 * float64(l[3]) / float64(s.Rotations))
	area := scale * scale * reach * reach * 3 * math.Sqrt(3) / 4 // of a triangle that reaches as far as there is room
	colour := []float32{1}
	if s.Colours > 1 {
		colour = hue(float64(l[5]) / float64(s.Colours))
	}
	for py := range s.Size {
		for px := range s.Size {
			var in int
			for k := range points * points {
				dx := float64(px) + (float64(k%points)+0.5)/points - cx
				dy := float64(py) + (float64(k/points)+0.5)/points - cy
				if math.Abs(dx) <= reach && math.Abs(dy) <= reach && within(l[4], cos*dx+sin*dy, cos*dy-sin*dx, area) {
					in++
				}
			}
			for c, v := range colour {
				img[(py*s.Size+px)*len(colour)+c] = v * float32(in) / (points * points)
			}
		}
	}
}

// along is how far level l of n is from the first to the last, from 0 to 1; alone where there is but one.
func along(l, n int, alone float64) float64 {
	if n == 1 {
		return alone
	}
	return float64(l) / float64(n-1)
}

// within says whether a point, from the centre and in the shape's own axes, lies in the shape of that area.
func within(shape int, u, v, area float64) bool {
	switch shape {
	case 0: // a square
		half := math.Sqrt(area) / 2
		return math.Abs(u) <= half && math.Abs(v) <= half
	case 1: // an ellipse, twice as wide as high: π·2b·b = area
		return u*u/4+v*v <= area/(2*math.Pi)
	default: // an equilateral triangle, tip upwards, with its centre of mass at 0
		in := math.Sqrt(area / (3 * math.Sqrt(3))) // radius of the circle in it
		return v <= in && math.Sqrt(3)/2*math.Abs(u)-v/2 <= in
	}
}

// hue is a saturated colour: red at 0, green at 1/3, blue at 2/3.
func hue(h float64) []float32 {
	c := make([]float32, 3)
	for i := range c {
		d := math.Abs(math.Mod(6*h-2*float64(i)+9, 6) - 3) // from the hue of this channel, in sixths of the circle
		c[i] = float32(min(max(2-d, 0), 1))
	}
	return c
}

// Mixed are vectors in which every source has a hand in every number: x = σ(Σᵢ eᵢ(sᵢ)) for sources s. They are as hard to
// take apart as sprites in one way, since no number is about one source, and easier in another, since the sources add up.
type Mixed struct {
	Factors  int  // 0 means 4
	Levels   int  // of each, from 2 up; 0 means 6
	Columns  int  // 0 means 48
	Embedded bool // eᵢ is a vector of its own for each level, of N(0, 0.8²); else 1.2·vᵢ·aᵢ, where vᵢ goes from -1 to 1 in even steps and aᵢ is of N(0, 1)
	Seed     uint64
}

func (m Mixed) resolve() (Mixed, error) {
	for _, f := range []struct {
		name           string
		v              *int
		def, low, high int
	}{{"factors", &m.Factors, 4, 1, 16}, {"levels", &m.Levels, 6, 2, 256}, {"columns", &m.Columns, 48, 1, maxDim}} {
		if *f.v == 0 {
			*f.v = f.def
		}
		if *f.v < f.low || *f.v > f.high {
			return m, fmt.Errorf("synthetic: mixed: %s is %d; want %d to %d", f.name, *f.v, f.low, f.high)
		}
	}
	if math.Pow(float64(m.Levels), float64(m.Factors))*float64(m.Columns) > maxValues {
		return m, fmt.Errorf("synthetic: mixed: %d^%d rows of %d columns are too many; want fewer levels or factors", m.Levels, m.Factors, m.Columns)
	}
	return m, nil
}

// Design are the factors, s1 and so on. What Generate refuses gives nil.
func (m Mixed) Design() Design {
	m, err := m.resolve()
	if err != nil {
		return nil
	}
	var d Design
	for i := range m.Factors {
		d = append(d, Factor{fmt.Sprintf("s%d", i+1), m.Levels})
	}
	return d
}

// Generate makes the rows of the Design, of Columns numbers between 0 and 1. The same seed gives the same rows.
func (m Mixed) Generate(ctx context.Context) (vec.Matrix, error) {
	m, err := m.resolve()
	if err != nil {
		return vec.Matrix{}, err
	}
	r := rand.New(rand.NewPCG(m.Seed, 0xfac7))
	e := make([]vec.Matrix, m.Factors) // of each factor, levels × columns
	for i := range e {
		e[i] = vec.NewMatrix(m.Levels, m.Columns)
		for l := range m.Levels {
			for c := range m.Columns {
				switch {
				case m.Embedded:
					e[i].Row(l)[c] = float32(0.8 * r.NormFloat64())
				case l == 0:
					e[i].Row(l)[c] = float32(-1.2 * r.NormFloat64()) // v = -1
				default:
					e[i].Row(l)[c] = e[i].Row(0)[c] * (1 - 2*float32(l)/float32(m.Levels-1))
				}
			}
		}
	}
	d := m.Design()
	x := vec.NewMatrix(d.Rows(), m.Columns)
	err = vec.Blocks(ctx, x.Rows, 256, func(lo, hi int) error {
		levels := make([]int, len(d))
		for i := lo; i < hi; i++ {
			row := x.Row(i)
			for f, l := range d.Levels(levels, i) {
				vec.AddScaled(row, e[f].Row(l), 1)
			}
			for c, v := range row {
				row[c] = float32(1 / (1 + math.Exp(-float64(v))))
			}
		}
		return ctx.Err()
	})
	return x, err
}
