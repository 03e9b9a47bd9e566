// Package operator answers what is asked at the operators' port: metrics for
// Prometheus, profiles, and for the analyst what is known of an address or another
// subject, and the means to let it go.
//
// A change that other instances could not be told of is made here and answered 503,
// which says so.
//
// What it refuses on purpose: to count what an analyst looks at, and to take an e-mail
// address or a card in a path.
package operator

import (
	"time"

	"fraudcheck/internal/auth"
	"fraudcheck/internal/door"
	"fraudcheck/internal/velocity"
)

// An API answers operators and analysts. Its fields are set before it is used.
type API struct {
	Checker  *velocity.Checker
	Metrics  *Metrics
	Now      func(time.Time) velocity.Time // the instance's time at a reading of the clock
	Profiles bool                          // whether operators may profile the process
}

// addresses is the path of one address.
const addresses = "/v1/addresses/{ip}"

// Routes are the routes of the operators' port.
func (a *API) Routes() []door.Route {
	routes := []door.Route{
		{Methods: "GET", Path: "/metrics", Handle: a.metrics},
		{Methods: "GET", Path: addresses, Needs: auth.Analyst, Handle: a.readAddress},
		{Methods: "DELETE", Path: addresses, Needs: auth.Analyst, Handle: a.forgetAddress},
		{Methods: "POST", Path: "/v1/subjects/read", Needs: auth.Analyst, Handle: a.readSubject},
		{Methods: "POST", Path: "/v1/subjects/forget", Needs: auth.Analyst, Handle: a.forgetSubject},
	}
	if a.Profiles {
		routes = append(routes,
			door.Route{Methods: "GET", Path: "/debug/pprof/", Needs: auth.Operator, Handle: a.profiles},
			door.Route{Methods: "GET", Path: "/debug/pprof/{profile}", Needs: auth.Operator, Handle: a.profile},
		)
	}
	return routes
}
