package peers

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"maps"
	"sync"
	"time"
)

// tellEvery is how often the same change of an address is told at most.
const tellEvery = time.Minute

// A trouble is what was last wrong with each address of a peer, so that a change can be told.
type trouble struct {
	mu sync.Mutex
	of map[string]*troubled // by the name in answers
}

// troubled is what was told of an address.
type troubled struct {
	told string               // what it is taken for
	at   map[string]time.Time // when each was told, in the last minute
}

// note tells changed which addresses answer as they did not before. An address that goes and
// comes has each change told once a minute at most; what it is in the end is told by a
// question after that.
func (t *trouble) note(peer string, answers []Answer, changed func(peer, why string)) {
	t.noteAt(peer, answers, changed, time.Now())
}

func (t *trouble) noteAt(peer string, answers []Answer, changed func(peer, why string), now time.Time) {
	if changed == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, a := range answers {
		name := a.Peer
		if name == "" {
			name = peer
		}
		known := t.of[name]
		if known == nil {
			if a.Why == "" {
				continue
			}
			if t.of == nil || len(t.of) >= 4*maxAddresses {
				t.of = make(map[string]*troubled)
			}
			known = &troubled{at: make(map[string]time.Time)}
			t.of[name] = known
		}
		maps.DeleteFunc(known.at, func(_ string, at time.Time) bool { return now.Sub(at) >= tellEvery })
		if _, lately := known.at[a.Why]; a.Why == known.told || lately {
			continue
		}
		known.told, known.at[a.Why] = a.Why, now
		changed(name, a.Why)
	}
}

// isCertificate reports whether the error is about the peer's certificate.
func isCertificate(err error) bool {
	var verification *tls.CertificateVerificationError
	var host x509.HostnameError
	var authority x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	return errors.As(err, &verification) || errors.As(err, &host) || errors.As(err, &authority) || errors.As(err, &invalid)
}
