package door

import (
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/auth"
	"fraudcheck/internal/turns"
	"fraudcheck/internal/wire"
)

// noFields is the header of a request without any.
type noFields struct{}

func (noFields) Values(string) [][]byte { return nil }

func TestEveryRequestGivesItsTurnBack(t *testing.T) {
	queue := turns.New(turns.Settings{Turns: 1, Answer: time.Minute, Budget: time.Minute})
	route := func(path string, class turns.Class, then func(*Request) *wire.Problem) Route {
		return Route{Path: path, Methods: "GET", Turn: class, Handle: func(q *Request) *wire.Problem {
			assert.Equal(t, class, q.Turn.Class)
			_, ok := queue.Take(&q.Turn)
			assert.True(t, ok)
			return then(q)
		}}
	}
	answer := func(q *Request) *wire.Problem { q.Answer(200, wire.JSON, nil); return nil }
	d := New(Settings{Guard: auth.NewGuard(new(auth.Policy)), Log: slog.New(slog.DiscardHandler)},
		route("/answered", turns.Check, answer),
		route("/changed", turns.Change, answer),
		route("/refused", turns.Check, func(*Request) *wire.Problem { return wire.NotFound }),
		route("/panics", turns.Check, func(*Request) *wire.Problem { panic("a fault") }),
	)
	for path, status := range map[string]int{"/answered": 200, "/changed": 200, "/refused": 404, "/panics": 500} {
		q := new(Request)
		for range 2 { // the second time as after a reset, too
			q.In = Input{
				Method: []byte("GET"), Target: []byte(path), Host: []byte("fraudcheck.test"), Proto: []byte("HTTP/1.1"),
				Header: noFields{}, Head: []byte("Host: fraudcheck.test\r\n\r\n"),
			}
			d.Serve(q)
			require.Equal(t, status, q.Out.Status, path)
			turn := turns.Turn{Class: turns.LookUp}
			_, ok := queue.Take(&turn)
			require.True(t, ok, path)
			turn.Release()
			q.Reset()
		}
	}
}
