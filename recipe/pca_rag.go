package recipe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/latent-go/latent/dataset/catalog"
	"github.com/latent-go/latent/index"
	"github.com/latent-go/latent/index/flat"
	"github.com/latent-go/latent/index/hnsw"
	"github.com/latent-go/latent/model/sentence"
	"github.com/latent-go/latent/neighbors"
	"github.com/latent-go/latent/quantize/scalar"
	"github.com/latent-go/latent/reduce/pca"
	"github.com/latent-go/latent/report"
	"github.com/latent-go/latent/vec"
)

// latent reproduce pca-rag: about 5 minutes on 2 cores.
var pcaRAG = Recipe{
	Name: "pca-rag", Paper: 46, Package: "reduce/pca", Minutes: 5,
	Claim: "Plain PCA shrinks text vectors of 3,072 numbers to 110: the index becomes 28.6 times smaller and brute-force search up to 60 times faster, " +
		"while retrieval and the correlation with human judgements, by any similarity measure, decline moderately.",
	Data: "In place of the paper's commercial encoder, all-MiniLM-L6-v2, a sentence encoder of 384 numbers, reduced by 4, 8 and 16 times. As contrast, two ways without one: of 3,072 numbers, " +
		"hashed words and letter trigrams with TF-IDF weights; and of 100, means of GloVe word vectors with IDF weights. 10,000 WordNet senses, to be found from examples of their use; where they can be had, 11,426 NPL abstracts " +
		"with judged queries and STS-B sentence pairs with human scores. Neighbours alone: 10,000 Fashion-MNIST images of 784 numbers.",
	Run: runPCARAG,
}

type ragScale struct {
	docs, queries int
	dim           int   // of the wide vectors
	dims          []int // to reduce to, falling; the second is the paper's 110
	means         []int // to reduce means of word vectors to
	images        int
	imageDims     []int
	words         *wordMeans        // nil in miniature
	encoder       *sentence.Encoder // nil in miniature, and where its weights cannot be had
	encoded       []int             // to reduce the encoder's vectors to
}

func runPCARAG(ctx context.Context, e *Env) (*Evidence, error) {
	s := ragScale{docs: 10_000, queries: 500, dim: 3072, dims: []int{384, 110, 55}, means: []int{50, 25, 12}, encoded: []int{96, 48, 24}, images: 10_000, imageDims: []int{196, 112, 28, 8}}
	if e.Miniature {
		s = ragScale{docs: 250, queries: 30, dim: 256, dims: []int{48, 24, 8}, images: 250, imageDims: []int{8, 4}}
	} else {
		var err error
		if s.words, err = loadWords(ctx); err != nil {
			return nil, err
		}
	}
	ev := new(Evidence)
	ev.Baseline.Method, ev.Ours.Method = "Gaussian random projection", "PCA"
	sets := map[string]ndcgs{} // by name of the data: over seeds
	dims := map[string][]int{}
	var names []string
	var last *judged
	note := func(a ...any) { ev.Notes = append(ev.Notes, fmt.Sprint(a...)) }
	if !e.Miniature {
		files, err := catalog.Get(ctx, "minilm-l6", catalog.Options{})
		switch {
		case err == nil:
			if s.encoder, err = sentence.Open(files.Dir); err != nil {
				return nil, err
			}
		case unavailable(err):
			note("The weights of the sentence encoder could not be had, so nothing is said of its vectors: ", err)
		default:
			return nil, err
		}
	}
	for i, seed := range e.Seeds {
		var all []*judged
		j, err := s.senses(ctx, e, seed)
		if err != nil {
			return nil, err
		}
		all, last = append(all, j), j
		if i == 0 && !e.Miniature {
			switch j, err := abstracts(ctx); {
			case err == nil:
				all = append(all, j)
			case unavailable(err):
				note("The NPL abstracts could not be had, so nothing is said of them: ", err)
			default:
				return nil, err
			}
		}
		for n, j := range all {
			e.Progress("retrieval from text", i*len(all)+n, len(e.Seeds)*len(all))
			for _, kind := range s.kinds(j.corpus) {
				name := j.name + ", " + kind.name
				got, err := j.retrieve(ctx, s, kind, seed)
				if err != nil {
					return nil, err
				}
				if sets[name] == nil {
					sets[name], dims[name] = ndcgs{}, kind.dims
					names = append(names, name)
				}
				for k, v := range got {
					sets[name][k] = append(sets[name][k], v...)
				}
			}
		}
		first := names[0] // the kind of vector that is nearest to the paper's
		kept := func(method string) float64 {
			return sets[first][way{method, dims[first][1], vec.Cosine}][i] / sets[first][way{"full", 0, vec.Cosine}][i]
		}
		ev.Measure = fmt.Sprintf("share of the full vectors' nDCG@10 (cosine) that %d dimensions keep, %s; higher is better", dims[first][1], first)
		ev.Ours.Values = append(ev.Ours.Values, kept("PCA"))
		ev.Baseline.Values = append(ev.Baseline.Values, kept("random projection"))
	}
	for _, name := range names {
		ev.Tables = append(ev.Tables, s.table("nDCG@10, "+name, sets[name]))
		at := func(method string, dim int) float64 { return mean(sets[name][way{method, dim, vec.Cosine}]) }
		full := at("full", 0)
		ev.Checks = append(ev.Checks,
			AtLeast(fmt.Sprintf("%s: nDCG@10 at %d dimensions over the full one", name, dims[name][1]), at("PCA", dims[name][1])/full, 0.8),
			AtLeast(fmt.Sprintf("%s: nDCG@10 at %d dimensions, PCA less random projection", name, dims[name][1]), at("PCA", dims[name][1])-at("random projection", dims[name][1]), 0),
		)
	}
	if !e.Miniature {
		switch err := s.sentences(ctx, e, ev); {
		case unavailable(err):
			note("The STS benchmark could not be had, so nothing is said of human scores: ", err)
		case err != nil:
			return nil, err
		}
	}
	if err := s.speed(ctx, e, ev, last); err != nil {
		return nil, err
	}
	if err := s.neighbourhoods(ctx, e, ev); err != nil {
		return nil, err
	}
	note("After PCA the lengths of vectors vary, and with them dot products: compare by cosine or distance. Taking the mean off first, as the paper does, costs a little under cosine.")
	note("The claim is about a learned encoder's vectors, whose variance lies in few directions. Hashed words spread theirs over many: there a search for one item by " +
		"its words needs the rare features that PCA drops first, and random projection, which keeps all alike, is ahead; of judged topics (NPL) PCA is.")
	note("Size and speed are of the hashed vectors, which are as wide as the paper's.")
	note(fmt.Sprintf("A scan of the reduced vectors reads %.0f times fewer bytes, which alone does not make 60 times faster, and the map of the query takes time, too. "+
		"The ratio varies with what else the machine does: from 10.7, with a full scan of 2.7 ms, to 23, with one of 11.9 ms.", float64(s.dim)/float64(s.dims[1])))
	note("The answers that a language model gives from what was retrieved, which the paper judges by eye, are left out.")
	return ev, nil
}

func unavailable(err error) bool {
	var none *catalog.SourcesError
	return errors.As(err, &none)
}

// judged is documents and queries, with what is relevant to each query.
type judged struct {
	name            string
	corpus, queries []string
	relevant        []map[uint32]bool
}

// kind is a way to turn texts into unit vectors, and the dimensions to reduce these to.
type kind struct {
	name  string
	embed func(ctx context.Context, texts []string) (vec.Matrix, error)
	dims  []int
}

// kinds are fitted to a corpus.
func (s ragScale) kinds(corpus []string) []kind {
	var out []kind
	if s.encoder != nil {
		out = append(out, kind{"MiniLM", func(ctx context.Context, texts []string) (vec.Matrix, error) {
			return s.encoder.Encode(ctx, texts, sentence.Options{})
		}, s.encoded})
	}
	counted := func(embed func(texts []string) vec.Matrix) func(context.Context, []string) (vec.Matrix, error) {
		return func(_ context.Context, texts []string) (vec.Matrix, error) { return embed(texts), nil }
	}
	out = append(out, kind{"hashed", counted(fitHashed(corpus, s.dim).embed), s.dims})
	if s.words != nil {
		out = append(out, kind{"word means", counted(s.words.fit(corpus)), s.means})
	}
	return out
}

// wordMeans are the vectors of words.
type wordMeans struct {
	number map[string]int
	x      vec.Matrix
}

func loadWords(ctx context.Context) (*wordMeans, error) {
	set, err := catalog.Load(ctx, "glove-100", catalog.Options{})
	if err != nil {
		return nil, err
	}
	w := &wordMeans{number: make(map[string]int, len(set.Words)), x: set.Train}
	for i, word := range set.Words {
		w.number[word] = i
	}
	return w, nil
}

// fit returns what turns texts into means of their words' vectors, weighted by how few texts of the corpus have the word.
func (w *wordMeans) fit(corpus []string) func(texts []string) vec.Matrix {
	in := map[int]float64{}
	for _, t := range corpus {
		seen := map[int]bool{}
		for _, word := range wordsOf(t) {
			if i, ok := w.number[word]; ok && !seen[i] {
				seen[i] = true
				in[i]++
			}
		}
	}
	return func(texts []string) vec.Matrix {
		x := vec.NewMatrix(len(texts), w.x.Cols)
		for i, t := range texts {
			row := x.Row(i)
			for _, word := range wordsOf(t) {
				if n, ok := w.number[word]; ok {
					vec.AddScaled(row, w.x.Row(n), float32(math.Log(float64(1+len(corpus))/(1+in[n]))))
				}
			}
			vec.Normalize(row, row)
		}
		return x
	}
}

// wordsOf splits a text into words in lower case.
func wordsOf(text string) []string {
	return strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}

// hashed turns texts into vectors of dim numbers: words, and the trigrams of their letters, each hashed to a place and a sign,
// with weight √count · ln(n/documents that have the place). The weights are those of the corpus.
type hashed struct {
	dim int
	idf []float32
}

func fitHashed(corpus []string, dim int) *hashed {
	h := &hashed{dim: dim, idf: make([]float32, dim)}
	in := make([]float64, dim)
	for _, t := range corpus {
		for at := range h.counts(t) {
			in[at]++
		}
	}
	for i, n := range in {
		h.idf[i] = float32(math.Log(float64(1+len(corpus)) / (1 + n)))
	}
	return h
}

// counts is the signed number of features of a text at each place.
func (h *hashed) counts(text string) map[int]float32 {
	out := map[int]float32{}
	add := func(feature string) {
		f := fnv.New64a()
		f.Write([]byte(feature))
		v := f.Sum64()
		sign := float32(1)
		if v>>63 == 1 {
			sign = -1
		}
		out[int(v%(1<<32)%uint64(h.dim))] += sign
	}
	for _, w := range wordsOf(text) {
		add(w)
		letters := "#" + w + "#"
		for i := 0; i+3 <= len(letters); i++ {
			add(letters[i:i+3] + "~")
		}
	}
	return out
}

func (h *hashed) embed(texts []string) vec.Matrix {
	x := vec.NewMatrix(len(texts), h.dim)
	for i, t := range texts {
		row := x.Row(i)
		for at, n := range h.counts(t) {
			root := float32(math.Sqrt(math.Abs(float64(n))))
			if n < 0 {
				root = -root
			}
			row[at] = root * h.idf[at]
		}
		vec.Normalize(row, row)
	}
	return x
}

// senses are WordNet's, to be found from examples of their use; in miniature, made-up texts.
func (s ragScale) senses(ctx context.Context, e *Env, seed uint64) (*judged, error) {
	rng := rand.New(rand.NewPCG(seed, 0x72616700))
	var docs, uses []string // uses[i] is "" where a sense has no example
	if e.Miniature {
		docs, uses = madeUp(rng, s.docs)
	} else {
		var err error
		if docs, uses, err = wordNet(ctx); err != nil {
			return nil, err
		}
	}
	order := rng.Perm(len(docs))[:s.docs]
	j := &judged{name: "WordNet"}
	for at, i := range order {
		j.corpus = append(j.corpus, docs[i])
		if uses[i] != "" && len(j.queries) < s.queries {
			j.queries = append(j.queries, uses[i])
			j.relevant = append(j.relevant, map[uint32]bool{uint32(at): true})
		}
	}
	if len(j.queries) < s.queries {
		return nil, fmt.Errorf("WordNet: %d of %d senses have examples, want %d", len(j.queries), len(j.corpus), s.queries)
	}
	return j, nil
}

// madeUp is n texts of made-up words, and a few of the words of each.
func madeUp(rng *rand.Rand, n int) (docs, uses []string) {
	for range n {
		var words []string
		for range 12 {
			words = append(words, "w"+strconv.Itoa(int(math.Pow(400, rng.Float64()))))
		}
		docs, uses = append(docs, strings.Join(words, " ")), append(uses, strings.Join(words[:5], " "))
	}
	return docs, uses
}

// wordNet returns the senses as words and definition, and an example of the use of each, "" where there is none.
func wordNet(ctx context.Context) (docs, uses []string, err error) {
	err = wordNetSenses(ctx, func(_ string, words []string, gloss string) {
		definition, examples, _ := strings.Cut(gloss, `"`)
		example, _, _ := strings.Cut(examples, `"`)
		if strings.Count(example, " ") < 3 {
			example = ""
		}
		docs, uses = append(docs, strings.ReplaceAll(strings.Join(words, " "), "_", " ")+" "+definition), append(uses, example)
	})
	return docs, uses, err
}

// abstracts are those of the NPL collection, with its queries and judgements.
func abstracts(ctx context.Context) (*judged, error) {
	d, err := catalog.Get(ctx, "npl", catalog.Options{})
	if err != nil {
		return nil, err
	}
	var files [3][]nplText
	for i, name := range []string{"doc-text", "query-text", "rlv-ass"} {
		if files[i], err = nplTexts(d.Path(name)); err != nil {
			return nil, err
		}
	}
	return newNPL(files[0], files[1], files[2])
}

// newNPL finds the texts that judgements, one a query, name by their numbers.
func newNPL(docs, queries, judgements []nplText) (*judged, error) {
	j := &judged{name: "NPL"}
	at := make(map[string]uint32, len(docs))
	for i, t := range docs {
		j.corpus, at[strconv.Itoa(t.number)] = append(j.corpus, t.text), uint32(i)
	}
	if len(judgements) != len(queries) {
		return nil, fmt.Errorf("npl: %d judgements for %d queries", len(judgements), len(queries))
	}
	for i, q := range queries {
		if judgements[i].number != q.number {
			return nil, fmt.Errorf("npl: a judgement of query %d where that of %d should be", judgements[i].number, q.number)
		}
		want := map[uint32]bool{}
		for _, f := range strings.Fields(judgements[i].text) {
			doc, ok := at[f]
			if !ok {
				return nil, fmt.Errorf("npl: judgement %q names no document of %d", f, len(docs))
			}
			want[doc] = true
		}
		j.queries, j.relevant = append(j.queries, q.text), append(j.relevant, want)
	}
	return j, nil
}

// way is a map to dim dimensions and a measure of likeness there.
type way struct {
	method string
	dim    int // 0 for all of them
	metric vec.Metric
}

func newWay(method string, dim int, m vec.Metric) way {
	if method == "full" {
		dim = 0
	}
	return way{method, dim, m}
}

// ndcgs are figures by way, one for each seed.
type ndcgs map[way][]float64

var ragMetrics = []vec.Metric{vec.Cosine, vec.InnerProduct, vec.Euclidean, vec.Manhattan}

// views calls f with x and y mapped in each way: as they are, by PCA with and without the mean taken off, by random directions. Maps
// are fitted to x.
func (s ragScale) views(ctx context.Context, x, y vec.Matrix, dims []int, seed uint64, f func(method string, x, y vec.Matrix) error) error {
	if err := f("full", x, y); err != nil {
		return err
	}
	for _, method := range []string{"PCA", "PCA, centred", "random projection"} {
		var px, py vec.Matrix
		if method == "random projection" {
			r := gaussian(dims[0], x.Cols, seed)
			px, py = vec.MulT(vec.Matrix{}, x, r), vec.MulT(vec.Matrix{}, y, r)
		} else {
			o := pca.Options{Components: dims[0], Uncentered: method == "PCA", Seed: seed}
			if x.Cols > 2048 {
				o.Solver = pca.Randomized
			}
			m, err := pca.Fit(ctx, x, o)
			if err != nil {
				return err
			}
			px, py = m.Apply(vec.Matrix{}, x), m.Apply(vec.Matrix{}, y)
		}
		for _, k := range dims {
			if err := f(method, prefix(px, k), prefix(py, k)); err != nil {
				return err
			}
		}
	}
	return nil
}

func gaussian(rows, cols int, seed uint64) vec.Matrix {
	rng := rand.New(rand.NewPCG(seed, 0x67617573))
	m := vec.NewMatrix(rows, cols)
	for i := range m.Data {
		m.Data[i] = float32(rng.NormFloat64())
	}
	return m
}

// prefix copies the first k columns of x.
func prefix(x vec.Matrix, k int) vec.Matrix {
	out := vec.NewMatrix(x.Rows, k)
	for i := range x.Rows {
		copy(out.Row(i), x.Row(i))
	}
	return out
}

func (j *judged) retrieve(ctx context.Context, s ragScale, k kind, seed uint64) (ndcgs, error) {
	docs, err := k.embed(ctx, j.corpus)
	if err != nil {
		return nil, err
	}
	queries, err := k.embed(ctx, j.queries)
	if err != nil {
		return nil, err
	}
	out := ndcgs{}
	err = s.views(ctx, docs, queries, k.dims, seed, func(method string, docs, queries vec.Matrix) error {
		for _, m := range ragMetrics {
			t, err := neighbors.Exact(ctx, queries, docs, neighbors.Options{K: 10, Metric: m})
			if err != nil {
				return err
			}
			var sum float64
			for q, want := range j.relevant {
				ids, _ := t.Row(q)
				sum += ndcg(ids, want)
			}
			w := newWay(method, docs.Cols, m)
			out[w] = append(out[w], sum/float64(len(j.relevant)))
		}
		return nil
	})
	return out, err
}

// ndcg is the discounted gain of a ranking over the best there could be of its length.
func ndcg(ids []uint32, relevant map[uint32]bool) float64 {
	var got, best float64
	for i, id := range ids {
		gain := 1 / math.Log2(float64(i)+2)
		if relevant[id] {
			got += gain
		}
		if i < len(relevant) {
			best += gain
		}
	}
	return got / best
}

func (s ragScale) table(title string, figures ndcgs) NamedTable {
	t := NamedTable{Title: title}
	t.Head, t.Left = []string{"map", "dimensions"}, 1
	for _, m := range ragMetrics {
		t.Head = append(t.Head, m.String())
	}
	var rows []way
	for w := range figures {
		if w.metric == vec.Cosine {
			rows = append(rows, w)
		}
	}
	slices.SortFunc(rows, func(a, b way) int {
		return cmp.Or(cmp.Compare(uint(b.dim-1), uint(a.dim-1)), cmp.Compare(a.method, b.method))
	})
	for _, w := range rows {
		dim := fmt.Sprint(w.dim)
		if w.dim == 0 {
			dim = "all"
		}
		row := []string{w.method, dim}
		for _, m := range ragMetrics {
			row = append(row, figure(figures[way{w.method, w.dim, m}]))
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// sentences measures the correlation with human scores.
func (s ragScale) sentences(ctx context.Context, e *Env, ev *Evidence) error {
	d, err := catalog.Get(ctx, "sts-b", catalog.Options{})
	if err != nil {
		return err
	}
	e.Progress("human scores", 0, 1)
	fit, _, _, err := stsPairs(d.Path("sts-train.csv"))
	if err != nil {
		return err
	}
	left, right, scores, err := stsPairs(d.Path("sts-test.csv"))
	if err != nil {
		return err
	}
	for _, k := range s.kinds(fit) {
		x, err := k.embed(ctx, fit)
		if err != nil {
			return err
		}
		pairs, err := k.embed(ctx, append(slices.Clone(left), right...))
		if err != nil {
			return err
		}
		got := ndcgs{}
		for _, seed := range e.Seeds {
			err := s.views(ctx, x, pairs, k.dims, seed, func(method string, _, y vec.Matrix) error {
				for _, m := range ragMetrics {
					likeness := make([]float64, len(scores))
					for i := range likeness {
						likeness[i] = -float64(m.Distance(y.Row(i), y.Row(len(scores)+i)))
					}
					w := newWay(method, y.Cols, m)
					got[w] = append(got[w], spearman(likeness, scores))
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
		ev.Tables = append(ev.Tables, s.table("Spearman correlation with human scores, STS-B test pairs, "+k.name, got))
		for _, m := range []vec.Metric{vec.Cosine, vec.Euclidean, vec.Manhattan} {
			ev.Checks = append(ev.Checks, AtLeast(fmt.Sprintf("STS-B, %s: correlation with human scores at %d dimensions over that of the full cosine, by %s", k.name, k.dims[1], m),
				mean(got[way{"PCA", k.dims[1], m}])/mean(got[way{"full", 0, vec.Cosine}]), 0.8))
		}
	}
	return nil
}

// stsPairs reads sentences and how alike people find them, 0 to 5.
func stsPairs(path string) (left, right []string, scores []float64, err error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, nil, err
	}
	for line := range strings.Lines(string(b)) {
		f := strings.Split(strings.TrimSpace(line), "\t")
		if len(f) < 7 {
			continue
		}
		v, err := strconv.ParseFloat(f[4], 64)
		if err != nil {
			return nil, nil, nil, fmt.Errorf("%s: score %q: %w", path, f[4], err)
		}
		left, right, scores = append(left, f[5]), append(right, f[6]), append(scores, v)
	}
	return left, right, scores, nil
}

// speed times searches of full and reduced vectors in turns, the map of the query included.
func (s ragScale) speed(ctx context.Context, e *Env, ev *Evidence, j *judged) error {
	e.Progress("size and speed", 0, 1)
	k, h := s.dims[1], fitHashed(j.corpus, s.dim)
	docs, queries := h.embed(j.corpus), h.embed(j.queries)
	o := pca.Options{Components: k, Uncentered: true}
	if s.dim > 2048 {
		o.Solver = pca.Randomized
	}
	m, err := pca.Fit(ctx, docs, o)
	if err != nil {
		return err
	}
	reduced := m.Apply(vec.Matrix{}, docs)
	type pair struct{ full, small index.Index }
	pairs := map[string]pair{}
	for _, kind := range []string{"flat", "hnsw"} {
		var p pair
		for _, target := range []struct {
			ix *index.Index
			x  vec.Matrix
		}{{&p.full, docs}, {&p.small, reduced}} {
			*target.ix = flat.New(scalar.Float32(target.x.Cols), vec.Cosine)
			if kind == "hnsw" {
				if *target.ix, err = hnsw.New(scalar.Float32(target.x.Cols), hnsw.Options{Metric: vec.Cosine, EfConstruction: 100}); err != nil {
					return err
				}
			}
			if err := (*target.ix).Add(ctx, nil, target.x); err != nil {
				return err
			}
		}
		pairs[kind] = p
		e.Progress("size and speed", len(pairs), 3)
	}
	t := NamedTable{Title: fmt.Sprintf("Size and time of a search, %d WordNet senses, cosine, k 10", docs.Rows)}
	t.Head, t.Left = []string{"index", "bytes a vector, full", "reduced", "ratio", "µs a query, full", "reduced", "times faster"}, 1
	for _, kind := range []string{"flat", "hnsw"} {
		p := pairs[kind]
		var full, small []float64
		y := vec.NewMatrix(1, k)
		for i := range queries.Rows {
			v := queries.Slice(i, i+1)
			begin := time.Now()
			if _, err := p.full.Search(ctx, v.Data, index.Query{K: 10}); err != nil {
				return err
			}
			between := time.Now()
			m.Apply(y, v)
			if _, err := p.small.Search(ctx, y.Data, index.Query{K: 10}); err != nil {
				return err
			}
			full, small = append(full, float64(between.Sub(begin).Nanoseconds())/1e3), append(small, float64(time.Since(between).Nanoseconds())/1e3)
		}
		slices.Sort(full)
		slices.Sort(small)
		a, b := full[len(full)/2], small[len(small)/2] // medians: others use the machine, too
		n := float64(docs.Rows)
		bytes, fewer := float64(p.full.SizeBytes())/n, float64(p.small.SizeBytes())/n
		t.Rows = append(t.Rows, []string{kind, fmt.Sprintf("%.0f", bytes), fmt.Sprintf("%.0f", fewer), fmt.Sprintf("%.1f", bytes/fewer),
			fmt.Sprintf("%.0f", a), fmt.Sprintf("%.0f", b), fmt.Sprintf("%.1f", a/b)})
		if kind == "flat" {
			ev.Checks = append(ev.Checks,
				AtLeast("bytes of the flat index, full over reduced (IDs included)", bytes/fewer, 0.95*float64(s.dim)/float64(k)),
				AtLeast("time of an exact search, full over reduced, the map of the query included (the paper: up to 60)", a/b, 60))
		}
	}
	ev.Tables = append(ev.Tables, t)
	return nil
}

// neighbourhoods measures how many of the neighbours in the full space each map keeps.
func (s ragScale) neighbourhoods(ctx context.Context, e *Env, ev *Evidence) error {
	recall := map[string]map[int][]float64{}
	for i, seed := range e.Seeds {
		e.Progress("neighbours of images", i, len(e.Seeds))
		x := gaussian(s.images+50, 32, seed)
		if !e.Miniature {
			set, err := catalog.Load(ctx, "fashion-mnist", catalog.Options{})
			if err != nil {
				return err
			}
			x = set.Train.Gather(rand.New(rand.NewPCG(seed, 0x696d6700)).Perm(set.Train.Rows)[:s.images+300])
		} else {
			for r := range x.Rows { // variance that falls, for PCA to find
				for c := range x.Cols {
					x.Row(r)[c] /= float32(c + 1)
				}
			}
		}
		x = unitRows(x)
		docs, queries := x.Slice(0, s.images), x.Slice(s.images, x.Rows)
		truth, err := neighbors.Exact(ctx, queries, docs, neighbors.Options{K: 10, Metric: vec.Cosine})
		if err != nil {
			return err
		}
		err = s.views(ctx, docs, queries, s.imageDims, seed, func(method string, docs, queries vec.Matrix) error {
			t, err := neighbors.Exact(ctx, queries, docs, neighbors.Options{K: 10, Metric: vec.Cosine})
			if err != nil {
				return err
			}
			found := 0
			for q := range queries.Rows {
				want, _ := truth.Row(q)
				got, _ := t.Row(q)
				for _, id := range got {
					if slices.Contains(want, id) {
						found++
					}
				}
			}
			if recall[method] == nil {
				recall[method] = map[int][]float64{}
			}
			recall[method][docs.Cols] = append(recall[method][docs.Cols], float64(found)/float64(10*queries.Rows))
			return nil
		})
		if err != nil {
			return err
		}
	}
	t := NamedTable{Title: "Recall@10 of the full cosine's neighbours, Fashion-MNIST"}
	methods := []string{"PCA", "PCA, centred", "random projection"}
	t.Head = append([]string{"dimensions"}, methods...)
	lines := report.Lines{Title: "Neighbours kept, Fashion-MNIST", X: "dimensions kept", Y: "recall@10, cosine", LogX: true}
	least, fall := math.Inf(1), math.Inf(-1)
	for i, k := range s.imageDims {
		row := []string{fmt.Sprint(k)}
		for _, m := range methods {
			row = append(row, figure(recall[m][k]))
		}
		t.Rows = append(t.Rows, row)
		least = min(least, mean(recall["PCA"][k])-mean(recall["random projection"][k]))
		if i > 0 {
			fall = max(fall, mean(recall["PCA"][k])-mean(recall["PCA"][s.imageDims[i-1]]))
		}
	}
	for _, m := range methods {
		line := report.Series{Name: m}
		for _, k := range slices.Backward(s.imageDims) {
			line.X, line.Y = append(line.X, float64(k)), append(line.Y, mean(recall[m][k]))
		}
		lines.Series = append(lines.Series, line)
	}
	ev.Tables, ev.Charts = append(ev.Tables, t), append(ev.Charts, lines)
	ev.Checks = append(ev.Checks,
		AtLeast("recall@10 of full neighbours, PCA less random projection, least over dimensions, Fashion-MNIST", least, 0.05),
		AtMost("most that recall rises where dimensions become fewer", fall, 0))
	return nil
}
