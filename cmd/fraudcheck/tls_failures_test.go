package main

import (
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Each failure is counted, and of each reason one line a minute is logged; a probe that
// only connects is no failure.
func TestTLSFailuresAreCountedAndLogged(t *testing.T) {
	i := newIdentity(t, "first", tomorrow())
	config, _ := withTLS(t, i)
	p := start(t, config)
	client := clientTrusting(t, i)
	failures := func() (counted string) {
		_, a := askTLS(t, client, "GET", "https://"+p.operators+"/metrics", "")
		for line := range strings.Lines(a.body) {
			if series, ok := strings.CutPrefix(line, "fraudcheck_tls_failures_total"); ok {
				counted += series
			}
		}
		return counted
	}
	zeros := failures()
	assert.Equal(t, 6, strings.Count(zeros, " 0\n"), zeros)

	dial := func() net.Conn {
		c, err := net.Dial("tcp", p.addr)
		require.NoError(t, err)
		require.NoError(t, c.SetDeadline(time.Now().Add(prompt)))
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	for range 3 {
		plain := dial()
		_, err := io.WriteString(plain, "GET /v1/check?card_id=hunter2 HTTP/1.1\r\nHost: x\r\nAuthorization: Basic hunter2\r\n\r\n")
		require.NoError(t, err)
		said, err := io.ReadAll(plain)
		require.NoError(t, err)
		assert.Regexp(t, `^HTTP/1\.1 400 (?s:.*)nosniff\r\nX-Request-ID: [0-9A-Z]{26}\r\nConnection: close\r\n\r\nThis port speaks TLS: ask it by https\.\n$`, string(said))

		assert.Error(t, tls.Client(dial(), &tls.Config{ServerName: "127.0.0.1"}).Handshake(), "it does not trust the certificate")
		assert.Error(t, tls.Client(dial(), &tls.Config{ServerName: "127.0.0.1", MaxVersion: tls.VersionTLS12}).Handshake())
		assert.Error(t, tls.Client(dial(), &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}).Handshake())
		require.NoError(t, dial().Close(), "a probe")
	}
	const want = `{door="callers",reason="certificate_refused"} 6` + "\n" + `{door="callers",reason="handshake_failed"} 3` + "\n" + `{door="callers",reason="plain_text"} 3`
	assert.Eventually(t, func() bool { return strings.Contains(failures(), want) }, prompt, 20*time.Millisecond)
	for _, reason := range []string{"plain_text", "certificate_refused", "handshake_failed"} {
		p.await(t, p.stderr, `WARNING .*TLS: a handshake failed callers `+reason+` 127\.0\.0\.1 .*\n`)
		assert.Equal(t, 1, strings.Count(p.stderr.String(), " callers "+reason+" "))
	}
	assert.NotContains(t, p.stderr.String(), "hunter2")
}

func TestTheExpiryOfTheCertificateInForceIsAMetric(t *testing.T) {
	first, second := newIdentity(t, "first", tomorrow()), newIdentity(t, "second", tomorrow().Add(time.Hour))
	config, folder := withTLS(t, first)
	r := startReloading(t, config)
	client := clientTrusting(t, first, second)
	shown := func() float64 {
		_, a := askTLS(t, client, "GET", "https://"+r.operators+"/metrics", "")
		return value(t, a.body, "fraudcheck_tls_certificate_expiry_timestamp_seconds")
	}
	assert.InDelta(t, tomorrow().Unix(), shown(), 60)
	replaceFile(t, folder+"/cert.pem", second.certificate)
	replaceFile(t, folder+"/key.pem", second.key)
	r.rewrite(config, `Configuration reloaded`)
	assert.InDelta(t, tomorrow().Add(time.Hour).Unix(), shown(), 60)
	assert.NotContains(t, start(t, guarded).scrape(t), "fraudcheck_tls_")
}

func TestACertificateThatHasRunOutIsLoggedOnceAnHour(t *testing.T) {
	i := newIdentity(t, "first", tomorrow())
	pair, err := tls.X509KeyPair([]byte(i.certificate), []byte(i.key))
	require.NoError(t, err)
	var out strings.Builder
	w := certificateWatch{certificate: new(certificate), log: slog.New(slog.NewTextHandler(&out, nil))}
	end := pair.Leaf.NotAfter
	w.look(end.Add(time.Minute)) // without TLS
	w.Store(&pair)
	for _, tt := range []struct {
		after time.Duration
		lines int
	}{{-time.Hour, 0}, {0, 0}, {time.Minute, 1}, {2 * time.Minute, 1}, {60 * time.Minute, 1}, {61 * time.Minute, 2}, {62 * time.Minute, 2}} {
		w.look(end.Add(tt.after))
		assert.Equal(t, tt.lines, strings.Count(out.String(), "level=ERROR"), "%s: %s", tt.after, out.String())
	}
	assert.Contains(t, out.String(), "tls.cert_file has expired on "+end.UTC().Format(time.RFC3339)+": callers that verify certificates cannot connect")

	out.Reset()
	w.said = time.Time{}
	w.look(pair.Leaf.NotBefore.Add(-time.Hour))
	assert.Contains(t, out.String(), "tls.cert_file is not valid yet, but from ")
}
