package nn

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/model/initializer"
	"github.com/gomlx/gomlx/ml/train"
	"github.com/gomlx/gomlx/ml/train/optimizer"
)

// Optimizer turns the gradient of each variable that learns into its next value. GoMLX's have this method:
// optimizer.Adam().Betas(0.9, 0.99).Done().(nn.Optimizer). The gradients are those of Learning's variables, in its order;
// the learning rate is optimizer.LearningRateVar's value in this graph.
type Optimizer interface {
	UpdateGraphWithGradients(scope *model.Scope, gradients []*Node, dtype dtypes.DType)
}

// Learning returns the variables of a scope that are trainable and in use by a graph, in the scope's order.
func Learning(scope *model.Scope, g *Graph) []*model.Variable {
	var out []*model.Variable
	for v := range scope.IterVariables() {
		if v.Trainable && v.InUseByGraph(g) {
			out = append(out, v)
		}
	}
	return out
}

// Only has an optimizer move those of Learning's variables that moves says, by their gradients of all; the others stay.
func Only(o Optimizer, scope *model.Scope, gradients []*Node, dtype dtypes.DType, moves func(*model.Variable) bool) {
	var mine []*Node
	for i, v := range Learning(scope, gradients[0].Graph()) {
		if moves(v) {
			mine = append(mine, gradients[i])
			continue
		}
		v.Trainable = false // the optimizer looks for those that it has gradients of
		defer func() { v.Trainable = true }()
	}
	if len(mine) > 0 {
		o.UpdateGraphWithGradients(scope, mine, dtype)
	}
}

// Trainer takes one step at a time, for those who want a loop of their own, such as two losses in turn. Train is what
// most want.
type Trainer struct {
	w     *Weights
	loss  Loss
	o     Options
	step  int
	execs map[int]*model.Exec
	names map[int][]string // of metrics, by variant
}

// NewTrainer returns a trainer that has taken no step. Of the options it heeds those of learning, not those of the loop.
// A schedule needs o.Steps.
func NewTrainer(w *Weights, l Loss, o Options) (*Trainer, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	if o.Rate == 0 {
		o.Rate = 1e-3
	}
	if o.Schedule == nil {
		o.Schedule = Constant
	}
	if o.Optimizer == nil {
		o.Optimizer = optimizer.Adam().Scope("#adam" + o.Name).WeightDecay(o.Decay).Done().(Optimizer)
	} else if o.Decay != 0 {
		return nil, fmt.Errorf("nn: Decay is %v, but it is that of AdamW; give weight decay to the optimizer itself", o.Decay)
	}
	return &Trainer{w: w, loss: l, o: o, execs: map[int]*model.Exec{}, names: map[int][]string{}}, nil
}

// rate is the learning rate of a step, counted from 0.
func (t *Trainer) rate(step int) float64 {
	if step < t.o.WarmUp {
		return t.o.Rate * float64(step+1) / float64(t.o.WarmUp)
	}
	return t.o.Rate * t.o.Schedule(step-t.o.WarmUp, t.o.Steps-t.o.WarmUp)
}

// DivergedError says that a loss is not finite.
type DivergedError struct {
	Step  int // from 1
	Epoch int // from 1; 0 if the trainer does not know
	Batch int // of the epoch, from 0
	Loss  float64
}

func (e *DivergedError) Error() string {
	where := ""
	if e.Epoch > 0 {
		where = fmt.Sprintf(", batch %d of epoch %d", e.Batch, e.Epoch)
	}
	return fmt.Sprintf("nn: the loss is %v at step %d%s: try a lower Rate, a WarmUp, or a Clip such as 1", e.Loss, e.Step, where)
}

// Step learns from a batch, and returns the loss before it did, as "loss", and the metrics; with Options.Clip also the
// length of the gradient, as "gradient". The batch is let go of.
func (t *Trainer) Step(b Batch) (map[string]float64, error) {
	exec, ok := t.execs[b.Variant]
	if !ok {
		var err error
		if exec, err = t.compile(b.Variant); err != nil {
			return nil, err
		}
		t.execs[b.Variant] = exec
	}
	defer b.release()
	keep := 0.0 // the first average is the weights themselves
	if t.step > 0 {
		keep = min(t.o.Average, float64(t.step)/float64(t.step+9))
	}
	args := []any{tensors.FromScalar(float32(t.rate(t.step))), tensors.FromScalar(float32(keep))}
	for _, in := range b.Inputs {
		args = append(args, in)
	}
	m, err := call(exec, args, func() []string { return t.names[b.Variant] })
	if err != nil {
		return nil, fmt.Errorf("nn: step %d: %w", t.step+1, err)
	}
	t.step++
	if l := m["loss"]; math.IsNaN(l) || math.IsInf(l, 0) {
		return nil, &DivergedError{Step: t.step, Loss: l}
	}
	return m, nil
}

// Close lets go of what was compiled.
func (t *Trainer) Close() {
	for _, e := range t.execs {
		e.Finalize()
	}
}

func (t *Trainer) compile(variant int) (*model.Exec, error) {
	return newExec(t.w, func(scope *model.Scope, in []*Node) []*Node {
		g := in[0].Graph()
		scope.Store().SetTraining(g, true)
		setVariant(g, variant)
		loss, metrics := t.loss(scope, in[2:])
		loss = checked(loss, metrics)
		if r := train.GetRegularizationLoss(g); r != nil { // layers of GoMLX may add to it
			loss = Add(loss, r)
		}
		metrics = maps.Clone(metrics)
		if metrics == nil {
			metrics = Metrics{}
		}
		t.update(scope, in[0], in[1], loss, metrics)
		train.ExecPerStepUpdateGraphFn(g)
		names, nodes := flat(loss, metrics)
		t.names[variant] = names
		return nodes
	})
}

// update builds the step from the gradient of the loss to new weights.
func (t *Trainer) update(scope *model.Scope, rate, keep, loss *Node, metrics Metrics) {
	g := loss.Graph()
	var rest []*model.Variable // that want to learn, but must not
	var learn []*model.Variable
	for _, v := range Learning(scope, g) {
		if t.o.Trainable != nil && !t.o.Trainable(v.Path()) {
			rest = append(rest, v)
		} else {
			learn = append(learn, v)
		}
	}
	if len(learn) == 0 {
		panic(fmt.Errorf("no variable learns: the graph has none that is trainable"))
	}
	for _, v := range rest {
		v.Trainable = false
	}
	defer func() {
		for _, v := range rest {
			v.Trainable = true
		}
	}()
	gradients := scope.BuildTrainableVariablesGradientsGraph(loss)
	if t.o.Clip > 0 {
		length := globalNorm(gradients)
		metrics["gradient"] = length
		scale := Div(Scalar(g, length.DType(), t.o.Clip), MaxScalar(length, t.o.Clip))
		for i, d := range gradients {
			gradients[i] = Mul(d, ConvertDType(scale, d.DType()))
		}
	}
	dtype := loss.DType()
	optimizer.LearningRateVarWithValue(scope, dtype, t.o.Rate).SetNodeValue(ConvertDType(rate, dtype))
	t.o.Optimizer.UpdateGraphWithGradients(scope, gradients, dtype)
	if t.o.Average > 0 {
		for _, v := range learn {
			value := v.NodeValue(g)
			a := scope.Store().VariableWithShape(averageOf(v.Path()), v.Shape(), initializer.Zero).SetTrainable(false)
			k := ConvertDType(keep, value.DType())
			a.SetNodeValue(Add(Mul(k, a.NodeValue(g)), Mul(OneMinus(k), value)))
		}
	}
}

// globalNorm is the length of all gradients as one vector.
func globalNorm(gradients []*Node) *Node {
	var sum *Node
	for _, d := range gradients {
		s := ReduceAllSum(Square(d))
		if sum == nil {
			sum = s
		} else {
			sum = Add(sum, ConvertDType(s, sum.DType()))
		}
	}
	return Sqrt(sum)
}

// checked is the loss, if it and the metrics are scalars.
func checked(loss *Node, metrics Metrics) *Node {
	if loss == nil || !loss.IsScalar() {
		panic(fmt.Errorf("the loss is %v, not a scalar; take its mean over the batch", loss))
	}
	for name, m := range metrics {
		if !m.IsScalar() || name == "loss" || name == "gradient" {
			panic(fmt.Errorf("metric %q is %v; want a scalar with a name other than loss and gradient", name, m.Shape()))
		}
	}
	return loss
}

// flat is the loss and the metrics in the order of their names, as float32.
func flat(loss *Node, metrics Metrics) (names []string, nodes []*Node) {
	names, nodes = []string{"loss"}, []*Node{loss}
	for _, name := range slices.Sorted(maps.Keys(metrics)) {
		names, nodes = append(names, name), append(nodes, metrics[name])
	}
	for i, n := range nodes {
		nodes[i] = ConvertDType(n, dtypes.Float32)
	}
	return names, nodes
}

const variantParam = "variant"

// VariantOf returns Batch.Variant of the batches that a graph is built for. A model that learns in several ways, such as
// one of its sizes at a time, builds another graph for each.
func VariantOf(scope *model.Scope, g *Graph) int {
	v, ok := model.GetGraphParam(g, model.RootScopePath+variantParam)
	if !ok {
		return 0
	}
	return v.(int)
}

func setVariant(g *Graph, variant int) {
	model.SetGraphParam(g, model.RootScopePath+variantParam, variant)
}

// Evaluate returns the mean of the loss, as "loss", and of the metrics over the first epoch of a feed, each batch counted
// by its rows. Nothing is learnt.
func Evaluate(ctx context.Context, w *Weights, l Loss, feed Feed) (map[string]float64, error) {
	return evaluate(ctx, w, l, feed, feed.Len())
}

func evaluate(ctx context.Context, w *Weights, l Loss, feed Feed, batches int) (map[string]float64, error) {
	execs, names := map[int]*model.Exec{}, map[int][]string{}
	defer func() {
		for _, e := range execs {
			e.Finalize()
		}
	}()
	sum := map[string]float64{}
	var rows float64
	for i := range batches {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		b, err := feed.Batch(0, i)
		if err != nil {
			return nil, fmt.Errorf("nn: batch %d: %w", i, err)
		}
		if execs[b.Variant] == nil {
			execs[b.Variant], err = newExec(w, func(scope *model.Scope, in []*Node) []*Node {
				setVariant(in[0].Graph(), b.Variant)
				loss, metrics := l(scope, in)
				var nodes []*Node
				names[b.Variant], nodes = flat(checked(loss, metrics), metrics)
				return nodes
			})
			if err != nil {
				return nil, err
			}
		}
		var args []any
		for _, in := range b.Inputs {
			args = append(args, in)
		}
		m, err := call(execs[b.Variant], args, func() []string { return names[b.Variant] })
		n := float64(b.rows())
		b.release()
		if err != nil {
			return nil, fmt.Errorf("nn: batch %d: %w", i, err)
		}
		for k, v := range m {
			sum[k] += v * n
		}
		rows += n
	}
	for k := range sum {
		sum[k] /= rows
	}
	return sum, nil
}

// newExec is an executor whose graphs stay compiled.
func newExec(w *Weights, f func(scope *model.Scope, in []*Node) []*Node) (*model.Exec, error) {
	var e *model.Exec
	var err error
	if p := try(func() { e, err = model.NewExec(w.backend, w.Store, f) }); p != nil {
		return nil, p
	}
	if err != nil {
		return nil, brief(err)
	}
	return e.SetMaxCache(-1), nil
}

// call runs a graph whose results are scalars.
func call(e *model.Exec, args []any, names func() []string) (map[string]float64, error) {
	out, err := run(e, args)
	if err != nil {
		return nil, err
	}
	m := make(map[string]float64, len(out))
	for i, name := range names() {
		m[name] = float64(tensors.ToScalar[float32](out[i]))
		_ = out[i].FinalizeAll()
	}
	return m, nil
}

func run(e *model.Exec, args []any) (out []*tensors.Tensor, err error) {
	if p := try(func() { out, err = e.Call(args...) }); p != nil {
		return nil, p
	}
	return out, brief(err)
}

// rows is how many samples a batch has.
func (b Batch) rows() int {
	if len(b.Inputs) == 0 || b.Inputs[0].Rank() == 0 {
		return 1
	}
	return b.Inputs[0].Shape().Dim(0)
}

// release lets go of a batch.
func (b Batch) release() {
	for _, t := range b.Inputs {
		_ = t.FinalizeAll() // memory comes back a little later if this fails
	}
}
