package verify

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/testbed"
)

const (
	blocked = `{"decision":"block"}`
	head    = "HTTP/1.1 200 OK\r\n"
	whole   = head + "Content-Length: 20\r\n\r\n" + blocked
)

// What odd servers answer, in turn until the client has closed the connection, and what
// the client may make of it.
var odd = []struct {
	name  string
	parts func(yield func(string) bool)
	may   string // block, or the causes without an answer
}{
	{"100 Continue without end", again("HTTP/1.1 100 Continue\r\n\r\n"), "answer timeout"},
	{"a header without end, fast", again(head, "X-A: "+strings.Repeat("a", 1000)+"\r\n"), "answer timeout"},
	{"chunks without end", again(head+"Transfer-Encoding: chunked\r\n\r\n", "1\r\n \r\n"), "answer timeout"},
	{"chunks", again(head+"Transfer-Encoding: chunked\r\n\r\n", "14\r\n"+blocked+"\r\n0\r\n\r\n", ""), "block"},
	{"a switch of protocols", again("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n", ""), "answer timeout"},
	{"a negative length", again(head+"Content-Length: -5\r\n\r\n"+blocked, ""), "answer timeout"},
	{"a length of letters", again(head+"Content-Length: x\r\n\r\n"+blocked, ""), "answer timeout"},
	{"a folded line", again(head+"X: a\r\n b\r\nContent-Length: 20\r\n\r\n"+blocked, ""), "block answer"},
	{"another protocol", again("SSH-2.0-OpenSSH_9.2\r\n", ""), "answer timeout"},
	{"a fatal alert of TLS", again("\x15\x03\x01\x00\x02\x02\x46", ""), "answer timeout"},
	{"a whole answer", again(whole, ""), "block"},
}

// again yields the parts, and the last one without end; an empty one yields nothing more.
func again(parts ...string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for n := 0; ; n++ {
			part := parts[min(n, len(parts)-1)]
			if part == "" || !yield(part) {
				return
			}
		}
	}
}

// serveOdd accepts connections, and has each request of a connection answered with the
// parts. It returns the URL.
func serveOdd(t *testing.T, parts func(yield func(string) bool)) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				for r := bufio.NewReader(c); ; {
					request, err := http.ReadRequest(r)
					if err != nil {
						return
					}
					_, _ = io.Copy(io.Discard, request.Body) // it may come after the head
					for part := range parts {
						if _, err := c.Write([]byte(part)); err != nil {
							return
						}
					}
				}
			}()
		}
	}()
	return "http://" + ln.Addr().String()
}

func TestNoClientIsHeldByAnOddServer(t *testing.T) {
	t.Parallel()
	perShop(t, func(t *testing.T, shop shop, _ func() string) {
		for _, c := range odd {
			shop.open(t, options{URL: serveOdd(t, c.parts), MS: 300})
			for range 2 {
				a := shop.check(t, attempt("203.0.113.7", 1))
				assert.Less(t, a.MS, float64(patient), c.name) // a flood competes with the client for the processors
				got := a.Cause
				if a.Source == "service" {
					got = a.Decision
				}
				assert.Contains(t, strings.Fields(c.may), got, c.name)
			}
		}
	})
}

// What a service sends unasked, such as the 408 with which some proxies end an idle
// connection, is no answer to the next request. PHP's curl does take it for one, but under
// PHP-FPM a connection lasts for one page.
func TestNoClientTakesWhatWasSentUnasked(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	sent := make(chan struct{}, 100) // one for each answer that nobody asked for
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = c.Read(make([]byte, 8192))
				_, _ = c.Write([]byte(whole))
				<-time.After(20 * time.Millisecond) // the client has its answer, and keeps the connection
				_, _ = fmt.Fprintf(c, "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
				sent <- struct{}{}
			}()
		}
	}()
	perShop(t, func(t *testing.T, shop shop, _ func() string) {
		if strings.HasSuffix(t.Name(), "/PHP") {
			return
		}
		shop.open(t, options{URL: "http://" + ln.Addr().String(), MS: patient})
		for range 5 {
			assert.Equal(t, "block", shop.check(t, attempt("203.0.113.7", 1)).Decision)
			select {
			case <-sent:
			case <-time.After(testbed.Prompt):
				t.Fatal("the server was not asked over a new connection")
			}
			shop(t, command{Do: "sleep", MS: 20}) // it arrives
		}
	})
}
