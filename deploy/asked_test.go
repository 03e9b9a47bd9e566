//go:build verify

package deploy

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/testbed"
)

func TestMain(m *testing.M) { testbed.Main(m) }

// Each expression of the dashboards finds data in a real Prometheus that scrapes real
// instances which are asked a little: two that share a memcached, one of them with TLS, and
// one with the embedded store.
func TestDashboardsFindData(t *testing.T) {
	t.Run("memcached", func(t *testing.T) {
		callers, operators := pair(t)
		findData(t, callers, operators)
	})
	t.Run("embedded", func(t *testing.T) {
		callers, operators := instance(t, "", "http")
		findData(t, []string{callers}, []string{operators})
	})
}

func findData(t *testing.T, callers, operators []string) {
	t.Helper()
	server := scrape(t, operators)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	go func() {
		for n := 0; ctx.Err() == nil; n++ {
			ask(ctx, callers[n%len(callers)], n)
			_ = testbed.Pause(ctx, 20*time.Millisecond)
		}
	}()
	for file, d := range dashboards(t) {
		for _, v := range []string{"fraudcheck_build_info", `fraudcheck_build_info{job="fraudcheck"}`} {
			assert.Len(t, queried(t, server, v), len(operators), "%s: what its variables ask", file)
		}
		for _, p := range d.Panels {
			for _, q := range p.Targets {
				expr := strings.NewReplacer("$job", "fraudcheck", "$instance", ".+", "$__rate_interval", "5s").Replace(q.Expr)
				assert.Eventually(t, func() bool {
					for _, value := range queried(t, server, expr) {
						if value != "NaN" {
							return true
						}
					}
					return false
				}, 2*testbed.Prompt, 250*time.Millisecond, "%s, %s: %s finds nothing", file, p.Title, expr)
			}
		}
	}

	health := get(t, server+"/api/v1/rules")
	assert.NotContains(t, health, `"health":"err"`, "Prometheus evaluates the rules")
	assert.Contains(t, health, `"health":"ok"`)
}

// Alerts and recordings ask for metrics that the program has.
func TestAlertsAskForMetricsThatAreThere(t *testing.T) {
	_, operators := pair(t)
	there := make(map[string]bool)
	for _, m := range regexp.MustCompile(`(?m)^\w+`).FindAllString(get(t, operators[0]+"/metrics")+get(t, operators[1]+"/metrics"), -1) {
		there[m] = true
	}
	names := regexp.MustCompile(`(?:^|[^:\w])(fraudcheck_\w+)`)
	for _, r := range append(rules(t, "prometheus/recordings.yaml"), rules(t, "prometheus/alerts.yaml")...) {
		for _, m := range names.FindAllStringSubmatch(r.Expr, -1) {
			assert.True(t, there[m[1]], "%s: there is no metric %s", r.Expr, m[1])
		}
	}
}

func TestPromtoolFindsNoFaultWithTheMetrics(t *testing.T) {
	_, operators := pair(t)
	check := exec.CommandContext(t.Context(), "promtool", "check", "metrics")
	check.Stdin = strings.NewReader(get(t, operators[0]+"/metrics"))
	out, err := check.CombinedOutput()
	require.NoError(t, err, string(out))
	assert.Empty(t, string(out))
}

// pair starts two instances that share a memcached, and returns the URLs of their ports.
// The second one speaks TLS.
func pair(t *testing.T) (callers, operators []string) {
	t.Helper()
	store := fmt.Sprintf("hash_key: staple-0123456789-0123456789-0123456789\nstore: {kind: memcached, memcached: {servers: [%q]}}\n", testbed.StartMemcached(t).Addr)
	for _, scheme := range []string{"http", "https"} {
		caller, operator := instance(t, store, scheme)
		callers, operators = append(callers, caller), append(operators, operator)
	}
	return callers, operators
}

// instance starts one with that store, and returns the URLs of its ports.
func instance(t *testing.T, store, scheme string) (callers, operators string) {
	t.Helper()
	dir := t.TempDir()
	config := `
listen: 127.0.0.1:0
operator_listen: 127.0.0.1:0
auth: {basic: {users: [{username: checkout, password: correct-horse-battery, roles: [checker]}]}}
` + store
	if scheme == "https" {
		certificate(t, filepath.Join(dir, "certificate.pem"), filepath.Join(dir, "key.pem"))
		config += "tls: {cert_file: certificate.pem, key_file: key.pem}\n"
	}
	path := filepath.Join(dir, "fraudcheck.yaml")
	require.NoError(t, os.WriteFile(path, []byte(config), 0o600))
	i, err := testbed.StartInstance(t.Context(), dir, exec.Command(testbed.Program(t), "--config", path))
	require.NoError(t, err)
	t.Cleanup(i.Kill)
	return scheme + "://" + i.Addr, scheme + "://" + i.Operators
}

// certificate writes a certificate of 127.0.0.1 that signs itself, and its key.
func certificate(t *testing.T, certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	for file, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: cert}, keyFile: {Type: "PRIVATE KEY", Bytes: secret}} {
		require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(block), 0o600))
	}
}

// scrape starts Prometheus with our rules, scraping these each second, and returns its URL.
func scrape(t *testing.T, operators []string) string {
	t.Helper()
	dir := t.TempDir()
	rules, err := filepath.Abs("prometheus")
	require.NoError(t, err)
	config := "global: {scrape_interval: 1s, evaluation_interval: 1s}\n" +
		fmt.Sprintf("rule_files: [%q, %q]\n", filepath.Join(rules, "recordings.yaml"), filepath.Join(rules, "alerts.yaml")) +
		"scrape_configs:\n"
	for n, target := range operators {
		scheme, address, _ := strings.Cut(target, "://")
		config += fmt.Sprintf("  - {job_name: %q, scheme: %s, tls_config: {insecure_skip_verify: true}, static_configs: [{targets: [%q]}], relabel_configs: [{target_label: job, replacement: fraudcheck}]}\n", fmt.Sprint(n), scheme, address)
	}
	path := filepath.Join(dir, "prometheus.yml")
	require.NoError(t, os.WriteFile(path, []byte(config), 0o600))
	p := testbed.StartProcess(t, exec.Command("prometheus", "--config.file="+path, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address=127.0.0.1:0"))
	found, err := p.AwaitOutput(t.Context(), p.Stderr, regexp.MustCompile(`msg="Listening on" address=(\S+)`))
	require.NoError(t, err)
	_, err = p.AwaitOutput(t.Context(), p.Stderr, regexp.MustCompile("Server is ready"))
	require.NoError(t, err)
	server := "http://" + found[1]
	require.Eventually(t, func() bool { return len(queried(t, server, "up == 1")) == len(operators) }, 2*testbed.Prompt, 250*time.Millisecond, p.Stderr)
	return server
}

// client takes the certificate that the test has made.
var client = &http.Client{Timeout: testbed.Prompt, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}

// ask makes the nth check, and reports its outcome. One address in ten shows card after card.
func ask(ctx context.Context, instance string, n int) {
	ip := fmt.Sprintf("203.0.113.%d", n%200)
	if n%10 == 0 {
		ip = "198.51.100.66"
	}
	body := fmt.Sprintf(`"ip":%q,"card_id":"card-%d","attempt_id":"attempt-%d"`, ip, n, n)
	for path, body := range map[string]string{"/v1/check": body, "/v1/outcomes": body + `,"outcome":"declined"`} {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, instance+path, strings.NewReader("{"+body+"}"))
		if err != nil {
			continue
		}
		r.SetBasicAuth("checkout", "correct-horse-battery")
		r.Header.Set("Content-Type", "application/json")
		if answer, err := client.Do(r); err == nil {
			_, _ = io.Copy(io.Discard, answer.Body)
			_ = answer.Body.Close()
		}
	}
}

// get returns what the URL answers.
func get(t *testing.T, address string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	require.NoError(t, err)
	answer, err := client.Do(r)
	require.NoError(t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return string(text)
}

// queried returns the values that Prometheus finds now.
func queried(t *testing.T, server, expr string) (found []string) {
	t.Helper()
	var answer struct {
		Status, Error string
		Data          struct {
			Result []struct{ Value [2]any }
		}
	}
	require.NoError(t, json.Unmarshal([]byte(get(t, server+"/api/v1/query?query="+url.QueryEscape(expr))), &answer))
	require.Equal(t, "success", answer.Status, "%s: %s", expr, answer.Error)
	for _, r := range answer.Data.Result {
		found = append(found, fmt.Sprint(r.Value[1]))
	}
	return found
}
