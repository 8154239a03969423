package main

import (
	"math"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"github.com/latent-go/latent/dataset"
	"github.com/latent-go/latent/vec"
)

// saved writes x to a file of a test's own and returns its path.
func saved(t *testing.T, name string, x vec.Matrix, ids []string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := dataset.Save(path, &dataset.Set{X: x, IDs: ids}); err != nil {
		t.Fatal(err)
	}
	return path
}

// gaussian draws n×d numbers.
func gaussian(n, d int, seed uint64) vec.Matrix {
	r := rand.New(rand.NewPCG(seed, 0))
	x := vec.NewMatrix(n, d)
	for i := range x.Data {
		x.Data[i] = float32(r.NormFloat64())
	}
	return x
}

// TestCompare compares vectors with themselves, columns moved one place: the answer is to say so and to find the places.
func TestCompare(t *testing.T) {
	const n, d = 300, 8
	a := gaussian(n, d, 1)
	b := vec.NewMatrix(n, d)
	for i := range n {
		for j := range d {
			b.Row(i)[(j+1)%d] = a.Row(i)[j]
		}
	}
	first, second := saved(t, "a.npy", a, nil), saved(t, "b.npy", b, nil)
	page := filepath.Join(t.TempDir(), "compare.html")
	var c compareAnswer
	answer(t, &c, "compare", first, second, "--html", page)
	if s, ok := c.Report.Score("one-to-one"); !ok || math.Abs(s.Value-1) > 1e-6 {
		t.Errorf("one-to-one: %+v", s)
	}
	if !strings.Contains(c.Report.Verdict, "The same units, in another order") {
		t.Errorf("verdict %q", c.Report.Verdict)
	}
	for _, m := range c.Report.Units.OneToOne {
		if m.B != (m.A+1)%d {
			t.Errorf("column %d went with %d", m.A, m.B)
		}
	}
	pageHas(t, page, "Which units match which", "of 8 pairs, the best first", "Few to one", "In what sense they are alike", "The subspace in common", "Likeness against directions", "k = 8")
	if s := c.Report.Subspaces; s == nil || s.K != d || s.Inside.Value < .999 {
		t.Errorf("subspaces %+v", s)
	}

	text, errs, code := latent(t, "compare", first, saved(t, "c.npy", gaussian(n, 3, 2), nil))
	for _, want := range []string{"Unrelated", "cka-debiased", "by chance", "best pairs of units", "300 rows in common", "No shared subspace", "local CKA, all directions"} {
		if code != exitDone || !strings.Contains(text, want) {
			t.Errorf("exit %d, compare does not say %q:\n%s%s", code, want, text, errs)
		}
	}
	text, errs, code = latent(t, "compare", first, second, "--measures", "cka,procrustes")
	if code != exitDone || !strings.Contains(text, "No verdict") || strings.Contains(text, "mutual-knn") || strings.Contains(text, "best pairs") || strings.Contains(text, "subspace") {
		t.Errorf("exit %d: %s%s", code, text, errs)
	}
}

func TestCompareBadInput(t *testing.T) {
	a := saved(t, "a.csv", gaussian(60, 3, 1), names(60, 0))
	for _, c := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"rows", []string{a, saved(t, "b.npy", gaussian(59, 3, 2), nil)}, exitFailed, "b.npy has 59; row i of both must be the same thing"},
		{"few rows", []string{saved(t, "a.npy", gaussian(20, 3, 1), nil), saved(t, "b.npy", gaussian(20, 3, 2), nil)}, exitFailed, "20"},
		{"constant", []string{a, saved(t, "b.npy", vec.NewMatrix(60, 3), nil)}, exitFailed, "b.npy"},
		{"other things", []string{a, saved(t, "b.csv", gaussian(60, 3, 2), names(60, 1))}, exitFailed, `row 0 is "thing 0"`},
		{"measure", []string{a, a, "--measures", "pearson"}, exitMisused, "cka-debiased"},
		{"sample", []string{a, a, "--sample", "5"}, exitMisused, "at least"},
		{"one set", []string{a}, exitMisused, "--help"},
	} {
		stdout, stderr, code := latent(t, append([]string{"compare"}, c.args...)...)
		if code != c.code || !strings.Contains(stderr, c.want) {
			t.Errorf("%s: exit %d, want %d and %q:\n%s%s", c.name, code, c.code, c.want, stdout, stderr)
		}
	}
	if _, errs, code := latent(t, "compare", a, saved(t, "b.csv", gaussian(60, 3, 2), names(60, 1)), "--ignore-ids"); code != exitDone {
		t.Errorf("--ignore-ids: exit %d: %s", code, errs)
	}
}

// names are IDs of n things, from the first on.
func names(n, first int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = "thing " + string(rune('0'+(i+first)%10))
	}
	return out
}
