package main

import (
	"bytes"
	"errors"
	"net/netip"
	"strings"

	"fraudcheck/internal/config"
	"fraudcheck/internal/velocity"
)

// aNetwork is what an entry of a list of networks may be, for messages.
const aNetwork = "an address, or a network without host bits such as 198.51.100.0/24"

// A networkLine is an entry of a file of networks.
type networkLine struct {
	network netip.Prefix
	note    string // the comment behind it
	line    int    // from 1
}

// readNetworks reads the file of networks that the setting of that key names: one address
// or network a line, "#" begins a comment. At a reload a file of blank lines alone is one
// that is half written; a comment alone says that there is no network. The error is a *config.Error with
// the line at fault.
func (p *policy) readNetworks(key, path string) ([]networkLine, error) {
	text, err := p.readNamed(key, path)
	if err != nil {
		return nil, err
	}
	text = bytes.TrimPrefix(text, []byte("\ufeff")) // editors of Windows begin a file with it
	if p.files == config.RegularFiles && len(bytes.TrimSpace(text)) == 0 {
		return nil, &config.Error{Key: key, Problem: errors.New("it is empty: it may be half written (a line that begins with # says that there is no network)")}
	}
	lines, wrong, hint := parseNetworks(string(text))
	if wrong > 0 {
		return nil, &config.Error{Key: key, File: path, Line: wrong, Expected: aNetwork + hint}
	}
	return lines, nil
}

// parseNetworks reads the text of a file of networks. wrong is the first line that is none,
// 0 where all are, and hint what was probably meant by it.
func parseNetworks(text string) (lines []networkLine, wrong int, hint string) {
	n := 0
	for line := range strings.Lines(text) {
		n++
		entry, note, _ := strings.Cut(line, "#")
		if entry = strings.TrimSpace(entry); entry == "" {
			continue
		}
		network, ok := velocity.ParseNetwork(entry)
		if !ok {
			return nil, n, lineHint(entry)
		}
		// A copy: the whole text must not be kept for it.
		lines = append(lines, networkLine{network, strings.Clone(strings.TrimSpace(note)), n})
	}
	return lines, 0, ""
}

// lineHint returns advice, after a semicolon, on a line that is no network: networkHint's,
// or what to do with the text behind one.
func lineHint(entry string) string {
	words := strings.FieldsFunc(entry, func(r rune) bool { return strings.ContainsRune(" \t,;", r) })
	if len(words) < 2 {
		return networkHint(entry)
	}
	if _, ok := velocity.ParseNetwork(words[0]); !ok {
		return networkHint(entry)
	}
	if _, ok := velocity.ParseNetwork(words[1]); ok {
		return "; write each on a line of its own"
	}
	return "; a note begins with #, as in 198.51.100.0/24 # office"
}
