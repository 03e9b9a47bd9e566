package listener

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"syscall"
)

// A TLSFailure is a handshake that failed because of what the client sent. One that the
// client never began, or that took too long, is none: probes of load balancers do that.
type TLSFailure struct {
	Reason string     // one of TLSReasons
	From   netip.Addr // the connection's other end; not valid on a unix socket
	Err    error      // its text is of package tls; it quotes nothing that the client sent
	// Plain is the connection without TLS, where no TLS was begun on it and an answer in
	// clear can be read; else nil. What is written before TLSFailed returns is delivered:
	// the connection lingers on Close.
	Plain net.Conn
}

// The reasons of a TLSFailure.
const (
	PlainText          = "plain_text"          // the client sent no TLS: HTTP, as a rule
	CertificateRefused = "certificate_refused" // the client said so, or left when it had seen the certificate
	HandshakeFailed    = "handshake_failed"    // versions or ciphers that do not meet, and the like
)

// TLSReasons are all reasons.
var TLSReasons = []string{PlainText, CertificateRefused, HandshakeFailed}

// certificateAlerts are the texts of the alerts by which a client refuses a certificate
// (RFC 8446 section 6.2): package tls does not export their numbers.
var certificateAlerts = []string{
	"tls: bad certificate", "tls: unsupported certificate", "tls: revoked certificate", "tls: expired certificate",
	"tls: unknown certificate", "tls: unknown certificate authority",
}

// tlsFailure returns why the handshake failed, false where err is none of a handshake.
func (c *Conn) tlsFailure(err error) (f TLSFailure, failed bool) {
	_, session := c.layers()
	if session == nil || session.ConnectionState().HandshakeComplete {
		return f, false
	}
	f = TLSFailure{Reason: HandshakeFailed, From: c.Peer, Err: err}
	var plain tls.RecordHeaderError
	var remote *net.OpError
	switch {
	case errors.As(err, &plain):
		f.Reason, f.Plain = PlainText, plain.Conn
	case errors.As(err, &remote) && remote.Op == "remote error":
		if slices.Contains(certificateAlerts, remote.Err.Error()) {
			f.Reason = CertificateRefused
		}
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET):
		// The version is known once the client's first message is: before that it is a
		// probe that left.
		f.Reason = CertificateRefused
		return f, session.ConnectionState().Version != 0
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, net.ErrClosed):
		return f, false
	}
	return f, true
}
