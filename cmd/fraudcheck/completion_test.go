package main

import (
	"fmt"
	"os"
	"os/exec"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/config"
)

const completionFile = "../../deploy/completion/fraudcheck.bash"

// completion has places for the flags of every command, those that take a value, the values
// of two, and what each command has beside these.
const completion = `# Completes commands and flags of fraudcheck in bash. Source it, or copy it as
# /usr/share/bash-completion/completions/fraudcheck.
_fraudcheck() {
	local at command= words='%s'
	# For bash, --flag=value and host:port are three words each.
	for ((at = 1; at < COMP_CWORD; at++)); do
		case ${COMP_WORDS[at]} in
			= | :) ((at++)) ;;
			%s) [[ ${COMP_WORDS[at + 1]} = '=' ]] || ((at++)) ;;
			-*) ;;
			*) command+=" ${COMP_WORDS[at]}" ;;
		esac
	done
	COMPREPLY=()
	if ((at > COMP_CWORD)) || [[ ${COMP_WORDS[COMP_CWORD]} = [=:] ]]; then
		# A value. Where there are no words for it bash completes the names of files.
		local flag=$((COMP_CWORD - 1)) value=${COMP_WORDS[COMP_CWORD]}
		if [[ ${COMP_WORDS[flag]} = '=' ]]; then ((flag--)); fi
		case ${COMP_WORDS[flag]} in
			--store) words='%s' ;;
			--log-level) words='%s' ;;
			*) return ;;
		esac
		COMPREPLY=($(compgen -W "$words" -- "${value#=}"))
		return
	fi
	case $command in
%s	esac
	COMPREPLY=($(compgen -W "$words" -- "$2"))
}
complete -o default -F _fraudcheck fraudcheck
`

// go test ./cmd/fraudcheck -run Completion -update writes the file.
func TestTheCompletionEqualsTheCode(t *testing.T) {
	parser, err := kong.New(&flags{}, kong.Name("fraudcheck"))
	require.NoError(t, err)
	var everywhere, valued []string
	for _, f := range parser.Model.Flags {
		everywhere = append(everywhere, "--"+f.Name)
	}
	var cases strings.Builder
	completionOf(parser.Model.Node, "", nil, &valued, &cases)
	helpOf(parser.Model.Node, " help", &cases)
	want := fmt.Sprintf(completion, strings.Join(everywhere, " "), strings.Join(valued, " | "),
		wordsOf(t, "Store", "Kind"), wordsOf(t, "Log", "Level"), cases.String())
	if *update {
		require.NoError(t, os.WriteFile(completionFile, []byte(want), 0o644))
	}
	have, err := os.ReadFile(completionFile)
	require.NoError(t, err)
	require.Equal(t, want, string(have), "to write it: go test ./cmd/fraudcheck -run Completion -update")
}

// completionOf appends the flags of the command and of those below it that take a value,
// and the case of each, the deepest first: its pattern takes arguments, too.
func completionOf(n *kong.Node, path string, own []string, valued *[]string, cases *strings.Builder) {
	for _, f := range n.Flags {
		name := "--" + f.Name
		if path != "" {
			own = append(slices.Clip(own), name)
		}
		if !f.IsBool() {
			*valued = append(*valued, name)
		}
	}
	var words []string
	for _, child := range n.Children {
		words = append(words, child.Name)
		completionOf(child, path+" "+child.Name, own, valued, cases)
	}
	words = append(words, own...)
	switch {
	case path == "":
		fmt.Fprintf(cases, "\t\t'') words+=' %s' ;;\n", strings.Join(words, " "))
	case len(words) > 0:
		fmt.Fprintf(cases, "\t\t'%s'*) words+=' %s' ;;\n", path, strings.Join(words, " "))
	}
}

// helpOf appends the cases of help, which is followed by a command.
func helpOf(n *kong.Node, path string, cases *strings.Builder) {
	var words []string
	for _, child := range n.Children {
		words = append(words, child.Name)
		helpOf(child, path+" "+child.Name, cases)
	}
	if len(words) > 0 {
		fmt.Fprintf(cases, "\t\t'%s') words+=' %s' ;;\n", path, strings.Join(words, " "))
	}
}

// wordsOf returns the words that a setting takes.
func wordsOf(t *testing.T, section, name string) string {
	t.Helper()
	s, found := reflect.TypeFor[config.Settings]().FieldByName(section)
	require.True(t, found)
	field, found := s.Type.FieldByName(name)
	require.True(t, found)
	return strings.ReplaceAll(field.Tag.Get("oneof"), ",", " ")
}

func TestCompletionInBash(t *testing.T) {
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip("needs bash")
	}
	const ask = `source "$0" && complete -p fraudcheck >/dev/null && COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) &&
		_fraudcheck fraudcheck "${!#}" "${COMP_WORDS[COMP_CWORD - 1]}"; echo "${COMPREPLY[*]}"`
	for line, want := range map[string]string{
		"che":                   "check-config",
		"he":                    "healthcheck help",
		"serve ch":              "",
		"--lo":                  "--log-level",
		"user r":                "remove",
		"user add --no":         "--note",
		"user add checkout --b": "--bind-ip",
		"--config user chec":    "check-config", // a file of that name
		"--config = user chec":  "check-config",
		"--listen 127.0.0.1 : 8080 check-config --co": "--config",
		"--config ":               "", // a file
		"--store ":                "memory memcached",
		"--store memc":            "memcached",
		"--store =":               "memory memcached",
		"--store = memo":          "memory",
		"--store memory --log":    "--log-level",
		"serve --log-level D":     "DISABLED DEBUG",
		"help us":                 "user",
		"help user re":            "remove",
		"help replay us":          "",
		"--config =":              "",
		"--config = fr":           "",
		"replay --sw":             "--sweep",
		"replay history.csv --js": "--json",
	} {
		t.Run(line, func(t *testing.T) {
			words := append([]string{"--norc", "-c", ask, completionFile, "fraudcheck"}, strings.Split(line, " ")...)
			said, err := exec.Command("bash", words...).CombinedOutput()
			require.NoError(t, err, string(said))
			assert.Equal(t, want, strings.TrimSpace(string(said)))
		})
	}
}
