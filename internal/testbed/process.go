// Package testbed starts real processes for tests and for the commands bench and
// loadtest: memcached, the fraudcheck program, and others. Each process ends with
// the one that started it, also when that is killed.
//
// Functions return errors, for commands. Those that take a [testing.TB] are for
// tests: they end the test on an error, and the process with the test.
//
// The program itself must not import this package; a test holds that.
package testbed

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"
)

const (
	// Prompt is the longest that a process may take to start, to end, or to do
	// anything else that it should do at once. A machine that many tests share, and its
	// disk, may be away for seconds.
	Prompt = 30 * time.Second
	// PollInterval is the time between two looks at a condition that is waited for.
	PollInterval = 5 * time.Millisecond
)

// A Process is a running command. Its output goes to files, so that whatever the
// starting process does never slows it down.
type Process struct {
	Dir            string // of its own, with its output
	Stdout, Stderr Output
	cmd            *exec.Cmd
	exited         chan struct{}
}

// An Output is the path of a file that a process writes to.
type Output string

// String returns all that was written until now.
func (o Output) String() string {
	text, _ := os.ReadFile(string(o)) // nothing was written to a file that is not there
	return string(text)
}

// Start starts the command with this process's environment and what cmd.Env adds.
// Output that the command does not send elsewhere goes to a new folder below dir.
func Start(dir string, cmd *exec.Cmd) (*Process, error) {
	own, err := os.MkdirTemp(dir, filepath.Base(cmd.Path)+"-")
	if err != nil {
		return nil, err
	}
	p := &Process{
		Dir: own, Stdout: Output(filepath.Join(own, "stdout")), Stderr: Output(filepath.Join(own, "stderr")),
		cmd: cmd, exited: make(chan struct{}),
	}
	for path, to := range map[Output]*io.Writer{p.Stdout: &cmd.Stdout, p.Stderr: &cmd.Stderr} {
		if *to != nil {
			continue
		}
		file, err := os.Create(string(path))
		if err != nil {
			return nil, err
		}
		defer file.Close()
		*to = file
	}
	cmd.Env = append(os.Environ(), cmd.Env...)
	// A group of its own, so that Kill reaches what it started.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = cmd.Wait() // ExitCode tells
		close(p.exited)
	}()
	return p, nil
}

// PID returns the process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Signal sends the signal to the process alone, not to what it started.
func (p *Process) Signal(sig os.Signal) error { return p.cmd.Process.Signal(sig) }

// Hang stops the process without ending it: the kernel accepts connections, and
// nothing is answered.
func (p *Process) Hang(ctx context.Context) error {
	if err := p.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	return p.Await(ctx, Prompt, p.stopped)
}

// stopped reports whether all threads have stopped; each does so when it gets to it.
func (p *Process) stopped() bool {
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", p.PID()))
	for _, thread := range threads {
		text, err := os.ReadFile(thread)
		if name := bytes.LastIndexByte(text, ')'); err != nil || !bytes.HasPrefix(text[name+1:], []byte(" T")) {
			return false
		}
	}
	return len(threads) > 0
}

// Resume ends a hang.
func (p *Process) Resume() error { return p.Signal(syscall.SIGCONT) }

// Exited returns a channel that is closed when the process has ended.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// ExitCode returns -1 while the process runs, and when a signal ended it.
func (p *Process) ExitCode() int {
	select {
	case <-p.exited:
		return p.cmd.ProcessState.ExitCode()
	default:
		return -1
	}
}

// Kill ends the process and all that it started at once, also when it is stopped.
func (p *Process) Kill() {
	_ = syscall.Kill(-p.PID(), syscall.SIGKILL) // it may have ended already
	<-p.exited
}

// Stop sends SIGTERM, and kills what is left after Prompt.
func (p *Process) Stop() {
	_ = p.Signal(syscall.SIGTERM) // it may have ended already
	select {
	case <-p.exited:
	case <-time.After(Prompt):
	}
	p.Kill()
}

// Await waits until ready returns true, at most for the time given. It returns an
// error, with the last lines of standard error, when the process ends before.
func (p *Process) Await(ctx context.Context, longest time.Duration, ready func() bool) error {
	late := time.Now().Add(longest)
	for ended := false; !ready(); {
		if ended {
			return errors.New("it ended:\n" + p.LastLines())
		}
		select {
		case <-p.exited:
			ended = true // ready may yet see its last output
			continue
		default:
		}
		if time.Now().After(late) {
			return errors.New("it is not ready:\n" + p.LastLines())
		}
		if err := Pause(ctx, PollInterval); err != nil {
			return err
		}
	}
	return nil
}

// AwaitOutput waits, for Prompt at most, until the output matches the pattern, and
// returns the first match with its groups.
func (p *Process) AwaitOutput(ctx context.Context, o Output, pattern *regexp.Regexp) (found []string, err error) {
	err = p.Await(ctx, Prompt, func() bool {
		found = pattern.FindStringSubmatch(o.String())
		return found != nil
	})
	if err != nil {
		return nil, fmt.Errorf("waiting for %q: %w", pattern, err)
	}
	return found, nil
}

// LastLines returns the end of standard error, at most 2,000 bytes.
func (p *Process) LastLines() string {
	text := p.Stderr.String()
	return strings.TrimSpace(text[max(0, len(text)-2000):])
}

// ResidentKiB returns the resident memory in KiB, 0 when the process has ended.
func (p *Process) ResidentKiB() (kib int) {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.PID()))
	_, after, _ := strings.Cut(string(status), "VmRSS:")
	_, _ = fmt.Sscan(after, &kib)
	return kib
}

// Pause waits for d, or until ctx ends, and then returns its error.
func Pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Basic returns the Authorization header of a user with a password.
func Basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}
