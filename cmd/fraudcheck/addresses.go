package main

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"fraudcheck/internal/config"
	"fraudcheck/internal/listener"
)

// checkAddresses checks the form of the addresses to listen on and of the memcached
// servers, and that each stands once. A unix socket is for callers alone: what asks at
// the operators' port (Prometheus, a browser) wants an address. Whether they can be
// used is found when they are. Port 0 is a free one, for tests. The error is a
// *config.Error.
func (p *policy) checkAddresses() error {
	s := p.settings
	if path, ok := strings.CutPrefix(s.Listen, config.UnixPrefix); ok {
		if path == "" || path[0] == '@' || len(path) > listener.MaxUnixPath || strings.ContainsFunc(path, unicode.IsControl) {
			return expected("listen", fmt.Sprintf("unix: and the path of a socket, at most %d bytes with its folder, such as unix:/run/fraudcheck/check.sock", listener.MaxUnixPath))
		}
	} else if !hostPort(s.Listen) {
		return expected("listen", "host:port, such as 127.0.0.1:8080, or unix: and the path of a socket, such as unix:/run/fraudcheck/check.sock"+addressHint(s.Listen))
	}
	if strings.HasPrefix(s.OperatorListen, config.UnixPrefix) {
		return expected("operator_listen", "host:port, such as 127.0.0.1:8081; a unix socket is for listen alone")
	}
	if !hostPort(s.OperatorListen) {
		return expected("operator_listen", "host:port, such as 127.0.0.1:8081"+addressHint(s.OperatorListen))
	}
	for i, server := range s.Store.Memcached.Servers {
		if key := fmt.Sprintf("store.memcached.servers[%d]", i); !strings.HasPrefix(server, "/") && !hostPort(server) {
			return expected(key, "host:port, such as 127.0.0.1:11211, or the path of a unix socket, which begins with /"+addressHint(server))
		} else if slices.Contains(s.Store.Memcached.Servers[:i], server) {
			return expected(key, "a server that is not listed yet")
		}
	}
	// Two free ports (0) are two ports.
	if _, port, _ := net.SplitHostPort(s.Listen); s.Listen == s.OperatorListen && port != "0" {
		return p.oneAddress()
	}
	if s.Store.Kind == "memcached" && len(s.Store.Memcached.Servers) == 0 {
		return expected("store.memcached.servers", "at least one server")
	}
	return nil
}

// oneAddress returns the error of two ports at one address. It names the setting that is
// set; the other may be at its default.
func (p *policy) oneAddress() error {
	switch listen, operators := p.config.IsSet("listen"), p.config.IsSet("operator_listen"); {
	case !operators:
		return expected("listen", "another address than operator_listen has, whose default is "+p.settings.OperatorListen+"; or set operator_listen too")
	case !listen:
		return expected("operator_listen", "another address than listen has, whose default is "+p.settings.Listen+"; or set listen too")
	}
	return expected("operator_listen", "another address than listen has, such as 127.0.0.1:8082")
}

// addressHint returns advice, after a semicolon, on an address that is no host:port; empty
// where there is none.
func addressHint(address string) string {
	_, port, err := net.SplitHostPort(address)
	switch {
	case strings.Contains(address, "://"):
		return "; without the scheme before ://"
	case err == nil && strings.Trim(port, "+-0123456789") == "" && port != "":
		return "; a port is at most 65535"
	case err == nil:
		return "; a port is a number"
	case address != "" && !strings.ContainsAny(address, ":/"):
		return "; the port is missing"
	}
	return ""
}

// hostPort reports whether the address is host:port with a numeric port. A blank in the
// host is refused: "a:1, b:1" would be one server that does not exist.
func hostPort(address string) bool {
	host, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	return err == nil && !strings.ContainsFunc(host, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) })
}
