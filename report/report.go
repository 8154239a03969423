// Package report makes pages that hold everything they show: one HTML file with its styles and its charts as SVG, that
// a phone can read, in light and dark, offline. The charts also stand alone as SVG files for documentation.
//
//	p := report.Page{Title: "vectors.npy", Sections: []report.Section{{Title: "Spectrum", Charts: []report.Chart{c}}}}
//	_, err := p.WriteTo(w)
package report

import (
	"bytes"
	"fmt"
	"html/template"
	"io"
)

// Page is a report from top to bottom.
type Page struct {
	Title    string
	Lead     string // the finding, in a sentence or two
	Facts    []Fact // the figures that matter most, shown large
	Sections []Section
	Footer   string // what made the page, from what, when
}

// Fact is a figure with a name.
type Fact struct {
	Name, Value string
	Note        string // what it means, in small type
}

// Section is a titled part of a page; what is empty is left out.
type Section struct {
	Title    string
	Text     []string // paragraphs
	Warnings []string // paragraphs that stand out
	Charts   []Chart
	Table    *Table
}

// Table is rows of cells under a head. A row of Strong is set bold.
type Table struct {
	Head   []string
	Rows   [][]string
	Strong map[int]bool // by row
	Left   int          // the first so many columns are words and align left; the others are figures
}

// Chart draws itself as an SVG element, which scales to the width it is given.
type Chart interface {
	SVG() template.HTML
}

// WriteTo writes the page as HTML. An error is w's own.
func (p Page) WriteTo(w io.Writer) (int64, error) {
	var b bytes.Buffer
	if err := page.Execute(&b, p); err != nil {
		panic(fmt.Sprintf("report: %v", err)) // the template and its data are both ours
	}
	return b.WriteTo(w)
}

// HTML writes a section alone, for a page that is not a Page and has the Style; level is that of its heading, 2 or 3.
func (s Section) HTML(level int) template.HTML {
	var b bytes.Buffer
	err := section.Execute(&b, struct {
		Section
		Level int
	}{s, level})
	if err != nil {
		panic(fmt.Sprintf("report: %v", err)) // as in WriteTo
	}
	return template.HTML(b.String())
}

// Numeric says whether column i of the table holds figures.
func (t Table) Numeric(i int) bool { return i >= t.Left }

var page = template.Must(template.New("page").Funcs(template.FuncMap{"style": func() template.CSS { return Style }}).Parse(`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{.Title}}</title>
<style>{{style}}</style>
</head>
<body>
<main>
<h1>{{.Title}}</h1>
{{with .Lead}}<p class="lead">{{.}}</p>{{end}}
{{with .Facts}}<dl class="facts">{{range .}}<div><dt>{{.Name}}</dt><dd>{{.Value}}</dd>{{with .Note}}<dd class="note">{{.}}</dd>{{end}}</div>{{end}}</dl>{{end}}
{{range .Sections}}{{.HTML 2}}{{end}}
{{with .Footer}}<footer>{{.}}</footer>{{end}}
</main>
</body>
</html>
`))

var section = template.Must(template.New("section").Parse(`<section>
{{if eq .Level 2}}<h2>{{.Title}}</h2>{{else}}<h3>{{.Title}}</h3>{{end}}
{{range .Warnings}}<p class="warning">{{.}}</p>{{end}}
{{range .Text}}<p>{{.}}</p>{{end}}
{{with .Charts}}<div class="charts">{{range .}}<figure>{{.SVG}}</figure>{{end}}</div>{{end}}
{{with .Table}}{{$t := .}}<div class="scroll" tabindex="0"><table>
<thead><tr>{{range $i, $h := .Head}}<th scope="col"{{if $t.Numeric $i}} class="n"{{end}}>{{$h}}</th>{{end}}</tr></thead>
<tbody>{{range $r, $row := .Rows}}<tr{{if index $t.Strong $r}} class="strong"{{end}}>{{range $i, $c := $row}}<td{{if $t.Numeric $i}} class="n"{{end}}>{{$c}}</td>{{end}}</tr>
{{end}}</tbody></table></div>{{end}}
</section>
`))

// Style is the CSS of pages and of charts within them.
const Style template.CSS = chartStyle + `
:root { color-scheme: light dark; --paper: #fdfdfb; --panel: #f3f3ee; --warn: #fff3d6; --strong: #e6f1ec; }
@media (prefers-color-scheme: dark) { :root { --paper: #16181b; --panel: #202327; --warn: #40341a; --strong: #1d322a; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 62rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .5rem; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; }
p { margin: .5rem 0; max-width: 46rem; }
.lead { font-size: 1.1rem; }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .6rem; margin: 1.2rem 0; }
.facts div { background: var(--panel); border-radius: .5rem; padding: .7rem .8rem; }
.facts dt { color: var(--soft); font-size: .85rem; }
.facts dd { margin: 0; font-size: 1.35rem; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
.facts dd.note { font-size: .8rem; color: var(--soft); }
.warning { background: var(--warn); border-radius: .4rem; padding: .5rem .8rem; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); gap: 1rem; }
figure { margin: 0; max-width: 38rem; }
figure svg { width: 100%; height: auto; display: block; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .92rem; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .7rem .3rem 0; text-align: left; white-space: nowrap; border-bottom: 1px solid var(--line); }
th { color: var(--soft); font-weight: 600; }
.n { text-align: right; }
.strong td { font-weight: 650; background: var(--strong); }
footer { margin-top: 3rem; color: var(--soft); font-size: .85rem; overflow-wrap: anywhere; }
`
