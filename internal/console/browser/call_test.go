package browser

import (
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const address = "203.0.113.7"

// A customer calls: the whole of it, from the sixth card to the next payment.
func TestACustomerIsBlockedAndLetGo(t *testing.T) {
	s := open(t, 2)
	b := s.console(0, "ana", "/console")
	b.see("live")
	s.attack(address, 5)
	start := time.Now()
	require.Equal(t, "block", s.check(0, address, "sixth"))
	b.until("[...document.querySelectorAll('tr.block')].some((row) => row.innerText.includes('203.0.113.7') && row.innerText.includes('cards_per_ip 6'))")
	assert.Less(t, time.Since(start), 3*time.Second, "a second, and what a busy machine adds")

	// Read over the phone: typed as it is heard, looked up, answered. Nothing has to be
	// pressed before, and the way ends with the third thing that is done.
	require.Equal(t, "ip", eval[string](b, "document.activeElement.id"))
	b.keys("203, 0, 113, 7")
	b.keys(kb.Enter)
	b.see("Blocked by cards_per_ip, until ")
	assert.Equal(t, "/console/address/203.0.113.7", eval[string](b, "location.pathname"))
	b.see("at least 6 within 1 h; review over 3, block over 5")
	b.see("What it counts: 6 entries")
	b.see("A payment from here may also be blocked by cards_per_email (per email)")
	b.until("document.querySelectorAll('tr.block').length > 0") // recent decisions

	b.button("Let go")
	b.see("What was counted is forgotten, at every instance.")
	b.see("Allowed, nothing is counted.")
	assert.Equal(t, "allow", s.check(1, address, "seventh"), "at the other instance")
	assert.Regexp(t, `Audit: forget ip 203\.0\.113\.0/24 by=ana`, s.instances[0].Stderr.String())
	b.see("1 within 1 h")

	// Overridden, with a reason.
	b.button("Override …")
	b.fill("#reason", "shared office, ticket 4711")
	eval[any](b, "document.querySelector('#decision').value = 'block', null")
	b.button("Set the override")
	b.see("The override is in force at every instance.")
	b.see("Blocked by an override of ana, until ")
	b.see("shared office, ticket 4711")
	assert.False(t, b.shows("may also be blocked"), "nothing else decides")
	assert.Equal(t, "block", s.check(1, address, "eighth"))
	b.button("Overrides")
	b.see("1 override")
	b.see("shared office, ticket 4711")
	eval[any](b, "history.back(), null")
	b.see("Blocked by an override of ana")
	b.button("Remove the override")
	b.see("The override is removed.")
	b.see("Allowed")
	assert.False(t, eval[bool](b, "[...document.querySelectorAll('button')].some((e) => e.innerText === 'Remove the override' && e.checkVisibility())"), "only where there is one")
	assert.Equal(t, "allow", s.check(1, address, "ninth"))

	assert.Empty(t, eval[[]string](b, "Object.keys(localStorage)"), "nothing is kept")
	b.quiet()
}

// An IP address is taken as it is heard, spelt or pasted; one that is none can be mended.
func TestAnAddressIsTakenAsItIsHeard(t *testing.T) {
	s := open(t, 1)
	s.attack(address, 6)
	b := s.console(0, "ana", "/console")
	for _, as := range []struct{ typed, heading, says string }{
		{"203 . 0 . 113 . 7", address, "Blocked by cards_per_ip"},
		{"203,0,113,7", address, "Blocked by cards_per_ip"},
		{"203 0 113 7", address, "Blocked by cards_per_ip"},
		{"203-0-113-7", address, "Blocked by cards_per_ip"},
		{"203 dot 0 Dot 113 dot 7.", address, "Blocked by cards_per_ip"},
		{"203.0.113.7:4711", address, "You asked for 203.0.113.7:4711, which is counted as this."},
		{"::FFFF:203.0.113.7", address, "You asked for ::FFFF:203.0.113.7, which is counted as this."},
		{"2001:0DB8:0000:0000:0:0:0:7", "2001:db8::/64", "You asked for 2001:0DB8:0000:0000:0:0:0:7, which is counted as this."},
		{"[2001:db8::7]:443", "2001:db8::/64", "You asked for [2001:db8::7]:443, which is counted as this."},
	} {
		b.until("document.activeElement.id === 'ip'")
		b.keys(as.typed, kb.Enter)
		b.see(as.says)
		assert.Equal(t, as.heading, eval[string](b, "document.activeElement.innerText"), as.typed)
		assert.Equal(t, as.heading+" · fraudcheck", eval[string](b, "document.title"))
		b.open("/console")
	}
	b.until("document.activeElement.id === 'ip'")
	b.keys("203.0.113.777", kb.Enter)
	b.see("203.0.113.777 is no IP address: expected an IPv4 or IPv6 address such as 203.0.113.7 or 2001:db8::7.")
	b.until("document.activeElement.id === 'ip'")
	assert.Equal(t, "203.0.113.777", eval[string](b, "document.querySelector('#ip').value"))
	assert.False(t, b.shows("may also be blocked"), "nothing is said of what is none")
	b.keys("203.0.113.0/24", kb.Enter)
	b.see("203.0.113.0/24 is no IP address. Live shows the decisions on a network")
	b.keys("203.0.113.777", kb.Enter) // in place of what was selected
	b.see("203.0.113.777 is no IP address")
	paste := func(text string) {
		eval[any](b, "(() => { const data = new DataTransfer(); data.setData('text/plain', "+quote(text)+"); document.body.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true })); })(), null")
	}
	paste("order 1001")
	assert.Equal(t, "/console/address/203.0.113.777", eval[string](b, "location.pathname"))
	paste(" 203.0.113.7\n")
	b.see("Blocked by cards_per_ip")
	b.quiet()
}

// One card short of a block, the sentence says by what and until when another one would be.
func TestTheSentenceOfAnAddressThatIsNearlyBlocked(t *testing.T) {
	s := open(t, 1)
	s.attack(address, 5)
	b := s.console(0, "ana", "/console/address/"+address)
	b.see("Another card would be blocked by cards_per_ip, until ")
	b.see("if nothing more is shown; those it has shown are reviewed.")
	b.quiet()
}

// A block ends when one card is left behind; what was shown is then reviewed for longer.
func TestTheSentenceSaysWhenABlockEnds(t *testing.T) {
	s := open(t, 1)
	s.check(0, address, "the first")
	b := s.console(0, "ana", "/console/address/"+address)
	b.until("performance.now() > 3000")
	s.attack(address, 5)
	b.see("if nothing more is shown; cards it has shown are then reviewed until ")
	b.open("/console/blocked") // which has the later of the two
	b.until("document.querySelector('tbody tr td:last-child')?.dataset.label === 'All clear'")
	b.see("The block may end before, with reviews until then")
	b.quiet()
}

// A subject that is no IP address stands in no URL.
func TestAnEMailAddressIsLookedUpAndLetGo(t *testing.T) {
	s := open(t, 1)
	const mail = "somebody@example.com"
	for card := range 5 {
		s.ask(s.instances[0].Addr, till, "POST", "/v1/check", map[string]string{"ip": fmt.Sprint("198.51.100.2", card), "email": mail, "card_id": "tok_" + string(rune('a'+card)), "expiry": "12/30"})
	}
	b := s.console(0, "ana", "/console/subject")
	b.see("Other subject")
	eval[any](b, "(() => { const e = document.querySelector('#per'); e.value = 'email'; e.dispatchEvent(new Event('change')); })(), null")
	b.fill("#value", mail)
	b.button("Look up")
	eval[any](b, "document.querySelector('.lookup').requestSubmit(), null")
	b.see("Blocked by cards_per_email, until ")
	b.button("Let go")
	b.see("What was counted is forgotten")
	b.see("Allowed, nothing is counted.")
	assert.Equal(t, b.base+"/console/subject", eval[string](b, "location.href"))
	assert.Empty(t, eval[[]string](b, "performance.getEntriesByType('resource').map((e) => e.name).filter((n) => n.includes('example.com'))"))
	b.quiet()
}

// What is wrong with a card is said in the words of the page, and the field has the focus.
func TestAWrongCardIsSaidInThePagesWords(t *testing.T) {
	s := open(t, 1)
	b := s.console(0, "ana", "/console/subject")
	b.there("#card_id")
	for _, wrong := range []struct{ id, last4, expiry, says, focus string }{
		{"", "", "", "Give the provider's id of the card, or its last four digits and its expiry.", "last4"},
		{"", "42", "12/30", "The last four digits are four digits, as in 4242.", "last4"},
		{"", "4242", "", "The last four digits need the expiry beside them, as in 12/30.", "expiry"},
		{"", "4242", "13/30", "The expiry is a month and a year, as in 12/30.", "expiry"},
		{"4242424242424242", "", "", "The provider's id of a card is not its number: give the id that your payment provider made.", "card_id"},
	} {
		b.fill("#card_id", wrong.id)
		b.fill("#last4", wrong.last4)
		b.fill("#expiry", wrong.expiry)
		b.keys(kb.Enter)
		b.see(wrong.says)
		assert.Equal(t, wrong.focus, eval[string](b, "document.activeElement.id"))
		assert.NotContains(t, eval[string](b, "document.querySelector('.notice').innerText"), "expected")
	}
	b.lookAt("subject-refused")
	b.fill("#card_id", "tok_1")
	b.keys(kb.Enter)
	b.see("No rule watches such subjects")
	assert.False(t, b.shows("not its number"))
}

// Everything on the way can be done from the keyboard, and what changes is heard.
func TestTheKeyboardIsEnough(t *testing.T) {
	s := open(t, 1)
	s.attack(address, 6)
	b := s.console(0, "ana", "/console")
	// tabTo presses Tab until an element with this text has the focus.
	tabTo := func(text string) {
		t.Helper()
		for range 80 {
			if eval[bool](b, "(document.activeElement.innerText || document.activeElement.id || '').trim() === "+quote(text)) {
				require.NotEqual(t, "none", eval[string](b, "getComputedStyle(document.activeElement).outlineStyle"), "%s: the focus is seen", text)
				return
			}
			b.keys(kb.Tab)
		}
		require.Fail(t, "never has the focus: "+text)
	}
	b.until("document.activeElement.id === 'ip'")
	tabTo("Pause")
	b.do(chromedp.KeyEvent("k", chromedp.KeyModifiers(chromedp.ModifierCtrl)))
	b.until("document.activeElement.id === 'ip'")
	b.keys(address, kb.Enter)
	b.until("document.activeElement.innerText === '203.0.113.7'")
	b.until("document.querySelector('#say').innerText.startsWith('Blocked by cards_per_ip')")
	tabTo("Override …")
	b.keys(kb.Enter, kb.Tab, kb.Tab, kb.Tab, "a reason", kb.Enter)
	b.see("Allowed by an override of ana")
	b.until("document.querySelector('#say').innerText.startsWith('Allowed by an override')")
	b.until("document.activeElement.innerText === 'Override …'")
	// What has the focus keeps it while the page asks again and again.
	b.until("performance.getEntriesByType('resource').filter((e) => e.name.includes('/v1/addresses/')).length > 4")
	assert.Equal(t, "Override …", eval[string](b, "document.activeElement.innerText"))
	b.quiet()
}

// A customer says which order it was. What the shop calls an attempt may be an order's number:
// it stands in no URL, and what is found can be linked to.
func TestAnOrderIsFound(t *testing.T) {
	s := open(t, 2)
	const order = "order-1001/1 <b>&"
	for i, id := range []string{order, "order-1002", order} {
		s.ask(s.instances[i%2].Addr, till, "POST", "/v1/check", map[string]string{"ip": shopper(i), "card_id": "tok_a", "expiry": "12/30", "attempt_id": id})
	}
	b := s.console(0, "ana", "/console")
	b.until("document.querySelectorAll('tbody tr').length === 3")
	b.button("Find an order …")
	b.fill("#attempt", order)
	b.keys(kb.Enter)
	b.until("/^.attempt=[a-z2-7]{8}$/.test(location.search)")
	b.until("document.querySelectorAll('tbody tr').length === 2")
	b.see("2 decisions found.")
	b.see("attempt: " + order + " ✕")
	s.ask(s.instances[1].Addr, till, "POST", "/v1/check", map[string]string{"ip": shopper(7), "card_id": "tok_a", "expiry": "12/30", "attempt_id": order})
	s.check(1, shopper(8), "another")
	b.until("document.querySelectorAll('tbody tr').length === 3") // by the stream
	b.see("3 decisions found.")
	eval[any](b, "window.before = true, location.reload(), null")
	b.until("!window.before && document.querySelectorAll('tbody tr').length === 3")
	asked := eval[[]string](b, "[...performance.getEntriesByType('resource'), ...performance.getEntriesByType('navigation')].map((e) => decodeURIComponent(e.name))")
	require.NotEmpty(t, asked)
	for _, url := range asked {
		assert.NotContains(t, url, "1001")
	}
	eval[any](b, "document.querySelector('[aria-label^=\"Remove the filter attempt\"]').click(), null")
	b.until("document.querySelectorAll('tbody tr').length === 5")
	b.button("Find an order …")
	for _, id := range payloads {
		b.fill("#attempt", id)
		b.keys(kb.Enter)
		b.until("location.search.includes('attempt=')")
		b.see("Nothing of this kind was decided lately.")
		b.button("Find an order …")
	}
	b.quiet()
}
