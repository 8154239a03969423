package nn

import (
	"fmt"
	"math/rand/v2"
	"sync"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/latent-go/latent/vec"
)

// Batch is what one step learns from.
type Batch struct {
	Inputs  []*tensors.Tensor // each with a row for each sample; whoever takes the batch may let go of them
	Variant int               // which graph is built for it; see VariantOf
}

// Feed yields batches, and can be asked for any of them again: the same epoch and place give the same batch. So a run
// that was interrupted goes on as if it had not been.
type Feed interface {
	Len() int                          // batches in an epoch, at least 1
	Batch(epoch, i int) (Batch, error) // number i of an epoch, both from 0
}

// FeedFunc is a feed of n batches an epoch that f makes, from random numbers of its own for each.
func FeedFunc(n int, seed uint64, f func(r *rand.Rand, epoch, i int) (Batch, error)) Feed {
	return feedFunc{n, seed, f}
}

type feedFunc struct {
	n    int
	seed uint64
	f    func(r *rand.Rand, epoch, i int) (Batch, error)
}

func (f feedFunc) Len() int { return f.n }

func (f feedFunc) Batch(epoch, i int) (Batch, error) {
	return f.f(rand.New(rand.NewPCG(f.seed, uint64(epoch)*uint64(f.n)+uint64(i))), epoch, i)
}

// Input is what a feed draws rows from.
type Input struct {
	rows int
	take func(ids []int) *tensors.Tensor
}

// Rows are the rows of a matrix: an input of shape (batch, columns), float32. Images are rows, too, which the graph reshapes.
func Rows(x vec.Matrix) Input {
	return Input{x.Rows, func(ids []int) *tensors.Tensor {
		t := tensors.FromShape(shapes.Make(dtypes.Float32, len(ids), x.Cols))
		tensors.MustMutableFlatData(t, func(flat []float32) {
			for i, id := range ids {
				copy(flat[i*x.Cols:], x.Row(id))
			}
		})
		return t
	}}
}

// Classes are one class a row: an input of shape (batch, 1), int32, as GoMLX's sparse losses want labels.
func Classes(y []int) Input {
	return Input{len(y), func(ids []int) *tensors.Tensor {
		out := make([]int32, len(ids))
		for i, id := range ids {
			out[i] = int32(y[id])
		}
		return tensors.FromFlatDataAndDimensions(out, len(ids), 1)
	}}
}

// Values are one number a row: an input of shape (batch, 1), float32.
func Values(y []float32) Input {
	return Rows(vec.Matrix{Rows: len(y), Cols: 1, Data: y})
}

// BatchOptions say how rows are put into batches. The zero value shuffles, 128 rows a batch, and drops what is left over.
type BatchOptions struct {
	Size    int    // rows a batch; 0 means 128. Fewer rows than that are one batch
	Seed    uint64 // of the order of rows, which is another in each epoch
	InOrder bool   // rows in their own order
	Rest    bool   // rows that do not fill a batch make a smaller one, for which a second graph is compiled
}

// Batches is a feed of rows that belong together: row i of one input with row i of the others. Numbers of rows that
// differ give vec.ErrDim, none vec.ErrTooFew.
func Batches(o BatchOptions, inputs ...Input) (Feed, error) {
	if len(inputs) == 0 || inputs[0].rows == 0 {
		return nil, fmt.Errorf("nn: batches of nothing: %w", vec.ErrTooFew)
	}
	n := inputs[0].rows
	for i, in := range inputs {
		if in.rows != n {
			return nil, fmt.Errorf("nn: input %d has %d rows, input 0 has %d: %w", i, in.rows, n, vec.ErrDim)
		}
	}
	if o.Size < 0 {
		return nil, fmt.Errorf("nn: %d rows a batch; want 1 or more, or 0 for 128", o.Size)
	}
	if o.Size == 0 {
		o.Size = 128
	}
	o.Size = min(o.Size, n)
	return &rowFeed{o: o, n: n, inputs: inputs, epoch: -1}, nil
}

type rowFeed struct {
	o      BatchOptions
	n      int
	inputs []Input

	mu    sync.Mutex
	epoch int // of order
	order []int
}

func (f *rowFeed) Len() int {
	if f.o.Rest {
		return (f.n + f.o.Size - 1) / f.o.Size
	}
	return f.n / f.o.Size
}

func (f *rowFeed) Batch(epoch, i int) (Batch, error) {
	f.mu.Lock()
	if f.epoch != epoch {
		f.epoch = epoch
		if f.o.InOrder {
			if f.order == nil {
				f.order = make([]int, f.n)
				for i := range f.order {
					f.order[i] = i
				}
			}
		} else {
			f.order = rand.New(rand.NewPCG(f.o.Seed, uint64(epoch))).Perm(f.n)
		}
	}
	order := f.order
	f.mu.Unlock()
	ids := order[i*f.o.Size : min((i+1)*f.o.Size, f.n)]
	b := Batch{Inputs: make([]*tensors.Tensor, len(f.inputs))}
	for j, in := range f.inputs {
		b.Inputs[j] = in.take(ids)
	}
	return b, nil
}
