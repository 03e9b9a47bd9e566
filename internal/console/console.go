// Package console serves the analyst's pages at /console of the operators' port: who is
// blocked, why, until when, and letting an address go. The pages are a shell and scripts that
// ask the operators' API with the session's cookie; this package knows nothing of that.
//
// # Files
//
// Scripts and style sheet are embedded as they are in the folder assets: no build step, no
// library. They are served below a folder whose name is a hash over all of them, so a browser
// may keep them for ever, and a new version shows at once. Modules import each other by
// relative names.
//
// # Security
//
// Everything that the pages show is text: dom.js makes all elements, and the policy
// (Content-Security-Policy) has the browser refuse inline scripts and styles, every other
// origin, frames, and, by Trusted Types, all that makes markup of text.
package console

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base32"
	"io/fs"
	"path"
	"slices"
	"strings"

	"fraudcheck/internal/door"
	"fraudcheck/internal/wire"
)

//go:embed assets shell.html licences.txt
var files embed.FS

// policy is for every answer of the console. Styles that scripts set are not inline ones.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; " +
	"base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// types are the media types of the assets.
var types = map[string]string{".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}

// A document is what is asked for each time, so that a new version shows at once.
type document struct {
	media string
	text  []byte
	tag   string // entity tag (RFC 9110 section 8.8.3)
}

// An asset is a file that a page loads.
type asset struct {
	media string
	text  []byte
}

var (
	assets = map[string]asset{} // by file name
	folder string               // their hash
	shell  document             // every page
	terms  document             // the licences
)

func init() {
	entries, err := files.ReadDir("assets")
	if err != nil {
		panic(err) // no program is built without them
	}
	all := sha256.New()
	for _, e := range entries {
		text, err := fs.ReadFile(files, path.Join("assets", e.Name()))
		if err != nil {
			panic(err)
		}
		assets[e.Name()] = asset{types[path.Ext(e.Name())], text}
		all.Write([]byte(e.Name()))
		all.Write([]byte{0})
		all.Write(text)
	}
	folder = name(all.Sum(nil))
	shell = read("shell.html", "text/html; charset=utf-8")
	terms = read("licences.txt", "text/plain; charset=utf-8")
}

// read returns an embedded document, with the name of the folder in it.
func read(file, media string) document {
	text, err := files.ReadFile(file)
	if err != nil {
		panic(err)
	}
	text = bytes.ReplaceAll(text, []byte("HASH"), []byte(folder))
	sum := sha256.Sum256(text)
	return document{media, text, `"` + name(sum[:]) + `"`}
}

// name is the first 80 bits of a hash, as a name.
func name(sum []byte) string {
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:10]))
}

// pages are the paths of the shell: which page it shows is told by the script.
var pages = []string{"/console", "/console/{page}", "/console/address/{ip}"}

// Routes returns the routes of the console. They are open: what is behind them is the API's.
func Routes() []door.Route {
	routes := []door.Route{
		{Methods: "GET, HEAD", Path: "/console/", Handle: withoutSlash},
		{Methods: "GET, HEAD", Path: "/console/licences.txt", Handle: terms.answer},
		{Methods: "GET, HEAD", Path: "/console/a/" + folder + "/{file}", Name: "/console/a/{hash}/{file}", Handle: file},
	}
	for _, p := range pages {
		routes = append(routes, door.Route{Methods: "GET, HEAD", Path: p, Handle: shell.answer})
	}
	return routes
}

// answer answers with the document, or that the browser has it.
func (d *document) answer(q *door.Request) *wire.Problem {
	secure(q)
	q.Out.Set("Cache-Control", "no-cache")
	q.Out.Set("ETag", d.tag)
	if slices.ContainsFunc(q.In.Header.Values("If-None-Match"), func(line []byte) bool { return strings.Contains(string(line), d.tag) }) {
		q.Out.Status = 304
		return nil
	}
	q.Answer(200, d.media, d.text)
	return nil
}

// withoutSlash sends to the first page who typed a slash behind its path.
func withoutSlash(q *door.Request) *wire.Problem {
	secure(q)
	to := "/console"
	if len(q.Query) > 0 {
		to += "?" + string(q.Query)
	}
	q.Out.Set("Location", to)
	q.Out.Status = 308
	return nil
}

// file answers with an asset.
func file(q *door.Request) *wire.Problem {
	a, ok := assets[q.Segment]
	if !ok {
		return wire.NotFound
	}
	secure(q)
	q.Out.Set("Cache-Control", "public, max-age=31536000, immutable")
	q.Answer(200, a.media, a.text)
	return nil
}

// secure sets the header fields that every answer of the console has.
func secure(q *door.Request) {
	q.Out.Set("Content-Security-Policy", policy)
	q.Out.Set("Referrer-Policy", "no-referrer")
	q.Out.Set("Cross-Origin-Opener-Policy", "same-origin")
	q.Out.Set("Cross-Origin-Resource-Policy", "same-origin")
	q.Out.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=()")
}
