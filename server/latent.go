package server

import (
	"context"
	"net/http"
	"path"
	"reflect"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/latent-go/latent/server/wire"
)

// latent registers what Qdrant does not have: a collection measures itself, its recall, and what would serve it better.
// Unlike the routes of the table these describe themselves, at /latent/openapi.json and /latent/docs.
func (s *Server) latent(mux noting) {
	config := huma.DefaultConfig("latent", s.o.Version)
	config.Info.Description = "What Qdrant's API does not have: a collection measures its vectors and its own recall, tunes itself to a target, and compares two vectors. Errors come as RFC 9457 has them."
	config.OpenAPIPath, config.SchemasPath, config.DocsPath = "/latent/openapi", "", "" // docs.go has a page that needs no other server
	config.CreateHooks = nil                                                            // no $schema in the answers
	config.Formats = map[string]huma.Format{"application/json": huma.DefaultJSONFormat, "json": huma.DefaultJSONFormat}
	config.Components.Schemas = huma.NewMapRegistry("#/components/schemas/", schemaName)
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{"key": {Type: "apiKey", In: "header", Name: "api-key"}}
	api := humago.New(mux, config)
	api.UseMiddleware(s.latentAccess(api))
	s.analyses(api)
	mux.HandleFunc("GET /latent/docs", func(w http.ResponseWriter, _ *http.Request) { writeDocs(w, api.OpenAPI()) })
}

// schemaName puts the package before the name of a type: several have a Report.
func schemaName(t reflect.Type, hint string) string {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	name, pkg := huma.DefaultSchemaNamer(t, hint), path.Base(t.PkgPath())
	if t.PkgPath() == "" || pkg == "server" || pkg == "huma" {
		return name
	}
	return strings.ToUpper(pkg[:1]) + pkg[1:] + name
}

// latentAccess checks the key, and lets the answer take as long as the work does.
func (s *Server) latentAccess(api huma.API) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		want, _ := ctx.Operation().Metadata["access"].(wire.Access)
		if err := s.checkKey(ctx.Header, want); err != nil {
			told := wire.Of(err)
			huma.WriteErr(api, ctx, told.HTTP(), told.Error())
			return
		}
		_, w := humago.Unwrap(ctx)
		http.NewResponseController(w).SetWriteDeadline(time.Time{})
		next(ctx)
	}
}

// body is what a handler answers with.
type body[T any] struct{ Body T }

// register adds a handler under /latent.
func register[I, O any](s *Server, api huma.API, access wire.Access, method, path, id, summary, description string, h func(context.Context, *I) (O, error)) {
	huma.Register(api, huma.Operation{
		Method: method, Path: "/latent" + path, OperationID: id, Summary: summary, Description: description,
		Metadata:     map[string]any{"access": access},
		Security:     []map[string][]string{{"key": {}}, {}},
		Errors:       []int{http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusTooManyRequests},
		MaxBodyBytes: s.o.MaxBody, BodyReadTimeout: s.o.BodyTimeout,
	}, func(ctx context.Context, in *I) (*body[O], error) {
		out, err := h(ctx, in)
		if err != nil {
			told := wire.Of(err)
			if told.Kind == wire.Internal {
				s.log.ErrorContext(ctx, "request failed", "error", err, "operation", id)
			}
			return nil, huma.NewError(told.HTTP(), told.Error())
		}
		return &body[O]{out}, nil
	})
}
