package muvera

import (
	"bytes"
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/latent-go/latent/artifact"
	"github.com/latent-go/latent/index"
	"github.com/latent-go/latent/index/flat"
	"github.com/latent-go/latent/quantize"
	"github.com/latent-go/latent/quantize/scalar"
	"github.com/latent-go/latent/vec"
)

// ragged returns n documents of 1 to 20 tokens.
func ragged(r *rand.Rand, n, d int) (vec.Matrix, []int) {
	offsets := []int{0}
	for range n {
		offsets = append(offsets, offsets[len(offsets)-1]+1+r.IntN(20))
	}
	return units(r, offsets[n], d), offsets
}

func TestScores(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	x, offsets := ragged(r, 60, 33)
	c8, err := scalar.FitInt8(x, scalar.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []quantize.Codec{nil, scalar.Float16(33), c8} {
		docs, err := NewDocuments(x, offsets, c)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range []int{1, 3, decodeFrom - 1, decodeFrom, 40} { // both ways of scoring codes
			q := units(r, n, 33)
			ids := []uint32{5, 0, 59, 5}
			got, err := docs.Scores(nil, q, ids)
			if err != nil {
				t.Fatal(err)
			}
			for i, id := range ids {
				p := docs.Document(vec.Matrix{}, int(id)) // as its code decodes
				want := chamfer64(q, p)
				if !(math.Abs(float64(got[i])-want) <= 1e-5*float64(n)) {
					t.Errorf("codec %v, %d tokens: document %d scores %v, want %v", c, n, id, got[i], want)
				}
				if c == nil && got[i] != Chamfer(q, p) {
					t.Errorf("Chamfer and Scores differ")
				}
			}
		}
		if _, err := docs.Scores(nil, units(r, 1, 33), []uint32{60}); !errors.Is(err, index.ErrID) {
			t.Errorf("document 60 of 60: %v", err)
		}
	}
}

func TestBallCarve(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	q := units(r, 32, 8)
	sum := func(x vec.Matrix) []float32 {
		s := make([]float32, x.Cols)
		for i := range x.Rows {
			add(s, x.Row(i))
		}
		return s
	}
	last := 33
	for _, tau := range []float64{1.1, 0.7, 0.4, 0, -1.1} {
		c := BallCarve(q, tau)
		near(t, "the sum stays", sum(c), sum(q), 1e-5)
		if c.Rows > last || c.Check() != nil {
			t.Errorf("tau %v: %d rows after %d (%v)", tau, c.Rows, last, c.Check())
		}
		last = c.Rows
		if tau > 1 && !slices.Equal(c.Data, q.Data) {
			t.Error("tau above 1 changes the query")
		}
	}
	if last != 1 {
		t.Errorf("tau below -1 leaves %d rows", last)
	}
	if c := BallCarve(vec.Matrix{Cols: 3}, 0.5); c.Rows != 0 {
		t.Error("no rows become some")
	}
}

func TestSearch(t *testing.T) {
	ctx := context.Background()
	r := rand.New(rand.NewPCG(3, 4))
	x, offsets := ragged(r, 300, 16)
	docs, err := NewDocuments(x, offsets, nil)
	if err != nil {
		t.Fatal(err)
	}
	done := 0
	ix, err := Build(ctx, docs, BuildOptions{Options: Options{Repetitions: 5, Bits: 3, Seed: 1}, Progress: func(n, total int) {
		if n <= done || total != 300 {
			t.Errorf("progress %d of %d after %d", n, total, done)
		}
		done = n
	}})
	if err != nil || done != 300 {
		t.Fatal(err, done)
	}
	for range 20 {
		q := units(r, 1+r.IntN(30), 16)
		want, err := docs.Search(ctx, q, 10, nil)
		if err != nil {
			t.Fatal(err)
		}
		brute := vec.NewTopK(10)
		for i := range docs.Len() {
			brute.Push(-Chamfer(q, docs.Document(vec.Matrix{}, i)), uint32(i))
		}
		if !slices.Equal(want.Hits, hitsOf(brute)) || want.Scored != 300 {
			t.Fatalf("exact search: %v, want %v", want, hitsOf(brute))
		}
		// With all as candidates the index is exact, too.
		got, err := ix.Search(ctx, q, Query{K: 10, Candidates: 1000})
		if err != nil || !slices.Equal(got.Hits, want.Hits) || got.Scored != 300 {
			t.Fatalf("all candidates: %v (%v), want %v", got, err, want)
		}
		even := func(id uint32) bool { return id%2 == 0 }
		got, err = ix.Search(ctx, q, Query{K: 400, Keep: even})
		if err != nil || len(got.Hits) != 150 {
			t.Fatalf("more than there are: %d hits (%v), want 150", len(got.Hits), err)
		}
		kept, err := docs.Search(ctx, q, 400, even)
		if err != nil || !slices.Equal(kept.Hits, got.Hits) {
			t.Fatalf("kept: %v", err)
		}
		if got, err = ix.Search(ctx, q, Query{K: 3, Candidates: 1}); err != nil || len(got.Hits) != 3 || got.Scored != 3 {
			t.Fatalf("fewer candidates than K: %v %v", got, err)
		}
		if got, err = ix.Search(ctx, q, Query{K: 3, Carve: 1.5}); err != nil || got.Scored != 100 {
			t.Fatalf("carve: %v %v", got, err)
		}
	}
	q := units(r, 2, 16)
	for _, bad := range []Query{{}, {K: -1}, {K: 1, Candidates: -1}} {
		if _, err := ix.Search(ctx, q, bad); !errors.Is(err, index.ErrQuery) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	if _, err := ix.Search(ctx, q, Query{K: 1, Carve: math.NaN()}); !errors.Is(err, vec.ErrNotFinite) {
		t.Errorf("NaN: %v", err)
	}
	if _, err := docs.Search(ctx, q, 0, nil); !errors.Is(err, index.ErrQuery) {
		t.Errorf("exact: %v", err)
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := docs.Search(ended, q, 1, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("ended: %v", err)
	}
	if _, err := Build(ended, docs, BuildOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("ended: %v", err)
	}
}

// TestScoresPastFloat32 has tokens whose products overflow: to find nothing would be to hide it.
func TestScoresPastFloat32(t *testing.T) {
	x, offsets := ragged(rand.New(rand.NewPCG(8, 8)), 20, 6)
	for _, scale := range []float32{1e20, 1e25, 1e33} {
		large := x.Clone()
		for i := range large.Data {
			large.Data[i] *= scale
		}
		for _, c := range []quantize.Codec{nil, scalar.Float32(6)} {
			docs, err := NewDocuments(large, offsets, c)
			if err != nil {
				t.Fatal(err)
			}
			for _, n := range []int{1, 3, decodeFrom + 1} { // by codes, and decoded
				q := large.Slice(0, n)
				if got, err := docs.Search(t.Context(), q, 3, nil); !errors.Is(err, vec.ErrNotFinite) {
					t.Errorf("exact, at %g: %v, %v", scale, got, err)
				}
				if got, err := docs.Scores(nil, q, []uint32{0}); !errors.Is(err, vec.ErrNotFinite) {
					t.Errorf("scores, at %g: %v, %v", scale, got, err)
				}
				ix, err := Build(t.Context(), docs, BuildOptions{})
				if err != nil {
					t.Fatal(err)
				}
				if got, err := ix.Search(t.Context(), q, Query{K: 3}); !errors.Is(err, vec.ErrNotFinite) {
					t.Errorf("search, at %g: %v, %v", scale, got, err)
				}
				tiny := q.Clone() // scores fit
				for i := range tiny.Data {
					tiny.Data[i] /= scale
				}
				if got, err := ix.Search(t.Context(), tiny, Query{K: 3}); err != nil || len(got.Hits) != 3 {
					t.Errorf("a query of usual length, at %g: %v, %v", scale, got, err)
				}
			}
		}
	}
}

func TestBadParts(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	x, offsets := ragged(r, 10, 6)
	n := x.Rows
	nan := x.Clone()
	nan.Data[3] = float32(math.Inf(1))
	for _, c := range []struct {
		x       vec.Matrix
		offsets []int
		codec   quantize.Codec
		want    error
	}{
		{x, nil, nil, vec.ErrTooFew}, {x, []int{0}, nil, vec.ErrTooFew}, {x, []int{0, 3, 3, n}, nil, vec.ErrTooFew},
		{x, []int{0, 5, 3, n}, nil, vec.ErrDim}, {x, []int{1, n}, nil, vec.ErrDim}, {x, []int{0, n - 1}, nil, vec.ErrDim},
		{x, []int{0, n + 5, n}, nil, vec.ErrDim}, {nan, offsets, nil, vec.ErrNotFinite}, {x, offsets, scalar.Float16(7), vec.ErrDim},
		{vec.Matrix{Rows: n}, offsets, nil, vec.ErrDim},
	} {
		if _, err := NewDocuments(c.x, c.offsets, c.codec); !errors.Is(err, c.want) {
			t.Errorf("offsets %v: %v, want %v", c.offsets, err, c.want)
		}
	}
	docs, err := NewDocuments(x, offsets, nil)
	if err != nil {
		t.Fatal(err)
	}
	enc := mustNew(t, 6, Options{Repetitions: 2})
	ix := func(dim, n int, m vec.Metric) index.Index {
		ix := flat.New(scalar.Float32(dim), m)
		if err := ix.Add(context.Background(), nil, units(r, n, dim)); err != nil {
			t.Fatal(err)
		}
		return ix
	}
	for _, c := range []struct {
		enc  *Encoder
		near index.Index
		want error
	}{{mustNew(t, 7, Options{}), ix(enc.Dim(), 10, vec.InnerProduct), vec.ErrDim}, {enc, ix(5, 10, vec.InnerProduct), vec.ErrDim},
		{enc, ix(enc.Dim(), 9, vec.InnerProduct), index.ErrID}, {enc, ix(enc.Dim(), 10, vec.Cosine), index.ErrQuery}} {
		if _, err := NewIndex(c.enc, c.near, docs); !errors.Is(err, c.want) {
			t.Errorf("%v, want %v", err, c.want)
		}
	}
	wrong := flat.New(scalar.Float32(enc.Dim()), vec.InnerProduct) // IDs that are no documents
	if err := wrong.Add(context.Background(), []uint32{0, 1, 2, 3, 4, 5, 6, 7, 8, 100}, units(r, 10, enc.Dim())); err != nil {
		t.Fatal(err)
	}
	m, err := NewIndex(enc, wrong, docs)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Search(context.Background(), units(r, 2, 6), Query{K: 10}); !errors.Is(err, index.ErrID) {
		t.Errorf("an ID that is no document: %v", err)
	}
	if _, err := mustNew(t, 7, Options{}).EncodeDocuments(context.Background(), docs, nil); !errors.Is(err, vec.ErrDim) {
		t.Error(err)
	}
}

func TestSaveOpen(t *testing.T) {
	ctx := context.Background()
	r := rand.New(rand.NewPCG(7, 8))
	x, offsets := ragged(r, 50, 12)
	labels := make([]string, 50)
	for i := range labels {
		labels[i] = string(rune('a'+i%26)) + "/<é>"
	}
	for _, c := range []quantize.Codec{nil, scalar.Float16(12)} {
		docs, err := NewDocuments(x, offsets, c)
		if err != nil {
			t.Fatal(err)
		}
		ix, err := Build(ctx, docs, BuildOptions{Options: Options{Repetitions: 3, Bits: 3, Final: 40, FinalKind: CountSketch, Seed: 9}})
		if err != nil {
			t.Fatal(err)
		}
		dir := filepath.Join(t.TempDir(), "multi")
		if err := ix.Save(ctx, dir, labels, false); err != nil {
			t.Fatal(err)
		}
		if err := ix.Save(ctx, dir, labels, false); !errors.Is(err, os.ErrExist) {
			t.Errorf("saved over an index: %v", err)
		}
		if err := ix.Save(ctx, dir, labels, true); err != nil {
			t.Errorf("replace: %v", err)
		}
		if err := ix.Save(ctx, dir, labels[1:], true); !errors.Is(err, index.ErrID) {
			t.Errorf("too few labels: %v", err)
		}
		if left, _ := filepath.Glob(filepath.Join(filepath.Dir(dir), ".*")); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
		f, err := Open(dir, nil)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(f.Labels, labels) || f.Manifest.Documents != 50 || f.Encoder().Options() != ix.Encoder().Options() {
			t.Errorf("opened %+v", f.Manifest)
		}
		q := units(r, 5, 12)
		want, err := ix.Search(ctx, q, Query{K: 7, Candidates: 20})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := f.Search(ctx, q, Query{K: 7, Candidates: 20}); err != nil || !slices.Equal(got.Hits, want.Hits) {
			t.Errorf("opened: %v (%v), want %v", got, err, want)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		for _, name := range []string{ManifestFile, tokensFile, nearFile, labelsFile} {
			damage(t, filepath.Join(dir, name), func() error { _, err := Open(dir, nil); return err })
		}
	}
	other := t.TempDir()
	if err := os.WriteFile(filepath.Join(other, "thesis"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	docs, _ := NewDocuments(x, offsets, nil)
	ix, _ := Build(ctx, docs, BuildOptions{Options: Options{Repetitions: 1}})
	if err := ix.Save(ctx, other, nil, true); !errors.Is(err, os.ErrExist) {
		t.Errorf("saved over other files: %v", err)
	}
	if _, err := Open(other, nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("opened other files: %v", err)
	}
}

// damage cuts a file short, and opening must fail.
func damage(t *testing.T, path string, open func() error) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b[:len(b)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	if open() == nil {
		t.Errorf("%s cut short opens", filepath.Base(path))
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := open(); err != nil {
		t.Errorf("%s mended: %v", filepath.Base(path), err)
	}
}

// FuzzDocuments says that bytes either make sound documents or an error. Checksums keep nearly all out, so sections are
// what is made up.
func FuzzDocuments(f *testing.F) {
	f.Add([]byte(`{"dim":2,"documents":1,"coded":false}`), []byte{0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0}, make([]byte, 8))
	f.Add([]byte(`{"dim":2,"documents":1,"coded":true}`), []byte{0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0}, make([]byte, 8))
	f.Add([]byte(`{"dim":0,"documents":-1}`), []byte{255, 0, 0, 0, 0, 0, 0, 255}, []byte{1})
	var codec bytes.Buffer
	if _, err := scalar.Float16(2).WriteTo(&codec); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, meta, offsets, tokens []byte) {
		var b bytes.Buffer
		if _, err := artifact.Write(&b, kind, version, artifact.Section{Name: "meta", Data: meta}, artifact.Section{Name: "offsets", Data: offsets},
			artifact.Section{Name: "tokens", Data: tokens}, artifact.Section{Name: "codes", Data: tokens}, artifact.Section{Name: "codec", Data: codec.Bytes()}); err != nil {
			t.Fatal(err)
		}
		file, err := artifact.Read(&b, kind, version)
		if err != nil {
			t.Fatal(err)
		}
		d, err := documentsFrom(file)
		if err != nil {
			return
		}
		for i := range d.Len() {
			if p := d.Document(vec.Matrix{}, i); p.Rows < 1 || p.Cols != d.Dim() {
				t.Fatalf("document %d has %d tokens of %d", i, p.Rows, p.Cols)
			}
		}
	})
}

// TestProductQuantised keeps encodings in a byte for 8 dimensions, as the paper does, and finds nearly what a byte for each finds.
func TestProductQuantised(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 8))
	tokens, offsets := ragged(r, 600, 16)
	docs, err := NewDocuments(tokens, offsets, nil)
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Repetitions: 8, Bits: 3, Inner: 16, Seed: 1}
	plain, err := Build(t.Context(), docs, BuildOptions{Options: o})
	if err != nil {
		t.Fatal(err)
	}
	pq, err := Build(t.Context(), docs, BuildOptions{Options: o, PQ: 8})
	if err != nil {
		t.Fatal(err)
	}
	if less := plain.SizeBytes() - pq.SizeBytes(); less != int64(600*(8*8*16)*7/8) {
		t.Errorf("%d bytes less, want seven of eight for each of 600×%d", less, 8*8*16)
	}
	dir := filepath.Join(t.TempDir(), "index")
	if err := pq.Save(t.Context(), dir, nil, false); err != nil {
		t.Fatal(err)
	}
	folder, err := Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	var byPlain, byPQ int
	for range 40 {
		q := vec.NewMatrix(4, 16)
		for j := range q.Data {
			q.Data[j] = float32(r.NormFloat64())
		}
		want, err := docs.Search(t.Context(), q, 1, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			found *int
			ix    *Index
		}{{&byPlain, plain}, {&byPQ, folder.Index}} {
			res, err := c.ix.Search(t.Context(), q, Query{K: 1, Candidates: 60})
			if err != nil {
				t.Fatal(err)
			}
			if res.Hits[0].ID == want.Hits[0].ID {
				*c.found++
			}
		}
	}
	if byPQ < byPlain-6 { // seen 20 and 23
		t.Errorf("nearest found among 60 of 600: %d by bytes, %d by product codes, of 40", byPlain, byPQ)
	}
	for _, c := range []struct {
		docs *Documents
		pq   int
	}{{docs, -1}, {docs, 1 << 20}} {
		if _, err := Build(t.Context(), c.docs, BuildOptions{Options: o, PQ: c.pq}); err == nil {
			t.Errorf("PQ of %d was taken", c.pq)
		}
	}
	few, err := NewDocuments(tokens.Slice(0, offsets[10]), offsets[:11], nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Build(t.Context(), few, BuildOptions{Options: o, PQ: 8}); !errors.Is(err, vec.ErrTooFew) {
		t.Errorf("10 documents for 256 centroids: %v", err)
	}
}
