package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// rounds measures every cell once in each round, prints how it goes, and adds verdicts. A
// row whose base is void or skipped is void.
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
			s := r.addSample(l.compare(ctx, r, &byName[r.base].cell, time.Duration(o.seconds)*time.Second))
			if ctx.Err() != nil {
				return nil, errors.New("interrupted")
			}
			fmt.Fprintf(progress, " %8.0f checks/s, %5.1f µs, load %4.1f µs, others %3.0f %% %s\n",
				s.Rate, s.CPU, s.LoadCPU, 100*s.Others, s.Void)
		}
	}
	for _, r := range rows {
		base := byName[r.base]
		if r.void == "" && r.skipped == "" {
			if base.void != "" || base.skipped != "" {
				r.void = "so is what it is compared with"
				continue
			}
			r.judge(byName)
		}
	}
	return rows, nil
}

// addSample adds the sample of a round and returns it; err says why the target did not
// start, and then later rounds leave the row out.
func (r *row) addSample(s sample, err error) sample {
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

// tries is how often a window is measured anew because the machine changed.
const tries = 2

// compare measures the row, and its base right before and right after: the speed of
// processors that are shared or heat up changes within seconds, by more than the
// difference that is looked for. When the two measurements of the base disagree, all
// is measured again.
func (l *lab) compare(ctx context.Context, r *row, base *cell, lasts time.Duration) (s sample, err error) {
	// The base itself is compared with itself: its ratios are 1.
	if base.name() == r.name() {
		s, err = l.measure(ctx, &r.cell, lasts)
		r.against = append(r.against, s)
		return s, err
	}
	var beside [2]sample
	for range tries {
		if beside[0], err = l.measure(ctx, base, lasts/2); err != nil {
			break
		}
		if s, err = l.measure(ctx, &r.cell, lasts); err != nil {
			break
		}
		if beside[1], err = l.measure(ctx, base, lasts/2); err != nil || ctx.Err() != nil {
			break
		}
		if nearlyEqual(beside[0].CPU, beside[1].CPU) {
			break
		}
	}
	// The mean of before and after takes out a drift that is linear.
	r.against = append(r.against, sample{
		Rate: (beside[0].Rate + beside[1].Rate) / 2, CPU: (beside[0].CPU + beside[1].CPU) / 2,
		Void: firstProblem(beside[0].Void, beside[1].Void),
	})
	if s.Void == "" && r.against[len(r.against)-1].Void != "" {
		s.Void = "what it is compared with: " + r.against[len(r.against)-1].Void
	}
	return s, err
}

// nearlyEqual reports whether two numbers differ by less than a fifth.
func nearlyEqual(a, b float64) bool { return a < 1.2*b && b < 1.2*a }

// measure makes the cell's experiment once. The error is that of starting the target; any
// other voids the sample.
func (l *lab) measure(ctx context.Context, c *cell, lasts time.Duration) (sample, error) {
	t, err := l.target(c.target, func(t *target) error { return c.start(ctx, l, t) })
	if err != nil {
		return sample{}, err
	}
	e := experiment{target: t, from: c.from(), conns: c.conns, rate: c.rate, beside: c.beside, lasts: lasts, slow: slow, auth: t.auth}
	return e.run(ctx), nil
}
