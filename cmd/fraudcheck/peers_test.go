package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/testbed"
)

func TestPeersAreRefusedByTheSettingThatIsWrong(t *testing.T) {
	const peer = "operator_peers[1]: expected host:port or https://host:port"
	for name, hint := range map[string]string{
		marker:                        "; the port is missing",
		"http://10.0.0.3:8081":        "; without http://",
		"https://10.0.0.3:8081/v1":    "; without a path",
		"https://a/b:8081":            "; without a path",
		"2001:db8::1:8081":            "; an IPv6 address stands in brackets",
		"10.0.0.3:70000":              "; a port is at most 65535",
		"10.0.0.3:0":                  "",
		":8081":                       "",
		"ops:secret@10.0.0.3:8081":    "; an IPv6 address stands in brackets",
		"10.0.0.2:8081, 10.0.0.3:801": "; an IPv6 address stands in brackets",
		"a?b=c:8081":                  "",
	} {
		refuses(t, keyed+"operator_peers: ['10.0.0.2:8081', '"+name+"']", peer+", such as 10.0.0.2:8081"+hint)
	}
	refuses(t, keyed+"operator_peers: ['10.0.0.2:8081', '10.0.0.2:8081']", "operator_peers[1]: expected a peer that is not listed yet")
	refuses(t, "operator_peers: ['10.0.0.2:8081']", "hash_key_file: expected a hash key, the same on all instances, where operator_peers is set")
	const secure = keyed + "operator_peers: ['https://10.0.0.2:8081']\n"
	refuses(t, secure+"tls: {peer_ca_file: "+t.TempDir()+"/none.pem}", "tls.peer_ca_file: cannot read ")
	refuses(t, secure+"tls: {peer_ca_file: "+writeFile(t, "ca.pem", marker)+"}", "tls.peer_ca_file: expected PEM of certificates")
	for _, right := range []string{"'10.0.0.2:8081', 'https://checks.example:8081', '[2001:db8::1]:8081', 'checks:8081'"} {
		accepts(t, keyed+"instance: web-1:8080\noperator_peers: ["+right+"]")
	}
}

func TestCheckConfigWarnsOfPeersThatCannotWork(t *testing.T) {
	ca := newIdentity(t, "ca", tomorrow())
	files := func() string {
		return "cert_file: " + writeFile(t, "c.pem", ca.certificate) + ", key_file: " + writeFile(t, "k.pem", ca.key)
	}
	const elsewhere = "operator_peers[0] is elsewhere, and operator_listen is on loopback"
	const plain = "operator_peers[0] is asked without TLS"
	const idle = "tls.peer_ca_file has no effect"
	for text, want := range map[string][]string{
		"operator_peers: ['10.0.0.2:8081']":                                          {elsewhere},
		"operator_peers: ['checks:8081']":                                            {elsewhere},
		"operator_peers: ['localhost:8082', '127.0.0.1:8083', '[::1]:8084']":         nil,
		"operator_listen: 0.0.0.0:8081\noperator_peers: ['10.0.0.2:8081']":           nil,
		"operator_peers: ['127.0.0.1:8082']\ntls: {" + files() + "}":                 {plain},
		"operator_peers: ['https://127.0.0.1:8082']\ntls: {" + files() + "}":         nil,
		"operator_peers: ['127.0.0.1:8082']\ntls: {peer_ca_file: CA}":                {idle},
		"tls: {peer_ca_file: CA}":                                                    {idle},
		"operator_peers: ['https://127.0.0.1:8082']\ntls: {peer_ca_file: CA}":        nil,
		"operator_peers: ['https://127.0.0.1:8082', 'a:1']\ntls: {peer_ca_file: CA}": {"operator_peers[1] is elsewhere"},
	} {
		printed := accepts(t, keyed+strings.Replace(text, "CA}", writeFile(t, "ca.pem", ca.certificate)+"}", 1))
		found := 0
		for line := range strings.Lines(printed) {
			if strings.HasPrefix(line, "# warning: operator_peers") || strings.HasPrefix(line, "# warning: tls.peer_ca_file") {
				found++
			}
		}
		assert.Len(t, want, found, "%s\n%s", text, printed)
		for _, warning := range want {
			assert.Contains(t, printed, "# warning: "+warning, text)
		}
	}
}

// among are the configurations of instances that ask each other, and their operators' ports.
func among(t *testing.T, n int, scheme, more string) (configs, ports []string) {
	t.Helper()
	var names []string
	for range n {
		at, err := testbed.FreeAddr()
		require.NoError(t, err)
		ports, names = append(ports, at), append(names, "'"+scheme+at+"'")
	}
	for i := range n {
		configs = append(configs, strings.Replace(guarded, "}]}", ", roles: [operator]}]}", 1)+
			fmt.Sprintf("instance: web-%d\noperator_peers: [%s]\n%s", i+1, strings.Join(names, ", "), more))
	}
	return configs, ports
}

// loggedInAt asks the instance who is logged in anywhere.
func loggedInAt(t *testing.T, p *program, query string) (logins int, unreachable []string) {
	t.Helper()
	a, err := p.try(p.operators, "GET", "/v1/logins"+query, "")
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, a.status, a.body)
	var said struct {
		Logins      []struct{ ID string }
		Unreachable []string
	}
	require.NoError(t, json.Unmarshal([]byte(a.body), &said))
	return len(said.Logins), said.Unreachable
}

// Every instance names all, itself too, as one configuration for all does.
func TestThreeInstancesAnswerAsOne(t *testing.T) {
	configs, ports := among(t, 3, "", "")
	var instances []*program
	for i, c := range configs {
		instances = append(instances, start(t, c, "--operator-listen", ports[i]))
		login(t, instances[i], instances[i].addr)
	}
	for _, p := range instances {
		logins, unreachable := loggedInAt(t, p, "")
		assert.Equal(t, 3, logins)
		assert.Equal(t, []string{}, unreachable)
		logins, _ = loggedInAt(t, p, "?scope=this")
		assert.Equal(t, 1, logins)
	}
	a, err := instances[0].try(instances[0].operators, "GET", "/v1/instances", "")
	require.NoError(t, err)
	var said struct {
		Instances []struct{ ID, Version, Rules, Lists, Store string }
	}
	require.NoError(t, json.Unmarshal([]byte(a.body), &said), a.body)
	require.Len(t, said.Instances, 3, a.body)
	for i, each := range said.Instances {
		assert.Equal(t, fmt.Sprintf("web-%d", i+1), each.ID)
		alike := said.Instances[0]
		alike.ID = each.ID
		assert.Equal(t, alike, each)
		assert.NotContains(t, []string{each.Version, each.Rules, each.Lists, each.Store}, "")
	}
	instances[0].await(t, instances[0].stderr, `Instance web-1 asks 3 peers`)
	instances[1].await(t, instances[1].stderr, `Response: 200 .* peer checkout request=`)

	// Decisions, page by page, each once and the newest first.
	for i := range 9 {
		require.Equal(t, 200, instances[i%3].send(t, "POST", "/v1/check", attempt(fmt.Sprintf("203.0.113.%d", i), "4242")).status)
	}
	var met []string
	last := time.Now().Add(time.Minute)
	for next := ""; ; {
		a, err := instances[1].try(instances[1].operators, "GET", "/v1/decisions?limit=2&before="+next, "")
		require.NoError(t, err)
		var page struct {
			Decisions []struct {
				Instance, IP string
				Time         time.Time
			}
			Next        string
			Unreachable []string
		}
		require.NoError(t, json.Unmarshal([]byte(a.body), &page), a.body)
		assert.Empty(t, page.Unreachable)
		for _, d := range page.Decisions {
			assert.False(t, d.Time.After(last), "the newest first")
			met, last = append(met, d.Instance+" "+d.IP), d.Time
		}
		if next = page.Next; next == "" {
			break
		}
	}
	var want []string
	for i := range 9 {
		want = append(want, fmt.Sprintf("web-%d 203.0.113.%d", i%3+1, i))
	}
	assert.ElementsMatch(t, want, met)

	// One that hangs costs a second, one that is gone less.
	instances[2].signal(t, syscall.SIGSTOP)
	var logins int
	var unreachable []string
	require.Eventually(t, func() bool { // a signal takes a moment to stop all threads
		began := time.Now()
		logins, unreachable = loggedInAt(t, instances[0], "")
		assert.Less(t, time.Since(began), 5*time.Second)
		return len(unreachable) > 0
	}, prompt, time.Millisecond)
	assert.Equal(t, 2, logins)
	assert.Equal(t, ports[2:], unreachable)
	instances[0].await(t, instances[0].stderr, `WARNING .*A peer is missing in answers to operators: `+ports[2]+` does not answer within a second`)
	instances[2].signal(t, syscall.SIGCONT)
	logins, _ = loggedInAt(t, instances[0], "")
	assert.Equal(t, 3, logins)
	instances[0].await(t, instances[0].stderr, `INFO .*A peer answers again: `+ports[2])
	instances[2].signal(t, syscall.SIGTERM)
	instances[2].exitCode(t)
	logins, unreachable = loggedInAt(t, instances[0], "")
	assert.Equal(t, 2, logins)
	assert.Equal(t, ports[2:], unreachable)

	for _, p := range instances {
		assert.NotContains(t, p.stderr.String(), "Fraudcheck-Peer")
		assert.NotContains(t, p.stderr.String(), password)
	}
}

func TestPeersAreVerifiedByTheirCertificates(t *testing.T) {
	its, other := newIdentity(t, "ports", tomorrow()), newIdentity(t, "other", tomorrow())
	ca := writeFile(t, "ca.pem", other.certificate)
	configs, ports := among(t, 2, "https://", fmt.Sprintf("tls: {cert_file: %s, key_file: %s, peer_ca_file: %s}\n",
		writeFile(t, "cert.pem", its.certificate), writeFile(t, "key.pem", its.key), ca))
	var instances []*program
	for i, c := range configs {
		p := start(t, c, "--operator-listen", ports[i])
		p.client.Transport = clientTrusting(t, its).Transport
		instances = append(instances, p)
	}
	ask := func() (a answer) {
		r, err := http.NewRequest("GET", "https://"+ports[0]+"/v1/logins", nil)
		require.NoError(t, err)
		r.SetBasicAuth("checkout", password)
		response, err := instances[0].client.Do(r)
		require.NoError(t, err)
		a, err = readAnswer(response)
		require.NoError(t, err)
		return a
	}
	assert.Contains(t, ask().body, `"unreachable":["https://`+ports[0]+`","https://`+ports[1]+`"]`)
	instances[0].await(t, instances[0].stderr, `: https://`+ports[1]+` shows a certificate that cannot be verified`)

	require.NoError(t, os.WriteFile(ca, []byte(other.certificate+its.certificate), 0o600))
	instances[0].await(t, instances[0].stderr, `Configuration reloaded`)
	assert.Contains(t, ask().body, `"unreachable":[]`)
	assert.NotContains(t, instances[0].stderr.String(), "needs a restart")
}
