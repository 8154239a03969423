// Command ivf searches beside Faiss, in turn, so that both meet the same machine and the same data:
//
//	python3 bench/ivf/compare.py [lists [parts]]
//
// It is the half that is asked. It reads base and queries from files, builds lists of 4-bit product codes and prints the
// seconds of processor time that took; then, for each line "effort candidates" that it reads, it searches for 10
// neighbours of each query, one query at a time, re-ranks the candidates with the full vectors, writes the IDs to a file
// and prints a line.
package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"strconv"

	"github.com/latent-go/latent/index"
	"github.com/latent-go/latent/index/ivf"
	"github.com/latent-go/latent/quantize/product"
	"github.com/latent-go/latent/vec"
)

const k = 10

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "ivf: started by compare.py with BASE n QUERIES n d lists parts IDS:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 8 {
		return fmt.Errorf("%d arguments", len(args))
	}
	var number [8]int
	for _, i := range []int{1, 3, 4, 5, 6} {
		var err error
		if number[i], err = strconv.Atoi(args[i]); err != nil {
			return err
		}
	}
	x, err := load(args[0], number[1], number[4])
	if err != nil {
		return err
	}
	queries, err := load(args[2], number[3], number[4])
	if err != nil {
		return err
	}
	ctx := context.Background()
	lists, err := ivf.Train(ctx, x, ivf.Options{Lists: number[5]})
	if err != nil {
		return err
	}
	codec, err := product.Fit(ctx, x, product.Options{M: number[6], Bits: 4})
	if err != nil {
		return err
	}
	ix, err := ivf.New(codec, lists)
	if err != nil {
		return err
	}
	if err := ix.Add(ctx, nil, x); err != nil {
		return err
	}
	fmt.Println("built")
	found, distances := make([]uint32, k*queries.Rows), []float32(nil)
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		var effort, candidates int
		if _, err := fmt.Sscan(in.Text(), &effort, &candidates); err != nil {
			return err
		}
		ids := make([]uint32, candidates)
		for i := range queries.Rows {
			q := queries.Row(i)
			res, err := ix.Search(ctx, q, index.Query{K: candidates, Effort: effort})
			if err != nil {
				return err
			}
			ids = ids[:len(res.Hits)]
			for j, h := range res.Hits {
				ids[j] = h.ID
			}
			distances = slices.Grow(distances[:0], len(ids))[:len(ids)]
			vec.SquaredL2sAt(distances, q, x.Data, ids)
			for j, d := range distances {
				res.Hits[j].Distance = d
			}
			slices.SortFunc(res.Hits, func(a, b index.Hit) int { return cmp.Compare(a.Distance, b.Distance) })
			for j, h := range res.Hits[:min(k, len(res.Hits))] {
				found[i*k+j] = h.ID
			}
		}
		b, _ := binary.Append(nil, binary.LittleEndian, found)
		if err := os.WriteFile(args[7], b, 0o644); err != nil {
			return err
		}
		fmt.Println("searched")
	}
	return nil
}

func load(name string, n, d int) (vec.Matrix, error) {
	f, err := os.Open(name)
	if err != nil {
		return vec.Matrix{}, err
	}
	defer f.Close()
	x := vec.NewMatrix(n, d)
	return x, binary.Read(bufio.NewReaderSize(f, 1<<20), binary.LittleEndian, x.Data)
}
