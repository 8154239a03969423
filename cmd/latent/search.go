package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/latent-go/latent/index"
	"github.com/latent-go/latent/plan"
	"github.com/latent-go/latent/vec"
)

type searchFlags struct {
	input
	query     string
	row       int
	k, effort int
}

// searchAnswer is the answer to one query.
type searchAnswer struct {
	Query string      `json:"query"`
	Hits  []searchHit `json:"hits"`
	// Distances is how many were computed.
	Distances int `json:"distances"`
}

type searchHit struct {
	ID       uint32  `json:"id"`
	Label    string  `json:"label,omitempty"`
	Distance float32 `json:"distance"`
}

func newSearch(e *env) *cobra.Command {
	var f searchFlags
	c := &cobra.Command{
		Use:   "search DIR",
		Short: "Print the nearest vectors of an index",
		Long: `Print the nearest vectors of an index, best first.

With --query, the queries are the vectors of a file, or with --row the one of that number. Without --query, --row asks
for the neighbours of a vector of the index, leaving it out itself.`,
		Example: `  latent search index --query queries.npy
  latent search index --query queries.npy --row 3 -k 5
  latent search index --row 17 --json`,
		Args: args(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, a []string) error { return runSearch(c.Context(), e, f, a[0]) },
	}
	f.flags(c.Flags())
	c.Flags().StringVar(&f.query, "query", "", "vectors to search for, as VECTORS")
	c.Flags().IntVar(&f.row, "row", -1, "the number of a vector, from 0")
	c.Flags().IntVarP(&f.k, "k", "k", 10, "neighbours to print")
	c.Flags().IntVar(&f.effort, "effort", 0, "how hard to look (ef); 0 for what the index was tuned to")
	return c
}

func runSearch(ctx context.Context, e *env, f searchFlags, dir string) error {
	if f.query == "" && f.row < 0 {
		return misuse("say what to search for: --query FILE, --row N, or both")
	}
	switch {
	case f.k < 1:
		return misuse("-k %d: want at least 1", f.k)
	case f.effort < 0:
		return misuse("--effort %d: want a positive number, or 0 for what the index was tuned to", f.effort)
	case f.row < -1 || f.row > math.MaxUint32:
		return misuse("--row %d: rows have numbers from 0 to %d", f.row, uint32(math.MaxUint32))
	}
	folder, err := plan.Open(dir)
	if err != nil {
		return err
	}
	defer folder.Close()
	if f.query == "" {
		return f.ofRow(ctx, e, folder)
	}
	in, err := f.load(ctx, e, f.query)
	if err != nil {
		return err
	}
	if in.Queries.Rows > 0 {
		in.X = in.Queries
	}
	if in.X.Cols != folder.Dim() {
		return fmt.Errorf("%s has vectors of %d dimensions, the index %s of %d: %w", f.query, in.X.Cols, dir, folder.Dim(), vec.ErrDim)
	}
	first, last := 0, in.X.Rows
	if f.row >= 0 {
		if f.row >= in.X.Rows {
			return misuse("--row %d: %s has rows 0 to %d", f.row, f.query, in.X.Rows-1)
		}
		first, last = f.row, f.row+1
	}
	for i := first; i < last; i++ {
		res, err := folder.Search(ctx, in.X.Row(i), index.Query{K: f.k, Effort: f.effort})
		if err != nil {
			return fmt.Errorf("%s: row %d: %w", f.query, i, err)
		}
		if err := printHits(e, folder, fmt.Sprintf("%s row %d", f.query, i), res); err != nil {
			return err
		}
	}
	return nil
}

// ofRow searches for a vector of the index itself.
func (f searchFlags) ofRow(ctx context.Context, e *env, folder *plan.Folder) error {
	id := uint32(f.row)
	v, err := folder.Vector(id)
	if err != nil {
		return err
	}
	res, err := folder.Search(ctx, v, index.Query{K: f.k, Effort: f.effort, Keep: func(other uint32) bool { return other != id }})
	if err != nil {
		return err
	}
	name := fmt.Sprintf("row %d", f.row)
	if l := folder.Label(id); l != "" {
		name += " " + l
	}
	return printHits(e, folder, name, res)
}

func printHits(e *env, folder *plan.Folder, query string, res index.Result) error {
	a := searchAnswer{Query: query, Hits: []searchHit{}, Distances: res.Distances}
	for _, h := range res.Hits {
		a.Hits = append(a.Hits, searchHit{h.ID, folder.Label(h.ID), h.Distance})
	}
	return e.print(a, func(w io.Writer) {
		fmt.Fprintln(w, query)
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		for i, h := range a.Hits {
			fmt.Fprintf(t, "  %d\t%d\t%g\t%s\n", i+1, h.ID, h.Distance, h.Label)
		}
		t.Flush()
	})
}
