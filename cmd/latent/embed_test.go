package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/latent-go/latent/dataset"
	"github.com/latent-go/latent/model/sentence/sentencetest"
)

func TestEmbed(t *testing.T) {
	dir := t.TempDir()
	sentencetest.Write(t, dir, nil)
	lines, table, out := filepath.Join(dir, "texts.txt"), filepath.Join(dir, "texts.jsonl"), filepath.Join(dir, "out.jsonl")
	texts := []string{"the cat sat", "a dog", "the cat sat", "on the mat."}
	if err := os.WriteFile(lines, []byte(strings.Join(texts, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(table, []byte(`{"id":"x","body":"a dog"}`+"\n"+`{"id":"y","body":"the cat sat"}`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	load := func() *dataset.Set {
		s, err := dataset.Load(out, dataset.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	var a embedAnswer
	answer(t, &a, "embed", lines, "--model", dir, "--max-tokens", "12", "-o", out)
	s := load()
	if a.Texts != 4 || a.Dimensions != 64 || !slices.Equal(s.Column("text"), texts) || !slices.Equal(s.X.Row(0), s.X.Row(2)) || slices.Equal(s.X.Row(0), s.X.Row(1)) {
		t.Errorf("%+v %v", a, s)
	}
	first := slices.Clone(s.X.Row(0))
	answer(t, &a, "embed", table, "--column", "body", "--model", dir, "--max-tokens", "12", "-o", out)
	if s = load(); a.Texts != 2 || !slices.Equal(s.X.Row(1), first) {
		t.Errorf("%+v %v", a, s)
	}
	for want, args := range map[string][]string{
		"-o FILE":               {"embed", lines, "--model", dir},
		"want 3 to 12":          {"embed", lines, "--model", dir, "-o", out},
		"no folder with tokeni": {"embed", lines, "--model", filepath.Join(dir, "none"), "-o", out},
		"is what is read":       {"embed", lines, "--model", dir, "-o", lines},
	} {
		if _, errs, code := latent(t, args...); code == exitDone || !strings.Contains(errs, want) {
			t.Errorf("%v: code %d, %s, want %q", args, code, errs, want)
		}
	}
}
