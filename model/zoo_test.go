package model_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/latent-go/latent/model"
)

// others are folders that train nothing, and the suite itself.
var others = []string{"modeltest", "sentence"}

// TestZoo looks at every folder: it is in the table, the table is by name, and its tests run the checks of the zoo.
func TestZoo(t *testing.T) {
	folders, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	var table, found []string
	for _, e := range model.Zoo {
		table = append(table, e.Name)
		if e.What == "" || e.Paper < 0 {
			t.Errorf("entry %+v is not filled in", e)
		}
	}
	for _, f := range folders {
		if !f.IsDir() || slices.Contains(others, f.Name()) {
			continue
		}
		found = append(found, f.Name())
		tests, err := filepath.Glob(filepath.Join(f.Name(), "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(tests, func(path string) bool {
			text, err := os.ReadFile(path)
			return err == nil && strings.Contains(string(text), "modeltest.Run(t,")
		}) {
			t.Errorf("no test of %s calls modeltest.Run", f.Name())
		}
	}
	if !slices.Equal(table, found) {
		t.Errorf("model.Zoo has %v, the folders are %v: give each a line in zoo.go", table, found)
	}
}
