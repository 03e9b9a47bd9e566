package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"time"

	"fraudcheck/internal/testbed"
)

// A sample is what one window measured. Numbers that do not apply are NaN.
type sample struct {
	Rate     float64 // checks a second
	P50      float64 // ms
	P99      float64
	P999     float64
	CPU      float64 // µs per check, of all processes that answer
	StoreCPU float64 // µs per check, of memcached
	Trips    float64 // commands to memcached per check
	Allocs   float64 // of the service, per check
	Sent     float64 // bytes per check from the callers, their outcomes with them
	Received float64 // bytes per check to the callers
	ToStore  float64 // bytes per check that memcached read
	Stored   float64 // bytes per check that memcached wrote
	LoadCPU  float64 // µs per check, of the load
	Others   float64 // share of the machine that other processes took, from 0 to 1
	Note     string  // what else helps to read the row
	Void     string  // why the sample must not be used; empty when it may
}

// An experiment is one window of load on a target. rate is 0 for a closed loop, else
// calls a second; slow is the longest that an answer may take; auth is the Authorization
// header.
type experiment struct {
	target *target
	from   *traffic
	conns  int
	rate   int
	beside crowd
	lasts  time.Duration
	slow   time.Duration
	auth   string
}

// A state is what the target says of itself; it is read before and after the load, while
// no call is in flight.
type state struct {
	store   map[string]float64
	metrics []testbed.Metrics // of each instance
}

// state reads the statistics of memcached and the metrics of every instance. Reading
// costs the service allocations, which sample subtracts.
func (t *target) state() (s state, err error) {
	if t.store != nil {
		if s.store, err = t.store.Stats(); err != nil {
			return s, err
		}
	}
	for _, i := range t.instances {
		m, err := i.Metrics()
		if err != nil {
			return s, err
		}
		s.metrics = append(s.metrics, m)
	}
	return s, nil
}

// growth returns by how much a metric grew, summed over instances and labels. A metric
// that is not there is an error: a renamed one must not read as 0.
func (s state) growth(since state, name string) (sum float64, err error) {
	for n, m := range s.metrics {
		now, known := m.Sum(name)
		if !known {
			return 0, fmt.Errorf("no metric %s", name)
		}
		then, _ := since.metrics[n].Sum(name)
		sum += now - then
	}
	return sum, nil
}

// degradedBy says why checks were degraded, as far as the program tells.
func (s state) degradedBy(since state) (why string) {
	for _, reason := range []string{"store", "wait"} {
		series, n := `fraudcheck_degraded_checks_total{reason="`+reason+`"}`, 0.0
		for i, m := range s.metrics {
			n += m[series] - since.metrics[i][series]
		}
		if n > 0 {
			why += fmt.Sprintf(", %.0f for reason %s", n, reason)
		}
	}
	return why
}

// stored returns by how much statistics of memcached grew, added up.
func (s state) stored(since state, names ...string) (sum float64) {
	for _, name := range names {
		sum += s.store[name] - since.store[name]
	}
	return sum
}

// A clock is a time, and the processor time used until then by the service, memcached,
// the load and the whole machine.
type clock struct {
	at                        time.Time
	cpu, store, load, machine time.Duration
}

// clock reads the time last, so that the processor time is of no later moment.
func (t *target) clock() (c clock, err error) {
	pids, err := t.pids()
	if err != nil {
		return c, err
	}
	if c.cpu, err = testbed.CPU(pids...); err != nil {
		return c, err
	}
	if t.store != nil {
		if c.store, err = testbed.CPU(t.store.PID()); err != nil {
			return c, err
		}
	}
	if c.load, err = testbed.CPU(os.Getpid()); err != nil {
		return c, err
	}
	if c.machine, err = testbed.MachineCPU(); err != nil {
		return c, err
	}
	c.at = time.Now()
	return c, nil
}

// run makes the experiment; an error voids the sample, and says which processes have
// ended.
func (e *experiment) run(ctx context.Context) sample {
	s, err := e.sample(ctx)
	if err != nil {
		s.Void = err.Error() + e.target.ended()
	}
	return s
}

// ended says which instances have ended, and why; empty for none.
func (t *target) ended() (why string) {
	for _, i := range t.instances {
		select {
		case <-i.Exited():
			why += fmt.Sprintf("; fraudcheck has ended, exit code %d, last lines:\n%s", i.ExitCode(), i.LastLines())
		default:
		}
	}
	return why
}

// sample opens the connections, seeds, measures the window, and then asks whether the
// target did what the row says.
func (e *experiment) sample(ctx context.Context) (s sample, err error) {
	l := &load{slow: e.slow}
	defer l.close()
	start, err := e.target.state()
	if err != nil {
		return s, err
	}
	if err := l.open(e.target.addrs, e.auth, e.from, e.conns); err != nil {
		return s, err
	}
	// Two readings, to subtract the cost of one.
	idle, err := e.target.state()
	if err != nil {
		return s, err
	}
	before, err := e.target.state()
	if err != nil {
		return s, err
	}
	var clocks []clock
	at := func() error {
		c, err := e.target.clock()
		clocks = append(clocks, c)
		return err
	}
	calls := l.closedLoop
	if e.rate > 0 {
		calls = func() { l.openLoop(e.rate) }
	}
	leave := e.beside.come(ctx, e.target)
	err = l.window(ctx, e.lasts, at, calls)
	if err = errors.Join(err, leave()); err != nil {
		return s, err
	}
	after, err := e.target.state()
	if err != nil {
		return s, err
	}
	t := l.tally()
	s = newSample(t, clocks[0], clocks[1])
	if s.Void = firstProblem(t.wrongAnswers(), e.from.judge(t)); s.Void != "" {
		if t.degraded > 0 {
			s.Void += after.degradedBy(start)
		}
		return s, nil
	}
	// The exact number is judged by the traffic; here it is shown.
	if t.attacks > 0 {
		s.Note = fmt.Sprintf("%d cards of the attack passed", t.passed)
	}
	for _, c := range l.callers {
		s.Sent += float64(c.Sent) / float64(t.calls)
		s.Received += float64(c.Received) / float64(t.calls)
	}
	err = e.inside(&s, t, [4]state{start, idle, before, after})
	return s, err
}

// newSample returns the numbers of a window between two clocks.
func newSample(t *tally, from, to clock) sample {
	window, checks := to.at.Sub(from.at), float64(t.window)
	perCheck := func(d time.Duration) float64 { return d.Seconds() * 1e6 / checks }
	// What is left of the machine's time is of processes that are no part of the
	// experiment.
	others := to.machine - from.machine - (to.cpu - from.cpu) - (to.store - from.store) - (to.load - from.load)
	return sample{
		Rate: checks / window.Seconds(),
		P50:  t.quantile(50), P99: t.quantile(99), P999: t.quantile(99.9),
		CPU: perCheck(to.cpu - from.cpu), StoreCPU: perCheck(to.store - from.store),
		Trips: math.NaN(), Allocs: math.NaN(), ToStore: math.NaN(), Stored: math.NaN(),
		LoadCPU: perCheck(to.load - from.load),
		Others:  max(0, others.Seconds()/window.Seconds()/float64(runtime.NumCPU())),
	}
}

// inside adds what the target's metrics say, and checks that they agree with the answers:
// no check degraded, no record forgotten, as many checks counted as answered, as many
// items in memcached as there were new addresses. at is the states at the start, after
// the seeding (twice) and after the load.
func (e *experiment) inside(s *sample, t *tally, at [4]state) error {
	start, idle, before, after := at[0], at[1], at[2], at[3]
	checks := float64(t.after)
	if len(e.target.instances) == 0 {
		s.StoreCPU = math.NaN()
		return nil
	}
	// From the start, seeding included: a record that was forgotten then would count as
	// new later.
	for _, name := range []string{"fraudcheck_degraded_checks_total", "fraudcheck_store_evicted_in_window_total"} {
		if grown, err := after.growth(start, name); err != nil {
			return err
		} else if grown != 0 {
			return fmt.Errorf("%s grew by %v", name, grown)
		}
	}
	if counted, err := after.growth(start, "fraudcheck_checks_total"); err != nil {
		return err
	} else if counted != float64(t.calls) {
		return fmt.Errorf("%v checks counted, %d answered", counted, t.calls)
	}
	allocs, err := after.growth(before, "go_memstats_mallocs_total")
	if err != nil {
		return err
	}
	reading, err := before.growth(idle, "go_memstats_mallocs_total")
	if err != nil {
		return err
	}
	// Reading the metrics allocates too, about as much each time.
	s.Allocs = (allocs - reading) / checks
	if dropped, err := after.growth(before, "fraudcheck_log_dropped_total"); err != nil {
		return err
	} else if dropped > 0 {
		s.Note = fmt.Sprintf("%.2f log lines dropped per check", dropped/checks)
	}
	if e.target.store == nil {
		s.StoreCPU = math.NaN()
		return nil
	}
	s.Trips = after.stored(before, "cmd_get", "cmd_set", "cmd_touch") / checks
	s.ToStore = after.stored(before, "bytes_read") / checks
	s.Stored = (after.stored(before, "bytes_written") - before.stored(idle, "bytes_written")) / checks
	if evicted := after.stored(start, "evictions"); evicted > 0 {
		return fmt.Errorf("memcached evicted %v items", evicted)
	}
	items, fresh := after.stored(start, "curr_items"), float64(t.fresh)+float64(e.from.beside)
	if e.from.orders {
		// Each shopper is an address, a card, a cart and at most a network.
		if items < 3*fresh {
			return fmt.Errorf("memcached holds %v items more, there were %v new shoppers", items, fresh)
		}
		return nil
	}
	if math.Abs(items-fresh) > 1 { // the canary may have been added
		return fmt.Errorf("memcached holds %v items more, there were %v new addresses", items, fresh)
	}
	return nil
}
