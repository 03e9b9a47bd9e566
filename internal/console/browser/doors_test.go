package browser

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"

	"fraudcheck/internal/testbed"
)

var till = testbed.Basic("till", password)

// Each role sees what it may do, and the API refuses the rest all the same.
func TestRoles(t *testing.T) {
	s := open(t, 1)
	s.attack(address, 6)
	const status = "fetch('/v1/addresses/203.0.113.7', { method: 'DELETE' }).then((a) => a.status)"

	b := s.console(0, "till", "/console/address/203.0.113.7")
	b.see("Your role does not allow this: you are till, with the role checker.")
	assert.False(t, eval[bool](b, "document.body.innerText.includes('Let go') || !!document.querySelector('#ip')"))
	assert.Equal(t, 403, eval[int](b, status))
	b.button("About")
	b.see("You are till")

	b = s.console(0, "ana", "/console/address/203.0.113.7")
	b.see("Let go")
	b.button("Override …")
	assert.Equal(t, []string{"1h", "24h"}, eval[[]string](b, "[...document.querySelectorAll('#for option')].map((o) => o.value)"))
	assert.Equal(t, 403, eval[int](b, "fetch('/v1/addresses/203.0.113.7/override', { method: 'PUT', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ decision: 'allow', for: '48h', reason: 'x' }) }).then((a) => a.status)"))
	b.button("About")
	b.see("Operators see here which instances there are")

	b = s.console(0, "olga", "/console/address/203.0.113.7")
	b.button("Override …")
	assert.Equal(t, []string{"1h", "24h", "168h", "720h"}, eval[[]string](b, "[...document.querySelectorAll('#for option')].map((o) => o.value)"))
	b.button("About")
	b.see("till-1 (this one)")
	b.quiet()
}

func TestSessions(t *testing.T) {
	s := open(t, 1)
	s.attack(address, 6)
	b := s.tab(0)
	b.open("/console/address/203.0.113.7?x=1#y")
	b.until("document.activeElement.id === 'user'")
	b.fill("#user", "ana")
	b.fill("#password", "wrong")
	b.button("Sign in")
	b.see("This name and password do not match.")
	b.fill("#password", password)
	b.button("Sign in")
	b.see("Blocked by cards_per_ip") // the page that was asked for
	assert.Equal(t, "", eval[string](b, "document.cookie"), "scripts do not see the cookie")

	// The session ends elsewhere: the page says so, and goes on where it was.
	eval[any](b, "fetch('/v1/logout', { method: 'POST' }).then(() => null)")
	b.see("Your session has ended.")
	b.signIn("ana")
	b.see("Blocked by cards_per_ip")
	b.button("Live")
	b.see("live")
	eval[any](b, "fetch('/v1/logout', { method: 'POST' }).then(() => null)")
	b.see("Your session has ended.")
	b.signIn("ana")
	b.see("live")
	b.button("Sign out")
	b.see("You are signed out.")
	b.open("/console/blocked")
	b.until("document.activeElement.id === 'user'")
	b.quiet()
}

// A session that ends while a reason is typed does not take it away. It is the user's who
// typed it.
func TestAReasonOutlivesTheSession(t *testing.T) {
	s := open(t, 1)
	b := s.console(0, "olga", "/console/address/203.0.113.7")
	b.button("Override …")
	b.fill("#reason", "shared office, ticket 4711")
	eval[any](b, "(() => { const e = document.querySelector('#for'); e.value = '168h'; e.dispatchEvent(new Event('input', { bubbles: true })); })(), null")
	end := func() {
		eval[any](b, "fetch('/v1/logout', { method: 'POST' }).then(() => null)")
		b.see("Your session has ended.")
	}
	end()
	b.signIn("olga")
	b.until("document.querySelector('#reason') && document.querySelector('#reason').checkVisibility()")
	assert.Equal(t, "shared office, ticket 4711", eval[string](b, "document.querySelector('#reason').value"))
	assert.Equal(t, "168h", eval[string](b, "document.querySelector('#for').value"))
	b.lookAt("address-reason-kept")
	b.button("Set the override")
	b.see("The override is in force at every instance.")
	b.until("!document.querySelector('#reason').checkVisibility()")
	b.button("Override …")
	assert.Empty(t, eval[string](b, "document.querySelector('#reason').value"), "it is used")

	b.fill("#reason", "another one")
	end()
	b.signIn("ana")
	b.see("Allowed by an override of olga")
	assert.Empty(t, eval[string](b, "document.querySelector('#reason').value"))
	assert.False(t, eval[bool](b, "document.querySelector('#reason').checkVisibility()"))
	b.quiet()
}

// A page of another origin can do nothing with the analyst's session, nor show the console.
func TestAnotherSitesPageIsRefused(t *testing.T) {
	s := open(t, 1)
	s.attack(address, 6)
	b := s.console(0, "ana", "/console")
	// An origin on the same host name is the same site: a browser sends it the cookie.
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte("<!doctype html><title>another site</title>"))
	}))
	defer other.Close()
	b.do(chromedp.Navigate(other.URL))
	for _, body := range []string{"undefined", "'{}'", "new URLSearchParams({ decision: 'allow', for: '1h', reason: 'x' })"} {
		for _, to := range []string{"POST /v1/logout", "POST /v1/subjects/forget", "POST /v1/login"} {
			method, path := to[:4], to[5:]
			eval[any](b, "fetch('"+b.base+path+"', { method: '"+method+"', mode: 'no-cors', credentials: 'include', body: "+body+" }).then(() => null, () => null)")
		}
	}
	assert.Equal(t, "failed", eval[string](b, "fetch('"+b.base+"/v1/addresses/203.0.113.7', { method: 'DELETE', credentials: 'include' }).then((a) => String(a.status), () => 'failed')"))
	eval[any](b, "(() => { const f = document.createElement('iframe'); f.src = '"+b.base+"/console'; document.documentElement.append(f); return new Promise((r) => { f.onload = () => r(null); }); })()")
	assert.False(t, eval[bool](b, "!!document.querySelector('iframe').contentDocument"))
	assert.Equal(t, "block", s.check(0, address, "more"), "nothing was forgotten")
	b.open("/console/address/203.0.113.7")
	b.see("Blocked by cards_per_ip") // still signed in
}
