// Package hangup ignores SIGHUP from the moment it is initialized. Without it, a SIGHUP
// that asks for a reload during the start would end the process.
//
// Packages are initialized in the order of their import paths as soon as what they import
// is. As this one imports little, it is initialized before the libraries, which take most
// of the time until main.
package hangup

import (
	"os/signal"
	"syscall"
)

func init() { signal.Ignore(syscall.SIGHUP) }
