// Package trials draws what package plan tried, as a section of a page (package report).
//
//	page.Sections = append(page.Sections, trials.Section(r))
package trials

import (
	"fmt"

	"github.com/latent-go/latent/plan"
	"github.com/latent-go/latent/report"
)

// Section is a table and a chart of the plans tried, the chosen one marked.
func Section(r *plan.Report) report.Section {
	table := &report.Table{Head: []string{"plan", "ef", fmt.Sprintf("recall@%d", r.K), "interval", "bytes", "to re-rank", "µs", "build s"}, Left: 1, Strong: map[int]bool{}}
	groups := map[string]*report.Series{} // by the kind of index
	var names []string
	for i, t := range r.Trials {
		table.Strong[i] = t.Chosen
		table.Rows = append(table.Rows, []string{
			t.Plan.String(), Effort(t), fmt.Sprintf("%.4f", t.Recall.Mean), Interval(t),
			fmt.Sprintf("%.0f", t.Bytes.Index), fmt.Sprintf("%.0f", t.Bytes.Rerank), fmt.Sprintf("%.0f", t.Recall.MeanMicros), fmt.Sprintf("%.1f", t.BuildSeconds),
		})
		name := t.Plan.Index
		switch {
		case t.Chosen:
			name = "chosen: " + t.Plan.String()
		case !t.Met:
			name = "below the target"
		}
		s := groups[name]
		if s == nil {
			s = &report.Series{Name: name, Points: true}
			groups[name], names = s, append(names, name)
		}
		s.X = append(s.X, t.Bytes.Index)
		s.Y = append(s.Y, t.Recall.MeanMicros)
		s.Labels = append(s.Labels, fmt.Sprintf("%s: recall %.4f, %.0f bytes, %.0f µs", t.Plan, t.Recall.Mean, t.Bytes.Index, t.Recall.MeanMicros))
	}
	var series []report.Series
	for _, n := range names {
		series = append(series, *groups[n])
	}
	s := report.Section{
		Title: "What was tried",
		Text: []string{fmt.Sprintf("Plans were tried on %d vectors, each at the least effort found to reach recall@%d ≥ %g with 95 %% confidence. "+
			"The lower left of the picture is cheap in both memory and time.", r.Rows, r.K, r.Target)},
		Charts: []report.Chart{report.Lines{Title: fmt.Sprintf("Plans that reach recall@%d ≥ %g", r.K, r.Target), X: "bytes a vector", Y: "microseconds a search", LogX: true, LogY: true, Series: series}},
		Table:  table,
	}
	if r.Intrinsic > 0 {
		s.Text = append(s.Text, fmt.Sprintf("The intrinsic dimension of the vectors is about %.1f of %d.", r.Intrinsic, r.Dim))
	}
	s.Text = append(s.Text, r.Notes...)
	return s
}

// Effort prints how hard a trial's searches looked, "-" where there is nothing to choose.
func Effort(t plan.Trial) string {
	if t.Effort == 0 {
		return "-"
	}
	return fmt.Sprint(t.Effort)
}

// Interval prints the interval of a trial's recall.
func Interval(t plan.Trial) string {
	if t.Plan.Exact() {
		return "exact"
	}
	return fmt.Sprintf("%.4f–%.4f", t.Recall.Lo, t.Recall.Hi)
}
