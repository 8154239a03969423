// Command peers searches beside hnswlib, Faiss and usearch, in turn, so that all meet the same machine and the same data.
//
//	make bench-peers
//
// That runs peers.py, which starts this program as one of several workers: it builds the plans and runs the searches that it
// reads from its standard input, a line of JSON each, and answers with a line. "peers report LINES DIR" turns the figures
// into a table and plots.
package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/latent-go/latent/bench/vectors"
	"github.com/latent-go/latent/index"
	"github.com/latent-go/latent/internal/clock"
	"github.com/latent-go/latent/plan"
	"github.com/latent-go/latent/vec"
)

func main() {
	var err error
	switch {
	case len(os.Args) == 6 && os.Args[1] == "worker":
		err = work(os.Args[2], os.Args[3], os.Args[4], os.Args[5])
	case len(os.Args) == 4 && os.Args[1] == "report":
		err = writeReport(os.Args[2], os.Args[3])
	default:
		err = fmt.Errorf("want worker BASE QUERIES METRIC IDS, or report LINES DIR; peers.py starts it")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

// request is what peers.py asks for: an index to be built, or its queries to be searched.
type request struct {
	Build  string `json:"build"` // a plan
	K      int    `json:"k"`     // neighbours
	Effort int    `json:"effort"`
	Rerank int    `json:"rerank"`
	Batch  bool   `json:"batch"` // all queries in one call
}

// answer is what it took, in seconds by the clock on the wall and by that of the process.
type answer struct {
	Wall        float64 `json:"wall"`
	CPU         float64 `json:"cpu"`
	Bytes       int64   `json:"bytes,omitempty"`        // codes and links
	RerankBytes int64   `json:"rerank_bytes,omitempty"` // full vectors to re-rank with
	Distances   float64 `json:"distances,omitempty"`    // computed, a query
	Error       string  `json:"error,omitempty"`
}

func work(basePath, queryPath, metric, idsPath string) error {
	base, queries, m, err := vectors.Load(basePath, queryPath, metric)
	if err != nil {
		return err
	}
	w := &worker{x: base, queries: queries, metric: m, ids: idsPath}
	out := json.NewEncoder(os.Stdout)
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		var r request
		if err := json.Unmarshal(in.Bytes(), &r); err != nil {
			return err
		}
		a, err := w.do(r)
		if err != nil {
			a.Error = err.Error()
		}
		if err := out.Encode(a); err != nil {
			return err
		}
	}
	return in.Err()
}

type worker struct {
	x, queries vec.Matrix
	metric     vec.Metric
	ids        string
	index      *plan.Index
}

func (w *worker) do(r request) (a answer, err error) {
	ctx := context.Background()
	if r.Build != "" {
		p, err := plan.Parse(r.Build)
		if err != nil {
			return a, err
		}
		wall, cpu := time.Now(), clock.Process()
		w.index, err = plan.Build(ctx, p, w.x, plan.Options{Metric: w.metric})
		if err != nil {
			return a, err
		}
		return answer{Wall: time.Since(wall).Seconds(), CPU: clock.Process() - cpu, Bytes: w.index.SizeBytes(), RerankBytes: w.index.RerankBytes()}, nil
	}
	q := index.Query{K: r.K, Effort: r.Effort, Rerank: r.Rerank}
	results := make([]index.Result, w.queries.Rows)
	wall, cpu := time.Now(), clock.Process()
	if r.Batch {
		if results, err = w.index.SearchBatch(ctx, w.queries, q); err != nil {
			return a, err
		}
	} else {
		for i := range results {
			if results[i], err = w.index.Search(ctx, w.queries.Row(i), q); err != nil {
				return a, err
			}
		}
	}
	a = answer{Wall: time.Since(wall).Seconds(), CPU: clock.Process() - cpu}
	found := make([]uint32, 0, r.K*len(results))
	for _, res := range results {
		a.Distances += float64(res.Distances) / float64(len(results))
		for j := range r.K {
			id := ^uint32(0) // where there is no hit
			if j < len(res.Hits) {
				id = res.Hits[j].ID
			}
			found = append(found, id)
		}
	}
	b, err := binary.Append(nil, binary.LittleEndian, found)
	if err != nil {
		return a, err
	}
	return a, os.WriteFile(w.ids, b, 0o644)
}
