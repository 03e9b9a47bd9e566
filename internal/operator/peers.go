package operator

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"time"

	"fraudcheck/internal/door"
	"fraudcheck/internal/peers"
	"fraudcheck/internal/wire"
)

// A told is what another instance answered.
type told[T any] struct {
	instance string
	said     T
}

// ofAll asks all peers what this instance was asked, with the query less its scope, and
// returns what they answered, and which did not.
//
// T is the answer of one instance, as encoding/json reads it: a member that it does not
// know is passed over, and one that another version does not write is zero. Its lists are of
// the type list, which bounds what a peer can make this instance hold.
func ofAll[T any](a *API, q *door.Request, path string, query []byte, scopeThis bool) (answers []told[T], unreachable []string) {
	unreachable = []string{} // in JSON: [], not null
	for _, answer := range a.askPeers(q, path, query, scopeThis) {
		said, why := readPeer[T](answer)
		if why != "" {
			unreachable = append(unreachable, answer.Peer)
			continue
		}
		answers = append(answers, told[T]{answer.Instance, said})
	}
	return answers, unreachable
}

// askPeers asks all peers. It asks none where the request says scope=this, or another
// instance asks: nothing loops.
func (a *API) askPeers(q *door.Request, path string, query []byte, scopeThis bool) []peers.Answer {
	if scopeThis || q.Caller.IsPeer() {
		return nil
	}
	return a.Peers.Ask(context.Background(), peers.Question{Target: peers.Target(path, query), Caller: q.Caller.Name, RequestID: string(q.ID)})
}

// parseScope reads a query that may have no other filter than scope; thisOnly: it is this.
func parseScope(q *door.Request) (thisOnly bool, p *wire.Problem) {
	values, p := parseFilters(q.Query, "scope")
	if p == nil && values["scope"] != "" && values["scope"] != "this" {
		p = wrongFilter("scope", "this, or no scope")
	}
	return values["scope"] == "this", p
}

// parseFilters reads a query that may have these filters. One that is empty is absent.
func parseFilters(query []byte, names ...string) (map[string]string, *wire.Problem) {
	values, err := wire.DecodeStrings(string(query), []byte("application/x-www-form-urlencoded"), nil, names...)
	if err != nil {
		return nil, wire.ProblemOf(err)
	}
	return values, nil
}

func wrongFilter(name, expected string) *wire.Problem {
	return &wire.Problem{Status: 400, Code: "field_invalid", Field: name, Detail: "expected " + expected}
}

// withoutScope returns a query that was parsed, without its scope.
func withoutScope(query []byte) []byte {
	values, err := url.ParseQuery(string(query))
	if err != nil {
		return nil
	}
	values.Del("scope")
	return []byte(values.Encode())
}

// otherForm is why an answer that is there is of no use.
const otherForm = "answers in another form than this version reads"

// readPeer reads a peer's answer; why is why there is none.
func readPeer[T any](answer peers.Answer) (said T, why string) {
	if answer.Why != "" {
		return said, answer.Why
	}
	if json.Unmarshal(answer.Body, &said) != nil {
		return said, otherForm
	}
	return said, ""
}

// maxListed is how many entries of one list an instance takes from another.
const maxListed = 100_000

var errTooMany = errors.New("more entries than any instance answers with")

// A list is a list in an instance's answer, of at most maxListed entries: eight MiB of empty
// objects would otherwise be millions.
type list[T any] []T

// UnmarshalJSON implements json.Unmarshaler.
func (l *list[T]) UnmarshalJSON(text []byte) error {
	*l = nil
	d := json.NewDecoder(bytes.NewReader(text))
	if first, err := d.Token(); err != nil || first == nil { // null
		return err
	} else if first != json.Delim('[') {
		return errors.New("expected a list")
	}
	for d.More() {
		if len(*l) == maxListed {
			return errTooMany
		}
		var entry T
		if err := d.Decode(&entry); err != nil {
			return err
		}
		*l = append(*l, entry)
	}
	return nil
}

// A moment is a time in an answer: RFC 3339, in UTC, with milliseconds.
type moment struct{ time.Time }

const momentForm = "2006-01-02T15:04:05.000Z07:00"

// MarshalJSON implements json.Marshaler.
func (m moment) MarshalJSON() ([]byte, error) {
	return m.UTC().AppendFormat(nil, `"`+momentForm+`"`), nil
}

// answerJSON answers 200 with the value as JSON.
func answerJSON(q *door.Request, value any) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(value); err != nil {
		panic("operator: " + err.Error()) // only for types that are no JSON, which tests would meet
	}
	q.Answer(200, wire.JSON, bytes.TrimSuffix(b.Bytes(), []byte("\n")))
}
