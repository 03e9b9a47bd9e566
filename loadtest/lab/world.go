package lab

import (
	"container/heap"
	"hash/fnv"
	"math/rand/v2"
	"net/netip"
	"strconv"
	"time"

	"fraudcheck/internal/velocity"
)

// A world is one scenario under one set of rules: a clock that only events move, the shop
// with its checker, and the issuers.
type world struct {
	scenario  *scenario
	behaviour *behaviour
	seed      uint64
	checker   *velocity.Checker
	result    *Result

	now    time.Duration // since the start of the scenario
	events events
	serial uint64 // events and attempts so far

	decision velocity.Decision
	declines map[string][]time.Duration // of each card, those of the last day
}

// start is the wall clock at the start of every scenario: a Thursday.
const start = velocity.Time(1_767_225_600_000) // 2026-01-01T00:00:00Z

// An event is something that will happen.
type event struct {
	at     time.Duration
	serial uint64 // of one instant the first planned comes first
	do     func()
}

// after plans what happens that much later. What is due after the end does not happen.
func (w *world) after(d time.Duration, do func()) {
	if at := w.now + d; at < w.scenario.Lasts {
		w.serial++
		heap.Push(&w.events, event{at, w.serial, do})
	}
}

// run lets everything happen.
func (w *world) run() {
	for i := range w.scenario.Shoppers {
		w.open(i)
	}
	for i := range w.scenario.Attacks {
		w.attack(i)
	}
	for len(w.events) > 0 {
		e := heap.Pop(&w.events).(event)
		w.now = e.at
		e.do()
	}
}

// random returns the draws of one actor: whole numbers only, the same on every machine, and
// independent of all other actors.
func (w *world) random(name string, i int) *rand.Rand {
	h := fnv.New64a()
	h.Write([]byte(w.scenario.Name + " " + name + " " + strconv.Itoa(i)))
	return rand.New(rand.NewPCG(w.seed, h.Sum64()))
}

// An attempt is what the shop knows of one press of Pay.
type attempt struct {
	id             string
	ip             netip.Addr
	noIP           string
	card           string // the provider's fingerprint
	month, year    int
	later          bool // the card is known after the charge
	email, account string
	device, cart   string
}

// newID returns the attempt_id of another press of Pay.
func (w *world) newID() string {
	w.serial++
	return "pay-" + strconv.FormatUint(w.serial, 36)
}

// fields writes the attempt as the shop's request has it.
func (a *attempt) fields(f *velocity.Fields) {
	set := func(field velocity.Field, text string) {
		if text != "" {
			f.Set(field, text)
		}
	}
	*f = velocity.Fields{}
	if a.noIP != "" {
		set(velocity.FieldNoIP, a.noIP)
	} else {
		set(velocity.FieldIP, a.ip.String())
	}
	set(velocity.FieldAttemptID, a.id)
	set(velocity.FieldEmail, a.email)
	set(velocity.FieldAccount, a.account)
	set(velocity.FieldDevice, a.device)
	set(velocity.FieldCart, a.cart)
}

// showCard adds the card to the fields.
func (a *attempt) showCard(f *velocity.Fields) {
	f.Set(velocity.FieldCardID, a.card)
	if a.month > 0 {
		f.Set(velocity.FieldExpMonth, strconv.Itoa(a.month))
		f.Set(velocity.FieldExpYear, strconv.Itoa(a.year))
	}
}

// check asks the service, before the charge. It returns the decision, which is good until
// the next check.
func (w *world) check(a *attempt) *velocity.Decision {
	var f velocity.Fields
	a.fields(&f)
	if a.later {
		f.Set(velocity.FieldCard, "later")
	} else {
		a.showCard(&f)
	}
	parsed, err := velocity.ParseAttempt(&f)
	if err != nil {
		panic(err) // a fault of the lab: it makes valid attempts
	}
	w.checker.Check(&parsed, start+velocity.Time(w.now.Milliseconds()), nil, &w.decision)
	return &w.decision
}

// issuerTakes is how long a charge takes, and so when its outcome is told.
const issuerTakes = 3 * time.Second

// charge asks the issuer, whose answer would be this; the outage of the processor comes
// before it. The outcome is told, and then is called with whether it was approved.
func (w *world) charge(a *attempt, outcome, reason string, then func(approved bool)) {
	if o := w.scenario.Outage; o != nil && o.From <= w.now && w.now < o.From+o.Lasts {
		outcome, reason = "error", ""
	}
	if outcome == "declined" {
		w.countDecline(a.card)
	}
	told := *a
	w.after(issuerTakes, func() {
		var f velocity.Fields
		told.fields(&f)
		told.showCard(&f)
		if told.later {
			f.Set(velocity.FieldCard, "now")
		}
		f.Set(velocity.FieldOutcome, outcome)
		if reason != "" {
			f.Set(velocity.FieldReason, reason)
		}
		parsed, answer, err := velocity.ParseOutcome(&f)
		if err != nil {
			panic(err)
		}
		w.checker.Answered(&parsed, answer, start+velocity.Time(w.now.Milliseconds()), nil)
		then(outcome == "approved")
	})
}

// countDecline notes the decline of a card, and the most that one saw within a day.
func (w *world) countDecline(card string) {
	times := append(w.declines[card], w.now)
	for w.now-times[0] >= 24*time.Hour {
		times = times[1:]
	}
	w.declines[card] = times
	w.result.MostDeclines = max(w.result.MostDeclines, len(times))
}

// events is a heap, the next one first.
type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return e[i].at < e[j].at || e[i].at == e[j].at && e[i].serial < e[j].serial
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	last := len(*e) - 1
	x := (*e)[last]
	(*e)[last] = event{}
	*e = (*e)[:last]
	return x
}
