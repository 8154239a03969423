package main

import (
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/latent-go/latent/dataset"
)

// TestReduce reduces vectors and queries by one map, and wants distances between them kept.
func TestReduce(t *testing.T) {
	train, test := vectors(t)
	dir := t.TempDir()
	small, smallQueries, kept := filepath.Join(dir, "small.npy"), filepath.Join(dir, "q.npy"), filepath.Join(dir, "map.pca")
	var a reduceAnswer
	answer(t, &a, "reduce", train, "--variance", "0.95", "-o", small, "--map", kept)
	if a.From != 32 || a.To >= 32 || a.Explained < 0.95 || a.Vectors != 3000 {
		t.Errorf("%+v", a)
	}
	answer(t, &a, "reduce", test, "--with", kept, "-o", smallQueries)
	load := func(path string) *dataset.Set {
		s, err := dataset.Load(path, dataset.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	x, q, y, r := load(train), load(test), load(small), load(smallQueries)
	var total, left float64
	for i := range 50 {
		var full, less float64
		for j, v := range q.X.Row(i) {
			full += math.Pow(float64(v-x.X.Row(i)[j]), 2)
		}
		for j, v := range r.X.Row(i) {
			less += math.Pow(float64(v-y.X.Row(i)[j]), 2)
		}
		if less > full*1.001 {
			t.Errorf("pair %d: squared distance %v grew to %v", i, full, less)
		}
		total, left = total+full, left+less
	}
	if left < 0.9*total { // seen 0.95
		t.Errorf("of squared distances %.3f is left", left/total)
	}
	answer(t, &a, "reduce", train, "--measured", "-o", small)
	if a.To < 4 || a.To > 7 {
		t.Errorf("the measured dimension of 5 kept %d components", a.To)
	}
	for want, args := range map[string][]string{
		"-o FILE":         {"reduce", train, "--components", "3"},
		"2 are given":     {"reduce", train, "--components", "3", "--measured", "-o", small},
		"a share up to":   {"reduce", train, "--variance", "2", "-o", small},
		"as it is":        {"reduce", train, "--with", kept, "--whiten", "-o", small},
		"the map takes":   {"reduce", small, "--with", kept, "-o", smallQueries},
		"not an artifact": {"reduce", train, "--with", train, "-o", smallQueries},
	} {
		if _, errs, code := latent(t, args...); code == exitDone || !strings.Contains(errs, want) {
			t.Errorf("%v: exit %d, want %q: %s", args, code, want, errs)
		}
	}
}

// TestReduceByANestedMap applies what nested --train learnt.
func TestReduceByANestedMap(t *testing.T) {
	train, test := vectors(t)
	dir := t.TempDir()
	kept, out := filepath.Join(dir, "map"), filepath.Join(dir, "out.npy")
	var n any
	answer(t, &n, "nested", train, "--queries", test, "--dims", "4,8", "--train", "--map", kept, "--rows", "600")
	var a reduceAnswer
	answer(t, &a, "reduce", test, "--with", kept, "-o", out)
	if a.From != 32 || a.To != 32 || a.Vectors != 300 {
		t.Errorf("%+v", a)
	}
}
