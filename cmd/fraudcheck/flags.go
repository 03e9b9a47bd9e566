package main

import (
	"reflect"
	"strings"

	"github.com/alecthomas/kong"

	"fraudcheck/internal/config"
)

// flags are the command line and its environment, as kong parses them: what overrides the
// file. A pointer is nil where neither the flag nor the variable is given. The name of a
// flag is that of its field; another flag that sets something is a field here and a line
// in overrides.
type flags struct {
	given []*kong.Path // on the command line

	Config           string  `help:"Configuration file (YAML)." env:"FRAUDCHECK_CONFIG" placeholder:"FILE"`
	Listen           *string `help:"Where callers are answered: HOST:PORT or unix:PATH." env:"FRAUDCHECK_LISTEN" placeholder:"ADDRESS"`
	OperatorListen   *string `help:"Where operators are answered." env:"FRAUDCHECK_OPERATOR_LISTEN" placeholder:"HOST:PORT"`
	Store            *string `help:"Where the records live: memory or memcached." env:"FRAUDCHECK_STORE" placeholder:"KIND"`
	MemcachedServers *string `help:"The memcached servers, separated by commas." env:"FRAUDCHECK_MEMCACHED_SERVERS" placeholder:"HOST:PORT,..."`
	HashKeyFile      *string `help:"File that holds the hash key." env:"FRAUDCHECK_HASH_KEY_FILE" placeholder:"FILE"`
	PrintVersion     bool    `name:"version" help:"Say which version this is."`
	LogLevel         *string `help:"DISABLED, DEBUG, INFO, WARNING, ERROR or CRITICAL." env:"FRAUDCHECK_LOG_LEVEL" placeholder:"LEVEL"`

	// Commands. A new one is a field here and a case in flags.run.
	Serve        struct{}      `cmd:"" default:"1" help:"Serve (also when no command is given)."`
	CheckConfig  struct{}      `cmd:"" help:"Say what would run, or the one line that is wrong."`
	HashPassword struct{}      `cmd:"" help:"Read a password, print its hash for the configuration."`
	User         userCommands  `cmd:"" help:"Add, remove and list the users of the users file."`
	Replay       replayCommand `cmd:"" help:"Say what the rules would have decided on your own history."`
	LogIDs       struct{}      `cmd:"" name:"log-ids" help:"Read a subject as JSON, print its ids in the decision log."`
	Healthcheck  struct{}      `cmd:"" help:"Ask the running instance, where its configuration says, whether it is ready."`
	Version      struct{}      `cmd:"" help:"Say which version this is."`
	Help         struct {
		Command []string `arg:"" optional:"" help:"Such as user add."`
	} `cmd:"" help:"Say how the program, or a command, is used."`
}

// overrides returns the settings that flags or the environment set.
func (f *flags) overrides() (set []config.Override) {
	for _, o := range []struct {
		flag, key string
		text      *string
	}{
		{"listen", "listen", f.Listen},
		{"operator-listen", "operator_listen", f.OperatorListen},
		{"store", "store.kind", f.Store},
		{"memcached-servers", "store.memcached.servers", f.MemcachedServers},
		{"hash-key-file", "hash_key_file", f.HashKeyFile},
		{"log-level", "log.level", f.LogLevel},
	} {
		if o.text != nil {
			set = append(set, config.Override{Key: o.key, Text: *o.text, Source: f.source(o.flag)})
		}
	}
	return set
}

// source names the flag, as in --listen, or the environment variable, as in
// FRAUDCHECK_LISTEN, where the flag is not given. For errors.
func (f *flags) source(flag string) string {
	for _, part := range f.given {
		if part.Flag != nil && part.Flag.Name == flag {
			return "--" + flag
		}
	}
	return "FRAUDCHECK_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// variables returns the names of the environment variables that are read.
func variables() (names []string) {
	t := reflect.TypeFor[flags]()
	for i := range t.NumField() {
		if name := t.Field(i).Tag.Get("env"); name != "" {
			names = append(names, name)
		}
	}
	return names
}
