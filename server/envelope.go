package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/latent-go/latent/server/wire"
)

// envelope is what every answer comes in, as in Qdrant.
type envelope struct {
	Result any     `json:"result"`
	Status any     `json:"status"` // "ok", "accepted" or {"error": why}
	Time   float64 `json:"time"`   // seconds
	Usage  any     `json:"usage"`
}

type failure struct {
	Error string `json:"error"`
}

// call is one request on its way through a handler.
type call struct {
	*http.Request
	s     *Server
	w     http.ResponseWriter
	start time.Time
}

// accepted is the result of a handler that goes on working after the answer.
type accepted struct{}

// answer writes what a handler returned.
func (c *call) answer(result any, err error) {
	e := envelope{Status: "ok", Time: time.Since(c.start).Seconds()}
	status := http.StatusOK
	switch {
	case err != nil:
		told := wire.Of(err)
		status = told.HTTP()
		e.Status = failure{told.Error()}
		if told.Kind == wire.Internal {
			c.s.log.ErrorContext(c.Context(), "request failed", "error", err, "path", c.URL.Path)
		}
		if told.Kind == wire.Busy {
			c.w.Header().Set("Retry-After", "1")
		}
	case result == accepted{}:
		status, e.Status = http.StatusAccepted, "accepted"
	default:
		e.Result = result
	}
	if err := writeJSON(c.w, status, e); err != nil {
		c.s.log.DebugContext(c.Context(), "answer not written", "error", err, "path", c.URL.Path)
	}
}

// writeJSON encodes before it writes, so that what cannot be encoded is an error and not half an answer.
func writeJSON(w http.ResponseWriter, status int, v any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		status = http.StatusInternalServerError
		b.Reset()
		enc.Encode(envelope{Status: failure{"Service internal error: the answer cannot be written as JSON: " + err.Error()}})
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(b.Len()))
	w.WriteHeader(status)
	_, err := w.Write(b.Bytes())
	return err
}

// maxDepth is how deep a JSON body may nest, as in Qdrant.
const maxDepth = 128

// read decodes the JSON body into v. Fields that v does not know are passed over, as Qdrant does it, but for those of
// filters and selectors, whose types refuse them.
func (c *call) read(v any) error {
	body, err := c.body()
	if err != nil {
		return err
	}
	return decode(body, v)
}

func (c *call) body() ([]byte, error) {
	// A browser sends other types without asking the server first, so the check also keeps pages of other origins out.
	if t, _, err := mime.ParseMediaType(c.Header.Get("Content-Type")); err != nil || t != "application/json" && !strings.HasSuffix(t, "+json") {
		return nil, wire.Errorf(wire.BadFormat, "Content type error: send the body with the header Content-Type: application/json")
	}
	limit := c.s.o.MaxBody
	if c.ContentLength > limit {
		return nil, wire.Errorf(wire.BadFormat, "JSON payload (%d bytes) is larger than allowed (limit: %d bytes).", c.ContentLength, limit)
	}
	var b bytes.Buffer
	if n := c.ContentLength; n > 0 {
		b.Grow(int(min(n, 1<<20)) + bytes.MinRead) // what the client claims is not yet there
	}
	_, err := b.ReadFrom(http.MaxBytesReader(c.w, c.Body, limit))
	if large := new(http.MaxBytesError); errors.As(err, &large) {
		return nil, wire.Errorf(wire.BadFormat, "JSON payload has exceeded limit (%d bytes).", limit)
	}
	if err != nil {
		return nil, wire.Errorf(wire.TimedOut, "the body did not arrive: %v", err)
	}
	return b.Bytes(), nil
}

// decode reads one JSON value.
func decode(b []byte, v any) error {
	if len(bytes.TrimSpace(b)) == 0 {
		return wire.Errorf(wire.BadFormat, "Format error in JSON body: EOF while parsing a value at line 1 column 0")
	}
	if deeper(b, maxDepth) {
		return wire.Errorf(wire.BadFormat, "Format error in JSON body: recursion limit exceeded: it nests deeper than %d levels", maxDepth)
	}
	if err := json.Unmarshal(b, v); err != nil {
		return format(b, err)
	}
	return nil
}

// format says where in b the error is.
func format(b []byte, err error) error {
	var told *wire.Error
	if errors.As(err, &told) {
		return told
	}
	text := strings.TrimPrefix(err.Error(), "json: ")
	if at := new(json.SyntaxError); errors.As(err, &at) {
		line, col := position(b, at.Offset)
		text = fmt.Sprintf("%s at line %d column %d", text, line, col)
	}
	if of := new(json.UnmarshalTypeError); errors.As(err, &of) {
		text = mistyped(of)
	}
	return &wire.Error{Kind: wire.BadFormat, Message: "Format error in JSON body: " + text, Err: err}
}

// mistyped says what stands where something else should, as Qdrant does, and not of which Go type that is.
func mistyped(e *json.UnmarshalTypeError) string {
	t := e.Type
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	what, want := "invalid type: "+e.Value, "a map"
	if number, ok := strings.CutPrefix(e.Value, "number "); ok {
		what = fmt.Sprintf("invalid value: number `%.40s`", number)
	}
	switch k := t.Kind(); {
	case k == reflect.Bool:
		want = "a boolean"
	case k == reflect.String:
		want = "a string"
	case k == reflect.Slice || k == reflect.Array:
		want = "a sequence"
	case k == reflect.Float32 || k == reflect.Float64:
		want = "a number"
	case k >= reflect.Int && k <= reflect.Int64:
		want = "an integer"
	case k >= reflect.Uint && k <= reflect.Uint64:
		want = "an unsigned integer"
	}
	if e.Field != "" {
		return fmt.Sprintf("%s: %s, expected %s", e.Field, what, want)
	}
	return what + ", expected " + want
}

func position(b []byte, offset int64) (line, col int) {
	before := b[:min(max(offset, 0), int64(len(b)))]
	return 1 + bytes.Count(before, []byte("\n")), len(before) - 1 - bytes.LastIndexByte(before, '\n')
}

// deeper says whether the brackets of b nest deeper than limit. It runs before any decoder, whose time or stack could
// grow with the depth.
func deeper(b []byte, limit int) bool {
	depth, quoted := 0, false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case quoted:
			if c == '\\' {
				i++
			} else if c == '"' {
				quoted = false
			}
		case c == '"':
			quoted = true
		case c == '[' || c == '{':
			if depth++; depth > limit {
				return true
			}
		case c == ']' || c == '}':
			depth--
		}
	}
	return false
}

// Query parameters, whose errors Qdrant words so.

func queryError(name, value, want string) error {
	return wire.Errorf(wire.BadFormat, "Deserialize error in query parameters: %s=%.40q: %s", name, value, want)
}

func boolParam(q url.Values, name string, otherwise bool) (bool, error) {
	switch v := q.Get(name); v {
	case "":
		return otherwise, nil
	case "true":
		return true, nil
	case "false":
		return false, nil
	default:
		return false, queryError(name, v, "provided string was not `true` or `false`")
	}
}

// timeout is how long the client says it waits, at most the server's own limit.
func (c *call) timeout() (time.Duration, error) {
	v := c.URL.Query().Get("timeout")
	if v == "" {
		return c.s.o.Timeout, nil
	}
	n, err := strconv.ParseUint(v, 10, 31)
	if err != nil {
		return 0, queryError("timeout", v, "want a number of seconds")
	}
	if n < 1 {
		return 0, wire.Errorf(wire.Invalid, "Validation error in query parameters: [timeout: value 0 invalid, must be 1 or larger]")
	}
	return min(time.Duration(n)*time.Second, c.s.o.Timeout), nil
}

var discard = slog.New(slog.DiscardHandler)
