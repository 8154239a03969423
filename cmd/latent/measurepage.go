package main

import (
	"fmt"

	"github.com/latent-go/latent/measure/findings"
	"github.com/latent-go/latent/report"
)

// measurePage is what measure --html writes.
func measurePage(a measureAnswer) report.Page {
	d := a.Dimension
	page := report.Page{
		Title: a.Source,
		Lead:  d.Summary,
		Facts: []report.Fact{
			{Name: "vectors", Value: fmt.Sprint(d.Rows)},
			{Name: "numbers in each", Value: fmt.Sprint(d.Cols)},
			findings.Fact(d),
		},
		Footer: fmt.Sprintf("latent %s; %d of %d vectors drawn with seed %d", programVersion(), d.Sampled, d.Rows, d.Seed),
	}
	if s := d.Spectrum; s != nil {
		page.Facts = append(page.Facts, report.Fact{Name: "directions for 95 % of the variance", Value: fmt.Sprint(s.Components(0.95))})
	}
	if a.Labels != nil {
		facts, sections := labelsSections(a.Labels)
		page.Facts, page.Sections = append(page.Facts, facts...), append(page.Sections, sections...)
	}
	if a.Factors != nil {
		facts, section := factorsSection(a.Factors)
		page.Facts, page.Sections = append(page.Facts, facts...), append(page.Sections, section)
	}
	page.Sections = append(page.Sections, findings.Dimension(d))
	if d.Spectrum != nil {
		page.Sections = append(page.Sections, findings.Spectrum(d.Spectrum))
	}
	page.Sections = append(page.Sections, findings.Shape(a.Shape))
	return page
}
