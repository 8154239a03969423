package explorer

import (
	"net/netip"
	"sync"
	"time"
)

// guesses slow down who tries keys at the login: an address has some tries, and one more with time. A right key costs
// none. The zero guesses are ready for use.
type guesses struct {
	mu sync.Mutex
	// by address, when the last of its tries is forgiven
	until map[netip.Prefix]time.Time
}

const (
	tries     = 10               // that an address has at once
	forgiven  = 30 * time.Second // a wrong key is, after
	addresses = 4096             // remembered; of more, those that have tried most
)

// try takes one try from an address, or says how long it has to wait for the next.
func (g *guesses) try(from netip.Prefix, now time.Time) (wait time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	until := g.until[from]
	if until.Before(now) {
		until = now
	}
	if until = until.Add(forgiven); until.Sub(now) > tries*forgiven {
		return until.Sub(now) - tries*forgiven
	}
	if _, known := g.until[from]; !known && len(g.until) >= addresses {
		g.forget(now)
	}
	if g.until == nil {
		g.until = map[netip.Prefix]time.Time{}
	}
	g.until[from] = until
	return 0
}

// right gives back the try that was a right key.
func (g *guesses) right(from netip.Prefix) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if until, ok := g.until[from]; ok {
		g.until[from] = until.Add(-forgiven)
	}
}

// forget makes room for one address.
func (g *guesses) forget(now time.Time) {
	var least netip.Prefix
	for from, until := range g.until {
		if !until.After(now) {
			delete(g.until, from)
		} else if !least.IsValid() || until.Before(g.until[least]) {
			least = from
		}
	}
	if len(g.until) >= addresses {
		delete(g.until, least)
	}
}

// addressOf is who asks: an address, of IPv6 a network of 64 bits, which one household has.
func addressOf(remote string) netip.Prefix {
	a, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Prefix{} // all of whom nothing is known are one
	}
	ip := a.Addr().Unmap().WithZone("")
	p, err := ip.Prefix(min(64, ip.BitLen()))
	if err != nil {
		return netip.Prefix{}
	}
	return p
}
