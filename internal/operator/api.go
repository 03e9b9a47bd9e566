// Package operator answers what is asked at the operators' port: metrics for Prometheus,
// profiles of the process, and for the analyst what is known of an address or another
// subject, and the means to forget it, or to override what is decided of an address.
//
// # The document
//
// GET /openapi.yaml describes both ports, in OpenAPI 3.1.
//
// # Reading
//
// GET /v1/addresses/{ip} and POST /v1/subjects/read report each rule's count and what the
// next card would get. They record nothing: looking at an address does not count.
//
// # Forgetting
//
// DELETE /v1/addresses/{ip} and POST /v1/subjects/forget empty the record, and name the
// rules that would still block.
//
// # Overrides
//
// PUT /v1/addresses/{ip}/override allows or blocks an address for some time, whatever lists
// and rules say; DELETE ends that. GET /v1/overrides lists those in force that this
// instance knows of.
//
// # Changes
//
// A change, forgetting or an override, has an audit line, and is answered when every
// instance honours it. When the shared store does not answer, it is made in this instance
// and answered 503 store_unreachable, which says that other instances have not heard.
//
// # Who is blocked
//
// GET /v1/blocked lists the IP addresses that are blocked now and were seen trying, as JSON,
// or as text for a firewall, which never holds an address that it might be wrong to drop.
//
// # Decisions
//
// GET /v1/decisions lists the last checks of all instances, from memory, with short ids of
// cards and attempts; POST /v1/attempts/read makes one of an attempt_id. GET /v1/decisions/stream sends them as they are made;
// with peers, those of all.
//
// # Logins
//
// GET /v1/logins lists who is logged in, and DELETE /v1/logins/{id} ends one, for
// operators.
//
// # The last hour
//
// GET /v1/rules lists the rules in force with what each said, and GET /v1/trends what was
// decided minute by minute.
//
// # Peers
//
// GET /v1/instances lists this instance and its peers, and what they have to have alike.
// Where the configuration names other instances (operator_peers), the answers to some
// questions are those of all: see ofAll. To add such a route: Peers in its line of Routes, a
// struct of what one instance answers, and how the answers of several become one.
//
// # Refusals
//
// An e-mail address, a card or another subject that is no address is taken from the body
// only: paths stand in the logs of proxies. Profiles are served only if the configuration
// says so (debug.pprof).
package operator

import (
	"net/netip"
	"time"

	"fraudcheck/internal/auth"
	"fraudcheck/internal/door"
	"fraudcheck/internal/event"
	"fraudcheck/internal/peers"
	"fraudcheck/internal/recent"
	"fraudcheck/internal/turns"
	"fraudcheck/internal/velocity"
)

// An API answers operators and analysts. Its fields are set before it is used; then it
// may be used from many goroutines at once.
type API struct {
	Checker *velocity.Checker
	Guard   *auth.Guard // whose logins are listed and ended
	Metrics *Metrics
	Now     func(time.Time) velocity.Time // the instance's time at a reading of the clock
	// Address is how the log shows an IP address (the setting log.ip); empty for not at all.
	Address func(netip.Addr) string
	// Watchers are told of changes that are made at this port: forget, override, the end of a login.
	Watchers []event.Watcher
	// LocalFor is how long other instances may go on answering by what they knew before a
	// change: see [velocity.LocalFor]. 0 where there are none.
	LocalFor time.Duration
	Peers    *peers.Peers // the other instances; nil for none
	Self     Self
	Profiles bool // whether operators may profile the process

	Minutes   *recent.Minutes    // the last hour
	Ring      *recent.Ring       // of the last decisions; nil: none are kept
	Instance  string             // the name of this one
	ShortIDs  *velocity.ShortIDs // those of the ring
	CursorKey []byte             // seals where a list of decisions goes on

	Blocked  *recent.Blocked
	Firewall Firewall // of the list of the blocked for firewalls

	scrapes scrapes
	streams streams // of callers
	toPeers streams // of other instances
	feed    feed
	planIDs planIDs
}

// The paths of the operators' port that are used in more than one place.
const (
	addresses        = "/v1/addresses/{ip}" // of one address
	addressOverrides = addresses + "/override"
	overridesPath    = "/v1/overrides"
	blockedPath      = "/v1/blocked"
	decisionsPath    = "/v1/decisions"
	streamPath       = "/v1/decisions/stream"
	loginsPath       = "/v1/logins"
	instancesPath    = "/v1/instances"
	trendsPath       = "/v1/trends"
)

// Routes returns the routes of the operators' port. /metrics needs no credentials, as
// Prometheus shows none by default: it holds no address, card or name. /openapi.yaml is the
// same for everybody.
func (a *API) Routes() []door.Route {
	routes := []door.Route{
		{Methods: "GET", Path: "/metrics", Turn: turns.LookUp, Handle: a.metrics},
		{Methods: "GET, HEAD", Path: "/openapi.yaml", Handle: a.document},
		{Methods: "GET", Path: addresses, Needs: auth.Analyst, Turn: turns.LookUp, Handle: a.readAddress},
		{Methods: "DELETE", Path: addresses, Needs: auth.Analyst, Turn: turns.Change, Handle: a.forgetAddress},
		{Methods: "PUT", Path: addressOverrides, Needs: auth.Analyst, Turn: turns.Change, Handle: a.setOverride},
		{Methods: "DELETE", Path: addressOverrides, Needs: auth.Analyst, Turn: turns.Change, Handle: a.removeOverride},
		{Methods: "GET", Path: overridesPath, Needs: auth.Analyst, Peers: true, Turn: turns.LookUp, Handle: a.listOverrides},
		{Methods: "POST", Path: "/v1/subjects/read", Needs: auth.Analyst, Turn: turns.LookUp, Handle: a.readSubject},
		{Methods: "POST", Path: "/v1/subjects/forget", Needs: auth.Analyst, Turn: turns.Change, Handle: a.forgetSubject},
		{Methods: "POST", Path: "/v1/attempts/read", Needs: auth.Analyst, Turn: turns.LookUp, Handle: a.readAttempt},
		{Methods: "GET", Path: blockedPath, Needs: auth.Analyst, Peers: true, Turn: turns.LookUp, Handle: a.blocked},
		{Methods: "GET", Path: decisionsPath, Needs: auth.Analyst, Peers: true, Turn: turns.LookUp, Handle: a.listDecisions},
		{Methods: "GET", Path: "/v1/rules", Needs: auth.Analyst, Turn: turns.LookUp, Handle: a.listRules},
		{Methods: "GET", Path: trendsPath, Needs: auth.Analyst, Peers: true, Turn: turns.LookUp, Handle: a.listTrends},
		{Methods: "GET, HEAD", Path: streamPath, Needs: auth.Analyst, Peers: true, Turn: turns.LookUp, Handle: a.streamDecisions},
		{Methods: "GET", Path: loginsPath, Needs: auth.Operator, Peers: true, Turn: turns.LookUp, Handle: a.listLogins},
		{Methods: "GET", Path: instancesPath, Needs: auth.Operator, Peers: true, Turn: turns.LookUp, Handle: a.listInstances},
		{Methods: "DELETE", Path: "/v1/logins/{id}", Needs: auth.Operator, Turn: turns.Change, Handle: a.endLogin},
	}
	if a.Profiles {
		routes = append(routes,
			door.Route{Methods: "GET", Path: "/debug/pprof/", Needs: auth.Operator, Turn: turns.LookUp, Handle: a.profiles},
			door.Route{Methods: "GET", Path: "/debug/pprof/{profile}", Needs: auth.Operator, Turn: turns.LookUp, Handle: a.profile},
		)
	}
	return routes
}
