package main

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

var (
	withoutValue = regexp.MustCompile(`^(--[a-z-]+): expected .* but got "EOL"`)
	tooMany      = regexp.MustCompile(`^unexpected argument `)
)

// usageError returns the error of a command line in words that say what to write, where
// kong's do not. It never shows an argument of hash-password: that is a password.
func usageError(err error, args []string) error {
	var parse *kong.ParseError
	if !errors.As(err, &parse) {
		return err
	}
	text := parse.Error()
	if flag := withoutValue.FindStringSubmatch(text); flag != nil {
		return fmt.Errorf("%s: missing; expected a value, as in %s=VALUE", flag[1], flag[1])
	}
	switch {
	case !tooMany.MatchString(text) || strings.Contains(text, "did you mean"):
	case slices.Contains(args, "hash-password"):
		return errors.New("hash-password takes no argument: it reads the password from standard input")
	case slices.Contains(args, "--bind-ip"):
		return fmt.Errorf("%s; --bind-ip takes no value: it binds a login to the address that logs in", text)
	case slices.ContainsFunc(args, func(arg string) bool { return strings.HasSuffix(arg, ".yaml") || strings.HasSuffix(arg, ".yml") }):
		return fmt.Errorf("%s; a configuration file is given with --config", text)
	}
	if strings.HasPrefix(text, `expected "<name>"`) {
		return errors.New("the name of the user is missing, as the last word of the command")
	}
	return err
}
