// Command kmeans clusters beside Faiss, in turn, so that both meet the same machine and the same data:
//
//	python3 bench/kmeans/compare.py [threads]
//
// It is the half that is asked: for each line that it reads it clusters once and prints the inertia.
package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"strconv"

	"github.com/latent-go/latent/cluster"
	"github.com/latent-go/latent/vec"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "kmeans: started by compare.py with FILE n d k iterations:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 5 {
		return fmt.Errorf("%d arguments", len(args))
	}
	var size [4]int
	for i, a := range args[1:] {
		n, err := strconv.Atoi(a)
		if err != nil {
			return err
		}
		size[i] = n
	}
	f, err := os.Open(args[0])
	if err != nil {
		return err
	}
	defer f.Close()
	x := vec.NewMatrix(size[0], size[1])
	if err := binary.Read(bufio.NewReaderSize(f, 1<<20), binary.LittleEndian, x.Data); err != nil {
		return err
	}
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		r, err := cluster.KMeans(context.Background(), x, cluster.Options{K: size[2], Iterations: size[3]})
		if err != nil {
			return err
		}
		fmt.Println(r.Inertia)
	}
	return nil
}
