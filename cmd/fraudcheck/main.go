// Fraudcheck answers a checkout that asks, before it charges a card: is this address
// testing stolen cards?
//
//	fraudcheck [serve]        serve
//	fraudcheck check-config   say what would run, or the one line that is wrong
//	fraudcheck hash-password  read a password, print its hash for the configuration
//	fraudcheck user           add, remove and list the users of the users file
//	fraudcheck replay         say what the rules would have decided on your own history
//	fraudcheck log-ids        read a subject, print its ids in the decision log
//	fraudcheck healthcheck    ask the running instance whether it is ready; exit 0 or 1
//	fraudcheck version        say which version this is, also --version
//	fraudcheck help           say how it, or a command, is used, also --help
//
// It exits 0 after a clean stop and 1 after anything else, with the reason in one line on
// standard error.
//
// # How a run goes
//
// configure reads flags, environment and file and compiles them into a policy, which
// opens nothing. newService opens what the policy names, in one order: keys, memory,
// ports, log, metrics, store, logins, doors, snapshot. start answers requests. A reloader
// compiles a new policy at SIGHUP, or when one of the files changes, and puts it in
// force.
//
// # Signals
//
// SIGTERM and SIGINT stop it: not ready at once, everything is answered for another
// "drain_delay", then what is in flight, for at most "drain". A second one ends
// drain_delay, and a further one, or the second where there is no delay, ends the process
// at once, with exit code 1. SIGHUP reloads. SIGPIPE and SIGXFSZ are ignored: the reader
// of the log may go away, its file may grow too large.
//
// # Files
//
// Each file of this command is one step of that: configure, callers, certificate, plan
// and keys compile settings; service, store, logins, decision_log, doors and snapshot open
// what runs;
// serve, reload, watch, stop and manager are its life; user and password are commands of their
// own.
package main

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
	"go.yaml.in/yaml/v3"

	"fraudcheck/internal/config"
	_ "fraudcheck/internal/hangup" // ignores SIGHUP until the service can reload
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run does what the command line says and returns the exit code.
func run(args []string, stdout, stderr io.Writer) int {
	var f flags
	parser := kong.Must(&f, kong.Name("fraudcheck"), kong.Writers(stdout, stderr),
		kong.Description("Is this address testing stolen cards? A velocity check to ask before charging a card."))
	// kong prints help and ends the process itself.
	parsed, err := parser.Parse(args)
	if err == nil {
		f.given = parsed.Path
		err = f.run(parsed.Command(), parser, stdout, stderr)
	}
	if err != nil {
		writeLastLine(stderr, fmt.Sprintf("fraudcheck: %s\n", oneLine(usageError(err, args))))
		return 1
	}
	return 0
}

// run does what the command says. A hang-up ends every command but serve.
func (f *flags) run(command string, parser *kong.Kong, stdout, stderr io.Writer) (err error) {
	if command == "serve" && !f.PrintVersion {
		return serve(f, stdout, stderr)
	}
	// Package hangup has ignored it; only serve reloads.
	signal.Reset(syscall.SIGHUP)
	switch {
	case f.PrintVersion, command == "version":
		_, err = fmt.Fprintln(stdout, version())
	case strings.HasPrefix(command, "help"):
		_, err = parser.Parse(append(f.Help.Command, "--help")) // ends the process
	case command == "check-config":
		err = checkConfig(f, stdout)
	case command == "hash-password":
		err = hashPassword(os.Stdin, stdout, stderr)
	case command == "user add <name>":
		err = f.User.add(f, os.Stdin, stdout, stderr)
	case command == "user remove <name>":
		err = f.User.remove(f, stdout)
	case command == "user list":
		err = f.User.list(f, stdout)
	case command == "log-ids":
		err = printLogIDs(f, os.Stdin, stdout)
	case command == "healthcheck":
		err = healthCheck(f)
	case command == "replay <file>":
		err = f.Replay.run(f, os.Stdin, stdout, os.Stderr)
	}
	return err
}

// writeLastLine writes the reason for the exit. It waits for at most a second: standard
// error may be a pipe that nobody reads.
func writeLastLine(stderr io.Writer, text string) {
	written := make(chan struct{})
	go func() {
		defer close(written)
		_, _ = io.WriteString(stderr, text)
	}()
	select {
	case <-written:
	case <-time.After(time.Second):
	}
}

// oneLine returns the message on one line, as errors of several are joined by line ends.
func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }

// checkConfig prints what would run as YAML, secrets hidden, then what may be unwise
// about it as comments. The output without the comments is a configuration that the
// program reads, once the secrets are filled in.
func checkConfig(f *flags, stdout io.Writer) error {
	p, err := configure(f, config.FilesAndPipes)
	if err != nil {
		return err
	}
	if _, err := p.makeKeys(); err != nil {
		return err
	}
	// serve refuses these; check-config may run on another machine, as another user, or
	// before systemd has made a folder.
	for _, check := range []func() error{p.checkSnapshotFile, p.checkLogFolder, p.checkDecisionLogFolder, p.checkSocketFolder} {
		if err := check(); err != nil {
			p.warn("%s", err)
		}
	}
	text, err := yaml.Marshal(p.settings)
	if err != nil {
		return err
	}
	if p.settings.Auth.Basic.UsersFile != "" {
		text = fmt.Appendf(text, "# auth.basic.users_file holds %s\n", plural(p.fileUsers, "user"))
	}
	for _, list := range p.lists() {
		if file := p.listFiles[list.name]; file != nil {
			text = fmt.Appendf(text, "# lists.%s_file holds %s\n", list.name, plural(len(file.entries), "network"))
		}
	}
	if file := p.listFiles[guardFile]; file != nil {
		text = fmt.Appendf(text, "# collapse_guard.networks_file holds %s\n", plural(len(file.entries), "network"))
	}
	if p.settings.HashKeyPreviousFile != "" {
		text = fmt.Appendf(text, "# hash_key_previous_file may be taken out once every instance has run with it for %s\n", p.previousKeyUntil())
	}
	for _, w := range p.warnings {
		text = append(text, "# warning: "+w+"\n"...)
	}
	_, err = stdout.Write(text)
	return err
}
