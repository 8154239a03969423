package main

import (
	"fmt"
	"time"

	"github.com/latent-go/latent/plan"
	"github.com/latent-go/latent/plan/trials"
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
		page.Sections = append(page.Sections, trials.Section(a.Tuning))
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
