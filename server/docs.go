package server

import (
	"cmp"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// docsPage shows an OpenAPI document, and needs nothing from elsewhere.
var docsPage = template.Must(template.New("docs").Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{.Title}}: API</title>
<style>
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 52rem; margin: 2rem auto; padding: 0 1rem; }
code, .path { font-family: ui-monospace, monospace; }
.path { font-size: 1.05rem; overflow-wrap: anywhere; }
section { border-top: 1px solid color-mix(in srgb, currentColor 25%, transparent); margin-top: 1.5rem; padding-top: .5rem; }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; vertical-align: top; padding: .2rem .8rem .2rem 0; }
</style></head><body>
<h1>{{.Title}} {{.Version}}</h1><p>{{.Description}}</p>
<p>The same as a document: <a href="openapi.json">openapi.json</a>. Where the server asks for a key, send it as <code>api-key</code>.</p>
{{range .Operations}}<section id="{{.ID}}"><h2>{{.Summary}}</h2><p class="path"><strong>{{.Method}}</strong> {{.Path}}</p><p>{{.Description}}</p>
{{with .Input}}<h3>Asked</h3>{{template "fields" .}}{{end}}{{with .Output}}<h3>Answered</h3>{{template "fields" .}}{{end}}</section>
{{end}}</body></html>
{{define "fields"}}<table><thead><tr><th>field</th><th>type</th><th>meaning</th></tr></thead><tbody>
{{range .}}<tr><td><code>{{.Name}}</code></td><td>{{.Type}}</td><td>{{.Doc}}</td></tr>{{end}}</tbody></table>{{end}}`))

type docsOperation struct {
	ID, Method, Path, Summary, Description string
	Input, Output                          []docsField
}

type docsField struct{ Name, Type, Doc string }

func writeDocs(w http.ResponseWriter, api *huma.OpenAPI) {
	page := struct {
		Title, Version, Description string
		Operations                  []docsOperation
	}{Title: api.Info.Title, Version: api.Info.Version, Description: api.Info.Description}
	for path, item := range api.Paths {
		for method, op := range map[string]*huma.Operation{"GET": item.Get, "POST": item.Post, "PUT": item.Put, "DELETE": item.Delete} {
			if op == nil {
				continue
			}
			o := docsOperation{ID: op.OperationID, Method: method, Path: path, Summary: op.Summary, Description: op.Description}
			if op.RequestBody != nil {
				o.Input = docsFields(api, op.RequestBody.Content, "", 0)
			}
			if r := op.Responses["200"]; r != nil {
				o.Output = docsFields(api, r.Content, "", 0)
			}
			page.Operations = append(page.Operations, o)
		}
	}
	slices.SortFunc(page.Operations, func(a, b docsOperation) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Method, b.Method))
	})
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
	docsPage.Execute(w, page)
}

func docsFields(api *huma.OpenAPI, content map[string]*huma.MediaType, prefix string, depth int) (out []docsField) {
	for _, m := range content {
		return schemaFields(api, m.Schema, prefix, depth)
	}
	return nil
}

// schemaFields lists the fields of an object, and those of objects within it as far as a page can show.
func schemaFields(api *huma.OpenAPI, s *huma.Schema, prefix string, depth int) (out []docsField) {
	s = resolve(api, s)
	if s == nil || depth > 2 {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		f := resolve(api, s.Properties[name])
		kind, inner, suffix := f.Type, f, "."
		if f.Type == "array" && f.Items != nil {
			inner, suffix = resolve(api, f.Items), "[]."
			kind = "array of " + inner.Type
		}
		doc := s.Properties[name].Description
		if !slices.Contains(s.Required, name) {
			doc = strings.TrimSpace(doc + " (can be absent)")
		}
		out = append(out, docsField{prefix + name, kind, doc})
		out = append(out, schemaFields(api, inner, prefix+name+suffix, depth+1)...)
	}
	return out
}

func resolve(api *huma.OpenAPI, s *huma.Schema) *huma.Schema {
	if s != nil && s.Ref != "" {
		return api.Components.Schemas.SchemaFromRef(s.Ref)
	}
	return s
}
