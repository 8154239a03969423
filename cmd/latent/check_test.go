package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/latent-go/latent/collection"
	"github.com/latent-go/latent/collection/point"
	"github.com/latent-go/latent/vec"
)

func TestCheckAndRepair(t *testing.T) {
	dir := t.TempDir()
	if _, errs, code := latent(t, "check", dir); code != exitFailed || !strings.Contains(errs, "is no store") {
		t.Errorf("of an empty folder: exit %d: %s", code, errs)
	}
	s, err := collection.Open(dir, collection.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Create(t.Context(), "papers", collection.Config{Vectors: map[string]collection.VectorConfig{"": {Size: 2, Distance: vec.Cosine}}}); err != nil {
		t.Fatal(err)
	}
	c, err := s.Collection("papers")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Apply(t.Context(), []collection.Op{collection.Upsert{Points: []point.Point{{ID: point.Num(1), Vectors: point.Vectors{"": point.Dense([]float32{1, 2})}}}}}, true); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	var r collection.Report
	answer(t, &r, "check", dir)
	if r.Points != 1 || r.Collections != 1 || len(r.Problems) != 0 {
		t.Errorf("%+v", r)
	}
	file := filepath.Join(dir, "collections", "000001", "derived", "points")
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	b[60] ^= 1 // in the list of sections
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, _, code := latent(t, "check", dir); code != exitFailed || !strings.Contains(out, file) {
		t.Errorf("of a damaged file: exit %d: %s", code, out)
	}
	if out, errs, code := latent(t, "repair", dir); code != exitDone {
		t.Errorf("repair: exit %d: %s%s", code, out, errs)
	}
	answer(t, &r, "check", dir)
	if err := os.WriteFile(filepath.Join(dir, "catalogue"), []byte("no catalogue"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, errs, code := latent(t, "check", dir); code != exitFailed || !strings.Contains(errs, "latent repair") {
		t.Errorf("without a catalogue: exit %d: %s", code, errs)
	}
	if _, errs, code := latent(t, "repair", dir); code != exitDone {
		t.Errorf("repair of the catalogue: exit %d: %s", code, errs)
	}
	if answer(t, &r, "check", dir); r.Points != 1 {
		t.Errorf("after repairs: %+v", r)
	}
}
