// Command bytes says how few bytes a vector can have at a wanted recall: by codes alone, and by codes with full vectors beside
// them that re-rank what the codes find.
//
//	go run ./bench/bytes [-recall 0.95] BASE.npy QUERIES.npy METRIC [PLAN ...]
//
// Every code is looked at, so that the recall is that of the codes. It prints a table in Markdown.
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"

	"github.com/latent-go/latent/bench/vectors"
	"github.com/latent-go/latent/index"
	"github.com/latent-go/latent/plan"
)

const k = 10

// reranks are the candidates for each neighbour that are tried, the fewest that suffice are told.
var reranks = []int{1, 2, 4, 8, 16, 32, 64}

func main() {
	recall := flag.Float64("recall", 0.95, "recall@10 that is wanted")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *recall, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "bytes:", err)
		os.Exit(1)
	}
}

// codes are what is tried on vectors of d dimensions.
func codes(d int) (specs []string) {
	maps := []string{""}
	for _, part := range []int{2, 4, 8} {
		maps = append(maps, fmt.Sprintf("pca:%d|", d/part))
	}
	for _, m := range maps {
		for _, codec := range []string{"f16", "sq8", "sq4", "rabitq", "rabitq:2", "rabitq:3", "rabitq:4", "rabitq:5", "rabitq:6"} {
			specs = append(specs, m+codec)
		}
	}
	for _, part := range []int{2, 4, 8} {
		specs = append(specs, fmt.Sprintf("pq:%dx4", d/part), fmt.Sprintf("opq:%dx4", d/part))
	}
	return specs
}

func run(ctx context.Context, recall float64, args []string) error {
	truth, specs, err := vectors.Args(ctx, args, k)
	if err != nil {
		return err
	}
	base, queries := truth.Base, truth.Queries
	if len(specs) == 0 {
		specs = codes(base.Cols)
	}
	type row struct {
		spec  string
		bytes float64 // a vector
		alone float64 // recall
		need  int     // candidates for each neighbour
		found float64 // recall with so many
	}
	var rows []row
	for _, spec := range specs {
		p, err := plan.Parse(spec + "|flat|rerank:1")
		if err != nil {
			return err
		}
		ix, err := plan.Build(ctx, p, base, plan.Options{Metric: truth.Metric})
		if err != nil {
			return err
		}
		r := row{spec: spec, bytes: float64(ix.SizeBytes()) / float64(base.Rows)}
		for _, r.need = range reranks {
			got, err := plan.Measure(ctx, ix, truth, index.Query{K: k, Rerank: r.need})
			if err != nil {
				return err
			}
			if r.found = got.Mean; r.need == 1 { // the same ten vectors that the codes found
				r.alone = got.Mean
			}
			if r.found >= recall {
				break
			}
		}
		fmt.Fprintf(os.Stderr, "%s: %.1f bytes, recall %.4f, %.4f with %d\n", spec, r.bytes, r.alone, r.found, r.need)
		rows = append(rows, r)
	}
	slices.SortFunc(rows, func(a, b row) int { return cmp.Compare(a.bytes, b.bytes) })
	full := float64(4 * base.Cols)
	fmt.Printf("%d × %d, %v, %d queries, float32 takes %.0f bytes a vector\n\n", base.Rows, base.Cols, truth.Metric, queries.Rows, full)
	fmt.Println("| codes | bytes a vector | of float32 | with the full vectors to re-rank | recall@10 of the codes alone | candidates to re-rank | recall@10 then |")
	fmt.Println("|---|---|---|---|---|---|---|")
	for _, r := range rows {
		need := fmt.Sprint(r.need * k)
		if r.found < recall {
			need = "> " + need
		}
		fmt.Printf("| `%s` | %.1f | 1/%.1f | %.2f | %.4f | %s | %.4f |\n", strings.ReplaceAll(r.spec, "|", `\|`), r.bytes, full/r.bytes, 1+r.bytes/full, r.alone, need, r.found)
	}
	return nil
}
