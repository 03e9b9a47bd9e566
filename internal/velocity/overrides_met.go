package velocity

import (
	"bytes"
	"cmp"
	"net/netip"
	"slices"
	"sync"
)

// maxMet bounds the overrides that an instance remembers for its list; beyond it the one
// set longest ago leaves the list, and stays in force.
const maxMet = 2048

// metOverrides are the marks of overrides that this instance set or met, by subject. The
// store cannot be asked for them: it knows no address.
type metOverrides struct {
	mu sync.Mutex
	of map[netip.Prefix]mark
}

// A SubjectOverride is an override and what it is on: an IPv4 address, or a network of
// IPv6 addresses.
type SubjectOverride struct {
	Subject string
	Override
}

// met notes the override in v's result, or that it has been removed.
func (c *Checker) met(v *call, a *Attempt) {
	m := v.update.result.known.mark(overrideKey)
	if m == nil {
		return
	}
	c.overrides.note(subjectOf(a.Address, v.plan), m)
}

// subjectOf is the "ip" subject of the address.
func subjectOf(addr netip.Addr, p *Plan) netip.Prefix {
	bits := addr.BitLen()
	if !addr.Is4() {
		bits = p.ipv6Prefix
	}
	return netip.PrefixFrom(addr, bits).Masked()
}

func (o *metOverrides) note(subject netip.Prefix, m *mark) {
	o.mu.Lock()
	defer o.mu.Unlock()
	known, found := o.of[subject]
	if found && known.at == m.at && bytes.Equal(known.data, m.data) {
		return
	}
	if _, _, _, ok := parseOverride(m); !ok {
		delete(o.of, subject)
		return
	}
	if o.of == nil {
		o.of = make(map[netip.Prefix]mark)
	}
	if !found && len(o.of) >= maxMet {
		o.dropOldest()
	}
	o.of[subject] = mark{key: m.key, at: m.at, data: bytes.Clone(m.data)}
}

func (o *metOverrides) dropOldest() {
	var oldest netip.Prefix
	for subject, m := range o.of {
		if first := o.of[oldest]; !oldest.IsValid() || m.at < first.at {
			oldest = subject
		}
	}
	delete(o.of, oldest)
}

// subjects returns those whose override has not ended at now, and drops the others.
func (o *metOverrides) subjects(now Time) (subjects []netip.Prefix) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for subject, m := range o.of {
		if set, _, _, ok := parseOverride(&m); !ok || now >= set.Until {
			delete(o.of, subject)
			continue
		}
		subjects = append(subjects, subject)
	}
	return subjects
}

// Overrides returns the overrides in force at now that this instance set or met, the
// newest first; at most 2,048. Each is looked up: another instance may have removed it.
func (c *Checker) Overrides(now Time) (all []SubjectOverride) {
	v := c.calls.Get().(*call)
	defer c.calls.Put(v)
	for _, subject := range c.overrides.subjects(now) {
		a := Attempt{Address: subject.Addr()}
		v.begin(c.Plan())
		c.beginSubject(v, v.plan.overridden(), &a, now, read)
		c.update(v, &a)
		c.met(v, &a)
		if o := c.openOverride(v, now); o != nil {
			all = append(all, SubjectOverride{c.Subject(subject.Addr()), *o})
		}
	}
	slices.SortFunc(all, func(a, b SubjectOverride) int {
		return cmp.Or(cmp.Compare(b.Since, a.Since), cmp.Compare(a.Subject, b.Subject))
	})
	return all
}
