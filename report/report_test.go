package report

import (
	"bytes"
	"encoding/xml"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// wellFormed fails unless s is XML.
func wellFormed(t interface{ Fatalf(string, ...any) }, s string) {
	d := xml.NewDecoder(strings.NewReader(s))
	for {
		if _, err := d.Token(); err == io.EOF {
			return
		} else if err != nil {
			t.Fatalf("%v in %s", err, s)
		}
	}
}

func charts() []Chart {
	zero := 0.0
	return []Chart{
		Lines{Title: "a <b> & \"c\"", X: "k", Y: "dimension", Series: []Series{
			{Name: "one", X: []float64{1, 2, 3}, Y: []float64{1, math.NaN(), 9}, Lo: []float64{0, 0, 8}, Hi: []float64{2, 0, 10}},
			{Name: "two", X: []float64{1, 3}, Y: []float64{4, 5}, Points: true, Labels: []string{"<x>", "y"}},
		}, Marks: []Mark{{At: 2.5, Label: "here & now"}, {At: 4, Horizontal: true}}, MinY: &zero},
		Lines{Title: "logarithmic", LogX: true, LogY: true, Series: []Series{{Name: "s", X: []float64{0, 1, 10, 1e6}, Y: []float64{1, 0.001, 5, 7}}}},
		Lines{Title: "nothing"},
		Lines{Title: "one point", LogY: true, Series: []Series{{X: []float64{5}, Y: []float64{5}}}},
		Bin("a histogram", "value", []float64{1, 1, 2, 3, math.Inf(1)}, 4),
		Bin("one value", "value", []float64{7}, 4),
		Bin("no value", "value", nil, 4),
		Heatmap{Title: "matches", Values: [][]float64{{1, 0.5}, {0, math.NaN()}}},
		Heatmap{Title: "empty"},
	}
}

func TestChartsAreXML(t *testing.T) {
	for _, c := range charts() {
		wellFormed(t, string(c.SVG()))
		var b bytes.Buffer
		if err := WriteSVG(&b, c); err != nil {
			t.Fatal(err)
		}
		wellFormed(t, b.String())
		if s := b.String(); strings.Contains(s, "NaN") || strings.Contains(s, "Inf") {
			t.Errorf("a coordinate is not finite: %s", s)
		}
	}
}

// TestLongNames wants titles and the names of many curves within the chart, each curve told apart from the others.
func TestLongNames(t *testing.T) {
	c := Lines{Title: strings.Repeat("a title of many words ", 8)}
	for i := range 9 {
		c.Series = append(c.Series, Series{Name: strings.Repeat("curve", 3) + string(rune('A'+i)), X: []float64{1, 2}, Y: []float64{1, float64(i)}})
	}
	svg := string(c.SVG())
	wellFormed(t, svg)
	styles := map[string]bool{}
	for _, k := range regexp.MustCompile(`<path d="M([0-9.]+) [0-9.]+h10" ([^>]*)/><text[^>]*>([^<]*)<`).FindAllStringSubmatch(svg, -1) {
		if x, _ := strconv.ParseFloat(k[1], 64); x+14+6.6*float64(len(k[3])) > 520 {
			t.Errorf("%s begins at %v and leaves the chart", k[3], x)
		}
		styles[k[2]] = true
	}
	if len(styles) != 9 {
		t.Errorf("%d ways to draw 9 curves", len(styles))
	}
	for _, line := range regexp.MustCompile(`class="title"[^>]*>([^<]*)<`).FindAllStringSubmatch(svg, -1) {
		if len(line[1]) > 70 {
			t.Errorf("the line %q leaves the chart", line[1])
		}
	}
	if plain := string(Lines{Title: "short"}.SVG()); !strings.Contains(plain, `viewBox="0 0 520 326"`) || strings.Contains(svg, `viewBox="0 0 520 326"`) {
		t.Error("a chart is not as high as its lines of text take")
	}
}

func TestBin(t *testing.T) {
	h := Bin("", "", []float64{0, 1, 2, 3, 4, math.NaN()}, 2)
	if h.Lo != 0 || h.Hi != 4 || h.Counts[0] != 2 || h.Counts[1] != 3 {
		t.Errorf("%+v", h)
	}
}

func TestTicksCoverTheSpan(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := span{log: rapid.Bool().Draw(t, "log")}
		a := rapid.Float64Range(1e-6, 1e9).Draw(t, "a")
		s.include(a)
		s.include(a * rapid.Float64Range(1, 1e6).Draw(t, "ratio"))
		r, ticks := s.rounded()
		if r.lo > s.lo || r.hi < s.hi || !(r.hi > r.lo) {
			t.Fatalf("%v became %v", s, r)
		}
		if len(ticks) < 1 || len(ticks) > 20 {
			t.Fatalf("%d ticks on %v", len(ticks), r)
		}
		for _, v := range ticks {
			if at := r.at(v); at < -0.01 || at > 1.01 {
				t.Fatalf("tick %v lies at %v of %v", v, at, r)
			}
		}
	})
}

func TestPage(t *testing.T) {
	p := Page{
		Title: "<vectors>", Lead: "lead", Facts: []Fact{{"n", "5", "rows"}}, Footer: "made by a test",
		Sections: []Section{{
			Title: "s", Text: []string{"t"}, Warnings: []string{"w"}, Charts: charts(),
			Table: &Table{Head: []string{"plan", "recall"}, Rows: [][]string{{"a|b", "0.95"}}, Strong: map[int]bool{0: true}, Left: 1},
		}},
	}
	var b bytes.Buffer
	if _, err := p.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"&lt;vectors&gt;", "<svg class=\"chart\"", `<td class="n">0.95</td>`, `<tr class="strong">`} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(b.String(), "http") {
		t.Error("the page refers to something outside itself")
	}
}

func Example() {
	p := Page{Title: "vectors.npy", Sections: []Section{{Title: "Spectrum", Charts: []Chart{
		Lines{Title: "variance", X: "component", Y: "share", Series: []Series{{X: []float64{1, 2, 3}, Y: []float64{0.6, 0.3, 0.1}}}},
	}}}}
	p.WriteTo(io.Discard)
	// Output:
}
