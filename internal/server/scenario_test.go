package server

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fraudcheck/internal/auth"
	"fraudcheck/internal/auth/password"
	"fraudcheck/internal/velocity"
	"fraudcheck/internal/velocity/velocitytest"
)

// The scenarios that the core and every store play, through the door.
func TestScenariosThroughTheDoor(t *testing.T) {
	velocitytest.RunAll(t, "../velocity/testdata/scenarios", func(t *testing.T, plan *velocity.Plan) velocitytest.Driver {
		memory, err := velocity.NewMemory(16 << 20)
		require.NoError(t, err)
		policy, err := auth.NewPolicy(auth.Settings{Users: []auth.User{{Name: "checkout", Password: "secret", Encryption: password.Clear, Roles: auth.Checker}}})
		require.NoError(t, err)
		var now velocity.Time
		s := New(Settings{
			Checker: velocity.NewChecker(plan, velocitytest.NewKeys(t), memory),
			Guard:   auth.NewGuard(policy),
			Now:     func(time.Time) velocity.Time { return now },
			Log:     slog.New(slog.DiscardHandler), Address: netip.Addr.String,
			InFlight: 10, Read: time.Minute, Write: time.Minute, Idle: time.Minute,
		})
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		go func() { _ = s.Serve(ln) }()
		t.Cleanup(func() {
			http.DefaultClient.CloseIdleConnections()
			require.NoError(t, s.Drain(context.Background()))
		})
		return func(t *testing.T, step *velocitytest.Step) *velocitytest.Answer {
			now = step.At
			path, status := "/v1/check", http.StatusOK
			if step.Want == nil {
				path, status = "/v1/outcomes", http.StatusAccepted
			}
			request, err := http.NewRequest("POST", "http://"+ln.Addr().String()+path, bytes.NewReader(bodyOf(t, &step.Fields)))
			require.NoError(t, err)
			request.SetBasicAuth("checkout", "secret")
			response, err := http.DefaultClient.Do(request)
			require.NoError(t, err)
			defer response.Body.Close()
			require.Equal(t, status, response.StatusCode)
			if step.Want == nil {
				return nil
			}
			return answerIn(t, response)
		}
	})
}

func bodyOf(t *testing.T, f *velocity.Fields) []byte {
	values := map[string]string{}
	for field, text := range f.All {
		values[field.String()] = text
	}
	body, err := json.Marshal(values)
	require.NoError(t, err)
	return body
}

func answerIn(t *testing.T, response *http.Response) *velocitytest.Answer {
	var said struct {
		Decision string
		Rules    []struct {
			Name     string
			Count    int
			ClearsIn int `json:"clears_in_seconds"`
		}
	}
	require.NoError(t, json.NewDecoder(response.Body).Decode(&said))
	a := &velocitytest.Answer{Decision: said.Decision}
	for _, r := range said.Rules {
		a.Rules = append(a.Rules, velocitytest.RuleAnswer{Name: r.Name, Count: r.Count, ClearsIn: r.ClearsIn})
	}
	return a
}
