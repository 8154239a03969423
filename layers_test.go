package latent_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/latent-go/latent"

// layers are the folders of the module from top to bottom; imports go down. A folder stands for itself and all below
// it. Folders on one line are a family: the root may be imported by its members, members do not import each other.
var layers = []string{
	"cmd/latent",
	"papers",
	"client",
	"server",
	"recipe",
	"collection",
	"plan",
	"model",
	"table",
	"explain",
	"index",
	"align",
	"quantize",
	"codec",
	"reduce",
	"cluster",
	"measure",
	"nn",
	"report",
	"dataset",
	"neighbors",
	"vec",
	"artifact",
	"internal/clock",
	"internal/pages",
}

// families are the layers whose members keep to themselves, with what a member may import of its siblings.
var families = map[string][]string{
	"index":    {"index", "index/indextest", "index/flat"}, // flat is the truth the others are tested against
	"quantize": {"quantize"},
	"reduce":   {"reduce", "reduce/pca"}, // pca is where the others start
	"measure":  nil,                      // decided by the rule below: a measure may build on a measure, never in a circle
	"model":    nil,
}

// owners say which folder alone may import a library, so that what is behind it can be replaced.
var owners = map[string][]string{
	"github.com/spf13/cobra":           {"cmd/latent"},
	"github.com/schollz/progressbar":   {"cmd/latent"},
	"github.com/parquet-go/parquet-go": {"dataset"},
	"github.com/gomlx/":                {"nn", "model", "recipe"},
	"github.com/cockroachdb/pebble":    {"collection", "papers"},
	"github.com/RoaringBitmap/roaring": {"collection"},
	"github.com/danielgtaylor/huma":    {"server"},
	"github.com/prometheus":            {"server"},
	"google.golang.org/grpc":           {"server"},
}

type pkg struct {
	ImportPath                         string
	Imports, TestImports, XTestImports []string
}

func packages(t *testing.T) []pkg {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports,TestImports,XTestImports", "./...").Output()
	if err != nil {
		if e := new(exec.ExitError); errors.As(err, &e) {
			t.Fatalf("go list: %s", e.Stderr)
		}
		t.Fatal(err)
	}
	var all []pkg
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := d.Decode(&p); err == io.EOF {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// folder returns the path of an import within the module, "" for the root; ok is false for other modules.
func folder(path string) (string, bool) {
	if path == module {
		return "", true
	}
	return strings.CutPrefix(path, module+"/")
}

func layerOf(folder string) int {
	return slices.IndexFunc(layers, func(l string) bool { return folder == l || strings.HasPrefix(folder, l+"/") })
}

// TestLayers draws the arrows of docs/design.md: each package imports only from layers below its own, so that what a
// package needs can be read off its place, and any lower layer can be used, tested and understood alone.
func TestLayers(t *testing.T) {
	for _, p := range packages(t) {
		from, _ := folder(p.ImportPath)
		if from == "" || strings.HasPrefix(from, "bench") {
			continue
		}
		at := layerOf(from)
		if at < 0 {
			t.Errorf("%s is in no layer: give it a place in docs/design.md and in this test", from)
			continue
		}
		for _, imp := range p.Imports {
			to, ours := folder(imp)
			if !ours {
				checkOwner(t, from, imp)
				continue
			}
			below := layerOf(to)
			switch {
			case below < at:
				t.Errorf("%s imports %s, which lies above it: imports go down the layers %s", from, to, strings.Join(layers, " → "))
			case below == at:
				if friends := families[layers[at]]; friends != nil && !slices.Contains(friends, to) && !strings.HasPrefix(to, from+"/") {
					t.Errorf("%s imports its sibling %s: members of %s share only its root, so that each can be read and replaced alone", from, to, layers[at])
				}
			}
		}
	}
}

func checkOwner(t *testing.T, from, imp string) {
	t.Helper()
	for lib, folders := range owners {
		if !strings.HasPrefix(imp, lib) {
			continue
		}
		if !slices.ContainsFunc(folders, func(f string) bool { return from == f || strings.HasPrefix(from, f+"/") }) {
			t.Errorf("%s imports %s: only %s may, so that the library can be replaced in one place", from, imp, strings.Join(folders, " and "))
		}
	}
}
