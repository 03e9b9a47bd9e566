package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"fraudcheck/internal/config"
)

// A certificate, with its key, is what both ports show. A reload replaces it; established
// connections keep theirs. The zero value has none: the ports speak plain HTTP.
type certificate struct {
	atomic.Pointer[tls.Certificate]
}

// config returns the TLS settings of a port: TLS 1.2 and later, HTTP/1.1 only; nil
// without a certificate. It looks for the certificate at each handshake, so a reload
// needs no new listener.
func (c *certificate) config() *tls.Config {
	if c.Load() == nil {
		return nil
	}
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{"http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.Load(), nil },
	}
}

// makeCertificate reads the certificate and its key, both PEM, which may be one file. One
// that is not valid now is only warned of at the start: there is no better one. Without
// TLS it warns of ports that other machines reach.
func (p *policy) makeCertificate() error {
	s := p.settings.TLS
	if s.InFront && len(p.settings.TrustedProxies) == 0 {
		return &config.Error{Key: "trusted_proxies", Needed: "tls.in_front", Expected: "the proxies that end TLS, where tls.in_front is true"}
	}
	if s.CertFile == "" && s.KeyFile == "" {
		if !s.InFront {
			p.warnOfPlainDoors()
		}
		return nil
	}
	if s.CertFile == "" {
		return expected("tls.cert_file", "a certificate, where tls.key_file is set")
	}
	if s.KeyFile == "" {
		return expected("tls.key_file", "the certificate's key, where tls.cert_file is set")
	}
	chain, err := p.readNamed("tls.cert_file", s.CertFile)
	if err != nil {
		return err
	}
	key, err := p.readNamed("tls.key_file", s.KeyFile)
	if err != nil {
		return err
	}
	// Checked first, so that the error of the pair below can only be about the key.
	if !certificates(chain) {
		return expected("tls.cert_file", "PEM of a certificate, and of those that signed it")
	}
	// Its error may quote the file; the reason is nearly always a key of another
	// certificate.
	pair, err := tls.X509KeyPair(chain, key)
	if err != nil {
		return expected("tls.key_file", "PEM of the private key to the first certificate in tls.cert_file")
	}
	if reason := notValid(&pair, time.Now()); reason != "" {
		p.warn("tls.cert_file %s%s", reason, refusedByCallers)
	}
	p.certificate = &pair
	return nil
}

// notValid returns why the certificate is not valid at that time, or nothing.
func notValid(c *tls.Certificate, now time.Time) string {
	switch {
	case now.After(c.Leaf.NotAfter):
		return "has expired on " + c.Leaf.NotAfter.UTC().Format(time.RFC3339)
	case now.Before(c.Leaf.NotBefore):
		return "is not valid yet, but from " + c.Leaf.NotBefore.UTC().Format(time.RFC3339) + " on"
	}
	return ""
}

// refusedByCallers ends the warnings of a certificate that is not valid.
const refusedByCallers = ": callers that verify certificates cannot connect"

// expiry returns when the certificate in force runs out. There must be one.
func (c *certificate) expiry() time.Time { return c.Load().Leaf.NotAfter }

// watch logs, until stop is called, that the certificate in force is not valid: at once,
// and then every hour. It looks once a minute.
func (c *certificate) watch(log *slog.Logger) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	w := certificateWatch{certificate: c, log: log}
	w.look(time.Now())
	go every(ctx, time.Minute, w.look)
	return cancel
}

// A certificateWatch is what watch knows.
type certificateWatch struct {
	*certificate
	log  *slog.Logger
	said time.Time // when the last line was written
}

// look logs that the certificate is not valid at that time, at most once an hour.
func (w *certificateWatch) look(now time.Time) {
	shown := w.Load()
	if shown == nil || now.Sub(w.said) < time.Hour {
		return
	}
	if reason := notValid(shown, now); reason != "" {
		w.said = now
		w.log.Error("tls.cert_file " + reason + refusedByCallers)
	}
}

// replace shows the next certificate from now on when it is another one and valid now. It
// returns the reason for a refusal: at a reload, the one in force is better than an
// expired one.
func (c *certificate) replace(next *tls.Certificate, now time.Time) (refused string) {
	if slices.EqualFunc(c.Load().Certificate, next.Certificate, bytes.Equal) {
		return ""
	}
	if refused = notValid(next, now); refused == "" {
		c.Store(next)
	}
	return refused
}

// certificates reports whether the PEM text holds certificates, all well-formed.
func certificates(text []byte) (ok bool) {
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue // the key, when both are in one file
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return false
		}
		ok = true
	}
	return ok
}

// warnOfPlainDoors warns of ports that can be reached from other machines without TLS.
func (p *policy) warnOfPlainDoors() {
	for _, door := range []struct{ key, address string }{{"listen", p.settings.Listen}, {"operator_listen", p.settings.OperatorListen}} {
		if strings.HasPrefix(door.address, config.UnixPrefix) {
			continue
		}
		host, _, _ := net.SplitHostPort(door.address)
		// A host name, or none at all, is taken for one that other machines reach.
		if ip, err := netip.ParseAddr(host); host != "localhost" && (err != nil || !ip.IsLoopback()) {
			p.warn("%s is not on loopback, and without tls passwords and tokens can be read on the way", door.key)
		}
	}
}
