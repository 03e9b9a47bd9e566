package main

import (
	"bytes"
	"fmt"
)

// A request is the bytes of a check, with its HTTP head. An attempt only changes digits,
// so that all requests have the same length and nothing is formatted for a call.
type request struct {
	bytes                      []byte
	ip, last4, month, yearTens int // offsets of the first of those digits
}

const (
	firstIP   = "128.100.100.100"
	firstCard = `"last4":"0000","exp_month":10,"exp_year":2030`
	firstBody = `{"ip":"` + firstIP + `",` + firstCard + `}`
)

// newRequest returns the request for a Host and an Authorization header.
func newRequest(addr, auth string) *request {
	r := &request{bytes: fmt.Appendf(nil, "POST /v1/check HTTP/1.1\r\nHost: %s\r\nAuthorization: %s\r\n"+
		"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", addr, auth, len(firstBody), firstBody)}
	r.ip = bytes.Index(r.bytes, []byte(firstIP))
	r.last4 = bytes.Index(r.bytes, []byte(firstCard)) + len(`"last4":"`)
	r.month = bytes.LastIndex(r.bytes, []byte("10,"))
	r.yearTens = bytes.LastIndex(r.bytes, []byte("30}"))
	return r
}

const (
	octets    = 156                           // 100 to 255: three digits each
	addresses = 96 * octets * octets * octets // from 128.100.100.100 on
	cards     = 10_000 * 3 * 60               // last4, October to December, 2030 to 2089
)

// put writes the digits of an attempt. Numbers below addresses and cards give different
// addresses and cards.
func (r *request) put(v attempt) {
	n := v.address % addresses
	// The last octet changes first.
	for i := range 3 {
		three(r.bytes[r.ip+12-4*i:], 100+n%octets)
		n /= octets
	}
	three(r.bytes[r.ip:], 128+n)
	c := v.card % cards
	two(r.bytes[r.last4:], c/100%100)
	two(r.bytes[r.last4+2:], c%100)
	c /= 10_000
	two(r.bytes[r.month:], 10+c%3)
	two(r.bytes[r.yearTens:], 30+c/3)
}

// three and two write a number with leading zeros.
func three(b []byte, n uint32) {
	b[0] = '0' + byte(n/100)
	two(b[1:], n%100)
}

func two(b []byte, n uint32) {
	b[0], b[1] = '0'+byte(n/10), '0'+byte(n%10)
}
