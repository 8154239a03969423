// Package nn trains models on GoMLX: what several papers need and GoMLX lacks. A model is a function that builds a
// graph from the inputs of a batch to a loss; its variables are Weights; a Feed yields the batches; Train does the rest.
//
//	w, err := nn.New(seed)
//	feed, err := nn.Batches(nn.BatchOptions{Size: 64}, nn.Rows(x), nn.Classes(y))
//	report, err := nn.Train(ctx, w, m.Loss, feed, nn.Options{Epochs: 5})
//	z, err := w.Apply(ctx, m.Encode, test)
//
// Layers, activations, optimizers and ordinary losses are GoMLX's, used as they are:
//
//	func (m *Model) Loss(scope *model.Scope, in []*Node) (*Node, nn.Metrics) {
//		logits := m.Logits(scope, in[0])
//		return ReduceAllMean(loss.SparseCategoricalCrossEntropyLogits(in[1:2], []*Node{logits})), nil
//	}
//
// GoMLX panics while a graph is built, with what was wrong in it. Functions that build graphs may do the same; whatever
// runs them here returns it as an error.
package nn

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/gomlx/compute"
	_ "github.com/gomlx/compute/gobackend" // the default: pure Go
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
)

// Loss builds the graph of a model from the inputs of a batch, in the order of the feed, to a scalar to be made small and
// to what else is worth knowing, scalars too. Variables are made where they are first used, by layers or by
// scope.VariableWithShape. The same function serves training and validation; scope.IsTraining tells which it is.
type Loss func(scope *model.Scope, in []*graph.Node) (*graph.Node, Metrics)

// Metrics are scalars of a batch by name. Over several batches their mean is taken.
type Metrics map[string]*graph.Node

// Backend returns what runs graphs, opened at the first call: the one that the environment variable GOMLX_BACKEND names,
// or pure Go ("go"). Others must be compiled in: the build tag xla brings "xla".
var Backend = sync.OnceValues(func() (b compute.Backend, err error) {
	config := os.Getenv(compute.ConfigEnvVar)
	if config == "" || config == "go" {
		// One operation after another, each on all processors. By itself compute v0.1.2 runs several at once, and when as many
		// as it has workers are products of matrices, each waits for a worker to help it, for ever. It is no slower.
		config = "go:ops_sequential"
	}
	if e := try(func() { b, err = compute.NewWithConfig(config) }); e != nil {
		err = e
	}
	if err != nil {
		return nil, fmt.Errorf("nn: open the backend %s=%q, of those compiled in, %s: %w", compute.ConfigEnvVar, config,
			strings.Join(slices.Sorted(slices.Values(compute.List())), ", "), brief(err))
	}
	return b, nil
})

// SIMD reports whether this program was built so that the pure Go backend uses vector instructions: on amd64, by a Go
// toolchain that knows GOEXPERIMENT=simd, with that set. Without, products of matrices run at a fraction of the speed.
const SIMD = simd && runtime.GOARCH == "amd64"

// try calls f and returns what it panicked with as an error.
func try(f func()) (err error) {
	defer func() {
		switch e := recover().(type) {
		case nil:
		case runtime.Error:
			panic(e) // a slip in Go, not in the graph
		case error:
			err = brief(e)
		default:
			err = fmt.Errorf("%v", e)
		}
	}()
	f()
	return nil
}

// brief is an error of GoMLX that says what is wrong in a graph, without the names of the functions that were at it.
func brief(err error) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	if i := strings.LastIndex(text, " panicked: "); i >= 0 {
		text = text[i+len(" panicked: "):]
	}
	return &graphError{text, err}
}

type graphError struct {
	text string
	err  error
}

func (e *graphError) Error() string { return e.text }
func (e *graphError) Unwrap() error { return e.err }
