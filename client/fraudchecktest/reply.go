package fraudchecktest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"time"
)

// A Reply says how one request is answered; the zero value is allow, or 202 for an
// outcome.
type Reply struct {
	Decision string        // allow, review, block, or what a lying service says
	Reasons  []string      // rules that decided
	Status   int           // other than 200 and 202: the answer is a problem (RFC 9457)
	Code     string        // of the problem, such as credentials_invalid
	Field    string        // of the problem
	Body     string        // in place of the whole body
	Delay    time.Duration // before the first byte
	Fault    Fault
	Bytes    int // of Half and Stall: how much of the answer is sent; 0 is half of it
}

// A Fault is what goes wrong with an answer. Those that last do so until the client gives
// up or the server is closed.
type Fault int

// The faults.
const (
	None       Fault = iota
	Hang             // nothing is answered
	Drop             // the connection is closed, without an answer
	Reset            // the connection is reset
	Half             // half of the answer, then the connection is closed
	Stall            // half of the answer, then nothing
	Trickle          // header fields without end, a byte every 5 ms
	Endless          // a body without end, as fast as the client reads
	CloseAfter       // a whole answer, then the connection is closed without a word
	faultsNumber
)

var faultNames = [faultsNumber]string{"none", "hang", "drop", "reset", "half", "stall", "trickle", "endless", "close after"}

// String returns the name of the fault.
func (f Fault) String() string { return faultNames[f] }

// Faults returns every fault but None.
func Faults() (all []Fault) {
	for f := None + 1; f < faultsNumber; f++ {
		all = append(all, f)
	}
	return all
}

// write writes the answer that the reply asks for.
func (r Reply) write(w http.ResponseWriter, path string, request []byte) {
	id := struct {
		AttemptID string `json:"attempt_id"`
	}{}
	_ = json.Unmarshal(request, &id) // a malformed one has none
	status, kind, body := http.StatusOK, "application/json", any(id)
	switch {
	case r.Status != 0 && r.Status != http.StatusOK && r.Status != http.StatusAccepted:
		kind = "application/problem+json"
		problem := map[string]any{"type": "about:blank", "title": http.StatusText(r.Status), "status": r.Status, "detail": "scripted",
			"code": r.Code, "request_id": "01KB4T1ZJ0000000000000000R"}
		if r.Field != "" {
			problem["field"] = r.Field
		}
		status, body = r.Status, problem
		w.Header().Set("Retry-After", "1")
	case path == "/v1/outcomes":
		status = http.StatusAccepted
	default:
		if r.Decision == "" {
			r.Decision = "allow"
		}
		if r.Reasons == nil {
			r.Reasons = []string{}
		}
		body = map[string]any{"decision": r.Decision, "reasons": r.Reasons, "rules": []any{}, "degraded": false, "attempt_id": id.AttemptID}
	}
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(status)
	if r.Body != "" {
		_, _ = w.Write([]byte(r.Body)) // to memory
		return
	}
	_ = json.NewEncoder(w).Encode(body) // to memory
}

// answer sends the answer with what goes wrong. It returns false where the connection has
// ended.
func (s *Server) answer(c net.Conn, r Reply, wire []byte) bool {
	if r.Delay > 0 {
		select {
		case <-time.After(r.Delay):
		case <-s.over:
		}
	}
	part := wire[:len(wire)/2]
	if r.Bytes > 0 {
		part = wire[:min(r.Bytes, len(wire))]
	}
	switch r.Fault {
	case Hang:
		s.hold(c, 0, nil)
	case Drop:
	case Reset:
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // close sends RST
		}
	case Half:
		_, _ = c.Write(part) // the client may be gone
	case Stall:
		_, _ = c.Write(part)
		s.hold(c, 0, nil)
	case Trickle:
		_, _ = c.Write([]byte("HTTP/1.1 200 OK\r\nX-Trickle: "))
		s.hold(c, 5*time.Millisecond, []byte("x"))
	case Endless:
		head, _, _ := bytes.Cut(wire, []byte("Content-Length"))
		_, _ = fmt.Fprintf(c, "%sContent-Length: 1000000000000\r\n\r\n", head)
		s.hold(c, 1, bytes.Repeat([]byte(" "), 4096))
	default:
		_, err := c.Write(wire)
		return err == nil && r.Fault != CloseAfter
	}
	return false
}

// hold writes the bytes every so often, or nothing, until the client has closed the
// connection or the server is closed.
func (s *Server) hold(c net.Conn, every time.Duration, bytes []byte) {
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_, _ = c.Read(make([]byte, 1)) // a client that sends more does not wait for an answer
	}()
	var again <-chan time.Time
	if every > 0 {
		t := time.NewTicker(every)
		defer t.Stop()
		again = t.C
	}
	for {
		select {
		case <-gone:
			return
		case <-s.over:
			return
		case <-again:
			if _, err := c.Write(bytes); err != nil {
				return
			}
		}
	}
}
