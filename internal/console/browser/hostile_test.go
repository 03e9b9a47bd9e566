package browser

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/testbed"
)

const jwtSecret = "7b1e0c5d9f3a48e2b6c4d8a1f0e97352"

// token is an access token of a caller that is called so.
func token(t *testing.T, name string) string {
	claims, err := json.Marshal(map[string]any{"sub": name, "aud": "fraudcheck", "roles": []string{"checker"}, "exp": time.Now().Add(time.Hour).Unix()})
	require.NoError(t, err)
	signed := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + base64.RawURLEncoding.EncodeToString(claims)
	mac := hmac.New(sha256.New, []byte(jwtSecret))
	mac.Write([]byte(signed))
	return "Bearer " + signed + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// payloads run where a page takes text for markup, for a script or for a URL.
var payloads = []string{
	`<script>ran(1)</script>`,
	`"><script>ran(2)</script>`,
	`<img src=x onerror=ran(3)>`,
	`'"><img src=x onerror=ran(4)>`,
	`<svg onload=ran(5)>`,
	`<svg><script>ran(6)</script></svg>`,
	`<iframe srcdoc="<script>parent.ran(7)</script>">`,
	`<iframe src="javascript:parent.ran(8)">`,
	`javascript:ran(9)`,
	`<a href="javascript:ran(10)" autofocus onfocus=ran(10)>x</a>`,
	`<input autofocus onfocus=ran(11)>`,
	`<details open ontoggle=ran(12)>`,
	`<body onload=ran(13)>`,
	`<math><mtext><table><mglyph><style><img src=x onerror=ran(14)>`,
	`<style>@import 'javascript:ran(15)';</style>`,
	`<object data="javascript:ran(16)">`,
	`<form action="javascript:ran(17)"><button>x</button></form>`,
	`<meta http-equiv=refresh content="0;url=javascript:ran(18)">`,
	`</title></textarea></style></noscript><script>ran(19)</script>`,
	`{{constructor.constructor('ran(20)')()}}${ran(20)}`,
	`<template><script>ran(21)</script></template><!--><img src=x onerror=ran(21)>`,
}

func naughty(t *testing.T) (strs []string) {
	text, err := os.ReadFile("node_modules/big-list-of-naughty-strings/blns.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &strs))
	require.Greater(t, len(strs), 400)
	return append(strs, payloads...)
}

// Whatever name a caller has, it is shown as it is written.
func TestNamesOfCallersAreText(t *testing.T) {
	s := open(t, 1)
	b := s.console(0, "<img src=x onerror=ran(1)>", "/console")
	b.see("<img src=x onerror=ran(1)>") // in the frame
	taken := 0
	for i, batch := 0, naughty(t); len(batch) > 0; i++ {
		n := min(90, len(batch))
		ip := fmt.Sprintf("203.0.113.%d", i+1)
		for card, name := range batch[:n] {
			s.ask(s.instances[0].Addr, token(t, name), "POST", "/v1/check", map[string]string{"ip": ip, "card_id": fmt.Sprint("tok_", card), "expiry": "12/30"})
		}
		batch = batch[n:]
		_, list := s.ask(s.instances[0].Operators, testbed.Basic("ana", password), "GET", "/v1/decisions?limit=1000&ip="+ip, nil)
		var names []string
		for _, d := range list["decisions"].([]any) {
			names = append(names, d.(map[string]any)["caller"].(string))
		}
		taken += len(names)
		b.open("/console?ip=" + ip)
		b.until(fmt.Sprintf("document.querySelectorAll('tbody tr').length === %d", len(names)))
		assert.ElementsMatch(t, names, eval[[]string](b, "[...document.querySelectorAll('tbody tr')].map((row) => row.lastElementChild.textContent)"))
		b.quiet()
	}
	assert.Greater(t, taken, 400, "callers by such names were let in")
}

func TestReasonsAndNotesAreText(t *testing.T) {
	s := open(t, 1)
	of := map[string]string{} // reasons by IP address
	for i, reason := range naughty(t) {
		ip := fmt.Sprintf("203.0.%d.%d", i/250, i%250+1)
		status, _ := s.ask(s.instances[0].Operators, testbed.Basic("<img src=x onerror=ran(1)>", password), "PUT", "/v1/addresses/"+ip+"/override", map[string]string{"decision": "block", "for": "1h", "reason": reason})
		if status == 200 {
			of[ip] = reason
		}
	}
	require.Greater(t, len(of), 300)
	b := s.console(0, "ana", "/console/overrides")
	b.until(fmt.Sprintf("document.querySelectorAll('tbody tr').length === %d", len(of)))
	assert.Equal(t, of, eval[map[string]string](b, "Object.fromEntries([...document.querySelectorAll('tbody tr')].map((row) => [row.children[0].textContent, row.children[4].textContent]))"))
	b.quiet()
	for _, payload := range payloads {
		for ip, reason := range of {
			if reason == payload {
				b.open("/console/address/" + ip)
				b.until("document.querySelector('q') && document.querySelector('q').textContent === " + quote(payload))
				b.quiet()
			}
		}
	}
	b.open("/console/address/192.0.2.8")
	b.see("<b>a hosting provider</b>")
	b.quiet()
}

// What stands in the URL or is typed is text, too.
func TestWhatIsAskedForIsText(t *testing.T) {
	s := open(t, 1)
	s.attack(address, 6)
	b := s.console(0, "ana", "/console")
	for _, payload := range payloads {
		in := url.QueryEscape(payload)
		b.open("/console/address/" + url.PathEscape(payload))
		if strings.Contains(payload, "/") {
			b.see("there is nothing at this path") // a page's path has no more segments
		} else {
			b.until("document.querySelector('h1') && document.querySelector('h1').textContent === " + quote(payload))
			b.see("expected an IPv4 or IPv6 address")
		}
		b.quiet()
		b.open("/console?rule=" + in + "&ip=" + in + "&request_id=" + in + "&decision=" + in)
		b.there(".chips")
		b.quiet()
		b.open("/console/blocked?search=" + in + "&sort=" + in)
		b.see("of 1 IP address")
		b.quiet()
	}
	b.open("/console/subject")
	b.see("Other subject")
	for _, payload := range payloads {
		b.fill("#card_id", payload)
		eval[any](b, "document.querySelector('.lookup').requestSubmit(), null")
		b.until("document.querySelector('.verdict, .notice')")
	}
	b.quiet()
	b.button("Sign out")
	for _, payload := range payloads[:3] {
		b.fill("#user", payload)
		b.fill("#password", payload)
		b.button("Sign in")
		b.see("This name and password do not match.")
	}
	b.quiet()
}

// The policy refuses what is planted in a page as it is served, so the tests above would
// notice it. Without the policy, each of the plants takes.
func TestThePolicyRefusesWhatIsServed(t *testing.T) {
	s := open(t, 1)
	const policy = "Content-Security-Policy"
	// planted opens a page with the plants, under the policy that change makes of the true one.
	planted := func(change func(policy string) string) *tab {
		to, err := url.Parse("http://" + s.instances[0].Operators)
		require.NoError(t, err)
		proxy := &httputil.ReverseProxy{
			Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) },
			ModifyResponse: func(r *http.Response) error {
				r.Header.Set(policy, change(r.Header.Get(policy)))
				if !strings.HasPrefix(r.Header.Get("Content-Type"), "text/html") {
					return nil
				}
				page, err := io.ReadAll(r.Body)
				page = append(page, "<script>ran(1)</script><style>body { display: inline }</style><p style='position: fixed' onclick=ran(2)>planted</p>"...)
				r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(page)), int64(len(page))
				r.Header.Set("Content-Length", strconv.Itoa(len(page)))
				return err
			},
		}
		server := httptest.NewServer(proxy)
		t.Cleanup(server.Close)
		b := s.tab(0)
		b.do(chromedp.Navigate(server.URL + "/console"))
		b.there("#user")
		eval[any](b, "[...document.querySelectorAll('p')].at(-1).click(), null")
		return b
	}
	const styles = "getComputedStyle(document.body).display + ' ' + getComputedStyle([...document.querySelectorAll('p')].at(-1)).position"

	b := planted(func(policy string) string { return policy })
	for _, directive := range []string{"script-src-elem", "script-src-attr", "style-src-elem", "style-src-attr"} {
		b.until("window.refused.some((r) => r.startsWith(" + quote(directive+" inline") + "))")
	}
	assert.Equal(t, "block static", eval[string](b, styles))
	assert.Empty(t, eval[[]string](b, "window.ranBy"))

	b = planted(func(policy string) string {
		return strings.NewReplacer("script-src 'self'", "script-src 'self' 'unsafe-inline'", "style-src 'self'", "style-src 'self' 'unsafe-inline'").Replace(policy)
	})
	assert.Equal(t, "inline fixed", eval[string](b, styles))
	assert.Equal(t, []string{"1", "2"}, eval[[]string](b, "window.ranBy"))
	assert.Empty(t, eval[[]string](b, "window.refused"))
}

// It refuses what a script plants, too.
func TestThePolicyRefusesWhatIsPlanted(t *testing.T) {
	s := open(t, 1)
	b := s.console(0, "ana", "/console")
	plants := map[string]string{
		"style-src-elem":            "(() => { const e = document.createElement('style'); e.textContent = 'body{display:none}'; document.head.append(e); })(), null",
		"style-src-attr":            "document.body.setAttribute('style', 'display:none'), null",
		"require-trusted-types-for": "(() => { const e = document.createElement('script'); e.append('ran(1)'); document.head.append(e); })(), null",
		"connect-src":               "fetch('http://127.0.0.1:1/').then(() => null, () => null)",
		"img-src":                   "(() => { const e = document.createElement('img'); e.src = 'http://127.0.0.1:1/x.png'; document.body.append(e); })(), null",
	}
	for directive, plant := range plants {
		eval[any](b, plant)
		b.until("window.refused.some((r) => r.startsWith(" + quote(directive) + "))")
	}
	assert.Equal(t, "TypeError", eval[string](b, "(() => { try { document.body.innerHTML = '<b>x</b>'; return 'taken'; } catch (e) { return e.name; } })()"), "Trusted Types")
	assert.Equal(t, "TypeError", eval[string](b, "(() => { try { document.body.setAttribute('onclick', 'ran(2)'); return 'taken'; } catch (e) { return e.name; } })()"))
	assert.Equal(t, "TypeError", eval[string](b, "(() => { try { trustedTypes.createPolicy('x', {}); return 'made'; } catch (e) { return e.name; } })()"))
	assert.Equal(t, "block", eval[string](b, "getComputedStyle(document.body).display"))
	assert.Empty(t, eval[[]string](b, "window.ranBy"))
}
