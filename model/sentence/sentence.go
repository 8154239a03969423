// Package sentence turns texts into vectors with a trained encoder of the BERT kind, such as all-MiniLM-L6-v2: texts of
// like meaning get vectors of small angle.
//
//	enc, err := sentence.Open(dir) // dir has model.safetensors and tokenizer.json
//	x, err := enc.Encode(ctx, []string{"a cat sat", "the cat was sitting"}, sentence.Options{})
//
// `latent data get minilm-l6` fetches such a folder. The encoder only runs here, it is not trained: its weights are read
// as they were published. It stands on the products of package vec, because a text is read one token after another in the
// same matrix as its neighbours, without padding.
package sentence

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"

	"github.com/gomlx/go-huggingface/tokenizers/api"
	"github.com/gomlx/go-huggingface/tokenizers/hftokenizer"

	"github.com/latent-go/latent/dataset"
	"github.com/latent-go/latent/vec"
)

// Encoder is a trained encoder. It is safe for concurrent use.
type Encoder struct {
	tokens    *hftokenizer.Tokenizer
	words     vec.Matrix // a row a token of the vocabulary
	positions vec.Matrix // a row a place in the text, those of the token type 0 added
	norm      layerNorm
	layers    []layer
	heads     int
}

// MaxTokens is the length to which longer texts are cut, as all-MiniLM-L6-v2 was trained.
const MaxTokens = 256

// Options say how to encode. The zero Options are the recommended ones.
type Options struct {
	MaxTokens int                   // longer texts are cut; 0 means the package's MaxTokens
	Progress  func(done, total int) // texts encoded, of all; may be called from several goroutines, one at a time
}

// Open reads an encoder from a folder with model.safetensors, the weights under the names that BERT's have, and
// tokenizer.json.
func Open(dir string) (*Encoder, error) {
	tokens, err := hftokenizer.NewFromFile(&api.Config{}, filepath.Join(dir, "tokenizer.json"))
	if err != nil {
		return nil, fmt.Errorf("sentence: %s: %w", filepath.Join(dir, "tokenizer.json"), err)
	}
	weights, err := dataset.LoadTensors(filepath.Join(dir, "model.safetensors"))
	if err != nil {
		return nil, fmt.Errorf("sentence: %w", err)
	}
	e, err := newEncoder(tokens, weights)
	if err != nil {
		return nil, fmt.Errorf("sentence: %s: %w", filepath.Join(dir, "model.safetensors"), err)
	}
	return e, nil
}

// headSize is that of all BERTs that were published as sentence encoders of small size; the weights do not tell it.
const headSize = 32

// ErrModel says that a file's tensors are not those of a BERT encoder.
var ErrModel = errors.New("not the weights of a BERT encoder")

func newEncoder(tokens *hftokenizer.Tokenizer, weights map[string]vec.Matrix) (*Encoder, error) {
	r := reader{weights: weights}
	e := &Encoder{tokens: tokens, words: r.matrix("embeddings.word_embeddings.weight", -1, -1)}
	d := e.words.Cols
	e.positions = r.matrix("embeddings.position_embeddings.weight", -1, d).Clone()
	types := r.matrix("embeddings.token_type_embeddings.weight", -1, d)
	e.norm = r.norm("embeddings.LayerNorm", d)
	for l := range layersIn(weights) {
		e.layers = append(e.layers, r.layer(fmt.Sprintf("encoder.layer.%d.", l), d))
	}
	if r.err != nil {
		return nil, r.err
	}
	if len(e.layers) == 0 || d == 0 || d%headSize != 0 || types.Rows == 0 || e.positions.Rows < 3 {
		return nil, fmt.Errorf("%d layers of %d numbers: %w of heads of %d numbers", len(e.layers), d, ErrModel, headSize)
	}
	for i := range e.positions.Rows {
		vec.AddScaled(e.positions.Row(i), types.Row(0), 1)
	}
	e.heads = d / headSize
	return e, nil
}

var layerName = regexp.MustCompile(`^(?:bert\.)?encoder\.layer\.([0-9]{1,4})\.`)

func layersIn(weights map[string]vec.Matrix) int {
	n := 0
	for name := range weights {
		if m := layerName.FindStringSubmatch(name); m != nil {
			l, _ := strconv.Atoi(m[1])
			n = max(n, l+1)
		}
	}
	return n
}

// Dim is the number of values of a vector.
func (e *Encoder) Dim() int { return e.words.Cols }

// Tokens returns the IDs of the tokens of a text, those that begin and end it included, cut to at most limit.
func (e *Encoder) Tokens(text string, limit int) []int {
	ids := e.tokens.Encode(text)
	first, last := e.ends()
	if n := len(ids); n >= 2 && ids[0] == first && ids[n-1] == last { // put there by the tokenizer's own file
		ids = ids[1 : n-1]
	}
	if len(ids) > limit-2 {
		ids = ids[:limit-2]
	}
	out := append(make([]int, 0, len(ids)+2), first)
	return append(append(out, ids...), last)
}

func (e *Encoder) ends() (first, last int) {
	first, _ = e.tokens.TokenToID("[CLS]")
	last, _ = e.tokens.TokenToID("[SEP]")
	return first, last
}

// batchTokens is how many tokens go through the layers together: enough for the products to be at full speed, few
// enough for what lies between layers to stay in the second cache.
const batchTokens = 512

// Encode returns one vector of length 1 a text, in the order of texts: the mean of the vectors of its tokens after the
// last layer. Work is shared by the processors, and its result does not depend on their number, nor on what texts are
// encoded together. An empty text is one without words, and has a vector.
func (e *Encoder) Encode(ctx context.Context, texts []string, o Options) (vec.Matrix, error) {
	out := vec.NewMatrix(len(texts), e.Dim())
	err := e.each(ctx, texts, o, func(i int, tokens vec.Matrix) {
		row := out.Row(i)
		for j := range tokens.Rows {
			vec.AddScaled(row, tokens.Row(j), 1) // the mean's own factor falls out
		}
		vec.Normalize(row, row)
	})
	return out, err
}

// EncodeTokens returns the vectors of each text's tokens after the last layer, of length 1, a matrix a text, without the
// two tokens that mark its ends: what late interaction compares (package index/muvera). A text without words has none.
func (e *Encoder) EncodeTokens(ctx context.Context, texts []string, o Options) ([]vec.Matrix, error) {
	out := make([]vec.Matrix, len(texts))
	err := e.each(ctx, texts, o, func(i int, tokens vec.Matrix) {
		out[i] = tokens.Slice(1, tokens.Rows-1).Clone()
		for j := range out[i].Rows {
			vec.Normalize(out[i].Row(j), out[i].Row(j))
		}
	})
	return out, err
}

// each calls f with the vectors of the tokens of each text, ends included, from several goroutines.
func (e *Encoder) each(ctx context.Context, texts []string, o Options, f func(i int, tokens vec.Matrix)) error {
	limit := o.MaxTokens
	if limit == 0 {
		limit = min(MaxTokens, e.positions.Rows)
	}
	if limit < 3 || limit > e.positions.Rows {
		return fmt.Errorf("sentence: a limit of %d tokens: want 3 to %d, the encoder's", limit, e.positions.Rows)
	}
	ids := make([][]int, len(texts))
	if err := vec.Blocks(ctx, len(texts), 64, func(lo, hi int) error {
		for i := lo; i < hi; i++ {
			ids[i] = e.Tokens(texts[i], limit)
			for _, id := range ids[i] {
				if id < 0 || id >= e.words.Rows {
					return fmt.Errorf("sentence: token %d is not among the encoder's %d: tokenizer.json is of another model", id, e.words.Rows)
				}
			}
		}
		return nil
	}); err != nil {
		return err
	}
	batches := batchesOf(ids)
	done := newCounter(o.Progress, len(texts))
	return vec.Blocks(ctx, len(batches), 1, func(lo, hi int) error {
		for _, b := range batches[lo:hi] {
			x, at := e.run(ids[b.lo:b.hi])
			for i, t := range at {
				f(b.lo+i, x.Slice(t.lo, t.hi))
			}
			done.add(b.hi - b.lo)
		}
		return nil
	})
}

type span struct{ lo, hi int }

// batchesOf splits texts into runs of about batchTokens.
func batchesOf(ids [][]int) (out []span) {
	lo, tokens := 0, 0
	for i := range ids {
		if tokens > 0 && tokens+len(ids[i]) > batchTokens {
			out = append(out, span{lo, i})
			lo, tokens = i, 0
		}
		tokens += len(ids[i])
	}
	if lo < len(ids) {
		out = append(out, span{lo, len(ids)})
	}
	return out
}

// run returns the vectors of all tokens of some texts, and which are whose.
func (e *Encoder) run(ids [][]int) (vec.Matrix, []span) {
	n := 0
	for _, t := range ids {
		n += len(t)
	}
	x := vec.NewMatrix(n, e.Dim())
	texts, at := make([]span, len(ids)), 0
	for i, t := range ids {
		texts[i] = span{at, at + len(t)}
		for j, id := range t {
			row := x.Row(at)
			copy(row, e.words.Row(id))
			vec.AddScaled(row, e.positions.Row(j), 1)
			at++
		}
	}
	e.norm.apply(x)
	w := newWork(n, e.Dim(), e.layers)
	for i := range e.layers {
		e.layers[i].apply(x, texts, e.heads, w)
	}
	return x, texts
}
