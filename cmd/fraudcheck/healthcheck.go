package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"fraudcheck/internal/config"
)

// healthTimeout is how long the running instance may take to answer.
const healthTimeout = 3 * time.Second

// healthCheck asks the instance that runs with this configuration whether it may take
// traffic, for a container without a shell. The error says why it may not.
func healthCheck(f *flags) error {
	p, err := configure(f, config.FilesAndPipes)
	if err != nil {
		return err
	}
	network, address := readyAddress(p.settings.Listen)
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, address)
		},
		TLSClientConfig: p.onlyThisCertificate(),
	}
	defer transport.CloseIdleConnections()
	url := "http://fraudcheck/readyz"
	if p.certificate != nil {
		url = "https://fraudcheck/readyz"
	}
	client := http.Client{Transport: transport, Timeout: healthTimeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.Get(url)
	if err != nil {
		return fmt.Errorf("not ready at %s: %w", p.settings.Listen, errors.Unwrap(err))
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("not ready at %s: %s", p.settings.Listen, answer.Status)
	}
	return nil
}

// readyAddress is where an instance that listens there is reached from the same machine.
func readyAddress(listen string) (network, address string) {
	if path, ok := strings.CutPrefix(listen, config.UnixPrefix); ok {
		return "unix", path
	}
	host, port, _ := net.SplitHostPort(listen) // configure has checked it
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return "tcp", net.JoinHostPort(host, port)
}

// onlyThisCertificate takes no other certificate than the configured one, whatever names it
// is for: the instance is asked by an address that need not be among them.
func (p *policy) onlyThisCertificate() *tls.Config {
	if p.certificate == nil {
		return nil
	}
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: true, // VerifyPeerCertificate is stricter
		VerifyPeerCertificate: func(shown [][]byte, _ [][]*x509.Certificate) error {
			if len(shown) == 0 || !bytes.Equal(shown[0], p.certificate.Certificate[0]) {
				return errors.New("another certificate than tls.cert_file")
			}
			return nil
		},
	}
}
