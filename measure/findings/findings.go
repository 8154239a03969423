// Package findings draws what packages dimension and shape measured, as the sections of a page (package report).
//
//	page.Sections = append(page.Sections, findings.Dimension(d), findings.Spectrum(d.Spectrum), findings.Shape(s))
package findings

import (
	"fmt"

	"github.com/latent-go/latent/measure/dimension"
	"github.com/latent-go/latent/measure/shape"
	"github.com/latent-go/latent/report"
)

// Fact is the intrinsic dimension with its interval.
func Fact(d *dimension.Report) report.Fact {
	f := report.Fact{Name: "intrinsic dimension", Value: fmt.Sprintf("%.1f", d.Dimension), Note: fmt.Sprintf("%.1f to %.1f", d.Lo, d.Hi)}
	if d.Dimension == 0 && d.Distinct > 1 {
		f.Value, f.Note = "–", "no estimate"
	}
	return f
}

// Dimension is a section with every estimate, and how they change with scale.
func Dimension(d *dimension.Report) report.Section {
	s := report.Section{Title: "Intrinsic dimension", Text: d.Notes}
	if len(d.Estimates) > 0 {
		s.Table = &report.Table{Head: []string{"estimator", "neighbours", "value", "± se", "corrected"}, Left: 1}
		for _, e := range d.Estimates {
			row := []string{e.Method, "", fmt.Sprintf("%.2f", e.Value), fmt.Sprintf("%.2f", e.StdErr), ""}
			if e.K > 0 {
				row[1] = fmt.Sprint(e.K)
			}
			if e.Corrected > 0 {
				row[4] = fmt.Sprintf("%.1f", e.Corrected)
			}
			s.Table.Rows = append(s.Table.Rows, row)
		}
	}
	zero := 0.0
	if len(d.ByK) > 1 {
		c := report.Series{Name: "MLE"}
		for _, e := range d.ByK {
			c.X, c.Y = append(c.X, float64(e.K)), append(c.Y, e.Value)
			c.Lo, c.Hi = append(c.Lo, e.Lo), append(c.Hi, e.Hi)
		}
		s.Charts = append(s.Charts, report.Lines{Title: "Dimension against neighbours", X: "neighbours k", Y: "MLE", LogX: true, MinY: &zero, Series: []report.Series{c}})
	}
	if len(d.ByScale) > 1 {
		c, corrected := report.Series{Name: "TwoNN"}, report.Series{Name: "corrected for few points"}
		for _, e := range d.ByScale {
			c.X, c.Y = append(c.X, e.Distance), append(c.Y, e.Value)
			c.Lo, c.Hi = append(c.Lo, e.Value-1.96*e.StdErr), append(c.Hi, e.Value+1.96*e.StdErr)
			c.Labels = append(c.Labels, fmt.Sprintf("%d vectors: dimension %.2f at distance %.3g", e.N, e.Value, e.Distance))
			if e.Corrected > 0 {
				corrected.X, corrected.Y = append(corrected.X, e.Distance), append(corrected.Y, e.Corrected)
			}
		}
		chart := report.Lines{Title: "Dimension against scale", X: "distance to the second neighbour", Y: "TwoNN", MinY: &zero, Series: []report.Series{c}}
		if len(corrected.X) > 0 {
			chart.Series = append(chart.Series, corrected)
		}
		s.Charts = append(s.Charts, chart)
	}
	if l := d.LID; l != nil && len(l.Counts) > 0 {
		s.Charts = append(s.Charts, report.Histogram{Title: "Local dimension at each vector", X: fmt.Sprintf("LID from %d neighbours", l.K), Y: "vectors",
			Lo: l.Edges[0], Hi: l.Edges[len(l.Edges)-1], Counts: l.Counts, Marks: []report.Mark{{At: l.Median, Label: fmt.Sprintf("median %.1f", l.Median)}}})
	}
	return s
}

// Spectrum is a section with the variance of each direction.
func Spectrum(e *dimension.Eigen) report.Section {
	var x, share, sum []float64
	total := 0.0
	for i, v := range e.Values {
		total += v
		x, share, sum = append(x, float64(i+1)), append(share, v/e.Total), append(sum, total/e.Total)
	}
	zero, one := 0.0, 1.0
	return report.Section{
		Title: "Spectrum",
		Text: []string{fmt.Sprintf("Participation ratio %.1f, effective rank %.1f; %d directions hold more than the mean variance, %d more than chance would give them.",
			e.Participation, e.EffectiveRank, e.Kaiser, e.BrokenStick)},
		Charts: []report.Chart{
			report.Lines{Title: "Variance of each direction", X: "direction", Y: "share of the variance", LogX: true, LogY: true, Series: []report.Series{{X: x, Y: share}}},
			report.Lines{Title: "Variance of the first directions together", X: "directions", Y: "share of the variance", LogX: true, MinY: &zero, MaxY: &one,
				Series: []report.Series{{X: x, Y: sum}}, Marks: []report.Mark{{At: 0.95, Label: "95 %", Horizontal: true}}},
		},
	}
}

// Shape is a section with norms, copies and hubness.
func Shape(r *shape.Report) report.Section {
	s := report.Section{
		Title:    "Shape",
		Warnings: r.Warnings,
		Table: &report.Table{Head: []string{"", "value"}, Left: 1, Rows: [][]string{
			{"norm, mean ± sd", fmt.Sprintf("%.4g ± %.2g", r.Norms.Mean, r.Norms.SD)},
			{"norm, least and greatest", fmt.Sprintf("%.4g – %.4g", r.Norms.Min, r.Norms.Max)},
			{"mean cosine of two vectors", fmt.Sprintf("%.3f", r.Spread.MeanCosine)},
			{"energy in the mean of all", fmt.Sprintf("%.1f %%", 100*r.Spread.MeanShare)},
			{"variance in the first direction", fmt.Sprintf("%.1f %%", 100*r.Spread.TopShare)},
			{"isotropy", fmt.Sprintf("%.3f", r.Spread.Isotropy)},
			{"equal vectors", fmt.Sprint(r.Copies.Equal)},
			{"nearly equal vectors, of the sample", fmt.Sprint(r.Copies.Near)},
			{"constant columns", fmt.Sprint(r.Columns.Constant)},
		}},
	}
	if len(r.Norms.Counts) > 0 {
		s.Charts = append(s.Charts, report.Histogram{Title: "Norms", X: "length of the vector", Y: "vectors",
			Lo: r.Norms.Min, Hi: r.Norms.Max, Counts: r.Norms.Counts})
	}
	if h := r.Hubness; h != nil {
		s.Table.Rows = append(s.Table.Rows,
			[]string{"hubness (skewness of N_k)", fmt.Sprintf("%.2f", h.Skewness)},
			[]string{"vectors that are nobody's neighbour", fmt.Sprintf("%.1f %%", 100*h.Antihubs)})
		s.Charts = append(s.Charts, report.Histogram{Title: "Hubness", X: fmt.Sprintf("of how many vectors one is among the %d nearest", h.K), Y: "vectors",
			Hi: float64(h.Step * len(h.Counts)), Counts: h.Counts, Marks: []report.Mark{{At: float64(h.K), Label: "mean"}}})
	}
	return s
}
