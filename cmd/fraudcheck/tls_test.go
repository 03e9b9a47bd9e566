package main

import (
	"bufio"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/testbed"
)

// An identity is a certificate for loopback, signed by itself, and its key.
type identity struct{ certificate, key string }

func newIdentity(t *testing.T, name string, until time.Time) identity {
	t.Helper()
	return newIdentityFrom(t, name, time.Now().Add(-48*time.Hour), until)
}

func newIdentityFrom(t *testing.T, name string, from, until time.Time) identity {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IPAddresses: []net.IP{{127, 0, 0, 1}},
		NotBefore: from, NotAfter: until, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(crypto.PrivateKey(key))
	require.NoError(t, err)
	return identity{
		string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})),
	}
}

func tomorrow() time.Time { return time.Now().Add(24 * time.Hour) }

// clientTrusting is a client that knows these identities, and no others.
func clientTrusting(t *testing.T, known ...identity) *http.Client {
	t.Helper()
	pool := x509.NewCertPool()
	for _, i := range known {
		require.True(t, pool.AppendCertsFromPEM([]byte(i.certificate)))
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: prompt}
}

// commonName is the name on the certificate that the answer came with.
func commonName(r *http.Response) string { return r.TLS.PeerCertificates[0].Subject.CommonName }

func askTLS(t *testing.T, client *http.Client, method, url, body string) (*http.Response, answer) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	require.NoError(t, err)
	r.SetBasicAuth("checkout", password)
	response, err := client.Do(r)
	require.NoError(t, err)
	a, err := readAnswer(response)
	require.NoError(t, err)
	return response, a
}

// withTLS is guarded with TLS, and the folder that the files are in.
func withTLS(t *testing.T, i identity) (config, folder string) {
	t.Helper()
	folder = t.TempDir()
	replaceFile(t, filepath.Join(folder, "cert.pem"), i.certificate)
	replaceFile(t, filepath.Join(folder, "key.pem"), i.key)
	return guarded + "tls: {cert_file: " + folder + "/cert.pem, key_file: " + folder + "/key.pem}\n", folder
}

func TestBothDoorsSpeakTLS(t *testing.T) {
	first := newIdentity(t, "first", tomorrow())
	config, _ := withTLS(t, first)
	p := start(t, config)
	p.await(t, p.stderr, `Listening on \S+ \(store memory, 1 rule, TLS\)\n`)
	client := clientTrusting(t, first)
	for url, status := range map[string]int{
		"https://" + p.addr + "/v1/check": 405, "https://" + p.addr + "/healthz": 200,
		"https://" + p.operators + "/metrics": 200, "https://" + p.operators + "/v1/addresses/203.0.113.7": 403,
	} {
		response, a := askTLS(t, client, "GET", url, "")
		assert.Equal(t, status, a.status, url)
		assert.Equal(t, "HTTP/1.1", response.Proto, "both doors speak alike")
		assert.Equal(t, uint16(tls.VersionTLS13), response.TLS.Version)
	}
	_, a := askTLS(t, client, "POST", "https://"+p.addr+"/v1/check", attempt("203.0.113.7", "4242"))
	assert.Equal(t, "allow", a.Decision, a.body)
	_, a = askTLS(t, client, "POST", "https://"+p.addr+"/v1/check", strings.Repeat("x", 1<<18))
	assert.Equal(t, "body_too_large", a.Code, "who is still sending hears why it is refused")

	for _, door := range []string{p.addr, p.operators} {
		for version, good := range map[uint16]bool{tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
			c, err := tls.Dial("tcp", door, &tls.Config{InsecureSkipVerify: true, MinVersion: version, MaxVersion: version})
			if assert.Equal(t, good, err == nil, "%s: %v", tls.VersionName(version), err); err == nil {
				require.NoError(t, c.Close())
			}
		}
		a, err := p.try(door, "GET", "/healthz", "")
		assert.True(t, err != nil || a.status == http.StatusBadRequest, "without TLS: %+v", a)
	}
	p.await(t, p.stderr, `(?s)(WARNING  \[main\].*){5}`)
	assert.Equal(t, 5, strings.Count(p.stderr.String(), "WARNING  [main]"), "of the password in clear; at each port, of plain HTTP and of old versions")
	assert.NotContains(t, p.stderr.String(), "panic")
}

func TestTheGeneratedCredentialIsShownWithACommandThatWorks(t *testing.T) {
	i := newIdentity(t, "first", tomorrow())
	config, _ := withTLS(t, i)
	_, settings, _ := strings.Cut(config, "}]}\n")
	p := start(t, "listen: 127.0.0.1:0\n"+settings)
	p.await(t, p.stdout, `https://`+p.addr+`/v1/check\n`)
}

func TestTheCertificateIsReloadedWhileServing(t *testing.T) {
	testbed.SkipShort(t, "the program looks at its files once a second")
	first, second, third := newIdentity(t, "first", tomorrow()), newIdentity(t, "second", tomorrow()), newIdentity(t, "third", tomorrow())
	config, folder := withTLS(t, first)
	p := start(t, config)
	doors := []string{"https://" + p.addr + "/healthz", "https://" + p.operators + "/healthz"}
	stays := clientTrusting(t, first, second, third)
	requireShown := func(client *http.Client, name string) {
		t.Helper()
		for _, url := range doors {
			response, _ := askTLS(t, client, "GET", url, "")
			require.Equal(t, name, commonName(response), url)
		}
	}
	requireShown(stays, "first")

	replaceFile(t, folder+"/cert.pem", second.certificate)
	p.signal(t, syscall.SIGHUP)
	p.await(t, p.stderr, `ERROR .*not reloaded, the old one stays: \S+:\d+: tls\.key_file: wrong value; expected PEM of the private key to the first certificate in tls\.cert_file\n`)
	requireShown(clientTrusting(t, first), "first")
	replaceFile(t, folder+"/key.pem", second.key)
	p.signal(t, syscall.SIGHUP)
	p.await(t, p.stderr, `Configuration reloaded`)
	requireShown(clientTrusting(t, second), "second")
	requireShown(stays, "first") // on the connections that stand

	replaceFile(t, folder+"/cert.pem", third.key+third.certificate) // without a signal
	replaceFile(t, folder+"/key.pem", third.key)
	p.await(t, p.stderr, `(?s)Configuration reloaded.*Configuration reloaded`)
	requireShown(clientTrusting(t, third), "third")
	_, a := askTLS(t, stays, "GET", "https://"+p.operators+"/metrics", "")
	assert.Contains(t, a.body, `fraudcheck_config_reloads_total{result="ok"} 2`)
	assert.NotContains(t, p.stderr.String(), "needs a restart")
}

func TestAReloadKeepsTheCertificateWhereTheNextIsNotValid(t *testing.T) {
	first := newIdentity(t, "first", tomorrow())
	for name, other := range map[string]identity{
		"tls.cert_file has expired":      newIdentity(t, "late", time.Now().Add(-time.Hour)),
		"tls.cert_file is not valid yet": newIdentityFrom(t, "early", tomorrow(), tomorrow().Add(time.Hour)),
	} {
		t.Run(name, func(t *testing.T) {
			config, folder := withTLS(t, first)
			r := startReloading(t, config+rules("5"))
			client := clientTrusting(t, first)
			replaceFile(t, folder+"/cert.pem", other.certificate)
			replaceFile(t, folder+"/key.pem", other.key)
			r.rewrite(config+rules("1"), `(?s)ERROR [^\n]*`+name+`[^\n]* the one before it stays.*Configuration reloaded`)
			client.CloseIdleConnections()
			response, _ := askTLS(t, client, "GET", "https://"+r.addr+"/healthz", "")
			require.Equal(t, "first", commonName(response))
			for _, last4 := range []string{"1001", "1002"} {
				_, a := askTLS(t, client, "POST", "https://"+r.addr+"/v1/check", attempt("203.0.113.7", last4))
				require.Equal(t, map[string]string{"1001": "allow", "1002": "block"}[last4], a.Decision, "the new rules are in force")
			}

			second := newIdentity(t, "second", tomorrow())
			replaceFile(t, folder+"/cert.pem", second.certificate)
			replaceFile(t, folder+"/key.pem", second.key)
			r.signal(t, syscall.SIGHUP)
			require.Eventually(t, func() bool {
				c, err := tls.Dial("tcp", r.addr, &tls.Config{InsecureSkipVerify: true})
				if err != nil {
					return false
				}
				defer c.Close()
				return c.ConnectionState().PeerCertificates[0].Subject.CommonName == "second"
			}, prompt, 10*time.Millisecond)
		})
	}
}

// A certificate that was good when it was loaded is not refused because a reload finds
// it expired: there is no better one.
func TestAnExpiredCertificateInForceIsKeptWithAWarning(t *testing.T) {
	late := newIdentity(t, "late", time.Now().Add(-time.Hour))
	config, _ := withTLS(t, late)
	r := startReloading(t, config)
	r.await(t, r.stderr, `WARNING .*tls\.cert_file has expired`)
	r.rewrite(config+rules("1"), `Configuration reloaded`)
	require.NotContains(t, r.stderr.String(), "the one before it stays")
}

func TestTLSIsNeitherSwitchedOnNorOffByAReload(t *testing.T) {
	i := newIdentity(t, "first", tomorrow())
	config, _ := withTLS(t, i)
	r := startReloading(t, guarded)
	r.rewrite(config, `(?s)WARNING .*tls\.cert_file was changed and needs a restart.*tls\.key_file was changed and needs a restart`)
	require.Equal(t, "allow", r.decide(t, "203.0.113.7", "1001"))

	r = startReloading(t, config)
	r.rewrite(guarded, `(?s)WARNING .*tls\.cert_file was changed and needs a restart.*tls\.key_file was changed and needs a restart`)
	_, a := askTLS(t, clientTrusting(t, i), "GET", "https://"+r.addr+"/healthz", "")
	require.Equal(t, http.StatusOK, a.status)
}

func TestASlowHandshakeHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	i := newIdentity(t, "first", tomorrow())
	config, _ := withTLS(t, i)
	p := start(t, config+"limits: {read: 500ms}\n")
	var slow []net.Conn
	for n := range 20 {
		for _, door := range []string{p.addr, p.operators} {
			c, err := net.Dial("tcp", door)
			require.NoError(t, err)
			defer c.Close()
			if n%2 == 0 {
				_, err = c.Write([]byte{22, 3, 1, 1, 0, 1}) // how a greeting begins
				require.NoError(t, err)
			}
			if door == p.addr {
				slow = append(slow, c)
			}
		}
	}
	client := clientTrusting(t, i)
	_, a := askTLS(t, client, "POST", "https://"+p.addr+"/v1/check", attempt("203.0.113.7", "4242"))
	assert.Equal(t, "allow", a.Decision)
	_, a = askTLS(t, client, "GET", "https://"+p.operators+"/healthz", "")
	assert.Equal(t, http.StatusOK, a.status)
	for _, c := range slow {
		require.NoError(t, c.SetReadDeadline(time.Now().Add(prompt)))
		rest, err := io.ReadAll(c)
		require.NoError(t, err, "it is closed after limits.read")
		require.NotContains(t, string(rest), "HTTP")
	}
}

func TestAStopDoesNotWaitForConnectionsThatOnlyShookHands(t *testing.T) {
	i := newIdentity(t, "first", tomorrow())
	config, _ := withTLS(t, i)
	p := start(t, config+"drain: 1h\n")
	for _, door := range []string{p.addr, p.operators} {
		silent, err := net.Dial("tcp", door)
		require.NoError(t, err)
		defer silent.Close()
		shaken, err := tls.Dial("tcp", door, &tls.Config{InsecureSkipVerify: true})
		require.NoError(t, err)
		defer shaken.Close()
	}
	idle, err := tls.Dial("tcp", p.addr, &tls.Config{InsecureSkipVerify: true})
	require.NoError(t, err)
	defer idle.Close()
	_, err = io.WriteString(idle, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
	require.NoError(t, err)
	response, err := http.ReadResponse(bufio.NewReader(idle), nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, response.StatusCode)

	p.signal(t, syscall.SIGTERM)
	code, _ := p.exitCode(t)
	assert.Zero(t, code)
}

func TestTLSIsRefusedByTheSettingThatIsWrong(t *testing.T) {
	one, other := newIdentity(t, "one", tomorrow()), newIdentity(t, "other", tomorrow())
	file := func(text string) string { return writeFile(t, "file.pem", text) }
	certificate, key := file(one.certificate), file(one.key)
	none := t.TempDir() + "/" + marker + "-as-long-as-a-key"
	for _, tt := range []struct{ certificate, key, want string }{
		{certificate, "", "tls.key_file: expected the certificate's key, where tls.cert_file is set"},
		{"", key, "tls.cert_file: expected a certificate, where tls.key_file is set"},
		{none, key, "tls.cert_file: cannot read "},
		{certificate, none, "tls.key_file: cannot read "},
		{certificate, t.TempDir(), "tls.key_file: cannot read "},
		{key, key, "tls.cert_file: expected PEM of a certificate"},
		{file(marker), key, "tls.cert_file: expected PEM of a certificate"},
		{file(""), key, "tls.cert_file: expected PEM of a certificate"},
		{file(one.certificate + "-----BEGIN CERTIFICATE-----\naGk=\n-----END CERTIFICATE-----\n"), key, "tls.cert_file: expected PEM of a certificate"},
		{certificate, certificate, "tls.key_file: expected PEM of the private key"},
		{certificate, file(marker), "tls.key_file: expected PEM of the private key"},
		{certificate, file(other.key), "tls.key_file: expected PEM of the private key"},
		{file(other.certificate + one.certificate), key, "tls.key_file: expected PEM of the private key"},
	} {
		text := "tls: {cert_file: '" + tt.certificate + "', key_file: '" + tt.key + "'}"
		refuses(t, text, tt.want)
	}
	assert.NotContains(t, accepts(t, "tls: {cert_file: "+file(one.certificate+other.certificate)+", key_file: "+key+"}"), "warning")
	both := file(one.key + one.certificate)
	assert.NotContains(t, accepts(t, "tls: {cert_file: "+both+", key_file: "+both+"}"), "warning")

	late := newIdentity(t, "late", time.Now().Add(-time.Hour))
	assert.Contains(t, accepts(t, "tls: {cert_file: "+file(late.certificate)+", key_file: "+file(late.key)+"}"), "# warning: tls.cert_file has expired on ")
}

func TestADoorOutsideLoopbackWithoutTLSIsWarnedOf(t *testing.T) {
	i := newIdentity(t, "one", tomorrow())
	sealed := "tls: {cert_file: " + writeFile(t, "a.pem", i.certificate) + ", key_file: " + writeFile(t, "b.pem", i.key) + "}\n"
	for address, outside := range map[string]bool{
		"127.0.0.1:9000": false, "127.9.9.9:9000": false, "'[::1]:9000'": false, "localhost:9000": false, "'[::ffff:127.0.0.1]:9000'": false,
		"':9000'": true, "0.0.0.0:9000": true, "'[::]:9000'": true, "10.0.0.7:9000": true, "fraud.example:9000": true, "localhost.example:9000": true,
	} {
		for _, door := range []string{"listen", "operator_listen"} {
			warning := "# warning: " + door + " is not on loopback"
			text := door + ": " + address + "\n"
			assert.Equal(t, outside, strings.Contains(accepts(t, text), warning), text)
			assert.NotContains(t, accepts(t, text+sealed), warning)
		}
	}
}
