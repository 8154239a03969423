// Command dims looks for dimensions at which a kernel falls off a cliff: it times each codec's scans and exact search at many
// dimensions from 2 to 4,096, on one thread and data that stays in the cache.
//
//	go run ./bench/dims [CODEC ...]
//
// It prints a table in Markdown: nanoseconds of processor time a vector, the least of several runs, by way of scanning; and for
// each the worst cliff: the greatest ratio of the time at d over the time at the next multiple of 64.
package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"runtime"

	"github.com/latent-go/latent/internal/clock"
	"github.com/latent-go/latent/neighbors"
	"github.com/latent-go/latent/plan"
	"github.com/latent-go/latent/quantize"
	"github.com/latent-go/latent/vec"
)

// dims are multiples of 64 and what lies before and after them.
var dims = []int{2, 3, 5, 8, 13, 16, 17, 25, 31, 32, 33, 48, 50, 63, 64, 65, 96, 100, 127, 128, 129, 200, 255, 256, 257, 300, 320, 383, 384, 500, 511, 512, 513,
	576, 700, 704, 767, 768, 784, 832, 999, 1000, 1024, 1025, 1088, 1536, 1999, 2048, 3000, 3001, 3008, 3072, 4000, 4032, 4095, 4096}

const (
	cache = 1 << 20 // bytes of float32 vectors, IDs and distances
	least = 0.01    // seconds a run
	runs  = 5
)

func main() {
	runtime.GOMAXPROCS(1)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "dims:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, specs []string) error {
	if len(specs) == 0 {
		specs = []string{"f32", "f16", "sq8", "sq4", "rabitq", "rabitq:4", "pq4"}
	}
	var names []string
	times := map[string]map[int]float64{}
	keep := func(name string, d int, seconds float64) {
		if times[name] == nil {
			names, times[name] = append(names, name), map[int]float64{}
		}
		times[name][d] = seconds
	}
	for _, d := range dims {
		n := max(cache/(4*d+8), 64) / vec.BlockRows * vec.BlockRows // whole blocks: 65 codes would take 3 of them, 64 take 2
		x := random(n, d)
		for _, spec := range specs {
			if err := scans(ctx, spec, x, func(way string, seconds float64) { keep(spec+" "+way, d, seconds/float64(n)) }); err != nil {
				return fmt.Errorf("%s, %d dimensions: %w", spec, d, err)
			}
		}
		queries := random(128, d)
		var err error
		seconds := time(func() { _, err = neighbors.Exact(ctx, queries, x, neighbors.Options{K: 10}) })
		if err != nil {
			return err
		}
		keep("exact, 128 queries", d, seconds/float64(n*queries.Rows))
	}
	fmt.Print("| d |")
	for _, name := range names {
		fmt.Printf(" %s |", name)
	}
	fmt.Print("\n|---|")
	for range names {
		fmt.Print("---|")
	}
	fmt.Println()
	for _, d := range dims {
		fmt.Printf("| %d |", d)
		for _, name := range names {
			fmt.Printf(" %.3g |", 1e9*times[name][d])
		}
		fmt.Println()
	}
	fmt.Println()
	for _, name := range names {
		worst, at := 0.0, 0
		for _, d := range dims {
			if whole, ok := times[name][(d+63)/64*64]; ok && times[name][d]/whole > worst {
				worst, at = times[name][d]/whole, d
			}
		}
		fmt.Printf("%s: worst at %d, %.2f times the time at %d\n", name, at, worst, (at+63)/64*64)
	}
	return nil
}

// scans times the ways in which a codec's scorer measures distances: all codes in turn, codes at random places, and blocks.
func scans(ctx context.Context, spec string, x vec.Matrix, keep func(way string, seconds float64)) error {
	if spec == "pq4" {
		spec = fmt.Sprintf("pq:%dx4", max(x.Cols/4, 1))
	}
	codec, err := plan.FitCodec(ctx, spec, x, 1)
	if err != nil {
		return err
	}
	var codes []byte
	for i := range x.Rows {
		codes = codec.Encode(codes, x.Row(i))
	}
	ids := make([]uint32, x.Rows)
	for i, j := range rand.New(rand.NewPCG(1, 2)).Perm(x.Rows) {
		ids[i] = uint32(j)
	}
	scorer, dst := codec.Scorer(vec.Euclidean, random(1, x.Cols).Data), make([]float32, x.Rows)
	keep("scan", time(func() { scorer.Distances(dst, codes) }))
	keep("gather", time(func() { scorer.DistancesAt(dst, codes, ids) }))
	if as := quantize.NewLayout(codec); as.Blocks() {
		blocks, dst := []byte(nil), make([]float32, as.Whole(x.Rows))
		for i := range x.Rows {
			blocks = as.Append(blocks, i, codes[i*codec.CodeSize():][:codec.CodeSize()])
		}
		keep("blocks", time(func() { as.Distances(scorer, dst, blocks, 0, x.Rows) }))
	}
	return nil
}

// time is the least seconds that f takes, of several runs.
func time(f func()) float64 {
	f()
	best := 0.0
	for range runs {
		begin, seconds, n := clock.Process(), 0.0, 0
		for ; seconds < least; seconds = clock.Process() - begin {
			for range n + 1 { // reading the clock is not free
				f()
			}
			n += n + 1
		}
		if one := seconds / float64(n); best == 0 || one < best {
			best = one
		}
	}
	return best
}

func random(n, d int) vec.Matrix {
	r := rand.New(rand.NewPCG(uint64(n), uint64(d)))
	x := vec.NewMatrix(n, d)
	for i := range x.Data {
		x.Data[i] = float32(r.NormFloat64())
	}
	return x
}
