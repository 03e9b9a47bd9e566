package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
)

var toolchainLine = regexp.MustCompile(`(?m)^toolchain (\S+)$`)

// where are the variables that say where Go finds and keeps things. No other setting of Go
// reaches the build, whether it is in the environment or was made with go env -w.
var where = []string{"GOPATH", "GOMODCACHE", "GOCACHE", "GOTMPDIR", "GOPROXY", "GONOPROXY", "GOSUMDB", "GONOSUMDB", "GOPRIVATE", "GOAUTH"}

// pinGo clears the settings of Go and refuses any toolchain but that of go.mod, in the
// go command and in this program, which compresses the archives.
func (r *release) pinGo() error {
	text, err := os.ReadFile(filepath.Join(r.source, "go.mod"))
	if err != nil {
		return err
	}
	line := toolchainLine.FindSubmatch(text)
	if line == nil {
		return errors.New("go.mod names no toolchain")
	}
	want := string(line[1])
	if have := runtime.Version(); have != want { // before the go command looks for that one
		return wrongToolchain(want, have)
	}
	found, err := output("", "go", append([]string{"env", "-json"}, where...)...)
	if err != nil {
		return err
	}
	var kept map[string]string
	if err := json.Unmarshal([]byte(found), &kept); err != nil {
		return err
	}
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "GO") || strings.HasPrefix(name, "CGO_") {
			os.Unsetenv(name)
		}
	}
	for name, value := range kept {
		os.Setenv(name, value)
	}
	os.Setenv("GOENV", "off")
	os.Setenv("GOWORK", "off")
	os.Setenv("CGO_ENABLED", "0")
	os.Setenv("GOTOOLCHAIN", want)
	have, err := output("", "go", "env", "GOVERSION")
	if err != nil {
		return err
	}
	if have != want {
		return wrongToolchain(want, have)
	}
	return nil
}

func wrongToolchain(want, have string) error {
	return fmt.Errorf("releases are built with %s, this is %s", want, have)
}
