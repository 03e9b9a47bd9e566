// Bench measures the real fraudcheck program against a bare HTTP answer.
//
//	go run ./bench                          everything, in about twenty minutes
//	go run ./bench -rounds 1 -seconds 2     a first look
//	go run ./bench -only 'tcp.* 64$'        rows whose name (target traffic conns) matches
//	go run ./bench -before main -rounds 9   this tree against another commit, or a binary
//	go run ./bench -peers                   and other stacks, found in bench/peers
//	go run ./bench -json rows.json          the rows, round by round
//	go run ./bench -addresses 1000,5000000  what so many addresses take in memory, in a few minutes
//	go run ./bench -sizing                  what to size machines by, in five minutes
//	make bench-parts                        what each part costs, HTTP aside
//
// It needs memcached on the machine, and Linux; all that it starts listens on free
// ports of the loopback and ends with it.
//
// # What is measured
//
// The program is built and started as a user would: a configuration file, a user
// with a hashed password, real memcached. Checks may wait for their turn and for memcached
// longer than by default, so that all are fresh however slow the machine is; what the default answers in
// time is judged by loadtest. Load and target share the machine, so the
// load is cheap: prepared bytes in which only digits change, and no allocation.
// bare is the floor: a fasthttp handler that takes the same bytes and answers as
// many. Each round measures every row once, so that whatever else the machine does
// affects all rows, and measures what a row is compared with right before and after it,
// because the speed of a shared processor changes from one second to the next. A row
// shows the median of the rounds, a ratio is the median of the ratios of the rounds.
// WARNING is the log level, INFO where it says so, with standard error in a file.
//
// Traffic: honest is new addresses with one card each, and in one call of twenty an
// address that was seen before; attack is one address that shows a new card each time,
// in nine calls of ten; retry is known addresses with the card they have shown.
//
// # How to read the tables
//
// Above them stands what the machine is, and what the two things cost on it that a check
// is made of: system calls and keyed hashes. Rates of two machines cannot be compared,
// ratios within one run can.
//
// The first ratio is of checks/s, the second of CPU, both to bare with as many
// connections, or to the first row of the table; + µs is how much more CPU that is. CPU
// is µs of processor time per
// check, user and system, of the service, a peer's with its store's; mc is memcached's;
// trips are the commands it got, allocs the allocations of the service, both per check.
//
// A remark that ends with MISSED is a bar: a count, or a ratio to another row of the run
// (targets.go).
//
// # The console
//
//	go run ./bench -only '20 (consoles|streams)' -rounds 9 -seconds 10
//
// measures 10,000 checks/s alone and with 20 analysts beside, in turns. 20 consoles ask as the
// page Live does in a flood; 20 streams are programs that read all that a stream sends.
//
// # Sizing
//
// With -sizing the rows are those that docs/capacity.md is made of, none compared with
// another. checks/core is what one processor carries, of an instance and then of
// memcached; mc in and mc out are the bytes that memcached read and wrote per check, in
// and out those that the instance did, HTTP with them and TCP not; others is the most that
// other processes took of the machine in any round. An instance that is called 1000 times
// a second wakes up for each call: its row is what a check costs then, and no limit.
// The rows of the pack are measured under the rules of deploy/rules: shoppers are honest,
// orders are shoppers whose outcome is told too, one in ten a decline.
//
// # One build against another
//
// With -before each round measures a row with both builds right after one another, in
// alternating order. The table has the CPU per check of each (medians), the ratio of
// each pair, now to before, and the median of those ratios: above 1.05 is dearer.
// Even the same build twice differs by some per cent in a single pair: nine pairs or
// more, and a machine that does nothing else.
//
// # Void rows
//
// A row is void, and the exit code 1, when it did not do what it says: an answer
// other than 200, a degraded one, an honest shopper blocked, an attack that is let
// through more or less often than the rule says, an address that was not as new or
// as known as it should be, or anything that was forgotten for want of memory.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
)

// options are the flags: see main.
type options struct {
	seconds, rounds int
	only, json      string
	before          string
	peers           bool
	addresses       string
	sizing, pack    bool
}

func main() {
	var o options
	flag.IntVar(&o.seconds, "seconds", 2, "how long each row is measured in a round")
	flag.IntVar(&o.rounds, "rounds", 5, "how often")
	flag.StringVar(&o.only, "only", "", "regular expression: the rows to measure, by name")
	flag.StringVar(&o.json, "json", "", "file for the rows as JSON")
	flag.StringVar(&o.before, "before", "", "commit or binary to compare the CPU per check with")
	flag.BoolVar(&o.peers, "peers", false, "measure other stacks beside, those in bench/peers")
	flag.StringVar(&o.addresses, "addresses", "", "show this many IP addresses to both stores, and print what they take in memory; several numbers, such as 1000,10000, are measured on the way")
	flag.BoolVar(&o.pack, "pack", false, "with -addresses: under the recommended rules, with all that they count")
	flag.BoolVar(&o.sizing, "sizing", false, "the rows to size machines by: see docs/capacity.md")
	listen := flag.String("bare", "", "be the bare answer, on this address")
	flag.Parse()
	var err error
	switch {
	case *listen != "":
		err = bare(*listen)
	case o.before != "" && o.peers || o.sizing && (o.before != "" || o.peers):
		err = errors.New("-before, -peers and -sizing exclude each other")
	case o.seconds < 1 || o.rounds < 1 || flag.NArg() > 0:
		err = errors.New("-seconds and -rounds are positive, and there are no arguments")
	default:
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		err = run(ctx, &o, os.Stdout, os.Stderr)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// errVoid is the error of void rows; the table says which.
var errVoid = errors.New("a row is void")

// run measures what the options say, prints the tables, and returns errVoid when a row is
// void.
func run(ctx context.Context, o *options, stdout, progress io.Writer) error {
	debug.SetGCPercent(1000) // so that the load's own garbage collection costs little
	if o.addresses != "" {
		return measureAddresses(ctx, o, stdout, progress)
	}
	if o.before != "" {
		return compareBuilds(ctx, o, stdout, progress)
	}
	all := ownCells()
	if o.sizing {
		all = sizingCells()
	}
	if o.peers {
		starts, err := peersHere(ctx)
		if err != nil {
			return err
		}
		all = peerCells(starts)
	}
	cells, err := choose(all, o.only)
	if err != nil {
		return err
	}
	l, err := newLab(ctx, rand.Text(), buildTree)
	if err != nil {
		return err
	}
	defer l.close()
	rows, err := l.rounds(ctx, cells, o, progress)
	if err != nil {
		return err
	}
	printTables(stdout, rows)
	return report(o, rows)
}

// report writes the rows as JSON, if asked to, and returns errVoid when one is void.
func report(o *options, rows []*row) (err error) {
	if o.json != "" {
		err = writeJSON(o.json, rows)
	}
	for _, r := range rows {
		if r.void != "" {
			err = errors.Join(err, errVoid)
			break
		}
	}
	return err
}
