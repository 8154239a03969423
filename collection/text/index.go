package text

import (
	"encoding/binary"
	"io"
	"maps"
	"math"
	"slices"
	"sync"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/latent-go/latent/artifact"
	"github.com/latent-go/latent/collection/postings"
)

// Index holds which words stand in the texts of which slots, and how often. It may be read from many goroutines at once,
// and written to while no one reads.
type Index struct {
	o      Options
	words  *Tokenizer
	terms  map[string]*postings.List[uint16]
	length []uint32 // by slot: words of its texts

	mu    sync.Mutex // of the cache below: the words of the texts of those slots of live that have any
	live  *roaring.Bitmap
	state uint64
	cache stats
	edits uint64
}

type stats struct{ texts, words float64 }

// New returns an empty index. Options that Check refuses panic.
func New(o Options) *Index {
	return &Index{o: o, words: NewTokenizer(o), terms: make(map[string]*postings.List[uint16])}
}

// Options returns what the index was made with.
func (x *Index) Options() Options { return x.o }

// Tokenizer returns the tokenizer that texts go through.
func (x *Index) Tokenizer() *Tokenizer { return x.words }

// Add indexes the texts of a slot that is not in the index.
func (x *Index) Add(slot uint32, texts ...string) {
	n, counts := x.count(texts)
	if n == 0 {
		return
	}
	x.edits++
	for w, c := range counts {
		l := x.terms[w]
		if l == nil {
			l = new(postings.List[uint16])
			x.terms[w] = l
		}
		l.Put(slot, uint16(min(c, math.MaxUint16)))
	}
	if grow := int(slot) + 1 - len(x.length); grow > 0 {
		x.length = append(x.length, make([]uint32, grow)...)
	}
	x.length[slot] = uint32(n)
}

// Remove takes out a slot that was added with these texts.
func (x *Index) Remove(slot uint32, texts ...string) {
	x.edits++
	_, counts := x.count(texts)
	for w := range counts {
		if l := x.terms[w]; l != nil {
			if l.Remove(slot); len(l.Slots) == 0 {
				delete(x.terms, w)
			}
		}
	}
	if int(slot) < len(x.length) {
		x.length[slot] = 0
	}
}

// Forget takes out slots whatever their texts were, in the time that it takes to read the index once.
func (x *Index) Forget(dead *roaring.Bitmap) {
	x.edits++
	maps.DeleteFunc(x.terms, func(_ string, l *postings.List[uint16]) bool {
		l.Forget(dead)
		return len(l.Slots) == 0
	})
	for i := range x.length {
		if dead.Contains(uint32(i)) {
			x.length[i] = 0
		}
	}
}

func (x *Index) count(texts []string) (n int, counts map[string]int) {
	counts = make(map[string]int)
	for _, s := range texts {
		for _, w := range x.words.Document(s) {
			counts[w]++
			n++
		}
	}
	return n, counts
}

// Slots returns those with a word, as Document gives it. The slice is not to be changed.
func (x *Index) Slots(word string) []uint32 {
	if l := x.terms[word]; l != nil {
		return l.Slots
	}
	return nil
}

// Words is the number of distinct words.
func (x *Index) Words() int { return len(x.terms) }

// Search returns the k slots of keep whose texts fit the query best by BM25, best first, ties by slot; only those with
// one of its words. The statistics are those of the slots of live:
//
//	Σ over words w of the query:  idf(w) · tf·(k1+1) / (tf + k1·(1 − b + b·length/average length))
//	idf(w) = ln(1 + (N − n(w) + ½) / (n(w) + ½))
//
// with N slots that have texts and n(w) with the word. Source: Robertson and Zaragoza 2009, Found. Trends IR 3:333, with
// the idf of Lucene, which is never negative.
func (x *Index) Search(query string, live, keep *roaring.Bitmap, k int) []postings.Hit {
	k1, b := x.o.K1, x.o.B
	if k1 == 0 {
		k1 = 1.2
	}
	if b == 0 {
		b = 0.75
	}
	b = max(b, 0)
	all := x.stats(live)
	average := all.words / all.texts
	var words []string // distinct, in their order, so that sums do not depend on that of a map
	times := make(map[string]float64)
	for _, w := range x.words.Query(query) {
		if times[w]++; times[w] == 1 {
			words = append(words, w)
		}
	}
	var scores postings.Scores
	for _, w := range words {
		l := x.terms[w]
		if l == nil {
			continue
		}
		idf := times[w] * postings.IDF(all.texts, float64(l.Count(live)))
		for i, slot := range l.Slots {
			if keep.Contains(slot) {
				tf := float64(l.Weights[i])
				scores.Add(slot, idf*tf*(k1+1)/(tf+k1*(1-b+b*float64(x.length[slot])/average)))
			}
		}
	}
	return scores.Top(k)
}

// stats counts the texts and words of live, which is not changed afterwards; the answer is kept for the next call.
func (x *Index) stats(live *roaring.Bitmap) stats {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.live == live && x.state == x.edits {
		return x.cache
	}
	var s stats
	for it := live.Iterator(); it.HasNext(); {
		if slot := it.Next(); int(slot) < len(x.length) && x.length[slot] > 0 {
			s.texts++
			s.words += float64(x.length[slot])
		}
	}
	x.live, x.state, x.cache = live, x.edits, s
	return s
}

// kind and version of the artifact that holds an index. Its sections: options, JSON; terms, the bytes of each word after
// its length as a uvarint, in order; counts, of the slots of each; slots and weights, one run for all words; length, by
// slot.
const kind, version = "text", 1

// WriteTo writes the index as an artifact that Read reads.
func (x *Index) WriteTo(w io.Writer) (int64, error) {
	var names []byte
	var lists []*postings.List[uint16]
	for _, t := range slices.Sorted(maps.Keys(x.terms)) {
		names = append(binary.AppendUvarint(names, uint64(len(t))), t...)
		lists = append(lists, x.terms[t])
	}
	sections := []artifact.Section{artifact.JSON("options", x.o), {Name: "terms", Data: names}}
	sections = append(sections, postings.Sections(lists, "weights")...)
	return artifact.Write(w, kind, version, append(sections, artifact.Numbers("length", x.length))...)
}

// Read reads an index that WriteTo wrote. What is no sound index gives *artifact.CorruptError.
func Read(r io.Reader) (*Index, error) { return artifact.Load(r, kind, version, fromFile) }

func fromFile(f *artifact.File) (*Index, error) {
	var o Options
	if err := f.Decode("options", &o); err != nil {
		return nil, err
	}
	x := New(o)
	names, err := f.Raw("terms")
	if err != nil {
		return nil, err
	}
	lists, err := postings.FromFile[uint16](f, "weights")
	if err != nil {
		return nil, err
	}
	length, err := artifact.Slice[uint32](f, "length")
	if err != nil {
		return nil, err
	}
	x.length = slices.Clone(length)
	x.terms = make(map[string]*postings.List[uint16], len(lists))
	for i := range lists {
		n, size := binary.Uvarint(names)
		if size <= 0 || n > uint64(len(names)-size) {
			return nil, f.Reject("word %d of %d is cut short", i, len(lists))
		}
		if s := lists[i].Slots; len(s) > 0 && int(s[len(s)-1]) >= len(length) {
			return nil, f.Reject("word %d has slot %d, of %d", i, s[len(s)-1], len(length))
		}
		x.terms[string(names[size:size+int(n)])] = &lists[i]
		names = names[size+int(n):]
	}
	if len(names) > 0 || len(x.terms) != len(lists) {
		return nil, f.Reject("%d bytes of words are left over, or a word is met twice", len(names))
	}
	return x, nil
}
