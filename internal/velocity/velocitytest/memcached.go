package velocitytest

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A Server is a real memcached process on a loopback port of its own.
type Server struct {
	Addr string
	t    testing.TB
	args []string
	run  *exec.Cmd
}

// StartMemcached starts one, with arguments beside the usual, and ends it with the
// test. Without memcached on the machine the test is skipped; in CI it fails.
func StartMemcached(t testing.TB, args ...string) *Server {
	if _, err := exec.LookPath("memcached"); err != nil {
		if os.Getenv("CI") != "" {
			require.NoError(t, err)
		}
		t.Skip("memcached is not installed")
	}
	s := &Server{t: t, args: args}
	s.Start()
	t.Cleanup(s.Kill)
	return s
}

// Start runs the process and waits until it answers: after Kill, on the same port
// and empty.
func (s *Server) Start() {
	port, portFile := "-1", s.t.TempDir()+"/port" // -1: it takes a free one and says which
	if s.Addr != "" {
		_, port, _ = net.SplitHostPort(s.Addr)
	}
	args := append([]string{"-U", "0", "-l", "127.0.0.1", "-p", port, "-m", "64"}, s.args...)
	if os.Geteuid() == 0 {
		args = append(args, "-u", "root")
	}
	s.run = exec.Command("memcached", args...)
	s.run.Env = append(os.Environ(), "MEMCACHED_PORT_FILENAME="+portFile)
	s.run.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // should the test die first
	require.NoError(s.t, s.run.Start())
	require.Eventually(s.t, func() bool {
		if s.Addr == "" {
			text, _ := os.ReadFile(portFile)
			_, port, found := strings.Cut(string(text), "TCP INET: ")
			if port, whole := strings.CutSuffix(port, "\n"); found && whole {
				s.Addr = net.JoinHostPort("127.0.0.1", port)
			}
		}
		return s.Addr != "" && s.answers()
	}, 10*time.Second, 5*time.Millisecond)
}

// answers reports whether it is this very process that answers at the address.
func (s *Server) answers() bool {
	c, err := net.Dial("tcp", s.Addr)
	if err != nil {
		return false
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Second))
	_, _ = c.Write([]byte("stats\r\n"))
	var first, name string
	var pid int
	n, _ := fmt.Fscan(c, &first, &name, &pid)
	return n == 3 && name == "pid" && pid == s.run.Process.Pid
}

// Kill ends the process at once, with all that it knew.
func (s *Server) Kill() {
	if s.run != nil {
		_ = s.run.Process.Kill()
		_ = s.run.Wait()
		s.run = nil
	}
}

// Hang stops the process without ending it: it accepts, and answers nothing.
func (s *Server) Hang() {
	require.NoError(s.t, s.run.Process.Signal(syscall.SIGSTOP))
	require.Eventually(s.t, s.stopped, 10*time.Second, time.Millisecond)
}

// stopped: each thread stops when it gets to it.
func (s *Server) stopped() bool {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", s.run.Process.Pid))
	require.NoError(s.t, err)
	for _, thread := range threads {
		text, err := os.ReadFile(thread)
		if name := bytes.LastIndexByte(text, ')'); err != nil || !bytes.HasPrefix(text[name+1:], []byte(" T")) {
			return false
		}
	}
	return true
}

// Resume lets it go on.
func (s *Server) Resume() { require.NoError(s.t, s.run.Process.Signal(syscall.SIGCONT)) }

// SecondsLeft is how long the server means to keep the item.
func (s *Server) SecondsLeft(key string) int {
	c, err := net.Dial("tcp", s.Addr)
	require.NoError(s.t, err)
	defer c.Close()
	_, err = fmt.Fprintf(c, "mg %s t\r\n", key)
	require.NoError(s.t, err)
	var seconds int
	_, err = fmt.Fscanf(c, "HD t%d\r\n", &seconds)
	require.NoError(s.t, err)
	return seconds
}

// Stat is a number among the server's statistics.
func (s *Server) Stat(name string) (n int) {
	c, err := net.Dial("tcp", s.Addr)
	require.NoError(s.t, err)
	defer c.Close()
	_, err = c.Write([]byte("stats\r\n"))
	require.NoError(s.t, err)
	lines := bufio.NewScanner(c)
	for lines.Scan() && lines.Text() != "END" {
		if value, ok := strings.CutPrefix(lines.Text(), "STAT "+name+" "); ok {
			n, err = strconv.Atoi(value)
			require.NoError(s.t, err)
			return n
		}
	}
	require.FailNow(s.t, "no such number: "+name)
	return 0
}
