package testbed

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Build compiles the program to the path, from the module that dir belongs to; ""
// is the current folder.
func Build(ctx context.Context, dir, path string) error {
	// Nobody debugs it: the linker has a third less to do.
	args := []string{"build", "-ldflags=-w", "-o", path, "fraudcheck/cmd/fraudcheck"}
	if dir != "" { // a copy: without the paths in it Go may know the result
		args = slices.Insert(args, 1, "-trimpath")
	}
	build := exec.CommandContext(ctx, "go", args...)
	build.Dir = dir
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("cannot build fraudcheck: %w\n%s", err, out)
	}
	return nil
}

// BuildCommit compiles the program of a commit of the repository that the current folder
// belongs to, from a copy of its files: the working tree stays as it is.
func BuildCommit(ctx context.Context, commit, path string) error {
	git := func(args ...string) (string, error) {
		out, err := exec.CommandContext(ctx, "git", args...).CombinedOutput()
		text := strings.TrimSpace(string(out))
		if err != nil {
			return "", fmt.Errorf("%q: git %s: %w\n%s", commit, args[0], err, text)
		}
		return text, nil
	}
	root, err := git("rev-parse", "--show-toplevel")
	if err != nil {
		return err
	}
	hash, err := git("rev-parse", "--verify", "--end-of-options", commit+"^{commit}")
	if err != nil {
		return err
	}
	files, err := os.MkdirTemp(filepath.Dir(path), "commit")
	if err != nil {
		return err
	}
	defer os.RemoveAll(files)
	archive := filepath.Join(files, "archive.tar")
	if _, err := git("-C", root, "archive", "-o", archive, hash); err != nil {
		return err
	}
	if out, err := exec.CommandContext(ctx, "tar", "-xf", archive, "-C", files).CombinedOutput(); err != nil {
		return fmt.Errorf("cannot unpack %s: %w\n%s", commit, err, out)
	}
	return Build(ctx, files, path)
}

// ClearEnvironment unsets the settings of the program in this process's environment,
// which the program would inherit.
func ClearEnvironment() {
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "FRAUDCHECK_") {
			_ = os.Unsetenv(name) // the name is a valid one
		}
	}
}

// An Instance is a running fraudcheck process.
type Instance struct {
	*Process
	Addr      string // host:port of the callers' API, or the path of its unix socket
	Operators string // host:port of the operators' API
}

// Where the log says that the program listens, as plain text or JSON.
var listening = regexp.MustCompile(`Listening on ([^\s"]+)(?s:.*?)Operators on ([^\s"]+)["\n]`)

// StartInstance starts the command, which runs the program, and waits until its log
// says where it listens. A log at WARNING does not say it.
func StartInstance(ctx context.Context, dir string, cmd *exec.Cmd) (*Instance, error) {
	p, err := Start(dir, cmd)
	if err != nil {
		return nil, err
	}
	found, err := p.AwaitOutput(ctx, p.Stderr, listening)
	if err != nil {
		p.Kill()
		return nil, fmt.Errorf("fraudcheck: %w", err)
	}
	return &Instance{Process: p, Addr: found[1], Operators: found[2]}, nil
}

// StartQuietInstance starts the program with a configuration whose log may be too quiet
// to say where it listens, and waits until it is ready. Callers connect to the unix
// socket, or to a free port of the loopback where that is empty.
func StartQuietInstance(ctx context.Context, dir, program, config, socket string) (*Instance, error) {
	i := &Instance{Addr: socket}
	listen := "unix:" + socket
	var err error
	if socket == "" {
		i.Addr, err = FreeAddr()
		listen = i.Addr
	}
	if err != nil {
		return nil, err
	}
	if i.Operators, err = FreeAddr(); err != nil {
		return nil, err
	}
	i.Process, err = Start(dir, exec.Command(program, "--config", config, "--listen", listen, "--operator-listen", i.Operators))
	if err != nil {
		return nil, err
	}
	if err := i.Await(ctx, Prompt, i.Ready); err != nil {
		i.Kill()
		return nil, fmt.Errorf("fraudcheck: %w", err)
	}
	return i, nil
}

// Ready reports whether the operators' API says that the instance may take traffic.
func (i *Instance) Ready() bool {
	status, _, err := i.get("/readyz")
	return err == nil && status == http.StatusOK
}

// Metrics are samples by their series: a name, with labels where there are any.
type Metrics map[string]float64

// Metrics reads /metrics.
func (i *Instance) Metrics() (Metrics, error) {
	status, text, err := i.get("/metrics")
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("metrics: status %d", status)
	}
	if err != nil {
		return nil, err
	}
	return ParseMetrics(text), nil
}

func (i *Instance) get(path string) (status int, body string, err error) {
	client := http.Client{Timeout: Prompt, Transport: &http.Transport{DisableKeepAlives: true}}
	r, err := client.Get("http://" + i.Operators + path)
	if err != nil {
		return 0, "", err
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	return r.StatusCode, string(text), err
}

// ParseMetrics reads the text format of Prometheus.
func ParseMetrics(text string) Metrics {
	m := make(Metrics)
	for line := range strings.Lines(text) {
		at := strings.LastIndexByte(line, ' ')
		if line[0] == '#' || at < 0 {
			continue
		}
		if n, err := strconv.ParseFloat(strings.TrimSpace(line[at:]), 64); err == nil {
			m[line[:at]] = n
		}
	}
	return m
}

// Sum adds up the series of that name; there is false when there is none.
func (m Metrics) Sum(name string) (sum float64, there bool) {
	for series, n := range m {
		if own, _, _ := strings.Cut(series, "{"); own == name {
			sum, there = sum+n, true
		}
	}
	return sum, there
}

// FreeAddr returns an address of the loopback that nobody listens on at the moment.
func FreeAddr() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return ln.Addr().String(), ln.Close()
}
