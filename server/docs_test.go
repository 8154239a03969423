package server

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// TestDocs runs the examples of docs/server.md, and looks for what they say comes back.
func TestDocs(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("curl is not there")
	}
	text, err := os.ReadFile("../docs/server.md")
	if err != nil {
		t.Fatal(err)
	}
	rest, _ := serveOn(t, open(t, Options{}))
	dir, n := t.TempDir(), 0
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		command := ""
		for line := range strings.Lines(block[1]) {
			want, answer := strings.CutPrefix(line, "# → ")
			if !answer {
				command += line
				continue
			}
			c := exec.Command("sh", "-c", strings.ReplaceAll(command, "localhost:6333", rest))
			c.Dir = dir
			out, err := c.Output()
			if err != nil || !strings.Contains(string(out), strings.TrimSpace(want)) {
				t.Errorf("%s\n%s %v\nwant %s", command, out, err, want)
			}
			command = ""
			n++
		}
	}
	if n < 10 {
		t.Errorf("%d examples were found", n)
	}
}
