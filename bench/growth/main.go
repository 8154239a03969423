// Command growth says how the cost of a plan grows with the number of vectors: distances that a query computes at a recall@10
// of 0.95, time to build, bytes kept, and the exponents of the powers of n that fit them.
//
//	go run ./bench/growth [-n 10000,30000,100000,300000] BASE.npy QUERIES.npy METRIC [PLAN ...]
//
// Sets are drawn without replacement from BASE; a smaller one is part of a larger. Time is the processor's. It prints a table
// in Markdown.
package main

import (
	"context"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/signal"
	"strconv"
	"strings"

	"gonum.org/v1/gonum/stat"

	"github.com/latent-go/latent/bench/vectors"
	"github.com/latent-go/latent/index"
	"github.com/latent-go/latent/internal/clock"
	"github.com/latent-go/latent/plan"
)

const (
	k      = 10
	recall = 0.95
)

func main() {
	sizes := flag.String("n", "10000,30000,100000,300000", "numbers of vectors")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *sizes, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "growth:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, sizes string, args []string) error {
	if len(args) < 3 {
		return fmt.Errorf("%d arguments, want BASE.npy QUERIES.npy METRIC [PLAN ...]", len(args))
	}
	var ns []int
	for s := range strings.SplitSeq(sizes, ",") {
		n, err := strconv.Atoi(s)
		if err != nil {
			return err
		}
		ns = append(ns, n)
	}
	base, queries, m, err := vectors.Load(args[0], args[1], args[2])
	if err != nil {
		return err
	}
	specs := args[3:]
	if len(specs) == 0 {
		specs = []string{"f32|hnsw:16", "sq8|hnsw:16|rerank:2", fmt.Sprintf("pq:%dx4|ivf|rerank:32", base.Cols/2)}
	}
	order := rand.New(rand.NewPCG(1, 0)).Perm(base.Rows)
	fmt.Printf("%s, %d dimensions, %v, %d queries\n\n", args[0], base.Cols, m, queries.Rows)
	fmt.Println("| plan | n | build s | bytes a vector | effort | recall@10 | distances a query | µs a query |\n|---|---|---|---|---|---|---|---|")
	costs := map[string][][]float64{} // of a plan, by n: build, bytes, distances, time
	for _, n := range ns {
		if n > len(order) {
			return fmt.Errorf("%d vectors wanted, %s has %d", n, args[0], len(order))
		}
		x := base.Gather(order[:n])
		truth, err := plan.NewTruth(ctx, queries, x, nil, m, k, nil)
		if err != nil {
			return err
		}
		for _, spec := range specs {
			p, err := plan.Parse(spec)
			if err != nil {
				return err
			}
			begin := clock.Process()
			ix, err := plan.Build(ctx, p, x, plan.Options{Metric: m})
			if err != nil {
				return err
			}
			built := clock.Process() - begin
			effort, r, err := enough(ctx, ix, truth)
			if err != nil {
				return err
			}
			fmt.Printf("| `%s` | %d | %.2f | %.1f | %d | %.4f | %.0f | %.0f |\n", cell(spec), n, built, float64(ix.SizeBytes())/float64(n), effort, r.Mean, r.Distances, r.MeanMicros)
			costs[spec] = append(costs[spec], []float64{built, float64(ix.SizeBytes()), r.Distances, r.MeanMicros})
		}
	}
	fmt.Println("\nExponents of n (least squares over the logarithms):\n\n| plan | build | bytes | distances a query | time a query |\n|---|---|---|---|---|")
	for _, spec := range specs {
		fmt.Printf("| `%s` |", cell(spec))
		for i := range costs[spec][0] {
			var x, y []float64
			for j, n := range ns {
				x, y = append(x, math.Log(float64(n))), append(y, math.Log(costs[spec][j][i]))
			}
			_, slope := stat.LinearRegression(x, y, nil, false)
			fmt.Printf(" %.2f |", slope)
		}
		fmt.Println()
	}
	return nil
}

// enough is the least effort, to within a twentieth, with which ix finds what is wanted.
func enough(ctx context.Context, ix *plan.Index, truth *plan.Truth) (effort int, r plan.Recall, err error) {
	low, high := 0, 0 // too little, and enough once it is known
	for high == 0 || high-low > max(high/20, 1) {
		try := max(2*low, 1)
		if high > 0 {
			try = (low + high) / 2
		}
		got, err := plan.Measure(ctx, ix, truth, index.Query{K: k, Effort: try})
		switch {
		case err != nil:
			return 0, r, err
		case got.Mean >= recall:
			high, r = try, got
		case try > ix.Len():
			return 0, r, fmt.Errorf("%v: no effort finds %v of the neighbours", ix.Plan(), recall)
		default:
			low = try
		}
	}
	return high, r, nil
}

// cell is a plan as a cell of a table has it.
func cell(spec string) string { return strings.ReplaceAll(spec, "|", `\|`) }
