package explorer

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/latent-go/latent/collection"
	"github.com/latent-go/latent/reduce/pca"
	"github.com/latent-go/latent/server/wire"
	"github.com/latent-go/latent/vec"
)

// The map's own units; it scales to the width of the page.
const (
	mapWide, mapHigh = 800.0, 600.0
	mapEdge          = 12.0
	mapKinds         = 5 // colours
)

// dot is a point on the map.
type dot struct {
	ID, Label string
	X, Y      string
	Kind      string // class of its colour
}

// legend is a colour and what it stands for.
type legend struct {
	Kind, Label string
	Points      int
}

func showMap(v *visit) error {
	col, info, err := v.open()
	if err != nil {
		return err
	}
	q := v.URL.Query()
	about := struct {
		Vectors      []vectorFacts
		Using, Color string
		Filter       string
		Fields       []string
		Sample       int
		Points       int
		Dots         []dot
		Legend       []legend
		Share        string // of the variance that shows
		Err          string
	}{Using: q.Get("using"), Color: q.Get("color"), Filter: strings.TrimSpace(q.Get("filter")), Sample: 1000, Points: info.Points}
	for _, f := range vectorsOf(col, info) {
		if f.Size > 0 {
			about.Vectors = append(about.Vectors, f)
		}
	}
	if !q.Has("using") && len(about.Vectors) > 0 {
		about.Using = about.Vectors[0].Name
	}
	status := http.StatusOK
	err = func() error {
		if !slices.ContainsFunc(about.Vectors, func(f vectorFacts) bool { return f.Name == about.Using }) {
			return wire.Errorf(wire.BadInput, "%.100q is no dense vector of %s", about.Using, col.Name())
		}
		if text := q.Get("sample"); text != "" {
			if about.Sample, err = strconv.Atoi(text); err != nil || about.Sample < 3 || about.Sample > sampled {
				about.Sample = 1000
				return wire.Errorf(wire.BadInput, "a sample of %.20q: want from 3 to %d points", text, sampled)
			}
		}
		only, err := filterOf(about.Filter)
		if err != nil {
			return err
		}
		hits, err := draw(v.Context(), col, about.Using, only, about.Sample)
		if err != nil {
			return err
		}
		for _, f := range fieldsOf(hits) {
			if !strings.Contains(f.Types, "object") {
				about.Fields = append(about.Fields, f.Path)
			}
		}
		if len(hits) < 3 {
			return wire.Errorf(wire.BadInput, "%d points are too few for a map: want at least 3", len(hits))
		}
		x := rows(hits, about.Using, true)
		m, err := pca.Fit(v.Context(), x, pca.Options{Components: 2, Solver: pca.Randomized, Seed: 1})
		if err != nil {
			return err
		}
		for i, r := range m.Ratios() {
			if i > 0 {
				about.Share += " and "
			}
			about.Share += fmt.Sprintf("%.0f %%", 100*r)
		}
		var kinds []string
		kinds, about.Legend = colour(hits, about.Color)
		about.Dots = place(hits, m.Apply(vec.Matrix{}, x))
		for i := range about.Dots {
			about.Dots[i].Kind = kinds[i]
		}
		return nil
	}()
	if err != nil {
		status, about.Err = v.told("map failed", err)
	}
	return v.show(status, "map", "Map of "+col.Name(), col, about)
}

// place puts points on the map, by their coordinates y and the same scale in both directions.
func place(hits []collection.Hit, y vec.Matrix) []dot {
	at := func(i, axis int) float64 {
		if axis >= y.Cols {
			return 0 // vectors of one number
		}
		return float64(y.Row(i)[axis])
	}
	var lo, hi [2]float64
	for axis := range 2 {
		lo[axis], hi[axis] = math.Inf(1), math.Inf(-1)
		for i := range hits {
			lo[axis], hi[axis] = min(lo[axis], at(i, axis)), max(hi[axis], at(i, axis))
		}
	}
	scale := min((mapWide-2*mapEdge)/max(hi[0]-lo[0], 1e-9), (mapHigh-2*mapEdge)/max(hi[1]-lo[1], 1e-9))
	dots := make([]dot, len(hits))
	for i, h := range hits {
		dots[i] = dot{
			ID:    h.ID.String(),
			X:     fmt.Sprintf("%.1f", mapWide/2+scale*(at(i, 0)-(lo[0]+hi[0])/2)),
			Y:     fmt.Sprintf("%.1f", mapHigh/2-scale*(at(i, 1)-(lo[1]+hi[1])/2)),
			Label: "point " + h.ID.String(),
		}
		if len(h.Payload) > 0 {
			dots[i].Label += " " + short(map[string]any(h.Payload), 240)
		}
	}
	return dots
}

// colour gives each point the class of its colour by the values of a field: ranges that hold as many points each where
// there are many numbers, else the most frequent values.
func colour(hits []collection.Hit, path string) ([]string, []legend) {
	kinds := make([]string, len(hits))
	for i := range kinds {
		kinds[i] = "k0"
	}
	if path == "" {
		return kinds, nil
	}
	values := make([]any, len(hits))
	var numbers []float64
	numeric := true
	seen := map[string]int{}
	for i, h := range hits {
		values[i] = lookup(h.Payload, path)
		if values[i] == nil {
			continue
		}
		if n, ok := toFloat(values[i]); ok {
			numbers = append(numbers, n)
		} else {
			numeric = false
		}
		seen[short(values[i], 40)]++
	}
	var out []legend
	add := func(kind, label string, has func(any) bool) {
		l := legend{Kind: kind, Label: label}
		for i, v := range values {
			if has(v) {
				kinds[i] = kind
				l.Points++
			}
		}
		if l.Points > 0 {
			out = append(out, l)
		}
	}
	if numeric && len(seen) > mapKinds {
		slices.Sort(numbers)
		for k := range mapKinds {
			lo, hi := numbers[k*len(numbers)/mapKinds], numbers[min((k+1)*len(numbers)/mapKinds, len(numbers)-1)]
			last := k == mapKinds-1
			add(fmt.Sprintf("q%d", k), number(lo)+" to "+number(hi), func(v any) bool {
				x, ok := toFloat(v)
				return ok && x >= lo && (x < hi || last)
			})
		}
	} else {
		names := slices.SortedFunc(maps.Keys(seen), func(a, b string) int { return cmp.Or(cmp.Compare(seen[b], seen[a]), cmp.Compare(a, b)) })
		add("other", "others", func(v any) bool { return v != nil })
		for k, name := range names[:min(len(names), mapKinds)] {
			add(fmt.Sprintf("k%d", k), name, func(v any) bool { return v != nil && short(v, 40) == name })
		}
		if len(out) > 0 && out[0].Kind == "other" { // what is left of them, last
			others := out[0]
			for _, l := range out[1:] {
				others.Points -= l.Points
			}
			if out = out[1:]; others.Points > 0 {
				out = append(out, others)
			}
		}
	}
	add("none", "without "+cut(path, 40), func(v any) bool { return v == nil })
	return kinds, out
}

// lookup returns the value at a path, of a list the first.
func lookup(p map[string]any, path string) any {
	v, ok := p[path]
	if !ok {
		head, rest, nested := strings.Cut(path, ".")
		if inner, is := p[head].(map[string]any); nested && is {
			return lookup(inner, rest)
		}
		return nil
	}
	if list, ok := v.([]any); ok {
		if len(list) == 0 {
			return nil
		}
		return list[0]
	}
	return v
}

func toFloat(v any) (float64, bool) {
	switch n := v.(type) {
	case int64:
		return float64(n), true
	case float64:
		return n, true
	}
	return 0, false
}
