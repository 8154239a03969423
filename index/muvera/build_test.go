package muvera

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/latent-go/latent/index/flat"
	"github.com/latent-go/latent/vec"
)

// TestBuildInBlocks builds with room for fewer encodings than there are: the sample fits the codec that it would alone, every
// document has its own encoding's code, and the whole is the same each time.
func TestBuildInBlocks(t *testing.T) {
	ctx := t.Context()
	tokens, offsets := ragged(rand.New(rand.NewPCG(4, 4)), 700, 8)
	docs, err := NewDocuments(tokens, offsets, nil)
	if err != nil {
		t.Fatal(err)
	}
	o := BuildOptions{Options: Options{Repetitions: 3, Bits: 2, Inner: 4, Seed: 1}}
	const width, room = 3 * 4 * 4, 300
	done := 0
	o.Progress = func(n, total int) {
		if n <= done || total != 700+room {
			t.Errorf("progress %d of %d after %d", n, total, done)
		}
		done = n
	}
	ix, err := build(ctx, docs, o, room*width+width-1)
	if err != nil || done != 700+room {
		t.Fatal(err, done)
	}
	x, err := ix.enc.EncodeDocuments(ctx, docs, nil)
	if err != nil {
		t.Fatal(err)
	}
	sample := vec.NewMatrix(room, width)
	for i := range room {
		copy(sample.Row(i), x.Row(i*700/room))
	}
	c, err := o.codec(ctx, sample)
	if err != nil {
		t.Fatal(err)
	}
	twin := flat.New(c, vec.InnerProduct)
	if err := twin.Add(ctx, nil, x); err != nil {
		t.Fatal(err)
	}
	var got, want bytes.Buffer
	if _, err := ix.near.WriteTo(&got); err != nil {
		t.Fatal(err)
	}
	if _, err := twin.WriteTo(&want); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want.Bytes()) {
		t.Error("encodings added block by block are not those added at once")
	}
	if _, err := build(ctx, docs, o, 256*width-1); !errors.Is(err, vec.ErrDim) {
		t.Errorf("room for 255 of 700: %v", err)
	}
	// 200 documents of 10,485,760 dimensions would be 8.4 GB.
	few, err := NewDocuments(tokens.Slice(0, offsets[200]), offsets[:201], nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Build(ctx, few, BuildOptions{Options: Options{Bits: 16}}); !errors.Is(err, vec.ErrDim) || !strings.Contains(err.Error(), "8.4 GB") {
		t.Errorf("encodings too wide: %v", err)
	}
}
