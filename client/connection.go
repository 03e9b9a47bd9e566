package fraudcheck

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Connections are this package's own: http.Transport would send a request again by itself,
// write what a server sends unasked to the log, and call an answer that breaks off malformed.

const (
	maxAnswer = 64 << 10         // bytes of an answer; the service's are below 16 KiB
	maxIdle   = 60 * time.Second // a kept connection; the service closes it after 75 s
	maxKept   = 256              // connections
)

// A conn is a connection to the service.
type conn struct {
	net.Conn
	in    *bufio.Reader
	left  int  // bytes that may still be read of this answer
	ended bool // by the service, or the network
	since time.Time
}

// Read reads what is left of an answer.
func (c *conn) Read(b []byte) (int, error) {
	if c.left <= 0 {
		return 0, errors.New("the answer is too long")
	}
	n, err := c.Conn.Read(b[:min(len(b), c.left)])
	c.left -= n
	if timeout := (net.Error)(nil); err != nil && !(errors.As(err, &timeout) && timeout.Timeout()) {
		c.ended = true
	}
	return n, err
}

// A pool keeps connections; the last one used is the first one taken.
type pool struct {
	mu   sync.Mutex
	idle []*conn
}

// kept returns a kept connection, or nil.
func (c *Client) kept() *conn {
	p := &c.connections
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.idle) > 0 {
		last := p.idle[len(p.idle)-1]
		p.idle = p.idle[:len(p.idle)-1]
		if time.Since(last.since) < maxIdle && last.isQuiet() {
			return last
		}
		_ = last.Close()
	}
	return nil
}

// keep keeps the connection for the next request.
func (c *Client) keep(k *conn) {
	p := &c.connections
	p.mu.Lock()
	defer p.mu.Unlock()
	if k.since = time.Now(); len(p.idle) < maxKept {
		p.idle = append(p.idle, k)
		return
	}
	_ = k.Close()
}

// reach sets where the service is.
func (c *Client) reach(text string) error {
	if path, unix := strings.CutPrefix(text, "unix:"); unix {
		c.network, c.address, c.base = "unix", path, "http://localhost"
		return nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" {
		return errors.New("fraudcheck: URL: expected http://host:port, https://host:port or unix:/path, without credentials")
	}
	port := u.Port()
	if port == "" {
		port = u.Scheme // the name of the port, too
	}
	c.network, c.address, c.base = "tcp", net.JoinHostPort(u.Hostname(), port), strings.TrimSuffix(u.String(), "/")
	if u.Scheme == "https" {
		c.tls = c.options.TLS.Clone() // nil of nil
		if c.tls == nil {
			c.tls = &tls.Config{}
		}
		if c.tls.ServerName == "" {
			c.tls.ServerName = u.Hostname()
		}
	}
	return nil
}

// connect returns a new connection.
func (c *Client) connect(ctx context.Context) (*conn, error) {
	opened, err := (&net.Dialer{}).DialContext(ctx, c.network, c.address)
	if err == nil && c.tls != nil {
		secured := tls.Client(opened, c.tls)
		if err = secured.HandshakeContext(ctx); err != nil {
			_ = opened.Close()
		}
		opened = secured
	}
	if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) {
		err = errBroken // in the handshake
	}
	k := &conn{Conn: opened}
	k.in = bufio.NewReader(k)
	return k, err
}

// post makes one request, over the connection or, where it is nil, a new one. It follows
// no redirect, which would show the shopper's data to others. The connection is kept when
// the whole answer was read and nothing came after it.
func (c *Client) post(ctx context.Context, path string, body []byte, k *conn) (status int, answer []byte, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	if c.options.Token != nil {
		r.Header.Set("Authorization", "Bearer "+c.options.Token())
	} else if c.basic != "" {
		r.Header.Set("Authorization", c.basic)
	}
	if k == nil {
		if k, err = c.connect(ctx); err != nil {
			return 0, nil, err
		}
	}
	// With the context, whatever waits for the connection ends.
	stop := context.AfterFunc(ctx, func() { _ = k.SetDeadline(time.Unix(1, 0)) })
	k.left = maxAnswer
	err = r.Write(k)
	got := (*http.Response)(nil)
	for err == nil && (got == nil || got.StatusCode < 200 && got.StatusCode != http.StatusSwitchingProtocols) {
		got, err = http.ReadResponse(k.in, r)
	}
	if err == nil {
		answer, err = io.ReadAll(got.Body)
	}
	if stop() && err == nil && !got.Close && k.in.Buffered() == 0 {
		c.keep(k)
		return got.StatusCode, answer, nil
	}
	_ = k.Close()
	switch {
	case err == nil:
		return got.StatusCode, answer, nil
	case ctx.Err() != nil:
		return 0, nil, ctx.Err()
	case k.ended || errors.As(err, new(*net.OpError)): // the latter as the request was written
		return 0, nil, errBroken
	default:
		return 0, nil, err
	}
}
