package peers

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"fraudcheck/internal/auth/proof"
)

// A Question is what all peers are asked.
type Question struct {
	Target    string // a path and a query, with scope=this: see Target
	Caller    string // for whom, for the log
	RequestID string // of its request, for the log
}

// Target returns the target of a question about what each instance knows itself. query is
// as sent, without scope.
func Target(path string, query []byte) string {
	target := path + "?scope=this"
	if len(query) > 0 {
		target += "&" + string(query)
	}
	return target
}

// An Answer is what a peer answered, or why there is no answer.
type Answer struct {
	// Peer is the peer as it is configured, and behind it the address where its name stands
	// for several.
	Peer     string
	Instance string // the id that it says it has
	Body     []byte
	Why      string // why there is none, in words for people; empty: there is one

	run string // of the instance
}

// Ask puts the question to all peers at once and returns their answers in the order of the
// setting: one for each instance but this. A peer has a second from when it is asked, and is
// asked within a second, or not at all where too many questions to it are under way. One that
// is known to hang is asked by one question at a time.
func (p *Peers) Ask(ctx context.Context, q Question) []Answer {
	if p == nil {
		return nil
	}
	ofPeers := make([][]Answer, len(p.peers))
	var asking sync.WaitGroup
	for i, each := range p.peers {
		asking.Go(func() { ofPeers[i] = p.askPeer(ctx, each, q) })
	}
	asking.Wait()
	answers := p.others(slices.Concat(ofPeers...))
	for i, its := range ofPeers {
		p.peers[i].trouble.note(p.peers[i].name, its, p.settings.Changed)
	}
	return answers
}

// askPeer asks all addresses of a peer.
func (p *Peers) askPeer(ctx context.Context, each *peer, q Question) []Answer {
	first, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	addresses, err := each.names.addresses(first)
	answers := make([]Answer, len(addresses))
	var asking sync.WaitGroup
	for i, address := range addresses {
		asking.Go(func() { answers[i] = p.askAddress(ctx, each, address, q) })
	}
	asking.Wait()
	if err != nil {
		answers = append(answers, Answer{Peer: each.name, Why: err.Error()})
	}
	return answers
}

// askAddress asks one address of a peer.
func (p *Peers) askAddress(ctx context.Context, each *peer, address netip.Addr, q Question) (a Answer) {
	var at string
	at, a.Peer = each.at(address)
	defer func() {
		if fault := recover(); fault != nil {
			a.Why = "was not asked, by a fault of this instance"
			if p.settings.Panicked != nil {
				p.settings.Panicked(fault)
			}
		}
	}()
	to := each.lines.line(address)
	leave, why := to.enter(ctx)
	if leave == nil {
		a.Why = why
		return a
	}
	defer leave()
	asked, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	defer func() { to.hangs.Store(a.Why == silent && ctx.Err() == nil) }() // before others enter
	response, err := p.send(asked, each, at, q)
	if err != nil {
		a.Why = whyNot(err)
		return a
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, MaxAnswer+1))
	switch {
	case response.StatusCode != http.StatusOK:
		a.Why = refusal(response.StatusCode, body)
	case err != nil:
		a.Why = whyNot(err)
	case len(body) > MaxAnswer:
		a.Why = "answers with more than 8 MiB"
	default:
		var ok bool
		if a.Instance, a.run, ok = readInstance(response.Header); !ok {
			a.Why = "does not say which instance it is"
			return a
		}
		a.Body = body
	}
	return a
}

// send sends the question to an address of a peer, with a proof of its own.
func (p *Peers) send(ctx context.Context, each *peer, at string, q Question) (*http.Response, error) {
	scheme := "http://"
	if each.https {
		scheme = "https://"
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+at+q.Target, nil)
	if err != nil {
		return nil, err
	}
	r.Host = net.JoinHostPort(each.host, each.port)
	// As it will be sent: the proof is for exactly that.
	r.Header.Set("Authorization", p.settings.Keys.Make(r.Method, r.URL.RequestURI(), q.Caller, time.Now()))
	r.Header.Set("User-Agent", "fraudcheck")
	if q.RequestID != "" {
		r.Header.Set("X-Request-Id", q.RequestID)
	}
	return each.client.Load().Do(r)
}

// readInstance reads how an instance names itself.
func readInstance(h http.Header) (id, run string, ok bool) {
	id, run, ok = strings.Cut(h.Get(proof.InstanceHeader), " ")
	return id, run, ok && instanceName.MatchString(id) && instanceName.MatchString(run)
}

// instanceName is what the setting instance may be, so that it can stand anywhere.
var instanceName = regexp.MustCompile("^[A-Za-z0-9._:-]{1,100}$")

// others drops the answers of this instance, and of two from one instance the second. An
// answer that bears this instance's id and is not its own is not merged: everything that is
// told apart by the id would be mixed up.
func (p *Peers) others(all []Answer) (answers []Answer) {
	type instance struct{ id, run string }
	seen := make(map[instance]bool)
	for _, a := range all {
		its := instance{a.Instance, a.run}
		switch {
		case a.Why != "":
		case a.Instance == p.settings.Instance && a.run == p.run, seen[its]:
			continue
		case a.Instance == p.settings.Instance:
			a.Body, a.Why = nil, "has the same id as this instance: set instance to another one"
		default:
			seen[its] = true
		}
		answers = append(answers, a)
	}
	return answers
}

// whyNot returns why there is no answer, from an error of net/http. Its text names what was
// asked, so only the innermost is shown, of errors of the system and of certificates.
func whyNot(err error) string {
	var refused *net.OpError
	var timeout net.Error
	switch {
	case isCertificate(err):
		return "shows a certificate that cannot be verified"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return silent
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "closes the connection without an answer"
	case errors.As(err, &refused) && refused.Op == "dial":
		return "cannot be connected to: " + innermost(refused.Err)
	}
	return "answers with what is no HTTP of its scheme, or a head of more than 16 KiB"
}

// innermost returns the text of the error that all others wrap.
func innermost(err error) string {
	for next := errors.Unwrap(err); next != nil; next = errors.Unwrap(err) {
		err = next
	}
	return err.Error()
}

// refusal returns why a peer that answers with that status does not answer the question. Of
// the problem in the body only the code counts.
func refusal(status int, body []byte) string {
	is := func(code string) bool {
		return bytes.Contains(body[:min(len(body), 4096)], []byte(`"code":"`+code+`"`))
	}
	switch {
	case status >= 300 && status < 400:
		return "answers with a redirect, and none is followed"
	case status == 404, is("role_missing"):
		return "does not have this path for peers: it is of another version"
	case is("credentials_invalid"):
		return "has another hash key"
	case is("token_expired"):
		return "has a clock that differs from this one's by more than ten seconds"
	case is("token_invalid"):
		return "has met the proof before: something repeats requests on the way"
	case status == 401:
		return "takes no proof: it has no operator_peers, or is of another version"
	case is("network_refused"):
		return "does not let this instance ask from here: see auth.networks there"
	case is("store_unreachable"):
		return "cannot answer while its store does not"
	}
	return "answers with status " + strconv.Itoa(status)
}
