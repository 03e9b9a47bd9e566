package main

import (
	"crypto/x509"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"fraudcheck/internal/operator"
	"fraudcheck/internal/peers"
)

// makePeers checks the form of operator_peers, and reads the certificates that peers are
// verified with. The error is a *config.Error.
func (p *policy) makePeers() error {
	s := p.settings
	secure := false
	for i, name := range s.OperatorPeers {
		key := fmt.Sprintf("operator_peers[%d]", i)
		address, https := strings.CutPrefix(name, "https://")
		host, port, _ := net.SplitHostPort(address)
		switch {
		case !hostPort(address) || host == "" || port == "0" || strings.ContainsAny(host, "/?#@%"):
			return expected(key, "host:port or https://host:port, such as 10.0.0.2:8081"+peerHint(name, address))
		case slices.Contains(s.OperatorPeers[:i], name):
			return expected(key, "a peer that is not listed yet")
		case !https && s.TLS.CertFile != "":
			p.warn("%s is asked without TLS, and this instance's own ports speak it: https:// before it, if the other instance is configured alike", key)
		}
		secure = secure || https
		p.warnOfPeer(key, host)
	}
	if s.TLS.PeerCAFile == "" {
		return nil
	}
	if !secure {
		p.warn("tls.peer_ca_file has no effect: no entry of operator_peers begins with https://")
	}
	text, err := p.readNamed("tls.peer_ca_file", s.TLS.PeerCAFile)
	if err != nil {
		return err
	}
	p.peerRoots = x509.NewCertPool()
	if !certificates(text) || !p.peerRoots.AppendCertsFromPEM(text) {
		return expected("tls.peer_ca_file", "PEM of certificates")
	}
	return nil
}

// peerHint returns advice, after a semicolon, on a peer that is no address; empty where
// there is none.
func peerHint(name, address string) string {
	switch _, _, err := net.SplitHostPort(address); {
	case strings.HasPrefix(name, "http://"):
		return "; without http://"
	case strings.HasPrefix(name, "https://") && strings.Contains(address, "/"):
		return "; without a path"
	case err != nil && strings.Count(address, ":") > 1 && !strings.Contains(address, "["):
		return "; an IPv6 address stands in brackets"
	case err == nil && !hostPort(address):
		return addressHint(address)
	case !strings.Contains(address, ":"):
		return "; the port is missing"
	}
	return ""
}

// warnOfPeer warns of a peer that cannot ask this instance in turn, as far as the
// configuration tells.
func (p *policy) warnOfPeer(key, host string) {
	ip, err := netip.ParseAddr(host)
	if err == nil && ip.IsLoopback() || host == "localhost" {
		return
	}
	own, _, _ := net.SplitHostPort(p.settings.OperatorListen)
	if at, err := netip.ParseAddr(own); err == nil && at.IsLoopback() || own == "localhost" {
		p.warn("%s is elsewhere, and operator_listen is on loopback: it cannot ask this instance in turn", key)
	}
}

// openPeers makes the client of the other instances, where there are any, and has the guard
// admit them.
func (s *service) openPeers() error {
	if len(s.settings.OperatorPeers) == 0 {
		return nil
	}
	s.peers = peers.New(peers.Settings{
		Peers: s.settings.OperatorPeers, Instance: s.instance, Keys: s.keys.peers, Roots: s.policy.peerRoots,
		Changed: func(peer, why string) {
			if why == "" {
				s.log.Info("A peer answers again:", "peer", peer)
			} else {
				s.log.Warn("A peer is missing in answers to operators:", "peer", peer, "because", why)
			}
		},
		Panicked: func(fault any) { logPanic(s.log, "panic in a question to a peer", fault) },
	})
	s.open.add(s.peers.Close)
	s.guard.Peers = s.keys.peers
	return nil
}

// self is what this instance tells others of itself.
func (s *service) self() operator.Self {
	self := operator.Self{Version: version(), Since: s.since, Store: s.settings.Store.Kind, HashKey: s.keys.records.ID()}
	if s.keys.previous != nil {
		self.HashKeyPrevious = s.keys.previous.ID()
	}
	return self
}
