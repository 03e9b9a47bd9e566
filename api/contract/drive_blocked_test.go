package contract

import "fraudcheck/internal/testbed"

// driveBlocked asks who is blocked, with filters that are taken and that are not, and as
// text, of an instance that is too young for that.
func (d *drive) driveBlocked(i *testbed.Instance) {
	const blocked = op("GET /v1/blocked")
	at := func(target string, headers ...string) *call {
		c := d.sampleOf(blocked, headers...)
		c.target = target
		return c
	}
	for _, filters := range []string{"?limit=x", "?decision=block"} {
		d.refused(i, blocked, at("/v1/blocked"+filters))
	}
	for _, filters := range []string{"?limit=1&limit=2", "?networks=1"} { // the document cannot say it
		d.ask(i, blocked, at("/v1/blocked"+filters), 400)
	}
	d.taken(i, blocked, at("/v1/blocked?limit=9&scope=this"), 200)
	d.taken(i, blocked, at("/v1/blocked?networks=1", "Accept: text/plain"), 503)
}
