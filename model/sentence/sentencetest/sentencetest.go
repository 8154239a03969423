// Package sentencetest writes a small encoder of random weights, for tests of what reads one.
package sentencetest

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/latent-go/latent/vec"
)

// Words are its vocabulary, by token.
var Words = []string{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "cat", "dog", "sat", "on", "the", "mat", "##s", "."}

const tokenizerJSON = `{"version":"1.0","added_tokens":[{"id":2,"content":"[CLS]","special":true},{"id":3,"content":"[SEP]","special":true}],
"normalizer":{"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,"strip_accents":null,"lowercase":true},
"pre_tokenizer":{"type":"BertPreTokenizer"},"post_processor":null,"decoder":{"type":"WordPiece","prefix":"##","cleanup":true},
"model":{"type":"WordPiece","unk_token":"[UNK]","continuing_subword_prefix":"##","max_input_chars_per_word":100,"vocab":%s}}`

// Write writes to dir a model of 64 numbers, two heads, two layers and 12 positions with random weights, and returns
// them by name. change, if not nil, may alter the shapes of the tensors first.
func Write(t testing.TB, dir string, change func(map[string][]int)) map[string]vec.Matrix {
	t.Helper()
	vocab := map[string]int{}
	for i, w := range Words {
		vocab[w] = i
	}
	b, _ := json.Marshal(vocab)
	write(t, filepath.Join(dir, "tokenizer.json"), fmt.Appendf(nil, tokenizerJSON, b))
	shapes := map[string][]int{
		"embeddings.word_embeddings.weight": {len(Words), 64}, "embeddings.position_embeddings.weight": {12, 64},
		"embeddings.token_type_embeddings.weight": {2, 64}, "embeddings.LayerNorm.weight": {64}, "embeddings.LayerNorm.bias": {64},
	}
	for l := range 2 {
		p := fmt.Sprintf("encoder.layer.%d.", l)
		for _, n := range []string{"attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"} {
			shapes[p+n+".weight"], shapes[p+n+".bias"] = []int{64, 64}, []int{64}
		}
		shapes[p+"intermediate.dense.weight"], shapes[p+"intermediate.dense.bias"] = []int{96, 64}, []int{96}
		shapes[p+"output.dense.weight"], shapes[p+"output.dense.bias"] = []int{64, 96}, []int{64}
		for _, n := range []string{"attention.output.LayerNorm", "output.LayerNorm"} {
			shapes[p+n+".weight"], shapes[p+n+".bias"] = []int{64}, []int{64}
		}
	}
	if change != nil {
		change(shapes)
	}
	type entry struct {
		Type    string `json:"dtype"`
		Shape   []int  `json:"shape"`
		Offsets [2]int `json:"data_offsets"`
	}
	header, out, at := map[string]entry{}, map[string]vec.Matrix{}, 0
	var data []float32
	r := rand.New(rand.NewPCG(1, 2))
	for _, name := range slices.Sorted(maps.Keys(shapes)) {
		s := shapes[name]
		x := vec.NewMatrix(1, s[0])
		if len(s) == 2 {
			x = vec.NewMatrix(s[0], s[1])
		}
		for i := range x.Data {
			x.Data[i] = float32(r.NormFloat64()) * 0.3
		}
		header[name] = entry{"F32", s, [2]int{at, at + 4*len(x.Data)}}
		at += 4 * len(x.Data)
		data, out[name] = append(data, x.Data...), x
	}
	h, _ := json.Marshal(header)
	file := append(binary.LittleEndian.AppendUint64(nil, uint64(len(h))), h...)
	file, _ = binary.Append(file, binary.LittleEndian, data)
	write(t, filepath.Join(dir, "model.safetensors"), file)
	return out
}

func write(t testing.TB, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}
