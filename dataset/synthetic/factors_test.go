package synthetic

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/latent-go/latent/vec"
	"pgregory.net/rapid"
)

func TestDesign(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var d Design
		for range rapid.IntRange(1, 5).Draw(t, "factors") {
			d = append(d, Factor{"f", rapid.IntRange(1, 5).Draw(t, "levels")})
		}
		s := d.Sources()
		if s.Rows != d.Rows() || s.Cols != len(d) {
			t.Fatalf("%v: sources are %d×%d", d, s.Rows, s.Cols)
		}
		for i := range d.Rows() {
			l := d.Levels(nil, i)
			if d.Row(l...) != i {
				t.Fatalf("%v: row %d is %v, which is row %d", d, i, l, d.Row(l...))
			}
			for j, v := range l {
				if s.Row(i)[j] != float32(v) {
					t.Fatalf("%v: sources of row %d are %v, not %v", d, i, s.Row(i), l)
				}
			}
		}
	})
	d := Design{{"a", 2}, {"b", 3}}
	if got := d.Levels(nil, 4); !slices.Equal(got, []int{1, 1}) {
		t.Errorf("the last factor does not change fastest: row 4 is %v", got)
	}
	for _, bad := range [][]int{{0}, {2, 0}, {0, -1}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("levels %v passed", bad)
				}
			}()
			d.Row(bad...)
		}()
	}
}

func sprites(t *testing.T, s Sprites) (vec.Matrix, Design) {
	t.Helper()
	x, err := s.Generate(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return x, s.Design()
}

// TestSpritesFactors checks that each factor changes what its name says, and nothing else.
func TestSpritesFactors(t *testing.T) {
	x, d := sprites(t, Sprites{})
	if fmt.Sprint(d) != "[{x 4} {y 4} {scale 3} {rotation 4} {shape 3} {colour 3}]" || x.Rows != 1728 || x.Cols != 16*16*3 {
		t.Fatalf("%v, %d×%d", d, x.Rows, x.Cols)
	}
	const side = 16
	at := func(row, px, py, c int) float32 {
		if px < 0 || py < 0 || px >= side || py >= side {
			return 0
		}
		return x.Row(row)[(py*side+px)*3+c]
	}
	sum := func(row int) (s float64) {
		for _, v := range x.Row(row) {
			s += float64(v)
		}
		return s
	}
	for i := range x.Rows {
		l := d.Levels(nil, i)
		next := func(f int) int { // the row one level up in factor f
			l := slices.Clone(l)
			l[f] = (l[f] + 1) % d[f].Levels
			return d.Row(l...)
		}
		// A level of x or y is two whole pixels here, so the image moves exactly.
		for f, move := range [][2]int{{2, 0}, {0, 2}} {
			if l[f] == d[f].Levels-1 {
				continue
			}
			to := next(f)
			for p := range side * side * 3 {
				px, py, c := p/3%side, p/3/side, p%3
				if at(i, px, py, c) != at(to, px+move[0], py+move[1], c) {
					t.Fatalf("%v: %s moves pixel %d,%d to another value", l, d[f].Name, px, py)
				}
			}
		}
		// Area is that of the scale, whatever else: so nothing is cut off. The worst is an upright square, whose
		// side is rounded to 1/8 of a pixel: 12.25 for 11.69.
		scale, reach := 0.6+0.2*float64(l[2]), 5.0
		want := scale * scale * reach * reach * 3 * math.Sqrt(3) / 4
		if got := sum(i); math.Abs(got/want-1) > 0.05 {
			t.Errorf("%v: area %.3f, want %.3f", l, got, want)
		}
		// The next colour is the same image in the next channel.
		for p := range side * side {
			if x.Row(i)[3*p+l[5]] != x.Row(next(5))[3*p+(l[5]+1)%3] || x.Row(i)[3*p+(l[5]+1)%3] != 0 {
				t.Fatalf("%v: colour changes more than the channel", l)
			}
		}
	}
}

// TestSpritesTurn checks rotations by what must hold of them: a square turned by 90° is itself, an ellipse is its own mirror
// image, and each lies as its angle says.
func TestSpritesTurn(t *testing.T) {
	s := Sprites{Size: 32, X: 1, Y: 1, Scales: 1, Rotations: 2, Colours: 1}
	x, d := sprites(t, s)
	if fmt.Sprint(d) != "[{rotation 2} {shape 3}]" || x.Cols != 32*32 {
		t.Fatalf("%v, %d columns", d, x.Cols)
	}
	img := func(rotation, shape int) func(px, py int) float32 {
		row := x.Row(d.Row(rotation, shape))
		return func(px, py int) float32 { return row[py*32+px] }
	}
	square, turned := img(0, 0), img(1, 0)
	ellipse, tilted := img(0, 1), img(1, 1)
	triangle := img(0, 2)
	for py := range 32 {
		for px := range 32 {
			for _, im := range []func(int, int) float32{square, turned} {
				if im(px, py) != im(31-py, px) {
					t.Fatal("a square is not itself after 90°")
				}
			}
			if ellipse(px, py) != ellipse(31-px, py) || ellipse(px, py) != ellipse(px, 31-py) {
				t.Fatal("an ellipse is not symmetric")
			}
			if tilted(px, py) != tilted(py, px) {
				t.Fatal("an ellipse at 45° is not its own mirror image across the diagonal")
			}
			if triangle(px, py) != triangle(31-px, py) {
				t.Fatal("a triangle is not symmetric")
			}
		}
	}
	// Spots a little off the centre: the ellipse is wide, and clockwise at 45° falls to the right; the triangle points up.
	if ellipse(22, 16) != 1 || ellipse(16, 22) != 0 || tilted(20, 20) != 1 || tilted(20, 11) != 0 || triangle(16, 8) == 0 || triangle(16, 23) != 0 {
		t.Error("a shape does not lie as it should")
	}
}

// TestSpritesDiffer checks that no two of all images are alike, so that the sources can be read off them.
func TestSpritesDiffer(t *testing.T) {
	for _, s := range []Sprites{{}, {Colours: 1}, {Size: 8, X: 3, Y: 3, Scales: 2, Rotations: 2}, {Colours: 12, X: 1, Y: 1}} {
		x, _ := sprites(t, s)
		seen := map[string]int{}
		for i := range x.Rows {
			key := fmt.Sprint(x.Row(i))
			if j, ok := seen[key]; ok {
				t.Errorf("%+v: rows %d and %d are the same", s, j, i)
			}
			seen[key] = i
		}
	}
}

func TestMixed(t *testing.T) {
	logit := func(v float32) float64 { return math.Log(float64(v) / (1 - float64(v))) }
	for _, m := range []Mixed{{}, {Embedded: true}, {Factors: 2, Levels: 3, Columns: 5, Seed: 7}} {
		x, err := m.Generate(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		d := m.Design()
		if x.Rows != d.Rows() {
			t.Fatalf("%d rows for %d", x.Rows, d.Rows())
		}
		// Sources add up: a change of one makes the same difference whatever the others are.
		for i := range x.Rows {
			l := d.Levels(nil, i)
			for f := range d {
				low, from := slices.Clone(l), make([]int, len(d))
				low[f] = 0
				from[f] = l[f]
				a, b := x.Row(d.Row(low...)), x.Row(d.Row(from...))
				for c := range x.Cols {
					diff := logit(x.Row(i)[c]) - logit(a[c]) - (logit(b[c]) - logit(x.Row(0)[c]))
					if math.Abs(diff) > 2e-3 { // seen 6e-4, where σ is near 1
						t.Fatalf("%+v: row %d, column %d: factor %d adds %g more", m, i, c, f, diff)
					}
				}
			}
		}
		if m.Embedded {
			continue
		}
		for i := range x.Rows { // levels lie evenly about 0: a row and its mirror image are σ(v) and σ(-v)
			l := d.Levels(nil, i)
			for f := range l {
				l[f] = d[f].Levels - 1 - l[f]
			}
			for c, v := range x.Row(d.Row(l...)) {
				if math.Abs(float64(v+x.Row(i)[c]-1)) > 1e-6 {
					t.Fatalf("%+v: row %d and its mirror image do not add up to 1", m, i)
				}
			}
		}
	}
}

func TestMixedSpread(t *testing.T) {
	for _, embedded := range []bool{false, true} {
		m := Mixed{Factors: 1, Levels: 2, Columns: 10000, Embedded: embedded, Seed: 3}
		x, err := m.Generate(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		want := 1.2
		if embedded {
			want = 0.8
		}
		var sq float64
		for _, v := range x.Row(1) {
			l := math.Log(float64(v) / (1 - float64(v)))
			sq += l * l
		}
		if got := math.Sqrt(sq / 10000); math.Abs(got-want) > 0.03*want { // three standard errors are 2.1 %
			t.Errorf("embedded %v: standard deviation %.3f, want %.1f", embedded, got, want)
		}
	}
}

func TestFactorsRefused(t *testing.T) {
	for _, s := range []Sprites{{Size: 7}, {X: 17}, {Y: -1}, {Scales: 9}, {Rotations: 9}, {Shapes: 4}, {Colours: 13}, {Size: 129},
		{Size: 128, X: 128, Y: 128, Scales: 8, Rotations: 8, Colours: 12}} {
		_, err := s.Generate(t.Context())
		if err == nil {
			t.Errorf("%+v passed", s)
		}
	}
	for _, m := range []Mixed{{Factors: 17}, {Levels: 1}, {Columns: -1}, {Factors: 16, Levels: 256}} {
		if _, err := m.Generate(t.Context()); err == nil || m.Design() != nil {
			t.Errorf("%+v passed: %v", m, err)
		}
	}
	if (Sprites{Size: 7}).Design() != nil {
		t.Error("a design of what is refused")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := (Sprites{}).Generate(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("sprites went on: %v", err)
	}
	if _, err := (Mixed{}).Generate(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("mixed went on: %v", err)
	}
}
