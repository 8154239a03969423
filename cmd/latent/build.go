package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/latent-go/latent/artifact"
	"github.com/latent-go/latent/index"
	"github.com/latent-go/latent/plan"
	"github.com/latent-go/latent/plan/trials"
	"github.com/latent-go/latent/vec"
)

type buildFlags struct {
	input
	out, queries, metric, plan, html string
	plans                            []string
	k, trialRows                     int
	recall, weight                   float64
	prefer                           string
	countRerank, replace             bool
	seed                             uint64
	budget                           time.Duration
	targeted                         bool // --recall was given
}

// buildAnswer is what build prints with --json.
type buildAnswer struct {
	Out      string        `json:"out"`
	Source   string        `json:"source"`
	Manifest plan.Manifest `json:"manifest"`
	Tuning   *plan.Report  `json:"tuning,omitempty"`
	Seconds  float64       `json:"seconds"`
}

func newBuild(e *env) *cobra.Command {
	var f buildFlags
	c := &cobra.Command{
		Use:   "build VECTORS -o DIR",
		Short: "Find the cheapest index that reaches a recall, build it, prove it",
		Long: `Find the cheapest index that reaches a recall, build it, prove it.

Without --plan, build measures the vectors, tries plans from few bytes to many (fewer dimensions, fewer bytes a
dimension, graph or scan, with and without re-ranking), finds for each the least effort that reaches --recall with
95 % confidence, keeps the cheapest, and proves its recall on queries that had no part in the choice. The queries are
those of --queries, or of the data set, or vectors held out, which are added to the index afterwards.

A plan is a line such as pca:110|sq8|hnsw:32|rerank:4. Its stages, each of which may be left out, in order:
` + stageHelp(),
		Example: `  latent build vectors.npy -o index
  latent build vectors.parquet --column embedding --metric cosine --recall 0.99 --prefer speed -o index
  latent build fashion-mnist --plan 'sq8|hnsw:16' -o index`,
		Args: args(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, a []string) error {
			f.targeted = c.Flags().Changed("recall")
			return runBuild(c.Context(), e, f, a[0])
		},
	}
	f.flags(c.Flags())
	c.Flags().StringVarP(&f.out, "out", "o", "", "the folder to write the index to")
	c.Flags().StringVar(&f.queries, "queries", "", "vectors to tune and prove with, as VECTORS")
	c.Flags().StringVar(&f.metric, "metric", "", "l2, cosine, dot or l1; by default what a data set is usually used with, else l2")
	c.Flags().StringVar(&f.plan, "plan", "", "build this plan, without tuning")
	c.Flags().StringArrayVar(&f.plans, "try", nil, "try this plan instead of the ladder; may be given again")
	c.Flags().IntVarP(&f.k, "k", "k", 10, "neighbours that recall is measured for")
	c.Flags().Float64Var(&f.recall, "recall", 0.95, "recall@k to reach")
	c.Flags().StringVar(&f.prefer, "prefer", "balance", "what makes a plan cheap: bytes, balance or speed, or a number from -1 (bytes) to 1 (speed)")
	c.Flags().BoolVar(&f.countRerank, "count-rerank", false, "count vectors kept for re-ranking among the bytes")
	c.Flags().IntVar(&f.trialRows, "trial-rows", 100_000, "try plans on so many vectors at most")
	c.Flags().DurationVar(&f.budget, "budget", 0, "try no plan any more after this time, and build the best so far; 0 for no limit")
	c.Flags().Uint64Var(&f.seed, "seed", 0, "of samples and graphs")
	c.Flags().StringVar(&f.html, "html", "", "write a page about what was tried to this file")
	c.Flags().BoolVar(&f.replace, "replace", false, "replace an index that is in the folder")
	c.RegisterFlagCompletionFunc("metric", cobra.FixedCompletions([]string{"l2", "cosine", "dot", "l1"}, cobra.ShellCompDirectiveNoFileComp))
	c.RegisterFlagCompletionFunc("prefer", cobra.FixedCompletions([]string{"bytes", "balance", "speed"}, cobra.ShellCompDirectiveNoFileComp))
	return c
}

func stageHelp() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, s := range plan.Stages() {
		name := s[0]
		if s[1] != "" {
			name += ":" + s[1]
		}
		fmt.Fprintf(w, "  %s\t%s\n", name, s[2])
	}
	w.Flush()
	return b.String()
}

// preference reads --prefer.
func preference(s string) (float64, error) {
	switch s {
	case "bytes":
		return -1, nil
	case "balance":
		return 0, nil
	case "speed":
		return 1, nil
	}
	w, err := strconv.ParseFloat(s, 64)
	if err != nil || !(w >= -1 && w <= 1) {
		return 0, misuse("--prefer %q: want bytes, balance, speed or a number from -1 to 1", s)
	}
	return w, nil
}

func runBuild(ctx context.Context, e *env, f buildFlags, arg string) error {
	begin := time.Now()
	if err := f.check(); err != nil {
		return err
	}
	var err error
	if f.weight, err = preference(f.prefer); err != nil {
		return err
	}
	var tried []plan.Plan
	for _, s := range f.plans {
		p, err := plan.Parse(s)
		if err != nil {
			return usageError{err}
		}
		tried = append(tried, p)
	}
	if err := artifact.Vacant(f.out, plan.ManifestFile, f.replace); err != nil {
		return withReplace(err)
	}
	if err := outputs(arg, f.html); err != nil {
		return err
	}
	in, err := f.load(ctx, e, arg)
	if err != nil {
		return err
	}
	metric, err := f.nearness(in.Metric)
	if err != nil {
		return err
	}
	if err := index.Check(in.X, in.X.Cols, metric); err != nil {
		return fmt.Errorf("%s: %w", in.Name, err)
	}
	queries := in.Queries
	if f.queries != "" {
		q, err := (&input{}).load(ctx, e, f.queries)
		if err != nil {
			return err
		}
		queries = q.X
	}
	p := e.progress()
	defer p.done()
	o := plan.Options{Metric: metric, Seed: f.seed, Progress: p.step}
	answer := buildAnswer{Out: f.out, Source: in.Name}
	m := plan.Manifest{Seed: f.seed, Built: time.Now().UTC().Truncate(time.Second), Version: programVersion(),
		Data: plan.Data{Source: in.Name, SHA256: plan.Fingerprint(in.X)}}
	var ix *plan.Index
	if f.plan != "" {
		given, err := plan.Parse(f.plan)
		if err != nil {
			return usageError{err}
		}
		ix, err = plan.Build(ctx, given, in.X, o)
		if err != nil {
			return err
		}
		if queries.Rows > 0 {
			if m.Proof, err = proveGiven(ctx, ix, in.X, queries, f, p); err != nil {
				return err
			}
		}
	} else {
		target := plan.Target{Options: o, K: f.k, Recall: f.recall, Weight: f.weight, CountRerank: f.countRerank,
			Queries: queries, Plans: tried, Rows: f.trialRows, Budget: f.budget}
		target.Tried = func(t plan.Trial) {
			p.say("  %-34s recall %.4f  %7.0f bytes  %8.1f µs%s", t.Plan, t.Recall.Mean, t.Bytes.Index, t.Recall.MeanMicros, missed(t))
		}
		answer.Tuning, ix, err = plan.Tune(ctx, in.X, target)
		if err != nil {
			p.done()
			if answer.Tuning != nil && len(answer.Tuning.Trials) > 0 {
				e.print(answer, func(w io.Writer) { printTrials(w, answer.Tuning) })
			}
			return err
		}
		m.Proof = &answer.Tuning.Proof
	}
	p.step("save", 0, 1)
	if err := ix.Save(ctx, f.out, &m, in.Labels, f.replace); err != nil {
		return err
	}
	p.done()
	answer.Manifest = m
	answer.Seconds = time.Since(begin).Seconds()
	if f.html != "" {
		if err := artifact.Save(f.html, buildPage(answer)); err != nil {
			return err
		}
	}
	if err := e.print(answer, func(w io.Writer) { printBuild(w, answer, f.html) }); err != nil {
		return err
	}
	if m.Proof != nil && !m.Proof.Met && (f.plan == "" || f.targeted) {
		return fmt.Errorf("%w: the index is built, but its recall is not shown to reach %g", plan.ErrTarget, f.recall)
	}
	return nil
}

// check refuses flags that make no sense, before anything is read.
func (f buildFlags) check() error {
	_, err := f.nearness("")
	switch {
	case f.out == "":
		return misuse("say where to write the index, with -o DIR")
	case err != nil:
		return err
	case f.k < 1:
		return misuse("-k %d: want at least 1", f.k)
	case !(f.recall > 0 && f.recall <= 1):
		return misuse("--recall %g: want more than 0 and at most 1", f.recall)
	case f.trialRows < 1:
		return misuse("--trial-rows %d: want at least 1", f.trialRows)
	case f.budget < 0:
		return misuse("--budget %v: want a time, or 0 for no limit", f.budget)
	case f.plan != "" && len(f.plans) > 0:
		return misuse("--plan builds one plan without tuning, --try tunes among those given; give one of them")
	}
	return nil
}

// nearness is the metric asked for, or the usual one of the data, or l2.
func (f buildFlags) nearness(usual string) (vec.Metric, error) {
	name := cmp.Or(f.metric, usual, vec.Euclidean.String())
	m, err := vec.ParseMetric(name)
	if err != nil {
		return 0, usageError{err}
	}
	return m, nil
}

// withReplace says how to replace what is in the way.
func withReplace(err error) error {
	if errors.Is(err, artifact.ErrTaken) {
		return fmt.Errorf("%w (--replace)", err)
	}
	return err
}

// proveGiven measures a plan that the caller named.
func proveGiven(ctx context.Context, ix *plan.Index, x, queries vec.Matrix, f buildFlags, p *progress) (*plan.Proof, error) {
	queries = queries.Slice(0, min(queries.Rows, 1000))
	truth, err := plan.NewTruth(ctx, queries, x, nil, ix.Metric(), f.k, p.of("exact neighbours"))
	if err != nil {
		return nil, err
	}
	r, err := plan.Measure(ctx, ix, truth, index.Query{K: f.k})
	return &plan.Proof{Recall: r, Target: f.recall, Met: r.Lo >= f.recall, Queries: "given"}, err
}

func missed(t plan.Trial) string {
	if t.Met {
		return ""
	}
	return "  below the target"
}

func printTrials(w io.Writer, r *plan.Report) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "  plan\tef\trecall@%d\t95 %% interval\tbytes\t+re-rank\tµs\t\t\n", r.K)
	for _, x := range r.Trials {
		note := ""
		switch {
		case x.Chosen:
			note = "← chosen"
		case !x.Met:
			note = "below the target"
		}
		fmt.Fprintf(t, "  %s\t%s\t%.4f\t%s\t%.0f\t%.0f\t%.0f\t%s\t\n", x.Plan, trials.Effort(x), x.Recall.Mean, trials.Interval(x), x.Bytes.Index, x.Bytes.Rerank, x.Recall.MeanMicros, note)
	}
	t.Flush()
}

func printBuild(w io.Writer, a buildAnswer, html string) {
	m := a.Manifest
	fmt.Fprintf(w, "%s: %d vectors of %d dimensions, %s\n", a.Source, m.Vectors, m.Dim, m.Metric)
	if r := a.Tuning; r != nil {
		if r.Intrinsic > 0 {
			fmt.Fprintf(w, "intrinsic dimension about %.1f\n", r.Intrinsic)
		}
		fmt.Fprintf(w, "\nplans tried on %d vectors, bytes a vector, time of one search:\n", r.Rows)
		printTrials(w, r)
		for _, n := range r.Notes {
			fmt.Fprintf(w, "note: %s\n", n)
		}
	}
	fmt.Fprintf(w, "\nplan    %s", m.Plan)
	if m.Effort > 0 {
		fmt.Fprintf(w, ", ef %d", m.Effort)
	}
	fmt.Fprintf(w, "\nbytes   %.0f a vector, %.1f times fewer than float32", m.Bytes.Index, m.Bytes.Float32/m.Bytes.Index)
	if m.Bytes.Rerank > 0 {
		fmt.Fprintf(w, "; and %.0f on disk to re-rank with", m.Bytes.Rerank)
	}
	fmt.Fprintln(w)
	if p := m.Proof; p != nil {
		verdict := "proven"
		if !p.Met {
			verdict = "NOT proven"
		}
		role := "that chose nothing"
		if p.Raised > 0 {
			role = fmt.Sprintf("on which the effort was then raised %d times", p.Raised)
		}
		fmt.Fprintf(w, "recall  %.4f @%d (95 %% interval %.4f to %.4f) on %d queries %s: %g %s\n", p.Mean, p.K, p.Lo, p.Hi, p.Recall.Queries, role, p.Target, verdict)
		fmt.Fprintf(w, "search  %.0f µs at the median, %.0f µs at the 99th percentile, one at a time\n", p.P50Micros, p.P99Micros)
	}
	fmt.Fprintf(w, "index   %s, in %.0f s\n", a.Out, a.Seconds)
	if html != "" {
		fmt.Fprintf(w, "page    %s\n", html)
	}
}
