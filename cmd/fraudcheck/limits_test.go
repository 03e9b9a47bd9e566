package main

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The limits of time are those of the configuration, at both ports, and each is its own.
func TestLimitsOfTimeHoldAtBothPorts(t *testing.T) {
	for _, limits := range []string{"{read: 100ms, idle: 1h}", "{read: 1h, idle: 100ms}"} {
		t.Run(limits, func(t *testing.T) {
			t.Parallel()
			p := start(t, guarded+"limits: "+limits+"\n")
			for _, port := range []string{p.addr, p.operators} {
				c, err := net.Dial("tcp", port)
				require.NoError(t, err)
				defer c.Close()
				require.NoError(t, c.SetDeadline(time.Now().Add(prompt)))
				r := bufio.NewReader(c)
				_, err = io.WriteString(c, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
				require.NoError(t, err)
				answer, err := http.ReadResponse(r, nil)
				require.NoError(t, err)
				_, err = io.Copy(io.Discard, answer.Body)
				require.NoError(t, err)
				if strings.HasPrefix(limits, "{read: 100ms") {
					_, err = io.WriteString(c, "GET /healthz HTT")
					require.NoError(t, err)
					answer, err = http.ReadResponse(r, nil)
					require.NoError(t, err)
					assert.Equal(t, http.StatusRequestTimeout, answer.StatusCode)
					continue
				}
				_, err = r.ReadByte()
				assert.ErrorIs(t, err, io.EOF, "it was idle too long")
			}
		})
	}
}

func TestLoginsOfAUserAreBoundedAsConfigured(t *testing.T) {
	p := start(t, guarded+"  tokens: {per_user: 1}\n")
	login := func() (bearer string) {
		a := p.send(t, "POST", "/v1/login", "", "Authorization", basic("checkout", password))
		require.Equal(t, http.StatusOK, a.status, a.body)
		_, rest, _ := strings.Cut(a.body, `"token":"`)
		token, _, _ := strings.Cut(rest, `"`)
		return "Bearer " + token
	}
	first := login()
	assert.Equal(t, http.StatusOK, p.send(t, "GET", "/v1/me", "", "Authorization", first).status)
	second := login()
	assert.Equal(t, http.StatusUnauthorized, p.send(t, "GET", "/v1/me", "", "Authorization", first).status, "the oldest leaves")
	assert.Equal(t, http.StatusOK, p.send(t, "GET", "/v1/me", "", "Authorization", second).status)
}
