// Package peers asks the other instances of this service what they know: the same question
// to all at once, for answers that are to be those of all instances. It also follows what
// they tell as it happens, over one connection to each: see [Peers.Follow].
//
// # Who is asked
//
// A peer is the operators' port of another instance, as the setting operator_peers names
// it. A name is resolved anew every 30 seconds and means all its addresses. The asking
// instance may be among them, and an instance may be there twice: every answer names its
// instance, so its own is dropped, and of two from one instance the second.
//
// # How
//
// Each question bears a proof ([proof.Keys]) and the name of the caller for the log, never a
// caller's credentials. It asks for what that one instance knows (scope=this), so nothing
// loops. A peer has one second; connections are kept.
//
// # What is refused
//
// A peer may run another version, or be no fraudcheck at all. No redirect is followed, no
// proxy is used, no certificate is taken that cannot be verified, at most 8 MiB are read of
// an answer and 16 KiB of its head, and nothing that a peer says goes into a log or an error
// but the id of its instance.
package peers

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"fraudcheck/internal/auth/proof"
)

// patience is Patience, but for tests of what is no matter of time.
var patience = Patience

const (
	// Patience is how long a peer has for its answer.
	Patience = time.Second
	// MaxAnswer bounds an answer, in bytes.
	MaxAnswer = 8 << 20
	// maxHead bounds the head of an answer, in bytes.
	maxHead = 16 << 10
)

// Settings of Peers.
type Settings struct {
	Peers    []string // host:port or https://host:port: see Split
	Instance string   // the id of this instance
	Keys     *proof.Keys
	Roots    *x509.CertPool // that certificates are verified with; nil: the system's
	// Resolve returns the addresses of a name; nil: as the system does.
	Resolve func(ctx context.Context, host string) ([]netip.Addr, error)
	// Changed, if set, is told when a peer does not answer and did before, for another reason
	// than before, or again ("" for why). It is not called from two goroutines for one peer.
	Changed func(peer, why string)
	// Panicked, if set, is told of a fault of this package that a question was lost by.
	Panicked func(fault any)
}

// Peers are the other instances. Nil are none. It is safe for concurrent use.
type Peers struct {
	settings Settings
	run      string // tells this run from that of another instance with the same id
	peers    []*peer
	closed   context.Context
	stop     context.CancelFunc
}

// New makes the client of these peers, and resolves their names until Close. It connects to
// none before it is asked to.
func New(s Settings) *Peers {
	if s.Resolve == nil {
		s.Resolve = func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		}
	}
	var run [9]byte
	_, _ = rand.Read(run[:]) // never fails
	p := &Peers{settings: s, run: base64.RawURLEncoding.EncodeToString(run[:])}
	p.closed, p.stop = context.WithCancel(context.Background())
	for _, name := range s.Peers {
		p.peers = append(p.peers, newPeer(p.closed, name, s.Resolve))
	}
	p.renew()
	return p
}

// Close stops resolving names and following peers, and closes the connections that are not in
// use.
func (p *Peers) Close() {
	if p == nil {
		return
	}
	p.stop()
	for _, each := range p.peers {
		each.client.Load().CloseIdleConnections()
	}
}

// Header is how this instance names itself in its answers to others: its id and its run,
// with a blank between.
func (p *Peers) Header() string {
	if p == nil {
		return ""
	}
	return p.settings.Instance + " " + p.run
}

// SetRoots verifies certificates with these roots from the next question on; nil: with the
// system's. It is for one goroutine at a time.
func (p *Peers) SetRoots(roots *x509.CertPool) {
	if roots.Equal(p.settings.Roots) {
		return
	}
	p.settings.Roots = roots
	p.renew()
}

// renew gives every peer a client with the roots.
func (p *Peers) renew() {
	for _, each := range p.peers {
		before := each.client.Swap(each.newClient(p.settings.Roots))
		if before != nil {
			before.CloseIdleConnections()
		}
	}
}

// A peer is one entry of the setting.
type peer struct {
	name       string // as it is configured
	https      bool
	host, port string
	names      *names
	client     atomic.Pointer[http.Client]
	trouble    trouble
	lines      lines
}

// at returns where an address of the peer is asked, and how that is named in answers.
func (e *peer) at(address netip.Addr) (at, named string) {
	at = net.JoinHostPort(address.String(), e.port)
	if address.String() == e.host {
		return at, e.name
	}
	return at, e.name + " (" + at + ")"
}

// Split returns the parts of a peer's name, host:port or https://host:port; it judges
// neither host nor port.
func Split(name string) (host, port string, https, ok bool) {
	address, https := strings.CutPrefix(name, "https://")
	host, port, err := net.SplitHostPort(address)
	return host, port, https, err == nil
}

func newPeer(ctx context.Context, name string, resolve func(context.Context, string) ([]netip.Addr, error)) *peer {
	each := &peer{name: name}
	each.host, each.port, each.https, _ = Split(name)
	each.names = follow(ctx, each.host, resolve)
	return each
}

// newClient makes the client for all addresses of the peer. A certificate must be for the
// peer's name, whatever address it stands for.
func (e *peer) newClient(roots *x509.CertPool) *http.Client {
	dialer := &net.Dialer{Timeout: patience}
	return &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext:            dialer.DialContext,
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, ServerName: e.host, RootCAs: roots},
			TLSHandshakeTimeout:    patience,
			MaxResponseHeaderBytes: maxHead,
			DisableCompression:     true, // an answer of 8 MiB is that long on the wire too
			MaxIdleConnsPerHost:    maxQuestions,
			IdleConnTimeout:        time.Minute, // less than limits.idle there
		},
	}
}
