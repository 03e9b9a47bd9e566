package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"fraudcheck/internal/config"
	"fraudcheck/internal/listener"
)

// logConfiguration logs the version, what the configuration is, and what may be unwise
// about it: the first lines of every log. The whole configuration, secrets hidden, is
// logged at DEBUG only.
func (s *service) logConfiguration() {
	s.log.Info(version())
	text := "Configuration: " + cmp.Or(s.config.Path, "no file")
	// Names of the settings only: their values may be secrets.
	if keys := config.Changed(config.Defaults(), s.settings); len(keys) > 0 {
		text += ", differs from the defaults in " + strings.Join(keys, ", ")
	}
	s.log.Info(text)
	if s.log.Enabled(context.Background(), slog.LevelDebug) {
		text, _ := yaml.Marshal(s.settings) // nothing in it can fail
		for line := range strings.Lines(string(text)) {
			s.log.Debug("Configuration: " + strings.TrimRight(line, "\n"))
		}
	}
	for _, w := range s.warnings {
		s.log.Warn("Configuration: " + w)
	}
}

// announce logs where the service is reached, and shows the credential that it made on
// standard output: the log must hold no password.
func (s *service) announce(stdout io.Writer) {
	store := s.settings.Store.Kind + ", " + plural(len(s.settings.Rules), "rule")
	if s.policy.certificate != nil {
		store += ", TLS"
	}
	at := s.callersListen.Addr().String()
	if _, ok := s.callersListen.(*listener.UnixSocket); ok {
		at = config.UnixPrefix + at
	}
	s.log.Info(fmt.Sprintf("Listening on %s (store %s)", at, store))
	s.log.Info(fmt.Sprintf("Operators on %s", s.operatorsListen.Addr()))
	if s.peers != nil {
		s.log.Info(fmt.Sprintf("Instance %s asks %s for what operators see", s.instance, plural(len(s.settings.OperatorPeers), "peer")))
	}
	if s.generatedUser == "" {
		return
	}
	go func() { // standard output may be a pipe that nobody reads
		if err := s.printCredential(stdout); err != nil {
			s.failed <- fmt.Errorf("cannot show the credential that was made: %w", err)
		}
	}()
}

// printCredential shows the credential this once, with a command to try it. Of a listener
// on every address (0.0.0.0, ::) the command names 127.0.0.1.
func (s *service) printCredential(stdout io.Writer) error {
	curl, at := "curl", "localhost"
	switch address := s.callersListen.Addr().(type) {
	case *net.TCPAddr:
		if at = address.String(); address.IP.IsUnspecified() {
			at = net.JoinHostPort("127.0.0.1", strconv.Itoa(address.Port))
		}
	case *net.UnixAddr:
		curl += " --unix-socket '" + strings.ReplaceAll(address.Name, "'", `'\''`) + "'"
	}
	scheme := "http"
	if s.policy.certificate != nil {
		scheme = "https"
	}
	_, err := fmt.Fprintf(stdout, `No user is configured. This one was made for this run and is shown only here:

  username  %[1]s
  password  %[2]s

Try it:

  %[5]s -u %[1]s:%[2]s -H 'Content-Type: application/json' \
    -d '{"ip":"203.0.113.7","last4":"4242","exp_month":12,"exp_year":2030}' \
    %[4]s://%[3]s/v1/check

`, s.generatedUser, s.generatedPassword, at, scheme, curl)
	return err
}

// plural returns "1 rule" or "2 rules".
func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
