package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"fraudcheck/internal/velocity"
	"fraudcheck/internal/velocity/velocitytest"
	"fraudcheck/internal/wire"
)

func TestAnAnswerIsRead(t *testing.T) {
	const head = "HTTP/1.1 200 OK\r\nServer: x\r\nContent-Type: application/json\r\n"
	for name, c := range map[string]struct {
		text string
		want answer
	}{
		"fraudcheck's": {head + "Content-Length: 69\r\nX-Request-ID: 1\r\n\r\n" +
			`{"decision":"block","rules":[{"count":6,"mode":"x"}],"degraded":true}`, answer{200, 'b', true, 6}},
		"two rules, two counts": {head + "Content-Length: 36\r\n\r\n" + `{"rules":[{"count":2},{"count":33}]}`, answer{200, 0, false, 2}},
		"another stack's":       {head + "content-length:  24\r\n\r\n" + `{ "decision":  "allow" }`, answer{200, 'a', false, 0}},
		"a problem":             {"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", answer{503, 0, false, 0}},
		"no decision":           {head + "Content-Length: 19\r\n\r\n" + `{"count":12,"a":[]}`, answer{200, 0, false, 12}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parseAnswer([]byte(c.text))
			require.NoError(t, err)
			require.Equal(t, c.want, got)
			for n := range len(c.text) {
				_, err := parseAnswer([]byte(c.text[:n]))
				require.ErrorIs(t, err, errIncomplete, "after %d bytes", n)
			}
			_, err = parseAnswer([]byte(c.text + "H"))
			require.ErrorContains(t, err, "1 bytes after the answer")
		})
	}
}

func TestWhatIsNoAnswerIsAnError(t *testing.T) {
	_, err := parseAnswer([]byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"))
	require.ErrorIs(t, err, errChunked)
	_, err = parseAnswer([]byte("SSH-2.0\r\nContent-Length: 0\r\n\r\n"))
	require.ErrorIs(t, err, errNoHTTP)
}

func TestBareAnswersWhatANewAddressIsAnswered(t *testing.T) {
	c := checker(t, velocitytest.NewKeys(t), velocity.DefaultRule)
	a := velocitytest.Attempt(t, "203.0.113.7", 1)
	var d velocity.Decision
	c.Check(&a, velocitytest.Start, nil, &d)
	real := string(wire.AppendDecision(nil, &d, strings.Repeat("0", 26)))
	bare := string(bareBody())
	_, id, _ := strings.Cut(bare, `"attempt_id":"`)
	require.Equal(t, real, strings.Replace(bare, strings.TrimSuffix(id, `"}`), strings.Repeat("0", 26), 1))
}
