package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/latent-go/latent/report/reporttest"
)

// TestPagesOnAPhone opens every page that the command writes in Chromium, as wide as a phone: nothing may stick out at
// the side, and nothing but the file itself may be asked for.
func TestPagesOnAPhone(t *testing.T) {
	const phone, tall = 360, 740
	tab := reporttest.Phone(t, phone, tall)
	var mu sync.Mutex
	var asked []string
	err := chromedp.Listen(tab, func(ev any) {
		if r, ok := ev.(*network.EventRequestWillBeSent); ok {
			mu.Lock()
			asked = append(asked, r.Request.URL)
			mu.Unlock()
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, page := range pages(t) {
		mu.Lock()
		asked = nil
		mu.Unlock()
		if err := chromedp.Do(tab, chromedp.Navigate("file://"+page)); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		// A phone zooms out where the page is too wide, so that both numbers have to be looked at.
		got, err := chromedp.Run(tab, chromedp.Evaluate[[]int](`[innerWidth, document.scrollingElement.scrollWidth,
			[...document.querySelectorAll('svg')].filter(s => s.getBoundingClientRect().height > 100).length]`))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got[0] != phone || got[1] > phone {
			t.Errorf("%s: %d pixels wide, shown as %d, on a screen of %d", name, got[1], got[0], phone)
		}
		if got[2] == 0 {
			t.Errorf("%s: no chart shows", name)
		}
		mu.Lock()
		if len(asked) != 1 || asked[0] != "file://"+page {
			t.Errorf("%s: asks for %v", name, asked)
		}
		mu.Unlock()
	}
}

// pages writes a page of each kind and returns their files.
func pages(t *testing.T) map[string]string {
	t.Helper()
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	x, labels := classed(t, 300, 8, 4)
	vectors := saved(t, "a-rather-long-name-of-a-file-of-vectors_with_no_place-to-break-it.npy", x, nil)
	y, factors := factorial(t, 300)
	for _, args := range [][]string{
		{"measure", vectors, "--labels", labels, "--inputs", vectors, "--html", path("labels.html")},
		{"measure", saved(t, "y.npy", y, nil), "--factors", saved(t, "f.npy", factors, nil), "--html", path("factors.html")},
		{"compare", vectors, saved(t, "z.npy", gaussian(300, 5, 1), nil), "--html", path("compare.html")},
		{"build", vectors, "--try", "flat", "-o", path("index"), "--html", path("build.html")},
		{"measure", "landscape", vectors, "--labels", labels, "--steps", "20", "--html", path("landscape.html")},
	} {
		if out, errs, code := latent(t, args...); code != exitDone {
			t.Fatalf("%v: exit %d: %s%s", args, code, out, errs)
		}
	}
	return map[string]string{"labels": path("labels.html"), "factors": path("factors.html"), "compare": path("compare.html"), "build": path("build.html"), "landscape": path("landscape.html")}
}

// TestPageIsNoInput looks whether commands refuse to write their page over what they read.
func TestPageIsNoInput(t *testing.T) {
	x, labels := classed(t, 60, 4, 2)
	a, b := saved(t, "a.npy", x, nil), saved(t, "b.npy", x, nil)
	before, err := os.ReadFile(a)
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"measure", a, "--html", a},
		{"measure", "landscape", a, "--labels", labels, "--html", a},
		{"compare", a, b, "--html", a},
		{"compare", b, a, "--html", a},
		{"build", a, "-o", filepath.Join(t.TempDir(), "index"), "--html", a},
	} {
		if _, errs, code := latent(t, args...); code != exitMisused || !strings.Contains(errs, "is what is read") {
			t.Errorf("%v: code %d, %s", args, code, errs)
		}
		if after, err := os.ReadFile(a); err != nil || !bytes.Equal(after, before) {
			t.Fatalf("%v: %s was written over: %v", args, a, err)
		}
	}
}
