package calls

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAnAnswerIsRead(t *testing.T) {
	const head = "HTTP/1.1 200 OK\r\nServer: x\r\nContent-Type: application/json\r\n"
	for name, c := range map[string]struct {
		text string
		want Answer
	}{
		"fraudcheck's": {head + "Content-Length: 69\r\nX-Request-ID: 1\r\n\r\n" +
			`{"decision":"block","rules":[{"count":6,"mode":"x"}],"degraded":true}`, Answer{Status: 200, Decision: 'b', Degraded: true, Count: 6}},
		"two rules, two counts":           {head + "Content-Length: 36\r\n\r\n" + `{"rules":[{"count":2},{"count":33}]}`, Answer{Status: 200, Count: 2}},
		"another stack's":                 {head + "content-length:  24\r\n\r\n" + `{ "decision":  "allow" }`, Answer{Status: 200, Decision: 'a'}},
		"a problem":                       {"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", Answer{Status: 503}},
		"one that says when to come back": {"HTTP/1.1 503 Busy\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n", Answer{Status: 503, Retry: true}},
		"no decision":                     {head + "Content-Length: 19\r\n\r\n" + `{"count":12,"a":[]}`, Answer{Status: 200, Count: 12}},
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
