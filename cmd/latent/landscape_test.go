package main

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestMeasureLandscape(t *testing.T) {
	x, labels := classed(t, 400, 8, 4)
	vectors, page := saved(t, "x.npy", x, nil), filepath.Join(t.TempDir(), "page.html")
	args := []string{"measure", "landscape", vectors, "--labels", labels, "--steps", "80", "--width", "16", "--depth", "1"}
	var a landscapeAnswer
	answer(t, &a, append(args, "--html", page)...)
	if a.Parameters != 8*16+16+16*4+4 || a.Rows != 300 || a.TestRows != 100 || len(a.Names) != 4 || len(a.Dimension.Curve) < 2 {
		t.Errorf("%+v", a)
	}
	if !(a.Baseline > 0.9) || !a.Dimension.Reached || !(a.Dimension.Dim < 100) { // seen 1 and 12
		t.Errorf("accuracy %v, dimension %+v", a.Baseline, a.Dimension)
	}
	pageHas(t, page, "Accuracy in random subspaces", "d_int90", "compression", "16] to 4")
	text, errs, code := latent(t, args...)
	for _, want := range []string{a.finding(), "300 vectors of 8 numbers", "compression", "of the baseline"} {
		if code != exitDone || !strings.Contains(text, want) {
			t.Errorf("exit %d, it does not say %q:\n%s%s", code, want, text, errs)
		}
	}
	for name, args := range map[string][]string{
		"labels are what is learnt": {"measure", "landscape", vectors},
		"--width 0":                 {"measure", "landscape", vectors, "--labels", labels, "--width", "0"},
		"--fraction 2":              {"measure", "landscape", vectors, "--labels", labels, "--fraction", "2"},
	} {
		if _, errs, code := latent(t, args...); code != exitMisused || !strings.Contains(errs, name) {
			t.Errorf("%v: exit %d, %s", args, code, errs)
		}
	}
	if _, errs, code := latent(t, "measure", "landscape", vectors, "--labels", labels, "--rows", "3"); code != exitFailed || !strings.Contains(errs, "8 or more") {
		t.Errorf("three rows: exit %d, %s", code, errs)
	}
}
