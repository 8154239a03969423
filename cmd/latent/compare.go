package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/latent-go/latent/artifact"
	"github.com/latent-go/latent/measure/similarity"
	"github.com/latent-go/latent/vec"
)

type compareFlags struct {
	input
	html      string
	measures  []string
	k         int
	sample    int
	absolute  bool
	ignoreIDs bool
	seed      uint64
}

// compareAnswer is what compare prints with --json.
type compareAnswer struct {
	A       string             `json:"a"`
	B       string             `json:"b"`
	Report  *similarity.Report `json:"report"`
	Seconds float64            `json:"seconds"`
}

func newCompare(e *env) *cobra.Command {
	var f compareFlags
	c := &cobra.Command{
		Use:   "compare A B",
		Short: "Say how alike two representations of the same things are, and in what sense",
		Long: `Say how alike two representations of the same things are, and in what sense.

A and B are VECTORS of any number of columns; row i of both must be the same thing. They are compared by CKA, CCA, RSA,
Procrustes, common neighbours and linear regression, each with an interval, and with the level that shuffled rows reach
by chance; then single columns (units) are matched: one to one, each with its best, few to one, and in groups; and the
subspace that both share is looked for: in how many directions, and how alike the two are inside it, on rows that it was
not fitted to, beside how alike they are as they stand.
What takes all pairs of rows is computed on a sample, and the answer says how large. --html writes a page with plots.

Measures: ` + strings.Join(similarity.Names(), ", ") + `.`,
		Example: `  latent compare old-model.npy new-model.npy --html report.html
  latent compare layer1.npz#a layer1.npz#b --measures cka-debiased,cca,one-to-one --json`,
		Args: args(cobra.ExactArgs(2)),
		RunE: func(c *cobra.Command, a []string) error { return runCompare(c.Context(), e, f, a[0], a[1]) },
	}
	f.flags(c.Flags())
	c.Flags().StringVar(&f.html, "html", "", "write a page with plots to this file")
	c.Flags().StringSliceVar(&f.measures, "measures", nil, "only these, without units and subspaces")
	c.Flags().IntVarP(&f.k, "k", "k", 10, "neighbours of mutual-knn")
	c.Flags().IntVar(&f.sample, "sample", 2000, "draw so many rows at most for what compares all pairs of rows")
	c.Flags().BoolVar(&f.absolute, "absolute", false, "match units by the size of their correlation, whatever its sign")
	c.Flags().BoolVar(&f.ignoreIDs, "ignore-ids", false, "take rows in order even if A and B name them differently")
	c.Flags().Uint64Var(&f.seed, "seed", 0, "of samples and shufflings")
	return c
}

func runCompare(ctx context.Context, e *env, f compareFlags, nameA, nameB string) error {
	begin := time.Now()
	for _, m := range f.measures {
		if !slices.Contains(similarity.Names(), m) {
			return misuse("--measures %s: want some of %s", m, strings.Join(similarity.Names(), ", "))
		}
	}
	if f.k < 1 || f.sample < 40 {
		return misuse("--k %d, --sample %d: want at least 1 and 40", f.k, f.sample)
	}
	for _, in := range []string{nameA, nameB} {
		if err := outputs(in, f.html); err != nil {
			return err
		}
	}
	a, err := f.load(ctx, e, nameA)
	if err != nil {
		return err
	}
	b, err := f.load(ctx, e, nameB)
	if err != nil {
		return err
	}
	if err := aligned(a, b, f.ignoreIDs); err != nil {
		return err
	}
	p := e.progress()
	defer p.done()
	r, err := similarity.Compare(ctx, a.X, b.X, similarity.Options{
		Measures: f.measures, NoUnits: f.measures != nil, NoSubspaces: f.measures != nil, K: f.k, MaxRows: f.sample, Absolute: f.absolute, Seed: f.seed, Progress: p.of("compare"),
	})
	if err != nil {
		return fmt.Errorf("%s and %s: %w", a.Name, b.Name, err)
	}
	p.done()
	if f.measures != nil {
		r.Verdict = "No verdict: it takes all measures."
	}
	answer := compareAnswer{A: a.Name, B: b.Name, Report: r, Seconds: time.Since(begin).Seconds()}
	if f.html != "" {
		page, err := comparePage(ctx, answer, a.X, b.X)
		if err != nil {
			return err
		}
		if err := artifact.Save(f.html, page); err != nil {
			return err
		}
	}
	return e.print(answer, func(w io.Writer) { printCompare(w, answer, f.html) })
}

// aligned returns an error unless row i of a and b can be the same thing.
func aligned(a, b loaded, ignoreIDs bool) error {
	if a.X.Rows != b.X.Rows {
		return fmt.Errorf("%s has %d rows, %s has %d; row i of both must be the same thing: %w", a.Name, a.X.Rows, b.Name, b.X.Rows, vec.ErrDim)
	}
	if ignoreIDs || a.Labels == nil || b.Labels == nil {
		return nil
	}
	for i := range a.Labels {
		if a.Labels[i] != b.Labels[i] {
			return fmt.Errorf("row %d is %q in %s and %q in %s; bring both into the same order, or say --ignore-ids: %w",
				i, a.Labels[i], a.Name, b.Labels[i], b.Name, vec.ErrDim)
		}
	}
	return nil
}

func printCompare(w io.Writer, a compareAnswer, html string) {
	r := a.Report
	fmt.Fprintf(w, "%s: %d numbers\n%s: %d numbers\n%d rows in common (seed %d)\n%s\n\n", a.A, r.DimA, a.B, r.DimB, r.Rows, r.Seed, r.Verdict)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "  measure\tvalue\t95 % interval\tby chance\trows\t  1 would mean")
	for _, s := range r.Scores {
		fmt.Fprintf(t, "  %s\t%s\t%s\t%s\t%d\t  %s\n", s.Name, three(s.Value), interval(s), three(s.Chance), s.Rows, s.Says)
	}
	t.Flush()
	if u := r.Units; u != nil {
		printUnits(w, u)
	}
	if s := r.Subspaces; s != nil {
		printSubspaces(w, s)
	}
	printWrapped(w, r.Notes)
	if html != "" {
		fmt.Fprintf(w, "\npage: %s\n", html)
	}
	fmt.Fprintf(w, "in %.1f s\n", a.Seconds)
}

func interval(s similarity.Score) string { return between(s.Low, s.High) }

func between(low, high float64) string { return three(low) + " to " + three(high) }

// three prints v to three places, without the sign of a zero.
func three(v float64) string { return fmt.Sprintf("%.3f", math.Round(v*1000)/1000+0) }

// bestPairs is how many pairs of units a text shows.
const bestPairs = 8

func printUnits(w io.Writer, u *similarity.UnitsReport) {
	fmt.Fprint(w, "\nbest pairs of units, column of A = column of B (correlation): ")
	for i, m := range u.OneToOne[:min(bestPairs, len(u.OneToOne))] {
		if i > 0 {
			fmt.Fprint(w, ", ")
		}
		fmt.Fprintf(w, "%d = %d (%.2f)", m.A, m.B, m.R)
	}
	fmt.Fprintln(w)
	fmt.Fprintf(w, "of %d pairs, %s\n", len(u.OneToOne), strengths(u))
	printSparse(w, u.Sparse)
	if n := len(u.DeadA) + len(u.DeadB); n > 0 {
		fmt.Fprintf(w, "units that do not vary, left out: %d of A, %d of B\n", len(u.DeadA), len(u.DeadB))
	}
}

func printSparse(w io.Writer, s similarity.Sparse) {
	if s.Targets == 0 {
		return // a note says why
	}
	fmt.Fprintf(w, "%d units of B from few of A, loss (1 is guessing the mean): best single unit %.2f", s.Targets, s.Single)
	for _, p := range s.Path {
		fmt.Fprintf(w, "; %.1f units %.2f", p.Weights, p.Loss)
	}
	fmt.Fprintf(w, "; all %.2f\n", s.LeastSquares)
}

// strengths counts the pairs by how well they agree.
func strengths(u *similarity.UnitsReport) string {
	var twins, none int
	for _, m := range u.OneToOne {
		switch r := max(m.R, -m.R); {
		case r >= 0.8:
			twins++
		case r < 0.3:
			none++
		}
	}
	return fmt.Sprintf("%d are near twins (correlation 0.8 and up), %d have little in common (below 0.3)", twins, none)
}

func printSubspaces(w io.Writer, s *similarity.Subspaces) {
	fmt.Fprintln(w, "\nsubspace in common")
	printWrapped(w, []string{s.Verdict, shuffledText(s)})
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "  directions k\tCKA inside\t95 % interval\tcorrelation of the last\tpartners found\t")
	for _, p := range s.Path {
		mark := ""
		if p.K == s.K {
			mark = "  <- chosen"
		}
		fmt.Fprintf(t, "  %d\t%s\t%s\t%s\t%s\t%s\n", p.K, three(p.CKA.Value), between(p.CKA.Low, p.CKA.High), three(p.Last), percent(p.Found), mark)
	}
	fmt.Fprintf(t, "  as they stand\t%s\t%s\t\t\t\n", three(s.Raw.Value), between(s.Raw.Low, s.Raw.High))
	t.Flush()
	fmt.Fprintf(w, "partners found among %d rows: at first try, among five, by one-to-one matching\n", s.Queries)
	for _, f := range s.Finds {
		fmt.Fprintf(w, "  %s: %s, %s, %s\n", f.How, percent(f.First), percent(f.Five), percent(f.Matched))
	}
}

// shuffledText says what the search for a subspace finds by chance.
func shuffledText(s *similarity.Subspaces) string {
	found := "finds none"
	if s.ShuffledK > 0 {
		found = fmt.Sprintf("finds %d directions", s.ShuffledK)
	}
	return fmt.Sprintf("By chance, with rows of B shuffled, the same search %s, and CKA inside is %s.", found, three(s.Shuffled))
}

func percent(v float64) string { return fmt.Sprintf("%.1f %%", 100*v) }
