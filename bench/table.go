package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"

	"fraudcheck/internal/testbed"
)

// A row is what all rounds of a cell measured. Its numbers are medians over the rounds.
type row struct {
	cell
	samples []sample // one for each round, void ones too
	against []sample // what each round was compared with, measured beside it
	void    string   // why the first void round was
	voids   int      // number of void rounds
	verdict []string // one for each bar
	skipped string   // why its target cannot run on this machine
	cannot  bool     // its target does not start
}

// value is a column of a sample.
type value func(*sample) float64

func rate(s *sample) float64 { return s.Rate }
func cpu(s *sample) float64  { return s.CPU }

// median returns the median of the rounds.
func (r *row) median(of value) float64 { return median(each(r.samples, of)) }

// each returns that column of all samples.
func each(samples []sample, of value) (all []float64) {
	for i := range samples {
		all = append(all, of(&samples[i]))
	}
	return all
}

// ratio returns the median of the ratios.
func (r *row) ratio(of value) float64 { return median(r.ratios(of)) }

// ratios returns, for each round, the ratio to what it was compared with.
func (r *row) ratios(of value) (all []float64) {
	for i := range r.samples {
		all = append(all, of(&r.samples[i])/of(&r.against[i]))
	}
	return all
}

// more returns the median of the differences, for each round, to what it was compared
// with.
func (r *row) more(of value) float64 {
	var all []float64
	for i := range r.samples {
		all = append(all, of(&r.samples[i])-of(&r.against[i]))
	}
	return median(all)
}

// median returns NaN for no numbers, the mean of the middle two for an even number.
func median(all []float64) float64 {
	if len(all) == 0 {
		return math.NaN()
	}
	all = slices.Sorted(slices.Values(all))
	return (all[(len(all)-1)/2] + all[len(all)/2]) / 2
}

// busy is the share of the machine that other processes may take without a remark.
const busy = 0.1

// A column of a table.
type column struct {
	title string
	width int
	text  func(*row) string
}

// columns of the tables, after the name, but of those to size by.
var columns = []column{
	{"checks/s", 8, func(r *row) string { return number(r.median(rate), 0) }},
	{"min-max", 15, func(r *row) string {
		all := each(r.samples, rate)
		return number(slices.Min(all), 0) + "-" + number(slices.Max(all), 0)
	}},
	{"ratio", 6, func(r *row) string { return number(r.ratio(rate), 2) }},
	{"p50 ms", 7, func(r *row) string { return number(r.median(func(s *sample) float64 { return s.P50 }), 2) }},
	{"p99", 7, func(r *row) string { return number(r.median(p99), 2) }},
	{"p99.9", 7, func(r *row) string { return number(r.median(func(s *sample) float64 { return s.P999 }), 2) }},
	{"CPU µs", 7, func(r *row) string { return number(r.median(cpu), 1) }},
	{"ratio", 6, func(r *row) string { return number(r.ratio(cpu), 2) }},
	{"+ µs", 6, func(r *row) string { return number(r.more(cpu), 1) }},
	{"mc µs", 6, func(r *row) string { return number(r.median(func(s *sample) float64 { return s.StoreCPU }), 1) }},
	{"trips", 6, func(r *row) string { return number(r.median(trips), 3) }},
	{"allocs", 7, func(r *row) string { return number(r.median(func(s *sample) float64 { return s.Allocs }), 2) }},
}

func p99(s *sample) float64   { return s.P99 }
func trips(s *sample) float64 { return s.Trips }

// number formats a number, "-" for one that does not apply.
func number(n float64, digits int) string {
	if math.IsNaN(n) || math.IsInf(n, 0) {
		return "-"
	}
	return fmt.Sprintf("%.*f", digits, n)
}

// printTables prints what the machine is, and the rows, each table under its title.
func printTables(w io.Writer, rows []*row) {
	fmt.Fprintf(w, "%s\n\n", testbed.Machine())
	last := ""
	for _, r := range rows {
		if r.table != last {
			if last != "" {
				fmt.Fprintln(w)
			}
			last = r.table
			fmt.Fprintf(w, "%s\n%-16s %-11s %5s", last, "target", "traffic", "conns")
			for _, c := range r.columns() {
				fmt.Fprintf(w, " %*s", c.width, c.title)
			}
			fmt.Fprintln(w)
		}
		fmt.Fprintln(w, r)
	}
}

// String returns the row as a line of its table.
func (r *row) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-16s %-11s %5d", r.target, r.does, r.conns)
	if note := r.unmeasured(); note != "" {
		return b.String() + note
	}
	for _, c := range r.columns() {
		fmt.Fprintf(&b, " %*s", c.width, c.text(r))
	}
	if all := r.remarks(); len(all) > 0 {
		b.WriteString("  " + strings.Join(all, ", "))
	}
	return b.String()
}

// unmeasured returns why the row has no numbers; empty when it has.
func (r *row) unmeasured() string {
	switch {
	case r.skipped != "":
		return "  skipped: " + r.skipped
	case r.void != "" && r.voids > 0 && len(r.samples) > 1:
		return fmt.Sprintf("  void: %s (in %d of %d rounds)", r.void, r.voids, len(r.samples))
	case r.void != "":
		return "  void: " + r.void
	}
	return ""
}

// remarks returns the verdicts, and what else helps to read the numbers. Rows to size by
// have none: they meet no bar, and what others took is a column.
func (r *row) remarks() []string {
	if r.sizing {
		return nil
	}
	all := r.verdict
	for _, s := range r.samples {
		if s.Note != "" {
			all = append(all, s.Note)
			break
		}
	}
	if others := r.median(func(s *sample) float64 { return s.Others }); others > busy {
		all = append(all, fmt.Sprintf("others took %.0f %% of the machine", 100*others))
	}
	return all
}

// writeJSON writes the rows with the samples of each round, for programs that compare
// runs.
func writeJSON(path string, rows []*row) error {
	type written struct {
		Table   string           `json:"table"`
		Target  string           `json:"target"`
		Traffic string           `json:"traffic"`
		Conns   int              `json:"connections"`
		Base    string           `json:"base"`
		Void    string           `json:"void,omitempty"`
		Skipped string           `json:"skipped,omitempty"`
		Verdict []string         `json:"verdict,omitempty"`
		Rounds  []map[string]any `json:"rounds"`
		Against []map[string]any `json:"against"` // what each round was compared with
	}
	var all []written
	for _, r := range rows {
		w := written{r.table, r.target, r.does, r.conns, r.base, r.void, r.skipped, r.verdict, nil, nil}
		for _, s := range r.samples {
			w.Rounds = append(w.Rounds, s.written())
		}
		for _, s := range r.against {
			w.Against = append(w.Against, s.written())
		}
		all = append(all, w)
	}
	text, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}

// written returns the numbers that apply, by name and unit, and why the sample is void if
// it is.
func (s *sample) written() map[string]any {
	all := make(map[string]any)
	if s.Void != "" {
		all["void"] = s.Void
	}
	for name, n := range map[string]float64{
		"checks_per_second": s.Rate, "p50_ms": s.P50, "p99_ms": s.P99, "p99_9_ms": s.P999, "cpu_us": s.CPU,
		"memcached_cpu_us": s.StoreCPU, "memcached_round_trips": s.Trips, "allocations": s.Allocs,
		"load_cpu_us": s.LoadCPU, "others_share": s.Others, "callers_sent_bytes": s.Sent, "callers_received_bytes": s.Received,
		"memcached_read_bytes": s.ToStore, "memcached_written_bytes": s.Stored,
	} {
		if !math.IsNaN(n) && !math.IsInf(n, 0) {
			all[name] = n
		}
	}
	return all
}
