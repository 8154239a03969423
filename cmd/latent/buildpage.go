package main

import (
	"fmt"
	"time"

	"github.com/latent-go/latent/plan"
	"github.com/latent-go/latent/report"
)

// buildPage is what build --html writes.
func buildPage(a buildAnswer) report.Page {
	m := a.Manifest
	page := report.Page{
		Title: fmt.Sprintf("%s, indexed", a.Source),
		Facts: []report.Fact{
			{Name: "plan", Value: m.Plan.String(), Note: effortNote(m)},
			{Name: "vectors", Value: fmt.Sprint(m.Vectors), Note: fmt.Sprintf("of %d dimensions, %s", m.Dim, m.Metric)},
			{Name: "bytes a vector", Value: fmt.Sprintf("%.0f", m.Bytes.Index), Note: bytesNote(m.Bytes)},
		},
		Footer: fmt.Sprintf("latent %s, %s; data %s, seed %d", m.Version, m.Built.Format(time.RFC3339), short(m.Data.SHA256), m.Seed),
	}
	if p := m.Proof; p != nil {
		verb := "reaches"
		if !p.Met {
			verb = "does not reach"
		}
		page.Lead = fmt.Sprintf("%s %s a recall@%d of %g: on %d queries that had no part in the choice it found %.2f %% of the true neighbours (95 %% interval %.2f to %.2f).",
			m.Plan, verb, p.K, p.Target, p.Recall.Queries, 100*p.Mean, 100*p.Lo, 100*p.Hi)
		page.Facts = append(page.Facts,
			report.Fact{Name: fmt.Sprintf("recall@%d", p.K), Value: fmt.Sprintf("%.4f", p.Mean), Note: fmt.Sprintf("%.4f to %.4f", p.Lo, p.Hi)},
			report.Fact{Name: "search", Value: fmt.Sprintf("%.0f µs", p.P50Micros), Note: fmt.Sprintf("median; 99 %% under %.0f µs", p.P99Micros)})
	}
	if a.Tuning != nil {
		page.Sections = append(page.Sections, trialsSection(a.Tuning))
	}
	return page
}

func effortNote(m plan.Manifest) string {
	if m.Effort == 0 {
		return ""
	}
	return fmt.Sprintf("searched with ef %d", m.Effort)
}

func bytesNote(b plan.Bytes) string {
	s := fmt.Sprintf("%.1f times fewer than float32", b.Float32/b.Index)
	if b.Rerank > 0 {
		s += fmt.Sprintf("; %.0f more on disk to re-rank with", b.Rerank)
	}
	return s
}

func short(sha string) string { return sha[:min(len(sha), 12)] }

func trialsSection(r *plan.Report) report.Section {
	table := &report.Table{Head: []string{"plan", "ef", fmt.Sprintf("recall@%d", r.K), "interval", "bytes", "to re-rank", "µs", "build s"}, Left: 1, Strong: map[int]bool{}}
	groups := map[string]*report.Series{} // by the kind of index
	var names []string
	for i, t := range r.Trials {
		table.Strong[i] = t.Chosen
		table.Rows = append(table.Rows, []string{
			t.Plan.String(), effort(t), fmt.Sprintf("%.4f", t.Recall.Mean), bounds(t),
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
