package replay

import (
	"fmt"

	"fraudcheck/internal/velocity"
)

// readTimes reads the history once for the times of its rows, before it is judged: to hold
// and sort the rows, or to know where the last third of the time begins.
func (h *history) readTimes() error {
	h.passes = 0
	var first, last velocity.Time
	rows, began := int64(0), false
	err := run(h.readFiles, workers(func() func(*job) { return h.timeRows }), func(j *job) error {
		page := uint32(0)
		if h.held != nil {
			page = uint32(len(h.held.pages))
			h.held.pages = append(h.held.pages, j.page)
			j.page = heldPage{}
		}
		for i := range j.rows[:j.used] {
			r := &j.rows[i]
			rows++
			if r.number = rows; r.ends != "" {
				return fmt.Errorf(r.ends, rows)
			}
			if r.fault != nil {
				h.note(r)
				continue
			}
			if began && r.at < last && !h.Sort {
				return outOfOrder(rows)
			}
			if !began || r.at < first {
				first = r.at
			}
			last, began = max(r.at, last), true
			if h.held != nil {
				h.held.rows = append(h.held.rows, heldRow{at: r.at, number: rows, page: page, offset: r.offset})
			}
		}
		if h.Progress != nil {
			h.Progress(rows, last)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if h.held == nil {
		h.result.Malformed, h.result.Faults = 0, nil // they will be met again
	} else if h.Sort {
		h.held.sort()
	}
	if h.scores {
		h.boundary = first + (last-first)*2/3
	}
	return nil
}

// timeRows reads the time of each row of the job, and holds its values where rows are held.
func (h *history) timeRows(j *job) {
	m := j.chunk.file.mapping
	j.page.mapping = m
	j.chunk.records(func(rec *record) {
		r := j.next()
		if r.fault, r.ends = rec.fault, rec.ends; r.fault == nil && r.ends == "" && !m.logged { // a log is in its own order
			var ok bool
			if r.at, ok = parseTime(m.time.value(rec.values)); !ok {
				r.fault = &Fault{Column: m.time.name, Expected: aTime}
			}
		}
		if r.fault = rec.told(r.fault); r.fault == nil && r.ends == "" && h.held != nil {
			r.offset = uint32(len(j.page.bytes))
			j.page.hold(rec.values)
		}
	})
}
