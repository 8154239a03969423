//go:build amd64 && !noasm

package vec

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// onEach runs f with the kernels of each kind that this processor has.
func onEach(t *testing.T, f func(t *testing.T)) {
	a2, a5, vn, vp := hasAVX2, hasAVX512, hasVNNI, hasVPOPCNT
	defer func() { hasAVX2, hasAVX512, hasVNNI, hasVPOPCNT = a2, a5, vn, vp }()
	t.Run("best", f)
	if hasVNNI || hasVPOPCNT {
		hasVNNI, hasVPOPCNT = false, false
		t.Run("avx512", f)
	}
	hasAVX512 = false
	t.Run("avx2", f)
	hasAVX2 = false
	t.Run("go", f)
}

// avo may give a function any register, and the assembler takes it. Those from 16 on, and masks, are of AVX-512: a function for AVX2
// that used one would run here and die on the processors it is for.
func TestAVX2UsesAVX2(t *testing.T) {
	files, err := filepath.Glob("*_amd64.s")
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	beyond := regexp.MustCompile(`\b([XY](1[6-9]|2\d|3[01])|Z\d+|K[0-7])\b`)
	seen := 0
	for f := range strings.SplitSeq(all.String(), "\nTEXT ") {
		name, _, _ := strings.Cut(f, "(")
		if strings.Contains(name, "AVX2") {
			seen++
			if r := beyond.FindString(f); r != "" {
				t.Errorf("%s uses %s", name, r)
			}
		}
	}
	if seen < 40 {
		t.Errorf("only %d functions for AVX2 found", seen)
	}
}
