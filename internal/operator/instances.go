package operator

import (
	"sync"
	"time"

	"fraudcheck/internal/door"
	"fraudcheck/internal/velocity"
	"fraudcheck/internal/wire"
)

// Self is what an instance tells of itself, and does not change while it runs.
type Self struct {
	Version         string // of the program
	Since           time.Time
	Store           string // memory or memcached
	HashKey         string // the id of its hash key
	HashKeyPrevious string // likewise of hash_key_previous_file; empty without one
}

// instances is the answer of one instance, or of all.
type instances struct {
	Instances   list[instance] `json:"instances"`
	Unreachable []string       `json:"unreachable"`
}

// An instance is an entry of it; of one that did not answer only Peer and Why are known.
type instance struct {
	ID              *string `json:"id"`
	Peer            *string `json:"peer"` // nil: this one
	Reachable       bool    `json:"reachable"`
	Why             *string `json:"why"` // it is not
	Version         *string `json:"version"`
	Since           *moment `json:"since"`
	Time            *moment `json:"time"`
	Store           *string `json:"store"`
	Rules           *string `json:"rules"`
	Lists           *string `json:"lists"`
	HashKey         *string `json:"hash_key"`
	HashKeyPrevious *string `json:"hash_key_previous"`
}

// listInstances answers GET /v1/instances: this instance and all peers, and what they have
// to have alike.
func (a *API) listInstances(q *door.Request) *wire.Problem {
	thisOnly, p := parseScope(q)
	if p != nil {
		return p
	}
	all := instances{Instances: list[instance]{a.self(q.Start)}, Unreachable: []string{}}
	for _, other := range a.askPeers(q, instancesPath, nil, thisOnly) {
		next := instance{}
		said, why := readPeer[instances](other)
		switch {
		case why == "" && len(said.Instances) == 1:
			next = said.Instances[0]
			next.judge()
			next.ID, next.Reachable, next.Why = &other.Instance, true, nil // as it names itself to all questions
		case why == "":
			why = otherForm
		}
		if next.Peer = &other.Peer; why != "" {
			next.Why = &why
			all.Unreachable = append(all.Unreachable, other.Peer)
		}
		all.Instances = append(all.Instances, next)
	}
	answerJSON(q, all)
	return nil
}

// self is this instance at now.
func (a *API) self(now time.Time) instance {
	s := a.Self
	rules, lists := a.planIDs.of(a.Checker.Plan())
	i := instance{ID: &a.Instance, Reachable: true, Version: &s.Version, Since: &moment{s.Since}, Time: &moment{now}, Store: &s.Store,
		Rules: &rules, Lists: &lists, HashKey: &s.HashKey}
	if s.HashKeyPrevious != "" {
		i.HashKeyPrevious = &s.HashKeyPrevious
	}
	return i
}

// planIDs are the ids of the plan that was asked for last: to make them takes a while where
// there are many list entries.
type planIDs struct {
	mu           sync.Mutex
	plan         *velocity.Plan
	rules, lists string
}

func (p *planIDs) of(plan *velocity.Plan) (rules, lists string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.plan != plan {
		p.plan = plan
		p.rules, p.lists = plan.IDs()
	}
	return p.rules, p.lists
}
