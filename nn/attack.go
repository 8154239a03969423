package nn

import (
	"context"
	"fmt"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/latent-go/latent/vec"
)

// FGSM moves each row of x, n×d, by step along the sign of the gradient of a loss, which raises it most for so small a
// change of each number, and keeps numbers within low and high: the fast gradient sign method. The loss gets the rows and
// their classes, as from Batches(Rows(x), Classes(y)). How much its error grows says how robust a model is.
// Source: Goodfellow et al. 2015, section 4.
func FGSM(ctx context.Context, w *Weights, l Loss, x vec.Matrix, y []int, step, low, high float32) (vec.Matrix, error) {
	feed, err := Batches(BatchOptions{Size: applyRows, InOrder: true, Rest: true}, Rows(x), Classes(y))
	if err != nil {
		return vec.Matrix{}, err
	}
	f, err := w.Func(func(scope *model.Scope, in []*Node) []*Node {
		loss, metrics := l(scope, in)
		g := Gradient(checked(loss, metrics), in[0])[0]
		return []*Node{ClipScalar(Add(in[0], MulScalar(Sign(g), step)), float64(low), float64(high))}
	})
	if err != nil {
		return vec.Matrix{}, err
	}
	defer f.Close()
	out := vec.NewMatrix(x.Rows, x.Cols)
	at := out.Data
	for i := range feed.Len() {
		if err := ctx.Err(); err != nil {
			return vec.Matrix{}, err
		}
		b, err := feed.Batch(0, i)
		if err != nil {
			return vec.Matrix{}, err
		}
		moved, err := f.Call(b.Inputs...)
		b.release()
		if err != nil {
			return vec.Matrix{}, fmt.Errorf("nn: attack: %w", err)
		}
		m, err := Matrix(moved[0])
		_ = moved[0].FinalizeAll()
		if err != nil {
			return vec.Matrix{}, err
		}
		at = at[copy(at, m.Data):]
	}
	return out, nil
}
