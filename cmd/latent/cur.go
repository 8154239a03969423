package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/latent-go/latent/artifact"
	"github.com/latent-go/latent/index/cur"
)

func newCur(e *env) *cobra.Command {
	c := &cobra.Command{
		Use:   "cur",
		Short: "Search by an expensive score, such as a cross-encoder's, from few of its values",
		Long: `Search by an expensive score, such as a cross-encoder's, from few of its values.

A matrix of scores of some anchor queries (rows) with all items (columns) says how items go together. For a new query
the scorer is asked about a few items; a CUR decomposition predicts the others, and the best predicted are scored too.`,
		Args: args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newCurBuild(e), newCurSearch(e))
	return c
}

// curBuildAnswer is what cur build prints with --json.
type curBuildAnswer struct {
	Source    string `json:"source"`
	Out       string `json:"out"`
	Anchors   int    `json:"anchor_queries"`
	Items     int    `json:"items"`
	SizeBytes int64  `json:"size_bytes"`
}

func newCurBuild(e *env) *cobra.Command {
	var (
		in   input
		o    cur.Options
		path string
	)
	c := &cobra.Command{
		Use:     "build SCORES -o FILE",
		Short:   "Make an index from the scores of anchor queries with all items",
		Example: `  latent cur build scores.npy -o items.cur`,
		Args:    args(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, a []string) error {
			if path == "" {
				return misuse("say where to write the index, with -o FILE")
			}
			if err := writable(path); err != nil {
				return err
			}
			scores, err := in.load(c.Context(), e, a[0])
			if err != nil {
				return err
			}
			ix, err := cur.New[string](nobody, scores.X, o)
			if err != nil {
				return fmt.Errorf("%s: %w", a[0], err)
			}
			if err := artifact.Save(path, ix); err != nil {
				return err
			}
			b := curBuildAnswer{a[0], path, scores.X.Rows, ix.Len(), ix.SizeBytes()}
			return e.print(b, func(w io.Writer) {
				fmt.Fprintf(w, "%s: %d items, known by their scores with %d anchor queries\n%s: %.1f MB\n", b.Source, b.Items, b.Anchors, b.Out, float64(b.SizeBytes)/1e6)
			})
		},
	}
	in.flags(c.Flags())
	c.Flags().StringVarP(&path, "out", "o", "", "the file to write")
	c.Flags().Float64Var(&o.Ridge, "ridge", 0, "what part of a score is not to be learnt from others; 0 for 0.003")
	c.Flags().BoolVar(&o.Uncentered, "uncentered", false, "leave in each item's mean score, as the paper does")
	c.Flags().Uint64Var(&o.Seed, "seed", 0, "of the order of anchor items")
	return c
}

// nobody is the scorer of an index that is only built.
var nobody = cur.ScorerFunc[string](func(context.Context, string, []uint32) ([]float32, error) {
	return nil, fmt.Errorf("there is no scorer")
})

// curSearchAnswer is what cur search prints with --json.
type curSearchAnswer struct {
	Query string    `json:"query"`
	Hits  []cur.Hit `json:"hits"`
	Calls int       `json:"calls"` // scores asked for
}

func newCurSearch(e *env) *cobra.Command {
	var (
		q               cur.Query
		query, endpoint string
		timeout         time.Duration
	)
	c := &cobra.Command{
		Use:   "search FILE --query TEXT --scorer URL",
		Short: "Print the items that score best",
		Long: `Print the items that score best.

The scorer is asked by HTTP: it gets {"query": TEXT, "ids": [item, …]} by POST and answers {"scores": [number, …]},
one for each ID, the higher the better.`,
		Example: `  latent cur search items.cur --query 'heat pumps' --scorer http://localhost:8080/score -k 10 --budget 200`,
		Args:    args(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, a []string) error {
			if query == "" || endpoint == "" {
				return misuse("say what to search for, with --query TEXT, and who scores, with --scorer URL")
			}
			r, err := os.Open(a[0])
			if err != nil {
				return err
			}
			defer r.Close()
			ix, err := cur.Read(r, httpScorer(endpoint, timeout))
			if err != nil {
				return fmt.Errorf("%s: %w", a[0], err)
			}
			res, err := ix.Search(c.Context(), query, q)
			if err != nil {
				return err
			}
			b := curSearchAnswer{query, res.Hits, res.Calls}
			return e.print(b, func(w io.Writer) {
				t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
				for i, h := range b.Hits {
					fmt.Fprintf(t, "%d\t%d\t%g\n", i+1, h.ID, h.Score)
				}
				t.Flush()
				fmt.Fprintf(w, "%d of %d items were scored\n", b.Calls, ix.Len())
			})
		},
	}
	c.Flags().StringVar(&query, "query", "", "what the scorer is asked about")
	c.Flags().StringVar(&endpoint, "scorer", "", "where the scorer answers")
	c.Flags().DurationVar(&timeout, "timeout", time.Minute, "of one call")
	c.Flags().IntVarP(&q.K, "k", "k", 10, "items to print")
	c.Flags().IntVar(&q.Budget, "budget", 0, "scores to ask for, at most; 0 for 200")
	c.Flags().IntVar(&q.Rounds, "rounds", 0, "steps in which they are asked for; 0 for 5, 1 as in the paper")
	return c
}

// httpScorer asks a server for scores.
func httpScorer(endpoint string, timeout time.Duration) cur.Scorer[string] {
	client := &http.Client{Timeout: timeout}
	return cur.ScorerFunc[string](func(ctx context.Context, query string, ids []uint32) ([]float32, error) {
		body, err := json.Marshal(map[string]any{"query": query, "ids": ids})
		if err != nil {
			return nil, err
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, bytes.NewReader(body))
		if err != nil {
			return nil, err
		}
		req.Header.Set("Content-Type", "application/json")
		resp, err := client.Do(req)
		if err != nil {
			return nil, fmt.Errorf("scorer: %w", err)
		}
		defer resp.Body.Close()
		most := int64(64*len(ids) + 4096) // a score takes some twenty bytes
		b, err := io.ReadAll(io.LimitReader(resp.Body, most))
		if err != nil {
			return nil, fmt.Errorf("scorer: %w", err)
		}
		if resp.StatusCode != http.StatusOK {
			return nil, fmt.Errorf("scorer: %s answers %s: %.200s", endpoint, resp.Status, b)
		}
		var answer struct {
			Scores []*float32 `json:"scores"` // pointers tell null from 0
		}
		if err := json.Unmarshal(b, &answer); err != nil {
			return nil, fmt.Errorf("scorer: %s does not answer {\"scores\": […]}: %w", endpoint, err)
		}
		if len(answer.Scores) != len(ids) {
			return nil, fmt.Errorf("scorer: %s answers with %d scores, it was asked about %d items: %w", endpoint, len(answer.Scores), len(ids), cur.ErrScorer)
		}
		scores := make([]float32, len(ids))
		for i, s := range answer.Scores {
			if s == nil {
				return nil, fmt.Errorf("scorer: %s answers null for item %d, want a number: %w", endpoint, ids[i], cur.ErrScorer)
			}
			scores[i] = *s
		}
		return scores, nil
	})
}
