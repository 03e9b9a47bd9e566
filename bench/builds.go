package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"fraudcheck/internal/testbed"
)

// A builder writes a fraudcheck program to the path.
type builder func(ctx context.Context, path string) error

// buildTree builds what is in the working tree.
func buildTree(ctx context.Context, path string) error { return testbed.Build(ctx, "", path) }

// buildOf returns the builder of a binary, which is an executable file, or of a commit
// of this repository.
func buildOf(build string) builder {
	if info, err := os.Stat(build); err == nil && info.Mode().IsRegular() && info.Mode()&0o100 != 0 {
		return func(_ context.Context, path string) error {
			binary, err := filepath.Abs(build)
			if err != nil {
				return err
			}
			return os.Symlink(binary, path)
		}
	}
	return func(ctx context.Context, path string) error {
		if err := testbed.BuildCommit(ctx, build, path); err != nil {
			return fmt.Errorf("-before: expected an executable file or a commit: %w", err)
		}
		return nil
	}
}

// compareBuilds measures the program of the working tree and another, pair by pair, and
// prints the CPU per check of both.
func compareBuilds(ctx context.Context, o *options, stdout, progress io.Writer) error {
	cells, err := chooseOwn(o.only)
	if err != nil {
		return err
	}
	password := rand.Text()
	before, err := newLab(ctx, password, buildOf(o.before))
	if err != nil {
		return err
	}
	defer before.close()
	now, err := newLab(ctx, password, buildTree)
	if err != nil {
		return err
	}
	defer now.close()
	rows, err := pairs(ctx, before, now, cells, o, progress)
	if err != nil {
		return err
	}
	printPairs(stdout, rows)
	return report(o, rows)
}

// chooseOwn returns the cells whose name matches, without the bare answer, which is the
// same for both builds.
func chooseOwn(only string) ([]cell, error) {
	chosen, err := match(ownCells(), only)
	if err != nil {
		return nil, err
	}
	var own []cell
	for _, c := range chosen {
		if c.target != "bare" {
			own = append(own, c)
		}
	}
	if len(own) == 0 {
		return nil, fmt.Errorf("-only: no cell of fraudcheck matches %q", only)
	}
	return own, nil
}

// pairs measures every cell once in each round with both builds. A row's samples are
// those of the build now, and it is compared with the build before.
func pairs(ctx context.Context, before, now *lab, cells []cell, o *options, progress io.Writer) ([]*row, error) {
	rows := make([]*row, len(cells))
	for i, c := range cells {
		rows[i] = &row{cell: c}
	}
	for round := range o.rounds {
		for _, r := range rows {
			if r.cannot {
				continue
			}
			fmt.Fprintf(progress, "round %d of %d: %-40s", round+1, o.rounds, r.name())
			s := r.addSample(measurePair(ctx, before, now, r, round, time.Duration(o.seconds)*time.Second))
			if ctx.Err() != nil {
				return nil, errors.New("interrupted")
			}
			was := r.against[len(r.against)-1]
			fmt.Fprintf(progress, " %5.1f µs, %5.1f µs now, ratio %.3f, others %3.0f %% %s\n", was.CPU, s.CPU, s.CPU/was.CPU, 100*s.Others, s.Void)
		}
	}
	for _, r := range rows {
		r.judgePairs()
	}
	return rows, nil
}

// measurePair measures the row with both builds, the build before first in every other
// round, so that a drift of the machine's speed favours neither. A pair with a void
// window is measured again. It returns the sample of the build now; that of the build
// before is added to r.against.
func measurePair(ctx context.Context, before, now *lab, r *row, round int, lasts time.Duration) (s sample, err error) {
	var was sample
	for range tries {
		first, second, a, b := before, now, &was, &s
		if round%2 == 1 {
			first, second, a, b = now, before, &s, &was
		}
		if *a, err = first.measure(ctx, &r.cell, lasts); err != nil {
			break
		}
		if *b, err = second.measure(ctx, &r.cell, lasts); err != nil || ctx.Err() != nil {
			break
		}
		if was.Void == "" && s.Void == "" {
			break
		}
	}
	r.against = append(r.against, was)
	if s.Void == "" && was.Void != "" {
		s.Void = "the build before: " + was.Void
	}
	return s, err
}

// mostCPU is the most that a change may raise the CPU per check by: a ratio of medians
// that nine pairs on a quiet machine resolve.
const mostCPU = 1.05

// judgePairs adds the verdict on the CPU of a row.
func (r *row) judgePairs() {
	if r.void != "" || r.skipped != "" {
		return
	}
	switch ratio := r.ratio(cpu); {
	case ratio > mostCPU:
		r.verdict = append(r.verdict, fmt.Sprintf("dearer than before (≤%v)", mostCPU))
	case ratio < 1/mostCPU:
		r.verdict = append(r.verdict, "cheaper")
	default:
		r.verdict = append(r.verdict, "as before")
	}
}

// printPairs prints the CPU of both builds and the ratio of each pair.
func printPairs(w io.Writer, rows []*row) {
	fmt.Fprintf(w, "%s\n\nCPU µs per check of two builds\n%-16s %-11s %5s %7s %7s %6s  %s\n", testbed.Machine(), "target", "traffic", "conns", "before", "now", "ratio", "of each pair")
	for _, r := range rows {
		fmt.Fprintf(w, "%-16s %-11s %5d", r.target, r.does, r.conns)
		if note := r.unmeasured(); note != "" {
			fmt.Fprintln(w, note)
			continue
		}
		fmt.Fprintf(w, " %7s %7s %6s ", number(median(each(r.against, cpu)), 1), number(r.median(cpu), 1), number(r.ratio(cpu), 3))
		for _, ratio := range r.ratios(cpu) {
			fmt.Fprint(w, " ", number(ratio, 2))
		}
		fmt.Fprintln(w, "  "+strings.Join(r.remarks(), ", "))
	}
}
