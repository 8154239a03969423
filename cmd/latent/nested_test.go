package main

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/latent-go/latent/dataset"
	"github.com/latent-go/latent/neighbors"
	"github.com/latent-go/latent/reduce/matryoshka"
	"github.com/latent-go/latent/vec"
)

// TestNested searches vectors by their prefixes: more numbers and more survivors find more, all numbers all.
func TestNested(t *testing.T) {
	train, test := vectors(t)
	const eps = 1e-9                // of a mean of hundreds
	recalls := map[string]float64{} // of a prefix of 8
	for name, args := range map[string][]string{
		"pca": {"--queries", test},
		"l2":  {"--metric", "l2"},
		"raw": {"--queries", test, "--raw"},
	} {
		var a nestedAnswer
		answer(t, &a, append([]string{"nested", train, "--rows", "1000", "--dims", "2,8,20"}, args...)...)
		vectors, queries := 1000, 300
		if name == "l2" { // which holds queries out
			vectors, queries = 800, 200
		}
		if a.Vectors != vectors || a.Dim != 32 || len(a.Prefixes) != 4 || a.Prefixes[0].Queries != queries {
			t.Fatalf("%s: %+v", name, a)
		}
		for i, p := range a.Prefixes {
			if p.Dim != []int{2, 8, 20, 32}[i] || p.Share != float64(p.Dim)/32 || p.Lo > p.Mean || p.Hi < p.Mean-eps {
				t.Errorf("%s: %+v", name, p)
			}
			if i > 0 && p.Mean <= a.Prefixes[i-1].Mean {
				t.Errorf("%s: a prefix of %d finds %.4f, one of %d %.4f", name, p.Dim, p.Mean, a.Prefixes[i-1].Dim, a.Prefixes[i-1].Mean)
			}
		}
		if full := a.Prefixes[3].Mean; math.Abs(full-1) > eps {
			t.Errorf("%s: all numbers find %v", name, full)
		}
		var last nestedCoarse
		for _, c := range a.CoarseFine {
			// Reading the first prefix of all and every number of the survivors is the most there is to read, but for
			// rounding up to a vector.
			most := 2./32 + float64(c.Survivors)*30/32/float64(a.Vectors) + 1/float64(a.Vectors)
			if c.Survivors <= last.Survivors || c.Mean <= last.Mean || c.Mean > 1+eps || c.Share < 2./32 || c.Share > most+eps || c.Faster <= 0 {
				t.Errorf("%s: %+v after %+v", name, c, last)
			}
			last = c
		}
		if last.Survivors != 100 {
			t.Errorf("%s: %d survivors of %d at most", name, last.Survivors, a.Vectors)
		}
		recalls[name] = a.Prefixes[1].Mean
	}
	if recalls["pca"] < recalls["raw"]+0.02 { // seen 0.056
		t.Errorf("PCA finds %.4f, the vectors as they are %.4f", recalls["pca"], recalls["raw"])
	}
	text, errs, code := latent(t, "nested", train, "--queries", test)
	for _, want := range []string{"3000 vectors of 32 dimensions, cosine, rotated by PCA", "300 queries, given", "recall@10", "100.0 %", "speed-up"} {
		if code != exitDone || !strings.Contains(text, want) {
			t.Errorf("no %q:\n%s%s", want, text, errs)
		}
	}
}

// TestNestedFiles wants what -o and --map write to hold the neighbours of the vectors as they came.
func TestNestedFiles(t *testing.T) {
	train, test := vectors(t)
	dir := t.TempDir()
	load := func(path string) vec.Matrix {
		s, err := dataset.Load(path, dataset.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return s.X
	}
	nearest := func(queries, x vec.Matrix) neighbors.Table {
		n, err := neighbors.Exact(t.Context(), queries, x, neighbors.Options{K: 1, Metric: vec.Cosine})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	const rows = 1000
	want := nearest(load(test), load(train).Slice(0, rows))
	var byPCA float64 // recall of a prefix of 8
	for _, trained := range []bool{false, true} {
		out, save, turned := filepath.Join(dir, "out.npy"), filepath.Join(dir, "map"), filepath.Join(dir, "q.npy")
		args := []string{"nested", train, "--rows", "1000", "-o", out, "--map", save}
		if trained {
			if testing.Short() {
				continue
			}
			args = append(args, "--train")
		}
		var a nestedAnswer
		answer(t, &a, args...)
		if trained != (a.Rotation == "trained") || a.Out != out || a.Map != save || a.Vectors != 800 || !slices.Equal(listing(t, dir)[:2], []string{"map", "out.npy"}) {
			t.Errorf("%+v, files %v", a, listing(t, dir))
		}
		var q vec.Matrix
		if trained {
			if found := a.Prefixes[1].Mean; found < byPCA+0.01 { // seen 0.03
				t.Errorf("trained finds %.4f, PCA %.4f", found, byPCA)
			}
			r, err := os.Open(save)
			if err != nil {
				t.Fatal(err)
			}
			m, err := matryoshka.Read(r)
			r.Close()
			if err != nil {
				t.Fatal(err)
			}
			q = m.Apply(vec.Matrix{}, load(test))
		} else {
			byPCA = a.Prefixes[1].Mean
			var reduced reduceAnswer
			answer(t, &reduced, "reduce", test, "--with", save, "-o", turned)
			q = load(turned)
		}
		y := load(out) // those held out as well, in the order of the file
		got := nearest(q, y)
		wrong := 0
		for i := range q.Rows {
			w, _ := want.Row(i)
			g, _ := got.Row(i)
			if !slices.Equal(w, g) {
				wrong++
			}
		}
		if y.Rows != rows || wrong > 3 { // ties, by rounding; seen 0
			t.Errorf("trained %v: of %d rows, %d of %d nearest are others", trained, y.Rows, wrong, q.Rows)
		}
	}
}

// TestNestedPrefixes wants default prefixes that rise and are shorter than the vectors.
func TestNestedPrefixes(t *testing.T) {
	for d, want := range map[int][]int{1: nil, 2: nil, 3: {2}, 32: {2, 8}, 100: {2, 6, 25}, 784: {12, 49, 196}, 1536: {24, 96, 384}} {
		if got, err := (nestedFlags{}).prefixes(d); !slices.Equal(got, want) || (err != nil) != (want == nil) {
			t.Errorf("%d columns: %v, want %v (%v)", d, got, want, err)
		}
	}
}

// TestNestedFewRows searches fewer vectors than they have numbers, of which PCA keeps as many as there are vectors.
func TestNestedFewRows(t *testing.T) {
	for _, metric := range []string{"cosine", "l2"} {
		var a nestedAnswer
		answer(t, &a, "nested", "synthetic:gaussian?n=50&d=96", "--metric", metric, "-k", "5")
		if last := a.Prefixes[len(a.Prefixes)-1]; a.Vectors != 40 || last.Dim != 40 || math.Abs(last.Mean-1) > 1e-9 {
			t.Errorf("%s: %+v", metric, a)
		}
	}
}

func TestNestedMisused(t *testing.T) {
	train, _ := vectors(t)
	dir := t.TempDir()
	out := filepath.Join(dir, "out.npy")
	narrow, zero := filepath.Join(t.TempDir(), "narrow.npy"), filepath.Join(t.TempDir(), "zero.npy")
	for path, x := range map[string]vec.Matrix{narrow: vec.NewMatrix(20, 3), zero: vec.NewMatrix(200, 8)} {
		if err := dataset.Save(path, &dataset.Set{X: x}); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{train, "--dims", "8,4", "-o", out}, exitMisused, "rising"},
		{[]string{train, "--dims", "0,4", "-o", out}, exitMisused, "rising"},
		{[]string{train, "--dims", "8,32", "-o", out}, exitMisused, "which have 32 columns"},
		{[]string{train, "--dims", "many"}, exitMisused, "--help"},
		{[]string{train, "--metric", "hamming"}, exitMisused, "l2, cosine"},
		{[]string{train, "--metric", "l1", "-o", out}, exitMisused, "cosine and l2"},
		{[]string{train, "--raw", "--train"}, exitMisused, "as they are"},
		{[]string{train, "--raw", "-o", out}, exitMisused, "as they are"},
		{[]string{train, "-k", "0"}, exitMisused, "at least 1"},
		{[]string{}, exitMisused, "--help"},
		{[]string{train, "-k", "2501", "-o", out}, exitFailed, "lower -k"},
		{[]string{train, "--rows", "4", "-o", out}, exitFailed, "--queries"},
		{[]string{train, "--queries", narrow, "-o", out}, exitFailed, "the queries have 3 dimensions"},
		{[]string{train, "--rows", "60", "--train", "-o", out}, exitFailed, "at least 100"},
		{[]string{zero, "-o", out}, exitFailed, "needs a direction"},
		{[]string{train, "-o", filepath.Join(dir, "a", "b.npy")}, exitFailed, "make the folder first"},
		{[]string{train, "--rows", "200", "-o", filepath.Join(dir, "out.png")}, exitFailed, "out.png"},
	} {
		stdout, stderr, code := latent(t, append([]string{"nested"}, c.args...)...)
		if code != c.code || !strings.Contains(stderr, c.want) {
			t.Errorf("%v: exit %d, want %d and %q:\n%s%s", c.args, code, c.code, c.want, stdout, stderr)
		}
		if left := listing(t, dir); len(left) > 0 {
			t.Errorf("%v: left behind: %v", c.args, left)
		}
	}
}
