package server_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/door/doortest"
	"fraudcheck/internal/testbed"
)

// An ambiguous request is one that two readers of HTTP could understand differently, most
// of all about where it ends.
type ambiguous struct {
	request string
	status  int
}

// A corpus is of ambiguous requests, by what they are.
type corpus map[string]ambiguous

func (c corpus) add(status int, request, name string, args ...any) {
	name = fmt.Sprintf(name, args...)
	if _, there := c[name]; there {
		panic("two requests named " + name)
	}
	c[name] = ambiguous{request, status}
}

// The requests that the corpus varies: their lines, and what stands behind the head.
var (
	ofGet     = []string{"GET /healthz HTTP/1.1", "Host: a", "X-A: b"}
	ofLength  = []string{"POST /v1/logout HTTP/1.1", "Host: a", "Content-Type: application/json", "Content-Length: 2"}
	ofChunks  = []string{"POST /v1/logout HTTP/1.1", "Host: a", "Content-Type: application/json", "Transfer-Encoding: chunked"}
	varied    = map[string][]string{"GET": ofGet, "length": ofLength, "chunks": ofChunks}
	variedEnd = map[string]string{"GET": "", "length": "{}", "chunks": "2\r\n{}\r\n0\r\n\r\n"}
)

// with writes the request of those lines and these, and what stands behind it.
func with(lines []string, end string, more ...string) string {
	all := append(lines[:len(lines):len(lines)], more...)
	return strings.Join(all, "\r\n") + "\r\n\r\n" + end
}

// ambiguousRequests generates the corpus.
func ambiguousRequests() corpus {
	c := corpus{}
	c.lineEnds()
	c.names()
	c.values()
	c.lengths()
	c.codings()
	c.chunks()
	c.trailers()
	c.versions()
	c.targets()
	c.doubled()
	c.hosts()
	c.expectations()
	return c
}

// lineEnds has each line of each request end otherwise than with CR LF.
func (c corpus) lineEnds() {
	for _, before := range []string{"\n", "\r\n\n", "\n\r\n", "\r\n\r\n\n"} {
		c.add(400, before+with(ofGet, ""), "%q before the request", before)
	}
	for kind, lines := range varied {
		for at := range len(lines) + 1 { // the last is the empty line
			for _, end := range []string{"\n", "\r", "\n\r", "\r\r\n", "\x00\r\n"} {
				var b strings.Builder
				for i, line := range append(lines[:len(lines):len(lines)], "") {
					b.WriteString(line)
					if i == at {
						b.WriteString(end)
					} else {
						b.WriteString("\r\n")
					}
				}
				c.add(400, b.String()+variedEnd[kind], "%s: line %d ends with %q", kind, at, end)
			}
		}
	}
}

// names has field names that are no tokens, and lines that are no fields.
func (c corpus) names() {
	strange := "\x00\x01\t\v\f\x1b\"(),/;<=>?@[\\]{}\x7f\x80\xa0\xff "
	for i := range len(strange) {
		s := strange[i : i+1]
		c.add(400, with(ofGet, "", "X"+s+"B: c"), "%q in a name", s)
		c.add(400, with(ofGet, "", s+"X-B: c"), "%q before a name", s)
		c.add(400, with(ofLength[:3], "{}", "Content-Length"+s+": 2"), "%q behind Content-Length", s)
		c.add(400, with(ofChunks[:3], variedEnd["chunks"], "Transfer"+s+"Encoding: chunked", "Content-Length: 2"), "%q in Transfer-Encoding", s)
	}
	for kind, lines := range varied {
		for at := 1; at <= len(lines); at++ {
			for _, line := range []string{" folded", "\tfolded", " X-B: c", "\t", ": c", "nonsense", "Content-Length 2", "\x00"} {
				all, status := append(lines[:at:at], line), 400
				if isBlank := line[0] == ' ' || line[0] == '\t'; isBlank && kind == "chunks" && at == len(lines) {
					status = 501 // it continues the coding
				}
				c.add(status, with(append(all, lines[at:]...), variedEnd[kind]), "%s: %q as line %d", kind, line, at)
			}
		}
	}
}

// values has bytes in values that a reader may take for the end of a line.
func (c corpus) values() {
	for _, s := range []string{"\x00", "\r", "\r\r", "\x00\r", "\rContent-Length: 9", "\nContent-Length: 9", "\n\tx"} {
		for _, field := range []string{"X-B", "Content-Type", "Cookie"} {
			c.add(400, with(ofGet, "", field+": c"+s+"d"), "%q in the value of %s", s, field)
		}
	}
}

// lengths has values of Content-Length that are no number, or too large a one.
func (c corpus) lengths() {
	for _, value := range []string{
		"", " ", "+2", "-2", "-0", "0x2", "2 2", "2,2", "2, 2", "2;2", "2.0", "1e1", "1_0", "2a", "a2", "\"2\"", "'2'", "\v2", "2\v", "２", "٢", "2\x00", "\x002",
		"many", "0b1", "0o2", "2-", "{2}", "\xa02", "NaN", "∞",
		"9223372036854775808", "18446744073709551618", "99999999999999999999999999", "340282366920938463463374607431768211458",
	} {
		c.add(400, with(ofLength[:3], "{}", "Content-Length: "+value), "a length of %q", value)
	}
	for _, both := range [][2]string{
		{"Content-Length: 2", "Transfer-Encoding: chunked"}, {"content-length: 0", "TRANSFER-ENCODING: chunked"},
		{"Content-Length: 5", "transfer-encoding: Chunked"}, {"CONTENT-LENGTH: 2", "Transfer-Encoding:chunked"},
		{"Content-Length: 2", "Transfer-Encoding:\tchunked"}, {"Content-Length: 12", "Transfer-Encoding: chunked "},
	} {
		c.add(400, with(ofLength[:3], variedEnd["chunks"], both[0], both[1]), "%q before %q", both[0], both[1])
		c.add(400, with(ofLength[:3], variedEnd["chunks"], both[1], both[0]), "%q before %q", both[1], both[0])
		c.add(400, with(ofLength[:3], variedEnd["chunks"], both[1], "X-A: b", both[0]), "%q some lines before %q", both[1], both[0])
	}
}

// codings has transfer codings other than chunked, or than chunked once.
func (c corpus) codings() {
	for _, value := range []string{
		"", " ", "identity", "gzip", "deflate", "br", "x", "chunked, chunked", "chunked,identity", "identity, chunked", "gzip, chunked", "chunked, gzip",
		"xchunked", "chunkedx", "chunked;q=1", "chunked; a=b", "\"chunked\"", "'chunked'", "chunk", "chunked,", ",chunked", "chun ked", "chunked chunked",
		"chunked\xa0", "ｃhunked", "CHUNKED, CHUNKED", "chunKed\u212a", "[chunked]", "chunked:",
	} {
		c.add(501, with(ofChunks[:3], variedEnd["chunks"], "Transfer-Encoding: "+value), "the coding %q", value)
	}
	for _, lines := range [][]string{
		{"Transfer-Encoding: chunked", "Transfer-Encoding: chunked"}, {"Transfer-Encoding: chunked", "transfer-encoding: chunked"},
		{"Transfer-Encoding: CHUNKED", "X-A: b", "Transfer-encoding: chunked"},
	} {
		c.add(501, with(ofChunks[:3], variedEnd["chunks"], lines...), "the codings %q", lines)
	}
	for _, value := range []string{"\vchunked", "chunked\v", "\fchunked", "chunked\x00"} {
		c.add(400, with(ofChunks[:3], variedEnd["chunks"], "Transfer-Encoding: "+value), "the coding %q", value)
	}
	for _, lines := range [][]string{
		{"Transfer-Encoding: identity", "Transfer-Encoding: chunked"}, {"Transfer-Encoding: chunked", "Transfer-Encoding: identity"},
		{"Transfer-Encoding: gzip", "Transfer-Encoding: gzip"}, {"Transfer-Encoding: identity", "Content-Length: 2"}, {"Content-Length: 2", "Transfer-Encoding: identity"},
		{"Content-Length: 2", "Transfer-Encoding: x"},
	} {
		c.add(501, with(ofChunks[:3], variedEnd["chunks"], lines...), "the codings %q", lines)
	}
	for _, value := range []string{"chunked", "identity", "gzip, chunked"} {
		lines := []string{"POST /v1/logout HTTP/1.0", "Connection: keep-alive", "Transfer-Encoding: " + value}
		c.add(501, with(lines, variedEnd["chunks"]), "the coding %q in HTTP/1.0", value)
		c.add(501, with(lines, variedEnd["chunks"], "Content-Length: 2"), "the coding %q and a length in HTTP/1.0", value)
	}
}

// versions has request lines with another version, or none, or not of three words.
func (c corpus) versions() {
	for _, version := range []string{
		"HTTP/0.9", "HTTP/1.2", "HTTP/1.9", "HTTP/2.0", "HTTP/3.0", "HTTP/9.9", "HTTP/0.0", "HTTP/2", "HTTP/3", "HTTP/1", "HTTP/1.10", "HTTP/01.1", "HTTP/1.01", "HTTP/1.1.1", "HTTP/11", "HTTP/1.",
	} {
		c.add(505, with([]string{"GET /healthz " + version, "Host: a"}, ""), "the version %q", version)
		c.add(505, with([]string{"POST /v1/logout " + version, "Host: a", "Content-Length: 2"}, "{}"), "the version %q, and a body", version)
	}
	for _, line := range []string{
		"GET /healthz", "GET", "", "GET ", " GET /healthz HTTP/1.1", "\tGET /healthz HTTP/1.1", "GET  /healthz HTTP/1.1", "GET /healthz  HTTP/1.1", "GET /healthz HTTP/1.1 ", "GET /healthz HTTP/1.1\t",
		"GET\t/healthz\tHTTP/1.1", "GET /healthz\tHTTP/1.1", "GET\t/healthz HTTP/1.1", "GET /healthz\vHTTP/1.1", "GET /healthz HTTP /1.1", "GET /healthz HTTP/ 1.1", "GET /healthz HTTP/1 .1",
		"GET /healthz HTTP/1.1 HTTP/1.1", "GET /healthz /next HTTP/1.1", "GET /health z HTTP/1.1", "GET /healthz x HTTP/1.0", "/healthz HTTP/1.1", "GETHTTP/1.1", "GET /healthz\x00 HTTP/1.1", "GET /healthz HTTP/1.1\x00",
		"GET /healthz HTTP/1,1", "GET /healthz HTTP/.1", "GET /healthz HTTP/1.x", "GET /healthz HTTP/-1.1", "GET /healthz HTTP/+1.1", "GET /healthz HTTP/1.1x", "GET /healthz HTTP/１.１", "GET /healthz HTTP/",
		"GET /healthz http/1.1", "GET /healthz Http/1.1", "GET /healthz HTTPS/1.1", "GET /healthz HTTQ/1.1", "GET /healthz ICY/1.1", "GET /healthz RTSP/1.0", "GET /healthz HTTP-1.1", "GET /healthz HTTP1.1", "GET /healthz 1.1", "GET /healthz SPDY/3",
		"G(T /healthz HTTP/1.1", "GET, /healthz HTTP/1.1", "GET\x00 /healthz HTTP/1.1", "\"GET\" /healthz HTTP/1.1", "GÉT /healthz HTTP/1.1", "GE\x7fT /healthz HTTP/1.1", "GET: /healthz HTTP/1.1", "GET@ /healthz HTTP/1.1",
	} {
		c.add(400, with([]string{line, "Host: a"}, ""), "the request line %q", line)
	}
	for _, lines := range [][]string{
		{"GET /healthz HTTP/1.0"}, {"GET /healthz HTTP/1.0", "Connection: keep-alive"}, {"GET /healthz HTTP/1.0", "Host: a", "Connection: Keep-Alive", "Keep-Alive: timeout=9"},
		{"HEAD /healthz HTTP/1.0", "Proxy-Connection: keep-alive"}, {"GET /healthz HTTP/1.1", "Host: a", "Connection: close"}, {"GET /healthz HTTP/1.1", "Host: a", "Connection: Close"},
		{"GET /healthz HTTP/1.1", "Host: a", "Connection: upgrade, close", "Upgrade: h2c"},
	} {
		c.add(200, with(lines, ""), "the last of its connection: %q", lines)
	}
	c.add(204, with([]string{"POST /v1/logout HTTP/1.0", "Connection: keep-alive", "Content-Length: 2"}, "{}"), "a body in HTTP/1.0")
	c.add(400, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "the preface of HTTP/2")
}

// targets has request targets that are neither a path nor a URL of the host.
func (c corpus) targets() {
	for _, target := range []string{
		"*", "healthz", "healthz/", "//healthz", "///healthz", "//a/healthz", "//x/v1/login?a=://", "\\healthz", "\\\\a\\healthz", "a:443", "a", "?x", "#x", ".", "./healthz", "../healthz", ":", ":80/healthz",
		"http:/healthz", "http:healthz", "http:///healthz", "http://", "http://b/healthz", "http://a:80/healthz", "http://u@a/healthz", "http://u:p@a/healthz", "http://a@b/healthz", "http://a//healthz", "http://a\\healthz",
		"http://a%00/healthz", "http://a./healthz", "http://[::1]/healthz", "HTTP//a/healthz", "ftp://a/healthz", "ws://a/healthz", "foo://a/healthz", "file:///healthz", "javascript:alert(1)", "data:,x", "://a/healthz",
		"http://a,b/healthz", "httpx://a/healthz", "xhttp://a/healthz", "http:\\\\a\\healthz", "mailto:a", "%2Fhealthz", "\xff/healthz", "~", "-",
	} {
		c.add(400, with([]string{"GET " + target + " HTTP/1.1", "Host: a"}, ""), "the target %q", target)
		c.add(400, with([]string{"POST " + target + " HTTP/1.1", "Host: a", "Content-Length: 2"}, "{}"), "the target %q, and a body", target)
	}
	for _, target := range []string{"/health\x01z", "/health\x7fz", "/health\tz", "/health\rz", "/\x00", "/healthz?\x00", "/healthz?a\tb", "/health\vz", "/health\x1bz"} {
		c.add(400, with([]string{"GET " + target + " HTTP/1.1", "Host: a"}, ""), "the target %q", target)
	}
}

// doubled has fields that must stand once, twice.
func (c corpus) doubled() {
	spell := []func(string) string{func(s string) string { return s }, strings.ToLower, strings.ToUpper}
	for _, f := range []struct{ name, first, other string }{
		{"Host", "a", "b"}, {"Content-Type", "application/json", "text/plain"}, {"Content-Encoding", "identity", "gzip"}, {"Content-Length", "2", "3"},
		{"Authorization", "Basic YTpi", "Bearer x"},
	} {
		for i, spelled := range spell {
			for _, second := range []string{f.first, f.other, ""} {
				for _, apart := range []bool{false, true} {
					lines := []string{"POST /v1/logout HTTP/1.1"}
					if f.name != "Host" {
						lines = append(lines, "Host: a")
					}
					lines = append(lines, f.name+": "+f.first)
					if apart {
						lines = append(lines, "X-A: b", "X-B: c")
					}
					lines = append(lines, spelled(f.name)+": "+second)
					if f.name != "Content-Length" {
						lines = append(lines, "Content-Length: 2")
					}
					c.add(400, with(lines, "{}"), "two of %s: %q, spelling %d, apart: %t", f.name, second, i, apart)
				}
			}
		}
	}
}

// hosts has requests whose host is not certain.
func (c corpus) hosts() {
	c.add(400, "GET /healthz HTTP/1.1\r\n\r\n", "no header at all")
	c.add(400, "GET http://a/healthz HTTP/1.1\r\nX: a\r\n\r\n", "a URL and no Host")
	c.add(400, "GET http://a/healthz HTTP/1.1\r\nHost:\r\n\r\n", "a URL and an empty Host")
	c.add(400, "GET http://a/healthz HTTP/1.1\r\nHost: b\r\n\r\n", "a URL and another Host")
	c.add(400, "GET http://a/healthz HTTP/1.1\r\nHost: a:80\r\n\r\n", "a URL and a Host with a port")
	c.add(400, "GET /healthz HTTP/1.1\r\nX-Host: a\r\nHos: a\r\n\r\n", "names like Host")
	for _, host := range []string{"a b", "a, b", "a,b", "a/b", "a@b", "u@a", "a\\b", "http://a", "a?b", "a#b", "a\tb", "a\x01", "<a>", "a\"", "[::1", "a{b}", "a^", "a`", "a|b"} {
		c.add(400, with([]string{"GET /healthz HTTP/1.1", "Host: " + host}, ""), "the host %q", host)
	}
}

// expectations has an Expect that is not 100-continue.
func (c corpus) expectations() {
	for _, value := range []string{"", "200-ok", "100-continue, 200-ok", "100-continue, 100-continue", "100 continue", "100-continue;a=b", "\"100-continue\"", "100-continuex", "the-best", "chunked", "100", "0"} {
		c.add(417, with(ofLength, "{}", "Expect: "+value), "the expectation %q", value)
		c.add(417, with(ofGet, "", "expect: "+value), "the expectation %q of a GET", value)
	}
	c.add(417, with(ofLength, "{}", "Expect: 100-continue", "Expect: the-best"), "two expectations")
}

// Behind each stands another request. It is never answered, at neither port, whether the
// ambiguous one is the first of its connection or follows a good one: the answer closes
// the connection, and says so. Each is logged and counted once, with a request id.
func TestNothingIsReadBehindAnAmbiguousRequest(t *testing.T) {
	testbed.SkipShort(t, "makes more than three thousand connections")
	var counted []string // by the goroutine of the request, before its answer is there
	all := doortest.Open(t, func(s *doortest.Setup) {
		s.Server.Read, s.Server.Idle = time.Second, time.Second // for what is taken for the beginning of more
		s.Events.Request = func(_ string, status int, _ time.Duration) { counted = append(counted, fmt.Sprint(status)) }
	})
	probe := doortest.Raw("GET /v1/me", "", "X-Request-ID: SMUGGLED")
	requests := ambiguousRequests()
	require.Greater(t, len(requests), 800)
	for name, tt := range requests {
		for port, its := range all.Ports() {
			for _, before := range []string{"", doortest.Raw("GET /nowhere", "")} {
				counted = nil
				c := its.Dial(t)
				c.Send(before + tt.request + probe)
				whole, err := io.ReadAll(c.R)
				require.NoError(t, c.Conn.Close())
				var logged []string
				for _, line := range all.Log.Take() {
					if line.Message == "Response:" {
						logged = append(logged, line.Attrs["status"])
					}
				}
				want := []string{fmt.Sprint(tt.status)}
				if before != "" {
					want = []string{"404", want[0]}
				}
				if err != nil || !slices.Equal(counted, want) || !slices.Equal(logged, want) {
					t.Errorf("%s: %s: %q:\ncounted %s, logged %s, in place of %s, %v", port, name, before+tt.request, counted, logged, want, err)
					continue
				}
				c.R = bufio.NewReader(bytes.NewReader(whole))
				if before != "" {
					doortest.RequireProblem(t, c.Next("GET"), 404, "not_found", "")
				}
				method, _, _ := strings.Cut(tt.request, " ")
				a := c.Next(method)
				c.RequireEnd()
				assert.True(t, a.Close && a.Status == tt.status, "%s: %s: %q", port, name, tt.request)
				if a.Status >= 400 && method != "HEAD" {
					doortest.RequireProblem(t, a, tt.status, fmt.Sprint(a.JSON["code"]), "")
				}
			}
		}
	}
}
