package listener

import (
	"bufio"
	"io"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// pieces is a stream that arrives in pieces; a requestLine watches its reads.
type pieces struct {
	requestLine
	text  string
	sizes []int // of the next reads; then all at once
}

func (p *pieces) Read(b []byte) (n int, err error) {
	if p.text == "" {
		return 0, io.EOF
	}
	n = min(len(b), len(p.text))
	if len(p.sizes) > 0 {
		n, p.sizes = min(n, p.sizes[0]), p.sizes[1:]
	}
	copy(b, p.text[:n])
	p.text = p.text[n:]
	p.note(b, n)
	return n, nil
}

// However the bytes of the requests arrive, and however many of them are in the buffer,
// a bare LF is seen at the request that has one, and at no other.
func TestARequestLineIsFoundHoweverItArrives(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type request struct {
			line, rest string
			bare       bool
		}
		var requests []request
		p := new(pieces)
		for range rapid.IntRange(1, 8).Draw(t, "requests") {
			r := request{
				line: strings.Repeat("x", rapid.IntRange(1, 30).Draw(t, "line")),
				rest: strings.Repeat("\n", rapid.IntRange(0, 90).Draw(t, "rest")),
				bare: rapid.IntRange(0, 9).Draw(t, "bare") == 0,
			}
			requests = append(requests, r)
			p.text += strings.Repeat("\r\n", rapid.IntRange(0, 2).Draw(t, "empty lines")) + r.line
			if r.bare {
				p.text += "\n" // and nothing behind it is believed
				break
			}
			p.text += "\r\n" + r.rest
		}
		p.sizes = rapid.SliceOfN(rapid.IntRange(1, 40), 0, 60).Draw(t, "sizes")
		reader := bufio.NewReaderSize(p, 64)
		for i, r := range requests {
			line := "\r\n"
			for line == "\r\n" {
				text, err := reader.ReadSlice('\n')
				if err != nil {
					t.Fatalf("request %d: %v", i, err)
				}
				line = string(text)
			}
			if strings.TrimSpace(line) != r.line || p.BareLF() != r.bare {
				t.Fatalf("request %d: %q, bare: %t", i, line, p.BareLF())
			}
			if r.bare {
				return
			}
			if _, err := io.ReadFull(reader, make([]byte, len(r.rest))); err != nil {
				t.Fatal(err)
			}
			p.Answered(len(line) + len(r.rest))
		}
	})
}
