package wire

import (
	"crypto/sha256"
	"crypto/subtle"
	"strings"
)

// Access is what a caller may do.
type Access int

const (
	Nothing Access = iota
	Read
	Write
)

// Keys are the API keys of a server. The zero Keys let everyone do everything.
type Keys struct {
	Full     []string // may read and write
	ReadOnly []string
}

// Any says whether a key is asked for at all.
func (k Keys) Any() bool { return len(k.Full)+len(k.ReadOnly) > 0 }

// Access is what the holder of key may do. The time it takes tells nothing of how much of a key was right.
func (k Keys) Access(key string) Access {
	if !k.Any() {
		return Write
	}
	got := sha256.Sum256([]byte(key))
	match := func(keys []string) (yes int) {
		for _, s := range keys {
			want := sha256.Sum256([]byte(s))
			if s != "" {
				yes |= subtle.ConstantTimeCompare(got[:], want[:])
			}
		}
		return yes
	}
	full, read := match(k.Full), match(k.ReadOnly)
	switch {
	case full == 1:
		return Write
	case read == 1:
		return Read
	}
	return Nothing
}

// KeyOf returns the key that a request's headers carry, and whether they carry one.
func KeyOf(header func(name string) string) (key string, given bool) {
	if key = header("Api-Key"); key != "" {
		return key, true
	}
	if key, given = strings.CutPrefix(header("Authorization"), "Bearer "); given {
		return key, true
	}
	return "", false
}

// Check says whether the holder of key may do what needs the access want.
func (k Keys) Check(key string, given bool, want Access) error {
	if !k.Any() || want == Nothing {
		return nil
	}
	if !given {
		return Errorf(NoKey, "Must provide an API key or an Authorization bearer token")
	}
	switch have := k.Access(key); {
	case have == Nothing:
		return Errorf(NoKey, "Invalid API key or JWT")
	case have < want:
		return Errorf(Forbidden, "Global manage access is required")
	}
	return nil
}
