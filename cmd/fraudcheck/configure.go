package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"fraudcheck/internal/auth"
	"fraudcheck/internal/config"
	"fraudcheck/internal/door"
	"fraudcheck/internal/velocity"
)

// A policy is the compiled settings. The start builds a service from it; a reload puts it
// in force in the running service.
type policy struct {
	config   *config.Config // knows where each setting is from
	settings *config.Settings
	files    config.Files // that may be read
	warnings []string

	plan         *velocity.Plan
	certificate  *tls.Certificate // nil: without TLS
	authSettings auth.Settings    // what authPolicy is compiled from
	authPolicy   *auth.Policy
	cors         *door.CORS     // nil: no origin may
	peerRoots    *x509.CertPool // of tls.peer_ca_file; nil: the system's

	listFiles listFiles // in force; while the policy is compiled, those before it
	refused   []error   // what a reload leaves as it is, because a file is wrong

	fileUsers         int    // how many users the users file holds, for check-config
	generatedUser     string // name of the credential that was made, when no user is configured; else empty
	generatedPassword string

	decisionKey []byte // of decision_log.key_file; nil where there is none, or it was not read
}

// configure reads the settings (flags before environment before file before defaults) and
// compiles them. It opens and changes nothing, so check-config, a start and a reload all
// use it. Unknown environment variables are warned of at a start only: they do not
// change.
//
// The error is a *config.Error with its place. The policy beside it holds the settings
// that could be read, so that a reload can watch the files that they name; nil where none
// could.
func configure(f *flags, files config.Files) (*policy, error) { return configureAfter(f, files, nil) }

// configureAfter is configure for a reload: inForce are the lists' files as they were read
// before, which stay where one is wrong now.
func configureAfter(f *flags, files config.Files, inForce listFiles) (*policy, error) {
	c, err := config.Read(f.Config, f.source("config"), files, f.overrides())
	if err != nil {
		return nil, err
	}
	p := &policy{config: c, settings: c.Settings, files: files, listFiles: inForce}
	if files == config.FilesAndPipes {
		p.warnings = config.UnknownVariables(os.Environ(), variables())
	}
	// Each step compiles a part of the settings, and the first error ends it. Callers
	// come after rules only for the order of the messages.
	for _, step := range []func() error{p.checkAddresses, p.checkInstance, p.makeCertificate, p.makePlan, p.makeCallers, p.makeCORS, p.makePeers} {
		if err := step(); err != nil {
			return p, c.Locate(err)
		}
	}
	p.warnOfRulesAndLists()
	p.warnOfFiles()
	p.warnOfTimes()
	p.warnOfSocket()
	p.warnOfCredentials()
	return p, nil
}

// expected returns the error of the setting of that dotted key; what is what its value
// may be.
func expected(key, what string) error { return &config.Error{Key: key, Expected: what} }

// makeCORS compiles the origins whose pages may call from a browser.
func (p *policy) makeCORS() (err error) {
	p.cors, err = door.NewCORS(p.settings.CORS.Origins)
	var wrong *door.OriginError
	if errors.As(err, &wrong) {
		return expected(fmt.Sprintf("cors.origins[%d]", wrong.Index),
			"an origin as browsers send it: http or https, host, and the port unless it is the usual one, as in https://shop.example:8443")
	}
	return err
}

// readNamed reads the file that the setting of that key names. The error is a
// *config.Error.
func (p *policy) readNamed(key, file string) ([]byte, error) {
	text, err := config.ReadFile(file, p.files)
	if err != nil {
		return nil, unreadable(key, file, err)
	}
	return text, nil
}

// unreadable returns the error of a file that the setting of that key names. It shows
// where the file was looked for, as far as that can be no secret that stands in the place
// of a name, and the first folder on the way that is missing.
func unreadable(key, file string, err error) error {
	full, _ := filepath.Abs(file)
	folder := filepath.Dir(full)
	there := existing(folder)
	missing := strings.Trim(strings.TrimPrefix(full, there), "/")
	problem := fmt.Errorf("cannot read it: %w", err)
	switch {
	case isPath(missing):
		problem = fmt.Errorf("cannot read %s: %w", full, err)
		if first, _, below := strings.Cut(missing, "/"); below && errors.Is(err, fs.ErrNotExist) {
			problem = fmt.Errorf("%w; there is no folder %s", problem, filepath.Join(there, first))
		}
	case there == folder:
		problem = fmt.Errorf("cannot read it in %s: %w", folder, err)
	}
	if strings.HasPrefix(filepath.Base(filepath.Dir(full)), "~") {
		problem = fmt.Errorf("%w; ~ is no home here: write the whole path", problem)
	}
	if isURL.MatchString(file) {
		problem = fmt.Errorf("%w; a URL is not fetched: save it to a file", problem)
	}
	return &config.Error{Key: key, Problem: problem}
}

// existing returns the folder, or the nearest one above it that is there.
func existing(folder string) string {
	for {
		if info, err := os.Stat(folder); err == nil && info.IsDir() || folder == filepath.Dir(folder) {
			return folder
		}
		folder = filepath.Dir(folder)
	}
}

// isPath reports whether an error may show the text, a path below a folder that is there:
// its names are shorter than a key, and so is the whole, or it is in small letters, as
// base64 of a key is not.
func isPath(text string) bool {
	const shortestSecret = 16
	for name := range strings.SplitSeq(text, "/") {
		if !fileName.MatchString(name) || len(name) >= shortestSecret {
			return false
		}
	}
	return len(text) < shortestSecret || text == strings.ToLower(text)
}

// isURL matches a URL, also one that was made a path.
var isURL = regexp.MustCompile(`(?:^|/)https?:/`)

// fileName matches names that an error may show.
var fileName = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)
