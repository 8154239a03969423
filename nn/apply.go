package nn

import (
	"context"
	"fmt"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/latent-go/latent/vec"
)

// Func is a part of a model, compiled: an encoder, a decoder. It follows the weights as they learn.
type Func struct {
	e *model.Exec
}

// Func returns a function that runs a graph with these weights.
func (w *Weights) Func(f func(scope *model.Scope, in []*Node) []*Node) (*Func, error) {
	e, err := newExec(w, f)
	if err != nil {
		return nil, err
	}
	return &Func{e}, nil
}

// Call runs the graph. The results are the caller's, who may let go of them with FinalizeAll.
func (f *Func) Call(in ...*tensors.Tensor) ([]*tensors.Tensor, error) {
	args := make([]any, len(in))
	for i, t := range in {
		args[i] = t
	}
	return run(f.e, args)
}

// Close lets go of what was compiled.
func (f *Func) Close() { f.e.Finalize() }

// applyRows is how many rows Apply hands to a graph at once.
const applyRows = 256

// Apply runs a part of a model over the rows of x, n×d, some at a time: f gets a node of shape (rows, d) and returns one
// of shape (rows, …), whose other axes become the columns of the result.
func (w *Weights) Apply(ctx context.Context, f func(scope *model.Scope, x *Node) *Node, x vec.Matrix) (vec.Matrix, error) {
	fn, err := w.Func(func(scope *model.Scope, in []*Node) []*Node { return []*Node{f(scope, in[0])} })
	if err != nil {
		return vec.Matrix{}, err
	}
	defer fn.Close()
	var out vec.Matrix
	for lo := 0; lo < x.Rows; lo += applyRows {
		if err := ctx.Err(); err != nil {
			return vec.Matrix{}, err
		}
		rows := min(applyRows, x.Rows-lo)
		in := Tensor(vec.Matrix{Rows: rows, Cols: x.Cols, Data: x.Data[lo*x.Cols : (lo+rows)*x.Cols]})
		y, err := fn.Call(in)
		_ = in.FinalizeAll()
		if err != nil {
			return vec.Matrix{}, fmt.Errorf("nn: rows %d to %d: %w", lo, lo+rows, err)
		}
		part, err := Matrix(y[0])
		_ = y[0].FinalizeAll()
		if err != nil {
			return vec.Matrix{}, err
		}
		if part.Rows != rows {
			return vec.Matrix{}, fmt.Errorf("nn: %d rows became %d: %w", rows, part.Rows, vec.ErrDim)
		}
		if lo == 0 {
			out = vec.NewMatrix(x.Rows, part.Cols)
		}
		copy(out.Data[lo*out.Cols:], part.Data)
	}
	return out, nil
}

// Tensor copies a matrix into a tensor of the same shape.
func Tensor(x vec.Matrix) *tensors.Tensor {
	return tensors.FromFlatDataAndDimensions(x.Data, x.Rows, x.Cols)
}

// Matrix copies a tensor of float32 into a matrix: its first axis are the rows, all others the columns.
func Matrix(t *tensors.Tensor) (vec.Matrix, error) {
	data, err := tensors.CopyFlatData[float32](t)
	if err != nil {
		return vec.Matrix{}, fmt.Errorf("nn: a matrix of %s: %w", t.Shape(), err)
	}
	if t.Rank() == 0 {
		return vec.Matrix{Rows: 1, Cols: 1, Data: data}, nil
	}
	n := t.Shape().Dim(0)
	return vec.Matrix{Rows: n, Cols: len(data) / max(n, 1), Data: data}, nil
}
