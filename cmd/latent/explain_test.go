package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestExplainSAE(t *testing.T) {
	train, test := vectors(t)
	dir := t.TempDir()
	model, page, labels := filepath.Join(dir, "model.sae"), filepath.Join(dir, "page.html"), filepath.Join(dir, "labels.txt")
	var text strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&text, "kind%d\n", i%3)
	}
	os.WriteFile(labels, []byte(text.String()), 0o600)
	small := []string{"--features", "64", "-k", "4", "--epochs", "15", "--seed", "1"}

	var a saeAnswer
	answer(t, &a, append([]string{"explain", "sae", train, "--labels", labels, "--top", "3", "-o", model, "--html", page}, small...)...)
	if a.Rows != 3000 || a.Dim != 32 || a.Learnt != 64 || a.K != 4 || a.HeldRows != 300 || a.HeldOut == nil || len(a.Features) == 0 {
		t.Fatalf("%+v", a)
	}
	if a.Explained < 0.5 || a.HeldOut.Explained < 0.5 || a.L0 > 4 { // seen 0.75
		t.Errorf("%v explained, %v of what was held out, with %v features a vector", a.Explained, a.HeldOut.Explained, a.L0)
	}
	f := a.Features[0]
	if len(f.Top) != 3 || f.Top[0].Value < f.Top[2].Value || !strings.HasPrefix(a.Names[f.ID], fmt.Sprintf("kind%d", f.Top[0].Row%3)) {
		t.Errorf("%+v is called %q", f, a.Names[f.ID])
	}
	if len(a.ByK) != 5 || a.ByK[2].K != 4 || a.ByK[0].Explained > a.ByK[4].Explained { // 1, 2, 4, 8, 16
		t.Errorf("%+v", a.ByK)
	}
	pageHas(t, page, "Features by how many vectors have them", "Explained with fewer features", "Learning", "kind1")

	var again saeAnswer
	answer(t, &again, "explain", "sae", train, "--with", model, "--top", "3")
	if again.Explained != a.Explained || len(again.Features) != len(a.Features) || again.HeldOut != nil {
		t.Errorf("the model that was kept explains %v, not %v", again.Explained, a.Explained)
	}
	answer(t, &again, "explain", "sae", test, "--with", model)
	if again.Rows != 300 || again.Explained < 0.5 {
		t.Errorf("%v of queries explained", again.Explained)
	}
	out, errs, code := latent(t, append([]string{"explain", "sae", train, "--kind", "topk", "--show", "2"}, small...)...)
	for _, want := range []string{"topk of 64 features, 4 a vector", "of 300 vectors held out", "at most k", "row "} {
		if code != exitDone || !strings.Contains(out, want) {
			t.Errorf("exit %d, no %q: %s%s", code, want, out, errs)
		}
	}
}

func TestExplainSAERefuses(t *testing.T) {
	train, _ := vectors(t)
	other := filepath.Join(t.TempDir(), "other.sae")
	os.WriteFile(other, []byte("no model"), 0o600)
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"--kind pca", exitMisused, "matryoshka"},
		{"-k 0", exitMisused, "-k 0"},
		{"--features 4 -k 5 --kind topk", exitFailed, "5 features a row of 4"},
		{"-o " + train, exitMisused, "what is read"},
		{"--with " + other, exitFailed, "other.sae"},
		{"--with " + other + " -k 3", exitMisused, "--k is for learning"},
		{"--with " + other + " -o x.sae", exitMisused, "--out is for learning"},
		{"--labels " + filepath.Join(filepath.Dir(other), "none.txt"), exitFailed, "none.txt"},
	} {
		_, errs, code := latent(t, append([]string{"explain", "sae", train}, strings.Fields(c.args)...)...)
		if code != c.code || !strings.Contains(errs, c.want) {
			t.Errorf("%s: exit %d, want %d and %q: %s", c.args, code, c.code, c.want, errs)
		}
	}
}
