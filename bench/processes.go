package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"
)

const (
	prompt    = 10 * time.Second // longest that a process may take to start, and to end
	pollEvery = 5 * time.Millisecond
)

// A process is one that this program started, and ends, by its own id.
type process struct {
	cmd    *exec.Cmd
	log    string // file with its standard error; standard output is not kept
	exited chan struct{}
}

// startProcess starts it with this program's environment and what cmd.Env adds.
func startProcess(log string, cmd *exec.Cmd) (*process, error) {
	out, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	p := &process{cmd: cmd, log: log, exited: make(chan struct{})}
	own := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "FRAUDCHECK_") })
	p.cmd.Env = append(own, cmd.Env...)
	p.cmd.Stderr = out
	// A group of its own, so that what it starts ends with it; and should this program die first, it does.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = p.cmd.Wait() // whoever expects an exit code looks at it
		close(p.exited)
	}()
	return p, nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// end asks it to end, and ends it, with all that it started, when it does not.
func (p *process) end() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.exited:
	case <-time.After(prompt):
	}
	_ = syscall.Kill(-p.pid(), syscall.SIGKILL) // its group; nobody there is well
	<-p.exited
}

// await returns when ready says so.
func (p *process) await(ctx context.Context, longest time.Duration, ready func() bool) error {
	late := time.Now().Add(longest)
	for !ready() {
		select {
		case <-p.exited:
			return errors.New("it ended: " + p.lastLine())
		default:
		}
		if time.Now().After(late) {
			return errors.New("it is not ready: " + p.lastLine())
		}
		if err := pause(ctx, pollEvery); err != nil {
			return err
		}
	}
	return nil
}

func (p *process) lastLine() string {
	text, _ := os.ReadFile(p.log)
	text = bytes.TrimSpace(text)
	return string(text[bytes.LastIndexByte(text, '\n')+1:])
}

// exitCode is -1 while it runs.
func (p *process) exitCode() int {
	select {
	case <-p.exited:
		return p.cmd.ProcessState.ExitCode()
	default:
		return -1
	}
}

// freeAddr is an address of the loopback that nobody listens on just now.
func freeAddr() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return ln.Addr().String(), ln.Close()
}

// An instance is a fraudcheck process.
type instance struct {
	*process
	addr, operators string // where it listens
}

func startInstance(ctx context.Context, log, program, config string) (*instance, error) {
	i := &instance{}
	var err error
	if i.addr, err = freeAddr(); err != nil {
		return nil, err
	}
	if i.operators, err = freeAddr(); err != nil {
		return nil, err
	}
	i.process, err = startProcess(log, exec.Command(program, "--config", config, "--listen", i.addr, "--operator-listen", i.operators))
	if err != nil {
		return nil, err
	}
	client := http.Client{Timeout: time.Second}
	defer client.CloseIdleConnections()
	err = i.await(ctx, prompt, func() bool {
		r, err := client.Get("http://" + i.operators + "/readyz")
		if err != nil {
			return false
		}
		return r.Body.Close() == nil && r.StatusCode == http.StatusOK
	})
	if err != nil {
		i.end()
		return nil, fmt.Errorf("fraudcheck: %w", err)
	}
	return i, nil
}

// listens reports whether somebody does.
func listens(network, addr string) bool {
	c, err := net.Dial(network, addr)
	return err == nil && c.Close() == nil
}

// A memcached is a memcached process, on TCP or on a unix socket.
type memcached struct {
	*process
	network, addr string
}

func startMemcached(ctx context.Context, log, socket string) (*memcached, error) {
	m := &memcached{network: "unix", addr: socket}
	args := []string{"-U", "0", "-m", "1024", "-c", "4096", "-s", socket}
	if socket == "" {
		addr, err := freeAddr()
		if err != nil {
			return nil, err
		}
		_, port, _ := net.SplitHostPort(addr)
		m.network, m.addr = "tcp", addr
		args = []string{"-U", "0", "-m", "1024", "-c", "4096", "-l", "127.0.0.1", "-p", port}
	}
	if os.Geteuid() == 0 {
		args = append(args, "-u", "root")
	}
	p, err := startProcess(log, exec.Command("memcached", args...))
	if err != nil {
		return nil, err
	}
	m.process = p
	err = m.await(ctx, prompt, func() bool {
		stats, err := m.stats()
		return err == nil && int(stats["pid"]) == m.pid()
	})
	if err != nil {
		m.end()
		return nil, fmt.Errorf("memcached: %w", err)
	}
	return m, nil
}
