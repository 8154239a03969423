package main

import (
	"context"
	"fmt"
	"math"

	"github.com/latent-go/latent/measure/similarity"
	"github.com/latent-go/latent/report"
	"github.com/latent-go/latent/vec"
)

// comparePage is what compare --html writes.
func comparePage(ctx context.Context, c compareAnswer, a, b vec.Matrix) (report.Page, error) {
	r := c.Report
	page := report.Page{
		Title: c.A + " and " + c.B,
		Lead:  r.Verdict,
		Facts: []report.Fact{
			{Name: "rows in common", Value: fmt.Sprint(r.Rows)},
			{Name: "numbers in each", Value: fmt.Sprintf("%d and %d", r.DimA, r.DimB)},
		},
		Footer: fmt.Sprintf("latent %s; seed %d", programVersion(), r.Seed),
	}
	for _, f := range []struct{ measure, name string }{
		{"cka-debiased", "CKA, debiased"}, {"mutual-knn", "neighbours in common"}, {"one-to-one", "units, one to one"},
	} {
		if s, ok := r.Score(f.measure); ok {
			page.Facts = append(page.Facts, report.Fact{Name: f.name, Value: three(s.Value), Note: interval(s) + "; chance " + three(s.Chance)})
		}
	}
	page.Sections = append(page.Sections, scoresSection(r))
	if r.Units != nil {
		s, err := unitsSection(ctx, r.Units, a, b)
		if err != nil {
			return page, err
		}
		page.Sections = append(page.Sections, s)
	}
	if s := r.Subspaces; s != nil {
		page.Facts = append(page.Facts, report.Fact{Name: "directions in common", Value: fmt.Sprint(s.K),
			Note: fmt.Sprintf("CKA inside %s; as they stand %s", three(s.Inside.Value), three(s.Raw.Value))})
		page.Sections = append(page.Sections, subspaceSection(s))
	}
	return page, nil
}

func scoresSection(r *similarity.Report) report.Section {
	s := report.Section{
		Title: "In what sense they are alike",
		Text: append([]string{"Each measure is 1 for equal sets. What shuffled rows reach is what there is by chance; only what is above says anything. " +
			"Intervals are of 95 %, over rows."}, r.Notes...),
		Table: &report.Table{Head: []string{"measure", "value", "interval", "by chance", "rows", "1 would mean"}, Left: 1},
	}
	value, chance := report.Series{Name: "value", Points: true}, report.Series{Name: "by chance", Points: true}
	for i, x := range r.Scores {
		s.Table.Rows = append(s.Table.Rows, []string{x.Name, three(x.Value), interval(x), three(x.Chance), fmt.Sprint(x.Rows), x.Says})
		at := float64(i + 1)
		value.X, value.Y = append(value.X, at), append(value.Y, max(x.Value, 0)) // a regression can be worse than the mean by any amount
		value.Labels = append(value.Labels, fmt.Sprintf("%s: %.3f, %s", x.Name, x.Value, interval(x)))
		chance.X, chance.Y = append(chance.X, at), append(chance.Y, max(x.Chance, 0))
		chance.Labels = append(chance.Labels, fmt.Sprintf("%s by chance: %s", x.Name, three(x.Chance)))
	}
	zero, one := 0.0, 1.0
	s.Charts = append(s.Charts, report.Lines{Title: "Every measure, and its chance", X: "line of the table", Y: "likeness", MinY: &zero, MaxY: &one, Series: []report.Series{value, chance}})
	return s
}

// shownUnits is how many pairs of units the picture of correlations has.
const shownUnits = 40

func unitsSection(ctx context.Context, u *similarity.UnitsReport, a, b vec.Matrix) (report.Section, error) {
	s := report.Section{
		Title: "Which units match which",
		Text:  []string{fmt.Sprintf("A unit is a column. Of %d pairs, %s.", len(u.OneToOne), strengths(u))},
		Table: &report.Table{Head: []string{"unit of A", "unit of B", "correlation"}},
	}
	if n := len(u.DeadA) + len(u.DeadB); n > 0 {
		s.Text = append(s.Text, fmt.Sprintf("Units that do not vary were left out: %d of A, %d of B.", len(u.DeadA), len(u.DeadB)))
	}
	p, err := similarity.NewPair(ctx, a, b)
	if err != nil {
		return s, err
	}
	all, err := p.Units()
	if err != nil {
		return s, err
	}
	s.Charts = append(s.Charts, matchMap(u.OneToOne, all), matchCurves(u))
	if u.Sparse.Targets > 0 {
		s.Charts = append(s.Charts, sparseCurve(u.Sparse))
		s.Text = append(s.Text, fmt.Sprintf("%d units of B were predicted from few of A. The loss is a share of the variance, on rows that were not fitted to: %.3f with the best single unit, %.3f with all.",
			u.Sparse.Targets, u.Sparse.Single, u.Sparse.LeastSquares))
	}
	s.Text = append(s.Text, groupsText(u.Groups))
	for _, m := range u.OneToOne[:min(20, len(u.OneToOne))] {
		s.Table.Rows = append(s.Table.Rows, []string{fmt.Sprint(m.A), fmt.Sprint(m.B), fmt.Sprintf("%.3f", m.R)})
	}
	return s, nil
}

// matchMap is the correlation of units with the partners of others, pair by pair: pairs lie on the diagonal, and what
// else a unit resembles beside it. Of many pairs it takes some, evenly from best to worst.
func matchMap(pairs []similarity.Match, u *similarity.Units) report.Heatmap {
	rowOf, colOf := map[int]int{}, map[int]int{}
	for i, c := range u.A {
		rowOf[c] = i
	}
	for j, c := range u.B {
		colOf[c] = j
	}
	n := min(len(pairs), shownUnits)
	shown := make([]similarity.Match, n)
	for i := range shown {
		shown[i] = pairs[i*len(pairs)/n]
	}
	h := report.Heatmap{Title: fmt.Sprintf("%d of %d pairs, the best first", n, len(pairs)), X: "unit of B, by its pair", Y: "unit of A, by its pair"}
	for _, a := range shown {
		row := make([]float64, n)
		for j, b := range shown {
			row[j] = math.Abs(u.R.At(rowOf[a.A], colOf[b.B]))
		}
		h.Values = append(h.Values, row)
	}
	return h
}

func matchCurves(u *similarity.UnitsReport) report.Lines {
	curve := func(name string, ms []similarity.Match) report.Series {
		s := report.Series{Name: name}
		for i, m := range ms {
			s.X, s.Y = append(s.X, float64(i+1)), append(s.Y, m.R)
		}
		return s
	}
	return report.Lines{Title: "Correlation of matched units, sorted", X: "pairs", Y: "correlation",
		Series: []report.Series{curve("one to one", u.OneToOne), curve("best for A", u.ForA), curve("best for B", u.ForB)}}
}

func sparseCurve(s similarity.Sparse) report.Lines {
	var few report.Series
	for _, p := range s.Path {
		few.X, few.Y = append(few.X, p.Weights), append(few.Y, p.Loss)
		few.Labels = append(few.Labels, fmt.Sprintf("penalty %g: %.1f units, loss %.3f", p.Lambda, p.Weights, p.Loss))
	}
	zero := 0.0
	return report.Lines{Title: "Few to one: units of B from units of A", X: "units of A used, mean", Y: "loss, held out", MinY: &zero, Series: []report.Series{few},
		Marks: []report.Mark{{At: s.Single, Label: "one unit", Horizontal: true}, {At: s.LeastSquares, Label: "all units", Horizontal: true}}}
}

// groupsText says which subspaces both sets have.
func groupsText(groups []similarity.Group) string {
	both := 0
	for _, g := range groups {
		if len(g.A) > 0 && len(g.B) > 0 {
			both++
		}
	}
	if both < 2 {
		return "Units do not fall into groups that both sets have, apart from the rest."
	}
	g := groups[0]
	return fmt.Sprintf("Units form %d groups with members from both sets; the one most apart has %d of A and %d of B, and %.0f %% of their squared correlation within it.",
		both, len(g.A), len(g.B), 100*g.Share)
}

func subspaceSection(s *similarity.Subspaces) report.Section {
	inside := report.Series{Name: "CKA inside"}
	found := report.Series{Name: "partners found"}
	for _, p := range s.Path {
		k := float64(p.K)
		inside.X, inside.Y = append(inside.X, k), append(inside.Y, max(p.CKA.Value, 0))
		inside.Lo, inside.Hi = append(inside.Lo, max(p.CKA.Low, 0)), append(inside.Hi, max(p.CKA.High, 0))
		inside.Labels = append(inside.Labels, fmt.Sprintf("%d directions: CKA %s, %s", p.K, three(p.CKA.Value), between(p.CKA.Low, p.CKA.High)))
		found.X, found.Y = append(found.X, k), append(found.Y, p.Found)
		found.Labels = append(found.Labels, fmt.Sprintf("%d directions: %s of %d rows find their partner", p.K, percent(p.Found), s.Queries))
	}
	zero, one := 0.0, 1.0
	chart := report.Lines{Title: "Likeness against directions", X: "directions k", Y: "CKA, share found", LogX: true, MinY: &zero, MaxY: &one,
		Series: []report.Series{inside, found}, Marks: []report.Mark{{At: max(s.Raw.Value, 0), Label: "as they stand", Horizontal: true}}}
	if s.K > 0 {
		chart.Marks = append(chart.Marks, report.Mark{At: float64(s.K), Label: fmt.Sprintf("k = %d", s.K)})
	}
	t := &report.Table{Head: []string{"partners found by", "first, %", "in five, %", "matched, %"}, Left: 1}
	for _, f := range s.Finds {
		t.Rows = append(t.Rows, []string{f.How, fmt.Sprintf("%.1f", 100*f.First), fmt.Sprintf("%.1f", 100*f.Five), fmt.Sprintf("%.1f", 100*f.Matched)})
	}
	return report.Section{
		Title: "The subspace in common",
		Text: []string{s.Verdict, shuffledText(s),
			fmt.Sprintf("Directions are those that correlate most (CCA with a small ridge), fitted to four fifths of the rows and looked at on the fifth, five times. "+
				"A direction counts as shared if its correlation there is clear of chance by four deviations. A partner is sought among %d rows.", s.Queries)},
		Charts: []report.Chart{chart}, Table: t,
	}
}
