package main

import (
	"fmt"
	"slices"

	"github.com/latent-go/latent/report"
)

// labelsSections is what --labels adds to the page of measure.
func labelsSections(a *labelled) ([]report.Fact, []report.Section) {
	var facts []report.Fact
	s := report.Section{Title: "Labels", Text: a.findings()}
	if e := a.Entropy; e != nil {
		facts = append(facts, report.Fact{Name: "entropy, bits", Value: fmt.Sprintf("%.2f", e.EntropyBits), Note: fmt.Sprintf("DSE; at most %.2f", e.MaxBits)})
		var walk report.Series
		for i, v := range e.Eigenvalues {
			walk.X, walk.Y = append(walk.X, float64(i+1)), append(walk.Y, v)
		}
		s.Charts = append(s.Charts, report.Lines{Title: "Eigenvalues of the random walk between rows", X: "eigenvalue", Y: "value", LogX: true, Series: []report.Series{walk}})
	}
	if m := a.MI; m != nil {
		facts = append(facts, report.Fact{Name: "known of the labels, bits", Value: fmt.Sprintf("%.2f", m.Bits), Note: fmt.Sprintf("DSMI; chance ± %.2f", m.Noise)})
	}
	if c := a.Capacity; c != nil {
		facts = append(facts, report.Fact{Name: "capacity", Value: fmt.Sprintf("%.3f", c.Capacity), Note: "classes a dimension that a linear readout tells apart"})
		shape := report.Series{Name: "classes", Points: true}
		for _, m := range c.Classes {
			shape.X, shape.Y = append(shape.X, m.Dim), append(shape.Y, m.Radius)
			shape.Labels = append(shape.Labels, fmt.Sprintf("%s: dimension %.1f, radius %.2f, capacity %.3f", a.Names[m.Label], m.Dim, m.Radius, m.Capacity))
		}
		zero := 0.0
		s.Charts = append(s.Charts, report.Lines{Title: "Classes as clouds: lower left is easier", X: "dimension", Y: "radius, in distances of the centre", MinY: &zero, Series: []report.Series{shape}})
	}
	if rows := a.classes(); len(rows) > 0 {
		s.Table = &report.Table{Head: []string{"class", "rows", "entropy, bits", "of any rows", "capacity", "radius", "dimension"}, Rows: rows, Left: 1}
	}
	sections := []report.Section{s}
	if p := a.Sharpness; p != nil {
		of := "the vectors"
		if a.Inputs != "" {
			of = a.Inputs
		}
		t := report.Section{Title: "How sharply labels change", Table: &report.Table{
			Head: []string{"of " + of, "value"}, Left: 1, Rows: [][]string{
				{"label sharpness K_F, mean ± sd", fmt.Sprintf("%.4g ± %.2g", float64(p.Sharpness.K), float64(p.Sharpness.SD))},
				{"rows in each draw", fmt.Sprint(p.Sharpness.Rows)},
				{"dimension d_data, MLE and TwoNN", fmt.Sprintf("%.1f, %.1f", p.Data.Value, p.DataTwoNN.Value)},
			}}}
		if p.Repr != nil && p.ReprTwoNN != nil {
			t.Table.Rows = append(t.Table.Rows, []string{"dimension of the vectors d_repr, the same", fmt.Sprintf("%.1f, %.1f", p.Repr.Value, p.ReprTwoNN.Value)})
		}
		sections = append(sections, t)
	}
	return facts, sections
}

// shownLatents is how many latents the picture of information has.
const shownLatents = 48

// factorsSection is what --factors adds to the page of measure.
func factorsSection(f *factored) ([]report.Fact, report.Section) {
	s := report.Section{
		Title: "Factors",
		Text: append([]string{f.Verdict, fmt.Sprintf("Of %d %s sources and %d %s latents (%d active), from %d of %d rows.",
			len(f.Explicit), f.Sources, len(f.NMI), f.Latents, count(f.Active), f.Rows, f.Total)}, f.Notes...),
		Table: &report.Table{Head: []string{"score", "value", "1 means"}, Left: 1, Rows: [][]string{
			{"InfoM, modularity", fmt.Sprintf("%.3f", f.InfoM), "every latent knows of one source"},
			{"InfoE, explicitness", fmt.Sprintf("%.3f", f.InfoE), "every source is read off linearly"},
			{"InfoC, compactness", fmt.Sprintf("%.3f", f.InfoC), "every source is in one latent"},
			{"MIG", fmt.Sprintf("%.3f", f.MIG), "the same, by the gap to the second latent"},
			{"DCI disentanglement", fmt.Sprintf("%.3f", f.DCI.Disentanglement), "every latent predicts one source"},
			{"DCI completeness", fmt.Sprintf("%.3f", f.DCI.Completeness), "every source takes one latent to predict"},
			{"DCI informativeness", fmt.Sprintf("%.3f", f.DCI.Informativeness), "sources are predicted in full"},
		}},
	}
	shown := f.informed()
	h := report.Heatmap{Title: "What each latent knows of each source", X: "source", Y: "latent"}
	if len(shown) < len(f.NMI) {
		h.Title = fmt.Sprintf("What the %d latents that know most know of each source", len(shown))
		h.Y = "latent, by what it knows"
	}
	for _, i := range shown {
		h.Values = append(h.Values, f.NMI[i])
	}
	s.Charts = append(s.Charts, h)
	facts := []report.Fact{{Name: "InfoM, InfoE, InfoC", Value: fmt.Sprintf("%.2f, %.2f, %.2f", f.InfoM, f.InfoE, f.InfoC), Note: "modular, explicit, compact; 1 is best"}}
	return facts, s
}

// informed are all latents in order, or if there are many those that know most of any source, best first.
func (f *factored) informed() []int {
	all := make([]int, len(f.NMI))
	for i := range all {
		all[i] = i
	}
	if len(all) <= shownLatents {
		return all
	}
	slices.SortStableFunc(all, func(a, b int) int {
		switch x, y := slices.Max(f.NMI[a]), slices.Max(f.NMI[b]); {
		case x > y:
			return -1
		case x < y:
			return 1
		}
		return 0
	})
	return all[:shownLatents]
}
