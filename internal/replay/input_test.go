package replay

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/testbed"
	"fraudcheck/internal/velocity"
)

func TestTimes(t *testing.T) {
	const noon = velocity.Time(1795867200000) // 2026-11-28T12:00:00Z
	for text, want := range map[string]velocity.Time{
		"2026-11-28T12:00:00Z": noon, "2026-11-28t12:00:00z": noon, "2026-11-28 12:00:00": noon, " 2026-11-28T12:00:00.000000Z ": noon,
		"2026-11-28T14:00:00+02:00": noon, "2026-11-28 14:00:00+02": noon, "2026-11-28 14:00:00.5 +0200": noon + 500, "2026-11-28 07:30:00-04:30": noon,
		"2026-11-28 12:00": noon, "2026-11-28": noon - 12*3600*1000, "2026-11-28 12:00:00 UTC": noon, "2026-11-28T12:00:00,1239Z": noon + 123,
		"1795867200": noon, "1795867200.5": noon + 500, "1795867200123": noon + 123, "1795867200123456": noon + 123, "1795867200123456789": noon + 123,
		"0": 0, "2024-02-29": 1709164800000, "1970-01-01": 0, "2000-03-01 00:00:00": 951868800000,
	} {
		got, ok := parseTime(text)
		assert.True(t, ok, text)
		assert.Equal(t, want, got, text)
	}
	for _, text := range []string{"", "-1", "noon", "11/28/2026", "2026-13-01", "2025-02-29", "2026-11-28T25:00:00Z", "2026-11-28T12:00:00+0x:00", "1.", ".5", "1e9", "1969-12-31", "2026-11-28x12:00", "99999999999999999999"} {
		_, ok := parseTime(text)
		assert.False(t, ok, text)
	}
	for _, day := range []string{"1970-01-01", "1999-12-31", "2000-02-29", "2024-12-31", "2026-11-28", "2100-03-01"} {
		want, err := time.Parse(time.DateOnly, day)
		require.NoError(t, err)
		got, _ := parseTime(day)
		assert.Equal(t, velocity.TimeOf(want), got, day)
	}
}

// decided runs the history with the default rule and returns the decisions, one letter a row.
func decided(t *testing.T, o Options) (letters string, r *Result, err error) {
	if o.Plan == nil {
		rule := velocity.DefaultRule
		rule.BlockOver, rule.ReviewOver = 1, 0
		o.Plan = planOf(t, []velocity.Rule{rule})
	}
	if o.Files == nil {
		o.Files = []string{"-"}
	}
	o.Each = func(j *Judged) error {
		letters += j.Judgement.Outcome.String()[:1]
		return nil
	}
	r, err = Run(o)
	return letters, r, err
}

func TestFormsOfAHistory(t *testing.T) {
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, err := z.Write([]byte("time,ip,card_id\n1,203.0.113.7,a\n2,203.0.113.7,b\n"))
	require.NoError(t, err)
	require.NoError(t, z.Close())
	for name, text := range map[string]string{
		"CSV":                  "time,ip,card_id\n1,203.0.113.7,a\n2,203.0.113.7,b\n",
		"line ends of Windows": "time,ip,card_id\r\n1,203.0.113.7,a\r\n2,203.0.113.7,b\r\n",
		"no last line end":     "time,ip,card_id\n1,203.0.113.7,a\n2,203.0.113.7,b",
		"quotes":               "time,ip,\"card_id\",note\n1,203.0.113.7,\"a\",\"one\ntwo, \"\"three\"\"\"\n\n2,\"203.0.113.7\",b,5\"\n",
		"semicolons":           "time;ip;card_id\n1;203.0.113.7;a\n2;203.0.113.7;b\n",
		"tabs":                 "time\tip\tcard_id\n1\t203.0.113.7\ta\n2\t203.0.113.7\tb\n",
		"a byte order mark":    "\ufefftime,ip,card_id\n1,203.0.113.7,a\n2,203.0.113.7,b\n",
		"gzip":                 zipped.String(),
		"NDJSON":               `{"time":1,"ip":"203.0.113.7","card_id":"a","more":{"x":[1,"}"]}}` + "\n" + `{"card_id":"b","time":"2","ip":"203.0.113\u002e7","email":null}` + "\n",
		"columns in any order": "x,card_id,ip,time\n,a,203.0.113.7,1\n,b,203.0.113.7,2\n",
		"names with blanks":    "time, ip ,card_id\n1,203.0.113.7,a\n2,203.0.113.7,b\n",
		"an outcome, unheeded": "time,ip,card_id,outcome\n1,203.0.113.7,a,approved\n2,203.0.113.7,b,\n",
	} {
		letters, _, err := decided(t, Options{Stdin: strings.NewReader(text)})
		wantLetters := "ab"
		if strings.HasPrefix(name, "quotes") {
			wantLetters = "a" // the bare quote of the last row makes it malformed
		}
		require.NoError(t, err, name)
		assert.Equal(t, wantLetters, letters, name)
	}
}

func TestSeveralFilesAreOneHistory(t *testing.T) {
	folder := t.TempDir()
	var files []string
	for i, text := range []string{"time,ip,card_id\n1,203.0.113.7,a\n", "card_id,ip,time\nb,203.0.113.7,2\n"} {
		files = append(files, filepath.Join(folder, fmt.Sprint(i)))
		require.NoError(t, os.WriteFile(files[i], []byte(text), 0o600))
	}
	letters, r, err := decided(t, Options{Files: files})
	require.NoError(t, err)
	assert.Equal(t, "ab", letters)
	assert.EqualValues(t, 2, r.Rows)
}

func TestJoinedColumns(t *testing.T) {
	rule := velocity.Rule{Name: "cards_per_device", Per: "device", Count: "cards", Window: time.Hour, BlockOver: 1, Retention: velocity.Sliding, Mode: velocity.Enforce}
	columns := Columns{Time: "day+hour", Fields: map[velocity.Field]string{velocity.FieldDevice: "agent+os", velocity.FieldCardID: "c"}}
	letters, _, err := decided(t, Options{Plan: planOf(t, []velocity.Rule{rule}), Columns: columns, Stdin: strings.NewReader(
		"day,hour,agent,os,c\n2026-11-28,10:00:00,ab,c,1\n2026-11-28,10:00:01,a,bc,2\n2026-11-28,10:00:02,ab,c,3\n2026-11-28,10:00:03,,,4\n")})
	require.NoError(t, err)
	assert.Equal(t, "aaba", letters)
}

// A malformed row is named by number and column, and takes no part.
func TestMalformedRows(t *testing.T) {
	text := "time,ip,card_id,last4,expiry\n" +
		"1,203.0.113.7,a,,\n" +
		"soon,203.0.113.7,hidden1,,\n" +
		"3,hidden2,b,,\n" +
		"4,203.0.113.7,,hidden3,12/30\n" +
		"5,203.0.113.7\n" +
		"6,,,,\n" +
		"7,203.0.113.7,b\xff,,\n" +
		"8,203.0.113.7,b,,\n"
	letters, r, err := decided(t, Options{Stdin: strings.NewReader(text)})
	require.NoError(t, err)
	assert.Equal(t, "ab", letters)
	assert.EqualValues(t, []int64{8, 2, 6}, []int64{r.Rows, r.Judged, r.Malformed})
	var named []string
	for i := range r.Faults {
		assert.NotContains(t, r.Faults[i].Error(), "hidden")
		named = append(named, fmt.Sprintf("%d %s", r.Faults[i].Row, r.Faults[i].Column))
	}
	assert.Equal(t, []string{"2 time", "3 ip", "4 last4", "5 ", "6 ip", "7 card_id"}, named)

	_, _, err = decided(t, Options{Stdin: strings.NewReader("time,ip,card_id\nsoon,203.0.113.7,hidden\n")})
	require.ErrorContains(t, err, "row 1, column time")
	assert.NotContains(t, err.Error(), "hidden")
}

// A row that lacks a value is judged as a check that lacks it.
func TestRowsThatLackValues(t *testing.T) {
	rules := []velocity.Rule{
		{Name: "cards_per_ip", Per: "ip", Count: "cards", Window: time.Hour, BlockOver: 1, Retention: velocity.Sliding, Mode: velocity.Enforce},
		{Name: "attempts_per_email", Per: "email", Count: "attempts", Window: time.Hour, BlockOver: 1, Retention: velocity.Sliding, Mode: velocity.Enforce},
	}
	_, got := replayed(t, Options{Plan: planOf(t, rules), Stdin: strings.NewReader(
		"time,ip,card_id,email\n1,203.0.113.7,a,\n2,203.0.113.7,b,\n3,203.0.113.7,,\n4,,,a@example.com\n5,,,A+b@example.com\n")})
	assert.Equal(t, `row,decision,reasons,counts
1,allow,,cards_per_ip=1
2,block,cards_per_ip,cards_per_ip=2
3,block,cards_per_ip,cards_per_ip=2
4,allow,,attempts_per_email=1
5,block,attempts_per_email,attempts_per_email=2
`, got)
}

func TestOrder(t *testing.T) {
	text := "time,ip,card_id\n1,203.0.113.7,a\n3,203.0.113.7,b\n2,203.0.113.7,c\n"
	_, _, err := decided(t, Options{Stdin: strings.NewReader(text)})
	require.ErrorContains(t, err, "row 3 ")
	require.ErrorContains(t, err, "--sort")
	rule := velocity.DefaultRule
	rule.BlockOver, rule.ReviewOver = 2, 0
	_, got := replayed(t, Options{Plan: planOf(t, []velocity.Rule{rule}), Stdin: strings.NewReader(text), Sort: true})
	assert.Equal(t, "row,decision,reasons,counts\n1,allow,,cards_per_ip=1\n3,allow,,cards_per_ip=2\n2,block,cards_per_ip,cards_per_ip=3\n", got)
}

// A column that holds whole card numbers ends the run, and nothing of it is shown.
func TestWholeCardNumbersAreRefused(t *testing.T) {
	const number = "4111111111111111"
	for _, field := range []string{"card_id", "last4", "device", "account", "attempt_id", "email"} {
		var told bytes.Buffer
		w := NewDecisionWriter(&told)
		_, err := Run(Options{Plan: planOf(t, []velocity.Rule{velocity.DefaultRule}), Files: []string{"-"},
			Each:  func(j *Judged) error { return w.Write(j, 1) },
			Stdin: strings.NewReader("time,ip,expiry," + field + "\n1,203.0.113.7,12/30,4111 1111 1111 1111\n2,203.0.113.7,12/30," + number + "\n")})
		require.ErrorContains(t, err, "whole card numbers", field)
		assert.NotContains(t, err.Error(), "1111", field)
	}
	// Numbers of orders may have the check digit of a card's, now and then.
	text := "time,ip,card_id,attempt_id\n"
	for i := range 100 {
		text += fmt.Sprintf("%d,203.0.113.7,a,%d\n", i, 4111111111111100+i)
	}
	_, _, err := decided(t, Options{Stdin: strings.NewReader(text)})
	require.NoError(t, err)
	// A first line that is no header may be data.
	_, _, err = decided(t, Options{Stdin: strings.NewReader("1,203.0.113.7," + number + "\n"), Columns: Columns{Time: "time"}})
	require.Error(t, err)
	assert.NotContains(t, err.Error(), "4111")
}

func TestOptionsThatAreWrong(t *testing.T) {
	for text, o := range map[string]Options{
		"--time: missing":                    {Columns: Columns{Label: "bad"}},
		"--ip: expected a column":            {Columns: Columns{Time: "time", Fields: map[velocity.Field]string{velocity.FieldIP: "adress"}}},
		"--last4: expected the expiry":       {Columns: Columns{Time: "time", Fields: map[velocity.Field]string{velocity.FieldLast4: "card_id"}}},
		"expected the name of a rule of the": {Sweeps: []string{"cards block_over=1"}},
		"expected each of window=":           {Sweeps: []string{"cards_per_ip blockover=1"}},
		"block_over: expected numbers":       {Sweeps: []string{"cards_per_ip block_over=3..1"}},
		"window: expected times":             {Sweeps: []string{"cards_per_ip window=1day"}},
	} {
		o.Stdin = strings.NewReader("time,ip,card_id\n1,203.0.113.7,a\n")
		_, _, err := decided(t, o)
		assert.ErrorContains(t, err, text)
	}
	_, err := ParseSubject("passport=hidden", planOf(t, []velocity.Rule{velocity.DefaultRule}))
	require.Error(t, err)
	assert.NotContains(t, err.Error(), "hidden")
}

func TestInvalidCellsAreLeftOut(t *testing.T) {
	_, r, err := decided(t, Options{Sweeps: []string{"cards_per_ip block_over=0..3 review_over=0,2"}, Stdin: strings.NewReader("time,ip,card_id\n1,203.0.113.7,a\n")})
	require.NoError(t, err)
	assert.Len(t, r.Cells, 4) // block_over 1, 2 and 3, and 3 with a review
	assert.Equal(t, 4, r.InvalidCells)
}

// Caught, missed and false blocks, of a history that is small enough to count by hand.
func TestScores(t *testing.T) {
	text := "time,ip,card_id,label,amount,outcome\n" +
		"0,203.0.113.1,a,0,10,approved\n" + // an honest subject, blocked once
		"1,203.0.113.1,b,0,2.50,approved\n" + // blocked
		"2,203.0.113.2,a,1,,declined\n" + // missed
		"3,203.0.113.2,b,true,,declined\n" + // caught
		"200,203.0.113.2,c,Fraud,1,declined\n" + // from here on it is the last third; caught
		"250,203.0.113.3,a,,7,approved\n" + // honest
		"290,203.0.113.4,a,0,,\n" +
		"300,203.0.113.4,b,no,3,approved\n" // blocked
	_, r, err := decided(t, Options{Stdin: strings.NewReader(text)})
	require.NoError(t, err)
	c := r.Rules[0]
	assert.Equal(t, Score{Rows: 8, WouldBlock: 4, ValueLost: 5_500_000, Fraud: 3, Caught: 2, Honest: 5, FalseBlocks: 2, HonestSubjects: 3, BlockedSubjects: 2}, c.Whole)
	assert.Equal(t, Score{Rows: 4, WouldBlock: 2, ValueLost: 2_500_000, Fraud: 2, Caught: 1, Honest: 2, FalseBlocks: 1, HonestSubjects: 1, BlockedSubjects: 1}, c.Tuned)
	assert.Equal(t, Score{Rows: 4, WouldBlock: 2, ValueLost: 3_000_000, Fraud: 1, Caught: 1, Honest: 3, FalseBlocks: 1, HonestSubjects: 2, BlockedSubjects: 1}, c.Reported)
	assert.Equal(t, velocity.Time(200_000), r.ReportedFrom)
	require.NotNil(t, r.Chosen)
	// R: binom::binom.confint(2, 3, methods = "wilson")
	low, high := c.Whole.Recall().Wilson()
	assert.InDelta(t, 0.207660, low, 1e-6)
	assert.InDelta(t, 0.938508, high, 1e-6)

	_, r, err = decided(t, Options{Stdin: strings.NewReader(strings.Replace(text, "label", "mark", 1))})
	require.NoError(t, err)
	assert.False(t, r.Labelled)
	var out bytes.Buffer
	require.NoError(t, r.WriteJSON(&out))
	assert.NotContains(t, out.String(), "precision", "nothing is invented")
	assert.Contains(t, out.String(), `"approved_value_lost": 5.5`)

	// Without outcomes, or without amounts, nobody knows what of value is lost.
	for _, missing := range []string{"amount", "outcome"} {
		_, r, err = decided(t, Options{Stdin: strings.NewReader(strings.Replace(text, missing, "x", 1))})
		require.NoError(t, err)
		out.Reset()
		require.NoError(t, r.WriteJSON(&out))
		assert.Contains(t, out.String(), `"approved_value_lost": null`, missing)
		assert.NotRegexp(t, `"approved_value_lost": [0-9]`, out.String(), missing)
		out.Reset()
		require.NoError(t, r.WriteText(&out))
		assert.NotContains(t, out.String(), "approved value lost", missing)
	}
}

// An outcome is heard three seconds after its attempt: not by the attempt of a second later.
func TestOutcomesAreHeardLater(t *testing.T) {
	rule := velocity.Rule{Name: "declines_per_ip", Per: "ip", Count: "declines", Window: time.Hour, BlockOver: 1, Retention: velocity.Sliding, Mode: velocity.Enforce}
	text := "time,ip,card_id,outcome\n"
	for i := range 7 {
		text += fmt.Sprintf("%d,203.0.113.7,c%d,declined\n", i, i)
	}
	plan := planOf(t, []velocity.Rule{rule})
	columns := Columns{Time: "time", OutcomeAfter: 3 * time.Second, Fields: map[velocity.Field]string{velocity.FieldIP: "ip", velocity.FieldCardID: "card_id", velocity.FieldOutcome: "outcome"}}
	letters, _, err := decided(t, Options{Plan: plan, Columns: columns, Stdin: strings.NewReader(text)})
	require.NoError(t, err)
	assert.Equal(t, "aaaabbb", letters)
	columns.OutcomeAfter = 0
	letters, _, err = decided(t, Options{Plan: plan, Columns: columns, Stdin: strings.NewReader(text)})
	require.NoError(t, err)
	assert.Equal(t, "aabbbbb", letters)
}

// A quote that nobody closes swallows rows: the run ends, or the row says how many lines it
// has.
func TestAStrayQuoteIsTold(t *testing.T) {
	testbed.SkipRace(t, "reads rows of megabytes, byte by byte")
	const head = "time,ip,card_id,note\n1,203.0.113.7,a,x\n"
	lines := strings.Repeat("2,203.0.113.7,a,x\n", 10)
	long := strings.Repeat("2,203.0.113.7,a,x\n", longestRow/10)
	for text, want := range map[string]string{
		head + "2,203.0.113.7,b,\"x\n" + lines:                       "a quote opened in row 2 is never closed",
		head + lines + "2,203.0.113.7,b,\"":                          "a quote opened in row 12 is never closed",
		head + "2,203.0.113.7,b,\"x\n" + long:                        "row 2 is longer than 4194304 bytes: a quote opened in it is not closed?",
		"time,ip,card_id,note\n2,203.0.113.7,\"b,x\n" + head + lines: "a quote opened in row 1 is never closed",
	} {
		for _, sorted := range []bool{false, true} {
			_, _, err := decided(t, Options{Stdin: strings.NewReader(text), Sort: sorted})
			require.EqualError(t, err, want)
		}
	}
	// Here other quotes close it, and the rows behind keep their numbers.
	text := head + "2,203.0.113.7,\"b,x\n" + lines + "3,203.0.113.7,\"c\",\"x\ny\"\nlater,203.0.113.7,a,x\n4,203.0.113.7,a,x\n"
	letters, r, err := decided(t, Options{Stdin: strings.NewReader(text)})
	require.NoError(t, err)
	var named []string
	for i := range r.Faults {
		named = append(named, r.Faults[i].Error())
	}
	assert.Equal(t, "aa", letters)
	assert.Equal(t, []string{
		"row 2: expected a row of CSV (RFC 4180): quotes around a field, and doubled in it; it spans 12 lines: a quote is not closed?",
		"row 3: expected a row of CSV (RFC 4180): quotes around a field, and doubled in it",
		"row 4, column time: expected " + aTime,
	}, named)
	text = head + "1,203.0.113.7,a,\"x\n\ny\"\n\nlater,203.0.113.7,a,\"x\ny\"\n"
	_, r, err = decided(t, Options{Stdin: strings.NewReader(text)})
	require.NoError(t, err)
	require.Len(t, r.Faults, 1)
	assert.Equal(t, "row 3, column time: expected "+aTime+"; it spans 2 lines: a quote is not closed?", r.Faults[0].Error())
}

// What a row is does not depend on where a chunk of the file ends.
func TestRowsAreTheSameInEveryChunk(t *testing.T) {
	broken := "2,203.0.113.7,a\"b,\"x\n2,203.0.113.7,\"a\"b,\"x\n2,203.0.113.7,b,\"x\r\ny\"\r\n"
	_, r, err := decided(t, Options{Stdin: strings.NewReader("time,ip,card_id,note\n" + strings.Repeat(broken, 3*chunkSize/len(broken)))})
	require.NoError(t, err)
	assert.EqualValues(t, 3*(3*chunkSize/len(broken)), r.Rows)
	assert.EqualValues(t, 3*chunkSize/len(broken), r.Judged)
}

func TestFormsThatAreNamed(t *testing.T) {
	for text, want := range map[string]string{
		"\xff\xfet\x00i\x00m\x00e\x00\n\x00":                     "expected UTF-8; this looks like UTF-16, which iconv -f UTF-16 -t UTF-8 converts",
		"\xfe\xff\x00t\x00i\x00m\x00e\x00\n":                     "expected UTF-8; this looks like UTF-16",
		"t\x00i\x00m\x00e\x00\n\x00":                             "expected UTF-8; this looks like UTF-16",
		"time,ip,card_id\r1,203.0.113.7,a\r":                     "expected lines that end with a line feed; these end with a carriage return alone, which tr '\\r' '\\n' converts",
		"time," + strings.Repeat("x", longestRow):                "expected a header of column names in its first line",
		"time,ip,card_id,amount\n1,203.0.113.7,a,\"1,234.56\"\n": "row 1, column amount: expected a decimal number of at most 12 digits before the point, without separators of thousands, as in 1234.56",
	} {
		_, _, err := decided(t, Options{Stdin: strings.NewReader(text)})
		require.ErrorContains(t, err, want)
	}
	for _, text := range []string{
		"sep=,\ntime,ip,card_id\n1,203.0.113.7,a\n2,203.0.113.7,b\n",
		"sep=;\r\ntime;ip;card_id\r\n1;203.0.113.7;a\r\n2;203.0.113.7;b\r\n",
		"sep=|\ntime|ip|card_id\n1|203.0.113.7|a\n2|203.0.113.7|b\n",
		"Time,IP,Card_ID\n1,203.0.113.7,a\n2,203.0.113.7,b\n",
		`{"Time":1,"IP":"203.0.113.7","Card_ID":"a"}` + "\n" + `{"Time":2,"IP":"203.0.113.7","Card_ID":"b"}` + "\n",
	} {
		letters, _, err := decided(t, Options{Stdin: strings.NewReader(text)})
		require.NoError(t, err, text)
		assert.Equal(t, "ab", letters, text)
	}
}

// A name in another letter case is taken where one column alone can be meant.
func TestLetterCaseOfNames(t *testing.T) {
	columns := Columns{Time: "WHEN", Fields: map[velocity.Field]string{velocity.FieldIP: "addr", velocity.FieldCardID: "card"}}
	letters, _, err := decided(t, Options{Columns: columns, Stdin: strings.NewReader("When,Addr,card,Card\n1,203.0.113.7,a,x\n2,203.0.113.7,b,x\n")})
	require.NoError(t, err)
	assert.Equal(t, "ab", letters)
	columns.Fields[velocity.FieldCardID] = "CARD"
	_, _, err = decided(t, Options{Columns: columns, Stdin: strings.NewReader("When,Addr,card,Card\n1,203.0.113.7,a,x\n")})
	require.ErrorContains(t, err, "--card-id: expected a column of the header")
}

// One named column switches the others' default names off.
func TestDefaultNamesAreForRunsThatNameNone(t *testing.T) {
	const text = "time,when,ip,card_id,outcome\n1,1,203.0.113.7,a,approved\n"
	_, _, err := decided(t, Options{Columns: Columns{Time: "when"}, Stdin: strings.NewReader(text)})
	require.EqualError(t, err, "-: --ip: missing, and so is every other subject; expected the column of one (--ip, --card-id, --last4, --email, --device, --cart or --account), which has time, when, ip, card_id, outcome; default names count only where no column is named")
	_, _, err = decided(t, Options{Columns: Columns{Label: "outcome"}, Stdin: strings.NewReader(text)})
	require.ErrorContains(t, err, "--time: missing; expected the column that holds the time of each row, which has time, when, ip, card_id, outcome; default names count only where no column is named")
	_, r, err := decided(t, Options{Columns: Columns{Time: "when", Fields: map[velocity.Field]string{velocity.FieldIP: "ip"}}, Stdin: strings.NewReader(text)})
	require.NoError(t, err)
	assert.Equal(t, []string{"time", "card_id", "outcome"}, r.Unused)
	var out bytes.Buffer
	require.NoError(t, r.WriteText(&out))
	assert.Contains(t, out.String(), "Not used, as columns are named: time, card_id, outcome\n")
}

// An outcome that the service would refuse is not heard, and its attempt is judged.
func TestMalformedOutcomes(t *testing.T) {
	text := "time,ip,card_id,outcome\n1,203.0.113.7,a,hidden\n2,203.0.113.7,b,\n3,203.0.113.7,c,hidden\nx,,,\n"
	letters, r, err := decided(t, Options{Stdin: strings.NewReader(text)})
	require.NoError(t, err)
	assert.Equal(t, "abb", letters)
	assert.EqualValues(t, []int64{3, 1, 2}, []int64{r.Judged, r.Malformed, r.MalformedOutcomes})
	var out bytes.Buffer
	require.NoError(t, r.WriteText(&out))
	assert.Contains(t, out.String(), "\n1 malformed row took no part:\n  row 4, column time: ")
	assert.Contains(t, out.String(), "\n2 malformed outcomes were not heard; their attempts were judged:\n  row 1, column outcome: expected approved, declined or error\n")
	assert.NotContains(t, out.String(), "hidden")
}
