// Loadtest puts the real fraudcheck program under load while things go wrong:
// memcached is killed, hangs, sends garbage or loses its memory, callers are slow or too
// many, the program itself is stopped, killed or reloaded. It prints which promises held.
//
//	go run ./loadtest                     every fault, one after the other
//	go run ./loadtest --short             the same in a minute; times are not judged
//	go run ./loadtest --only hung         one fault (its name is the first column)
//	go run ./loadtest --only saturated    all faults whose name begins so
//	go run ./loadtest --json rows.json    the table for a program to read
//
// It exits 1 when a promise was broken, or when a fault could not be made, and 2 when
// nothing was broken but this machine was too slow, or too busy, to judge all of it. It
// needs memcached on the machine, and Linux; all that it starts listens on free
// ports of the loopback and is ended again, whatever happens.
//
// # What is promised
//
//   - Every valid call is answered 200. Only beyond limits.in_flight may it be 503,
//     with Retry-After. Calls in flight in a program that is killed do not count, nor do
//     connections that are refused because no process listens.
//   - An honest shopper, who shows one or two cards, is always allowed.
//   - A blocked address stays blocked, whatever memcached forgets: at an instance that
//     never saw it, too, unless that answers degraded. A forgotten one stays forgotten.
//   - Within two seconds of the fault's end no answer is degraded any more.
//   - 99 of 100 calls take less than 100 ms, from the moment they were due.
//
// In a crowd (the rows saturated-*: 64 to 4,000 connections that call as fast as they
// are answered) the same holds, and:
//
//   - Of an attacker's cards exactly block_over pass, counted card by card.
//   - At most one check in a thousand is degraded with limits.answer: 2s. With the
//     default, of 1,000 and 2,000 connections 99 in 100 calls take less than 100 ms, most
//     of them fresh, and the median wait for a turn is at most half of limits.answer.
//   - The rate is at least 0.9 of that at 64 connections, also at 4,000, where what is
//     beyond limits.in_flight gets 503 at once.
//   - No check is degraded because of a store that is well; one that failed is used again
//     two seconds after it is well, although the crowd goes on calling.
//   - A forgotten IP address passes within a second.
//
// A crowd is judged by what the machine carries: its rate at 64 connections, measured
// before and after. N connections that are answered R times a second wait N/R on
// average, whatever the program does. So a bar that is missed on a machine that is too
// slow for it, that changed meanwhile, or that others used, is "NOT JUDGED", which is not
// kept.
//
// # How to read the table
//
// The machine stands above it. In all rows but those of a crowd load is an open loop: a
// call is due at its instant whether or not earlier ones were answered, and its latency
// counts from there. Calls are all of them, from a second before the fault until three
// after it; latencies and the degraded share are of the calls due during the fault or of
// those due after it, whichever is worse. Recovery is the time from the fault's end to
// the last degraded answer. In the row of a crowd all is of its middle stage; latency
// counts from when a call was sent. What each fault does is the comment of its function
// in faults_*.go.
//
// # Load alone
//
// Against a program that runs already, for as long as is asked:
//
//	go run ./loadtest --target http://127.0.0.1:8080 --user shop --password P --rate 2000 --duration 30s --mix mixed
//
// The mixes: honest shoppers, each from an address (2001:db8::/32) of its own; an
// attack, a few addresses (203.0.113.0/24) that show a new card every time; or
// mixed, one call in five of the attack. What is judged supposes the default rule.
//
// # Attacks on virtual time
//
// "go run ./loadtest lab" scores rules against attacks and honest trade: see package lab.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"fraudcheck/loadtest/lab"
)

var (
	// errBroken: the table says which promise.
	errBroken = errors.New("a promise was broken")
	// errUnjudged: the table says which promise, and why.
	errUnjudged = errors.New("this machine cannot show all promises")
)

// options are the flags; their help is what they do.
type options struct {
	Only    string `help:"Only these faults, separated by commas." placeholder:"NAME"`
	Seconds int    `help:"How long a fault lasts (5; with --short 1)." placeholder:"N"`
	Rate    int    `help:"Calls per second (1000; with --short 300)." placeholder:"N"`
	Short   bool   `help:"A minute for all of it; times are not judged."`
	Program string `help:"A fraudcheck binary to put under load instead of building this tree." type:"existingfile" placeholder:"PATH"`
	JSON    string `help:"Where to write the rows as JSON as well." placeholder:"FILE"`

	Target   string        `help:"Load only, against a program that runs already." placeholder:"URL"`
	User     string        `help:"Its user." placeholder:"U"`
	Password string        `help:"And password." placeholder:"P"`
	Duration time.Duration `help:"How long to load it." default:"10s"`
	Mix      string        `help:"honest, attack or mixed." enum:"honest,attack,mixed" default:"mixed"`
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "lab" {
		if err := lab.Main(os.Args[2:], os.Stdout, os.Stderr); err != nil {
			fmt.Fprintln(os.Stderr, "loadtest lab:", err)
			os.Exit(1)
		}
		return
	}
	var o options
	kong.Parse(&o, kong.Description("Load and faults for the real fraudcheck program."))
	if o.Seconds < 0 || o.Rate < 0 {
		fmt.Fprintln(os.Stderr, "loadtest: --seconds and --rate are positive")
		os.Exit(1)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, &o, os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "loadtest:", err)
		if err == errUnjudged {
			os.Exit(2)
		}
		os.Exit(1)
	}
}

// run puts the program under load, fault by fault, and prints a row for each as soon as
// it is over. It returns every broken promise, and every fault that could not be made.
func run(ctx context.Context, o *options, stdout io.Writer, stderr *os.File) error {
	if o.Rate == 0 {
		o.Rate = 1000
		if o.Short {
			o.Rate = 300
		}
	}
	if o.Target != "" {
		return loadOnly(ctx, o, stdout)
	}
	chosen, err := choose(o.Only)
	if err != nil {
		return err
	}
	s, err := newRunner(ctx, o)
	if err != nil {
		return err
	}
	defer s.close()
	// Progress rewrites one line, which only a terminal can show.
	if info, err := stderr.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
		s.progress = stderr
	}
	var rows []row
	var all []error
	unjudged := false
	printHeader(stdout)
	for _, f := range chosen {
		r, err := s.runFault(ctx, f)
		if ctx.Err() != nil {
			return errors.New("interrupted")
		}
		if err != nil {
			all = append(all, fmt.Errorf("%s: cannot be made: %w", f.name, err))
			continue
		}
		r.print(stdout)
		rows = append(rows, r)
		unjudged = unjudged || len(r.Unjudged) > 0
		if len(r.Broken) > 0 {
			all = append(all, fmt.Errorf("%s: %w: %s", f.name, errBroken, strings.Join(r.Broken, "; ")))
		}
	}
	if o.JSON != "" {
		text, err := json.MarshalIndent(rows, "", "  ")
		if err == nil {
			err = os.WriteFile(o.JSON, append(text, '\n'), 0o644)
		}
		all = append(all, err)
	}
	if err := errors.Join(all...); err != nil || !unjudged {
		return err
	}
	return errUnjudged
}

// choose returns the faults of these names, separated by commas, in that order; all for
// no name. A name stands for those too that begin with it and a hyphen.
func choose(names string) ([]fault, error) {
	if names == "" {
		return faults, nil
	}
	var chosen []fault
	for name := range strings.SplitSeq(names, ",") {
		n := len(chosen)
		for _, f := range faults {
			if f.name == name || strings.HasPrefix(f.name, name+"-") {
				chosen = append(chosen, f)
			}
		}
		if len(chosen) == n {
			var known []string
			for _, f := range faults {
				known = append(known, f.name)
			}
			return nil, fmt.Errorf("no fault %q; there are %s", name, strings.Join(known, ", "))
		}
	}
	return chosen, nil
}
