package server

import (
	"strings"
	"testing"

	"github.com/latent-go/latent/server/wire"
)

// TestPagesAreServed looks whether the explorer is there, behind the server's own doors.
func TestPagesAreServed(t *testing.T) {
	s := open(t, Options{Loopback: true, Hosts: []string{"example.com"}}) // as httptest calls it
	for path, code := range map[string]int{"/ui": 200, "/ui/": 200, "/ui/collections/none": 404, "/dashboard": 307} {
		if a := request(t, s, "GET", path, ""); a.code != code {
			t.Errorf("%s: %d, want %d", path, a.code, code)
		}
	}
	if a := request(t, s, "PUT", "/ui", ""); a.code != 405 {
		t.Errorf("PUT /ui: %d", a.code)
	}
	if a := request(t, open(t, Options{Loopback: true}), "GET", "/ui", ""); a.code != 403 {
		t.Errorf("by a name that is not this machine's: %d", a.code)
	}
	locked := open(t, Options{Keys: wire.Keys{Full: []string{"k"}}})
	if a := request(t, locked, "GET", "/ui", ""); a.code != 303 || !strings.HasPrefix(a.header.Get("Location"), "/ui/login") {
		t.Errorf("without a key: %d, to %q", a.code, a.header.Get("Location"))
	}
	if a := request(t, locked, "GET", "/ui", "", "api-key", "k"); a.code != 200 {
		t.Errorf("with a key: %d", a.code)
	}
}
