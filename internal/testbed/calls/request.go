package calls

import (
	"bytes"
	"fmt"
)

// A Request is the bytes of a check, with its HTTP head. An attempt only changes digits,
// so all requests have the same length and nothing is formatted for a call.
type Request struct {
	bytes                      []byte
	ip, last4, month, yearTens int // offsets of the first of those digits
}

const (
	firstIP   = "128.100.100.100"
	firstCard = `"last4":"0000","exp_month":10,"exp_year":2030`
	firstBody = `{"ip":"` + firstIP + `",` + firstCard + `}`
)

// NewRequest returns the request for a Host and an Authorization header.
func NewRequest(host, auth string) *Request {
	r := &Request{bytes: fmt.Appendf(nil, "POST /v1/check HTTP/1.1\r\nHost: %s\r\nAuthorization: %s\r\n"+
		"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", host, auth, len(firstBody), firstBody)}
	r.ip = bytes.Index(r.bytes, []byte(firstIP))
	r.last4 = bytes.Index(r.bytes, []byte(firstCard)) + len(`"last4":"`)
	r.month = bytes.LastIndex(r.bytes, []byte("10,"))
	r.yearTens = bytes.LastIndex(r.bytes, []byte("30}"))
	return r
}

const (
	octets = 156 // 100 to 255: three digits each
	// Addresses is the number of IP addresses there are, from 128.100.100.100 on.
	Addresses = 96 * octets * octets * octets
	// Cards is the number of cards there are: last4, October to December, 2030 to 2089.
	Cards = 10_000 * 3 * 60
)

// Body returns the JSON of the attempt that was put last; the next Put changes it.
func (r *Request) Body() []byte { return r.bytes[len(r.bytes)-len(firstBody):] }

// Put writes the digits of an attempt. Numbers below [Addresses] and [Cards] give
// different addresses and cards.
func (r *Request) Put(address, card uint32) {
	n := address % Addresses
	// The last octet changes first.
	for i := range 3 {
		three(r.bytes[r.ip+12-4*i:], 100+n%octets)
		n /= octets
	}
	three(r.bytes[r.ip:], 128+n)
	c := card % Cards
	two(r.bytes[r.last4:], c/100%100)
	two(r.bytes[r.last4+2:], c%100)
	c /= 10_000
	two(r.bytes[r.month:], 10+c%3)
	two(r.bytes[r.yearTens:], 30+c/3)
}

// IP returns the IP address of that number as text.
func IP(address uint32) string {
	r := NewRequest("", "")
	r.Put(address, 0)
	return string(r.bytes[r.ip:][:len(firstIP)])
}

// three and two write a number with leading zeros.
func three(b []byte, n uint32) {
	b[0] = '0' + byte(n/100)
	two(b[1:], n%100)
}

func two(b []byte, n uint32) {
	b[0], b[1] = '0'+byte(n/10), '0'+byte(n%10)
}
