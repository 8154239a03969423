package explorer

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/latent-go/latent/server/wire"
)

const (
	cookie   = "latent_session"
	lifetime = 12 * time.Hour
)

// sessions are what visitors hold instead of a key: what they may do and until when, sealed with a secret that this
// process alone knows. Nothing is kept here, and all of them end with the process.
type sessions struct{ secret []byte }

func newSessions() sessions {
	s := sessions{make([]byte, 32)}
	rand.Read(s.secret)
	return s
}

func (s sessions) seal(may wire.Access, until time.Time) string {
	b := binary.BigEndian.AppendUint64([]byte{byte(may)}, uint64(until.Unix()))
	return base64.RawURLEncoding.EncodeToString(s.sum(b))
}

// sum appends to b the code that only we can make of it.
func (s sessions) sum(b []byte) []byte {
	h := hmac.New(sha256.New, s.secret)
	h.Write(b)
	return h.Sum(b)
}

func (s sessions) open(token string, now time.Time) wire.Access {
	const plain = 9
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(b) != plain+sha256.Size || !hmac.Equal(b, s.sum(b[:plain:plain])) {
		return wire.Nothing
	}
	if now.Unix() >= int64(binary.BigEndian.Uint64(b[1:plain])) {
		return wire.Nothing
	}
	return wire.Access(b[0])
}

// access is what the sender of a request may do: the holder of a cookie, or of a key as clients send it.
func (e *Explorer) access(r *http.Request) wire.Access {
	if !e.o.Keys.Any() {
		return wire.Write
	}
	if key, given := wire.KeyOf(r.Header.Get); given {
		return e.o.Keys.Access(key)
	}
	if c, err := r.Cookie(cookie); err == nil {
		return e.sessions.open(c.Value, time.Now())
	}
	return wire.Nothing
}

type loginPage struct{ Next, Err string }

func loginForm(v *visit) error {
	return v.show(http.StatusOK, "login", "Log in", nil, loginPage{Next: v.URL.Query().Get("next")})
}

func login(v *visit) error {
	if err := v.ParseForm(); err != nil {
		return wire.Errorf(wire.BadInput, "the form cannot be read: %v", err)
	}
	next := v.PostForm.Get("next")
	if !local(next) {
		next = "/ui"
	}
	from := addressOf(v.RemoteAddr)
	if wait := v.guesses.try(from, time.Now()); wait > 0 {
		seconds := int(math.Ceil(wait.Seconds()))
		v.o.Log.WarnContext(v.Context(), "login refused unread: too many wrong keys", "remote", v.RemoteAddr, "wait_seconds", seconds)
		v.w.Header().Set("Retry-After", strconv.Itoa(seconds))
		return v.show(http.StatusTooManyRequests, "login", "Log in", nil, loginPage{next, fmt.Sprintf("Too many wrong keys came from your address. Try again in %d seconds.", seconds)})
	}
	may := v.o.Keys.Access(v.PostForm.Get("key"))
	if may != wire.Nothing {
		v.guesses.right(from)
	} else {
		v.o.Log.WarnContext(v.Context(), "login refused", "remote", v.RemoteAddr)
		return v.show(http.StatusUnauthorized, "login", "Log in", nil, loginPage{next, "That is none of this server's keys."})
	}
	v.setCookie(v.sessions.seal(may, time.Now().Add(lifetime)), int(lifetime.Seconds()))
	v.see(next)
	return nil
}

func logout(v *visit) error {
	v.setCookie("", -1)
	v.see("/ui")
	return nil
}

func (v *visit) setCookie(value string, seconds int) {
	http.SetCookie(v.w, &http.Cookie{Name: cookie, Value: value, Path: "/ui", MaxAge: seconds, HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: v.TLS != nil})
}
