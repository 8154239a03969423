package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/latent-go/latent/artifact"
	"github.com/latent-go/latent/dataset"
	"github.com/latent-go/latent/model/classifier"
	"github.com/latent-go/latent/report"
	"github.com/latent-go/latent/vec"
)

type landscapeFlags struct {
	input
	labels   string
	html     string
	width    int
	depth    int
	fraction float64
	steps    int
	seed     uint64
}

// landscapeAnswer is what measure landscape prints with --json.
type landscapeAnswer struct {
	Source string   `json:"source"`
	Labels string   `json:"labels"`
	Names  []string `json:"names"` // of the classes, by number
	*classifier.Report
	Seconds float64 `json:"seconds"`
}

func newLandscape(e *env) *cobra.Command {
	var f landscapeFlags
	c := &cobra.Command{
		Use:   "landscape VECTORS --labels FILE",
		Short: "Say how many numbers it takes to learn the labels of vectors",
		Long: `Say how many numbers it takes to learn the labels of vectors.

A small classifier is trained with all of its parameters; then from the same start in random subspaces of its parameters,
to find the smallest dimension in which it reaches 0.9 of that accuracy on vectors held back: the intrinsic dimension of
the task (d_int90, Li et al. 2018). It hardly depends on how wide the classifier is, so that tasks and representations can
be compared by it: the lower, the closer at hand the labels are. It is also how far the classifier can be compressed.

Vectors are centred and scaled. A quarter of them, 5,000 at most, is held back. Training takes some seconds to minutes.`,
		Example: `  latent measure landscape vectors.npy --labels labels.txt
  latent measure landscape digits --labels digits-labels.txt --width 128 --html landscape.html`,
		Args: args(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, a []string) error { return runLandscape(c.Context(), e, f, a[0]) },
	}
	f.input.flags(c.Flags())
	c.Flags().StringVar(&f.labels, "labels", "", "a label a row: FILE or FILE#COLUMN")
	c.Flags().StringVar(&f.html, "html", "", "write a page with plots to this file")
	c.Flags().IntVar(&f.width, "width", 64, "of each hidden layer of the classifier")
	c.Flags().IntVar(&f.depth, "depth", 2, "hidden layers")
	c.Flags().Float64Var(&f.fraction, "fraction", 0.9, "of the accuracy with all parameters that is asked for")
	c.Flags().IntVar(&f.steps, "steps", 600, "batches of 128 vectors that each training takes")
	c.Flags().Uint64Var(&f.seed, "seed", 0, "of the split, the start and the subspaces; answers vary with it")
	return c
}

func runLandscape(ctx context.Context, e *env, f landscapeFlags, arg string) error {
	begin := time.Now()
	switch {
	case f.labels == "":
		return misuse("labels are what is learnt: give --labels FILE")
	case f.width < 1 || f.depth < 0 || f.steps < 1:
		return misuse("--width %d, --depth %d, --steps %d: want 1 or more of each, or no hidden layer", f.width, f.depth, f.steps)
	case !(f.fraction > 0 && f.fraction <= 1):
		return misuse("--fraction %v: want above 0 and up to 1", f.fraction)
	}
	if err := outputs(arg, f.html); err != nil {
		return err
	}
	in, err := f.input.load(ctx, e, arg)
	if err != nil {
		return err
	}
	labels, err := dataset.LoadLabels(f.labels, dataset.Options{MaxRows: f.MaxRows})
	if err != nil {
		return err
	}
	if len(labels.Of) != in.X.Rows {
		return fmt.Errorf("%s has %d labels, %s has %d vectors; want one a vector: %w", f.labels, len(labels.Of), in.Name, in.X.Rows, vec.ErrDim)
	}
	if len(labels.Names) < 2 {
		return fmt.Errorf("%s: all labels are %q; want at least two classes: %w", f.labels, labels.Names[0], vec.ErrTooFew)
	}
	train, test, err := classifier.Prepare(in.X, labels.Of, f.seed)
	if err != nil {
		return fmt.Errorf("%s: %w", in.Name, err)
	}
	p := e.progress()
	defer p.done()
	net := classifier.MLP{Hidden: slices.Repeat([]int{f.width}, f.depth), Classes: len(labels.Names)}
	r, err := classifier.Landscape(ctx, net, train, test, classifier.LandscapeOptions{
		Fraction: f.fraction, Steps: f.steps, Seed: f.seed, Progress: p.of("trainings"),
	})
	if err != nil {
		return fmt.Errorf("%s: %w", in.Name, err)
	}
	p.done()
	a := landscapeAnswer{in.Name, f.labels, labels.Names, r, time.Since(begin).Seconds()}
	if f.html != "" {
		if err := artifact.Save(f.html, landscapePage(a)); err != nil {
			return err
		}
	}
	return e.print(a, func(w io.Writer) { printLandscape(w, a, f.html) })
}

// finding is the answer in a sentence.
func (a landscapeAnswer) finding() string {
	d := a.Dimension
	switch {
	case !d.Reached:
		return fmt.Sprintf("No subspace of up to %.0f dimensions reaches %.0f %% of the accuracy with all %d parameters.", d.Dim, 100*a.Fraction, a.Parameters)
	case d.Below:
		return fmt.Sprintf("One number reaches %.0f %% of the accuracy with all %d parameters.", 100*a.Fraction, a.Parameters)
	}
	return fmt.Sprintf("It takes about %.0f numbers of %d to reach %.0f %% of the accuracy with all: d_int%.0f = %.0f.", d.Dim, a.Parameters, 100*a.Fraction, 100*a.Fraction, d.Dim)
}

func printLandscape(w io.Writer, a landscapeAnswer, html string) {
	fmt.Fprintf(w, "%s: %d vectors of %d numbers to learn from and %d to test with, %d classes of %s\n%s\n", a.Source, a.Rows, a.Cols, a.TestRows, a.Classes, a.Labels, a.finding())
	fmt.Fprintf(w, "net: %s, %d parameters; accuracy with all %.4f, target %.4f, the most frequent class %.4f\n", a.Net, a.Parameters, a.Baseline, a.Dimension.Target, a.Chance)
	fmt.Fprintf(w, "compression: %.0f times; %d bits, a seed of 64 among them, in place of %d\n", a.Compression, a.Bits, a.FullBits)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "  dimension\taccuracy\tof the baseline\t")
	for _, p := range a.Dimension.Curve {
		fmt.Fprintf(t, "  %d\t%.4f\t%.3f\t\n", p.Dim, p.Score, p.Score/a.Baseline)
	}
	t.Flush()
	printWrapped(w, a.Notes)
	if html != "" {
		fmt.Fprintf(w, "page: %s\n", html)
	}
	fmt.Fprintf(w, "%d steps each, rate %g in the first subspace, %g of all parameters, seed %d; in %.1f s\n", a.Steps, a.Rate, a.BaseRate, a.Seed, a.Seconds)
}

// landscapePage is what measure landscape --html writes.
func landscapePage(a landscapeAnswer) report.Page {
	var curve report.Series
	var rows [][]string
	for _, p := range a.Dimension.Curve {
		curve.X, curve.Y = append(curve.X, float64(p.Dim)), append(curve.Y, p.Score)
		curve.Labels = append(curve.Labels, fmt.Sprintf("%d dimensions: %.4f", p.Dim, p.Score))
		rows = append(rows, []string{fmt.Sprint(p.Dim), fmt.Sprintf("%.4f", p.Score), fmt.Sprintf("%.3f", p.Score/a.Baseline)})
	}
	marks := []report.Mark{{At: a.Baseline, Label: "all parameters", Horizontal: true}, {At: a.Dimension.Target, Label: "target", Horizontal: true}}
	if a.Dimension.Reached {
		marks = append(marks, report.Mark{At: a.Dimension.Dim, Label: fmt.Sprintf("%.0f", a.Dimension.Dim)})
	}
	return report.Page{
		Title: "How many numbers it takes to learn " + a.Labels,
		Lead:  a.finding(),
		Facts: []report.Fact{
			{Name: fmt.Sprintf("d_int%.0f", 100*a.Fraction), Value: fmt.Sprintf("%.0f", a.Dimension.Dim), Note: "numbers that learn, in a random subspace"},
			{Name: "parameters", Value: fmt.Sprint(a.Parameters), Note: a.Net},
			{Name: "compression", Value: fmt.Sprintf("%.0f ×", a.Compression), Note: fmt.Sprintf("%d bits for %d", a.Bits, a.FullBits)},
			{Name: "accuracy with all", Value: fmt.Sprintf("%.3f", a.Baseline), Note: fmt.Sprintf("the most frequent class: %.3f", a.Chance)},
		},
		Sections: []report.Section{{
			Title: "Accuracy against dimension",
			Text: []string{fmt.Sprintf("%d vectors of %d numbers to learn from and %d to test with, in %d classes. Each point is a training of %d steps from the same start.",
				a.Rows, a.Cols, a.TestRows, a.Classes, a.Steps)},
			Warnings: a.Notes,
			Charts:   []report.Chart{report.Lines{Title: "Accuracy in random subspaces", X: "dimensions", Y: "accuracy on test vectors", LogX: true, Series: []report.Series{curve}, Marks: marks}},
			Table:    &report.Table{Head: []string{"dimensions", "accuracy", "of the baseline"}, Rows: rows},
		}},
		Footer: fmt.Sprintf("latent %s; %s, seed %d", programVersion(), a.Source, a.Seed),
	}
}
