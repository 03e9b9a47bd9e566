package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/term"

	"fraudcheck/internal/config"
	"fraudcheck/internal/replay"
	"fraudcheck/internal/replay/report"
	"fraudcheck/internal/velocity"
)

// replayCommand says what the configured rules would have decided on a history.
type replayCommand struct {
	Time        string `help:"Column of the time of each attempt." placeholder:"COL" group:"Columns:"`
	IP          string `name:"ip" help:"Column of the shopper's IP address. Columns may be joined, as in device+os." placeholder:"COL" group:"Columns:"`
	CardID      string `name:"card-id" help:"Column of the payment provider's card fingerprint." placeholder:"COL" group:"Columns:"`
	Last4       string `name:"last4" help:"Column of the card's last four digits." placeholder:"COL" group:"Columns:"`
	ExpMonth    string `help:"Column of the month of its expiry." placeholder:"COL" group:"Columns:"`
	ExpYear     string `help:"Column of the year of its expiry." placeholder:"COL" group:"Columns:"`
	Expiry      string `help:"Column of its expiry, as in 12/30." placeholder:"COL" group:"Columns:"`
	Email       string `help:"Column of the shopper's e-mail address." placeholder:"COL" group:"Columns:"`
	Device      string `help:"Column of the device." placeholder:"COL" group:"Columns:"`
	Cart        string `help:"Column of the cart." placeholder:"COL" group:"Columns:"`
	Account     string `help:"Column of the account." placeholder:"COL" group:"Columns:"`
	AttemptID   string `name:"attempt-id" help:"Column of the id of the attempt, by which retries are told." placeholder:"COL" group:"Columns:"`
	Outcome     string `help:"Column of the issuer's answer: approved, declined or error." placeholder:"COL" group:"Columns:"`
	Reason      string `help:"Column of the reason of a decline." placeholder:"COL" group:"Columns:"`
	OutcomeTime string `help:"Column of the time at which the answer was heard." placeholder:"COL" group:"Columns:"`
	Label       string `help:"Column that is 1, true or fraud for what should have been stopped." placeholder:"COL" group:"Columns:"`
	Amount      string `help:"Column of the amount." placeholder:"COL" group:"Columns:"`

	OutcomeAfter time.Duration `help:"How long after the attempt the answer was heard, where no column says." default:"3s" placeholder:"3s"`
	Sweep        []string      `help:"Values of a rule to try, as in 'cards_per_ip block_over=1..10 window=10m,1h,24h'. May be given again." placeholder:"RULE KEY=VALUES" sep:"none"`
	Decisions    string        `help:"Write the decision of each row to this file, as CSV." placeholder:"FILE"`
	JSON         string        `name:"json" help:"Write the result to this file, as JSON." placeholder:"FILE"`
	HTML         string        `name:"html" help:"Write a report to this file, as one HTML page." placeholder:"FILE"`
	Explain      string        `help:"Show the attempts of one subject line by line, as in account=42." placeholder:"KIND=VALUE"`
	Sort         bool          `help:"The rows are in no order: sort them, in memory."`

	Files []string `arg:"" name:"file" help:"CSV with a header line, NDJSON, or a decision log; .gz too; - is standard input."`
}

// columns returns the columns that the command line names.
func (r *replayCommand) columns() (replay.Columns, error) {
	c := replay.Columns{Time: r.Time, OutcomeTime: r.OutcomeTime, Label: r.Label, Amount: r.Amount, OutcomeAfter: r.OutcomeAfter, Fields: map[velocity.Field]string{}}
	for field, column := range map[velocity.Field]string{
		velocity.FieldIP: r.IP, velocity.FieldCardID: r.CardID, velocity.FieldLast4: r.Last4,
		velocity.FieldExpMonth: r.ExpMonth, velocity.FieldExpYear: r.ExpYear, velocity.FieldExpiry: r.Expiry,
		velocity.FieldEmail: r.Email, velocity.FieldDevice: r.Device, velocity.FieldCart: r.Cart, velocity.FieldAccount: r.Account,
		velocity.FieldAttemptID: r.AttemptID, velocity.FieldOutcome: r.Outcome, velocity.FieldReason: r.Reason,
	} {
		if column != "" {
			c.Fields[field] = column
		}
	}
	if r.OutcomeAfter < 0 {
		return c, errors.New("--outcome-after: expected 0s or more")
	}
	return c, nil
}

// run replays the history and writes what came of it.
func (r *replayCommand) run(f *flags, stdin io.Reader, stdout io.Writer, stderr *os.File) (err error) {
	p, err := configure(f, config.FilesAndPipes)
	if err != nil {
		return err
	}
	columns, err := r.columns()
	if err != nil {
		return err
	}
	options := replay.Options{Plan: p.plan, Columns: columns, Files: r.Files, Stdin: stdin, Sort: r.Sort, Sweeps: r.Sweep}
	if r.Explain != "" {
		if options.Explain, err = replay.ParseSubject(r.Explain, p.plan); err != nil {
			return fmt.Errorf("--explain: %w", err)
		}
	}
	if term.IsTerminal(int(stderr.Fd())) {
		options.Progress = showProgress(stderr)
		defer func() { fmt.Fprint(stderr, clearLine) }()
	}
	if err := r.checkOutputs(stdin); err != nil {
		return err
	}
	decisions, err := newOutput(r.Decisions)
	if err != nil {
		return fmt.Errorf("--decisions: %w", err)
	}
	defer decisions.drop()
	json, err := newOutput(r.JSON)
	if err != nil {
		return fmt.Errorf("--json: %w", err)
	}
	defer json.drop()
	html, err := newOutput(r.HTML)
	if err != nil {
		return fmt.Errorf("--html: %w", err)
	}
	defer html.drop()
	collector := report.NewCollector()
	writer := replay.NewDecisionWriter(decisions)
	rules := len(p.plan.Rules())
	explained := false
	options.Each = func(j *replay.Judged) error {
		if j.Explained {
			explained = true
			if err := replay.WriteExplained(stdout, j, rules); err != nil {
				return err
			}
		}
		if r.HTML != "" {
			collector.Add(j)
		}
		if r.Decisions == "" {
			return nil
		}
		return writer.Write(j, rules)
	}
	result, err := replay.Run(options)
	if err != nil {
		return err
	}
	if err := errors.Join(writer.Flush(), result.WriteJSON(json), report.Write(html, result, collector)); err != nil {
		return err
	}
	if err := errors.Join(decisions.keep(), json.keep(), html.keep()); err != nil {
		return err
	}
	if r.Explain != "" && !explained {
		fmt.Fprint(stdout, "--explain: no attempt of that subject was judged\n\n")
	}
	return result.WriteText(stdout)
}

const clearLine = "\r\x1b[K"

// showProgress returns what shows how far the replay is, on one line of a terminal.
func showProgress(terminal io.Writer) func(rows int64, at velocity.Time) {
	var shown time.Time
	return func(rows int64, at velocity.Time) {
		if now := time.Now(); now.Sub(shown) >= 200*time.Millisecond {
			shown = now
			fmt.Fprintf(terminal, "%s%d rows, %s", clearLine, rows, time.UnixMilli(int64(at)).UTC().Format(time.DateTime))
		}
	}
}

// checkOutputs returns the error of an option whose file would replace one of the history or
// that of another option.
func (r *replayCommand) checkOutputs(stdin io.Reader) error {
	var read []os.FileInfo
	for _, name := range r.Files {
		info, err := os.Stat(name)
		if file, ok := stdin.(*os.File); ok && name == "-" {
			info, err = file.Stat()
		}
		if err == nil && info.Mode().IsRegular() {
			read = append(read, info)
		}
	}
	written := map[string]string{} // options by their files
	for _, o := range []struct{ option, path string }{{"--decisions", r.Decisions}, {"--json", r.JSON}, {"--html", r.HTML}} {
		if o.path == "" {
			continue
		}
		if o.path == "-" {
			return fmt.Errorf("%s: expected the name of a file; the summary goes to standard output", o.option)
		}
		info, err := os.Stat(o.path)
		if err == nil && slices.ContainsFunc(read, func(f os.FileInfo) bool { return os.SameFile(f, info) }) {
			return fmt.Errorf("%s: %s is a file of the history, which it would replace", o.option, o.path)
		}
		path, _ := filepath.Abs(o.path)
		if other, taken := written[path]; taken && (err != nil || info.Mode().IsRegular()) {
			return fmt.Errorf("%s: expected another file than that of %s", o.option, other)
		}
		written[path] = o.option
	}
	return nil
}

// An output is a file that appears, or replaces the one before it, only when it is whole.
// One without a name takes everything and keeps nothing.
type output struct {
	path string
	*os.File
}

func newOutput(path string) (*output, error) {
	if path == "" {
		return &output{}, nil
	}
	// A pipe or device is written as it is.
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		return &output{"", f}, err
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	return &output{path, f}, err
}

func (o *output) Write(b []byte) (int, error) {
	if o.File == nil {
		return len(b), nil
	}
	return o.File.Write(b)
}

// keep gives the file its name.
func (o *output) keep() error {
	if o.File == nil {
		return nil
	}
	err := o.File.Close()
	if err == nil && o.path != "" {
		err = os.Rename(o.File.Name(), o.path)
	}
	o.File, o.path = nil, ""
	return err
}

// drop removes a file that was not kept.
func (o *output) drop() {
	if o.File == nil {
		return
	}
	_ = o.File.Close()
	if o.path != "" {
		_ = os.Remove(o.File.Name())
	}
}
