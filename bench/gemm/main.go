// Command gemm times vec.MulT beside numpy, in turn, so that both meet the same machine:
//
//	/usr/bin/python3 bench/gemm/compare.py [n [m [d]]]
//
// It is the half that is asked: for each line that it reads it multiplies once and prints the seconds this took.
package main

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"time"

	"github.com/latent-go/latent/vec"
)

func main() {
	var size [3]int
	for i := range size {
		n, err := strconv.Atoi(os.Args[i+1])
		if err != nil {
			fmt.Fprintln(os.Stderr, "gemm: started by compare.py with n m d:", err)
			os.Exit(2)
		}
		size[i] = n
	}
	n, m, d := size[0], size[1], size[2]
	r := rand.New(rand.NewPCG(1, 1))
	a, b, dst := vec.NewMatrix(n, d), vec.NewMatrix(m, d), vec.NewMatrix(n, m)
	for _, x := range []vec.Matrix{a, b} {
		for i := range x.Data {
			x.Data[i] = float32(r.NormFloat64())
		}
	}
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		start := time.Now()
		vec.MulT(dst, a, b)
		fmt.Println(time.Since(start).Seconds())
	}
}
