package operator

import (
	"bytes"
	"encoding/json"
	"slices"
	"time"

	"fraudcheck/internal/door"
	"fraudcheck/internal/recent"
	"fraudcheck/internal/velocity"
	"fraudcheck/internal/wire"
)

// minutesShown is how many minutes an answer has at most, the present one included.
const minutesShown = 60

// trends is the answer of one instance, or of all.
type trends struct {
	Minutes     list[trendMinute] `json:"minutes"`
	Top         *trendTop         `json:"top"`
	Unreachable []string          `json:"unreachable"`
}

// A trendMinute is a minute of it.
type trendMinute struct {
	Time     moment `json:"time"` // its begin
	Allow    uint64 `json:"allow"`
	Review   uint64 `json:"review"`
	Block    uint64 `json:"block"`
	Degraded uint64 `json:"degraded"`
	// Addresses and Cards are how many different ones came; of several instances, at the one
	// that saw most: others may have seen the same.
	Addresses int     `json:"addresses"`
	Cards     int     `json:"cards"`
	P50       float64 `json:"p50_ms"`
	P90       float64 `json:"p90_ms"`
	P99       float64 `json:"p99_ms"`
	// Took is what the quantiles are made from: checks by the time to their decision.
	Took took `json:"took"`
}

// A took is a histogram of at most recent.TookLength numbers.
type took []uint64

// UnmarshalJSON implements json.Unmarshaler.
func (t *took) UnmarshalJSON(text []byte) error {
	if bytes.Count(text, []byte(",")) >= recent.TookLength {
		return errTooMany
	}
	return json.Unmarshal(text, (*[]uint64)(t))
}

// A trendTop is the address with the largest share of the last ten minutes' checks at one
// instance.
type trendTop struct {
	IP       string  `json:"ip"`
	Share    float64 `json:"share"`
	Attempts int64   `json:"attempts"`
	Of       int64   `json:"of"`
}

// listTrends answers GET /v1/trends: the last hour, minute by minute, the oldest first.
func (a *API) listTrends(q *door.Request) *wire.Problem {
	thisOnly, p := parseScope(q)
	if p != nil {
		return p
	}
	now := a.Now(q.Start)
	all := trends{Minutes: list[trendMinute]{}, Top: topOf(a.Minutes.Traffic.Top(now, nil))}
	for _, m := range a.Minutes.Last(now) {
		all.Minutes = append(all.Minutes, trendMinute{
			Time: moment{time.UnixMilli(int64(m.Start))}, Allow: m.By[velocity.Allow], Review: m.By[velocity.Review], Block: m.By[velocity.Block],
			Degraded: m.Degraded, Addresses: m.Addresses, Cards: m.Cards, Took: append(took{}, m.Took...),
		})
	}
	others, unreachable := ofAll[trends](a, q, trendsPath, nil, thisOnly)
	for _, other := range others {
		all.merge(&other.said, now)
	}
	for i := range all.Minutes {
		all.Minutes[i].quantiles()
	}
	all.Unreachable = unreachable
	answerJSON(q, all)
	return nil
}

// topOf is nil where too few checks came.
func topOf(t recent.Top) *trendTop {
	if t.Share() == 0 {
		return nil
	}
	return &trendTop{IP: t.Address.String(), Share: t.Share(), Attempts: t.Attempts, Of: t.Of}
}

// merge adds the trends of another instance, minute by minute. What is no whole minute of
// the hour that ends with the minute of now is left out.
func (t *trends) merge(o *trends, now velocity.Time) {
	present := now - now%60_000
	for _, m := range o.Minutes[max(0, len(o.Minutes)-minutesShown):] {
		start := velocity.TimeOf(m.Time.Time)
		if !m.Time.Equal(momentOf(start-start%60_000).Time) || start > present || start <= present-minutesShown*60_000 {
			continue
		}
		at, found := slices.BinarySearchFunc(t.Minutes, m, func(a, b trendMinute) int { return a.Time.Compare(b.Time.Time) })
		if !found {
			m.Took = append(took{}, m.Took...) // in JSON: [], not null
			t.Minutes = slices.Insert(t.Minutes, at, m)
			continue
		}
		own := &t.Minutes[at]
		own.Allow, own.Review, own.Block, own.Degraded = own.Allow+m.Allow, own.Review+m.Review, own.Block+m.Block, own.Degraded+m.Degraded
		own.Addresses, own.Cards = max(own.Addresses, m.Addresses), max(own.Cards, m.Cards)
		own.Took = append(own.Took, make(took, max(0, len(m.Took)-len(own.Took)))...)
		for i, n := range m.Took {
			own.Took[i] += n
		}
	}
	if top := o.Top; top != nil && top.isPossible() && (t.Top == nil || top.Share > t.Top.Share) {
		t.Top = top
	}
}

// isPossible reports whether an instance may answer so.
func (t *trendTop) isPossible() bool {
	return addressTold(t.IP) && 0 < t.Share && t.Share <= 1
}

// quantiles makes the quantiles, in milliseconds to the microsecond.
func (m *trendMinute) quantiles() {
	for q, ms := range map[float64]*float64{0.5: &m.P50, 0.9: &m.P90, 0.99: &m.P99} {
		*ms = float64(recent.Quantile(m.Took, q).Microseconds()) / 1000
	}
}
