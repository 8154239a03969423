package sentence_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/latent-go/latent/dataset/catalog"
	"github.com/latent-go/latent/model/sentence"
	"github.com/latent-go/latent/model/sentence/sentencetest"
	"github.com/latent-go/latent/vec"
)

// plain is the encoder in float64, one text at a time, as the equations have it.
func plain(w map[string]vec.Matrix, ids []int) []float64 {
	x := plainTokens(w, ids)
	out, length := make([]float64, 64), 0.0
	for j := range out {
		for i := range x {
			out[j] += x[i][j]
		}
		length += out[j] * out[j]
	}
	for j := range out {
		out[j] /= math.Sqrt(length)
	}
	return out
}

func plainTokens(w map[string]vec.Matrix, ids []int) [][]float64 {
	at := func(name string, i, j int) float64 { return float64(w[name].Row(i)[j]) }
	norm := func(x [][]float64, name string) {
		for _, row := range x {
			var m, v float64
			for _, a := range row {
				m += a / float64(len(row))
			}
			for _, a := range row {
				v += (a - m) * (a - m) / float64(len(row))
			}
			for j := range row {
				row[j] = (row[j]-m)/math.Sqrt(v+1e-12)*at(name+".weight", 0, j) + at(name+".bias", 0, j)
			}
		}
	}
	linear := func(x [][]float64, name string) [][]float64 {
		out := make([][]float64, len(x))
		for i := range x {
			out[i] = make([]float64, w[name+".weight"].Rows)
			for o := range out[i] {
				out[i][o] = at(name+".bias", 0, o)
				for j, a := range x[i] {
					out[i][o] += a * at(name+".weight", o, j)
				}
			}
		}
		return out
	}
	plus := func(x, y [][]float64) {
		for i := range x {
			for j := range x[i] {
				x[i][j] += y[i][j]
			}
		}
	}
	x := make([][]float64, len(ids))
	for i, id := range ids {
		for j := range 64 {
			x[i] = append(x[i], at("embeddings.word_embeddings.weight", id, j)+at("embeddings.position_embeddings.weight", i, j)+
				at("embeddings.token_type_embeddings.weight", 0, j))
		}
	}
	norm(x, "embeddings.LayerNorm")
	for l := range 2 {
		p := fmt.Sprintf("encoder.layer.%d.", l)
		q, k, v := linear(x, p+"attention.self.query"), linear(x, p+"attention.self.key"), linear(x, p+"attention.self.value")
		mixed := make([][]float64, len(x))
		for i := range x {
			mixed[i] = make([]float64, 64)
			for h := 0; h < 64; h += 32 {
				weights, sum := make([]float64, len(x)), 0.0
				for j := range x {
					for c := h; c < h+32; c++ {
						weights[j] += q[i][c] * k[j][c]
					}
					weights[j] = math.Exp(weights[j] / math.Sqrt(32))
					sum += weights[j]
				}
				for j := range x {
					for c := h; c < h+32; c++ {
						mixed[i][c] += weights[j] / sum * v[j][c]
					}
				}
			}
		}
		plus(x, linear(mixed, p+"attention.output.dense"))
		norm(x, p+"attention.output.LayerNorm")
		up := linear(x, p+"intermediate.dense")
		for _, row := range up {
			for j, a := range row {
				row[j] = a * 0.5 * math.Erfc(-a/math.Sqrt2)
			}
		}
		plus(x, linear(up, p+"output.dense"))
		norm(x, p+"output.LayerNorm")
	}
	return x
}

func TestEncode(t *testing.T) {
	dir := t.TempDir()
	weights := sentencetest.Write(t, dir, nil)
	e, err := sentence.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	texts := []string{"The cat sat on the mat.", "", "dogs", "A dog sat; a cat sat; the cats sat on a mat on a mat.", "zebra cat"}
	want := [][]int{{2, 9, 5, 7, 8, 9, 10, 12, 3}, {2, 3}, {2, 6, 11, 3}, {2, 4, 6, 7, 1, 4, 5, 7, 1, 9, 5, 3}, {2, 1, 5, 3}}
	x, err := e.Encode(t.Context(), texts, sentence.Options{MaxTokens: 12})
	if err != nil {
		t.Fatal(err)
	}
	for i, text := range texts {
		if got := e.Tokens(text, 12); !slices.Equal(got, want[i]) {
			t.Errorf("tokens of %q: %v, want %v", text, got, want[i])
		}
		for j, v := range plain(weights, want[i]) {
			if got := float64(x.Row(i)[j]); !(math.Abs(got-v) < 2e-6) { // seen 4e-7
				t.Fatalf("%q, value %d: %v, want %v", text, j, got, v)
			}
		}
	}
}

// TestEncodeTokens wants the mean of the tokens to be that of the text without its ends, and none for a text without words.
func TestEncodeTokens(t *testing.T) {
	dir := t.TempDir()
	weights := sentencetest.Write(t, dir, nil)
	e, err := sentence.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	x, err := e.EncodeTokens(t.Context(), []string{"the cats", ""}, sentence.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if x[0].Rows != 3 || x[1].Rows != 0 || x[0].Cols != 64 {
		t.Fatalf("%d and %d rows of %d", x[0].Rows, x[1].Rows, x[0].Cols)
	}
	tokens := plainTokens(weights, e.Tokens("the cats", 12))
	for i := range x[0].Rows {
		length := 0.0
		for _, v := range tokens[i+1] {
			length += v * v
		}
		for j, v := range tokens[i+1] {
			if got := float64(x[0].Row(i)[j]); !(math.Abs(got-v/math.Sqrt(length)) < 2e-6) {
				t.Fatalf("token %d, value %d: %v, want %v", i, j, got, v/math.Sqrt(length))
			}
		}
	}
}

// TestAlone encodes texts together and one at a time: they do not meet.
func TestAlone(t *testing.T) {
	dir := t.TempDir()
	sentencetest.Write(t, dir, nil)
	e, err := sentence.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(3, 4))
	texts := make([]string, 300)
	for i := range texts {
		for range r.IntN(12) {
			texts[i] += sentencetest.Words[4+r.IntN(len(sentencetest.Words)-4)] + " "
		}
	}
	last := 0
	together, err := e.Encode(t.Context(), texts, sentence.Options{Progress: func(done, total int) {
		if done <= last || total != len(texts) {
			t.Errorf("progress %d of %d after %d", done, total, last)
		}
		last = done
	}})
	if err != nil || last != len(texts) {
		t.Fatal(last, err)
	}
	for i := range texts {
		alone, err := e.Encode(t.Context(), texts[i:i+1], sentence.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(alone.Data, together.Row(i)) {
			t.Fatalf("%q has another vector among others", texts[i])
		}
	}
}

func TestErrors(t *testing.T) {
	for want, change := range map[string]func(map[string][]int){
		`no tensor "encoder.layer.1.output.dense.bias"`:                     func(s map[string][]int) { delete(s, "encoder.layer.1.output.dense.bias") },
		`tensor "encoder.layer.0.attention.self.key.weight" is 64×32`:       func(s map[string][]int) { s["encoder.layer.0.attention.self.key.weight"] = []int{64, 32} },
		`no tensor "encoder.layer.2.attention.self.query.weight"`:           func(s map[string][]int) { s["encoder.layer.3.output.dense.bias"] = []int{64} },
		`tensor "encoder.layer.0.output.dense.weight" is 64×95, want 64×96`: func(s map[string][]int) { s["encoder.layer.0.output.dense.weight"] = []int{64, 95} },
		"0 layers of 64 numbers": func(s map[string][]int) {
			for n := range s {
				if strings.HasPrefix(n, "encoder") {
					delete(s, n)
				}
			}
		},
	} {
		dir := t.TempDir()
		sentencetest.Write(t, dir, change)
		if _, err := sentence.Open(dir); !errors.Is(err, sentence.ErrModel) || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	dir := t.TempDir()
	if _, err := sentence.Open(dir); err == nil {
		t.Error("an empty folder opens")
	}
	sentencetest.Write(t, dir, func(s map[string][]int) { s["embeddings.word_embeddings.weight"] = []int{6, 64} })
	e, err := sentence.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Encode(t.Context(), []string{"mat"}, sentence.Options{}); err == nil || !strings.Contains(err.Error(), "of another model") {
		t.Error("a vocabulary that is too large:", err)
	}
	if _, err := e.Encode(t.Context(), []string{"a"}, sentence.Options{MaxTokens: 13}); err == nil {
		t.Error("more tokens than positions")
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := e.Encode(ended, []string{"a"}, sentence.Options{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestMiniLM compares with what onnxruntime 1.32.0 and tokenizers 0.23.3 make of the same model's published ONNX export:
// tokens, the first values, and the cosines between the texts.
func TestMiniLM(t *testing.T) {
	files, err := catalog.Get(t.Context(), "minilm-l6", catalog.Options{Offline: true})
	if err != nil {
		t.Skip("all-MiniLM-L6-v2 is not in the cache; `latent data get minilm-l6` fetches it:", err)
	}
	e, err := sentence.Open(files.Dir)
	if err != nil {
		t.Fatal(err)
	}
	texts := []string{"The cat sat on the mat.", "A feline was sitting on a rug.", "Quarterly profits rose by 12 %.", "",
		"Müller's naïve café — 你好 world!!", "intrinsic dimensionality of learned representations"}
	tokens := []string{"[101 1996 4937 2938 2006 1996 13523 1012 102]", "[101 1037 10768 4179 2001 3564 2006 1037 20452 1012 102]",
		"[101 12174 11372 3123 2011 2260 1003 1012 102]", "[101 102]", "[101 12304 1005 1055 15743 7668 1517 100 100 2088 999 999 102]",
		"[101 23807 8789 3012 1997 4342 15066 102]"}
	first := [][]float32{{0.130237, -0.015773, -0.036717, 0.057986, -0.059792, 0.033054}, {0.05613, 0.027952, 0.032539, 0.123566, -0.019331, 0.04124},
		{0.052475, 0.008555, -0.043448, -0.042069, 0.001304, -0.015092}, {-0.118838, 0.048299, -0.002548, -0.011011, 0.051951, 0.010292},
		{0.010961, 0.03868, -0.002709, 0.012812, 0.078155, 0.012374}, {-0.072244, -0.147944, -0.013563, 0.029018, -0.029452, 0.116211}}
	cosines := []float32{0.581671, -0.002003, 0.030634, 0.031035, 0.014524} // of the first text with the others
	x, err := e.Encode(t.Context(), texts, sentence.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range texts {
		if got := fmt.Sprint(e.Tokens(texts[i], 256)); got != tokens[i] {
			t.Errorf("%q has the tokens %s, want %s", texts[i], got, tokens[i])
		}
		for j, want := range first[i] {
			if got := x.Row(i)[j]; !(math.Abs(float64(got-want)) < 1e-5) {
				t.Errorf("%q, value %d: %v, want %v", texts[i], j, got, want)
			}
		}
		if i > 0 {
			if got := vec.Dot(x.Row(0), x.Row(i)); !(math.Abs(float64(got-cosines[i-1])) < 1e-5) {
				t.Errorf("cosine of %q and %q: %v, want %v", texts[0], texts[i], got, cosines[i-1])
			}
		}
	}
}

// BenchmarkEncode reports texts a second, of some 20 tokens each.
func BenchmarkEncode(b *testing.B) {
	files, err := catalog.Get(b.Context(), "minilm-l6", catalog.Options{Offline: true})
	if err != nil {
		b.Skip(err)
	}
	e, err := sentence.Open(files.Dir)
	if err != nil {
		b.Fatal(err)
	}
	texts := make([]string, 512)
	for i := range texts {
		texts[i] = fmt.Sprintf("text %d says that the quick brown fox jumps over a lazy dog near the river bank", i)
	}
	tokens := len(texts) * len(e.Tokens(texts[0], 256))
	for b.Loop() {
		if _, err := e.Encode(b.Context(), texts, sentence.Options{}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*len(texts))/b.Elapsed().Seconds(), "texts/s")
	b.ReportMetric(float64(b.N*tokens)/b.Elapsed().Seconds(), "tokens/s")
}
