package nn

import (
	"path"
	"slices"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/train/optimizer"
)

// AdamW is Adam with weight decay for the weights of layers only, and with their gradients clipped each by itself. Options.Decay
// is for all variables, biases and codebooks too. Source: Loshchilov and Hutter 2019, with the groups of optax.
type AdamW struct {
	Decay float64    // weights lose rate·Decay of themselves each step
	Clip  float64    // each number of a gradient is cut to ±Clip, where there is decay; 0 means no limit
	Betas [2]float64 // of the averages of gradients and of their squares; zeros mean 0.9 and 0.999
	Name  string     // sets apart what several optimizers keep in the same weights
	// Decays says which variables decay, by path; nil means those called "weights", as layers call them.
	Decays func(path string) bool
}

// UpdateGraphWithGradients implements Optimizer.
func (a AdamW) UpdateGraphWithGradients(scope *model.Scope, gradients []*Node, dtype dtypes.DType) {
	decays := a.Decays
	if decays == nil {
		decays = func(p string) bool { return path.Base(p) == "weights" }
	}
	type decaying struct {
		v   *model.Variable
		was *Node
	}
	var list []decaying
	g := gradients[0].Graph()
	clipped := slices.Clone(gradients)
	for i, v := range Learning(scope, g) {
		if decays(v.Path()) {
			list = append(list, decaying{v, v.NodeValue(g)})
			if a.Clip > 0 {
				clipped[i] = ClipScalar(clipped[i], -a.Clip, a.Clip)
			}
		}
	}
	betas := a.Betas
	if betas == [2]float64{} {
		betas = [2]float64{0.9, 0.999}
	}
	optimizer.Adam().Scope("#adam"+a.Name).Betas(betas[0], betas[1]).Epsilon(1e-8).Done().(Optimizer).UpdateGraphWithGradients(scope, clipped, dtype)
	rate := optimizer.LearningRateVar(scope, dtype, 0).NodeValue(g)
	for _, d := range list {
		loss := MulScalar(Mul(ConvertDType(rate, d.was.DType()), d.was), a.Decay)
		d.v.SetNodeValue(Sub(d.v.NodeValue(g), loss))
	}
}
