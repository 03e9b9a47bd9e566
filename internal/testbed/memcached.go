package testbed

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// A Memcached is a memcached process on a loopback port or a unix socket of its own.
type Memcached struct {
	*Process
	Addr string // host:port, or the path of the socket
	dir  string
	args []string
}

// NewMemcached starts memcached with arguments beside the usual, and waits until it
// answers. "" as socket is a free port of the loopback. Its files are below dir.
func NewMemcached(ctx context.Context, dir, socket string, args ...string) (*Memcached, error) {
	own, err := os.MkdirTemp(dir, "memcached-")
	if err != nil {
		return nil, err
	}
	m := &Memcached{Addr: socket, dir: own, args: args}
	return m, m.Start(ctx)
}

// SmallItems returns the arguments of a memcached that takes no item of more than 1 KiB.
// Its slab_chunk_max, which must be no more than that, is in KiB; before 2024 it was in bytes.
func SmallItems(ctx context.Context, dir string) (args []string, err error) {
	for _, most := range []string{"512", "1"} { // as KiB the first is too large, and ends the start
		args = []string{"-I", "1k", "-o", "slab_chunk_max=" + most}
		var m *Memcached
		if m, err = NewMemcached(ctx, dir, "", args...); err == nil {
			m.Kill()
			break
		}
	}
	return args, err
}

// Start starts the process anew, at the same address and empty, once it has ended.
func (m *Memcached) Start(ctx context.Context) error {
	where, portFile := []string{"-s", m.Addr}, filepath.Join(m.dir, "port")
	if m.network() == "tcp" {
		port := "-1" // memcached takes a free one and writes it to the file
		if m.Addr != "" {
			_, port, _ = net.SplitHostPort(m.Addr)
		}
		where = []string{"-l", "127.0.0.1", "-p", port}
	}
	args := append(append([]string{"-U", "0"}, where...), m.args...)
	if os.Geteuid() == 0 {
		args = append(args, "-u", "root")
	}
	cmd := exec.Command("memcached", args...)
	cmd.Env = []string{"MEMCACHED_PORT_FILENAME=" + portFile}
	p, err := Start(m.dir, cmd)
	if err != nil {
		return err
	}
	m.Process = p
	err = p.Await(ctx, Prompt, func() bool {
		if m.Addr == "" {
			text, _ := os.ReadFile(portFile)
			_, port, found := bytes.Cut(text, []byte("TCP INET: "))
			if port, whole := bytes.CutSuffix(port, []byte("\n")); found && whole {
				m.Addr = net.JoinHostPort("127.0.0.1", string(port))
			}
		}
		stats, err := m.Stats()
		return err == nil && int(stats["pid"]) == m.PID()
	})
	if err != nil {
		m.Kill()
		return fmt.Errorf("memcached: %w", err)
	}
	return nil
}

func (m *Memcached) network() string {
	if strings.HasPrefix(m.Addr, "/") {
		return "unix"
	}
	return "tcp"
}

// Ask sends one command and "quit", and returns all that comes back.
func (m *Memcached) Ask(command string) (string, error) {
	c, err := net.DialTimeout(m.network(), m.Addr, time.Second)
	if err != nil {
		return "", err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(Prompt))
	if _, err := io.WriteString(c, command+"\r\nquit\r\n"); err != nil {
		return "", err
	}
	text, err := io.ReadAll(c)
	return string(text), err
}

// Stats returns the numbers among the server's statistics, by name.
func (m *Memcached) Stats() (map[string]float64, error) {
	text, err := m.Ask("stats")
	stats := make(map[string]float64)
	for line := range strings.Lines(text) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "STAT" {
			if n, err := strconv.ParseFloat(f[2], 64); err == nil {
				stats[f[1]] = n
			}
		}
	}
	return stats, err
}
