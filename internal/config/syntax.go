package config

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"sort"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// The form of the library's syntax errors, as in "yaml: line 3: did not find expected
// key".
var yamlReason = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)

// quotedText is what the library quotes of the file, which may be a secret: from the first
// quote to the last.
var quotedText = regexp.MustCompile("['\"`].*['\"`]")

// reasonOf returns the reason of the library's error, without text of the file, and its
// line; 0 where it has none.
func reasonOf(err error) (reason string, line int) {
	parts := yamlReason.FindStringSubmatch(err.Error())
	if parts == nil {
		return "it cannot be read", 0
	}
	line, _ = strconv.Atoi(parts[1])
	reason = parts[2]
	if _, quotes := adviceOn(reason); !quotes {
		reason = quotedText.ReplaceAllString(reason, "(not shown)")
	}
	return reason, line
}

// unclosed is the library's reason for a quote that is never closed; its line is the last.
const unclosed = "found unexpected end of stream"

// outdented begins the library's reason for a line that is indented less than the first; its
// line is the next one.
const outdented = "did not find expected <document start>"

// wellFormed returns the error of the first two documents of the text; nil where they are
// well-formed.
func wellFormed(text []byte) error {
	file := yaml.NewDecoder(bytes.NewReader(text))
	for range 2 {
		if err := file.Decode(new(yaml.Node)); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
	return nil
}

// adviceOn returns advice on a reason; empty where there is none. known says that all of
// the reason is the library's own words.
func adviceOn(reason string) (advice string, known bool) {
	for _, r := range []struct{ begin, advice string }{
		{"mapping values are not allowed", "mend the indentation, or put a value that holds a colon in quotes"},
		{"did not find expected key", "mend the indentation"},
		{outdented, "mend the indentation: all names of one level begin in one column"},
		{"did not find expected '-' indicator", "mend the indentation"},
		{"did not find expected ',' or", "close the bracket, put a comma before this, or put the value in quotes"},
		{"block sequence entries are not allowed", "a list begins on the next line, with each entry on a line after a dash and a blank"},
		{"could not find expected ':'", "a name is followed by a colon and a blank"},
		{unclosed, "a quote that begins here is not closed"},
	} {
		if strings.HasPrefix(reason, r.begin) {
			return r.advice, true
		}
	}
	return "", false
}

// syntaxError returns the error for text that is no YAML. It keeps the reason that the
// YAML library gives, without the text of the file that the library quotes. It finds the
// line itself: the library's line is where the mapping or list begins. Above 1 MiB the
// library's line is kept.
func (c *Config) syntaxError(text []byte, err error) error {
	e := &Error{File: c.Path}
	reason, line := reasonOf(err)
	e.Line = line
	if len(text) > 1<<20 { // the search parses the file up to twenty times
		e.Problem = errors.New("not well-formed YAML: " + reason)
		return e
	}
	lines := bytes.SplitAfter(text, []byte("\n"))
	// A prefix of the file gives the same error if and only if it reaches the line at
	// fault, so a binary search finds that line.
	first := sort.Search(len(lines), func(n int) bool {
		failed := wellFormed(bytes.Join(lines[:n], nil))
		if failed != nil && reason == unclosed {
			prefixReason, _ := reasonOf(failed)
			return prefixReason == unclosed
		}
		return failed != nil && failed.Error() == err.Error()
	})
	if e.Line = max(line, first); reason == unclosed || strings.HasPrefix(reason, outdented) {
		e.Line = first // where the quote begins, or the line that is indented less: up to there the file is good
	}
	hint := hintFor(lines, e.Line)
	if hint == "" {
		hint, _ = adviceOn(reason)
	}
	if equals := equalsHint(text); equals != "" {
		reason += equals
	} else if hint != "" {
		reason += "; " + hint
	}
	e.Problem = errors.New("not well-formed YAML: " + reason)
	return e
}

// hintFor returns advice for mistakes that the library's reasons do not explain, such as
// tabs, and marks that need quotes. It looks at the line, from 1, and the next one, where
// the library may have stopped, and for a dash without its blank at the one before, which
// the line may continue. Empty: no advice.
func hintFor(lines [][]byte, line int) string {
	for _, n := range []int{line - 1, line} {
		if n >= 1 && n <= len(lines) && dashWithoutBlank.Match(lines[n-1]) {
			return "put a blank behind the dash that begins an entry of a list"
		}
	}
	for _, n := range []int{line, line + 1} {
		if n < 1 || n > len(lines) {
			continue
		}
		text := string(lines[n-1])
		indent := text[:len(text)-len(strings.TrimLeft(text, " \t"))]
		switch {
		case unixBlank.MatchString(text):
			return "write unix: and the path without a blank between, or in quotes, as in unix:/run/fraudcheck/check.sock"
		case strings.Contains(indent, "\t"):
			return "indent with blanks, not with tabs"
		case slashComment.MatchString(text):
			return "a comment begins with #, in JSON too"
		case unquotedIndicator.MatchString(text):
			return "put what begins with a mark such as ! & * % @ in quotes"
		}
	}
	return ""
}

// unixBlank matches an address of a unix socket without a path behind the colon, which
// YAML takes for a name.
var unixBlank = regexp.MustCompile(`:\s+unix:(\s|$)`)

// dashWithoutBlank matches an entry of a list that YAML does not take for one.
var dashWithoutBlank = regexp.MustCompile(`^\s*-[A-Za-z{\["'][^:]*:(?:\s|$)`)

// slashComment matches a comment of JavaScript.
var slashComment = regexp.MustCompile(`(?:^|[\s,{}\[\]])(?://|/\*)`)

// equalsHint returns advice, after a semicolon, on text in the lines of TOML or an INI file;
// empty where it has a setting of YAML.
func equalsHint(text []byte) string {
	if !equalsLine.Match(text) || yamlLine.Match(text) {
		return ""
	}
	return "; this file is YAML: write name: value, not name = value"
}

var (
	equalsLine = regexp.MustCompile(`(?m)^[ \t]*[A-Za-z_][A-Za-z0-9_.-]*[ \t]*=[ \t]*[^=\s]`)
	yamlLine   = regexp.MustCompile(`(?m)^[ \t{]*(?:- )?"?[A-Za-z_]+"?:(?:\s|$)`)
)

// unquotedIndicator matches a value that begins with a YAML indicator (YAML 1.2 section
// 5.3): ! & * % @ mean something else there, as in the entry "- !10.0.0.1" of a list.
var unquotedIndicator = regexp.MustCompile(`(^|[:,-])\s+[!*&%@]|[\[{]\s*[!*&%@]`)
