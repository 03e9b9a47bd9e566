package velocitytest

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A Server is a real memcached process on a loopback port of its own.
type Server struct {
	Addr string
	t    testing.TB
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
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &Server{Addr: ln.Addr().String(), t: t}
	require.NoError(t, ln.Close())
	s.Start(args...)
	t.Cleanup(s.Kill)
	return s
}

// Start runs the process and waits until it answers: after Kill, on the same port
// and empty.
func (s *Server) Start(args ...string) {
	_, port, err := net.SplitHostPort(s.Addr)
	require.NoError(s.t, err)
	args = append([]string{"-U", "0", "-l", "127.0.0.1", "-p", port, "-m", "64"}, args...)
	if os.Geteuid() == 0 {
		args = append(args, "-u", "root")
	}
	s.run = exec.Command("memcached", args...)
	s.run.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // should the test die first
	require.NoError(s.t, s.run.Start(), strconv.Quote(s.Addr))
	require.Eventually(s.t, func() bool {
		c, err := net.Dial("tcp", s.Addr)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	}, 10*time.Second, 5*time.Millisecond)
}

// Kill ends the process at once, with all that it knew.
func (s *Server) Kill() {
	if s.run != nil {
		_ = s.run.Process.Kill()
		_ = s.run.Wait()
		s.run = nil
	}
}

// Signal stops (SIGSTOP) or continues (SIGCONT) the process; when it returns, a
// stopped one answers nobody any more.
func (s *Server) Signal(signal os.Signal) {
	require.NoError(s.t, s.run.Process.Signal(signal))
	if signal == syscall.SIGSTOP {
		require.Eventually(s.t, s.stopped, 10*time.Second, time.Millisecond)
	}
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
