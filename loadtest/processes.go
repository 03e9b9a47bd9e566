package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	prompt    = 10 * time.Second // longest that a process may take to start
	pollEvery = 5 * time.Millisecond
)

// A process is one that this program started, and ends, by its own id.
type process struct {
	cmd    *exec.Cmd
	log    string // file with all that it writes
	exited chan struct{}
}

func startProcess(log, path string, args, env []string) (*process, error) {
	out, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	p := &process{cmd: exec.Command(path, args...), log: log, exited: make(chan struct{})}
	p.cmd.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "FRAUDCHECK_") }), env...)
	p.cmd.Stdout, p.cmd.Stderr = out, out
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // should this program die first
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = p.cmd.Wait() // whoever expects an exit code looks at it
		close(p.exited)
	}()
	return p, nil
}

func (p *process) signal(sig os.Signal) error { return p.cmd.Process.Signal(sig) }

// kill ends it at once, also when it is stopped.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.exited
}

// await returns when ready says so.
func (p *process) await(ctx context.Context, ready func() bool) error {
	late := time.Now().Add(prompt)
	for !ready() {
		select {
		case <-p.exited:
			return errors.New("it ended:\n" + p.lastLines())
		default:
		}
		if time.Now().After(late) {
			return errors.New("it is not ready:\n" + p.lastLines())
		}
		if err := pause(ctx, pollEvery); err != nil {
			return err
		}
	}
	return nil
}

func (p *process) lastLines() string {
	text, _ := os.ReadFile(p.log)
	return string(text[max(0, len(text)-2000):])
}

// rss is the resident memory in KiB.
func (p *process) rss() (kib int) {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	_, after, _ := strings.Cut(string(status), "VmRSS:")
	_, _ = fmt.Sscan(after, &kib)
	return kib
}

// An instance is a fraudcheck process.
type instance struct {
	*process
	addr, operators string // where it listens
}

var listening = regexp.MustCompile(`Listening on (\S+) [^\n]*\n(?s:.*?)Operators on (\S+)\n`)

// startInstance runs the program with the configuration. listen is host:port; files,
// unless 0, is how many file descriptors it may have.
func startInstance(ctx context.Context, log, program, config, listen string, files int) (*instance, error) {
	args := []string{"--config", config, "--listen", listen, "--operator-listen", "127.0.0.1:0"}
	if files > 0 {
		args = append([]string{"-c", fmt.Sprintf(`ulimit -n %d && exec "$0" "$@"`, files), program}, args...)
		program = "/bin/sh"
	}
	p, err := startProcess(log, program, args, nil)
	if err != nil {
		return nil, err
	}
	i := &instance{process: p}
	err = p.await(ctx, func() bool {
		head := make([]byte, 64<<10)
		file, err := os.Open(log)
		if err != nil {
			return false
		}
		defer file.Close()
		n, _ := io.ReadFull(file, head)
		if found := listening.FindSubmatch(head[:n]); found != nil {
			i.addr, i.operators = string(found[1]), string(found[2])
		}
		return i.addr != ""
	})
	if err != nil {
		p.kill()
		return nil, fmt.Errorf("fraudcheck: %w", err)
	}
	return i, nil
}

// A memcached is a memcached process; started again it has the same address.
type memcached struct {
	*process
	addr string
	dir  string
	args []string
}

func startMemcached(ctx context.Context, dir string, args ...string) (*memcached, error) {
	m := &memcached{dir: dir, args: args}
	return m, m.start(ctx)
}

func (m *memcached) start(ctx context.Context) error {
	port, portFile := "-1", filepath.Join(m.dir, "port") // -1: it takes a free one and says which
	if m.addr != "" {
		_, port, _ = net.SplitHostPort(m.addr)
	}
	if err := os.MkdirAll(m.dir, 0o700); err != nil {
		return err
	}
	args := append([]string{"-U", "0", "-l", "127.0.0.1", "-p", port}, m.args...)
	if os.Geteuid() == 0 {
		args = append(args, "-u", "root")
	}
	p, err := startProcess(filepath.Join(m.dir, "log"), "memcached", args, []string{"MEMCACHED_PORT_FILENAME=" + portFile})
	if err != nil {
		return err
	}
	m.process = p
	err = m.await(ctx, func() bool {
		if m.addr == "" {
			text, _ := os.ReadFile(portFile)
			_, port, found := bytes.Cut(text, []byte("TCP INET: "))
			if port, whole := bytes.CutSuffix(port, []byte("\n")); found && whole {
				m.addr = "127.0.0.1:" + string(port)
			}
		}
		return m.addr != "" && m.stat("pid") == m.cmd.Process.Pid
	})
	if err != nil {
		m.kill()
		return fmt.Errorf("memcached: %w", err)
	}
	return nil
}

// stat is a number of its statistics; -1 when it does not answer.
func (m *memcached) stat(name string) int {
	c, err := net.Dial("tcp", m.addr)
	if err != nil {
		return -1
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Second))
	_, _ = c.Write([]byte("stats\r\nquit\r\n"))
	text, _ := io.ReadAll(c)
	_, after, found := bytes.Cut(text, []byte("STAT "+name+" "))
	value, _, _ := bytes.Cut(after, []byte("\r"))
	n, err := strconv.Atoi(string(value))
	if !found || err != nil {
		return -1
	}
	return n
}
