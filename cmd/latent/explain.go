package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/latent-go/latent/artifact"
	"github.com/latent-go/latent/dataset"
	"github.com/latent-go/latent/explain/dictionary"
	"github.com/latent-go/latent/model/sae"
	"github.com/latent-go/latent/nn"
	"github.com/latent-go/latent/report"
	"github.com/latent-go/latent/vec"
)

func newExplain(e *env) *cobra.Command {
	c := &cobra.Command{
		Use:   "explain",
		Short: "Say what vectors are made of",
		Args:  args(cobra.NoArgs),
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newExplainSAE(e))
	return c
}

type saeFlags struct {
	input
	labels, out, with, html string
	kind                    string
	features, k, epochs     int
	shown, top              int
	seed                    uint64
}

// saeAnswer is what explain sae prints with --json.
type saeAnswer struct {
	Source string `json:"source"`
	Model  string `json:"model,omitempty"` // the file it was written to, or read from
	K      int    `json:"k"`               // features a row that it learnt with
	*sae.Report
	Names    map[int]string `json:"names,omitempty"` // of features, by the labels of their top rows
	HeldOut  *sae.Point     `json:"held_out,omitempty"`
	HeldRows int            `json:"held_out_rows,omitempty"` // that had no part in learning
	ByK      []sae.Point    `json:"by_k"`                    // with fewer features a row, or more; of the rows held out, if there are any
	Steps    int            `json:"steps,omitempty"`
	Seconds  float64        `json:"seconds"`

	labels  []string
	records []nn.Record
	shown   int
}

func newExplainSAE(e *env) *cobra.Command {
	var f saeFlags
	var kinds []string
	for _, k := range sae.Kinds() {
		kinds = append(kinds, k.String())
	}
	c := &cobra.Command{
		Use:   "sae VECTORS",
		Short: "Train a sparse autoencoder, and show the features it finds",
		Long: `Train a sparse autoencoder, and show the features it finds: directions of which each vector has a few.

The kinds differ in how they choose features. mp, the default, pursues: the feature that has most in common with a vector is
taken away, then the one that has most in common with what is left, and so on; what it learnt with k features a vector
also works with fewer or more. topk, batchtopk, jumprelu, relu and matryoshka read all features off at once.

Each feature is shown with how many vectors have it, and the vectors that have most of it, by the labels of --labels or
the IDs of the file. A tenth of the vectors, 2,000 at most, has no part in learning, and says how much of vectors never
seen is explained. -o keeps the model, and --with shows the features of one in other vectors.`,
		Example: `  latent explain sae glove-100 --rows 20000
  latent explain sae documents.npy --labels titles.txt --features 2048 -k 16 -o features.sae --html features.html`,
		Args: args(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, a []string) error {
			for _, name := range []string{"kind", "features", "k", "epochs", "seed", "out"} {
				if f.with != "" && c.Flags().Changed(name) {
					return misuse("--with takes a model as it is; --%s is for learning one", name)
				}
			}
			return runExplainSAE(c.Context(), e, f, a[0])
		},
	}
	f.flags(c.Flags())
	c.Flags().StringVar(&f.kind, "kind", "mp", strings.Join(kinds, ", "))
	c.Flags().IntVar(&f.features, "features", 0, "how many to learn; 0 means 4 times the dimension, up to 1,024")
	c.Flags().IntVarP(&f.k, "k", "k", 8, "features a vector")
	c.Flags().IntVar(&f.epochs, "epochs", 0, "how often to go through the vectors; 0 means 20 times, but 5,000 steps at most")
	c.Flags().StringVar(&f.labels, "labels", "", "a label a row (FILE or FILE#COLUMN), to name features by")
	c.Flags().IntVar(&f.shown, "show", 25, "features to show; a page shows 200, --json all")
	c.Flags().IntVar(&f.top, "top", 6, "vectors to show for each")
	c.Flags().StringVar(&f.with, "with", "", "show the features of this model; nothing is learnt")
	c.Flags().StringVarP(&f.out, "out", "o", "", "write the model to this file")
	c.Flags().StringVar(&f.html, "html", "", "write a page with plots to this file")
	c.Flags().Uint64Var(&f.seed, "seed", 0, "of training and of the rows held out")
	return c
}

func runExplainSAE(ctx context.Context, e *env, f saeFlags, arg string) error {
	begin := time.Now()
	kind, err := sae.ParseKind(f.kind)
	switch {
	case err != nil:
		return usageError{err}
	case f.features < 0 || f.k < 1 || f.epochs < 0 || f.shown < 0 || f.top < 0:
		return misuse("--features %d, -k %d, --epochs %d, --show %d, --top %d: want positive numbers", f.features, f.k, f.epochs, f.shown, f.top)
	}
	if err := outputs(arg, f.out, f.html); err != nil {
		return err
	}
	in, err := f.load(ctx, e, arg)
	if err != nil {
		return err
	}
	a := saeAnswer{Source: in.Name, Model: f.out, labels: in.Labels, shown: f.shown}
	if f.labels != "" {
		if a.labels, err = f.names(in.X.Rows); err != nil {
			return err
		}
	}
	p := e.progress()
	defer p.done()
	learn, held := in.X, in.X
	var m *sae.Model
	if f.with != "" {
		a.Model = f.with
		if m, err = sae.Load(f.with); err != nil {
			return err
		}
	} else {
		if a.HeldRows = min(2000, in.X.Rows/10); a.HeldRows > 0 {
			order := rand.New(rand.NewPCG(f.seed, 0x4e1d)).Perm(in.X.Rows)
			learn, held = in.X.Gather(order[a.HeldRows:]), in.X.Gather(order[:a.HeldRows])
		}
		o := sae.Options{Kind: kind, Features: f.features, K: f.k, Seed: f.seed, Train: nn.Options{Epochs: f.epochs, Every: 25, Progress: p.of("learn " + kind.String())}}
		var r *nn.Report
		if m, r, err = sae.Fit(ctx, learn, o); err != nil {
			return err
		}
		a.Steps, a.records = r.Steps, r.Records
	}
	a.K = m.K()
	if a.Report, err = m.Report(ctx, in.X, dictionary.Stop{}, f.top); err != nil {
		return fmt.Errorf("%s: %w", in.Name, err)
	}
	if err := a.sweep(ctx, m, held); err != nil {
		return err
	}
	if a.labels != nil {
		a.Names = map[int]string{}
		for _, f := range a.Features {
			a.Names[f.ID] = a.name(f)
		}
	}
	if f.out != "" {
		if err := artifact.Save(f.out, m); err != nil {
			return err
		}
	}
	a.Seconds = time.Since(begin).Seconds()
	if f.html != "" {
		if err := artifact.Save(f.html, saePage(a)); err != nil {
			return err
		}
	}
	p.done()
	return e.print(a, func(w io.Writer) { printSAE(w, a, f) })
}

// names reads the labels of n rows.
func (f saeFlags) names(n int) ([]string, error) {
	l, err := dataset.LoadLabels(f.labels, dataset.Options{MaxRows: f.MaxRows})
	if err != nil {
		return nil, err
	}
	if len(l.Of) != n {
		return nil, fmt.Errorf("%s has %d rows, the vectors have %d; want one a vector: %w", f.labels, len(l.Of), n, vec.ErrDim)
	}
	names := make([]string, n)
	for i, c := range l.Of {
		names[i] = l.Names[c]
	}
	return names, nil
}

// sweep tries other numbers of features a row, on the rows held out if there are any.
func (a *saeAnswer) sweep(ctx context.Context, m *sae.Model, held vec.Matrix) error {
	var ks []int
	for _, k := range []int{a.K / 4, a.K / 2, a.K, 2 * a.K, 4 * a.K} {
		if k > 0 && k <= m.Features() && !slices.Contains(ks, k) {
			ks = append(ks, k)
		}
	}
	held = held.Slice(0, min(held.Rows, 2000))
	var err error
	if a.ByK, err = m.Sweep(ctx, held, ks); err != nil || a.HeldRows == 0 {
		return err
	}
	r, err := m.Report(ctx, held, dictionary.Stop{}, 0)
	if err != nil {
		return err
	}
	a.HeldOut = &sae.Point{K: a.K, L0: r.L0, Explained: r.Explained}
	return nil
}

// name is what the rows that have most of a feature are called, each once.
func (a *saeAnswer) name(f sae.Feature) string {
	var names []string
	times := map[string]int{}
	for _, t := range f.Top {
		name := fmt.Sprint("row ", t.Row)
		if a.labels != nil {
			name = a.labels[t.Row]
		}
		if times[name]++; times[name] == 1 {
			names = append(names, name)
		}
	}
	for i, name := range names {
		if times[name] > 1 {
			names[i] = fmt.Sprintf("%s (%d)", name, times[name])
		}
	}
	return strings.Join(names, ", ")
}

func printSAE(w io.Writer, a saeAnswer, f saeFlags) {
	fmt.Fprintf(w, "%s: %d vectors of %d numbers; %v of %d features, %d a vector\n", a.Source, a.Rows, a.Dim, a.Kind, a.Learnt, a.K)
	fmt.Fprintf(w, "explained    %.1f %% of the variance, with %.2f features a vector", 100*a.Explained, a.L0)
	if a.HeldOut != nil {
		fmt.Fprintf(w, "; %.1f %% with %.2f of %d vectors held out", 100*a.HeldOut.Explained, a.HeldOut.L0, a.HeldRows)
	}
	fmt.Fprintf(w, "\ndead         %.1f %% of the features, which no vector has\n", 100*a.Dead)
	if a.Babel > 0 {
		fmt.Fprintf(w, "likeness     4 directions imitate another by %.2f at most (Babel)", a.Babel)
		if a.Together > 0 {
			fmt.Fprintf(w, ", and by %.2f among those that a vector has", a.Together)
		}
		fmt.Fprintln(w)
	}
	fmt.Fprint(w, "at most k    ")
	for i, p := range a.ByK {
		if i > 0 {
			fmt.Fprint(w, ", ")
		}
		fmt.Fprintf(w, "%d explain %.1f %%", p.K, 100*p.Explained)
	}
	fmt.Fprintln(w)
	if shown := a.Features[:min(a.shown, len(a.Features))]; len(shown) > 0 {
		fmt.Fprintln(w, "\nthe most frequent features, and what has most of them")
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "  feature\tvectors\tshare\tmean\tmost of it")
		for _, f := range shown {
			fmt.Fprintf(t, "  %d\t%d\t%.2f %%\t%.3g\t%s\n", f.ID, f.Rows, 100*f.Share, f.Mean, cutText(a.name(f), 90))
		}
		t.Flush()
		if more := len(a.Features) - len(shown); more > 0 {
			fmt.Fprintf(w, "  and %d more; --json has all\n", more)
		}
	}
	if f.out != "" {
		fmt.Fprintf(w, "\nmodel: %s\n", f.out)
	}
	if f.html != "" {
		fmt.Fprintf(w, "\npage: %s\n", f.html)
	}
}

// cutText is s, or as much of it as has n characters.
func cutText(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}

// saePage is what explain sae --html writes.
func saePage(a saeAnswer) report.Page {
	const most = 200
	page := report.Page{
		Title: "Features of " + a.Source,
		Lead:  fmt.Sprintf("%.2f of %d features a vector explain %.1f %% of the variance of %d vectors.", a.L0, a.Learnt, 100*a.Explained, a.Rows),
		Facts: []report.Fact{
			{Name: "explained", Value: fmt.Sprintf("%.1f %%", 100*a.Explained), Note: "of the variance"},
			{Name: "features a vector", Value: fmt.Sprintf("%.2f", a.L0), Note: "on average"},
			{Name: "dead", Value: fmt.Sprintf("%.1f %%", 100*a.Dead), Note: "features that no vector has"},
		},
		Footer: fmt.Sprintf("latent %s; %v of %d features, %d a vector", programVersion(), a.Kind, a.Learnt, a.K),
	}
	if a.HeldOut != nil {
		page.Facts = append(page.Facts, report.Fact{Name: "explained, held out", Value: fmt.Sprintf("%.1f %%", 100*a.HeldOut.Explained), Note: fmt.Sprintf("of %d vectors that had no part", a.HeldRows)})
	}
	if a.Rank > 0 {
		page.Facts = append(page.Facts, report.Fact{Name: "effective rank", Value: fmt.Sprintf("%.0f", a.Rank), Note: "directions over which codes spread"})
	}
	var shares []float64
	for _, f := range a.Features {
		shares = append(shares, math.Log10(f.Share))
	}
	zero := 0.0
	s := report.Section{Title: "How features are used", Text: []string{"A feature that most vectors have says little of any; one that a few have may be a detail, or an accident."}}
	if len(shares) > 0 {
		s.Charts = append(s.Charts, report.Bin("Features by how many vectors have them", "share of vectors, log10", shares, 30))
	}
	line := report.Series{Name: "explained"}
	for _, p := range a.ByK {
		line.X, line.Y = append(line.X, float64(p.K)), append(line.Y, 100*p.Explained)
	}
	s.Charts = append(s.Charts, report.Lines{Title: "Explained with fewer features a vector, or more", X: "features a vector, at most", Y: "% of the variance", LogX: true, MinY: &zero,
		Series: []report.Series{line}, Marks: []report.Mark{{At: float64(a.K), Label: "learnt with"}}})
	if len(a.records) > 1 {
		left := report.Series{Name: "not explained"}
		for _, r := range a.records {
			left.X, left.Y = append(left.X, float64(r.Step)), append(left.Y, 100*r.Metrics["unexplained"])
		}
		s.Charts = append(s.Charts, report.Lines{Title: "Learning", X: "step", Y: "% of the variance not explained", MinY: &zero, Series: []report.Series{left}})
	}
	page.Sections = append(page.Sections, s)
	t := report.Table{Head: []string{"vectors that have most of it", "feature", "vectors", "share, %", "mean value"}, Left: 1}
	for _, f := range a.Features[:min(most, len(a.Features))] {
		t.Rows = append(t.Rows, []string{cutText(a.name(f), 120), fmt.Sprint(f.ID), fmt.Sprint(f.Rows), fmt.Sprintf("%.2f", 100*f.Share), fmt.Sprintf("%.3g", f.Mean)})
	}
	page.Sections = append(page.Sections, report.Section{Title: "Features, the most frequent first", Table: &t})
	return page
}
