package replay

import (
	"container/heap"

	"fraudcheck/internal/velocity"
)

// pending are the outcomes that are not heard yet, the next one first; of one time in the
// order of their rows.
type pending struct {
	queue heardQueue
	spare []*heard
	made  int64
}

// A heard is an outcome that is, or will be, heard.
type heard struct {
	at       velocity.Time
	number   int64 // in the order of the rows
	outcomes []velocity.Trace
	forgets  string // of a decision log: the kind of subject that is forgotten; empty for an outcome
}

// add adds the outcome of the row.
func (p *pending) add(r *row) {
	o := p.of(r)
	o.at = r.heardAt
	heap.Push(&p.queue, o)
}

// of returns the outcome of the row. It takes the row's traces and leaves others.
func (p *pending) of(r *row) *heard {
	o := new(heard)
	if n := len(p.spare); n > 0 {
		o, p.spare = p.spare[n-1], p.spare[:n-1]
	}
	p.made++
	o.number, o.forgets = p.made, ""
	o.outcomes, r.outcomes = r.outcomes, o.outcomes
	return o
}

// next takes out the next outcome that is heard at now or before; nil where there is none.
func (p *pending) next(now velocity.Time) *heard {
	if len(p.queue) == 0 || p.queue[0].at > now {
		return nil
	}
	return heap.Pop(&p.queue).(*heard)
}

// done gives back the memory of an outcome.
func (p *pending) done(o *heard) { p.spare = append(p.spare, o) }

type heardQueue []*heard

func (q heardQueue) Len() int { return len(q) }
func (q heardQueue) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].number < q[j].number
}
func (q heardQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *heardQueue) Push(x any)   { *q = append(*q, x.(*heard)) }
func (q *heardQueue) Pop() any {
	old := *q
	last := old[len(old)-1]
	old[len(old)-1] = nil
	*q = old[:len(old)-1]
	return last
}
