// Command frontier searches one graph over each of many codes, with and without re-ranking by the full vectors, and says
// which are worth having: those that no other beats in both bytes and queries a second at a recall.
//
//	go run ./bench/frontier [-index hnsw:16] BASE.npy QUERIES.npy METRIC [CODE ...]
//
// It searches with one goroutine, one query a call, takes the processor time, the least of three runs, and prints a table in
// Markdown.
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"math"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"

	"github.com/latent-go/latent/bench/vectors"
	"github.com/latent-go/latent/index"
	"github.com/latent-go/latent/internal/clock"
	"github.com/latent-go/latent/plan"
	"github.com/latent-go/latent/vec"
)

const (
	k    = 10
	runs = 3
)

var (
	efforts = []int{10, 14, 20, 28, 40, 60, 80, 120, 200, 300, 500}
	reranks = []int{1, 2, 4, 8}
	targets = []float64{0.90, 0.95, 0.99}
)

func main() {
	graph := flag.String("index", "hnsw:16", "index over the codes")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *graph, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "frontier:", err)
		os.Exit(1)
	}
}

// codes are what is tried on vectors of d dimensions.
func codes(d int) []string {
	specs := []string{"f32", "f16", "sq8", "sq4", "rabitq:1", "rabitq:2", "rabitq:4", fmt.Sprintf("pq:%dx4", d/2), fmt.Sprintf("pq:%d", d/4)}
	for _, part := range []int{2, 4} {
		for _, codec := range []string{"f32", "sq8", "sq4"} {
			specs = append(specs, fmt.Sprintf("pca:%d|%s", d/part, codec))
		}
	}
	return specs
}

// setting is a way to search, and what it gives.
type setting struct {
	effort, rerank int
	recall, qps    float64
}

// graph is one code under the index.
type graph struct {
	spec  string
	bytes float64 // a vector: code, links, ID
	build float64 // seconds of processor time
	best  []setting
}

func run(ctx context.Context, over string, args []string) error {
	truth, specs, err := vectors.Args(ctx, args, k)
	if err != nil {
		return err
	}
	base, queries := truth.Base, truth.Queries
	if len(specs) == 0 {
		specs = codes(base.Cols)
	}
	var graphs []graph
	for _, spec := range specs {
		g, err := measure(ctx, spec, over, base, truth)
		if err != nil {
			return err
		}
		fmt.Fprintf(os.Stderr, "%s: %.0f bytes, built in %.1f s: %v\n", spec, g.bytes, g.build, g.best)
		graphs = append(graphs, g)
	}
	slices.SortStableFunc(graphs, func(a, b graph) int { return cmp.Compare(a.bytes, b.bytes) })
	fmt.Printf("%d × %d, %v, %d queries, `%s` over each code; full vectors take %d bytes more where they re-rank.\n\n", base.Rows, base.Cols, truth.Metric, queries.Rows, over, 4*base.Cols)
	fmt.Println("| code | bytes a vector | build s | @0.90 | @0.95 | @0.99 |\n|---|---|---|---|---|---|")
	for _, g := range graphs {
		fmt.Printf("| `%s` | %.0f | %.1f |", strings.ReplaceAll(g.spec, "|", `\|`), g.bytes, g.build)
		for t, s := range g.best {
			if s.qps == 0 {
				fmt.Print(" - |")
				continue
			}
			star := "**"
			if slices.ContainsFunc(graphs, func(o graph) bool { return o.bytes <= g.bytes && o.best[t].qps > s.qps }) {
				star = ""
			}
			fmt.Printf(" %s%.0f%s (%d, %d) |", star, s.qps, star, s.effort, s.rerank*k)
		}
		fmt.Println()
	}
	return nil
}

// measure builds an index over codes and finds, for each target, the fastest setting that reaches it.
func measure(ctx context.Context, spec, over string, base vec.Matrix, truth *plan.Truth) (g graph, err error) {
	p, err := plan.Parse(spec + "|" + over + "|rerank:1")
	if err != nil {
		return g, err
	}
	begin := clock.Process()
	ix, err := plan.Build(ctx, p, base, plan.Options{Metric: truth.Metric})
	if err != nil {
		return g, err
	}
	g = graph{spec: spec, bytes: float64(ix.SizeBytes()) / float64(base.Rows), build: clock.Process() - begin, best: make([]setting, len(targets))}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	for _, effort := range efforts {
		for _, rerank := range reranks {
			if rerank*k > effort {
				break // no more candidates than the walk keeps
			}
			s := setting{effort: effort, rerank: rerank, qps: math.Inf(-1)}
			for range runs {
				begin := clock.Process()
				r, err := plan.Measure(ctx, ix, truth, index.Query{K: k, Effort: effort, Rerank: rerank})
				if err != nil {
					return g, err
				}
				s.recall, s.qps = r.Mean, max(s.qps, float64(truth.Queries.Rows)/(clock.Process()-begin))
			}
			for t, target := range targets {
				if s.recall >= target && s.qps > g.best[t].qps {
					g.best[t] = s
				}
			}
		}
		if slowest := g.best[len(targets)-1]; slowest.qps > 0 && effort > 4*slowest.effort {
			break
		}
	}
	return g, nil
}
