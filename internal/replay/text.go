package replay

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"fraudcheck/internal/velocity"
)

// shownCells is how many cells the text shows; the JSON form has all.
const shownCells = 100

// WriteText writes the result for people.
func (r *Result) WriteText(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "%d rows, %s to %s\n", r.Rows, timeText(r.From), timeText(r.To))
	if len(r.Unused) > 0 {
		fmt.Fprintf(w, "Not used, as columns are named: %s\n", strings.Join(r.Unused, ", "))
	}
	if r.MalformedOutcomes > 0 {
		fmt.Fprintf(w, "%d malformed %s not heard; their attempts were judged:\n  %s\n", r.MalformedOutcomes, plural(r.MalformedOutcomes, "outcome was", "outcomes were"), r.OutcomeFault.Error())
	}
	if r.Malformed > 0 {
		fmt.Fprintf(w, "%d malformed %s took no part:\n", r.Malformed, plural(r.Malformed, "row", "rows"))
		for i := range r.Faults {
			fmt.Fprintf(w, "  %s\n", r.Faults[i].Error())
		}
	}
	if r.Degraded+r.Gaps > 0 {
		fmt.Fprintln(w, r.LogTrouble())
	}
	fmt.Fprintf(w, "\nThe configuration would have decided: allow %s, review %s, block %s\n\n",
		r.share(r.Decisions[velocity.Allow]), r.share(r.Decisions[velocity.Review]), r.share(r.Decisions[velocity.Block]))
	r.table(t, r.Rules)
	if len(r.Cells) > 0 || r.InvalidCells > 0 {
		_ = t.Flush()
		fmt.Fprintln(w, "\nThe sweep, each cell by itself:")
		if r.InvalidCells > 0 {
			fmt.Fprintf(w, "%d combinations are no valid rule and were left out\n", r.InvalidCells)
		}
		fmt.Fprintln(w)
		r.table(t, r.Cells[:min(len(r.Cells), shownCells)])
		_ = t.Flush()
		if more := len(r.Cells) - shownCells; more > 0 {
			fmt.Fprintf(w, "%d more cells: --json has them\n", more)
		}
	}
	_ = t.Flush()
	r.writeChosen(w)
	_, err := fmt.Fprintf(w, "\nWhat this cannot know:\n  %s\n", strings.Join(r.Limits(), "\n  "))
	return err
}

// LogTrouble says where a decision log does not tell all.
func (r *Result) LogTrouble() string {
	return fmt.Sprintf("%d %s degraded when decided, and lines are missing in %d %s: near them the log does not tell all",
		r.Degraded, plural(r.Degraded, "check was", "checks were"), r.Gaps, plural(r.Gaps, "place", "places"))
}

func plural(n int64, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

func (r *Result) share(n int64) string {
	return fmt.Sprintf("%d (%.2f %%)", n, 100*float64(n)/float64(max(1, r.Judged)))
}

// table writes a line for each cell.
func (r *Result) table(t *tabwriter.Writer, cells []Cell) {
	head := []string{"rule", "window", "review_over", "block_over", "hold", "would block", "would review"}
	if r.Labelled {
		head = append(head, "caught", "missed", "false per 10,000 attempts", "per 10,000 subjects", "precision", "recall")
	}
	if r.Amounts {
		head = append(head, "approved value lost")
	}
	fmt.Fprintln(t, strings.Join(head, "\t")+"\t")
	for i := range cells {
		c := &cells[i]
		line := []string{
			c.Name, shortSpan(c.Window), fmt.Sprint(c.ReviewOver), fmt.Sprint(c.BlockOver), shortSpan(c.Hold),
			fmt.Sprint(c.Whole.WouldBlock), fmt.Sprint(c.Whole.WouldReview),
		}
		if s := &c.Whole; r.Labelled {
			line = append(line, fmt.Sprint(s.Caught), fmt.Sprint(s.Fraud-s.Caught), tenThousand(s.FalsePerAttempts()), tenThousand(s.FalsePerSubjects()),
				percent(s.Precision()), percent(s.Recall()))
		}
		if r.Amounts {
			line = append(line, fmt.Sprintf("%.2f", money(c.Whole.ValueLost)))
		}
		fmt.Fprintln(t, strings.Join(line, "\t")+"\t")
	}
}

// writeChosen writes the score of the cell that was chosen on the first two thirds of the
// time, on the last third: scored on the rows by which it was chosen, it would be flattered.
func (r *Result) writeChosen(w io.Writer) {
	switch {
	case !r.Labelled:
		return
	case r.Chosen == nil:
		fmt.Fprintf(w, "\nNone is chosen: nothing that is labelled would have been blocked before %s\n", timeText(r.ReportedFrom))
		return
	case r.WithinLimit:
		fmt.Fprintf(w, "\nChosen on the time before %s, for the highest recall with at most %d false blocks per 10,000 honest attempts, and scored on the time from then on:\n",
			timeText(r.ReportedFrom), FalseLimit)
	default:
		fmt.Fprintf(w, "\nNone of those that catch anything keeps at most %d false blocks per 10,000 honest attempts on the time before %s. The one with the fewest, scored on the time from then on:\n",
			FalseLimit, timeText(r.ReportedFrom))
	}
	c, s := r.Chosen, &r.Chosen.Reported
	fmt.Fprintf(w, "  %s window=%s block_over=%d hold=%s\n", c.Name, shortSpan(c.Window), c.BlockOver, shortSpan(c.Hold))
	fmt.Fprintf(w, "  caught %d, missed %d; precision %s, recall %s\n", s.Caught, s.Fraud-s.Caught, interval(s.Precision()), interval(s.Recall()))
	fmt.Fprintf(w, "  false blocks per 10,000 honest attempts %s, per 10,000 honest subjects %s", tenThousand(s.FalsePerAttempts()), tenThousand(s.FalsePerSubjects()))
	if r.Amounts {
		fmt.Fprintf(w, "; approved value lost %.2f", money(s.ValueLost))
	}
	fmt.Fprintln(w)
}

// shortSpan is a span as it is configured: 1h in place of 1h0m0s.
func shortSpan(d time.Duration) string {
	text := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, zero) {
			text = text[:len(text)-2]
		}
	}
	return text
}

func tenThousand(s Share) string {
	if !s.Known() {
		return "-"
	}
	return fmt.Sprintf("%.2f", 1e4*float64(s.Part)/float64(s.Of))
}

func percent(s Share) string {
	if !s.Known() {
		return "-"
	}
	return fmt.Sprintf("%.1f %%", 100*s.Value())
}

// interval shows the share with the interval of its confidence.
func interval(s Share) string {
	if !s.Known() {
		return "-"
	}
	low, high := s.Wilson()
	return fmt.Sprintf("%.1f %% (%.1f to %.1f)", 100*s.Value(), 100*low, 100*high)
}

// Limits says what a replay cannot know, a sentence each.
func (r *Result) Limits() []string {
	limits := []string{
		"A row that your shop refused at the time has no issuer's answer, so rules on declines see less than they would have.",
		"An attacker who is blocked moves on, to another IP address for instance; the history shows what was done without these rules.",
	}
	if !r.Labelled {
		limits = append(limits, "Without labels nobody knows which of these blocks would have been right: there is no precision here.")
	}
	return limits
}
