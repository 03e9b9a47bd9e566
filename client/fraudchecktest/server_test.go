package fraudchecktest_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"fraudcheck/client/fraudchecktest"
)

const request = "POST /v1/check HTTP/1.1\r\nHost: x\r\nAuthorization: Basic eDp5\r\nContent-Length: 20\r\n\r\n{\"attempt_id\":\"a-1\"}"

func start(t *testing.T) *fraudchecktest.Server {
	t.Helper()
	s := fraudchecktest.New()
	t.Cleanup(s.Close)
	return s
}

func dial(t *testing.T, s *fraudchecktest.Server) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(10 * time.Second)) // it is open
	return c
}

// ask sends a request and returns all that comes within the time, and how it ended.
func ask(t *testing.T, c net.Conn, within time.Duration) (string, error) {
	t.Helper()
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	_ = c.SetReadDeadline(time.Now().Add(within)) // it is open
	text, err := io.ReadAll(io.LimitReader(c, 1<<20))
	return string(text), err
}

func post(t *testing.T, s *fraudchecktest.Server, path string) (int, string) {
	t.Helper()
	r, err := http.Post(s.URL+path, "application/json", strings.NewReader(`{"attempt_id":"a-1"}`))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, strings.TrimSpace(string(body))
}

func TestRepliesFollowTheScriptAndThenTheStandingOne(t *testing.T) {
	s := start(t)
	s.Standing(fraudchecktest.Reply{Decision: "review"})
	s.Script(fraudchecktest.Reply{}, fraudchecktest.Reply{Decision: "block", Reasons: []string{"a"}})
	s.Script(fraudchecktest.Reply{Status: 400, Code: "field_invalid", Field: "ip"}, fraudchecktest.Reply{Body: "<html>"})
	for _, want := range []string{
		`200 {"attempt_id":"a-1","decision":"allow","degraded":false,"reasons":[],"rules":[]}`,
		`200 {"attempt_id":"a-1","decision":"block","degraded":false,"reasons":["a"],"rules":[]}`,
		`400 {"code":"field_invalid","detail":"scripted","field":"ip","request_id":"01KB4T1ZJ0000000000000000R","status":400,"title":"Bad Request","type":"about:blank"}`,
		`200 <html>`,
		`200 {"attempt_id":"a-1","decision":"review","degraded":false,"reasons":[],"rules":[]}`,
	} {
		status, body := post(t, s, "/v1/check")
		if got := fmt.Sprint(status, " ", body); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	if status, body := post(t, s, "/v1/outcomes"); status != 202 || body != `{"attempt_id":"a-1"}` {
		t.Errorf("an outcome: %d %s", status, body)
	}
}

func TestRequestsAreKept(t *testing.T) {
	s := start(t)
	s.Script(fraudchecktest.Reply{}, fraudchecktest.Reply{Fault: fraudchecktest.Drop})
	c := dial(t, s)
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	if r, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || r.StatusCode != 200 {
		t.Fatal(r, err)
	}
	_, _ = ask(t, c, 10*time.Second)
	got := s.Requests()
	if want := "[{/v1/check Basic eDp5 map[attempt_id:a-1] false} {/v1/check Basic eDp5 map[attempt_id:a-1] true}]"; fmt.Sprint(got) != want {
		t.Errorf("got %v", got)
	}
	if got[0].AttemptID() != "a-1" {
		t.Errorf("got %v", got[0].AttemptID())
	}
}

// What a client sees of each fault: how what came ends, and with which error.
func TestFaultsAreWhatTheySay(t *testing.T) {
	whole := `"rules":[]}` + "\n"
	for _, fault := range fraudchecktest.Faults() {
		t.Run(fault.String(), func(t *testing.T) {
			s := start(t)
			s.Script(fraudchecktest.Reply{Fault: fault})
			got, err := ask(t, dial(t, s), 50*time.Millisecond)
			late := err != nil && strings.Contains(err.Error(), "i/o timeout")
			switch fault {
			case fraudchecktest.Hang:
				if got != "" || !late {
					t.Errorf("%q %v", got, err)
				}
			case fraudchecktest.Drop:
				if got != "" || err != nil {
					t.Errorf("%q %v", got, err)
				}
			case fraudchecktest.Reset:
				if got != "" || err == nil || !strings.Contains(err.Error(), "reset") {
					t.Errorf("%q %v", got, err)
				}
			case fraudchecktest.Half:
				if !strings.HasPrefix(got, "HTTP/1.1 200 OK\r\n") || strings.HasSuffix(got, whole) || err != nil {
					t.Errorf("%q %v", got, err)
				}
			case fraudchecktest.Stall:
				if !strings.HasPrefix(got, "HTTP/1.1 200 OK\r\n") || strings.HasSuffix(got, whole) || !late {
					t.Errorf("%q %v", got, err)
				}
			case fraudchecktest.Trickle:
				if !strings.HasPrefix(got, "HTTP/1.1 200 OK\r\nX-Trickle: x") || strings.Contains(got, "\r\n\r\n") || !late {
					t.Errorf("%q %v", got, err)
				}
			case fraudchecktest.Endless:
				if !strings.Contains(got, "\r\n\r\n    ") || len(got) < 4096 {
					t.Errorf("%d bytes %v", len(got), err)
				}
			case fraudchecktest.CloseAfter:
				if !strings.HasSuffix(got, whole) || strings.Contains(got, "Connection: close") || err != nil {
					t.Errorf("%q %v", got, err)
				}
			default:
				t.Errorf("what is expected of %s?", fault)
			}
		})
	}
}

func TestADelayIsBeforeTheAnswer(t *testing.T) {
	s := start(t)
	s.Script(fraudchecktest.Reply{Delay: 30 * time.Millisecond})
	begin := time.Now()
	if post(t, s, "/v1/check"); time.Since(begin) < 30*time.Millisecond {
		t.Errorf("after %s", time.Since(begin))
	}
}

func TestAPortRefusesUntilItAccepts(t *testing.T) {
	s := start(t)
	c := dial(t, s)
	s.Refuse()
	s.Refuse()
	if n, err := c.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("the connection is open: %v", err)
	}
	if _, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://")); err == nil {
		t.Error("it does not refuse")
	}
	s.Accept()
	s.Accept()
	if status, _ := post(t, s, "/v1/check"); status != 200 {
		t.Error(status)
	}
}

func TestIdleConnectionsAreClosed(t *testing.T) {
	s := start(t)
	c := dial(t, s)
	_, _ = io.WriteString(c, request) // it is open
	r, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, r.Body) // what is left of the answer
	s.CloseIdle()
	if _, err := c.Read(make([]byte, 1)); err != io.EOF {
		t.Error(err)
	}
}

func TestAnotherServiceAnswersAndFaultsStay(t *testing.T) {
	asked := 0
	real := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		body, _ := io.ReadAll(r.Body)
		_, _ = fmt.Fprintf(w, "real %s %s", r.URL.Path, body)
	}))
	defer real.Close()
	target, err := url.Parse(real.URL)
	if err != nil {
		t.Fatal(err)
	}
	s := start(t)
	s.Forward(httputil.NewSingleHostReverseProxy(target))
	s.Script(fraudchecktest.Reply{}, fraudchecktest.Reply{Fault: fraudchecktest.Drop}, fraudchecktest.Reply{Status: 503})
	if status, body := post(t, s, "/v1/check"); status != 200 || body != `real /v1/check {"attempt_id":"a-1"}` {
		t.Errorf("%d %s", status, body)
	}
	if got, _ := ask(t, dial(t, s), 10*time.Second); got != "" {
		t.Errorf("%q", got)
	}
	if asked != 2 {
		t.Errorf("asked %d times", asked)
	}
	if status, _ := post(t, s, "/v1/check"); status != 503 || asked != 2 {
		t.Errorf("%d, asked %d times", status, asked)
	}
}
