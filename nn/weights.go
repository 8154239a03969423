package nn

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/latent-go/latent/artifact"
)

// Weights are the variables of a model by path, such as "/hidden/weights", and the backend that runs it. They are empty
// at first: a variable is made when a graph that uses it is first run, in the order of use, from the seed. Training keeps
// its own variables here as well, such as moments; their paths begin with "/#" or "/optimizers", and they are no part of
// the model. Weights are for one goroutine at a time.
type Weights struct {
	Store   *model.Store // GoMLX's own view of the variables
	backend compute.Backend
	seed    uint64
}

// New returns weights without variables. The same seed and the same graphs give the same initial values.
func New(seed uint64) (*Weights, error) {
	b, err := Backend()
	if err != nil {
		return nil, err
	}
	w := &Weights{Store: model.NewStore(), backend: b, seed: seed}
	if err := w.Store.SetRNGStateFromSeed(int64(seed)); err != nil {
		return nil, fmt.Errorf("nn: seed %d: %w", seed, err)
	}
	return w, nil
}

// Init makes the variables of a model by building its graph for a batch of the feed, without training.
func (w *Weights) Init(l Loss, feed Feed) error {
	_, err := evaluate(context.Background(), w, l, feed, 1)
	return err
}

// Count returns how many numbers the model can learn.
func (w *Weights) Count() int {
	n := 0
	for v := range w.Variables() {
		if v.Trainable {
			n += v.Shape().Size()
		}
	}
	return n
}

// Variables goes through the variables of the model, in the order in which they were made.
func (w *Weights) Variables() iter.Seq[*model.Variable] {
	return func(yield func(*model.Variable) bool) {
		for v := range w.Store.IterVariables() {
			if !ofTraining(v.Path()) && !yield(v) {
				return
			}
		}
	}
}

// ofTraining reports whether a variable is the trainer's rather than the model's.
func ofTraining(path string) bool {
	return strings.HasPrefix(path, "/#") || strings.HasPrefix(path, "/optimizers/") || path == "/global_step"
}

// Float32 returns a copy of the values of a variable, row-major, and its dimensions.
func (w *Weights) Float32(path string) ([]float32, []int, error) {
	t, err := w.value(path)
	if err != nil {
		return nil, nil, err
	}
	if t.DType() != dtypes.Float32 {
		return nil, nil, fmt.Errorf("nn: variable %s holds %s, not float32", path, t.DType())
	}
	values, err := tensors.CopyFlatData[float32](t)
	return values, slices.Clone(t.Shape().Dimensions), err
}

// SetFloat32 gives a variable that exists new values, as many as it has.
func (w *Weights) SetFloat32(path string, values []float32) error {
	t, err := w.value(path)
	if err != nil {
		return err
	}
	if t.DType() != dtypes.Float32 || t.Size() != len(values) {
		return fmt.Errorf("nn: variable %s is %s, not %d float32", path, t.Shape(), len(values))
	}
	return w.Store.GetVariable(path).SetValue(tensors.FromFlatDataAndDimensions(values, t.Shape().Dimensions...))
}

func (w *Weights) value(path string) (*tensors.Tensor, error) {
	v := w.Store.GetVariable(path)
	if v == nil || !v.HasValue() {
		return nil, fmt.Errorf("nn: there is no variable %s; there are %s", path, strings.Join(w.paths(), ", "))
	}
	return v.Value()
}

func (w *Weights) paths() []string {
	var out []string
	for v := range w.Variables() {
		out = append(out, v.Path())
	}
	return out
}

// Clone returns a copy of the model, without what training keeps.
func (w *Weights) Clone() (*Weights, error) {
	return w.copy(func(v *model.Variable) *model.Variable { return v })
}

// Averaged returns a copy of the model with the moving averages that training with Options.Average kept. Variables of
// which there is none are copied as they are.
func (w *Weights) Averaged() (*Weights, error) {
	return w.copy(func(v *model.Variable) *model.Variable {
		return cmp.Or(w.Store.GetVariable(averageOf(v.Path())), v)
	})
}

// averageOf is where the moving average of a variable is.
func averageOf(path string) string { return "/#average" + path }

// copy makes new weights of the model's variables; from says where a value comes from.
func (w *Weights) copy(from func(*model.Variable) *model.Variable) (*Weights, error) {
	out, err := New(w.seed)
	if err != nil {
		return nil, err
	}
	for v := range w.Variables() {
		source := from(v)
		if !source.HasValue() {
			continue
		}
		t, err := source.Value()
		if err != nil {
			return nil, err
		}
		if t, err = t.LocalClone(); err != nil {
			return nil, err
		}
		c, err := out.Store.CreateVariable(v.Path(), t)
		if err != nil {
			return nil, err
		}
		c.SetTrainable(v.Trainable)
	}
	return out, nil
}

// take gives the variables the values that they have in other, and makes those that are not there yet; with or without
// those of training.
func (w *Weights) take(other *Weights, all bool) error {
	for v := range other.Store.IterVariables() {
		if !all && ofTraining(v.Path()) {
			continue
		}
		t, err := v.Value()
		if err != nil {
			return err
		}
		if t, err = t.LocalClone(); err != nil {
			return err
		}
		if at := w.Store.GetVariable(v.Path()); at != nil {
			if at.Shape().Size() > 0 && !at.Shape().Equal(t.Shape()) {
				return fmt.Errorf("nn: variable %s is %s, was saved as %s", v.Path(), at.Shape(), t.Shape())
			}
			err = at.SetValue(t)
		} else if at, err = w.Store.CreateVariable(v.Path(), t); err == nil {
			at.SetTrainable(v.Trainable)
		}
		if err != nil {
			return fmt.Errorf("nn: variable %s: %w", v.Path(), err)
		}
	}
	return nil
}

const kindWeights = "weights"

// variable describes a section that holds values.
type variable struct {
	Path      string
	Type      string
	Shape     []int
	Trainable bool
}

// Save writes the model to a file that appears whole or not at all, without what training keeps.
func (w *Weights) Save(path string) error { return artifact.Save(path, w) }

// WriteTo writes the model, without what training keeps, as an artifact.
func (w *Weights) WriteTo(out io.Writer) (int64, error) {
	s, err := w.sections(false)
	if err != nil {
		return 0, err
	}
	return artifact.Write(out, kindWeights, 1, s...)
}

// sections are the artifact's: a list of variables, and the values of each.
func (w *Weights) sections(all bool) ([]artifact.Section, error) {
	var list []variable
	var values []artifact.Section
	for v := range w.Store.IterVariables() {
		if !all && ofTraining(v.Path()) || !v.HasValue() {
			continue
		}
		t, err := v.Value()
		if err != nil {
			return nil, err
		}
		s, err := section(fmt.Sprintf("v%d", len(list)), t)
		if err != nil {
			return nil, fmt.Errorf("nn: variable %s: %w", v.Path(), err)
		}
		list = append(list, variable{v.Path(), t.DType().String(), slices.Clone(t.Shape().Dimensions), v.Trainable})
		values = append(values, s)
	}
	return append([]artifact.Section{artifact.JSON("variables", struct {
		Seed      uint64
		Variables []variable
	}{w.seed, list})}, values...), nil
}

func section(name string, t *tensors.Tensor) (s artifact.Section, err error) {
	e := t.ConstFlatData(func(flat any) {
		switch x := flat.(type) {
		case []float32:
			s = artifact.Numbers(name, slices.Clone(x))
		case []float64:
			s = artifact.Numbers(name, slices.Clone(x))
		case []int32:
			s = artifact.Numbers(name, slices.Clone(x))
		case []int64:
			s = artifact.Numbers(name, slices.Clone(x))
		case []uint8:
			s = artifact.Numbers(name, slices.Clone(x))
		case []uint32:
			s = artifact.Numbers(name, slices.Clone(x))
		case []uint64:
			s = artifact.Numbers(name, slices.Clone(x))
		default:
			err = fmt.Errorf("cannot save %s", t.DType())
		}
	})
	return s, cmp.Or(e, err)
}

// Load reads a model that Save wrote. Variables are found by path, and must have the shapes that the graph asks for.
func Load(path string) (*Weights, error) {
	return artifact.LoadFile(path, kindWeights, 1, weightsFrom)
}

// ReadFrom reads a model that WriteTo wrote.
func ReadFrom(r io.Reader) (*Weights, error) {
	return artifact.Load(r, kindWeights, 1, weightsFrom)
}

func weightsFrom(f *artifact.File) (*Weights, error) {
	var head struct {
		Seed      uint64
		Variables []variable
	}
	if err := f.Decode("variables", &head); err != nil {
		return nil, err
	}
	w, err := New(head.Seed)
	if err != nil {
		return nil, err
	}
	for i, v := range head.Variables {
		t, err := tensorFrom(f, fmt.Sprintf("v%d", i), v)
		if err != nil {
			return nil, err
		}
		if !strings.HasPrefix(v.Path, "/") {
			return nil, f.Reject("a variable is called %q", v.Path)
		}
		if at := w.Store.GetVariable(v.Path); at != nil { // the state of the random numbers is there from the start
			if v.Path != "/"+model.RNGStateVariableName {
				return nil, f.Reject("variable %s is there twice", v.Path)
			}
			if err := at.SetValue(t); err != nil {
				return nil, err
			}
			continue
		}
		c, err := w.Store.CreateVariable(v.Path, t)
		if err != nil {
			return nil, f.Reject("variable %s: %v", v.Path, err)
		}
		c.SetTrainable(v.Trainable)
	}
	return w, f.Close()
}

func tensorFrom(f *artifact.File, name string, v variable) (*tensors.Tensor, error) {
	switch v.Type {
	case dtypes.Float32.String():
		return numbersFrom[float32](f, name, v)
	case dtypes.Float64.String():
		return numbersFrom[float64](f, name, v)
	case dtypes.Int32.String():
		return numbersFrom[int32](f, name, v)
	case dtypes.Int64.String():
		return numbersFrom[int64](f, name, v)
	case dtypes.Uint8.String():
		return numbersFrom[uint8](f, name, v)
	case dtypes.Uint32.String():
		return numbersFrom[uint32](f, name, v)
	case dtypes.Uint64.String():
		return numbersFrom[uint64](f, name, v)
	}
	return nil, f.Reject("variable %s holds %q", v.Path, v.Type)
}

func numbersFrom[T float32 | float64 | int32 | int64 | uint8 | uint32 | uint64](f *artifact.File, name string, v variable) (*tensors.Tensor, error) {
	x, err := artifact.Slice[T](f, name)
	if err != nil {
		return nil, err
	}
	size := 1
	for _, d := range v.Shape {
		if d <= 0 || size > len(x)/d {
			return nil, f.Reject("variable %s of shape %v has %d values", v.Path, v.Shape, len(x))
		}
		size *= d
	}
	if size != len(x) {
		return nil, f.Reject("variable %s of shape %v has %d values", v.Path, v.Shape, len(x))
	}
	return tensors.FromFlatDataAndDimensions(x, v.Shape...), nil
}
