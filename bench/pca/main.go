// Command pca fits beside numpy, in turn, so that both meet the same machine and the same data:
//
//	/usr/bin/python3 bench/pca/compare.py [fashion|random [threads]]
//
// It is the half that is asked: for each line that it reads it fits once and prints the variance that the components
// hold.
package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"strconv"

	"github.com/latent-go/latent/reduce/pca"
	"github.com/latent-go/latent/vec"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "pca: started by compare.py with FILE n d k:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 4 {
		return fmt.Errorf("%d arguments", len(args))
	}
	var size [3]int
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
		m, err := pca.Fit(context.Background(), x, pca.Options{Components: size[2]})
		if err != nil {
			return err
		}
		var kept float64
		for _, v := range m.Variances() {
			kept += v
		}
		fmt.Println(kept)
	}
	return nil
}
