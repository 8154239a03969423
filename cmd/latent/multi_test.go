package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/latent-go/latent/dataset"
	"github.com/latent-go/latent/vec"
)

// TestMulti indexes documents whose tokens are unit vectors on few axes, so that scores are known.
func TestMulti(t *testing.T) {
	dir := t.TempDir()
	docs, queries, ix := filepath.Join(dir, "docs.jsonl"), filepath.Join(dir, "queries.jsonl"), filepath.Join(dir, "index")
	var b strings.Builder
	axis := func(i int) string {
		v := make([]string, 16)
		for j := range v {
			v[j] = "0"
		}
		v[i%16] = "1"
		return "[" + strings.Join(v, ",") + "]"
	}
	for i := range 40 {
		fmt.Fprintf(&b, `{"id": "doc%d", "tokens": [%s, %s, %s]}`+"\n", i, axis(i), axis(i/3), axis(7*i))
	}
	os.WriteFile(docs, []byte(b.String()), 0o600)
	os.WriteFile(queries, []byte(fmt.Sprintf(`{"id": "q", "tokens": [%s, %s, %s]}`+"\n", axis(5), axis(1), axis(35))), 0o600)

	var built multiBuildAnswer
	answer(t, &built, "multi", "build", docs, "-o", ix, "--codec", "f16")
	if built.Documents != 40 || built.Tokens != 120 || built.Dim != 16 {
		t.Errorf("%+v", built)
	}
	for _, how := range [][]string{{"--exact"}, {"--candidates", "40"}} {
		var found multiSearchAnswer
		answer(t, &found, append([]string{"multi", "search", ix, "--query", queries, "-k", "2"}, how...)...)
		if found.Query != "q" {
			t.Errorf("query %q, its ID is q", found.Query)
		}
		if len(found.Hits) != 2 || found.Hits[0].Label != "doc3" || found.Hits[1].Label != "doc5" || found.Hits[1].Score != 3 { // both are {1, 3, 5}
			t.Errorf("%v: %+v", how, found)
		}
	}
	for want, args := range map[string][]string{
		"--replace":    {"multi", "build", docs, "-o", ix},
		"f32, f16":     {"multi", "build", docs, "-o", ix + "2", "--codec", "pq"},
		"queries 0 to": {"multi", "search", ix, "--query", queries, "--row", "3"},
		"-o DIR":       {"multi", "build", docs},
		"--row -2":     {"multi", "search", ix, "--query", queries, "--row", "-2"},
		"--bits -1":    {"multi", "build", docs, "-o", ix + "2", "--bits", "-1"},
	} {
		if _, errs, code := latent(t, args...); code == exitDone || !strings.Contains(errs, want) {
			t.Errorf("%v: exit %d, want %q: %s", args, code, want, errs)
		}
	}
}

// TestCur searches by a scorer behind HTTP, of rank 3, so that few scores tell all.
func TestCur(t *testing.T) {
	const items = 300
	score := func(q, item int) float32 {
		a, b, c := float32(q%7)-3, float32(q%11)-5, float32(q%5)-2
		return a*float32(item%13) + b*float32(item%17) + c*float32(item%19)
	}
	dir := t.TempDir()
	scores := vec.NewMatrix(50, items)
	for q := range scores.Rows {
		for i := range items {
			scores.Row(q)[i] = score(q, i)
		}
	}
	matrix, ix := filepath.Join(dir, "scores.npy"), filepath.Join(dir, "items.cur")
	if err := dataset.Save(matrix, &dataset.Set{X: scores}); err != nil {
		t.Fatal(err)
	}
	var built curBuildAnswer
	answer(t, &built, "cur", "build", matrix, "-o", ix)
	if built.Items != items || built.Anchors != 50 {
		t.Errorf("%+v", built)
	}
	asked, broken, scored := 0, "", ""
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			Query string
			IDs   []int
		}
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil || in.Query != "what" {
			t.Errorf("%+v, %v", in, err)
		}
		asked += len(in.IDs)
		if broken != "" {
			http.Error(w, broken, http.StatusTeapot)
			return
		}
		if scored != "" {
			io.WriteString(w, scored)
			return
		}
		out := []float32{}
		for _, i := range in.IDs {
			out = append(out, score(60, i))
		}
		json.NewEncoder(w).Encode(map[string]any{"scores": out})
	}))
	defer server.Close()
	best := 0
	for i := range items {
		if score(60, i) > score(60, best) {
			best = i
		}
	}
	var found curSearchAnswer
	search := []string{"cur", "search", ix, "--query", "what", "--scorer", server.URL, "-k", "5", "--budget", "60"}
	answer(t, &found, search...)
	if len(found.Hits) != 5 || found.Hits[0].Score != score(60, best) || found.Calls > 60 || asked != found.Calls {
		t.Errorf("best is %d with %v, %d were asked for: %+v", best, score(60, best), asked, found)
	}
	broken = "out of tea"
	if _, errs, code := latent(t, search...); code != exitFailed || !strings.Contains(errs, "out of tea") {
		t.Errorf("a broken scorer: exit %d: %s", code, errs)
	}
	broken = ""
	for answered, want := range map[string]string{
		`{}`:                 "answers with 0 scores",
		`{"scores": null}`:   "answers with 0 scores",
		`{"scores": [1, 2]}`: "answers with 2 scores",
		`{"scores": ["1"]}`:  `does not answer {"scores"`,
		`{"scores": [1e99]}`: `does not answer {"scores"`,
		`{"scores": [NaN]}`:  `does not answer {"scores"`,
		`{"scores": [` + strings.Repeat("1,", 5) + `null]}`: "answers null for item",
	} {
		scored = answered
		if _, errs, code := latent(t, search...); code != exitFailed || !strings.Contains(errs, want) {
			t.Errorf("a scorer that answers %s: exit %d, want %q: %s", answered, code, want, errs)
		}
	}
	if _, errs, code := latent(t, "cur", "search", ix, "--query", "what"); code != exitMisused || !strings.Contains(errs, "--scorer URL") {
		t.Errorf("no scorer: exit %d: %s", code, errs)
	}
}
