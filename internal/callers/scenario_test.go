package callers_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fraudcheck/internal/door/doortest"
	"fraudcheck/internal/velocity"
	"fraudcheck/internal/velocity/velocitytest"
)

// The scenarios that the core and every store play, through the door.
func TestScenariosThroughTheDoor(t *testing.T) {
	velocitytest.RunAll(t, "../velocity/testdata/scenarios", func(t *testing.T, plan *velocity.Plan) velocitytest.Driver {
		var now velocity.Time
		p := open(t, func(s *doortest.Setup) {
			memory, err := velocity.NewMemory(16 << 20)
			require.NoError(t, err)
			s.Checker = velocity.NewChecker(plan, velocitytest.NewKeys(t), memory)
			s.AcceptNoIP = true
			s.Now = func(time.Time) velocity.Time { return now }
		})
		t.Cleanup(http.DefaultClient.CloseIdleConnections) // before the port's own
		return func(t *testing.T, step *velocitytest.Step) *velocitytest.Answer {
			now = step.At
			if step.Change != nil { // is asked for at the other port
				step.Change.Make(t, p.all.Checker, now)
				return nil
			}
			path, status := "/v1/check", http.StatusOK
			if step.Want == nil {
				path, status = "/v1/outcomes", http.StatusAccepted
			}
			request, err := http.NewRequest("POST", "http://"+p.Addr()+path, bytes.NewReader(bodyOf(t, &step.Fields)))
			require.NoError(t, err)
			request.SetBasicAuth("checkout", doortest.CheckoutPassword)
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
			Held     bool
		}
	}
	require.NoError(t, json.NewDecoder(response.Body).Decode(&said))
	a := &velocitytest.Answer{Decision: said.Decision}
	for _, r := range said.Rules {
		a.Rules = append(a.Rules, velocitytest.RuleAnswer{Name: r.Name, Count: r.Count, ClearsIn: r.ClearsIn, Held: r.Held})
	}
	return a
}
