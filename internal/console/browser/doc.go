// Package browser tests the console in a real browser: Debian's Chromium, driven by its own
// protocol (chromedp), against the real program with a real memcached, as an analyst would use
// it. make console-test runs it.
//
// It is a module of its own so that neither the driver nor what comes from npm (axe-core,
// which looks for barriers, and the big list of naughty strings) is a dependency of the
// service, and so that make test needs no browser. Nothing here is shipped.
//
// With the variable SCREENSHOTS, pictures of all pages are written to that folder.
package browser
