// Package text finds words: a tokenizer with the options of Qdrant's text indexes, and an inverted index over slots that
// ranks by BM25.
//
//	ix := text.New(text.Options{})
//	ix.Add(7, "the quick brown fox")
//	hits := ix.Search("quick fox", live, live, 10)
package text

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Options say what a word is. The zero Options take runs of letters and digits, in lower case.
type Options struct {
	Tokenizer string // "word" (the default), "whitespace", "prefix" (the beginnings of words), or "multilingual"
	MinLen    int    // in characters; shorter words are passed over; 0 for no bound
	MaxLen    int    // longer words are passed over, or cut if Tokenizer is "prefix"; 0 for no bound
	KeepCase  bool
	Stopwords []string // words to pass over
	K1, B     float64  // of BM25; 0 means 1.2 and 0.75; B below 0 means 0
}

// Check says whether the options make sense.
func (o Options) Check() error {
	switch o.Tokenizer {
	case "", "word", "whitespace", "prefix", "multilingual":
	default:
		return fmt.Errorf("text: tokenizer %.50q: want word, whitespace, prefix or multilingual", o.Tokenizer)
	}
	if o.MinLen < 0 || o.MaxLen < 0 || o.MaxLen > 0 && o.MinLen > o.MaxLen {
		return fmt.Errorf("text: words of %d to %d characters: want bounds from 0 up, the lesser first", o.MinLen, o.MaxLen)
	}
	if !(o.K1 >= 0 && o.B <= 1) {
		return fmt.Errorf("text: BM25 with k1 %g and b %g: want k1 from 0 up and b up to 1", o.K1, o.B)
	}
	return nil
}

// Tokenizer takes texts apart into words. It is safe for concurrent use.
type Tokenizer struct {
	o    Options
	stop map[string]bool
}

// NewTokenizer returns the tokenizer of o. Options that Check refuses panic.
func NewTokenizer(o Options) *Tokenizer {
	if err := o.Check(); err != nil {
		panic(err)
	}
	t := &Tokenizer{o: o, stop: make(map[string]bool)}
	for _, w := range o.Stopwords {
		if !o.KeepCase {
			w = strings.ToLower(w)
		}
		t.stop[w] = true
	}
	return t
}

// Document returns the words of a text that is searched in, in order, repetitions included. The tokenizer "prefix" gives
// of each word all beginnings of MinLen (or 1) to MaxLen characters.
func (t *Tokenizer) Document(s string) []string { return t.words(s, false) }

// Query returns the words to search for. The tokenizer "prefix" gives each word once, cut to MaxLen, and no stop words
// are taken out, since they may be the beginnings of others.
func (t *Tokenizer) Query(s string) []string { return t.words(s, true) }

func (t *Tokenizer) words(s string, query bool) (out []string) {
	prefix := t.o.Tokenizer == "prefix"
	var fields []string
	switch t.o.Tokenizer {
	case "whitespace":
		fields = strings.Fields(s)
	case "multilingual":
		fields = scripts(s)
	default:
		fields = strings.FieldsFunc(s, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsNumber(r) })
	}
	for _, w := range fields {
		if !t.o.KeepCase {
			w = strings.ToLower(w)
		}
		if !(prefix && query) && t.stop[w] {
			continue
		}
		n := utf8.RuneCountInString(w)
		if n < t.o.MinLen || !prefix && t.o.MaxLen > 0 && n > t.o.MaxLen {
			continue
		}
		if !prefix {
			out = append(out, w)
			continue
		}
		least, most := max(t.o.MinLen, 1), n
		if t.o.MaxLen > 0 {
			most = min(most, t.o.MaxLen)
		}
		if query {
			least = most
		}
		i := 0
		for at := range w {
			if i >= least && i <= most {
				out = append(out, w[:at])
			}
			i++
		}
		if n <= most {
			out = append(out, w)
		}
	}
	return out
}

// scripts is the tokenizer "multilingual": runs of letters and digits, of which those of scripts written without spaces
// (Han, Hiragana, Katakana, Thai, Lao, Khmer, Myanmar) are one word a character.
func scripts(s string) (out []string) {
	start := -1
	flush := func(end int) {
		if start >= 0 {
			out = append(out, s[start:end])
			start = -1
		}
	}
	for i, r := range s {
		switch {
		case unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar):
			flush(i)
			out = append(out, string(r))
		case unicode.IsLetter(r) || unicode.IsNumber(r):
			if start < 0 {
				start = i
			}
		default:
			flush(i)
		}
	}
	flush(len(s))
	return out
}

// wire is Options as Qdrant's text index params have them.
type wire struct {
	Tokenizer string          `json:"tokenizer,omitempty"`
	MinLen    int             `json:"min_token_len,omitempty"`
	MaxLen    int             `json:"max_token_len,omitempty"`
	Lowercase *bool           `json:"lowercase,omitempty"`
	Stopwords json.RawMessage `json:"stopwords,omitempty"`
	K1        float64         `json:"bm25_k1,omitempty"`
	B         float64         `json:"bm25_b,omitempty"`
}

// MarshalJSON writes the options as the parameters of Qdrant's text index, with bm25_k1 and bm25_b of our own.
func (o Options) MarshalJSON() ([]byte, error) {
	w := wire{Tokenizer: o.Tokenizer, MinLen: o.MinLen, MaxLen: o.MaxLen, K1: o.K1, B: o.B}
	if o.KeepCase {
		w.Lowercase = new(bool)
	}
	if o.Stopwords != nil {
		w.Stopwords, _ = json.Marshal(map[string]any{"custom": o.Stopwords})
	}
	return json.Marshal(w)
}

// UnmarshalJSON reads the parameters of Qdrant's text index, of which it passes over those that say how an index is
// kept. Lists of stop words by language, stemmers and folding to ASCII we do not have: they give an error.
func (o *Options) UnmarshalJSON(b []byte) error {
	var w struct {
		wire
		Stemmer *struct {
			Type string `json:"type"`
		} `json:"stemmer"`
		Folding bool `json:"ascii_folding"`
	}
	if err := json.Unmarshal(b, &w); err != nil {
		return fmt.Errorf("text: %w", err)
	}
	if w.Stemmer != nil && w.Stemmer.Type != "none" || w.Folding {
		return fmt.Errorf("text: stemmer and ascii_folding are not supported: leave them out")
	}
	*o = Options{Tokenizer: w.Tokenizer, MinLen: w.MinLen, MaxLen: w.MaxLen, K1: w.K1, B: w.B}
	if w.Lowercase != nil {
		o.KeepCase = !*w.Lowercase
	}
	if len(w.Stopwords) > 0 && string(w.Stopwords) != "null" {
		var set struct {
			Languages []string `json:"languages"`
			Custom    []string `json:"custom"`
		}
		if err := json.Unmarshal(w.Stopwords, &set); err != nil || len(set.Languages) > 0 {
			return fmt.Errorf("text: stopwords of a language are not supported: list the words as {\"custom\": […]}")
		}
		o.Stopwords = set.Custom
	}
	return o.Check()
}
