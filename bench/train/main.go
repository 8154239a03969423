// Command train takes steps of training beside PyTorch, in turn, so that both meet the same machine:
//
//	/usr/bin/python3 bench/train/compare.py
//
// It is the half that is asked: for each line that it reads it takes so many steps of Adam with a network of
// 784-1024-1024-10 on batches of 128, and prints the seconds and the processor seconds this took, the loss, and the most
// memory that it had so far, in bytes.
package main

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime/pprof"
	"strconv"
	"syscall"
	"time"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/layers/activation"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/latent-go/latent/internal/clock"
	"github.com/latent-go/latent/nn"
	"github.com/latent-go/latent/vec"
)

const rows, batch = 4096, 128

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "train:", err)
		os.Exit(1)
	}
}

func run() error {
	r := rand.New(rand.NewPCG(1, 1))
	x, y := vec.NewMatrix(rows, 784), make([]int, rows)
	for i := range x.Data {
		x.Data[i] = float32(r.NormFloat64())
	}
	for i := range y {
		y[i] = r.IntN(10)
	}
	feed, err := nn.Batches(nn.BatchOptions{Size: batch}, nn.Rows(x), nn.Classes(y))
	if err != nil {
		return err
	}
	w, err := nn.New(1)
	if err != nil {
		return err
	}
	t, err := nn.NewTrainer(w, network, nn.Options{})
	if err != nil {
		return err
	}
	if path := os.Getenv("CPUPROFILE"); path != "" {
		f, err := os.Create(path)
		if err != nil {
			return err
		}
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	step := 0
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		steps, err := strconv.Atoi(in.Text())
		if err != nil {
			return err
		}
		start, used := time.Now(), clock.Process()
		var m map[string]float64
		for range steps {
			b, err := feed.Batch(step/feed.Len(), step%feed.Len())
			if err != nil {
				return err
			}
			if m, err = t.Step(b); err != nil {
				return err
			}
			step++
		}
		var peak syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &peak); err != nil {
			return err
		}
		fmt.Println(time.Since(start).Seconds(), clock.Process()-used, m["loss"], peak.Maxrss*1024)
	}
	return nil
}

func network(scope *model.Scope, in []*Node) (*Node, nn.Metrics) {
	x := in[0]
	for i := range 2 {
		x = activation.Relu(nn.Dense(scope.In("hidden%d", i), x, 1024))
	}
	return nn.CrossEntropy(nn.Dense(scope.In("out"), x, 10), in[1])
}
