// Package wire is what the REST and the gRPC side of the server share: how an error is told, who may do what, and how a
// collection's settings are written in Qdrant's terms.
package wire

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"strings"
	"syscall"

	"google.golang.org/grpc/codes"

	"github.com/latent-go/latent/collection"
	"github.com/latent-go/latent/collection/filter"
	"github.com/latent-go/latent/collection/point"
	"github.com/latent-go/latent/measure/dimension"
	"github.com/latent-go/latent/vec"
)

// Kind is what a client can do about an error.
type Kind int

const (
	Internal    Kind = iota // nothing: it is the server's fault
	BadInput                // send something else
	BadFormat               // send what can be read
	Invalid                 // send a value that is allowed
	NotFound                // name something that exists
	Exists                  // name something that does not exist yet
	Forbidden               // use another key
	NoKey                   // use a key
	TimedOut                // ask for less, or wait longer
	BadChecksum             // send the file again
	Unsupported             // do without
	Busy                    // try again later
	ReadOnly                // wait for the operator: the store takes no more writes
	NoSpace                 // wait for the operator: the disk is full
	BadMethod               // ask otherwise
	Gone                    // nobody listens any more
)

// kinds are the codes of both protocols, and the words that Qdrant puts before the message.
var kinds = map[Kind]struct {
	http   int
	grpc   codes.Code
	prefix string
}{
	Internal:    {http.StatusInternalServerError, codes.Internal, "Service internal error: "},
	BadInput:    {http.StatusBadRequest, codes.InvalidArgument, "Wrong input: "},
	BadFormat:   {http.StatusBadRequest, codes.InvalidArgument, ""},
	Invalid:     {http.StatusUnprocessableEntity, codes.InvalidArgument, ""},
	NotFound:    {http.StatusNotFound, codes.NotFound, "Not found: "},
	Exists:      {http.StatusConflict, codes.AlreadyExists, "Wrong input: "},
	Forbidden:   {http.StatusForbidden, codes.PermissionDenied, "Forbidden: "},
	NoKey:       {http.StatusUnauthorized, codes.Unauthenticated, ""},
	TimedOut:    {http.StatusRequestTimeout, codes.DeadlineExceeded, "Timeout: "},
	BadChecksum: {http.StatusBadRequest, codes.DataLoss, ""},
	Unsupported: {http.StatusBadRequest, codes.Unimplemented, "Wrong input: "},
	Busy:        {http.StatusTooManyRequests, codes.ResourceExhausted, "Rate limiting exceeded: "},
	ReadOnly:    {http.StatusServiceUnavailable, codes.FailedPrecondition, "Storage locked: "},
	NoSpace:     {http.StatusInsufficientStorage, codes.ResourceExhausted, "Insufficient storage: "},
	BadMethod:   {http.StatusMethodNotAllowed, codes.Unimplemented, ""},
	Gone:        {499, codes.Canceled, ""}, // the number that web servers log for it
}

// Error is an error as a client is told it.
type Error struct {
	Kind    Kind
	Message string // without the prefix of its kind
	Err     error  // where it came from; nil if the server itself refused
}

func (e *Error) Error() string { return kinds[e.Kind].prefix + e.Message }

func (e *Error) Unwrap() error { return e.Err }

// HTTP is the status code of e.
func (e *Error) HTTP() int { return kinds[e.Kind].http }

// GRPC is the status code of e.
func (e *Error) GRPC() codes.Code { return kinds[e.Kind].grpc }

// Errorf makes an Error.
func Errorf(k Kind, format string, a ...any) *Error {
	return &Error{Kind: k, Message: fmt.Sprintf(format, a...)}
}

// Refuse says that the value of a field is not allowed.
func Refuse(field, format string, a ...any) *Error {
	return Errorf(Invalid, "Validation error in JSON body: [%s: %s]", field, fmt.Sprintf(format, a...))
}

// Of tells err to a client: by what it wraps.
func Of(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	kind := Internal
	switch {
	case errors.Is(err, context.Canceled):
		kind = Gone
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		kind = TimedOut
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		kind = NoSpace
	case errors.Is(err, collection.ErrReadOnly), errors.Is(err, syscall.EROFS):
		kind = ReadOnly
	case errors.Is(err, collection.ErrCorrupt):
		kind = Internal
	case errors.Is(err, collection.ErrNotFound):
		kind = NotFound
	case errors.Is(err, collection.ErrExists):
		kind = Exists
	case errors.Is(err, collection.ErrInput), errors.Is(err, filter.ErrFilter), errors.Is(err, point.ErrID), errors.Is(err, vec.ErrDim), errors.Is(err, vec.ErrNotFinite),
		errors.Is(err, vec.ErrZero), errors.Is(err, vec.ErrTooFew), errors.Is(err, dimension.ErrNoScale):
		kind = BadInput
	case errors.Is(err, fs.ErrNotExist):
		kind = NotFound
	}
	return &Error{Kind: kind, Message: strings.TrimPrefix(err.Error(), "collection: "), Err: err}
}

// Since is err, unless it is of a collection that was deleted while a request was at it.
func Since(store *collection.Store, name string, err error) error {
	if err == nil || name == "" || Of(err).Kind != Internal {
		return err
	}
	if _, now := store.Collection(name); now != nil && Of(now).Kind == NotFound {
		return now
	}
	return err
}
