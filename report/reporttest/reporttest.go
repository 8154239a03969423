// Package reporttest shows tests a page as a phone does.
//
//	tab := reporttest.Phone(t, 360, 740)
//	err := chromedp.Do(tab, chromedp.Navigate("file://"+page))
package reporttest

import (
	"context"
	"os/exec"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// Phone returns a tab of Chromium, with a screen of so many CSS pixels at two dots each. It lives as long as the test,
// two minutes at most. Without a browser the test is skipped, and so it is by -short.
func Phone(t *testing.T, width, height int64) context.Context {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a browser")
	}
	browser := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			browser = path
			break
		}
	}
	if browser == "" {
		t.Skip("no chromium, chromium-browser, google-chrome or chrome on the path: install one to check pages in it")
	}
	alloc, stop := chromedp.NewExecAllocator(t.Context(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(browser), chromedp.NoSandbox, chromedp.UserDataDir(t.TempDir()))...)
	t.Cleanup(stop)
	alloc, late := context.WithTimeout(alloc, 2*time.Minute)
	t.Cleanup(late)
	tab, leave := chromedp.NewContext(alloc)
	t.Cleanup(leave)
	if err := chromedp.Do(tab, chromedp.EmulateViewport(width, height, chromedp.EmulateMobile, chromedp.EmulateScale(2))); err != nil {
		t.Fatal(err)
	}
	return tab
}
