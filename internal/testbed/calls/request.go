package calls

import (
	"bytes"
	"fmt"
)

// A Request is the bytes of a check or an outcome, with its HTTP head. An attempt only
// changes digits, so all requests have the same length and nothing is formatted for a
// call.
type Request struct {
	bytes                      []byte
	body                       int // offset
	ip, last4, month, yearTens int // offsets of the first of those digits
	order                      *orderDigits
}

// orderDigits are the offsets of the further digits of an order.
type orderDigits struct{ cardID, cart, attempt int }

const (
	firstIP    = "128.100.100.100"
	firstCard  = `"last4":"0000","exp_month":10,"exp_year":2030`
	firstOrder = `,"card_id":"pm_000000000","cart":"cart-000000000","attempt_id":"order-000000000"`
)

// NewRequest returns the check that the default rule needs, for a Host and an
// Authorization header.
func NewRequest(host, auth string) *Request {
	return newRequest("check", host, auth, "")
}

// NewOrder returns a check that tells all that the recommended rules count: the card by an
// id too, a cart for each address, and an attempt_id. Addresses whose numbers follow each
// other are in different networks.
func NewOrder(host, auth string) *Request { return newOrder("check", host, auth, "") }

// NewOutcome returns what becomes of the attempt of such a check: declined or approved.
func NewOutcome(host, auth, outcome string) *Request {
	return newOrder("outcomes", host, auth, `,"outcome":"`+outcome+`"`)
}

func newOrder(route, host, auth, more string) *Request {
	r := newRequest(route, host, auth, firstOrder+more)
	digits := func(before string) int { return bytes.Index(r.bytes, []byte(before)) + len(before) }
	r.order = &orderDigits{digits("pm_"), digits("cart-"), digits("order-")}
	return r
}

func newRequest(route, host, auth, more string) *Request {
	body := `{"ip":"` + firstIP + `",` + firstCard + more + `}`
	r := &Request{bytes: fmt.Appendf(nil, "POST /v1/%s HTTP/1.1\r\nHost: %s\r\nAuthorization: %s\r\n"+
		"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", route, host, auth, len(body), body)}
	r.body = len(r.bytes) - len(body)
	r.ip = bytes.Index(r.bytes, []byte(firstIP))
	card := bytes.Index(r.bytes, []byte(firstCard))
	r.last4 = card + len(`"last4":"`)
	r.month = card + len(`"last4":"0000","exp_month":`)
	r.yearTens = card + len(firstCard) - 2
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
func (r *Request) Body() []byte { return r.bytes[r.body:] }

// Put writes the digits of an attempt. Numbers below [Addresses] and [Cards] give
// different addresses and cards.
func (r *Request) Put(address, card uint32) {
	n := address % Addresses
	if o := r.order; o != nil {
		nine(r.bytes[o.cardID:], card)
		nine(r.bytes[o.cart:], n)
		nine(r.bytes[o.attempt:], n)
		// The last octet changes last, so that networks differ.
		const networks = Addresses / octets
		n = n%networks*octets + n/networks
	}
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

// nine, three and two write a number with leading zeros; of nine digits the last ones.
func nine(b []byte, n uint32) {
	for i := range 3 {
		three(b[6-3*i:], n%1000)
		n /= 1000
	}
}

func three(b []byte, n uint32) {
	b[0] = '0' + byte(n/100)
	two(b[1:], n%100)
}

func two(b []byte, n uint32) {
	b[0], b[1] = '0'+byte(n/10), '0'+byte(n%10)
}
