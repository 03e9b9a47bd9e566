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
	// The form of the library's syntax errors, as in "yaml: line 3: did not find expected
	// key".
	yamlReason = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)
	// What the library quotes may be a secret of the file. Marks that it quotes, such as
	// '-', have no letter or digit and stay.
	quotedText = regexp.MustCompile("'[^']*[A-Za-z0-9][^']*'|\"[^\"]*\"|`[^`]*`")
)

// syntaxError returns the error for text that is no YAML. It keeps the reason that the
// YAML library gives, without the text of the file that the library quotes. It finds the
// line itself: the library's line is where the mapping or list begins. Above 1 MiB the
// library's line is kept.
func (c *Config) syntaxError(text []byte, err error) error {
	e := &Error{File: c.Path}
	reason := "it cannot be read"
	if parts := yamlReason.FindStringSubmatch(err.Error()); parts != nil {
		e.Line, _ = strconv.Atoi(parts[1])
		reason = quotedText.ReplaceAllString(parts[2], "(not shown)")
	}
	if len(text) > 1<<20 { // the search parses the file up to twenty times
		e.Problem = errors.New("not well-formed YAML: " + reason)
		return e
	}
	lines := bytes.SplitAfter(text, []byte("\n"))
	// A prefix of the file gives the same error if and only if it reaches the line at
	// fault, so a binary search finds that line.
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

// hintFor returns advice for the two mistakes that the library's reasons do not explain:
// tabs, and marks that need quotes. It looks at the line, from 1, and the next one, where
// the library may have stopped. Empty: no advice.
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
		case unquotedIndicator.MatchString(text):
			return "put what begins with ! or * or & in quotes"
		}
	}
	return ""
}

// unquotedIndicator matches a value that begins with a YAML indicator (YAML 1.2 section
// 5.3): ! & * % @ mean something else there, as in the entry "- !10.0.0.1" of a list.
var unquotedIndicator = regexp.MustCompile(`(^|[:\[,-])\s+[!*&%@]`)
