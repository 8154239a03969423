package encoder

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/latent-go/latent/model/modeltest"
	"github.com/latent-go/latent/nn"
	"github.com/latent-go/latent/vec"
)

// sentences are n rows of tokens from 2 to words, of 3 to length each.
func sentences(n, words, length int, seed uint64) vec.Matrix {
	r := rand.New(rand.NewPCG(seed, 8))
	m := vec.NewMatrix(n, length)
	for i := range n {
		for j := range 3 + r.IntN(length-2) {
			m.Row(i)[j] = float32(firstWord + r.IntN(words-firstWord))
		}
	}
	return m
}

var tiny = Options{Words: 20, Length: 6, Width: 8, Layers: 2}

func TestPairs(t *testing.T) {
	m := New(tiny)
	modeltest.Run(t, modeltest.Model{
		Loss: m.Pairs,
		Inputs: func(n int, seed uint64) []nn.Input {
			y := make([]int, n)
			for i := range y {
				y[i] = i % 2
			}
			return []nn.Input{nn.Rows(sentences(n, 20, 6, seed)), nn.Rows(sentences(n, 20, 6, seed+100)), nn.Classes(y)}
		},
		Outputs: func(scope *model.Scope, in []*Node) []*Node { return []*Node{m.Encode(scope, in[0])} },
		Shapes:  [][]int{{8, 8}},
		Learn:   nn.Options{Steps: 100},
		Learnt:  0.01, // seen 1e-4
	})
}

func TestClasses(t *testing.T) {
	m := New(tiny)
	modeltest.Run(t, modeltest.Model{
		Loss: m.Classes(3),
		Inputs: func(n int, seed uint64) []nn.Input {
			y := make([]int, n)
			for i := range y {
				y[i] = i % 3
			}
			return []nn.Input{nn.Rows(sentences(n, 20, 6, seed)), nn.Classes(y)}
		},
		Outputs: func(scope *model.Scope, in []*Node) []*Node { return []*Node{m.Encode(scope, in[0])} },
		Shapes:  [][]int{{8, 8}},
		Learn:   nn.Options{Steps: 100},
		Learnt:  0.01, // seen 1e-3
	})
}

func hidden(n int, seed uint64) []nn.Input {
	x := sentences(n, 20, 6, seed)
	places, words := vec.NewMatrix(n, 1), vec.NewMatrix(n, 1)
	for i := range n {
		at := i % 3
		places.Row(i)[0], words.Row(i)[0] = float32(at), x.Row(i)[at]
		x.Row(i)[at] = Mark
	}
	return []nn.Input{nn.Rows(x), nn.Rows(places), nn.Rows(words)}
}

func TestHidden(t *testing.T) {
	m := New(tiny)
	modeltest.Run(t, modeltest.Model{
		Loss:    m.Hidden,
		Inputs:  hidden,
		Outputs: func(scope *model.Scope, in []*Node) []*Node { return []*Node{m.Encode(scope, in[0])} },
		Shapes:  [][]int{{8, 8}},
		Learn:   nn.Options{Steps: 150},
		Learnt:  0.05, // seen 1e-3
	})
}

// TestPadding: what stands past the end of a text does not matter, and the order of the words before it does.
func TestPadding(t *testing.T) {
	m := New(Options{Words: 20, Length: 6, Width: 8})
	w, err := nn.New(1)
	if err != nil {
		t.Fatal(err)
	}
	x := vec.NewMatrix(3, 6)
	copy(x.Row(0), []float32{5, 6, 7})
	copy(x.Row(1), []float32{7, 6, 5})
	z, err := w.Apply(t.Context(), m.Encode, x)
	if err != nil {
		t.Fatal(err)
	}
	if slices.Equal(z.Row(0), z.Row(1)) {
		t.Error("the order of words does not matter")
	}
	for _, v := range z.Row(2) {
		if v != 0 {
			t.Errorf("a text without words is %v", z.Row(2))
			break
		}
	}
	before, _, err := w.Float32("/encoder/words")
	if err != nil {
		t.Fatal(err)
	}
	for j := range 8 { // the vector of no word
		before[j] = 100
	}
	if err := w.SetFloat32("/encoder/words", before); err != nil {
		t.Fatal(err)
	}
	again, err := w.Apply(t.Context(), m.Encode, x)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(again.Row(0), z.Row(0)) {
		t.Error("places past the end matter")
	}
}

func TestErrors(t *testing.T) {
	w, err := nn.New(1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Apply(t.Context(), New(Options{Words: 20, Width: 9}).Encode, vec.NewMatrix(1, 16)); err == nil {
		t.Error("two heads share a width of 9")
	}
}

func ExampleVocabulary() {
	v := NewVocabulary([]string{"the cat saw the dog", "The dog, the bone."}, 3, 4)
	fmt.Println(v.Size())
	fmt.Println(v.Tokens([]string{"the dog saw", "bone of the dog"}, 4).Data)
	// Output:
	// 9
	// [2 3 7 0 4 5 2 3]
}
