// Package hangup ignores SIGHUP from its initialization on, so that a reload that is asked
// for during the start does not end the process.
//
// Packages are initialized in the order of their import paths as soon as what they import
// is. As this one imports little, it comes before the libraries, which take most of the
// time until main.
package hangup

import (
	"os/signal"
	"syscall"
)

func init() { signal.Ignore(syscall.SIGHUP) }
