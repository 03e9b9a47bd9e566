package decisionlog_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"fraudcheck/internal/auth"
	"fraudcheck/internal/decisionlog"
	"fraudcheck/internal/event"
	"fraudcheck/internal/velocity"
	"fraudcheck/internal/velocity/velocitytest"
)

const patience = 20 * time.Second

// hashKey is what ids are made with in tests.
var hashKey = []byte("the hash key of these tests, 32 b")

// A recorder decides checks with a real checker and has a log of its own.
type recorder struct {
	t       testing.TB
	dir     string
	now     atomic.Int64 // velocity.Time
	checker *velocity.Checker
	ids     *velocity.ShortIDs
	log     *decisionlog.Log
	set     decisionlog.Settings
}

func newRecorder(t testing.TB, change ...func(*decisionlog.Settings)) *recorder {
	t.Helper()
	memory, err := velocity.NewMemory(1 << 20)
	require.NoError(t, err)
	r := &recorder{
		t: t, dir: filepath.Join(t.TempDir(), "log"),
		checker: velocitytest.NewChecker(t, []velocity.Rule{velocity.DefaultRule}, memory), ids: velocity.NewShortIDs(hashKey),
	}
	r.at("2026-11-28T13:00:00.123Z")
	ids, err := velocity.NewLogIDs(hashKey)
	require.NoError(t, err)
	r.set = decisionlog.Settings{
		Dir: r.dir, Days: 30, MaxBytes: 1 << 30, Instance: "web-1", IDs: ids, Plan: r.checker.Plan,
		Now:    func() velocity.Time { return velocity.Time(r.now.Load()) },
		Caller: func(name string) string { return name },
	}
	for _, c := range change {
		c(&r.set)
	}
	return r
}

// open is a start of the program.
func (r *recorder) open() {
	r.t.Helper()
	var err error
	r.log, err = decisionlog.Open(r.set)
	require.NoError(r.t, err)
	r.t.Cleanup(r.log.Close)
}

func (r *recorder) at(now string) {
	r.t.Helper()
	at, err := time.Parse(time.RFC3339, now)
	require.NoError(r.t, err)
	r.now.Store(at.UnixMilli())
}

func fieldsOf(t testing.TB, pairs []string) (f velocity.Fields) {
	t.Helper()
	for _, pair := range pairs {
		name, value, _ := strings.Cut(pair, "=")
		field, ok := velocity.FieldByName(name)
		require.True(t, ok && f.Set(field, value), pair)
	}
	return f
}

// event is what a request with these fields, written name=value, makes happen.
func (r *recorder) event(pairs ...string) *event.Event {
	r.t.Helper()
	f := fieldsOf(r.t, append([]string{"attempt_id=order-1"}, pairs...))
	e := &event.Event{Time: velocity.Time(r.now.Load()), Caller: &auth.Caller{Name: "checkout"}, ShortAttempt: r.ids.Attempt("order-1")}
	var a velocity.Attempt
	var err error
	if f.Has(velocity.FieldOutcome) {
		e.Kind = event.Outcome
		a, e.Answer, err = velocity.ParseOutcome(&f)
	} else {
		e.Decision = new(velocity.Decision)
		a, err = velocity.ParseAttempt(&f)
		r.checker.Check(&a, e.Time, nil, e.Decision)
	}
	require.NoError(r.t, err)
	e.Attempt = &a
	return e
}

// take makes it happen.
func (r *recorder) take(pairs ...string) { r.log.Watch(r.event(pairs...)) }

// stop ends the run. The file changed when its last line was written, by the test's clock.
func (r *recorder) stop() {
	r.t.Helper()
	r.log.Close()
	r.log.AwaitEnd()
	now := time.UnixMilli(r.now.Load())
	require.NoError(r.t, os.Chtimes(filepath.Join(r.dir, "decisions"), now, now))
}

// lines ends the run and returns all lines.
func (r *recorder) lines() []line {
	r.t.Helper()
	r.stop()
	return read(r.t, r.dir)
}

func (r *recorder) text(name string) string {
	text, err := os.ReadFile(filepath.Join(r.dir, name))
	require.NoError(r.t, err)
	return string(text)
}

// The ids of a release stay those of the next, or a log would end with each.
func TestLinesSayWhatWasDecided(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	r := newRecorder(t)
	r.open()
	for n := range 6 {
		r.take("ip=203.0.113.7", "last4=424"+fmt.Sprint(n), "expiry=12/30", "email=Ana@Example.com")
	}
	r.take("ip=203.0.113.7", "card=later", "cart=c-1")
	r.take("ip=2001:db8:1:2::7", "card_id=tok_1", "expiry=12/30", "outcome=declined", "reason=invalid_number", "at=2026-11-28T12:59:58.5Z")
	r.take("ip=203.0.113.7", "card_id=tok_1", "card=now", "device=d", "account=a", "outcome=approved")
	require.Len(t, r.lines(), 10)
	lines := strings.SplitAfter(r.text("decisions"), "\n")
	const head = `"time":"2026-11-28T13:00:00.123Z","instance":"web-1","kind":`
	const rule = `"rules":[{"name":"cards_per_ip","outcome":"`
	const address = `"subjects":{"ip":"d2igsqUIiqItGM1qOhheXg","network":"WeViyjtvuw4NGys-1N5h_Q",`
	const end = `},"key":"uekb4474","caller":"checkout"}` + "\n"
	assert.Equal(t, `{"v":1,"seq":1,`+head+`"check","attempt":"h23ywca2","decision":"allow","reasons":[],`+rule+`allow","mode":"enforce","count":1}],"degraded":false,`+
		address+`"card":"V6Tim2Pg6lyn4AJ3H89jHA","email":"OAydHtC0BaNj85C0NEmy8g"`+end, lines[0])
	assert.Equal(t, `{"v":1,"seq":6,`+head+`"check","attempt":"h23ywca2","decision":"block","reasons":["cards_per_ip"],`+rule+`block","mode":"enforce","count":6}],"degraded":false,`+
		address+`"card":"kq2wxoPJYf_kZJpgFrcZCA","email":"OAydHtC0BaNj85C0NEmy8g"`+end, lines[5])
	assert.Equal(t, `{"v":1,"seq":7,`+head+`"check","attempt":"h23ywca2","card":"later","decision":"block","reasons":["cards_per_ip"],`+rule+`block","mode":"enforce","count":6}],"degraded":false,`+
		address+`"cart":"7xlOJt-UGCbJHEfrw7osYQ"`+end, lines[6])
	assert.Equal(t, `{"v":1,"seq":8,`+head+`"outcome","attempt":"h23ywca2","outcome":"declined","reason":"invalid_number","at":"2026-11-28T12:59:58.500Z",`+
		`"subjects":{"ip":"gekYHRTa24qIbjqTLr88fA","network":"BkRcroe2k29YFUHIBGJ6Wg","card":"hpNNgR_ZDDeydnV7MINe3A","expiry":"qy_yUm9xsyfFaPeTJKw6_g"`+end, lines[7])
	assert.Equal(t, `{"v":1,"seq":9,`+head+`"outcome","attempt":"h23ywca2","card":"now","outcome":"approved",`+
		address+`"card":"hpNNgR_ZDDeydnV7MINe3A","device":"XbtcheMaiHwdILhEIRQcUw","account":"MtQxQhjv2qBo66KW0TT-FQ"`+end, lines[8])
	assert.Equal(t, `{"v":1,"seq":10,`+head+`"gap","lost":0}`+"\n", lines[9])
}

func TestChangesHaveLines(t *testing.T) {
	r := newRecorder(t)
	r.open()
	subject := func(pairs ...string) *velocity.Attempt {
		f := fieldsOf(t, pairs)
		_, a, err := velocity.ParseSubject(&f)
		require.NoError(t, err)
		return &a
	}
	now, analyst := velocity.Time(r.now.Load()), &auth.Caller{Name: "ana"}
	r.log.Watch(&event.Event{Kind: event.Forget, Time: now, Attempt: subject("per=email", "value=ana@example.com"), Caller: analyst, What: "email"})
	r.log.Watch(&event.Event{Kind: event.Override, Time: now, Attempt: subject("per=ip", "value=203.0.113.7"), Caller: analyst, What: "allow", Until: now + 3600_000})
	r.log.Watch(&event.Event{Kind: event.Override, Time: now, Attempt: subject("per=ip", "value=203.0.113.7"), Caller: analyst, What: "remove"})
	r.log.Watch(&event.Event{Kind: event.Reload, Time: now, What: "SIGHUP"})
	r.log.Watch(&event.Event{Kind: event.LoginEnded, Time: now, Caller: analyst, What: "VJ8zq5"})
	require.Equal(t, []string{"forget", "override", "override", "reload", "login_ended", "gap 0"}, kinds(r.lines()))
	const head = `"time":"2026-11-28T13:00:00.123Z","instance":"web-1","kind":`
	const address = `"subjects":{"ip":"d2igsqUIiqItGM1qOhheXg","network":"WeViyjtvuw4NGys-1N5h_Q"},"key":"uekb4474","caller":"ana"}` + "\n"
	lines := strings.SplitAfter(r.text("decisions"), "\n")
	assert.Equal(t, `{"v":1,"seq":1,`+head+`"forget","what":"email","subjects":{"email":"OAydHtC0BaNj85C0NEmy8g"},"key":"uekb4474","caller":"ana"}`+"\n", lines[0])
	assert.Equal(t, `{"v":1,"seq":2,`+head+`"override","what":"allow","until":"2026-11-28T14:00:00.123Z",`+address, lines[1])
	assert.Equal(t, `{"v":1,"seq":3,`+head+`"override","what":"remove",`+address, lines[2])
	assert.Equal(t, `{"v":1,"seq":4,`+head+`"reload","what":"SIGHUP"}`+"\n", lines[3])
	assert.Equal(t, `{"v":1,"seq":5,`+head+`"login_ended","what":"VJ8zq5","caller":"ana"}`+"\n", lines[4])
}

// What rules count as one has one id, and no other has.
func TestIDsFollowWhatRulesCount(t *testing.T) {
	r := newRecorder(t)
	r.open()
	r.take("ip=2001:db8:1:2::7", "last4=4242", "expiry=12/30", "email=ana.b@gmail.com", "device=same", "cart=same", "account=same")
	r.take("ip=2001:db8:1:2::8", "last4=4242", "exp_month=12", "exp_year=2030", "email=AnaB+x@googlemail.com", "device=other")
	r.take("ip=2001:db8:1:3::7", "card_id=tok_1", "expiry=12/30")
	r.take("ip=203.0.113.7", "card_id=tok_1", "expiry=11/30", "last4=4242")
	l := r.lines()
	for name, same := range map[string][2]int{"ip": {0, 1}, "network": {0, 2}, "card": {0, 1}, "email": {0, 1}} {
		assert.Equal(t, l[same[0]].Subjects[name], l[same[1]].Subjects[name], name)
	}
	assert.Equal(t, l[2].Subjects["card"], l[3].Subjects["card"], "card_id is the card")
	for name, differ := range map[string][2]int{"ip": {0, 2}, "network": {0, 3}, "card": {0, 2}, "device": {0, 1}, "expiry": {2, 3}} {
		assert.NotEqual(t, l[differ[0]].Subjects[name], l[differ[1]].Subjects[name], name)
	}
	seen := map[string]bool{}
	for _, id := range l[0].Subjects {
		assert.False(t, seen[id], "one value has an id for each kind of field")
		seen[id] = true
	}
	assert.Len(t, seen, 7)
}

func TestFilesEndAtMidnight(t *testing.T) {
	r := newRecorder(t)
	r.at("2026-11-28T23:59:59.998Z")
	r.open()
	var batch []*event.Event
	for _, now := range []string{"2026-11-28T23:59:59.998Z", "2026-11-28T23:59:59.999Z", "2026-11-29T00:00:00Z", "2026-11-29T23:59:59.999Z", "2026-11-30T00:00:00Z"} {
		r.at(now)
		batch = append(batch, r.event("ip=203.0.113.7", "last4=4242", "expiry=12/30"))
	}
	for _, e := range batch { // all at once
		r.log.Watch(e)
	}
	require.Equal(t, []string{"check", "check", "check", "check", "check", "gap 0"}, kinds(r.lines()))
	entries, err := os.ReadDir(r.dir)
	require.NoError(t, err)
	for _, e := range entries {
		info, err := e.Info()
		require.NoError(t, err)
		assert.Equal(t, os.FileMode(0o600), info.Mode(), e.Name())
	}
	assert.Equal(t, []int{2, 2, 2}, []int{strings.Count(r.text("decisions.2026-11-28"), "\n"), strings.Count(r.text("decisions.2026-11-29"), "\n"), strings.Count(r.text("decisions"), "\n")})
}

// A request that took over midnight has its line in the day that is written already.
func TestALateLineOpensNoFinishedDay(t *testing.T) {
	r := newRecorder(t)
	r.at("2026-11-28T23:59:59.998Z")
	r.open()
	late := r.event("ip=203.0.113.7", "card_id=a")
	r.at("2026-11-29T00:00:00Z")
	r.take("ip=203.0.113.7", "card_id=b")
	r.log.Watch(late)
	r.stop()
	require.Equal(t, 3, strings.Count(r.text("decisions"), "\n"))
}

func TestARunGoesOnWhereTheLastOneEnded(t *testing.T) {
	r := newRecorder(t)
	for range 3 {
		r.open()
		r.take("ip=203.0.113.7", "card_id=a")
		r.stop()
	}
	require.Equal(t, []string{"check", "gap 0", "check", "gap 0", "check", "gap 0"}, kinds(read(t, r.dir)))
}

// killed leaves in the folder what a killed run would: whole lines, and a torn one.
func (r *recorder) killed(torn string) {
	r.open()
	r.take("ip=203.0.113.7", "card_id=a")
	r.log.Close()
	path := filepath.Join(r.dir, "decisions")
	line, _, _ := strings.Cut(r.text("decisions"), "\n")
	require.NoError(r.t, os.WriteFile(path, []byte(line+"\n"+torn), 0o600))
	r.stop()
}

func TestAfterAKillTheFirstLineSaysThatTheEndIsNotKnown(t *testing.T) {
	for name, torn := range map[string]string{"between two lines": "", "in a line": `{"v":1,"seq":2,"time":"2026-1`, "before the line's end": `{"v":1,"seq":2,"kind":"gap","lost":0`} {
		t.Run(name, func(t *testing.T) {
			r := newRecorder(t)
			r.killed(torn)
			r.open()
			r.take("ip=203.0.113.7", "card_id=b")
			r.stop()
			text := r.text("decisions")
			if torn != "" {
				require.Contains(t, text, "}\n"+torn+"\n{", "the torn line stays alone")
				text = strings.Replace(text, torn+"\n", "", 1)
				require.NoError(t, os.WriteFile(filepath.Join(r.dir, "decisions"), []byte(text), 0o600))
			}
			require.Equal(t, []string{"check", "gap null", "check", "gap 0"}, kinds(read(t, r.dir)))
		})
	}
}

// The last line may be in the file of a day that is over.
func TestTheLastRunIsFoundInTheFileOfItsDay(t *testing.T) {
	r := newRecorder(t)
	r.killed("")
	path := filepath.Join(r.dir, "decisions")
	r.at("2026-11-29T01:00:00Z")
	r.open()
	require.Equal(t, []string{"check", "gap null", "gap 0"}, kinds(r.lines()))
	require.FileExists(t, path+".2026-11-28")
	require.NoError(t, os.Rename(path, path+".2026-11-29"))
	r.open()
	r.take("ip=203.0.113.7", "card_id=b")
	require.Equal(t, []string{"check", "gap null", "gap 0", "check", "gap 0"}, kinds(r.lines()))
}

// A run that ends without having told what it lost did not end cleanly.
func TestALostEventIsNoCleanEnd(t *testing.T) {
	r := newRecorder(t)
	r.open()
	r.log.Close()
	path := filepath.Join(r.dir, "decisions")
	require.NoError(t, os.WriteFile(path, []byte(strings.Replace(r.text("decisions"), `"lost":0`, `"lost":7`, 1)), 0o600))
	r.stop()
	r.open()
	require.Equal(t, []string{"gap 7", "gap null", "gap 0"}, kinds(r.lines()))
}

// Ids of IPv6 addresses are of networks: a reader has to know of which.
func TestLinesSayAPrefixOtherThan64(t *testing.T) {
	plan, err := velocity.NewPlan([]velocity.Rule{velocity.DefaultRule}, 56)
	require.NoError(t, err)
	r := newRecorder(t)
	r.checker.Replace(plan)
	r.open()
	r.take("ip=2001:db8::1", "card=later")
	r.take("ip=2001:db8::1", "card=later", "outcome=declined")
	for _, l := range r.lines()[:2] {
		require.NotNil(t, l.Prefix, l.Kind)
		assert.Equal(t, 56, *l.Prefix)
	}

	r = newRecorder(t)
	r.open()
	r.take("ip=2001:db8::1", "card=later")
	assert.Nil(t, r.lines()[0].Prefix)
}
