package encoder

import (
	"cmp"
	"hash/fnv"
	"slices"
	"strings"
	"unicode"

	"github.com/latent-go/latent/vec"
)

// Vocabulary numbers words: 0 is none, 1 the mark of a hidden word, then frequent words, then buckets that rare words
// share. It is immutable, and safe for concurrent use.
type Vocabulary struct {
	of      map[string]int
	buckets int
}

// Mark stands for a hidden word.
const Mark = 1

const firstWord = 2

// NewVocabulary takes the most frequent words of texts, so many at most, and so many buckets, at least 1, for the others.
func NewVocabulary(texts []string, words, buckets int) *Vocabulary {
	count := map[string]int{}
	for _, t := range texts {
		for _, w := range split(t) {
			count[w]++
		}
	}
	all := make([]string, 0, len(count))
	for w := range count {
		all = append(all, w)
	}
	slices.SortFunc(all, func(a, b string) int { return cmp.Or(cmp.Compare(count[b], count[a]), strings.Compare(a, b)) })
	v := &Vocabulary{map[string]int{}, max(buckets, 1)}
	for i, w := range all[:min(len(all), words)] {
		v.of[w] = firstWord + i
	}
	return v
}

// Size is one more than the largest number.
func (v *Vocabulary) Size() int { return firstWord + len(v.of) + v.buckets }

// Tokens are the numbers of the first words of texts, a row each, 0 past the end.
func (v *Vocabulary) Tokens(texts []string, length int) vec.Matrix {
	m := vec.NewMatrix(len(texts), length)
	for i, t := range texts {
		words := split(t)
		for j, w := range words[:min(len(words), length)] {
			n, ok := v.of[w]
			if !ok {
				h := fnv.New32a()
				h.Write([]byte(w))
				n = firstWord + len(v.of) + int(h.Sum32()%uint32(v.buckets))
			}
			m.Row(i)[j] = float32(n)
		}
	}
	return m
}

// split cuts a text into words and numbers, in lower case.
func split(text string) []string {
	return strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}
