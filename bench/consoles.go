package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"fraudcheck/internal/testbed"
)

// A crowd is analysts beside the load, each with a connection of its own. What they ask is
// what internal/console/assets/live.js and feed.js ask; those are the place to look at when the
// console asks otherwise.
type crowd struct {
	of     int
	follow func(context.Context, *analyst) error
}

// Times of a page in a flood: see live.js and feed.js.
const (
	askEvery = 2 * time.Second  // for the newest decisions
	away     = 20 * time.Second // until it tries the stream again
)

// An analyst reads decisions at an operators' port.
type analyst struct {
	client    *http.Client
	port      string
	auth      string
	first     time.Duration // what is left of away at the beginning
	decisions int           // that it got
}

// come starts the crowd; leave ends it, and returns what went wrong: an analyst that got no
// decision, too.
func (c *crowd) come(ctx context.Context, t *target) (leave func() error) {
	ctx, stop := context.WithCancel(ctx)
	var all sync.WaitGroup
	errs := make([]error, c.of)
	for n := range c.of {
		all.Go(func() {
			// In a long time each comes back to the stream after away, and never all at once.
			a := &analyst{client: &http.Client{Transport: new(http.Transport)}, port: t.instances[0].Operators, auth: t.auth, first: away * time.Duration(n) / time.Duration(c.of)}
			defer a.client.CloseIdleConnections()
			if err := c.follow(ctx, a); ctx.Err() == nil {
				errs[n] = fmt.Errorf("an analyst left: %w", err)
			} else if a.decisions == 0 {
				errs[n] = errors.New("an analyst got no decision")
			}
		})
	}
	return func() error {
		stop()
		all.Wait()
		return errors.Join(errs...)
	}
}

// page asks as the page Live does while decisions come faster than it can show them.
func page(ctx context.Context, a *analyst) error {
	for left := a.first; ; left = away {
		for ; left > 0; left -= askEvery {
			if err := a.list(ctx); err != nil {
				return err
			}
			if err := testbed.Pause(ctx, askEvery); err != nil {
				return err
			}
		}
		if err := a.stream(ctx, true); err != nil {
			return err
		}
	}
}

// program reads the stream, whatever is missing of it.
func program(ctx context.Context, a *analyst) error { return a.stream(ctx, false) }

// list asks for the newest decisions.
func (a *analyst) list(ctx context.Context) error {
	return a.get(ctx, "/v1/decisions?limit=50", func(body io.Reader) error {
		var page struct {
			Decisions []json.RawMessage `json:"decisions"`
		}
		err := json.NewDecoder(body).Decode(&page)
		a.decisions += len(page.Decisions)
		return err
	})
}

// stream reads the stream; of a page, until decisions are missing.
func (a *analyst) stream(ctx context.Context, ofPage bool) error {
	return a.get(ctx, "/v1/decisions/stream", func(body io.Reader) error {
		lines := bufio.NewScanner(body)
		for lines.Scan() {
			switch lines.Text() {
			case "event: decision":
				a.decisions++
			case "event: dropped":
				if ofPage {
					return nil
				}
			}
		}
		return errors.Join(lines.Err(), errors.New("the stream ended"))
	})
}

func (a *analyst) get(ctx context.Context, path string, read func(io.Reader) error) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+a.port+path, nil)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", a.auth)
	answer, err := a.client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", path, answer.Status)
	}
	return read(answer.Body)
}
