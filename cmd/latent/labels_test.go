package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/latent-go/latent/vec"
)

// classed draws n rows of d numbers in classes that lie apart along one column each, and writes their labels to a file.
func classed(t *testing.T, n, d, classes int) (x vec.Matrix, labels string) {
	t.Helper()
	x = gaussian(n, d, 3)
	var b strings.Builder
	for i := range n {
		c := i % classes
		x.Row(i)[c] += 20
		b.WriteString(string(rune('a'+c)) + "\n")
	}
	labels = filepath.Join(t.TempDir(), "labels.txt")
	if err := os.WriteFile(labels, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return x, labels
}

// factorial draws vectors of which column 1 is factor 0, column 0 is factor 1, and column 2 is noise, and the factors.
func factorial(t *testing.T, n int) (x, factors vec.Matrix) {
	t.Helper()
	r := rand.New(rand.NewPCG(5, 0))
	x, factors = vec.NewMatrix(n, 3), vec.NewMatrix(n, 2)
	for i := range n {
		a, b := float32(r.IntN(4)), float32(r.IntN(3))
		copy(factors.Row(i), []float32{a, b})
		copy(x.Row(i), []float32{b + 0.01*float32(r.NormFloat64()), a + 0.01*float32(r.NormFloat64()), float32(r.NormFloat64())})
	}
	return x, factors
}

func TestMeasureLabels(t *testing.T) {
	x, labels := classed(t, 400, 8, 4)
	vectors, page := saved(t, "x.npy", x, nil), filepath.Join(t.TempDir(), "page.html")
	var m measureAnswer
	answer(t, &m, "measure", vectors, "--labels", labels, "--inputs", vectors, "--html", page, "--sample", "400")
	l := m.Labels
	if l == nil || l.Entropy == nil || l.MI == nil || l.Capacity == nil || l.MMCR == nil || l.Sharpness == nil || l.Sharpness.Repr == nil || len(l.Notes) > 0 {
		t.Fatalf("%+v", l)
	}
	if got := strings.Join(l.Names, ""); got != "abcd" {
		t.Errorf("classes %q", got)
	}
	// Four equal classes far apart, each with some spread of its own: most of 2 bits are known. Seen 1.33.
	if l.MI.Bits < 1.1 || l.MI.Bits > 2.1 || l.MI.LabelBits != 2 {
		t.Errorf("%.2f of %.2f bits known", l.MI.Bits, l.MI.LabelBits)
	}
	if c := l.Capacity.Capacity; c < 0.5 || c > 2 { // seen 1.26
		t.Errorf("capacity %.3f", c)
	}
	// Equal data and representation have equal dimensions.
	if l.Sharpness.Repr.Value != l.Sharpness.Data.Value {
		t.Errorf("d_data %.3f, d_repr %.3f of the same rows", l.Sharpness.Data.Value, l.Sharpness.Repr.Value)
	}
	pageHas(t, page, "Classes as clouds", "Eigenvalues of the random walk", "label sharpness K_F", "Capacity:")
	text, errs, code := latent(t, "measure", vectors, "--labels", labels, "--sample", "400")
	for _, want := range []string{"4 classes", "DSMI", "Capacity:", "MMCR:", "nearest rows with different labels", "any rows"} {
		if code != exitDone || !strings.Contains(text, want) {
			t.Errorf("exit %d, it does not say %q:\n%s%s", code, want, text, errs)
		}
	}
}

func TestMeasureFactors(t *testing.T) {
	x, factors := factorial(t, 400)
	vectors, file, page := saved(t, "x.npy", x, nil), saved(t, "f.npy", factors, nil), filepath.Join(t.TempDir(), "page.html")
	var m measureAnswer
	answer(t, &m, "measure", vectors, "--factors", file, "--html", page, "--sample", "400")
	f := m.Factors
	if f == nil || f.InfoM < 0.9 || f.InfoE < 0.9 || f.InfoC < 0.9 || f.best(0) != 1 || f.best(1) != 0 {
		t.Fatalf("%+v", f)
	}
	pageHas(t, page, "What each latent knows of each source", "InfoM, modularity", "DCI completeness")
	text, errs, code := latent(t, "measure", vectors, "--factors", file, "--sample", "400")
	for _, want := range []string{"modularity InfoM", "MIG", "2 discrete sources", "best latent"} {
		if code != exitDone || !strings.Contains(text, want) {
			t.Errorf("exit %d, it does not say %q:\n%s%s", code, want, text, errs)
		}
	}
}

// TestMeasureLabelsPartly gives a class of one row, which has no cloud: what can be made is.
func TestMeasureLabelsPartly(t *testing.T) {
	x, labels := classed(t, 100, 8, 4)
	b, _ := os.ReadFile(labels)
	os.WriteFile(labels, append([]byte("alone\n"), b[2:]...), 0o600)
	var m measureAnswer
	answer(t, &m, "measure", saved(t, "x.npy", x, nil), "--labels", labels)
	if l := m.Labels; l.Capacity != nil || l.Sharpness == nil || len(l.Notes) == 0 || !strings.Contains(l.Notes[0], `No capacity: capacity: label "alone" has one row`) {
		t.Errorf("%+v", l)
	}
}

func TestMeasureLabelsBadInput(t *testing.T) {
	x, labels := classed(t, 100, 8, 4)
	vectors := saved(t, "x.npy", x, nil)
	one := filepath.Join(t.TempDir(), "one.txt")
	os.WriteFile(one, []byte(strings.Repeat("same\n", 100)), 0o600)
	short := filepath.Join(t.TempDir(), "short.txt")
	os.WriteFile(short, []byte("a\nb\n"), 0o600)
	constant := saved(t, "constant.npy", vec.NewMatrix(100, 2), nil)
	for _, c := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"one class", []string{"--labels", one}, exitFailed, "all labels are \"same\""},
		{"rows of labels", []string{"--labels", short}, exitFailed, "short.txt has 2 rows, the vectors have 100"},
		{"no labels", []string{"--labels", "none.txt"}, exitFailed, "none.txt"},
		{"constant factor", []string{"--factors", constant}, exitFailed, "one value only"},
		{"rows of factors", []string{"--factors", saved(t, "f.npy", vec.NewMatrix(90, 2), nil)}, exitFailed, "f.npy has 90 rows"},
		{"rows of inputs", []string{"--labels", labels, "--inputs", saved(t, "i.npy", vec.NewMatrix(90, 2), nil)}, exitFailed, "i.npy has 90 rows"},
		{"inputs alone", []string{"--inputs", vectors}, exitMisused, "--labels"},
	} {
		stdout, stderr, code := latent(t, append([]string{"measure", vectors}, c.args...)...)
		if code != c.code || !strings.Contains(stderr, c.want) {
			t.Errorf("%s: exit %d, want %d and %q:\n%s%s", c.name, code, c.code, c.want, stdout, stderr)
		}
	}
}

// TestMeasureCodes gives discrete codes, of which twelve differ: too few for neighbourhoods of 20, enough for InfoMEC.
func TestMeasureCodes(t *testing.T) {
	x := vec.NewMatrix(240, 2)
	for i := range x.Rows {
		copy(x.Row(i), []float32{float32(i % 3), float32(i / 3 % 4)})
	}
	file, page := saved(t, "codes.npy", x, nil), filepath.Join(t.TempDir(), "page.html")
	var m measureAnswer
	answer(t, &m, "measure", file, "--factors", file, "--html", page)
	if d := m.Dimension; d.Distinct != 12 || d.Dimension != 0 || len(d.Notes) == 0 || !strings.Contains(d.Notes[0], "12 distinct rows") {
		t.Errorf("%+v", d)
	}
	if f := m.Factors; f == nil || f.InfoM < 0.99 || f.InfoC < 0.99 || f.best(0) != 0 || f.best(1) != 1 {
		t.Errorf("%+v", m.Factors)
	}
	pageHas(t, page, "no estimate", "What each latent knows of each source")
	for _, n := range []int{2, 3, 10, 20} {
		text, errs, code := latent(t, "measure", saved(t, "few.npy", gaussian(n, 3, 1), nil))
		if code != exitDone || !strings.Contains(text, fmt.Sprintf("from %d distinct rows", n)) {
			t.Errorf("%d rows: exit %d:\n%s%s", n, code, text, errs)
		}
	}
}

// TestMeasureLabelARow gives each row a label of its own: one sentence says that they are few, by their names.
func TestMeasureLabelARow(t *testing.T) {
	x, labels := classed(t, 100, 8, 4)
	var b strings.Builder
	for i := range x.Rows {
		fmt.Fprintf(&b, "word%d\n", i)
	}
	os.WriteFile(labels, []byte(b.String()), 0o600)
	text, errs, code := latent(t, "measure", saved(t, "x.npy", x, nil), "--labels", labels)
	text = strings.Join(strings.Fields(text), " ")
	if want := `100 of 100 classes have fewer than ten rows, and say little: "word0", "word1", "word10", ….`; code != exitDone || strings.Count(text, "fewer than ten rows") != 1 || !strings.Contains(text, want) {
		t.Errorf("exit %d, want %s\n%s%s", code, want, text, errs)
	}
}
