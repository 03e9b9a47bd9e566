package main

import (
	"cmp"
	"fmt"
	"net"
	"os"
	"regexp"
)

// maxInstance bounds the name of an instance, in characters.
const maxInstance = 100

var (
	instanceName   = regexp.MustCompile(fmt.Sprintf("^[A-Za-z0-9._:-]{1,%d}$", maxInstance))
	notForInstance = regexp.MustCompile("[^A-Za-z0-9._:-]")
)

// checkInstance returns the error of an instance that cannot be a name.
func (p *policy) checkInstance() error {
	if name := p.settings.Instance; name != "" && !instanceName.MatchString(name) {
		return expected("instance", fmt.Sprintf("1 to %d of letters, digits and . _ : -", maxInstance))
	}
	return nil
}

// nameInstance sets the name of this instance: the one that is configured, or the host name
// and the port where callers connect; over a unix socket, where operators do.
func (s *service) nameInstance() error {
	if s.instance = s.settings.Instance; s.instance != "" {
		return nil
	}
	at, ok := s.callersListen.Addr().(*net.TCPAddr)
	if !ok {
		at = s.operatorsListen.Addr().(*net.TCPAddr)
	}
	port := fmt.Sprintf(":%d", at.Port)
	host, _ := os.Hostname()
	host = notForInstance.ReplaceAllString(cmp.Or(host, "localhost"), "-")
	s.instance = host[:min(len(host), maxInstance-len(port))] + port
	return nil
}
