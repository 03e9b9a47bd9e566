package peers

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"sync"
)

// A trouble is what was last wrong with a peer, so that a change can be told.
type trouble struct {
	mu  sync.Mutex
	why string
}

// note tells changed where the peer answers as it did not before. Of several addresses the
// first that does not answer counts.
func (t *trouble) note(peer string, answers []Answer, changed func(peer, why string)) {
	why := ""
	for _, a := range answers {
		if a.Why != "" {
			why = a.Why
			break
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if why != t.why && changed != nil {
		changed(peer, why)
	}
	t.why = why
}

// isCertificate reports whether the error is about the peer's certificate.
func isCertificate(err error) bool {
	var verification *tls.CertificateVerificationError
	var host x509.HostnameError
	var authority x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	return errors.As(err, &verification) || errors.As(err, &host) || errors.As(err, &authority) || errors.As(err, &invalid)
}
