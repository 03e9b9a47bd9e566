package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"math"
	"slices"
	"strconv"
	"time"

	"fraudcheck/internal/replay"
	"fraudcheck/internal/velocity"
)

const (
	shownCells    = 200
	shownSubjects = 25
	shownHours    = 168
)

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Funcs(template.FuncMap{"n": number, "duration": duration}).Parse(pageText))

// A cell is a line of the table of cells, and the best one's figures.
type cell struct {
	Name, Window, Hold           string
	ReviewOver, BlockOver        int
	WouldBlock, WouldReview      int64
	Caught, Missed               int64
	FalseAttempts, FalseSubjects string
	Precision, Recall            share
	Lost                         string
	Shadow, Chosen               bool
	ReportedFrom                 string
}

// A data is all that the page shows.
type data struct {
	From, To                            string
	Judged, Malformed, BadOutcomes      int64
	LogTrouble                          string
	Allow, Review, Block                int64
	AllowShare, ReviewShare, BlockShare string
	Labelled, Amounts                   bool
	Chosen                              *cell
	WithinLimit                         bool
	FalseLimit                          int
	TradeTitle, TableTitle              string
	Lines                               []legend
	MoreLines                           int
	TradePlot, HourPlot, LengthPlot     template.HTML
	Cells                               []cell
	MoreCells                           int
	HourName                            string
	Hours                               []hour
	Lengths                             []length
	Subjects                            int
	Beyond                              int64
	Worst                               []blockedSubject
	Limits                              []string
}

type legend struct{ Class, Name string }

type length struct {
	Name  string
	Count int64
}

// Write writes the page.
func Write(w io.Writer, r *replay.Result, c *Collector) error {
	d := data{
		From: timeText(r.From), To: timeText(r.To), Judged: r.Judged, Malformed: r.Malformed, Labelled: r.Labelled,
		Allow: r.Decisions[velocity.Allow], Review: r.Decisions[velocity.Review], Block: r.Decisions[velocity.Block], Limits: r.Limits(),
		Amounts: r.Amounts, BadOutcomes: r.MalformedOutcomes, WithinLimit: r.WithinLimit, FalseLimit: replay.FalseLimit,
	}
	if r.Degraded+r.Gaps > 0 {
		d.LogTrouble = r.LogTrouble()
	}
	d.AllowShare, d.ReviewShare, d.BlockShare = percent(d.Allow, r.Judged), percent(d.Review, r.Judged), percent(d.Block, r.Judged)
	cells := r.Cells
	d.TradeTitle, d.TableTitle = "What each threshold would block", "Each cell of the sweeps, by itself, on the whole history"
	if len(cells) == 0 {
		cells, d.TableTitle = r.Rules, "Each rule, by itself, on the whole history"
	}
	if r.Labelled {
		d.TradeTitle = "What is caught, and what that costs"
	}
	for i := range cells[:min(len(cells), shownCells)] {
		line := cellOf(&cells[i], &cells[i].Whole)
		line.Chosen = r.Chosen != nil && cells[i].Rule == r.Chosen.Rule
		d.Cells = append(d.Cells, line)
	}
	d.MoreCells = len(cells) - len(d.Cells)
	if r.Chosen != nil {
		chosen := cellOf(r.Chosen, &r.Chosen.Reported)
		chosen.ReportedFrom = timeText(r.ReportedFrom)
		d.Chosen = &chosen
	}
	d.Lines, d.MoreLines = linesOf(cells, r.Chosen)
	d.TradePlot = tradeOff(cells, d.Lines, r.Labelled)
	d.addHours(c)
	d.addSubjects(c, r.Rules)
	return page.Execute(w, d)
}

func cellOf(c *replay.Cell, s *replay.Score) cell {
	return cell{
		Name: c.Name, Window: duration(c.Window), Hold: duration(c.Hold), ReviewOver: c.ReviewOver, BlockOver: c.BlockOver, WouldBlock: s.WouldBlock, WouldReview: s.WouldReview,
		Caught: s.Caught, Missed: s.Fraud - s.Caught, FalseAttempts: tenThousand(s.FalsePerAttempts()), FalseSubjects: tenThousand(s.FalsePerSubjects()),
		Precision: shareOf(s.Precision()), Recall: shareOf(s.Recall()), Lost: fmt.Sprintf("%.2f", float64(s.ValueLost)/1e6), Shadow: c.Mode == velocity.Shadow,
	}
}

// shownLines is how many lines the plot of cells has, one for each rule and window.
const shownLines = 5

// lineOf names the line of a cell.
func lineOf(c *replay.Cell) string { return c.Name + ", " + duration(c.Window) }

// linesOf returns the lines of the plot, the chosen cell's among them, and how many are left
// out.
func linesOf(cells []replay.Cell, chosen *replay.Cell) (lines []legend, more int) {
	var names []string
	for i := range cells {
		if name := lineOf(&cells[i]); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	more = max(0, len(names)-shownLines)
	if chosen != nil && slices.Index(names, lineOf(chosen)) >= shownLines {
		names[shownLines-1] = lineOf(chosen)
	}
	for i, name := range names[:len(names)-more] {
		lines = append(lines, legend{"c" + strconv.Itoa(i), name})
	}
	return lines, more
}

// tradeOff plots the lines of the cells: with labels what is caught by what is wrongly
// blocked, otherwise the share that is blocked by block_over.
func tradeOff(cells []replay.Cell, lines []legend, labelled bool) template.HTML {
	points := map[string][]point{}
	var maxX, maxY float64
	for i := range cells {
		c := &cells[i]
		name := lineOf(c)
		if !slices.ContainsFunc(lines, func(l legend) bool { return l.Name == name }) {
			continue
		}
		s := &c.Whole
		q := point{x: float64(c.BlockOver), y: 100 * ratio(replay.Share{Part: s.WouldBlock, Of: s.Rows})}
		if labelled {
			q = point{x: logarithm(1e4 * ratio(s.FalsePerAttempts())), y: 100 * ratio(s.Recall())}
		}
		q.name = fmt.Sprintf("%s, window %s, block_over %d", c.Name, duration(c.Window), c.BlockOver)
		points[name] = append(points[name], q)
		maxX, maxY = max(maxX, q.x), max(maxY, q.y)
	}
	labelX, labelY := "block_over", "blocked, %"
	if labelled {
		labelX, labelY, maxX, maxY = "false blocks per 10,000 honest attempts (logarithmic)", "recall, %", logarithm(1e4), 100
	}
	p := newPlot(labelY+" by "+labelX+", a line for each rule and window; the table below has the figures", labelX, labelY, maxX, maxY)
	if labelled {
		p.maxX = maxX
		for _, n := range []float64{0, 1, 10, 100, 1000} {
			p.markX(logarithm(n), short(n))
		}
	} else {
		for i := range 5 {
			p.markX(p.maxX*float64(i)/4, short(p.maxX*float64(i)/4))
		}
	}
	for _, l := range lines {
		p.line(l.Class, points[l.Name])
	}
	return p.html()
}

// addHours adds what was decided by time.
func (d *data) addHours(c *Collector) {
	hours, each := c.perHour(shownHours)
	d.Hours, d.HourName = hours, "hour"
	if each > 1 {
		d.HourName = fmt.Sprintf("%d hours", each)
	}
	var highest int64
	for _, h := range hours {
		highest = max(highest, h.Block+h.Review)
	}
	p := newPlot("Blocked and reviewed attempts by time; the table below has the figures", "", "attempts", 1, float64(max(highest, 4)))
	for i, h := range hours {
		name := fmt.Sprintf("%s: %d blocked, %d reviewed", h.From.Format("2006-01-02 15:04"), h.Block, h.Review)
		p.bar("block", i, len(hours), 0, float64(h.Block), name)
		p.bar("review", i, len(hours), float64(h.Block), float64(h.Block+h.Review), name)
	}
	for i := range min(4, len(hours)) {
		at := i * len(hours) / 4
		p.markX((float64(at)+.5)/float64(len(hours)), hours[at].From.Format("01-02 15:04"))
	}
	d.HourPlot = p.html()
}

// addSubjects adds who was blocked, and for how long.
func (d *data) addSubjects(c *Collector, rules []replay.Cell) {
	all := c.blocked(rules)
	d.Subjects, d.Beyond, d.Worst = len(all), c.beyond, all[:min(len(all), shownSubjects)]
	counts := longest(all)
	var highest int64
	for _, n := range counts {
		highest = max(highest, n)
	}
	p := newPlot("Subjects by their longest block; the table below has the figures", "", "subjects", 1, float64(max(highest, 4)))
	for i, n := range counts {
		d.Lengths = append(d.Lengths, length{lengths[i].Name, n})
		p.bar("block", i, len(counts), 0, float64(n), fmt.Sprintf("%s: %d", lengths[i].Name, n))
		p.markX((float64(i)+.45)/float64(len(counts)), lengths[i].Name)
	}
	d.LengthPlot = p.html()
}

// logarithm leaves room for 0: it is that of v+1.
func logarithm(v float64) float64 { return math.Log10(v + 1) }

func ratio(s replay.Share) float64 {
	if !s.Known() {
		return 0
	}
	return s.Value()
}

func percent(n, of int64) string { return fmt.Sprintf("%.2f %%", 100*float64(n)/float64(max(1, of))) }

func tenThousand(s replay.Share) string {
	if !s.Known() {
		return "–"
	}
	return fmt.Sprintf("%.2f", 1e4*s.Value())
}

// A share is shown with the interval of its confidence, which is empty where nothing is known.
type share struct{ Value, Interval string }

func shareOf(s replay.Share) share {
	if !s.Known() {
		return share{Value: "–"}
	}
	low, high := s.Wilson()
	return share{fmt.Sprintf("%.1f %%", 100*s.Value()), fmt.Sprintf("%.1f to %.1f", 100*low, 100*high)}
}

// number writes a whole number with a space before each three digits.
func number(n any) string {
	digits := fmt.Sprint(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "\u202f" + digits[i:]
	}
	return digits
}

// duration is a duration in its two greatest units.
func duration(d time.Duration) string {
	for _, unit := range []struct {
		size, next     time.Duration
		name, nextName string
	}{{24 * time.Hour, time.Hour, "d", "h"}, {time.Hour, time.Minute, "h", "min"}, {time.Minute, time.Second, "min", "s"}} {
		if d < unit.size {
			continue
		}
		text := fmt.Sprintf("%d %s", d/unit.size, unit.name)
		if rest := d % unit.size / unit.next; rest > 0 {
			text += fmt.Sprintf(" %d %s", rest, unit.nextName)
		}
		return text
	}
	return fmt.Sprintf("%d s", d/time.Second)
}

func timeText(t velocity.Time) string {
	return time.UnixMilli(int64(t)).UTC().Format("2006-01-02 15:04:05")
}
