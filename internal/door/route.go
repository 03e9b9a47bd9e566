package door

import (
	"cmp"
	"net/url"
	"slices"
	"strings"

	"fraudcheck/internal/auth"
	"fraudcheck/internal/turns"
	"fraudcheck/internal/wire"
)

// A Route is a path, methods, the roles that may use it with them, and a handler. Several
// may have the same path and different methods.
type Route struct {
	Path    string      // may have one {name}, which stands for one segment
	Name    string      // of the path in metrics and log, where it is not the path itself
	Methods string      // as the Allow field lists them, such as "GET, HEAD"
	Needs   auth.Roles  // one of them; 0: open to everybody
	Peers   bool        // other instances may ask it too; it only reads
	Turn    turns.Class // of what it asks the store
	Handle  func(*Request) *wire.Problem
}

// takes reports whether the route is for the method, compared exactly.
func (r *Route) takes(method []byte) bool {
	for rest := r.Methods; rest != ""; {
		var m string
		if m, rest, _ = strings.Cut(rest, ", "); m == string(method) {
			return true
		}
	}
	return false
}

// A resource is what a path stands for: all routes with that path.
type resource struct {
	path           string // as metrics and log name it
	prefix, suffix string // around the {name}; without one prefix is all
	named          bool   // there is one
	allow          string // the methods of all routes
	routes         []Route
	// probe: open to everybody and changes nothing. It is asked every few seconds, for
	// ever, so it is logged at DEBUG, and never refused for load.
	probe bool
}

// compile groups the routes by path, in the order of their first.
func compile(routes []Route) (resources []resource) {
	for _, r := range routes {
		at := slices.IndexFunc(resources, func(p resource) bool { return p.path == cmp.Or(r.Name, r.Path) })
		if at < 0 {
			p := resource{path: cmp.Or(r.Name, r.Path), prefix: r.Path, allow: r.Methods, probe: true}
			if before, after, found := strings.Cut(r.Path, "{"); found {
				p.named, p.prefix = true, before
				_, p.suffix, _ = strings.Cut(after, "}")
			}
			resources, at = append(resources, p), len(resources)
		} else {
			resources[at].allow += ", " + r.Methods
		}
		p := &resources[at]
		p.routes = append(p.routes, r)
		p.probe = p.probe && r.Needs == 0 && r.takes([]byte("GET"))
	}
	return resources
}

// Paths returns the paths of the door's routes, with their {name}, for the metrics.
func (d *Door) Paths() (paths []string) {
	for i := range d.resources {
		paths = append(paths, d.resources[i].path)
	}
	return paths
}

// find returns the resource of a path, nil for none, and the segment that stands for its
// {name}. Only that segment may be percent-encoded: of everything else there is one
// spelling.
func (d *Door) find(path []byte) (p *resource, segment string) {
	return find(d.resources, path)
}

func find(resources []resource, path []byte) (p *resource, segment string) {
	for i := range resources {
		if p := &resources[i]; !p.named {
			if p.prefix == string(path) {
				return p, ""
			}
		} else if segment, ok := p.segment(path); ok {
			return p, segment
		}
	}
	return nil, ""
}

// notFound is the problem of a path that this port does not have.
func (d *Door) notFound(path []byte) *wire.Problem {
	if p, _ := find(d.elsewhere, path); p == nil {
		return wire.NotFound
	}
	return &wire.Problem{Status: 404, Code: wire.NotFound.Code, Detail: "this path is at the " + d.OtherPort}
}

// segment returns what stands for {name} in the path, decoded where that is possible;
// false where the path is another one. It has no slash, encoded or not.
func (p *resource) segment(path []byte) (segment string, ok bool) {
	end := len(path) - len(p.suffix)
	if end <= len(p.prefix) || string(path[:len(p.prefix)]) != p.prefix || string(path[end:]) != p.suffix {
		return "", false
	}
	segment = string(path[len(p.prefix):end])
	if decoded, err := url.PathUnescape(segment); err == nil {
		segment = decoded
	}
	return segment, !strings.Contains(segment, "/")
}

// route returns the one that takes the method; nil where none does.
func (p *resource) route(method []byte) *Route {
	for i := range p.routes {
		if p.routes[i].takes(method) {
			return &p.routes[i]
		}
	}
	return nil
}
