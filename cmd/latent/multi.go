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
	"github.com/latent-go/latent/index/muvera"
	"github.com/latent-go/latent/plan"
)

func newMulti(e *env) *cobra.Command {
	c := &cobra.Command{
		Use:   "multi",
		Short: "Index and search documents of many vectors each (late interaction)",
		Long: `Index and search documents of many vectors each (late interaction).

A document is a set of token vectors. Its score for a query is the sum, over the query's vectors, of the largest inner
product with one of its own (Chamfer, or MaxSim). MUVERA turns each set into one vector whose inner products come near
that, so that candidates are found as single vectors are, and then scored exactly.

FILE is a .npz or .npy with offsets or lengths, a Parquet column of lists of lists, or JSONL with arrays of arrays.`,
		Args: args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newMultiBuild(e), newMultiSearch(e))
	return c
}

type multiBuildFlags struct {
	dataset.Options
	encoder muvera.Options
	out     string
	codec   string
	pq      int
	replace bool
}

// multiBuildAnswer is what multi build prints with --json.
type multiBuildAnswer struct {
	Source    string  `json:"source"`
	Out       string  `json:"out"`
	Documents int     `json:"documents"`
	Tokens    int     `json:"tokens"`
	Dim       int     `json:"dim"`
	Encoded   int     `json:"encoded_dim"`
	SizeBytes int64   `json:"size_bytes"`
	Seconds   float64 `json:"seconds"`
}

func newMultiBuild(e *env) *cobra.Command {
	var f multiBuildFlags
	c := &cobra.Command{
		Use:     "build FILE -o DIR",
		Short:   "Encode documents and write an index of them",
		Example: `  latent multi build tokens.npz -o index --codec sq8`,
		Args:    args(cobra.ExactArgs(1)),
		RunE:    func(c *cobra.Command, a []string) error { return runMultiBuild(c.Context(), e, f, a[0]) },
	}
	c.Flags().StringVarP(&f.out, "out", "o", "", "the folder to write the index to")
	c.Flags().StringVar(&f.Column, "column", "", "which array or column holds the vectors")
	c.Flags().StringVar(&f.IDColumn, "id-column", "", "which column holds the IDs")
	c.Flags().IntVar(&f.MaxRows, "rows", 0, "read so many documents at most")
	c.Flags().StringVar(&f.codec, "codec", "f32", "how token vectors are kept: f32, f16, sq8 or sq4")
	c.Flags().IntVar(&f.encoder.Repetitions, "repetitions", 0, "independent encodings, one after another; 0 for 20")
	c.Flags().IntVar(&f.encoder.Bits, "bits", 0, "hyperplanes that cut space into 2^bits clusters; 0 for 5")
	c.Flags().IntVar(&f.encoder.Inner, "inner", 0, "dimensions of a cluster's block; 0 for 16")
	c.Flags().IntVar(&f.encoder.Final, "final", 0, "dimensions of the whole; 0 for no projection at the end")
	c.Flags().IntVar(&f.pq, "pq", 0, "keep encodings by product quantisation, so many dimensions a byte; the paper has 8; 0 for a byte a dimension")
	c.Flags().Uint64Var(&f.encoder.Seed, "seed", 0, "of hyperplanes and projections")
	c.Flags().BoolVar(&f.replace, "replace", false, "replace an index that is in the folder")
	return c
}

// tokenCodecs are those that token vectors can be kept by.
var tokenCodecs = []string{"f32", "f16", "sq8", "sq4"}

func runMultiBuild(ctx context.Context, e *env, f multiBuildFlags, path string) error {
	begin := time.Now()
	if f.out == "" {
		return misuse("say where to write the index, with -o DIR")
	}
	if f.encoder.Bits < 0 {
		return misuse("--bits %d: want at least 1, or 0 for 5", f.encoder.Bits)
	}
	if !slices.Contains(tokenCodecs, f.codec) {
		return misuse("--codec %q: want f32, f16, sq8 or sq4", f.codec)
	}
	if err := artifact.Vacant(f.out, muvera.ManifestFile, f.replace); err != nil {
		return withReplace(err)
	}
	set, err := dataset.LoadRagged(path, f.Options)
	if err != nil {
		return err
	}
	codec, err := plan.FitCodec(ctx, f.codec, set.X, f.encoder.Seed)
	if err != nil {
		return err
	}
	docs, err := muvera.NewDocuments(set.X, set.Offsets, codec)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	p := e.progress()
	defer p.done()
	ix, err := muvera.Build(ctx, docs, muvera.BuildOptions{Options: f.encoder, PQ: f.pq, Progress: p.of("encode")})
	if err != nil {
		return err
	}
	if err := ix.Save(ctx, f.out, set.IDs, f.replace); err != nil {
		return err
	}
	p.done()
	a := multiBuildAnswer{Source: path, Out: f.out, Documents: docs.Len(), Tokens: docs.Tokens(), Dim: docs.Dim(),
		Encoded: ix.Encoder().Dim(), SizeBytes: ix.SizeBytes(), Seconds: time.Since(begin).Seconds()}
	return e.print(a, func(w io.Writer) {
		fmt.Fprintf(w, "%s: %d documents of %d vectors of %d dimensions, each encoded as one of %d\n%s: %.1f MB, in %.1f s\n",
			a.Source, a.Documents, a.Tokens, a.Dim, a.Encoded, a.Out, float64(a.SizeBytes)/1e6, a.Seconds)
	})
}

type multiSearchFlags struct {
	dataset.Options
	query         string
	row           int
	k, candidates int
	exact         bool
}

// multiSearchAnswer is the answer to one query.
type multiSearchAnswer struct {
	Query  string     `json:"query"` // its ID, or the file and its number
	Hits   []multiHit `json:"hits"`
	Scored int        `json:"scored"` // documents scored exactly
}

type multiHit struct {
	ID    uint32  `json:"id"`
	Label string  `json:"label,omitempty"`
	Score float32 `json:"score"`
}

func newMultiSearch(e *env) *cobra.Command {
	var f multiSearchFlags
	c := &cobra.Command{
		Use:     "search DIR --query FILE",
		Short:   "Print the documents that score best for each query",
		Example: `  latent multi search index --query queries.npz -k 5`,
		Args:    args(cobra.ExactArgs(1)),
		RunE:    func(c *cobra.Command, a []string) error { return runMultiSearch(c.Context(), e, f, a[0]) },
	}
	c.Flags().StringVar(&f.query, "query", "", "queries, as FILE")
	c.Flags().StringVar(&f.Column, "column", "", "which array or column of it holds the vectors")
	c.Flags().IntVar(&f.row, "row", -1, "only the query of this number, from 0")
	c.Flags().IntVarP(&f.k, "k", "k", 10, "documents to print")
	c.Flags().IntVar(&f.candidates, "candidates", 0, "documents to score exactly; 0 for 10·k, and at least 100")
	c.Flags().BoolVar(&f.exact, "exact", false, "score every document")
	return c
}

func runMultiSearch(ctx context.Context, e *env, f multiSearchFlags, dir string) error {
	if f.query == "" {
		return misuse("say what to search for, with --query FILE")
	}
	if f.row < -1 {
		return misuse("--row %d: want a number from 0, or -1 for all queries", f.row)
	}
	folder, err := muvera.Open(dir, nil)
	if err != nil {
		return err
	}
	defer folder.Close()
	queries, err := dataset.LoadRagged(f.query, f.Options)
	if err != nil {
		return err
	}
	first, last := 0, queries.Len()
	if f.row >= 0 {
		if f.row >= last {
			return misuse("--row %d: %s has queries 0 to %d", f.row, f.query, last-1)
		}
		first, last = f.row, f.row+1
	}
	for i := first; i < last; i++ {
		var res muvera.Result
		if f.exact {
			res, err = folder.Documents().Search(ctx, queries.Set(i), f.k, nil)
		} else {
			res, err = folder.Search(ctx, queries.Set(i), muvera.Query{K: f.k, Candidates: f.candidates})
		}
		if err != nil {
			return fmt.Errorf("%s: query %d: %w", f.query, i, err)
		}
		name := fmt.Sprintf("%s query %d", f.query, i)
		if queries.IDs != nil {
			name = queries.IDs[i]
		}
		a := multiSearchAnswer{Query: name, Hits: []multiHit{}, Scored: res.Scored}
		for _, h := range res.Hits {
			hit := multiHit{ID: h.ID, Score: h.Score}
			if folder.Labels != nil {
				hit.Label = folder.Labels[h.ID]
			}
			a.Hits = append(a.Hits, hit)
		}
		if err := e.print(a, func(w io.Writer) { printMulti(w, a) }); err != nil {
			return err
		}
	}
	return nil
}

func printMulti(w io.Writer, a multiSearchAnswer) {
	fmt.Fprintln(w, a.Query)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for i, h := range a.Hits {
		fmt.Fprintf(t, "  %d\t%d\t%g\t%s\n", i+1, h.ID, h.Score, h.Label)
	}
	t.Flush()
}
