package server_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/door/doortest"
)

// chunks has bodies in chunks that are not as RFC 9112 section 7.1 has them. Those that
// are, are answered, and the connection is closed.
func (c corpus) chunks() {
	bad := func(format string, parts ...string) {
		for _, part := range parts {
			body := fmt.Sprintf(format, part)
			c.add(400, with(ofChunks, body), "the chunks %q", body)
		}
	}
	bad("%s", // sizes that are none
		"\r\n{}\r\n0\r\n\r\n", "2\r\n{}\r\n\r\n", "1_0\r\n0123456789abcdef\r\n0\r\n\r\n", "10\r\n{}\r\n0\r\n\r\n", "0\r\n{}\r\n0\r\n\r\n")
	bad("%s\r\n{}\r\n0\r\n\r\n",
		"x", "x2", "0x2", "0X2", "2x", "+2", "-2", "2g", "2h", "#2", "2.", "2,2", "2_", "'2'", "\"2\"", "２", "٢", "²", "2\x00", "\x002", "2\x7f", "2\xa0", "1", "3", ";a",
		" 2", "2 ", "2  ", "\t2", "2\t", "2 2", "0 2", "\v2", "2\v", "2\f", "\r2", "\n2", "2 ;a", "2\t;a")
	bad("%s\r\n{}\r\n0\r\n\r\n", // more digits than are read
		"0000000000000002", "00000000000000002", strings.Repeat("0", 400)+"2", "10000000000000000", "10000000000000002", "fffffffffffffffff2", "8000000000000002", "7fffffffffffffff", "ffffffffffffffff", "fffffffffffffffe")
	bad("2;%s\r\n{}\r\n0\r\n\r\n", // extensions
		"", ";", "a;", ";a", "=", "=b", "a=", "a=;c", "a==b", "a=b=c", "a b", "a= b", "a =b", " a", "a ", "\ta", "a\x00", "\x00", "a\x01b", "\x7f", "a\x7f", "a=\x00", "a=b\x0b", "\xff", "é", "a=é", "a,b", "a:b", "a/b", "(a)", "[a]", "a=b@c",
		"a=\"", "a=\"b", "a=\"b\"c", "a=\"b\\\"", "a=\"\x00\"", "a=\"\x7f\"", "a=\"\\\x00\"", "\"a\"", "a='b c'", "a\r", "a\rb", "a=\"\r\"", "a\nb", "\n", "a=\"\n\"", "a=\"\r\n\"", strings.Repeat("a", 8<<10), strings.Repeat(";a=b", 2<<10)[1:])
	bad("2%s{}\r\n0\r\n\r\n", "\n", "\r", "\n\r", "\r\r\n", "\n\n", ";a\n", ";a=b\n", ";a=\"b\"\n", ";a\r", "")
	bad("2\r\n{}%s0\r\n\r\n", "\n", "\r", "\n\r", "\r\r\n", "\n\r\n", "", "x\r\n", " \r\n", "\x00\r\n", "\n\n", "\r\n\n", "\r\n\r\n")
	for _, before := range []string{"", "2\r\n{}\r\n", "1\r\n{\r\n1\r\n}\r\n"} {
		bad(before+"0%s", "\n\r\n", "\r\r\n", "\n\n", "\r\n\n", "\r\n\n\n", "\r\n\n\r\n", "\r\n\r\r\n", "\r\n\rx", "\r\n\r\r\n\r\n", "\r\n \r\n\r\n", "\r\n\t\r\n\r\n", "\r\n\x00\r\n\r\n", ";\r\n\r\n", ";a\n\r\n", ";a\r\n\n", ";a=\r\n\r\n", ";a b\r\n\r\n")
		bad(before+"%s\r\n\r\n", strings.Repeat("0", 17), strings.Repeat("0", 300), "+0", "0x0", " 0", "0 ", "-0", "0.0")
	}
	c.add(400, with([]string{"GET /healthz HTTP/1.1", "Host: a", "Transfer-Encoding: chunked"}, "0\r\n\n"), "a GET with no chunk and a bare LF")
	for _, body := range goodChunks {
		c.add(204, with(ofChunks, body), "the good chunks %q", body)
	}
}

// goodChunks are bodies in chunks, of at most 8 KiB in all.
var goodChunks = []string{
	"0\r\n\r\n", "00\r\n\r\n", "000000000000000\r\n\r\n", "2\r\n{}\r\n0\r\n\r\n", "2;a\r\n{}\r\n0\r\n\r\n", "2;a=\"b;c\"\r\n{}\r\n0;d=e\r\n\r\n", "1\r\n{\r\n1\r\n}\r\n000\r\n\r\n", "02\r\n{}\r\n0\r\n\r\n",
	"000000000000002\r\n{}\r\n0\r\n\r\n", "A\r\n{        }\r\n0\r\n\r\n", "a\r\n{        }\r\n0\r\n\r\n", "4\r\n\r\n{}\r\n0\r\n\r\n", "2;a;b=c;d=\"\";e=\"\\\"\\\\ \t\xff\"\r\n{}\r\n0;f\r\n\r\n",
	"2;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\n{}\r\n0\r\n\r\n", "1001\r\n{" + strings.Repeat(" ", 4096) + "\r\n1\r\n}\r\n0\r\n\r\n",
	"1\r\n{\r\n" + strings.Repeat("1\r\n \r\n", 7000) + "1\r\n}\r\n0\r\n\r\n",
}

// trailers has fields behind the chunks.
func (c corpus) trailers() {
	for _, lines := range []string{"X: b\n\r\n", "X: b\r\n\n", " X: b\r\n\r\n", "X : b\r\n\r\n", ": b\r\n\r\n", "nonsense\r\n\r\n"} {
		c.add(400, with(ofChunks, "0\r\n"+lines), "the trailer section %q", lines)
	}
	for _, name := range []string{
		"X-A", "Content-Length", "Transfer-Encoding", "Host", "Authorization", "Sec-Fetch-Site", "Origin", "Content-Type", "Content-Encoding", "Cookie", "Connection", "X-Forwarded-For", "Trailer", "Expect",
	} {
		for _, value := range []string{"", "0"} {
			c.add(400, with(ofChunks, "0\r\n"+name+": "+value+"\r\n\r\n"), "%s: %s behind no chunk", name, value)
			c.add(400, with(ofChunks, "2\r\n{}\r\n0\r\n"+strings.ToLower(name)+":"+value+"\r\n\r\n", "Trailer: "+name), "%s: %s behind a chunk, announced", name, value)
		}
	}
}

// However the bytes of a body in chunks arrive, and also where they do not fit into the
// buffer, it is taken or refused for what it is.
func TestChunksAreReadInPieces(t *testing.T) {
	all := doortest.Open(t)
	manySmall := "1\r\n{\r\n" + strings.Repeat("1\r\n \r\n", 7000) + "1\r\n}\r\n"
	for body, status := range map[string]int{
		goodChunks[3]: 204, goodChunks[5]: 204, manySmall + "0\r\n\r\n": 204,
		"2\r\n{}\r\n0\r\n\n": 400, "2;a b\r\n{}\r\n0\r\n\r\n": 400, manySmall + "0\r\n\n": 400, manySmall + "0\r\nX: a\r\n\r\n": 400,
		"1;a=\"\"b\r\n{\r\n" + manySmall + "0\r\n\r\n": 400, manySmall + manySmall + "0\r\n\r\n": 413,
	} {
		for name, port := range all.Ports() {
			for _, size := range []int{1, 5, 4096, 5000} {
				if len(body)/size > 100 {
					continue
				}
				for _, expect := range []bool{false, true} {
					head := with(ofChunks, "")
					if expect {
						head = with(ofChunks, "", "Expect: 100-continue")
					}
					c := port.Dial(t)
					c.Send(doortest.Raw("GET /nowhere", ""))
					c.Next("GET")
					c.Send(head)
					if expect {
						_, err := http.ReadResponse(c.R, nil)
						require.NoError(t, err)
					}
					for at := 0; at < len(body); at += size {
						c.Send(body[at:min(at+size, len(body))])
					}
					a := c.Next("POST")
					assert.Equal(t, status, a.Status, "%s: %.60q in pieces of %d, expect %t", name, body, size, expect)
					assert.True(t, a.Close)
					c.RequireEnd()
				}
			}
		}
	}
}
