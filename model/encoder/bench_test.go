package encoder

import (
	"testing"

	"github.com/latent-go/latent/nn"
)

func BenchmarkPairs(b *testing.B) {
	m := New(Options{Words: 2258, Length: 12, Heads: 1})
	w, err := nn.New(1)
	if err != nil {
		b.Fatal(err)
	}
	feed, err := nn.Batches(nn.BatchOptions{Size: 32}, nn.Rows(sentences(32, 2258, 12, 1)), nn.Rows(sentences(32, 2258, 12, 2)), nn.Classes(make([]int, 32)))
	if err != nil {
		b.Fatal(err)
	}
	t, err := nn.NewTrainer(w, m.Pairs, nn.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer t.Close()
	for b.Loop() {
		batch, err := feed.Batch(0, 0)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := t.Step(batch); err != nil {
			b.Fatal(err)
		}
	}
}
