package listener

import (
	"bufio"
	"fmt"
	"io"
	"net/http/httputil"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// However the bytes of a body in chunks arrive, they are judged alike. What is accepted is
// a body for another reader, too, with the same data and the same end.
func TestChunksAreJudgedAlikeHoweverTheyArrive(t *testing.T) {
	whole := rapid.Custom(func(t *rapid.T) string {
		var b strings.Builder
		for range rapid.IntRange(0, 5).Draw(t, "chunks") {
			data := strings.Repeat("\r\n0;", rapid.IntRange(1, 40).Draw(t, "data"))
			fmt.Fprintf(&b, "%x%s\r\n%s\r\n", len(data), rapid.SampledFrom([]string{"", ";a", ";a=b;c=\"d\\\";\""}).Draw(t, "extensions"), data)
		}
		return b.String() + "0\r\n\r\n"
	})
	odd := rapid.SampledFrom([]string{"", "\n", "\r", "0", "f", " ", ";", "\"", "\\", "=", "+", "\x00", "\xff", "\r\n"})
	rapid.Check(t, func(t *rapid.T) {
		body := whole.Draw(t, "body")
		if at := rapid.IntRange(-len(body), len(body)).Draw(t, "where it is changed"); at >= 0 { // else it is not
			body = body[:at] + odd.Draw(t, "what comes in") + body[min(len(body), at+rapid.IntRange(0, 2).Draw(t, "what goes")):]
		}
		once, split := chunks{state: inChunks}, chunks{state: inChunks}
		once.look([]byte(body))
		for left := body; left != ""; {
			n := min(len(left), rapid.IntRange(1, 30).Draw(t, "piece"))
			split.look([]byte(left[:n]))
			left = left[n:]
		}
		require.Equal(t, once.state, split.state)
		if once.state != chunksEnded {
			return
		}
		r := bufio.NewReader(strings.NewReader(body))
		_, err := io.ReadAll(httputil.NewChunkedReader(r))
		require.NoError(t, err)
		end, err := r.ReadString('\n')
		require.NoError(t, err)
		require.Equal(t, "\r\n", end)
	})
}

func TestOnlyWellFormedChunksEnd(t *testing.T) {
	for body, want := range map[string]chunksState{
		"": inChunks, "2": inChunks, "2\r\n{}": inChunks, "2\r\n{}\r\n0\r\n\r": inChunks, "2\r\n{}\r\n0\r\n\r\n": chunksEnded,
		"0\r\n\r\nnext": chunksEnded, "FfFf": inChunks, "7fffffffffffffff\r\n": inChunks, "8000000000000000\r\n": chunksBroken,
		"0000000000000002\r\n": inChunks, "00000000000000002\r\n": chunksBroken, "\r\n": chunksBroken, "0\r\n\n": chunksBroken,
		"2;" + strings.Repeat("a", maxExtensions-1) + "\r\n": inChunks, "2;" + strings.Repeat("a", maxExtensions) + "\r\n": chunksBroken,
		strings.Repeat("1;a\r\nx\r\n", maxExtensions/2): inChunks, strings.Repeat("1;a\r\nx\r\n", maxExtensions/2+1): chunksBroken,
		strings.Repeat("1", 2*maxExtensions): chunksBroken,
	} {
		k := chunks{state: inChunks}
		k.look([]byte(body))
		require.Equal(t, want, k.state, "%.60q", body)
	}
}
