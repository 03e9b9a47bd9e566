package operator

import (
	"net/http"

	"fraudcheck/internal/account"
	"fraudcheck/internal/wire"
)

// account answers the routes at which callers log in and out.
func (d *Door) account(c *call) *wire.Problem {
	if c.read(); c.unread != nil {
		return c.unread
	}
	if c.route.path == account.Me && len(c.raw) > 0 {
		return wire.NotEmpty
	}
	a, p := account.Serve(c.route.path, &account.Call{
		Guard: d.Guard, Asks: &c.asks, Caller: c.caller, Body: string(c.raw),
		ContentType: []byte(c.Header.Get("Content-Type")), ContentEncoding: []byte(c.Header.Get("Content-Encoding")),
	})
	if a.Cookie != "" {
		c.w.Header().Set("Set-Cookie", a.Cookie)
	}
	if p != nil {
		return d.unauthenticated(c, p)
	}
	if a.Status == http.StatusNoContent {
		c.status = a.Status
		c.w.WriteHeader(a.Status)
		return nil
	}
	c.say(a.Status, "application/json", a.Body)
	return nil
}
