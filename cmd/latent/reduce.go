package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/latent-go/latent/artifact"
	"github.com/latent-go/latent/dataset"
	"github.com/latent-go/latent/measure/dimension"
	"github.com/latent-go/latent/reduce"
	"github.com/latent-go/latent/reduce/matryoshka"
	"github.com/latent-go/latent/reduce/pca"
	"github.com/latent-go/latent/vec"
)

type reduceFlags struct {
	input
	out, save, with string
	components      int
	variance        float64
	measured        bool
	whiten          bool
	seed            uint64
}

// reduceAnswer is what reduce prints with --json.
type reduceAnswer struct {
	Source    string  `json:"source"`
	Out       string  `json:"out"`
	Map       string  `json:"map,omitempty"`
	Vectors   int     `json:"vectors"`
	From      int     `json:"from"`
	To        int     `json:"to"`
	Explained float64 `json:"explained_variance,omitempty"` // share of that of the vectors the map was fitted to, if it is a PCA
}

func newReduce(e *env) *cobra.Command {
	var f reduceFlags
	c := &cobra.Command{
		Use:   "reduce VECTORS -o FILE",
		Short: "Write vectors with fewer dimensions, by principal components",
		Long: `Write vectors with fewer dimensions, by principal components (PCA).

How many is said by --components, by --variance, the share of the variance to keep, or by --measured, which keeps as many
as the intrinsic dimension is, rounded up. --map keeps the map, and --with applies one, also of nested, to other vectors, such as queries.`,
		Example: `  latent reduce documents.npy --components 110 -o small.npy --map docs.pca
  latent reduce queries.npy --with docs.pca -o small-queries.npy`,
		Args: args(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, a []string) error { return runReduce(c.Context(), e, f, a[0]) },
	}
	f.flags(c.Flags())
	c.Flags().StringVarP(&f.out, "out", "o", "", "the file to write, in the format of its ending")
	c.Flags().StringVar(&f.save, "map", "", "write the map to this file")
	c.Flags().StringVar(&f.with, "with", "", "apply the map of this file")
	c.Flags().IntVar(&f.components, "components", 0, "keep so many components")
	c.Flags().Float64Var(&f.variance, "variance", 0, "keep the fewest that explain this share of the variance")
	c.Flags().BoolVar(&f.measured, "measured", false, "keep as many as the intrinsic dimension is")
	c.Flags().BoolVar(&f.whiten, "whiten", false, "scale each component to variance 1")
	c.Flags().Uint64Var(&f.seed, "seed", 0, "of samples")
	return c
}

func (f reduceFlags) check() error {
	ways := 0
	for _, given := range []bool{f.components != 0, f.variance != 0, f.measured, f.with != ""} {
		if given {
			ways++
		}
	}
	switch {
	case f.out == "":
		return misuse("say where to write the vectors, with -o FILE")
	case ways != 1:
		return misuse("say how many dimensions to keep with one of --components, --variance, --measured and --with; %d are given", ways)
	case f.components < 0 || f.variance < 0 || f.variance > 1:
		return misuse("--components %d, --variance %g: want a positive number, or a share up to 1", f.components, f.variance)
	case f.with != "" && (f.save != "" || f.whiten):
		return misuse("--with takes a map as it is; --map and --whiten are for fitting one")
	}
	return nil
}

func runReduce(ctx context.Context, e *env, f reduceFlags, arg string) error {
	if err := f.check(); err != nil {
		return err
	}
	if err := outputs(arg, f.out, f.save); err != nil {
		return err
	}
	in, err := f.load(ctx, e, arg)
	if err != nil {
		return err
	}
	p := e.progress()
	defer p.done()
	var m reduce.Map
	if f.with != "" {
		m, err = readMap(f.with)
	} else {
		m, err = f.fit(ctx, p, in.X)
	}
	if err != nil {
		return err
	}
	if m.InDim() != in.X.Cols {
		return fmt.Errorf("%s has vectors of %d dimensions, the map takes %d: %w", in.Name, in.X.Cols, m.InDim(), vec.ErrDim)
	}
	y := m.Apply(vec.Matrix{}, in.X)
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := dataset.Save(f.out, &dataset.Set{X: y, IDs: in.Labels}); err != nil {
		return err
	}
	if f.save != "" {
		if err := artifact.Save(f.save, m); err != nil {
			return err
		}
	}
	p.done()
	a := reduceAnswer{Source: in.Name, Out: f.out, Map: f.save, Vectors: y.Rows, From: m.InDim(), To: m.OutDim()}
	if m, ok := m.(*pca.Map); ok {
		for _, r := range m.Ratios() {
			a.Explained += r
		}
	}
	return e.print(a, func(w io.Writer) {
		fmt.Fprintf(w, "%s: %d vectors, %d dimensions to %d", a.Source, a.Vectors, a.From, a.To)
		if a.Explained > 0 {
			fmt.Fprintf(w, ", which explain %.2f %% of the variance", 100*a.Explained)
		}
		fmt.Fprintf(w, "\n%s\n", a.Out)
	})
}

func (f reduceFlags) fit(ctx context.Context, p *progress, x vec.Matrix) (*pca.Map, error) {
	o := pca.Options{Components: f.components, Variance: f.variance, Whiten: f.whiten, Seed: f.seed, Progress: p.of("components")}
	if f.measured {
		r, err := dimension.Measure(ctx, x, dimension.Options{Seed: f.seed, Progress: p.of("dimension")})
		if err != nil {
			return nil, err
		}
		o.Components = max(1, int(r.Dimension+0.999))
	}
	return pca.Fit(ctx, x, o)
}

// readMap reads a map that reduce or nested wrote.
func readMap(path string) (reduce.Map, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if m, err := matryoshka.Read(bytes.NewReader(b)); err == nil {
		return m, nil
	}
	m, err := pca.Read(bytes.NewReader(b))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}
