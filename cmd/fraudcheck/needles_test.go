package main

import (
	"bufio"
	"bytes"
	"fmt"
	"index/suffixarray"
	"io"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Searching what the program leaves behind for what it was told.

// A needle is something that must not be found: a text, in any letter case, or a
// word, where fewer characters would be found by chance; or bytes.
type needle struct {
	text  string
	word  bool
	bytes bool
}

// A haystack is something left behind: lines of text, or bytes.
type haystack struct {
	name  string
	text  string
	bytes bool
}

func notOfWord(r rune) bool { return (r < '0' || r > '9') && (r < 'a' || r > 'z') }

// search says what is found where.
func search(hay haystack, needles []needle) (found []string) {
	text := hay.text
	if !hay.bytes {
		text = strings.ToLower(text)
	}
	index := suffixarray.New([]byte(text)) // there are hundreds of needles
	words := map[string]bool{}
	for _, w := range strings.FieldsFunc(text, notOfWord) {
		words[w] = true
	}
	for _, n := range needles {
		switch {
		case n.bytes || hay.bytes && !n.word: // bytes may be anywhere, texts in bytes too
			if strings.Contains(hay.text, n.text) {
				found = append(found, fmt.Sprintf("%s: %q", hay.name, n.text))
			}
		case hay.bytes: // so short a word is in any bytes
		case n.word && words[strings.ToLower(n.text)], !n.word && index.Lookup([]byte(strings.ToLower(n.text)), 1) != nil:
			found = append(found, fmt.Sprintf("%s: %q", hay.name, n.text))
		}
	}
	return found
}

// silent holds the haystack to hold none of the needles; and, so that this means
// something, finds every one of them once it is put there.
func silent(t *testing.T, hay haystack, needles []needle) {
	t.Helper()
	require.NotEmpty(t, hay.text, hay.name)
	assert.Empty(t, search(hay, needles))

	searched := 0
	var planted strings.Builder
	half := len(hay.text) / 2
	planted.WriteString(hay.text[:half])
	for _, n := range needles {
		fmt.Fprintf(&planted, " %s\n", n.text)
		if !hay.bytes || !n.word {
			searched++
		}
	}
	planted.WriteString(hay.text[half:])
	assert.Len(t, search(haystack{hay.name, planted.String(), hay.bytes}, needles), searched, "what is there is found")
}

// addressNeedles are the ways to write an address: as it was sent, as the program
// would, at length, and the bytes of it and of an IPv6 customer's network.
func addressNeedles(t *testing.T, text string) (needles []needle) {
	t.Helper()
	addr, err := netip.ParseAddr(text)
	require.NoError(t, err)
	mapped := addr.As16()
	needles = append(needles, needle{text: text}, needle{text: addr.String()}, needle{text: addr.StringExpanded()},
		needle{text: string(mapped[:]), bytes: true})
	if plain := addr.Unmap(); plain.Is4() {
		short := plain.As4()
		return append(needles, needle{text: plain.String()}, needle{text: string(short[:]), bytes: true})
	}
	network, err := addr.Prefix(64)
	require.NoError(t, err)
	return append(needles, needle{text: network.Addr().String()}, needle{text: string(mapped[:8]), bytes: true})
}

// The tag of a line ends in six characters of a keyed hash, which by chance may be
// anything. Whatever else stands there stays.
var logTag = regexp.MustCompile(`(["\[])127\.0\.0\.1-[\w-]{6}(["\]])`)

func untagged(log string) string { return logTag.ReplaceAllString(log, "${1}caller$2") }

// ownNumbers match what a line of the decision log counts: its number, time and counts.
var ownNumbers = regexp.MustCompile(`"(seq|count|time)":"?[\dT:.Z-]+"?`)

func withoutNumbers(decisions string) string { return ownNumbers.ReplaceAllString(decisions, `"$1":0`) }

// names are the samples of /metrics without their values: a value counts, and
// cannot tell what was counted.
func names(metrics string) string {
	var b strings.Builder
	for line := range strings.Lines(metrics) {
		if !strings.HasPrefix(line, "#") {
			line = line[:strings.LastIndexByte(line, ' ')] + "\n"
		}
		b.WriteString(line)
	}
	return b.String()
}

// dump is every key and every value that memcached holds.
func dump(t *testing.T, addr string) (keys []string, values [][]byte) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	defer func() { assert.NoError(t, conn.Close()) }()
	require.NoError(t, conn.SetDeadline(time.Now().Add(prompt)))
	reply := bufio.NewReader(conn)
	line := func() string {
		text, err := reply.ReadString('\n')
		require.NoError(t, err)
		return strings.TrimRight(text, "\r\n")
	}
	require.Eventually(t, func() bool { // it may be busy with a walk of its own
		_, err := io.WriteString(conn, "lru_crawler metadump all\r\n")
		require.NoError(t, err)
		keys = keys[:0]
		for {
			text := line()
			if !strings.HasPrefix(text, "key=") {
				return text == "END"
			}
			key, err := url.PathUnescape(strings.TrimPrefix(strings.Fields(text)[0], "key="))
			require.NoError(t, err)
			keys = append(keys, key)
		}
	}, prompt, 50*time.Millisecond)
	for _, key := range keys {
		_, err := fmt.Fprintf(conn, "get %s\r\n", key)
		require.NoError(t, err)
		var got string
		var flags, size int
		_, err = fmt.Sscanf(line(), "VALUE %s %d %d", &got, &flags, &size)
		require.NoError(t, err)
		require.Equal(t, key, got)
		value := make([]byte, size+2)
		_, err = io.ReadFull(reply, value)
		require.NoError(t, err)
		require.Equal(t, "END", line())
		values = append(values, bytes.TrimSuffix(value, []byte("\r\n")))
	}
	return keys, values
}
