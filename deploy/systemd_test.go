//go:build verify

package deploy

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/testbed"
)

const unit = "systemd/fraudcheck.service"

func TestTheUnitExposesLittle(t *testing.T) {
	const most = "15" // tenths
	out, err := exec.Command("systemd-analyze", "security", "--offline=true", "--threshold="+most, unit).CombinedOutput()
	require.NoError(t, err, string(out))
	require.Contains(t, string(out), "Overall exposure level")
}

// boot starts systemd as the first process of namespaces of its own, with the unit, the
// program and the files of a configuration where docs/deploy.md puts them. That systemd
// must not be able to change the machine: all of it is read-only but for folders that are
// empty and go with their mounts, and of its units it is shown only those made here. The
// usual ones would clear /tmp, among others.
const boot = `set -e
mount --make-rprivate /
ip link set lo up
mount -t cgroup2 none /sys/fs/cgroup
mount -t tmpfs -o mode=755 none /run
mkdir /run/upper /run/work /run/units
install -m 755 "$PROGRAM" /run/fraudcheck.program
install -m 600 "$FILES/hash.key" "$FILES/users" "$FILES/fraudcheck.yaml" "$UNIT" /run/units
for folder in /tmp /var/tmp /var/lib /var/log /usr/local/bin; do mount -t tmpfs -o mode=755 none $folder; done
chmod 1777 /tmp /var/tmp
mount -t overlay -o lowerdir=/etc,upperdir=/run/upper,workdir=/run/work none /etc
mv /run/fraudcheck.program /usr/local/bin/fraudcheck
install -d -m 755 /etc/fraudcheck
mv /run/units/hash.key /run/units/users /run/units/fraudcheck.yaml /etc/fraudcheck
chmod 644 /etc/fraudcheck/fraudcheck.yaml /run/units/fraudcheck.service
for target in sysinit basic shutdown network-online empty; do echo '[Unit]
DefaultDependencies=no' > /run/units/$target.target; done
mkdir /run/units/fraudcheck.service.d # there is no journal
printf '[Service]\nStandardError=append:/run/stderr\n' > /run/units/fraudcheck.service.d/output.conf
mount --bind /proc/sys /proc/sys
mount -o remount,bind,ro /proc/sys
mount -o remount,bind,ro /
if touch /written-by-a-test 2>/dev/null; then exit 1; fi
mount --make-rshared / # as systemd does where it is not told that it is in a container
exec env -i container=other PATH="$PATH" SYSTEMD_UNIT_PATH=/run/units /lib/systemd/systemd --system --log-target=null --show-status=0 --unit=empty.target
`

// withSocket is the configuration for a checkout on the same machine.
const withSocket = `
listen: unix:/run/fraudcheck/check.sock
auth: {basic: {users_file: /run/credentials/fraudcheck.service/users}}
drain_delay: 1s
store: {memory: {snapshot_file: /var/lib/fraudcheck/snapshot, snapshot_every: 1s}}
log: {path: /var/log/fraudcheck}
decision_log: {path: /var/log/fraudcheck}
`

// A machine is what systemd runs in its namespaces.
type machine struct{ pid string }

func startMachine(t *testing.T) machine {
	t.Helper()
	files := t.TempDir()
	program := testbed.Program(t)
	require.NoError(t, os.WriteFile(filepath.Join(files, "hash.key"), []byte(strings.Repeat("staple-", 6)), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(files, "fraudcheck.yaml"), []byte(withSocket), 0o600))
	add := exec.Command(program, "user", "add", "checkout", "--config", filepath.Join(files, "own.yaml"))
	require.NoError(t, os.WriteFile(filepath.Join(files, "own.yaml"), []byte("auth: {basic: {users_file: users}}\n"), 0o600))
	add.Stdin = strings.NewReader("correct-horse-battery\n")
	out, err := add.CombinedOutput()
	require.NoError(t, err, string(out))
	path, err := filepath.Abs(unit)
	require.NoError(t, err)

	cmd := exec.Command("unshare", "--pid", "--fork", "--kill-child=KILL", "--mount", "--cgroup", "--ipc", "--uts", "--net", "--mount-proc", "sh", "-c", boot)
	cmd.Env = []string{"PROGRAM=" + program, "FILES=" + files, "UNIT=" + path}
	outer := testbed.StartProcess(t, cmd)
	m := machine{}
	require.NoError(t, outer.Await(t.Context(), testbed.Prompt, func() bool {
		children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", outer.PID(), outer.PID()))
		m.pid = strings.TrimSpace(string(children))
		_, err := m.try("systemctl show -p Version")
		return m.pid != "" && err == nil
	}), outer.Stderr)
	return m
}

// try runs the command on the machine.
func (m machine) try(command string) (string, error) {
	out, err := exec.Command("nsenter", "--target", m.pid, "--mount", "--pid", "--cgroup", "--net", "--", "sh", "-c", command).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func (m machine) run(t *testing.T, command string) string {
	t.Helper()
	out, err := m.try(command)
	if err != nil {
		log, _ := m.try("systemctl status fraudcheck; cat /run/stderr")
		require.NoError(t, err, "%s: %s\n%s", command, out, log)
	}
	return out
}

// eventually waits until the command says the text.
func (m machine) eventually(t *testing.T, command, text string) {
	t.Helper()
	var said string
	for deadline := time.Now().Add(3 * testbed.Prompt); time.Now().Before(deadline); {
		if said, _ = m.try(command); strings.Contains(said, text) {
			return
		}
	}
	require.Contains(t, said, text, command)
}

// decide shows the card from one address and returns the answer.
func (m machine) decide(t *testing.T, last4 int) string {
	return m.run(t, fmt.Sprintf(`curl -s --fail-with-body --unix-socket /run/fraudcheck/check.sock -u checkout:correct-horse-battery -H 'Content-Type: application/json' `+
		`-d '{"ip":"203.0.113.7","last4":"%d","exp_month":12,"exp_year":2030}' http://fraudcheck/v1/check`, last4))
}

// It boots systemd in namespaces of its own, so it asks first.
func TestTheProgramLivesUnderItsUnit(t *testing.T) {
	if os.Getenv("BOOT_SYSTEMD") == "" {
		t.Skip("boots systemd in namespaces: set BOOT_SYSTEMD=1")
	}
	m := startMachine(t)
	const state = "systemctl show -p ActiveState,Result,StatusText,NRestarts fraudcheck"
	m.run(t, "systemctl start fraudcheck") // waits for READY=1
	require.Contains(t, m.run(t, state), "ActiveState=active")

	// What the unit takes away is gone.
	status := m.run(t, `cat /proc/$(systemctl show -P MainPID fraudcheck)/status`)
	for _, line := range []string{"Seccomp:\t2", "NoNewPrivs:\t1", "CapBnd:\t0000000000000000"} {
		assert.Contains(t, status, line)
	}
	assert.NotRegexp(t, `Uid:\t0\b`, status)
	assert.Equal(t, "750 660", m.run(t, "stat -L -c %a /run/fraudcheck /run/fraudcheck/check.sock | xargs"))
	assert.Equal(t, "700", m.run(t, "stat -L -c %a /var/lib/fraudcheck"))

	for last4 := 1001; last4 <= 1005; last4++ {
		require.NotContains(t, m.decide(t, last4), `"decision":"block"`)
	}
	require.Contains(t, m.decide(t, 1006), `"decision":"block"`)
	m.eventually(t, "ls /var/lib/fraudcheck", "snapshot")
	m.eventually(t, "cat /var/log/fraudcheck/decisions", `"block"`)

	// systemd before 253 knows no Type=notify-reload.
	reload := "systemctl reload fraudcheck"
	if m.run(t, "systemctl show -P Type fraudcheck") == "notify" {
		reload = "systemctl kill -s HUP fraudcheck"
	}
	m.run(t, reload)
	m.eventually(t, state, "StatusText=Configuration reloaded")
	require.Contains(t, m.run(t, state), "ActiveState=active")

	m.run(t, "systemctl restart fraudcheck")
	log := m.run(t, "cat /var/log/fraudcheck/log")
	for _, line := range []string{"answering for another 1s", "Stopping (terminated", "Stopped (", "Remembering 1 record from the snapshot"} {
		require.Contains(t, log, line)
	}
	require.Contains(t, m.decide(t, 1001), `"decision":"block"`, "it remembers")

	// A process that answers no more is killed and started again.
	m.run(t, `printf '[Service]\nWatchdogSec=4s\nRestartSec=100ms\n' > /run/units/fraudcheck.service.d/soon.conf
systemctl daemon-reload && systemctl restart fraudcheck && systemctl kill -s STOP fraudcheck`)
	m.eventually(t, state, "NRestarts=1")
	m.eventually(t, state, "ActiveState=active")
	require.Contains(t, m.decide(t, 1001), `"decision":"block"`)

	m.run(t, "systemctl stop fraudcheck")
	require.Contains(t, m.run(t, state), "Result=success")
	require.Contains(t, m.run(t, state), "ActiveState=inactive")
}
