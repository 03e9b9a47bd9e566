package lab

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"fraudcheck/internal/velocity"
)

// A shopper is one honest person.
type shopper struct {
	name    string
	home    int // which household
	cards   []string
	wallet  bool // pays by a wallet
	guest   bool // has no account
	counted bool // in the shoppers of the result
	blocked bool // ever

	random *rand.Rand
}

// A shoppers is a crowd at the shop.
type shoppers struct {
	*world
	crowd  *crowd
	name   string
	people []*shopper
	random *rand.Rand
}

// open makes the people of a crowd, and plans their orders.
func (w *world) open(i int) {
	c := &w.scenario.Shoppers[i]
	s := &shoppers{world: w, crowd: c, name: fmt.Sprint("crowd", i), random: w.random("crowd", i)}
	home := 0
	for n := range c.People {
		if n == 0 || !s.one(s.random, w.behaviour.Household) {
			home++
		}
		p := &shopper{name: fmt.Sprintf("%s-%d", s.name, n), home: home - 1, random: w.random(s.name, n)}
		cards := 1
		switch draw := p.random.IntN(10_000); {
		case draw < w.behaviour.ThirdCard:
			cards = 3
		case draw < w.behaviour.ThirdCard+w.behaviour.SecondCard:
			cards = 2
		}
		for card := range cards {
			p.cards = append(p.cards, fmt.Sprintf("tok_%s_%d", p.name, card))
		}
		if c.Victims {
			p.cards[0] = attackedCard(0, n)
		}
		p.wallet, p.guest = s.one(p.random, w.behaviour.Wallet), s.one(p.random, w.behaviour.Guest)
		s.people = append(s.people, p)
	}
	s.plan()
}

// one draws whether something is true that is true of n in 10,000.
func (w *world) one(random *rand.Rand, n int) bool { return random.IntN(10_000) < n }

// plan plans the orders. They arrive independently of each other: in every slot of time one
// arrives or none does, so the times between them are as those of a Poisson process.
func (s *shoppers) plan() {
	c := s.crowd
	hours, days := c.Hours, c.Days
	if len(hours) == 0 {
		hours = []int{1}
	}
	if len(days) == 0 {
		days = []int{1}
	}
	for at := time.Duration(0); at < s.scenario.Lasts; at += time.Hour {
		hour, day := int(at/time.Hour), int(at/(24*time.Hour))
		// The weights of an average hour and day are the sum over their number.
		num := uint64(c.People) * uint64(c.Orders) * uint64(hours[hour%len(hours)]*len(hours)) * uint64(days[day%len(days)]*len(days))
		s.arrive(span{at, time.Hour}, num, 24*1000*sum(hours)*sum(days))
	}
	if r := c.Rush; r != nil {
		s.arrive(r.span, uint64(r.Orders), 1)
	}
}

// arrive plans num/den orders, on average, within the span. It cuts the span into slots in
// which one arrives with a probability of at most 1/16, or none does.
func (s *shoppers) arrive(in span, num, den uint64) {
	slots := 16*num/den + 1
	slot := in.Lasts / time.Duration(slots)
	for n := range slots {
		if s.random.Uint64N(den*slots) < num {
			p := s.people[s.random.IntN(len(s.people))]
			at := in.From + time.Duration(n)*slot + time.Duration(s.random.Int64N(int64(slot/time.Millisecond)))*time.Millisecond
			s.after(at, func() { s.order(p) })
		}
	}
}

func sum(weights []int) (n uint64) {
	for _, w := range weights {
		n += uint64(w)
	}
	return n
}

// order has the shopper buy something: with the first card, unless that is declined.
func (s *shoppers) order(p *shopper) {
	if !p.counted {
		p.counted = true
		s.result.Shoppers++
	}
	a := &attempt{card: p.cards[0], later: p.wallet, email: p.name + "@example.com", device: p.name, cart: s.newID()}
	a.month, a.year = 1+len(p.name)%12, 2028
	if !p.guest {
		a.account = p.name
	}
	if s.crowd.Link {
		a.cart = attackedCart(0)
	}
	if s.crowd.Renewal {
		a.noIP, a.later, a.device, a.cart = "renewal", false, "", ""
		s.pay(p, a, s.crowd.Dunning+1)
		return
	}
	a.ip = s.address(p)
	const most = 4 // presses of Pay, then even the patient leave
	s.pay(p, a, most)
}

// attackedCard is the n-th card on the list of the i-th attacker, attackedCart the cart that
// it uses for all.
func attackedCard(i, n int) string { return fmt.Sprintf("tok_attacker%d_%d", i, n) }
func attackedCart(i int) string    { return fmt.Sprintf("link-%d", i) }

// address is where the shopper comes from today. Behind a shared IP address that changes
// from day to day: carriers keep a subscriber on one while a session lasts (RFC 6888).
func (s *shoppers) address(p *shopper) netip.Addr {
	n := p.home
	if s.crowd.Addresses > 0 {
		n = (n + int(s.now/(24*time.Hour))*7919) % s.crowd.Addresses
	} else if s.crowd.Network.Addr().Is6() {
		n <<= 8 // providers give a household a /56
	}
	if s.crowd.Scattered {
		n = scatter(n)
	}
	return nth(s.crowd.Network, n)
}

// pay presses Pay, at most that often.
func (s *shoppers) pay(p *shopper, a *attempt, left int) {
	first := a.id == ""
	a.id = s.newID()
	s.judge(p, s.check(a))
	if s.one(p.random, s.behaviour.Twice) {
		s.judge(p, s.check(a)) // pressed again before the answer: the same attempt
	}
	again := func() {
		if left > 1 {
			s.after(between(p.random, 15*time.Second, 120*time.Second), func() { s.pay(p, a, left-1) })
		}
	}
	if s.decision.Outcome == velocity.Block {
		again() // shops say "try again"; the honest do, once or twice
		return
	}
	outcome, reason := s.issuer(p, first)
	s.charge(a, outcome, reason, func(approved bool) {
		switch draw := p.random.IntN(10_000); {
		case approved:
		case s.crowd.Renewal:
			if left > 1 {
				s.after(24*time.Hour, func() { s.pay(p, a, left-1) })
			}
		case reason == "invalid_credentials": // a typing error is put right
			again()
		case draw < s.behaviour.GivesUp:
		case draw < s.behaviour.GivesUp+s.behaviour.OtherCard && len(p.cards) > 1:
			a.card = p.cards[1+p.random.IntN(len(p.cards)-1)]
			again()
		default:
			again()
		}
	})
}

// issuer draws what the issuer answers. A card that was declined for another reason than a
// typing error is declined again two times of three.
func (s *shoppers) issuer(p *shopper, first bool) (outcome, reason string) {
	short := s.behaviour.ShortOfMoney
	if s.crowd.ShortOfMoney > 0 {
		short = s.crowd.ShortOfMoney
	}
	more := 1
	if !first {
		more = 5
	}
	draw := p.random.IntN(10_000)
	for _, o := range []struct {
		n      int
		reason string
	}{{short * more, "insufficient_funds"}, {s.behaviour.Typo, "invalid_credentials"}, {s.behaviour.Declined * more, "other"}} {
		if draw < o.n {
			return "declined", o.reason
		}
		draw -= o.n
	}
	return "approved", ""
}

// judge counts what an honest attempt got.
func (s *shoppers) judge(p *shopper, d *velocity.Decision) {
	s.result.count(d, false)
	if d.Outcome == velocity.Block && !p.blocked {
		p.blocked = true
		s.result.ShoppersBlocked++
	}
}

// between draws a time between the two, in whole milliseconds.
func between(random *rand.Rand, least, most time.Duration) time.Duration {
	return least + time.Duration(random.Int64N(int64((most-least)/time.Millisecond)))*time.Millisecond
}

// scatter spreads numbers over a network: it is odd, so that no two of them meet before all
// of the network's IP addresses are used.
func scatter(n int) int { return n * 10_007 }

// nth returns the nth IP address of a network; of an IPv6 one the nth /64. Beyond the
// network's end it begins anew.
func nth(network netip.Prefix, n int) netip.Addr {
	b := network.Addr().As16()
	last, bits := 15, 32-network.Bits()
	if network.Addr().Is6() {
		last, bits = 7, 64-network.Bits()
	}
	if bits < 31 {
		n %= 1 << max(bits, 0)
	}
	for i := last; n > 0; i-- {
		n += int(b[i])
		b[i] = byte(n)
		n >>= 8
	}
	if network.Addr().Is4() {
		return netip.AddrFrom16(b).Unmap()
	}
	b[15] = 1
	return netip.AddrFrom16(b)
}
