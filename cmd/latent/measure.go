package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/latent-go/latent/artifact"
	"github.com/latent-go/latent/measure/dimension"
	"github.com/latent-go/latent/measure/shape"
)

type measureFlags struct {
	input
	beside
	html   string
	sample int
	k      int
	seed   uint64
}

// measureAnswer is what measure prints with --json.
type measureAnswer struct {
	Source    string            `json:"source"`
	Dimension *dimension.Report `json:"dimension"`
	Shape     *shape.Report     `json:"shape"`
	Labels    *labelled         `json:"labels,omitempty"`
	Factors   *factored         `json:"factors,omitempty"`
	Seconds   float64           `json:"seconds"`
}

func newMeasure(e *env) *cobra.Command {
	var f measureFlags
	c := &cobra.Command{
		Use:   "measure VECTORS",
		Short: "Say how many dimensions vectors really have, and what else to know of them",
		Long: `Say how many dimensions vectors really have, and what else to know of them.

The intrinsic dimension is estimated in several ways (TwoNN, MLE, MOM, correlation dimension, DANCo, FisherS), with
standard errors, and the spectrum of the covariance is summed up; then norms, duplicates, hubness and anisotropy. Large
data is sampled, and the answer says how. --html writes a page with plots.

With --labels it says how much the vectors know of the labels (diffusion spectral entropy, mutual information), how many
classes a linear readout could tell apart (manifold capacity, MMCR) and how sharply labels change (K_F); with --factors
whether single numbers stand for single factors (InfoMEC, MIG, DCI).`,
		Example: `  latent measure vectors.npy --html report.html
  latent measure embeddings.parquet --column embedding --json
  latent measure features.npy --labels labels.txt --inputs images.npy
  latent measure 'synthetic:swissroll?n=5000'`,
		Args: args(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, a []string) error { return runMeasure(c.Context(), e, f, a[0]) },
	}
	f.input.flags(c.Flags())
	f.beside.flags(c.Flags())
	c.Flags().StringVar(&f.html, "html", "", "write a page with plots to this file")
	c.Flags().IntVar(&f.sample, "sample", 10_000, "draw so many vectors at most for what takes neighbours; below 0 for all")
	c.Flags().IntVarP(&f.k, "k", "k", 20, "neighbours that local estimates look at")
	c.Flags().Uint64Var(&f.seed, "seed", 0, "of the samples")
	c.AddCommand(newLandscape(e))
	return c
}

func runMeasure(ctx context.Context, e *env, f measureFlags, arg string) error {
	begin := time.Now()
	if err := outputs(arg, f.html); err != nil {
		return err
	}
	in, err := f.input.load(ctx, e, arg)
	if err != nil {
		return err
	}
	labels, factors, inputs, err := f.beside.load(ctx, e, in.X.Rows, f.Options)
	if err != nil {
		return err
	}
	p := e.progress()
	defer p.done()
	a := measureAnswer{Source: in.Name}
	a.Dimension, err = dimension.Measure(ctx, in.X, dimension.Options{Sample: f.sample, K: f.k, Seed: f.seed, Progress: p.of("dimension")})
	if err != nil {
		return fmt.Errorf("%s: %w", in.Name, err)
	}
	a.Shape, err = shape.Measure(ctx, in.X, shape.Options{Sample: f.sample, Seed: f.seed, Progress: p.of("shape")})
	if err != nil {
		return fmt.Errorf("%s: %w", in.Name, err)
	}
	if labels != nil {
		if a.Labels, err = f.measureLabels(ctx, p, in.X, inputs, labels, f.seed); err != nil {
			return fmt.Errorf("%s: %w", in.Name, err)
		}
	}
	if f.factors != "" {
		if a.Factors, err = f.measureFactors(ctx, p, in.X, factors, f.seed); err != nil {
			return fmt.Errorf("%s: %w", in.Name, err)
		}
	}
	p.done()
	a.Seconds = time.Since(begin).Seconds()
	if f.html != "" {
		if err := artifact.Save(f.html, measurePage(a)); err != nil {
			return err
		}
	}
	return e.print(a, func(w io.Writer) { printMeasure(w, a, f.html) })
}

func printMeasure(w io.Writer, a measureAnswer, html string) {
	d := a.Dimension
	fmt.Fprintf(w, "%s: %d vectors of %d numbers\n%s\n", a.Source, d.Rows, d.Cols, d.Summary)
	printWrapped(w, d.Notes)
	if len(d.Estimates) > 0 {
		fmt.Fprintf(w, "\nintrinsic dimension, from %d of %d vectors (seed %d)\n", d.Sampled, d.Rows, d.Seed)
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
		fmt.Fprintln(t, "  estimator\tk\tvalue\t± se\tcorrected\t")
		for _, x := range d.Estimates {
			k, corrected := "-", "-"
			if x.K > 0 {
				k = fmt.Sprint(x.K)
			}
			if x.Corrected > 0 {
				corrected = fmt.Sprintf("%.1f", x.Corrected)
			}
			fmt.Fprintf(t, "  %s\t%s\t%.2f\t%.2f\t%s\t\n", x.Method, k, x.Value, x.StdErr, corrected)
		}
		t.Flush()
	}
	if s := d.Spectrum; s != nil {
		fmt.Fprintf(w, "\nspectrum: 90 %% of the variance in %d directions, 95 %% in %d, 99 %% in %d; participation ratio %.1f, effective rank %.1f\n",
			s.Components(0.9), s.Components(0.95), s.Components(0.99), s.Participation, s.EffectiveRank)
	}
	printShape(w, a.Shape)
	if a.Labels != nil {
		printLabels(w, a.Labels)
	}
	if a.Factors != nil {
		printFactors(w, a.Factors)
	}
	if html != "" {
		fmt.Fprintf(w, "\npage: %s\n", html)
	}
	fmt.Fprintf(w, "in %.1f s\n", a.Seconds)
}

// printWrapped writes sentences in lines that a terminal holds.
func printWrapped(w io.Writer, notes []string) {
	for _, n := range notes {
		line := "  -"
		for word := range strings.FieldsSeq(n) {
			if len(line)+1+len(word) > 110 {
				fmt.Fprintln(w, line)
				line = "   "
			}
			line += " " + word
		}
		fmt.Fprintln(w, line)
	}
}

func printShape(w io.Writer, s *shape.Report) {
	fmt.Fprintf(w, "\nnorms: %.4g ± %.2g, from %.4g to %.4g\n", s.Norms.Mean, s.Norms.SD, s.Norms.Min, s.Norms.Max)
	fmt.Fprintf(w, "directions: mean cosine of two vectors %.3f, mean over all %.1f %% of the energy, first direction %.1f %% of the variance\n",
		s.Spread.MeanCosine, 100*s.Spread.MeanShare, 100*s.Spread.TopShare)
	fmt.Fprintf(w, "copies: %d equal, %d nearly equal of %d looked at; %d constant columns\n", s.Copies.Equal, s.Copies.Near, s.Copies.Sampled, s.Columns.Constant)
	if h := s.Hubness; h != nil {
		fmt.Fprintf(w, "hubness: skewness %.2f at k = %d; %.1f %% of the vectors are nobody's neighbour, row %d is that of %d\n",
			h.Skewness, h.K, 100*h.Antihubs, h.Row, h.Max)
	}
	printWrapped(w, s.Warnings)
}
