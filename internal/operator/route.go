package operator

import (
	"slices"
	"strings"

	"fraudcheck/internal/account"
	"fraudcheck/internal/auth"
	"fraudcheck/internal/wire"
)

// A route is a path, what may be done with it, and who may.
type route struct {
	path    string
	methods []string
	needs   auth.Roles // none: open to everybody
	serve   func(*Door, *call) *wire.Problem
}

// addresses is the one path that holds something: an address.
const addresses = "/v1/addresses/{ip}"

var routes = []route{
	{"/metrics", []string{"GET"}, 0, (*Door).metrics},
	{"/healthz", []string{"GET", "HEAD"}, 0, (*Door).healthy},
	{"/readyz", []string{"GET", "HEAD"}, 0, (*Door).ready},
	{account.Login, []string{"POST"}, 0, (*Door).account},
	{account.Refresh, []string{"POST"}, 0, (*Door).account},
	{account.Logout, []string{"POST"}, 0, (*Door).account},
	{account.Me, []string{"GET", "HEAD"}, auth.Anyone, (*Door).account},
	{addresses, []string{"GET", "DELETE"}, auth.Analyst, (*Door).address},
	{"/v1/subjects/read", []string{"POST"}, auth.Analyst, (*Door).readSubject},
	{"/v1/subjects/forget", []string{"POST"}, auth.Analyst, (*Door).forgetSubject},
}

// Routes are the paths of this door, for the metrics.
func Routes() (paths []string) {
	for i := range routes {
		paths = append(paths, routes[i].path)
	}
	return paths
}

// find returns the route of a path, and the address in it.
func find(path string) (r *route, subject string) {
	if rest, ok := strings.CutPrefix(path, "/v1/addresses/"); ok && rest != "" && !strings.Contains(rest, "/") {
		path, subject = addresses, rest
	}
	for i := range routes {
		if routes[i].path == path && (path != addresses || subject != "") {
			return &routes[i], subject
		}
	}
	return nil, ""
}

func (r *route) takes(method string) bool { return slices.Contains(r.methods, method) }

// probed routes are asked every few seconds, for ever.
func (r *route) probed() bool { return r.needs == 0 && r.takes("GET") }

func (r *route) allow() string { return strings.Join(r.methods, ", ") }

func (r *route) name() string {
	if r == nil {
		return "none"
	}
	return r.path
}
