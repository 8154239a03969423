package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/latent-go/latent/recipe"
)

type reproduceFlags struct {
	seeds    int
	record   string
	markdown bool
}

func newReproduce(e *env) *cobra.Command {
	var f reproduceFlags
	c := &cobra.Command{
		Use:   "reproduce list|all|NAME...",
		Short: "Run a paper's experiment here, beside its baseline, and judge its claim",
		Long: `Run a paper's experiment here, beside its baseline, and judge its claim.

The verdict is that of the inequalities written in the recipe: holds if all of them do, fails if none does, partly
otherwise. With --json each recipe prints one object, on one line, when it ends.`,
		Example: `  latent reproduce list
  latent reproduce hnsw-order --seeds 3 --json`,
		Args: args(cobra.MinimumNArgs(1)),
		RunE: func(c *cobra.Command, a []string) error { return runReproduce(c.Context(), e, f, a) },
	}
	c.Flags().IntVar(&f.seeds, "seeds", 3, "how many seeds to repeat it with")
	c.Flags().StringVar(&f.record, "record", "", "write the result, as a page with its charts, to this folder")
	c.Flags().BoolVar(&f.markdown, "markdown", false, "with list: all papers, as Markdown")
	return c
}

func runReproduce(ctx context.Context, e *env, f reproduceFlags, names []string) error {
	if f.seeds < 1 {
		return misuse("--seeds %d: want at least 1", f.seeds)
	}
	for _, alone := range []string{"list", "all"} {
		if len(names) > 1 && slices.Contains(names, alone) {
			return misuse("%q stands alone, without names of recipes", alone)
		}
	}
	if names[0] == "list" {
		return listRecipes(e, f.markdown)
	}
	if f.markdown {
		return misuse("--markdown goes with list")
	}
	recipes := recipe.All
	if names[0] != "all" {
		recipes = nil
		for _, n := range names {
			r, ok := recipe.Find(n)
			if !ok {
				return misuse("no recipe %q; latent reproduce list prints them", n)
			}
			recipes = append(recipes, r)
		}
	}
	if f.record != "" {
		if err := os.MkdirAll(f.record, 0o755); err != nil {
			return err
		}
	}
	p := e.progress()
	defer p.done()
	for _, r := range recipes {
		res, err := recipe.Run(ctx, r, recipe.Options{Seeds: f.seeds, Progress: p.step})
		p.done()
		if err != nil {
			return err
		}
		if f.record != "" {
			if err := res.Record(f.record); err != nil {
				return err
			}
		}
		if err := e.print(res, func(w io.Writer) { fmt.Fprintln(w, res.Text()) }); err != nil {
			return err
		}
	}
	return nil
}

// listedRecipe is what reproduce list prints with --json.
type listedRecipe struct {
	Name    string `json:"name"`
	Paper   int    `json:"paper"`
	Source  string `json:"source"` // the paper
	Claim   string `json:"claim"`
	Package string `json:"package"`
	Minutes int    `json:"minutes"`
}

func listRecipes(e *env, markdown bool) error {
	if markdown {
		_, err := e.out.Write(recipe.Index())
		return err
	}
	list := []listedRecipe{}
	for _, r := range recipe.All {
		list = append(list, listedRecipe{r.Name, r.Paper, r.Source(), r.Claim, r.Package, r.Minutes})
	}
	return e.print(list, func(w io.Writer) {
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		for _, r := range list {
			fmt.Fprintf(t, "%s\t%d min\t%s\n", r.Name, r.Minutes, r.Source)
		}
		t.Flush()
		fmt.Fprintf(w, "%d of %d papers have none yet; see docs/papers.md\n", missing(), len(recipe.Papers))
	})
}

// missing counts the papers without a recipe.
func missing() int {
	have := map[int]bool{}
	for _, r := range recipe.All {
		if r.Paper > 0 {
			have[r.Paper] = true
		}
	}
	return len(recipe.Papers) - len(have)
}
