package recipe

import (
	"slices"
	"strings"
	"testing"
)

// The collection's file begins with a blank line, and some numbers have no text: judgements are by number, not by place.
func TestNPL(t *testing.T) {
	docs, err := readNPL(strings.NewReader("\n1\nfirst of\nall\n   /\n3\nthird a/\n   /\n4\nfourth\n/\n"))
	if want := []nplText{{1, "first of\nall"}, {3, "third a/"}, {4, "fourth"}}; err != nil || !slices.Equal(docs, want) {
		t.Fatalf("%v, %v; want %v", docs, err, want)
	}
	judgements, err := readNPL(strings.NewReader("1\n  1  3\n  4\n   /\n2\n  4\n   /\n"))
	if err != nil {
		t.Fatal(err)
	}
	queries := []nplText{{1, "a"}, {2, "b"}}
	j, err := newNPL(docs, queries, judgements)
	if err != nil {
		t.Fatal(err)
	}
	for q, want := range [][]bool{{true, true, true}, {false, false, true}} {
		for d, w := range want {
			if j.relevant[q][uint32(d)] != w {
				t.Errorf("query %d, text %d (number %d): relevant %v", q, d, docs[d].number, !w)
			}
		}
	}
	for _, bad := range [][]nplText{{{1, "2"}, {2, "4"}}, {{1, "1"}}, {{2, "1"}, {1, "4"}}, {{1, "one"}, {2, "4"}}} {
		if _, err := newNPL(docs, queries, bad); err == nil {
			t.Errorf("judgements %v were taken", bad)
		}
	}
	if _, err := readNPL(strings.NewReader("one\ntext\n/\n")); err == nil {
		t.Error("a text without a number was taken")
	}
}
