package config

import (
	"bytes"
	"errors"
	"regexp"
	"sort"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

var (
	yamlReason = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)
	// quotedText may be a secret from the file.
	quotedText = regexp.MustCompile("'[^']*[A-Za-z0-9][^']*'|\"[^\"]*\"|`[^`]*`")
)

// syntaxError keeps the reason that the YAML library gives, without the text of the file
// that it quotes, and finds the line: the library's is where the mapping or list begins.
func (c *Config) syntaxError(text []byte, err error) error {
	e := &Error{File: c.Path}
	reason := "it cannot be read"
	if parts := yamlReason.FindStringSubmatch(err.Error()); parts != nil {
		e.Line, _ = strconv.Atoi(parts[1])
		reason = quotedText.ReplaceAllString(parts[2], "(not shown)")
	}
	if len(text) > 1<<20 { // finding the line takes twenty readings
		e.Problem = errors.New("not well-formed YAML: " + reason)
		return e
	}
	lines := bytes.SplitAfter(text, []byte("\n"))
	// The library fails alike whatever follows the line that it fails at.
	first := sort.Search(len(lines), func(n int) bool {
		failed := yaml.NewDecoder(bytes.NewReader(bytes.Join(lines[:n], nil))).Decode(new(yaml.Node))
		return failed != nil && failed.Error() == err.Error()
	})
	e.Line = max(e.Line, first)
	if hint := hintFor(lines, e.Line); hint != "" {
		reason += "; " + hint
	}
	e.Problem = errors.New("not well-formed YAML: " + reason)
	return e
}

func hintFor(lines [][]byte, line int) string {
	for _, n := range []int{line, line + 1} {
		if n < 1 || n > len(lines) {
			continue
		}
		text := string(lines[n-1])
		indent := text[:len(text)-len(strings.TrimLeft(text, " \t"))]
		switch {
		case strings.Contains(indent, "\t"):
			return "indent with blanks, not with tabs"
		case unquotedMark.MatchString(text):
			return "put what begins with ! or * or & in quotes"
		}
	}
	return ""
}

// unquotedMark is a value that begins with a mark that means something else in YAML.
var unquotedMark = regexp.MustCompile(`(^|[:\[,-])\s+[!*&%@]`)
