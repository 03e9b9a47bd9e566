// Fraudcheck answers a checkout that asks, before it charges a card: is this
// address testing stolen cards?
//
//	fraudcheck [serve]        serve
//	fraudcheck check-config   say what would run, or the one line that is wrong
//	fraudcheck hash-password  read a password, print its hash for the configuration
//	fraudcheck user           add, remove and list the users of the users file
//	fraudcheck version        say which version this is, also --version
//	fraudcheck help           say how it, or a command, is used, also --help
//
// It exits 0 after a clean stop and 1 after anything else.
package main

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
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
	parsed, err := parser.Parse(args)
	if err == nil {
		f.given = parsed.Path
		err = f.run(parsed.Command(), parser, stdout, stderr)
	}
	if err != nil {
		lastWords(stderr, fmt.Sprintf("fraudcheck: %s\n", oneLine(err)))
		return 1
	}
	return 0
}

// run does what the command says. A hang-up ends every command but serve.
func (f *flags) run(command string, parser *kong.Kong, stdout, stderr io.Writer) (err error) {
	if command == "serve" && !f.PrintVersion {
		return serve(f, stdout, stderr)
	}
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
	}
	return err
}

// lastWords writes the text. It waits for at most a second: standard error may be a pipe
// that nobody reads.
func lastWords(stderr io.Writer, text string) {
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

// checkConfig prints what would run, then what may be unwise about it.
func checkConfig(f *flags, stdout io.Writer) error {
	p, err := configure(f, config.FilesAndPipes)
	if err != nil {
		return err
	}
	if _, err := p.makeKeys(); err != nil {
		return err
	}
	// serve refuses it; check-config may run on another machine.
	if err := p.checkSnapshotFile(); err != nil {
		p.warn("%s", err)
	}
	text, err := yaml.Marshal(p.settings)
	if err != nil {
		return err
	}
	if p.settings.Auth.Basic.UsersFile != "" {
		text = fmt.Appendf(text, "# auth.basic.users_file holds %s\n", plural(p.fileUsers, "user"))
	}
	for _, w := range p.warnings {
		text = append(text, "# warning: "+w+"\n"...)
	}
	_, err = stdout.Write(text)
	return err
}

// version is the version of the program, of Go and of the HTTP library, on one line.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "fraudcheck (unknown build)"
	}
	text := "fraudcheck " + info.Main.Version + " " + info.GoVersion
	for _, m := range info.Deps {
		if m.Path == "github.com/valyala/fasthttp" {
			text += " fasthttp " + m.Version
		}
	}
	return text
}
