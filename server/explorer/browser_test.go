package explorer

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/latent-go/latent/report/reporttest"
)

// TestInABrowser opens every kind of page in Chromium, as wide as a phone, in light and dark: nothing may stick out at
// the side, be written to the console, or be asked of another server, and the keyboard must do.
func TestInABrowser(t *testing.T) {
	const phone, tall = 390, 844
	tab := reporttest.Phone(t, phone, tall)
	s := open(t, Options{Version: "1.2.3", Embedder: words{}})
	s.settled(t, "/ui/collections/books")
	web := httptest.NewServer(s.mux)
	t.Cleanup(web.Close)

	if _, err := chromedp.Call(tab, log.Enable, cdp.Empty{}); err != nil {
		t.Fatal(err)
	}
	// Else a page without a window has no focus to tell its script of.
	if _, err := chromedp.Call(tab, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true}); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var said []string
	note := func(what string) {
		mu.Lock()
		said = append(said, what)
		mu.Unlock()
	}
	if err := chromedp.Listen(tab, func(ev any) {
		switch e := ev.(type) {
		case *runtime.EventConsoleAPICalled:
			note(fmt.Sprintf("console.%s", e.Type))
		case *runtime.EventExceptionThrown:
			note(e.ExceptionDetails.Text)
		case *log.EventEntryAdded:
			note(e.Entry.Text + " " + e.Entry.URL)
		case *network.EventRequestWillBeSent:
			if !strings.HasPrefix(e.Request.URL, web.URL+"/ui") {
				note("asks for " + e.Request.URL)
			}
		}
	}); err != nil {
		t.Fatal(err)
	}
	quiet := func(where string) {
		mu.Lock()
		defer mu.Unlock()
		if len(said) > 0 {
			t.Errorf("%s: %v", where, said)
		}
		said = nil
	}
	visit := func(path string) {
		t.Helper()
		if err := chromedp.Do(tab, chromedp.Navigate(web.URL+path)); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
	}

	backgrounds := map[string]string{}
	for _, scheme := range []string{"light", "dark"} {
		media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}
		if _, err := chromedp.Call(tab, emulation.SetEmulatedMedia, media); err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{"/ui", "/ui/login", "/ui/collections/books", "/ui/collections/named%20%231%20&%20more", "/ui/collections/books/search",
			"/ui/collections/books/search?q=7", "/ui/collections/books/points/7", "/ui/collections/books/map?color=genre"} {
			visit(path)
			// A phone zooms out where the page is too wide, so that both numbers have to be looked at.
			got, err := chromedp.Run(tab, chromedp.Evaluate[[]int](`[innerWidth, document.scrollingElement.scrollWidth]`))
			if err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			if got[0] != phone || got[1] > phone {
				t.Errorf("%s: %d pixels wide, shown as %d, on a screen of %d", path, got[1], got[0], phone)
			}
			if backgrounds[scheme], err = chromedp.Run(tab, chromedp.Evaluate[string](`getComputedStyle(document.body).backgroundColor`)); err != nil {
				t.Fatal(err)
			}
			quiet(scheme + " " + path)
		}
	}
	if backgrounds["light"] == backgrounds["dark"] {
		t.Errorf("light and dark are both %s", backgrounds["light"])
	}

	// By the keyboard alone: from the top of the page to the field, a search, and a hit.
	press := func(keys string) {
		t.Helper()
		if err := chromedp.Do(tab, chromedp.KeyEvent(keys)); err != nil {
			t.Fatal(err)
		}
	}
	tabTo := func(what, is string) {
		t.Helper()
		for range 40 {
			press(kb.Tab)
			if there, err := chromedp.Run(tab, chromedp.Evaluate[bool](`(e => `+is+`)(document.activeElement)`)); err != nil {
				t.Fatal(err)
			} else if there {
				return
			}
		}
		t.Fatalf("the keyboard does not reach %s", what)
	}
	reached := func(path string) {
		t.Helper()
		var here string
		for range 100 {
			var err error
			if here, err = chromedp.Run(tab, chromedp.Evaluate[string](`document.readyState === "complete" ? location.pathname + location.search : ""`)); err == nil && strings.HasPrefix(here, path) {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
		t.Fatalf("at %s, not at %s", here, path)
	}
	visit("/ui/collections/books/search")
	tabTo("the search", `e.name === "q"`)
	press("42")
	tabTo("the button", `e.tagName === "BUTTON" && e.textContent === "Search"`)
	press(kb.Enter)
	reached("/ui/collections/books/search?q=42")
	tabTo("a hit", `e.closest(".hits h3") !== null`)
	press(kb.Enter)
	reached("/ui/collections/books/points/")
	quiet("searching")

	// On the map: one stop for all dots, then arrows, and words beside it.
	visit("/ui/collections/books/map")
	tabTo("the map", `e.closest("#map a") !== null`)
	first, err := chromedp.Run(tab, chromedp.Evaluate[string](`document.getElementById("told").textContent`))
	if err != nil || !strings.HasPrefix(first, "point ") {
		t.Fatalf("the map tells %q, %v", first, err)
	}
	press(kb.ArrowRight)
	press(kb.ArrowLeft)
	press(kb.ArrowDown)
	press(kb.ArrowUp)
	press(kb.ArrowUp)
	if told, err := chromedp.Run(tab, chromedp.Evaluate[string](`document.getElementById("told").textContent`)); err != nil || told == first || !strings.HasPrefix(told, "point ") {
		t.Errorf("the arrows lead from %q to %q, %v", first, told, err)
	}
	press(kb.Enter)
	reached("/ui/collections/books/points/")
	quiet("the map")

	// A report that is being measured moves by itself.
	if err := s.store.Create(t.Context(), "late", s.config(t, "books")); err != nil {
		t.Fatal(err)
	}
	s.copy(t, "books", "late")
	s.o.Heavy <- struct{}{}
	visit("/ui/collections/late")
	<-s.o.Heavy
	done := false
	for begin := time.Now(); !done && time.Since(begin) < 30*time.Second; time.Sleep(100 * time.Millisecond) {
		if done, err = chromedp.Run(tab, chromedp.Evaluate[bool](`!("running" in document.getElementById("live").dataset) && document.querySelector("figure svg") !== null`)); err != nil {
			t.Fatal(err)
		}
	}
	if !done {
		t.Error("the report does not move on")
	}
	quiet("the report")
}
