package report

import (
	"fmt"
	"html/template"
	"io"
	"math"
	"strconv"
	"strings"
)

// A chart is drawn on a grid of this size, whatever size it is shown at. It is higher where the title or the names of the
// curves take more than a line.
const (
	width, height            = 520.0, 326.0
	left, right, top, bottom = 66.0, 22.0, 42.0, 46.0
	plotWidth, plotHeight    = width - left - right, height - top - bottom
)

const chartStyle = `
:root { --ink: #1d2126; --soft: #5d666f; --line: #d9dbd6; --c0: #1f77b4; --c1: #d1631a; --c2: #2a8a57; --c3: #a33b8f; --c4: #7a6a1e; --c5: #5a56c4; }
@media (prefers-color-scheme: dark) { :root { --ink: #e7e9ea; --soft: #a0a8ae; --line: #3a3f44; --c0: #6cb2e8; --c1: #f0985a; --c2: #67c795; --c3: #dd86cd; --c4: #cdbb62; --c5: #9c98f2; } }
svg.chart { font: 12.5px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
svg.chart text { fill: var(--ink); } svg.chart .soft { fill: var(--soft); } svg.chart .title { font-size: 14px; font-weight: 600; }
svg.chart .grid { stroke: var(--line); stroke-width: 1; fill: none; } svg.chart .mark { stroke: var(--soft); stroke-width: 1.2; stroke-dasharray: 4 3; }
`

// colors is how many hues --c0… there are.
const colors = 6

// Lines is a chart of curves, of points, or of both.
type Lines struct {
	Title, X, Y string // the title, and what the axes show, with units
	LogX, LogY  bool
	MinY, MaxY  *float64 // fix an end of the y axis; nil to let the data decide
	Series      []Series
	Marks       []Mark
}

// Series is one curve. Points that are not finite, or not above 0 on a logarithmic axis, are gaps.
type Series struct {
	Name   string
	X, Y   []float64
	Lo, Hi []float64 // a band around Y, if not nil
	Points bool      // dots without a line between them
	Labels []string  // what hovering over each point says, if not nil
}

// Mark is a dashed line across the chart at a value of x, or of y if Horizontal.
type Mark struct {
	At         float64
	Label      string
	Horizontal bool
}

// Histogram is a chart of counts in bins of equal width.
type Histogram struct {
	Title, X, Y string
	Lo, Hi      float64 // the ends of the first and the last bin
	Counts      []int
	Marks       []Mark // vertical ones
}

// Bin counts values in n bins of equal width between the least and the greatest. Values that are not finite are left out.
func Bin(title, x string, values []float64, n int) Histogram {
	lo, hi := math.Inf(1), math.Inf(-1)
	for _, v := range values {
		if finite(v) {
			lo, hi = min(lo, v), max(hi, v)
		}
	}
	h := Histogram{Title: title, X: x, Y: "count", Lo: lo, Hi: hi, Counts: make([]int, max(n, 1))}
	if lo > hi {
		h.Lo, h.Hi = 0, 1
		return h
	}
	if lo == hi {
		h.Lo, h.Hi = lo-0.5, hi+0.5
	}
	for _, v := range values {
		if finite(v) {
			h.Counts[min(int((v-h.Lo)/(h.Hi-h.Lo)*float64(n)), n-1)]++
		}
	}
	return h
}

// Heatmap is a matrix of values from 0 to 1, drawn as shades.
type Heatmap struct {
	Title, X, Y string
	Values      [][]float64 // rows from the top
}

// WriteSVG writes a chart as a file of its own.
func WriteSVG(w io.Writer, c Chart) error {
	svg := strings.Replace(string(c.SVG()), ">", ` xmlns="http://www.w3.org/2000/svg"><style>`+
		chartStyle+`svg.chart { background: transparent; }</style>`, 1)
	_, err := io.WriteString(w, svg+"\n")
	return err
}

// SVG draws the chart.
func (c Lines) SVG() template.HTML {
	x, y := span{log: c.LogX}, span{log: c.LogY}
	for _, s := range c.Series {
		for i := range s.X {
			if !x.shows(s.X[i]) || !y.shows(s.Y[i]) {
				continue
			}
			x.include(s.X[i])
			y.include(s.Y[i])
			if s.Lo != nil {
				y.include(s.Lo[i])
				y.include(s.Hi[i])
			}
		}
	}
	for _, m := range c.Marks {
		if m.Horizontal {
			y.include(m.At)
		} else {
			x.include(m.At)
		}
	}
	y.fix(c.MinY, c.MaxY)
	d := newDrawing(c.Title, c.X, c.Y, x, y, seriesNames(c.Series)...)
	d.marks(c.Marks)
	for i, s := range c.Series {
		d.series(i, s)
	}
	return d.done()
}

// SVG draws the chart.
func (h Histogram) SVG() template.HTML {
	x, y := span{}, span{}
	x.include(h.Lo)
	x.include(h.Hi)
	y.include(0)
	for _, c := range h.Counts {
		y.include(float64(c))
	}
	for _, m := range h.Marks {
		x.include(m.At)
	}
	d := newDrawing(h.Title, h.X, h.Y, x, y)
	step := (h.Hi - h.Lo) / float64(max(len(h.Counts), 1))
	for i, c := range h.Counts {
		lo, hi := d.px(h.Lo+float64(i)*step), d.px(h.Lo+float64(i+1)*step)
		t := d.py(float64(c))
		d.printf(`<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" style="fill:var(--c0)"><title>%s to %s: %d</title></rect>`,
			lo+0.5, t, max(hi-lo-1, 0.5), top+plotHeight-t, number(h.Lo+float64(i)*step), number(h.Lo+float64(i+1)*step), c)
	}
	d.marks(h.Marks)
	return d.done()
}

// SVG draws the chart.
func (h Heatmap) SVG() template.HTML {
	rows, cols := len(h.Values), 0
	if rows > 0 {
		cols = len(h.Values[0])
	}
	x, y := span{lo: 0, hi: float64(max(cols, 1)), any: true, whole: true}, span{lo: 0, hi: float64(max(rows, 1)), any: true, whole: true, down: true}
	d := newDrawing(h.Title, h.X, h.Y, x, y)
	for i, row := range h.Values {
		for j, v := range row {
			if !(v > 0.02) {
				continue
			}
			d.printf(`<rect x="%.2f" y="%.2f" width="%.2f" height="%.2f" style="fill:var(--c0)" fill-opacity="%.2f"><title>%d, %d: %s</title></rect>`,
				d.px(float64(j)), d.py(float64(i)), plotWidth/float64(cols), plotHeight/float64(rows), min(v, 1), i, j, number(v))
		}
	}
	return d.done()
}

// span is the range of an axis.
type span struct {
	lo, hi float64
	any    bool
	log    bool // logarithmic
	whole  bool // cells with numbers: ends as they are, ticks at whole numbers
	down   bool // from top to bottom
}

func (s *span) shows(v float64) bool { return finite(v) && (!s.log || v > 0) }

func (s *span) include(v float64) {
	switch {
	case !s.shows(v):
	case !s.any:
		s.lo, s.hi, s.any = v, v, true
	default:
		s.lo, s.hi = min(s.lo, v), max(s.hi, v)
	}
}

func (s *span) fix(lo, hi *float64) {
	if lo != nil {
		s.lo, s.any = *lo, true
	}
	if hi != nil {
		s.hi, s.any = *hi, true
	}
}

// rounded returns the span widened to hold something, and to end on ticks.
func (s span) rounded() (span, []float64) {
	if !s.any {
		s.lo, s.hi = 0, 1
		if s.log {
			s.lo = 0.1
		}
	}
	if s.log {
		return s.roundedLog()
	}
	if s.lo == s.hi {
		pad := max(math.Abs(s.lo)*0.1, 0.5)
		s.lo, s.hi = s.lo-pad, s.hi+pad
	}
	step := math.Pow(10, math.Floor(math.Log10((s.hi-s.lo)/5)))
	if s.whole {
		step = max(step, 1)
	}
	for _, m := range []float64{2, 2.5, 2} { // 1, 2, 5, 10
		if (s.hi-s.lo)/step <= 6.5 {
			break
		}
		step *= m
	}
	if !s.whole {
		s.lo, s.hi = math.Floor(s.lo/step+1e-9)*step, math.Ceil(s.hi/step-1e-9)*step
	}
	var ticks []float64
	for i := math.Ceil(s.lo/step - 1e-9); i*step <= s.hi+step*1e-9; i++ {
		ticks = append(ticks, i*step)
	}
	return s, ticks
}

// roundedLog ends the span on 1, 2 or 5 times a power of ten, or on a power of ten where it is long.
func (s span) roundedLog() (span, []float64) {
	const slack = 1 + 1e-9
	lo, hi := math.Floor(math.Log10(s.lo)), math.Ceil(math.Log10(s.hi))
	mantissas := []float64{1, 2, 5}
	if hi-lo > 3 {
		mantissas = mantissas[:1]
	}
	var all []float64
	for e := lo - 1; e <= hi+1; e++ {
		for _, m := range mantissas {
			all = append(all, m*math.Pow(10, e))
		}
	}
	first, last := 0, len(all)-1
	for all[first+1] <= s.lo*slack {
		first++
	}
	for last > first+1 && all[last-1]*slack >= s.hi {
		last--
	}
	s.lo, s.hi = min(all[first], s.lo), max(all[last], s.hi)
	return s, all[first : last+1]
}

// at returns where v lies in the span, from 0 to 1.
func (s span) at(v float64) float64 {
	if s.log {
		return (math.Log(v) - math.Log(s.lo)) / (math.Log(s.hi) - math.Log(s.lo))
	}
	return (v - s.lo) / (s.hi - s.lo)
}

type drawing struct {
	strings.Builder
	x, y span
}

// newDrawing begins a chart: its title, the names of curves if there are several, and its axes.
func newDrawing(title, xLabel, yLabel string, x, y span, names ...string) *drawing {
	d := &drawing{}
	var xTicks, yTicks []float64
	d.x, xTicks = x.rounded()
	d.y, yTicks = y.rounded()
	lines, keys := titleLines(title), legend(names)
	down := titleHeight * float64(len(lines)-1) // how far what is below the title moves
	further := keyHeight * float64(max(len(keys), 1)-1)
	d.printf(`<svg class="chart" viewBox="0 0 %g %g" role="img" aria-label="%s">`, width, height+down+further, escape(title))
	for i, line := range lines {
		d.printf(`<text class="title" x="%g" y="%g">%s</text>`, 8.0, 17+titleHeight*float64(i), escape(line))
	}
	d.printf(`<g transform="translate(0 %g)">`, down)
	for row, keys := range keys {
		for _, k := range keys {
			y := keyHeight * float64(row)
			d.printf(`<path d="M%.1f %gh10" %s/><text class="soft" x="%.1f" y="%g">%s</text>`, k.x, 30.5+y, stroke(k.curve, 3), k.x+14, 34+y, escape(k.name))
		}
	}
	d.printf(`</g><g transform="translate(0 %g)">`, down+further)
	for _, v := range yTicks {
		d.printf(`<path class="grid" d="M%g %.1fH%g"/>`, left, d.py(v), width-right)
		d.printf(`<text class="soft" x="%g" y="%.1f" text-anchor="end">%s</text>`, left-6, d.py(v)+4, number(v))
	}
	for _, v := range xTicks {
		d.printf(`<path class="grid" d="M%.1f %gv4"/>`, d.px(v), top+plotHeight)
		d.printf(`<text class="soft" x="%.1f" y="%g" text-anchor="middle">%s</text>`, d.px(v), top+plotHeight+17, number(v))
	}
	d.printf(`<text class="soft" x="%g" y="%g" text-anchor="middle"%s>%s</text>`, left+plotWidth/2, height-8, squeeze(xLabel, width-16), escape(xLabel))
	d.printf(`<text class="soft" transform="translate(13 %g) rotate(-90)" text-anchor="middle"%s>%s</text>`, top+plotHeight/2, squeeze(yLabel, plotHeight+top), escape(yLabel))
	return d
}

// About how wide a letter is, in the title and elsewhere, and how far lines are apart.
const (
	titleWide, charWide    = 7.6, 6.6
	titleHeight, keyHeight = 18.0, 16.0
)

func wide(s string, char float64) float64 { return char * float64(len([]rune(s))) }

// titleLines breaks a title between words where it is too long for a line.
func titleLines(title string) []string {
	lines := []string{""}
	for _, word := range strings.Fields(title) {
		last := &lines[len(lines)-1]
		switch {
		case *last == "":
			*last = word
		case wide(*last+" "+word, titleWide) <= width-16:
			*last += " " + word
		default:
			lines = append(lines, word)
		}
	}
	return lines
}

// squeeze is what makes a label no longer than the room for it.
func squeeze(label string, room float64) string {
	if wide(label, charWide) <= room {
		return ""
	}
	return fmt.Sprintf(` textLength="%g" lengthAdjust="spacingAndGlyphs"`, room)
}

// key is the name of a curve and its place in a row of the legend.
type key struct {
	curve int
	name  string
	x     float64
}

// legend lays the names of several curves out in rows; that of one needs none.
func legend(names []string) (rows [][]key) {
	if len(names) < 2 {
		return nil
	}
	x := width // the first begins a row
	for i, n := range names {
		if x+14+wide(n, charWide) > width-8 {
			rows, x = append(rows, nil), left
		}
		rows[len(rows)-1] = append(rows[len(rows)-1], key{i, n, x})
		x += 28 + wide(n, charWide)
	}
	return rows
}

// stroke is how the i-th curve is drawn: hues in turn, dashed when they come again, dotted after that.
func stroke(i int, wide float64) string {
	s := fmt.Sprintf(`fill="none" style="stroke:var(--c%d)" stroke-width="%g" stroke-linejoin="round"`, i%colors, wide)
	switch {
	case i >= 2*colors:
		s += ` stroke-dasharray="1.5 2"`
	case i >= colors:
		s += ` stroke-dasharray="4 2.5"`
	}
	return s
}

func (d *drawing) printf(format string, a ...any) { fmt.Fprintf(d, format, a...) }

func (d *drawing) px(v float64) float64 { return left + plotWidth*d.x.at(v) }

func (d *drawing) py(v float64) float64 {
	if d.y.down {
		return top + plotHeight*d.y.at(v)
	}
	return top + plotHeight*(1-d.y.at(v))
}

func (d *drawing) done() template.HTML {
	d.WriteString("</g></svg>")
	return template.HTML(d.String()) // every text in it went through escape or number
}

func (d *drawing) marks(marks []Mark) {
	for _, m := range marks {
		if m.Horizontal {
			d.printf(`<path class="mark" d="M%g %.1fH%g"/>`, left, d.py(m.At), width-right)
			d.printf(`<text class="soft" x="%g" y="%.1f" text-anchor="end">%s</text>`, width-right-4, d.py(m.At)-5, escape(m.Label))
			continue
		}
		anchor, dx := "start", 5.0
		if d.x.at(m.At) > 0.6 {
			anchor, dx = "end", -5
		}
		d.printf(`<path class="mark" d="M%.1f %gV%g"/>`, d.px(m.At), top, top+plotHeight)
		d.printf(`<text class="soft" x="%.1f" y="%g" text-anchor="%s">%s</text>`, d.px(m.At)+dx, top+12, anchor, escape(m.Label))
	}
}

// series draws the i-th curve.
func (d *drawing) series(curve int, s Series) {
	c := curve % colors
	if s.Lo != nil {
		var upper, lower []string
		for i := range s.X {
			if d.shows(s.X[i], s.Y[i]) && d.shows(s.X[i], s.Lo[i]) && d.shows(s.X[i], s.Hi[i]) {
				upper = append(upper, d.point(s.X[i], s.Hi[i]))
				lower = append([]string{d.point(s.X[i], s.Lo[i])}, lower...)
			}
		}
		if len(upper) > 1 {
			d.printf(`<polygon points="%s" style="fill:var(--c%d)" fill-opacity=".18"/>`, strings.Join(append(upper, lower...), " "), c)
		}
	}
	if !s.Points {
		var path strings.Builder
		pen := "M"
		for i := range s.X {
			if !d.shows(s.X[i], s.Y[i]) {
				pen = "M"
				continue
			}
			path.WriteString(pen + d.point(s.X[i], s.Y[i]))
			pen = "L"
		}
		d.printf(`<path d="%s" %s/>`, path.String(), stroke(curve, 2))
	}
	if !s.Points && len(s.X) > 60 {
		return // dots would hide the curve
	}
	for i := range s.X {
		if !d.shows(s.X[i], s.Y[i]) {
			continue
		}
		label := number(s.X[i]) + ", " + number(s.Y[i])
		if s.Labels != nil {
			label = s.Labels[i]
		}
		d.printf(`<circle cx="%.1f" cy="%.1f" r="3" style="fill:var(--c%d)"><title>%s</title></circle>`, d.px(s.X[i]), d.py(s.Y[i]), c, escape(label))
	}
}

func (d *drawing) shows(x, y float64) bool { return d.x.shows(x) && d.y.shows(y) }

func (d *drawing) point(x, y float64) string { return fmt.Sprintf("%.1f,%.1f", d.px(x), d.py(y)) }

func seriesNames(ss []Series) []string {
	var names []string
	for _, s := range ss {
		names = append(names, s.Name)
	}
	return names
}

// number prints v as an axis does: short, without the noise of binary fractions.
func number(v float64) string {
	a := math.Abs(v)
	switch {
	case a < 1e-12:
		return "0"
	case a >= 1e6 || a < 1e-3:
		return strings.ReplaceAll(strconv.FormatFloat(v, 'g', 3, 64), "e+0", "e")
	}
	return strconv.FormatFloat(math.Round(v*1e4)/1e4, 'f', -1, 64)
}

func escape(s string) string { return template.HTMLEscapeString(s) }

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
