package replay

import (
	"fmt"
	"sync"

	"fraudcheck/internal/velocity"
)

// judge judges the rows of a job, and the outcomes that are heard between them.
func (h *history) judge(j *job) error {
	for f := range h.pans {
		h.pans[f].values += j.pans[f].values
		h.pans[f].numbers += j.pans[f].numbers
	}
	if err := h.refusePANs(false); err != nil {
		return err
	}
	h.events = h.events[:0]
	for i := range j.rows[:j.used] {
		r := &j.rows[i]
		h.rows++
		if h.held == nil {
			r.number = h.rows
		}
		if r.ends != "" {
			return fmt.Errorf(r.ends, r.number)
		}
		if r.fault != nil {
			h.note(r)
			continue
		}
		if h.began && r.at < h.last && !h.logged {
			return outOfOrder(r.number)
		}
		if h.logged {
			if err := h.follow(r); err != nil {
				return err
			}
		}
		h.last, h.began = r.at, true
		if h.logged && h.noteLogged(r) {
			continue
		}
		for heard := h.pending.next(r.at); heard != nil; heard = h.pending.next(r.at) {
			h.events = append(h.events, event{at: heard.at, heard: heard})
		}
		h.events = append(h.events, event{at: r.at, row: r})
		if r.hears {
			h.pending.add(r)
		}
	}
	err := h.judgeEvents()
	for i := range h.events {
		if heard := h.events[i].heard; heard != nil {
			h.pending.done(heard)
		}
	}
	if h.Progress != nil {
		h.Progress(h.rows, h.last)
	}
	return err
}

func outOfOrder(row int64) error {
	return fmt.Errorf("row %d is before the row above it in time: give --sort, and all rows are sorted, in memory", row)
}

// note counts a malformed row, and names the first ones.
func (h *history) note(r *row) {
	if h.passes > 1 {
		return
	}
	h.result.Malformed++
	if r.fault.Row = r.number; len(h.result.Faults) < keptFaults {
		h.result.Faults = append(h.result.Faults, *r.fault)
	}
}

// noteLogged counts what a line of a decision log says beside its attempt. It reports true
// for a line that is no check, which it makes an event of where it changes something.
func (h *history) noteLogged(r *row) (done bool) {
	if h.passes == 1 {
		h.result.Degraded += one(r.degraded)
		h.result.Gaps += one(r.lost)
		h.result.Others += one(r.does != isCheck)
	}
	if r.does == isChange {
		heard := h.pending.of(r)
		heard.at, heard.forgets = r.at, r.forgets
		h.events = append(h.events, event{at: r.at, heard: heard})
	}
	return r.does != isCheck
}

// judgeEvents applies the events to all lanes, each on a goroutine, the first one on several.
func (h *history) judgeEvents() error {
	var group sync.WaitGroup
	for i := range h.lanes {
		if i > 0 {
			group.Go(func() { _ = h.judgeOn(i, h.lanes[i].check, nil) })
		}
	}
	each := h.countRow
	if h.passes > 1 {
		each = nil
	}
	err := h.judgeFirst(each)
	group.Wait()
	return err
}

// judgeFirst applies the events to the first lane.
func (h *history) judgeFirst(each eachRow) error {
	l := h.lanes[0]
	if len(l.parts) < 2 {
		return h.judgeOn(0, l.check, each)
	}
	rules := len(l.meters)
	l.results = append(l.results[:0], make([]velocity.RuleResult, len(h.events)*rules)...)
	of := func(i int) []velocity.RuleResult { return l.results[i*rules:][:rules] }
	var group sync.WaitGroup
	for _, p := range l.parts {
		group.Go(func() {
			for i := range h.events {
				if e := &h.events[i]; e.heard != nil {
					p.Answered(&e.heard.outcomes[0], e.at)
				} else {
					p.Check(&e.row.checks[0], e.at, of(i))
				}
			}
		})
	}
	group.Wait()
	return h.judgeOn(0, func(i int, e *event, t *velocity.Trace) {
		if e.heard == nil {
			l.judgement.Results = of(i)
			l.engine.Decide(t, &l.judgement)
		}
	}, each)
}

// check applies an event to the lane.
func (l *lane) check(_ int, e *event, t *velocity.Trace) {
	if e.heard != nil {
		l.engine.Answered(t, e.at)
	} else {
		l.engine.Check(t, e.at, &l.judgement)
	}
}

type eachRow func(*row, *velocity.Judgement) error

// judgeOn has the events applied to the i-th lane, and counts what it finds about rows.
func (h *history) judgeOn(i int, apply func(i int, e *event, t *velocity.Trace), each eachRow) error {
	l := h.lanes[i]
	for n := range h.events {
		e := &h.events[n]
		if e.heard != nil {
			t := &e.heard.outcomes[i]
			apply(n, e, t)
			for k, m := range l.meters {
				if m != nil && m.rules[0].Per == e.heard.forgets {
					m.holds.forget(l.engine.Subject(t, k))
				}
			}
			continue
		}
		r, part := e.row, tuning
		if h.scores && r.at >= h.boundary {
			part = reporting
		}
		apply(n, e, &r.checks[i])
		for k, m := range l.meters {
			if m != nil {
				m.add(r, part, &l.judgement, &l.judgement.Results[k], l.engine.Subject(&r.checks[i], k))
			}
		}
		if each != nil {
			if err := each(r, &l.judgement); err != nil {
				return err
			}
		}
	}
	return nil
}

// countRow counts a row that was judged by the configuration, and tells it.
func (h *history) countRow(r *row, j *velocity.Judgement) error {
	result := &h.result
	if result.Judged == 0 {
		result.From = r.at
	}
	result.To = r.at
	result.Judged++
	result.Decisions[j.Outcome]++
	if r.outcome != nil {
		if result.MalformedOutcomes++; result.MalformedOutcomes == 1 {
			result.OutcomeFault = *r.outcome
			result.OutcomeFault.Row = r.number
		}
	}
	if h.Each == nil {
		return nil
	}
	h.judged.Row, h.judged.At, h.judged.Judgement = r.number, r.at, j
	h.judged.Explained, h.judged.Fraud, h.judged.Amount = r.subject, r.fraud, r.amount
	h.judged.Subjects = h.judged.Subjects[:0]
	for k := range h.rules {
		h.judged.Subjects = append(h.judged.Subjects, h.lanes[0].engine.Subject(&r.checks[0], k))
	}
	return h.Each(&h.judged)
}
