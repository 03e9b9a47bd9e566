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
	ctx, cancel := context.WithTimeout(context.Background(), healthTimeout)
	defer cancel()
	status, err := askPort(ctx, network, address, p.onlyThisCertificate(), "/readyz")
	if err != nil {
		return fmt.Errorf("not ready at %s: %w", p.settings.Listen, err)
	}
	if status != http.StatusOK {
		return fmt.Errorf("not ready at %s: %d %s", p.settings.Listen, status, http.StatusText(status))
	}
	return nil
}

// askPort makes one GET request over a connection of its own, with TLS where secure is not
// nil, and returns the status.
func askPort(ctx context.Context, network, address string, secure *tls.Config, path string) (status int, err error) {
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, address)
		},
		TLSClientConfig: secure,
	}
	defer transport.CloseIdleConnections()
	url := "http://fraudcheck" + path
	if secure != nil {
		url = "https://fraudcheck" + path
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	answer, err := transport.RoundTrip(r) // follows no redirect
	if err != nil {
		return 0, err
	}
	return answer.StatusCode, answer.Body.Close()
}

// readyAddress is where an instance that listens there is reached from the same machine. It
// is no name: an image has no /etc/hosts that would know localhost.
func readyAddress(listen string) (network, address string) {
	if path, ok := strings.CutPrefix(listen, config.UnixPrefix); ok {
		return "unix", path
	}
	host, port, _ := net.SplitHostPort(listen) // configure has checked it
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1" // the port takes both versions of IP
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
