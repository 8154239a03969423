package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/pflag"

	"github.com/latent-go/latent/dataset"
	"github.com/latent-go/latent/measure/capacity"
	"github.com/latent-go/latent/measure/disentangle"
	"github.com/latent-go/latent/measure/entropy"
	"github.com/latent-go/latent/measure/sharpness"
	"github.com/latent-go/latent/vec"
)

// beside are files that say what the rows of the vectors are.
type beside struct {
	labels  string // a class each
	factors string // numbers that each was made from
	inputs  string // the data that each represents
}

func (b *beside) flags(f *pflag.FlagSet) {
	f.StringVar(&b.labels, "labels", "", "a label a row (FILE or FILE#COLUMN): adds entropy, capacity and sharpness of the classes")
	f.StringVar(&b.factors, "factors", "", "a row of source factors a row, as VECTORS: adds InfoMEC, MIG and DCI")
	f.StringVar(&b.inputs, "inputs", "", "the data that the vectors represent, row for row: adds its dimension and sharpness, with --labels")
}

// labelled is what measure finds with --labels.
type labelled struct {
	Source    string                `json:"source"`
	Inputs    string                `json:"inputs,omitempty"`
	Names     []string              `json:"names"` // of the classes, by number
	Entropy   *entropy.Result       `json:"entropy,omitempty"`
	MI        *entropy.MI           `json:"mutual_information,omitempty"`
	Capacity  *capacity.Report      `json:"capacity,omitempty"`
	MMCR      *capacity.Score       `json:"mmcr,omitempty"`
	Sharpness *sharpness.Properties `json:"sharpness,omitempty"`
	Notes     []string              `json:"notes,omitempty"` // what could not be made, and why, and what to beware of
}

// factored is what measure finds with --factors.
type factored struct {
	Source string `json:"source"`
	*disentangle.Report
}

// rowsOfFactors bounds the rows that InfoMEC looks at: 20,000 × 512 would take minutes.
const rowsOfFactors = 4000

// load reads what lies beside n rows, before anything is measured.
func (b *beside) load(ctx context.Context, e *env, n int, o dataset.Options) (l *dataset.Labels, factors, inputs vec.Matrix, err error) {
	if b.inputs != "" && b.labels == "" {
		return nil, factors, inputs, misuse("--inputs goes with --labels FILE")
	}
	fits := func(name string, rows int) error {
		if rows != n {
			return fmt.Errorf("%s has %d rows, the vectors have %d; want one a vector: %w", name, rows, n, vec.ErrDim)
		}
		return nil
	}
	matrix := func(name string) (vec.Matrix, error) {
		in, err := (&input{dataset.Options{MaxRows: o.MaxRows}}).load(ctx, e, name)
		if err != nil {
			return vec.Matrix{}, err
		}
		return in.X, fits(name, in.X.Rows)
	}
	if b.labels != "" {
		if l, err = dataset.LoadLabels(b.labels, dataset.Options{MaxRows: o.MaxRows}); err != nil {
			return nil, factors, inputs, err
		}
		if err = fits(b.labels, len(l.Of)); err != nil {
			return nil, factors, inputs, err
		}
		if len(l.Names) < 2 {
			return nil, factors, inputs, fmt.Errorf("%s: all labels are %q; want at least two classes: %w", b.labels, l.Names[0], vec.ErrTooFew)
		}
	}
	if b.factors != "" {
		if factors, err = matrix(b.factors); err != nil {
			return nil, factors, inputs, err
		}
	}
	if b.inputs != "" {
		inputs, err = matrix(b.inputs)
	}
	return l, factors, inputs, err
}

// measureLabels makes all that labels allow. What these data do not allow is left out with a note.
func (b *beside) measureLabels(ctx context.Context, p *progress, x, inputs vec.Matrix, l *dataset.Labels, seed uint64) (*labelled, error) {
	a := &labelled{Source: b.labels, Inputs: b.inputs, Names: l.Names}
	var err error
	a.Entropy, err = entropy.DSE(ctx, x, entropy.Options{Seed: seed, Progress: p.of("entropy")})
	if err = a.note("entropy", err); err != nil {
		return nil, err
	}
	a.MI, err = entropy.DSMI(ctx, x, l.Of, entropy.Options{Seed: seed, Progress: p.of("mutual information")})
	if err = a.note("mutual information with the labels", err); err != nil {
		return nil, err
	}
	a.Capacity, err = capacity.MeanField(ctx, x, l.Of, capacity.Options{Seed: seed, Names: l.Names, Progress: p.of("capacity")})
	if err = a.note("capacity", err); err != nil {
		return nil, err
	}
	score, err := capacity.MMCR(x, l.Of)
	if err == nil {
		a.MMCR = &score
	}
	if err = a.note("nuclear norms", err); err != nil {
		return nil, err
	}
	data, features := x, vec.Matrix{}
	if b.inputs != "" {
		data, features = inputs, x
	}
	a.Sharpness, err = sharpness.Measure(ctx, data, features, l.Of, sharpness.Options{Seed: seed, Names: l.Names})
	if err = a.note("label sharpness", err); err != nil {
		return nil, err
	}
	if a.MI != nil && len(a.MI.Small) > 0 {
		a.Notes = append(a.Notes, a.small())
	}
	return a, nil
}

// small says which classes have so few rows that they say little.
func (a *labelled) small() string {
	const named = 3
	labels := a.MI.Small
	var names []string
	for _, l := range labels[:min(len(labels), named)] {
		names = append(names, fmt.Sprintf("%q", a.Names[l]))
	}
	if len(labels) > named {
		names = append(names, "…")
	}
	return fmt.Sprintf("%d of %d classes have fewer than ten rows, and say little: %s.", len(labels), len(a.MI.Classes), strings.Join(names, ", "))
}

// note turns an error that says what these data lack into a note, and returns any other.
func (a *labelled) note(what string, err error) error {
	if errors.Is(err, vec.ErrTooFew) || errors.Is(err, vec.ErrZero) {
		a.Notes = append(a.Notes, fmt.Sprintf("No %s: %v.", what, err))
		return nil
	}
	return err
}

func (b *beside) measureFactors(ctx context.Context, p *progress, x, factors vec.Matrix, seed uint64) (*factored, error) {
	r, err := disentangle.InfoMEC(ctx, x, factors, disentangle.Options{Seed: seed, MaxRows: rowsOfFactors, Progress: p.of("disentanglement")})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", b.factors, err)
	}
	return &factored{b.factors, r}, nil
}

// shownClasses is how many classes a text shows; a page shows all.
const shownClasses = 20

func printLabels(w io.Writer, a *labelled) {
	fmt.Fprintf(w, "\nlabels of %s: %d classes\n", a.Source, len(a.Names))
	printWrapped(w, a.findings())
	if t := a.classes(); len(t) > 0 {
		fmt.Fprintln(w, "classes")
		tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
		fmt.Fprintln(tw, "  class\trows\tentropy\tany rows\tcapacity\tradius\tdimension\t")
		for _, row := range t[:min(len(t), shownClasses)] {
			fmt.Fprint(tw, "  ")
			for _, cell := range row {
				fmt.Fprintf(tw, "%s\t", cell)
			}
			fmt.Fprintln(tw)
		}
		tw.Flush()
		if more := len(t) - shownClasses; more > 0 {
			fmt.Fprintf(w, "  and %d more; --json has all\n", more)
		}
	}
}

// findings are what was found, in sentences, and what to beware of.
func (a *labelled) findings() []string {
	var out []string
	if s := a.Entropy; s != nil {
		out = append(append(out, "Entropy (DSE): "+s.Verdict), s.Notes...)
	}
	if s := a.MI; s != nil {
		out = append(append(out, "Labels (DSMI): "+s.Verdict), s.Notes...)
	}
	if s := a.Capacity; s != nil {
		out = append(append(out, "Capacity: "+s.Verdict), s.Notes...)
	}
	if s := a.MMCR; s != nil {
		out = append(out, fmt.Sprintf("MMCR: the nuclear norm of the centroids of unit vectors is %.3f of at most %.3f; mean centroid length %.2f, where 1 means that all rows of a class point the same way.",
			s.Global, s.Bound, s.MeanCentroidNorm))
	}
	if s := a.Sharpness; s != nil {
		out = append(append(out, "Sharpness (K_F): "+s.Verdict, "The "+a.clash()+"."), s.Notes...)
	}
	return append(out, a.Notes...)
}

// clash says which differently labelled rows lie nearest to each other.
func (a *labelled) clash() string {
	r := a.Sharpness.Sharpness
	return fmt.Sprintf("nearest rows with different labels: %d (%s) and %d (%s), %.4g apart", r.I, a.Names[r.LabelI], r.J, a.Names[r.LabelJ], r.MinDist)
}

// classes is a row of cells for each class: name, rows, entropy, that of any rows, capacity, radius, dimension.
func (a *labelled) classes() [][]string {
	cells := make([][]string, len(a.Names))
	row := func(label int) []string {
		if cells[label] == nil {
			cells[label] = []string{a.Names[label], "", "", "", "", "", ""}
		}
		return cells[label]
	}
	if a.Capacity != nil {
		for _, m := range a.Capacity.Classes {
			copy(row(m.Label)[1:], []string{fmt.Sprint(m.Total), "", "", fmt.Sprintf("%.3f", m.Capacity), fmt.Sprintf("%.2f", m.Radius), fmt.Sprintf("%.1f", m.Dim)})
		}
	}
	if a.MI != nil {
		for _, c := range a.MI.Classes {
			copy(row(c.Label)[2:], []string{fmt.Sprintf("%.2f", c.EntropyBits), fmt.Sprintf("%.2f", c.AnyBits)})
		}
	}
	return slices.DeleteFunc(cells, func(r []string) bool { return r == nil })
}

func printFactors(w io.Writer, f *factored) {
	fmt.Fprintf(w, "\nfactors of %s: %d %s sources, %d %s latents, %d of them active; from %d of %d rows\n",
		f.Source, len(f.Explicit), f.Sources, len(f.NMI), f.Latents, count(f.Active), f.Rows, f.Total)
	fmt.Fprintf(w, "modularity InfoM %.3f, explicitness InfoE %.3f, compactness InfoC %.3f\n", f.InfoM, f.InfoE, f.InfoC)
	fmt.Fprintf(w, "MIG %.3f; DCI disentanglement %.3f, completeness %.3f, informativeness %.3f\n", f.MIG, f.DCI.Disentanglement, f.DCI.Completeness, f.DCI.Informativeness)
	printWrapped(w, append([]string{f.Verdict}, f.Notes...))
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "  source\tread off linearly\tbest latent\tits share\t")
	for j := range f.Explicit {
		best := f.best(j)
		fmt.Fprintf(t, "  %d\t%.3f\t%d\t%.3f\t\n", j, f.Explicit[j], best, f.NMI[best][j])
	}
	t.Flush()
}

// best is the latent that knows most of source j.
func (f *factored) best(j int) int {
	best, most := 0, math.Inf(-1)
	for i, row := range f.NMI {
		if row[j] > most {
			best, most = i, row[j]
		}
	}
	return best
}

func count(marks []bool) (n int) {
	for _, m := range marks {
		if m {
			n++
		}
	}
	return n
}
