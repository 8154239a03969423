package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/latent-go/latent/artifact"
	"github.com/latent-go/latent/dataset"
	"github.com/latent-go/latent/index"
	"github.com/latent-go/latent/index/nested"
	"github.com/latent-go/latent/plan"
	"github.com/latent-go/latent/reduce"
	"github.com/latent-go/latent/reduce/matryoshka"
	"github.com/latent-go/latent/reduce/pca"
	"github.com/latent-go/latent/vec"
)

type nestedFlags struct {
	input
	queries, metric string
	out, save       string
	dims            []int
	train, raw      bool
	k               int
	seed            uint64
}

// nestedAnswer is what nested prints with --json.
type nestedAnswer struct {
	Source     string         `json:"source"`
	Vectors    int            `json:"vectors"` // searched
	Dim        int            `json:"dim"`
	Metric     vec.Metric     `json:"metric"`
	K          int            `json:"k"`
	Rotation   string         `json:"rotation"` // pca, trained, untrained (PCA, as training gained nothing) or none
	Queries    string         `json:"queries"`  // where they came from
	Prefixes   []nestedPrefix `json:"prefixes"` // the last is the whole vector
	CoarseFine []nestedCoarse `json:"coarse_to_fine"`
	Out        string         `json:"out,omitempty"`
	Map        string         `json:"map,omitempty"`
	Seconds    float64        `json:"seconds"`
}

// nestedPrefix is a search by one prefix alone.
type nestedPrefix struct {
	Dim   int     `json:"dim"`
	Share float64 `json:"share"` // of the numbers of a vector
	plan.Recall
}

// nestedCoarse is a search of all prefixes, each among the survivors of the one before.
type nestedCoarse struct {
	Survivors int     `json:"survivors"` // of the first prefix
	Share     float64 `json:"share"`     // of all numbers, read by a search
	Faster    float64 `json:"speedup"`   // than the search of whole vectors, at the median
	plan.Recall
}

func newNested(e *env) *cobra.Command {
	var f nestedFlags
	c := &cobra.Command{
		Use:   "nested VECTORS",
		Short: "Measure what searching by the first numbers of each vector loses",
		Long: `Measure what searching by the first numbers of each vector loses, and how much searching coarse to fine wins back.

The vectors are rotated, which changes no distance, so that their first numbers say most: by principal components (PCA),
or with --train by a rotation trained from there to keep neighbours by cosine. --raw takes them as they are, for
embeddings whose prefixes were trained (Matryoshka). One stored vector then serves searches of several lengths: each
prefix is searched alone, and all of them coarse to fine, every vector by the first and ever fewer by the longer ones.

Recall is against the exact neighbours by the vectors as they came, with its 95 % interval. Times are medians of one
search, and include rotating the query. Without --queries, and if the data set has none, rows are held out for it.
-o writes all vectors, rotated. --map keeps the map; without --train, latent reduce --with applies it to queries.`,
		Example: `  latent nested documents.npy --train -o nested.npy --map docs.rotation
  latent nested openai.parquet --column embedding --raw --dims 64,256,768`,
		Args: args(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, a []string) error { return runNested(c.Context(), e, f, a[0]) },
	}
	f.flags(c.Flags())
	c.Flags().StringVar(&f.queries, "queries", "", "vectors to search for, as VECTORS")
	c.Flags().IntSliceVar(&f.dims, "dims", nil, "prefixes to search, rising; by default about a 64th, a 16th and a quarter of the dimensions")
	c.Flags().StringVar(&f.metric, "metric", "cosine", "cosine or l2")
	c.Flags().BoolVar(&f.train, "train", false, "train the rotation for these prefixes")
	c.Flags().BoolVar(&f.raw, "raw", false, "rotate nothing: the prefixes were trained already")
	c.Flags().IntVarP(&f.k, "k", "k", 10, "neighbours that recall is measured for")
	c.Flags().Uint64Var(&f.seed, "seed", 0, "of training and of the rows held out")
	c.Flags().StringVarP(&f.out, "out", "o", "", "write the rotated vectors to this file, in the format of its ending")
	c.Flags().StringVar(&f.save, "map", "", "write the map to this file")
	return c
}

func (f nestedFlags) check() (vec.Metric, error) {
	metric, err := vec.ParseMetric(f.metric)
	switch {
	case err != nil:
		return metric, usageError{err}
	case metric != vec.Cosine && metric != vec.Euclidean:
		return metric, misuse("--metric %s: a rotation keeps cosine and l2; want one of them", f.metric)
	case f.raw && (f.train || f.save != "" || f.out != ""):
		return metric, misuse("--raw takes the vectors as they are; --train, --map and -o are for rotating them")
	case f.k < 1:
		return metric, misuse("-k %d: want at least 1", f.k)
	}
	for i, d := range f.dims {
		if d < 1 || i > 0 && d <= f.dims[i-1] {
			return metric, misuse("--dims %v: want rising numbers from 1", f.dims)
		}
	}
	return metric, nil
}

// prefixes are those asked for, or about a 64th, a 16th and a quarter of d columns.
func (f nestedFlags) prefixes(d int) ([]int, error) {
	dims := f.dims
	if dims == nil {
		for _, part := range []int{64, 16, 4} {
			if k := max(2, (d+part/2)/part); k < d && !slices.Contains(dims, k) {
				dims = append(dims, k)
			}
		}
	}
	if len(dims) == 0 || dims[len(dims)-1] >= d {
		return nil, misuse("--dims %v: want prefixes shorter than the vectors, which have %d columns to search", dims, d)
	}
	return dims, nil
}

// split returns what is searched, what is searched for, and where that came from.
func (f nestedFlags) split(ctx context.Context, e *env, in loaded) (base, queries vec.Matrix, from string, err error) {
	const most = 500 // queries: a standard error of recall of about 0.01
	base, queries, from = in.X, in.Queries, "of the data set"
	switch {
	case f.queries != "":
		q, err := (&input{}).load(ctx, e, f.queries)
		if err != nil {
			return base, queries, "", err
		}
		queries, from = q.X, "given"
	case queries.Rows == 0:
		pick := rand.New(rand.NewPCG(f.seed, 0x6e657374)).Perm(base.Rows)
		held := min(most, base.Rows/5)
		rest := pick[held:]
		slices.Sort(rest)
		queries, base, from = in.X.Gather(pick[:held]), in.X.Gather(rest), "rows held out"
	}
	queries = queries.Slice(0, min(most, queries.Rows))
	switch {
	case queries.Rows == 0:
		return base, queries, "", fmt.Errorf("%s: %d vectors leave none to search for; give some with --queries: %w", in.Name, in.X.Rows, vec.ErrTooFew)
	case queries.Cols != base.Cols:
		return base, queries, "", fmt.Errorf("the queries have %d dimensions, %s has %d: %w", queries.Cols, in.Name, base.Cols, vec.ErrDim)
	case f.k > base.Rows:
		return base, queries, "", fmt.Errorf("%s: %d vectors to search have no %d nearest; lower -k: %w", in.Name, base.Rows, f.k, vec.ErrTooFew)
	}
	return base, queries, from, nil
}

func runNested(ctx context.Context, e *env, f nestedFlags, arg string) error {
	begin := time.Now()
	metric, err := f.check()
	if err != nil {
		return err
	}
	if err := outputs(arg, f.out, f.save); err != nil {
		return err
	}
	in, err := f.load(ctx, e, arg)
	if err != nil {
		return err
	}
	base, queries, from, err := f.split(ctx, e, in)
	if err != nil {
		return err
	}
	columns := base.Cols
	if !f.raw && !f.train { // fewer rows than columns have fewer components, which say all about them
		columns = min(columns, base.Rows)
	}
	dims, err := f.prefixes(columns)
	if err != nil {
		return err
	}
	p := e.progress()
	defer p.done()
	truth, err := plan.NewTruth(ctx, queries, base, nil, metric, f.k, p.of("exact neighbours"))
	if err != nil {
		return err
	}
	a := nestedAnswer{Source: in.Name, Vectors: base.Rows, Dim: base.Cols, Metric: metric, K: f.k, Queries: from, Out: f.out, Map: f.save}
	var m reduce.Map
	if m, a.Rotation, err = f.rotation(ctx, p, base, dims, metric); err != nil {
		return err
	}
	y := base
	if m != nil {
		y = m.Apply(vec.Matrix{}, base)
	}
	if err := a.search(ctx, p, truth, m, y, dims); err != nil {
		return err
	}
	if f.out != "" {
		if err := dataset.Save(f.out, &dataset.Set{X: m.Apply(vec.Matrix{}, in.X), IDs: in.Labels}); err != nil {
			return err
		}
	}
	if f.save != "" {
		if err := artifact.Save(f.save, m); err != nil {
			return err
		}
	}
	p.done()
	a.Seconds = time.Since(begin).Seconds()
	return e.print(a, func(w io.Writer) { printNested(w, a) })
}

// rotation fits what puts the numbers that say most first, and names it. With --raw it is nil.
func (f nestedFlags) rotation(ctx context.Context, p *progress, x vec.Matrix, dims []int, metric vec.Metric) (reduce.Map, string, error) {
	if f.raw {
		return nil, "none", nil
	}
	if !f.train {
		// Angles are about the origin, which a shift to the mean would move.
		m, err := pca.Fit(ctx, x, pca.Options{Uncentered: metric == vec.Cosine, Seed: f.seed, Progress: p.of("components")})
		return m, "pca", err
	}
	m, err := matryoshka.Fit(ctx, x, matryoshka.Options{Dims: dims, Seed: f.seed, Progress: p.of("train the rotation")})
	if err != nil {
		return nil, "", err
	}
	if !m.Trained() {
		return m, "untrained", nil
	}
	return m, "trained", nil
}

// rotated searches for queries as they came in vectors that m rotated; a nil m rotates nothing.
type rotated struct {
	m      reduce.Map
	search func(ctx context.Context, v []float32, q index.Query) (index.Result, error)
}

func (r rotated) Search(ctx context.Context, v []float32, q index.Query) (index.Result, error) {
	if r.m != nil {
		v = r.m.Apply(vec.Matrix{}, vec.Matrix{Rows: 1, Cols: len(v), Data: v}).Data
	}
	return r.search(ctx, v, q)
}

// search fills in what searching y, by each prefix and coarse to fine, finds of the truth.
func (a *nestedAnswer) search(ctx context.Context, p *progress, truth *plan.Truth, m reduce.Map, y vec.Matrix, dims []int) error {
	efforts := []int{}
	for _, times := range []int{3, 10, 30, 100, 300, 1000, 3000} { // 30 is what index/nested takes unless told
		if effort := times * a.K; effort <= y.Rows/5 || len(efforts) == 0 { // beyond, whole vectors are searched as fast
			efforts = append(efforts, min(effort, y.Rows))
		}
	}
	steps, done := len(dims)+1+len(efforts), 0
	p.step("search", 0, steps)
	for _, d := range append(slices.Clone(dims), y.Cols) {
		// An index of its own, so that the prefix is read in one go, as whoever searches it alone would have it.
		only := []int{}
		if d < y.Cols {
			only = []int{d}
		}
		ix, err := nested.New(y, nested.Options{Dims: only, Metric: a.Metric})
		if err != nil {
			return err
		}
		r, err := plan.Measure(ctx, rotated{m, func(ctx context.Context, v []float32, q index.Query) (index.Result, error) {
			return ix.SearchPrefix(ctx, v, d, q)
		}}, truth, index.Query{K: a.K})
		if err != nil {
			return err
		}
		a.Prefixes = append(a.Prefixes, nestedPrefix{d, float64(d) / float64(y.Cols), r})
		done++
		p.step("search", done, steps)
	}
	ix, err := nested.New(y, nested.Options{Dims: dims, Metric: a.Metric})
	if err != nil {
		return err
	}
	exact := a.Prefixes[len(dims)].P50Micros
	for _, effort := range efforts {
		r, err := plan.Measure(ctx, rotated{m, ix.Search}, truth, index.Query{K: a.K, Effort: effort})
		if err != nil {
			return err
		}
		a.CoarseFine = append(a.CoarseFine, nestedCoarse{effort, r.Distances / float64(y.Rows), exact / r.P50Micros, r})
		done++
		p.step("search", done, steps)
	}
	return nil
}

func printNested(w io.Writer, a nestedAnswer) {
	how := map[string]string{"pca": "rotated by PCA", "trained": "rotated as trained", "untrained": "rotated by PCA, as training gained nothing",
		"none": "as they are"}[a.Rotation]
	fmt.Fprintf(w, "%s: %d vectors of %d dimensions, %s, %s\n", a.Source, a.Vectors, a.Dim, a.Metric, how)
	fmt.Fprintf(w, "%d queries, %s\n\neach prefix alone:\n", a.Prefixes[0].Queries, a.Queries)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "  prefix\tnumbers\trecall@%d\t95 %% interval\tµs\t\n", a.K)
	for _, x := range a.Prefixes {
		fmt.Fprintf(t, "  %d\t%.1f %%\t%.4f\t%.4f–%.4f\t%.0f\t\n", x.Dim, 100*x.Share, x.Mean, x.Lo, x.Hi, x.P50Micros)
	}
	t.Flush()
	fmt.Fprint(w, "\ncoarse to fine, through all prefixes:\n")
	fmt.Fprintf(t, "  survivors\tnumbers\trecall@%d\t95 %% interval\tµs\tspeed-up\t\n", a.K)
	for _, x := range a.CoarseFine {
		fmt.Fprintf(t, "  %d\t%.1f %%\t%.4f\t%.4f–%.4f\t%.0f\t%.1f\t\n", x.Survivors, 100*x.Share, x.Mean, x.Lo, x.Hi, x.P50Micros, x.Faster)
	}
	t.Flush()
	for _, file := range []struct{ what, path string }{{"vectors", a.Out}, {"map", a.Map}} {
		if file.path != "" {
			fmt.Fprintf(w, "\n%-7s %s", file.what, file.path)
		}
	}
	if a.Out != "" || a.Map != "" {
		fmt.Fprintln(w)
	}
}
