package main

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/testbed"
)

func TestCallerTellsHowACallEnded(t *testing.T) {
	var last bool
	well := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if user, _, ok := r.BasicAuth(); !ok || user != "shop" || string(body) != "{}" {
			w.WriteHeader(http.StatusBadRequest)
		}
		if last {
			w.Header().Set("Connection", "close")
		}
		_, _ = io.WriteString(w, `{"decision":"review","degraded":true}`)
	}))
	defer well.Close()
	mute, err := net.Listen("tcp", "127.0.0.1:0") // takes connections, and hangs up
	require.NoError(t, err)
	defer mute.Close()
	go func() {
		for {
			c, err := mute.Accept()
			if err != nil {
				return
			}
			_, _ = c.Read(make([]byte, 1024))
			_ = c.Close()
		}
	}()
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, gone.Close())
	call := func(endpoints ...string) answer {
		c := newCaller(endpoints, testbed.Basic("shop", "secret"), len(endpoints)-1)
		defer c.close()
		return c.call([]byte("{}"))
	}
	there := well.Listener.Addr().String()

	assert.Equal(t, answer{status: 200, decision: "review", degraded: true}, call(there))
	assert.Equal(t, answer{status: 200, decision: "review", degraded: true, moved: 1}, call(mute.Addr().String(), there))
	assert.Equal(t, answer{status: 200, decision: "review", degraded: true, moved: 1}, call(gone.Addr().String(), there))
	assert.ErrorIs(t, call(mute.Addr().String()).err, errUnanswered)
	assert.False(t, call(mute.Addr().String()).refused)
	assert.True(t, call(gone.Addr().String()).refused)

	c := newCaller([]string{there}, testbed.Basic("shop", "secret"), 0)
	defer c.close()
	c.call([]byte("{}"))
	assert.NotNil(t, c.endpoints[0].conn, "kept alive")
	last = true
	c.call([]byte("{}"))
	assert.Nil(t, c.endpoints[0].conn, "closed when told to")
}
