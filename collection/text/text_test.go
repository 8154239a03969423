package text_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/RoaringBitmap/roaring/v2"
	"pgregory.net/rapid"

	"github.com/latent-go/latent/artifact"
	"github.com/latent-go/latent/collection/text"
)

func Example() {
	ix := text.New(text.Options{})
	live := roaring.New()
	for slot, s := range []string{"The quick brown fox", "A brown dog", "Foxes and dogs"} {
		ix.Add(uint32(slot), s)
		live.Add(uint32(slot))
	}
	for _, h := range ix.Search("brown fox", live, live, 10) {
		fmt.Printf("%d %.3f\n", h.Slot, h.Score)
	}
	// Output:
	// 0 1.341
	// 1 0.490
}

func TestTokenizer(t *testing.T) {
	for _, c := range []struct {
		o           text.Options
		in          string
		words, asks []string
	}{
		{text.Options{}, "Hello, wörld-42! Привет", []string{"hello", "wörld", "42", "привет"}, nil},
		{text.Options{KeepCase: true}, "Ab aB", []string{"Ab", "aB"}, nil},
		{text.Options{Tokenizer: "whitespace"}, " a-b  c,d\n", []string{"a-b", "c,d"}, nil},
		{text.Options{MinLen: 2, MaxLen: 3}, "a ab abc abcd éé", []string{"ab", "abc", "éé"}, nil},
		{text.Options{Tokenizer: "prefix", MinLen: 1, MaxLen: 4}, "hello, мир", []string{"h", "he", "hel", "hell", "м", "ми", "мир"}, []string{"hell", "мир"}},
		{text.Options{Tokenizer: "prefix", MinLen: 3}, "ab abcd", []string{"abc", "abcd"}, []string{"abcd"}},
		{text.Options{Stopwords: []string{"The"}}, "the THE thee", []string{"thee"}, nil},
		{text.Options{Tokenizer: "prefix", MinLen: 2, Stopwords: []string{"the"}}, "the", nil, []string{"the"}},
		{text.Options{Tokenizer: "multilingual"}, "Go言語 ok", []string{"go", "言", "語", "ok"}, nil},
		{text.Options{}, "", nil, nil},
		{text.Options{}, "\xff\xfe!", nil, nil},
	} {
		tok := text.NewTokenizer(c.o)
		if got := tok.Document(c.in); !slices.Equal(got, c.words) {
			t.Errorf("%+v: %q gives %q, want %q", c.o, c.in, got, c.words)
		}
		if c.asks == nil {
			c.asks = c.words
		}
		if got := tok.Query(c.in); !slices.Equal(got, c.asks) {
			t.Errorf("%+v: query %q gives %q, want %q", c.o, c.in, got, c.asks)
		}
	}
}

// Search is the formula, through additions, removals and files.
func TestBM25(t *testing.T) {
	vocabulary := strings.Fields("a b c d e f g")
	rapid.Check(t, func(t *rapid.T) {
		o := text.Options{}
		k1, b := 1.2, 0.75
		if rapid.Bool().Draw(t, "options") {
			o.K1, o.B = 2, -1
			k1, b = 2, 0
		}
		ix := text.New(o)
		draw := func() (s []string) {
			for range rapid.IntRange(0, 2).Draw(t, "texts") {
				n := rapid.IntRange(0, 6).Draw(t, "words")
				w := make([]string, n)
				for i := range w {
					w[i] = vocabulary[rapid.IntRange(0, 6).Draw(t, "word")]
				}
				s = append(s, strings.Join(w, " "))
			}
			return s
		}
		docs := map[uint32][]string{}
		live, keep := roaring.New(), roaring.New()
		for slot := range uint32(rapid.IntRange(1, 12).Draw(t, "docs")) {
			docs[slot] = draw()
			ix.Add(slot, docs[slot]...)
			if rapid.IntRange(0, 4).Draw(t, "live") > 0 {
				live.Add(slot)
				if rapid.IntRange(0, 2).Draw(t, "keep") > 0 {
					keep.Add(slot)
				}
			}
		}
		ix.Search("a b", live, keep, 3) // fills what is kept between searches
		for range rapid.IntRange(0, 3).Draw(t, "edits") {
			slot := uint32(rapid.IntRange(0, len(docs)-1).Draw(t, "slot"))
			if rapid.Bool().Draw(t, "forget") {
				ix.Forget(roaring.BitmapOf(slot))
			} else {
				ix.Remove(slot, docs[slot]...)
			}
			docs[slot] = draw()
			ix.Add(slot, docs[slot]...)
		}
		if rapid.Bool().Draw(t, "restart") {
			var file bytes.Buffer
			ix.WriteTo(&file)
			var err error
			if ix, err = text.Read(&file); err != nil {
				t.Fatal(err)
			}
		}
		query := draw()
		words := strings.Fields(strings.Join(query, " "))
		count := func(slot uint32, w string) (n float64) {
			for _, s := range strings.Fields(strings.Join(docs[slot], " ")) {
				if s == w || w == "" {
					n++
				}
			}
			return n
		}
		texts, length := 0.0, 0.0
		for slot := range docs {
			if n := count(slot, ""); n > 0 && live.Contains(slot) {
				texts++
				length += n
			}
		}
		want := map[uint32]float64{}
		for _, w := range words {
			df := 0.0
			for slot := range docs {
				if live.Contains(slot) && count(slot, w) > 0 {
					df++
				}
			}
			for slot := range docs {
				if tf := count(slot, w); tf > 0 && keep.Contains(slot) {
					want[slot] += math.Log(1+(texts-df+0.5)/(df+0.5)) * tf * (k1 + 1) / (tf + k1*(1-b+b*count(slot, "")/(length/texts)))
				}
			}
		}
		got := ix.Search(strings.Join(query, " "), live, keep, 100)
		if len(got) != len(want) {
			t.Fatalf("%d hits, want %d", len(got), len(want))
		}
		for i, h := range got {
			if math.Abs(h.Score-want[h.Slot]) > 1e-12*(1+want[h.Slot]) {
				t.Fatalf("slot %d: %v, want %v", h.Slot, h.Score, want[h.Slot])
			}
			if i > 0 && (got[i-1].Score < h.Score || got[i-1].Score == h.Score && got[i-1].Slot >= h.Slot) {
				t.Fatalf("hits out of order: %v", got)
			}
		}
		for k := range len(got) + 1 {
			if top := ix.Search(strings.Join(query, " "), live, keep, k); !slices.Equal(top, got[:k]) {
				t.Fatalf("top %d is %v of %v", k, top, got)
			}
		}
	})
}

func TestOptions(t *testing.T) {
	for _, o := range []text.Options{{}, {Tokenizer: "prefix", MinLen: 2, MaxLen: 9, KeepCase: true, Stopwords: []string{"x"}, K1: 2, B: 0.5}} {
		b, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		var got text.Options
		if err := json.Unmarshal(b, &got); err != nil || !reflect.DeepEqual(got, o) {
			t.Errorf("%s: %+v, %v", b, got, err)
		}
	}
	for _, in := range []string{`{"stemmer": {"type": "snowball", "language": "english"}}`, `{"ascii_folding": true}`, `{"stopwords": "english"}`, `{"tokenizer": "x"}`, `{"min_token_len": -1}`, `{"bm25_b": 2}`} {
		if err := json.Unmarshal([]byte(in), new(text.Options)); err == nil {
			t.Errorf("%s is taken", in)
		}
	}
	if err := json.Unmarshal([]byte(`{"type": "text", "on_disk": true, "stemmer": {"type": "none"}, "stopwords": null}`), new(text.Options)); err != nil {
		t.Error(err)
	}
}

func FuzzRead(f *testing.F) {
	ix := text.New(text.Options{})
	ix.Add(3, "a b a")
	ix.Add(5, "b c")
	var b bytes.Buffer
	ix.WriteTo(&b)
	f.Add(b.Bytes())
	f.Add(b.Bytes()[:40])
	f.Fuzz(func(t *testing.T, b []byte) {
		ix, err := text.Read(bytes.NewReader(b))
		if err != nil {
			if e := (*artifact.CorruptError)(nil); !errors.As(err, &e) {
				t.Fatal(err)
			}
			return
		}
		ix.Search("a b c", roaring.BitmapOf(3, 5), roaring.BitmapOf(3), 5)
	})
}
