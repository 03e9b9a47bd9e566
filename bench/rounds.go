package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// rounds measures every cell once in each round.
func (l *lab) rounds(ctx context.Context, cells []cell, o *options, progress io.Writer) ([]*row, error) {
	rows, byName := make([]*row, len(cells)), make(map[string]*row)
	for i, c := range cells {
		rows[i] = &row{cell: c}
		byName[c.name()] = rows[i]
	}
	for round := range o.rounds {
		for _, r := range rows {
			if r.cannot {
				continue
			}
			fmt.Fprintf(progress, "round %d of %d: %-40s", round+1, o.rounds, r.name())
			s := r.take(l.measure(ctx, &r.cell, time.Duration(o.seconds)*time.Second))
			if ctx.Err() != nil {
				return nil, errors.New("interrupted")
			}
			fmt.Fprintf(progress, " %8.0f checks/s, %5.1f µs, load %4.1f µs, others %3.0f %% %s\n",
				s.Rate, s.CPU, s.LoadCPU, 100*s.Others, s.Void)
		}
	}
	for _, r := range rows {
		base := byName[r.base]
		if r.against = base.samples; r.void == "" && r.skipped == "" {
			if base.void != "" || base.skipped != "" {
				r.void = "so is what it is compared with"
				continue
			}
			r.judge()
		}
	}
	return rows, nil
}

// take adds what a round showed, and returns it; err is why the target cannot be started.
func (r *row) take(s sample, err error) sample {
	if err != nil {
		r.cannot, r.skipped, s.Void = true, reasonToSkip(err), err.Error()
	}
	r.samples = append(r.samples, s)
	if s.Void == "" || r.skipped != "" {
		return s
	}
	if r.voids++; r.void == "" {
		r.void = s.Void
		if s.Others > busy {
			r.void += fmt.Sprintf(" while others took %.0f %% of the machine", 100*s.Others)
		}
	}
	return s
}

func (l *lab) measure(ctx context.Context, c *cell, lasts time.Duration) (sample, error) {
	t, err := l.target(c.target, func(t *target) error { return c.start(ctx, l, t) })
	if err != nil {
		return sample{}, err
	}
	e := experiment{target: t, from: c.from(), conns: c.conns, rate: c.rate, lasts: lasts, auth: l.auth()}
	return e.run(ctx), nil
}
