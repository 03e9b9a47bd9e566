package browser

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/testbed"
)

// A look is how a page is looked at.
type look struct {
	width, height int64
	zoom          float64
	theme         string
}

var looks = []look{
	{320, 640, 1, "light"}, {320, 640, 1, "dark"}, {768, 1024, 1, "light"}, {768, 1024, 1, "dark"},
	{1440, 900, 1, "light"}, {1440, 900, 1, "dark"}, {1440, 900, 2, "light"},
}

func (b *tab) as(l look) {
	b.t.Helper()
	// Zoom by 2 halves the pixels that a page has, and makes each as large as four.
	width, height := int64(float64(l.width)/l.zoom), int64(float64(l.height)/l.zoom)
	b.do(chromedp.EmulateViewport(width, height, chromedp.EmulateScale(l.zoom)))
	_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: l.theme}, {Name: "prefers-reduced-motion", Value: "reduce"}}})
	require.NoError(b.t, err)
}

// barriers returns what axe finds against WCAG 2.2 AA and its own good practice.
func (b *tab) barriers() []string {
	axe, err := os.ReadFile("node_modules/axe-core/axe.min.js")
	require.NoError(b.t, err)
	if !eval[bool](b, "'axe' in window") {
		eval[any](b, string(axe)+";null")
	}
	return eval[[]string](b, `axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] })
		.then((r) => r.violations.map((v) => v.id + ': ' + v.nodes.map((n) => n.target.join(' ')).join(', ')))`)
}

// lookAt demands that the page in this state has no barrier however it is looked at, and that
// nothing but a table or a plot reaches beyond the screen.
func (b *tab) lookAt(name string) {
	b.t.Helper()
	for _, l := range looks {
		b.as(l)
		how := fmt.Sprintf("%s-%d-%s", name, l.width, l.theme)
		if l.zoom != 1 {
			how += "-zoomed"
		}
		assert.Empty(b.t, b.barriers(), how)
		assert.LessOrEqual(b.t, eval[int](b, "document.documentElement.scrollWidth - document.documentElement.clientWidth"), 0, "%s: wider than the screen", how)
		if folder := os.Getenv("SCREENSHOTS"); folder != "" {
			picture, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
			require.NoError(b.t, err)
			require.NoError(b.t, os.WriteFile(filepath.Join(folder, how+".png"), picture, 0o644))
		}
	}
	b.quiet()
}

// Every page, in every state that it has, is for everybody.
func TestPagesAreForEverybody(t *testing.T) {
	s := open(t, 2)
	b := s.tab(0)
	b.open("/console")
	b.there("#user")
	b.lookAt("sign-in")
	b.fill("#user", "olga")
	b.fill("#password", "wrong")
	b.button("Sign in")
	b.see("do not match")
	b.lookAt("sign-in-refused")
	b.fill("#password", password)
	b.button("Sign in")
	b.see("Nothing of this kind was decided lately")
	b.lookAt("live-empty")

	s.trade()
	pages := []struct{ name, path, there, press string }{
		{"live", "/console", "tr.block", ""},
		{"live-filtered", "/console?decision=block&rule=cards_per_ip&ip=203.0.113.0/24", "tr.block", ""},
		{"live-found", "/console?attempt=aaaaaaaa", ".counts:not(:empty)", ""},
		{"live-paused", "/console", "tr.block", "Pause"},
		{"blocked", "/console/blocked", "tbody tr", ""},
		{"blocked-none-found", "/console/blocked?search=nothing", ".counts:not(:empty)", ""},
		{"overrides", "/console/overrides", "tbody tr", ""},
		{"address-blocked", "/console/address/203.0.113.7", ".verdict.block", "What it counts: 6 entries"},
		{"address-override", "/console/address/203.0.113.7", ".verdict.block", "Override …"},
		{"address-overridden", "/console/address/203.0.113.50", "q", ""},
		{"address-listed", "/console/address/192.0.2.8", "q", ""},
		{"address-allowed", "/console/address/2001:db8::7", ".verdict.allow", ""},
		{"address-private", "/console/address/10.0.0.1", ".verdict", ""},
		{"address-none", "/console/address/nobody", ".notice", ""},
		{"subject", "/console/subject", "#card_id", ""},
		{"rules", "/console/rules", "tbody tr", ""},
		{"trends", "/console/trends", ".plot rect", "As a table"},
		{"about", "/console/about", "tbody tr", ""},
		{"no-page", "/console/nothing", "h1", ""},
	}
	for _, p := range pages {
		b.as(looks[4])
		b.open(p.path)
		b.there(p.there)
		if p.press != "" {
			b.button(p.press)
		}
		b.lookAt(p.name)
	}
	b = s.console(0, "till", "/console")
	b.see("Your role does not allow this")
	b.lookAt("no-role")
}

// shopper is the IP address of one of many, in the ranges for documentation.
func shopper(i int) string {
	if i%3 == 0 {
		return fmt.Sprintf("2001:db8:%x::%x", 16+i*7%90, i+1)
	}
	return fmt.Sprint("198.51.100.", 16+i*37%230)
}

// trade has something on each page.
func (s *shop) trade() {
	s.attack(address, 9)
	s.attack("203.0.113.45", 7)
	for i := range 60 {
		s.check(i%2, shopper(i), fmt.Sprint("trade-", i))
	}
	s.check(0, "192.0.2.8", "listed")
	s.check(0, "198.51.100.3", "office")
	s.check(1, "2001:db8:7::1", "six")
	status, _ := s.ask(s.instances[0].Operators, testbed.Basic("ana", password), "PUT", "/v1/addresses/203.0.113.50/override", map[string]string{"decision": "allow", "for": "1h", "reason": "shared office, ticket 4711"})
	require.Equal(s.t, 200, status)
}

func TestASlashBehindThePathIsTakenAway(t *testing.T) {
	s := open(t, 1)
	b := s.console(0, "ana", "/console/?decision=block")
	b.there(".chips")
	assert.Equal(t, "/console?decision=block", eval[string](b, "location.pathname + location.search"))
	b.quiet()
}

// Motion is for those who want it.
func TestReducedMotionIsRespected(t *testing.T) {
	s := open(t, 1)
	b := s.console(0, "ana", "/console")
	for want, has := range map[string]string{"reduce": "0s", "no-preference": "0.12s"} {
		_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-reduced-motion", Value: want}}})
		require.NoError(t, err)
		assert.Contains(t, eval[string](b, "getComputedStyle(document.querySelector('button')).transitionDuration"), has, want)
	}
}

// A choice of theme is all that is kept, and a console is not large.
func TestWhatABrowserLoadsAndKeeps(t *testing.T) {
	s := open(t, 1)
	s.trade1()
	b := s.console(0, "ana", "/console")
	b.see("live")
	eval[any](b, "document.querySelector('.theme').click(), null")
	b.until("document.documentElement.dataset.theme === 'light'")
	eval[any](b, "document.querySelector('.theme').click(), null")
	b.open("/console/trends")
	b.until("document.documentElement.dataset.theme === 'dark'")
	b.see("Decisions")
	kept := eval[map[string]string](b, "({ ...localStorage })")
	assert.Equal(t, map[string]string{"fraudcheck theme": "dark"}, kept)
	assert.Equal(t, 0, eval[int](b, "sessionStorage.length"))
	assert.Empty(t, eval[[]string](b, "indexedDB.databases().then((all) => all.map((d) => d.name))"))
	for _, page := range []string{"blocked", "overrides", "subject", "rules", "about"} {
		b.open("/console/" + page)
		b.there("h1")
	}
	loaded := eval[[]string](b, "performance.getEntriesByType('resource').map((e) => e.name)")
	for _, name := range loaded {
		assert.True(t, strings.HasPrefix(name, b.base+"/console/a/") || strings.HasPrefix(name, b.base+"/v1/"), name)
	}
	size := eval[int](b, "Promise.all(performance.getEntriesByType('resource').filter((e) => e.name.includes('/console/a/')).map((e) => fetch(e.name).then((a) => a.arrayBuffer()).then((a) => a.byteLength))).then((all) => all.reduce((x, y) => x + y))")
	assert.Less(t, size, 250_000)
	assert.Greater(t, size, 20_000)
	b.open("/console/licences.txt")
	b.see("github.com/valyala/fasthttp")
}

// trade1 is trade for one instance.
func (s *shop) trade1() {
	for i := range 20 {
		s.check(0, shopper(i), fmt.Sprint("trade-", i))
	}
}
