// Package check holds the manifests to the types of the Kubernetes API, strictly, and to
// what makes them work together. It is a module of its own: the service needs none of it.
package check

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// kustomization is what our files use of kustomize.
type kustomization struct {
	meta.TypeMeta `json:",inline"`
	Namespace     string   `json:"namespace"`
	Resources     []string `json:"resources"`
	Labels        []struct {
		Pairs map[string]string `json:"pairs"`
	} `json:"labels"`
	ConfigMapGenerator []struct {
		Name  string   `json:"name"`
		Files []string `json:"files"`
	} `json:"configMapGenerator"`
	GeneratorOptions struct {
		DisableNameSuffixHash bool `json:"disableNameSuffixHash"`
	} `json:"generatorOptions"`
	Images []struct {
		Name    string `json:"name"`
		NewName string `json:"newName"`
		NewTag  string `json:"newTag"`
	} `json:"images"`
}

// serviceMonitor is what ours uses of the Prometheus operator's.
type serviceMonitor struct {
	meta.TypeMeta   `json:",inline"`
	meta.ObjectMeta `json:"metadata"`
	Spec            struct {
		Selector  meta.LabelSelector `json:"selector"`
		Endpoints []struct {
			Port     string `json:"port"`
			Path     string `json:"path"`
			Interval string `json:"interval"`
		} `json:"endpoints"`
	} `json:"spec"`
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", path))
	require.NoError(t, err)
	return text
}

// objects are the manifests that the kustomization of the folder names, by kind and name.
func objects(t *testing.T, folder string) map[string]any {
	t.Helper()
	var k kustomization
	require.NoError(t, yaml.UnmarshalStrict(read(t, folder+"/kustomization.yaml"), &k))
	found, listed := map[string]any{}, map[string]bool{"kustomization.yaml": true, "config.yaml": true}
	for _, name := range k.Resources {
		if name == "../base" {
			continue
		}
		listed[name] = true
		for _, text := range split(t, read(t, folder+"/"+name)) {
			var head struct {
				meta.TypeMeta   `json:",inline"`
				meta.ObjectMeta `json:"metadata"`
			}
			require.NoError(t, yaml.Unmarshal(text, &head), name)
			object, known := map[string]any{
				"v1 Namespace": new(core.Namespace), "v1 ServiceAccount": new(core.ServiceAccount), "v1 Service": new(core.Service),
				"apps/v1 Deployment": new(apps.Deployment), "apps/v1 StatefulSet": new(apps.StatefulSet),
				"policy/v1 PodDisruptionBudget": new(policy.PodDisruptionBudget), "networking.k8s.io/v1 NetworkPolicy": new(networking.NetworkPolicy),
				"monitoring.coreos.com/v1 ServiceMonitor": new(serviceMonitor),
			}[head.APIVersion+" "+head.Kind]
			require.True(t, known, "%s: %s %s", name, head.APIVersion, head.Kind)
			require.NoError(t, yaml.UnmarshalStrict(text, object), name)
			found[head.Kind+" "+head.Name] = object
		}
	}
	entries, err := os.ReadDir(filepath.Join("..", folder))
	require.NoError(t, err)
	for _, entry := range entries {
		assert.True(t, listed[entry.Name()], "%s is in no list of resources", entry.Name())
	}
	return found
}

// split returns the documents of a file.
func split(t *testing.T, text []byte) (documents [][]byte) {
	t.Helper()
	reader := utilyaml.NewDocumentDecoder(io.NopCloser(bytes.NewReader(text)))
	defer reader.Close()
	buffer := make([]byte, len(text)+1)
	for {
		n, err := reader.Read(buffer)
		if errors.Is(err, io.EOF) {
			return documents
		}
		require.NoError(t, err)
		documents = append(documents, bytes.Clone(buffer[:n]))
	}
}

func TestTheManifestsFitTogether(t *testing.T) {
	all := objects(t, "base")
	d, memcached := all["Deployment fraudcheck"].(*apps.Deployment), all["StatefulSet memcached"].(*apps.StatefulSet)
	pods := map[string]core.PodTemplateSpec{"fraudcheck": d.Spec.Template, "memcached": memcached.Spec.Template}
	selects := func(selector *meta.LabelSelector, pod string) bool {
		s, err := meta.LabelSelectorAsSelector(selector)
		require.NoError(t, err)
		return !s.Empty() && s.Matches(labels.Set(pods[pod].Labels))
	}
	assert.True(t, selects(d.Spec.Selector, "fraudcheck") && selects(memcached.Spec.Selector, "memcached"))
	assert.True(t, selects(all["PodDisruptionBudget fraudcheck"].(*policy.PodDisruptionBudget).Spec.Selector, "fraudcheck"))
	for name := range pods {
		p := all["NetworkPolicy "+name].(*networking.NetworkPolicy)
		assert.True(t, selects(&p.Spec.PodSelector, name))
		assert.Len(t, p.Spec.PolicyTypes, 2)
	}
	assert.GreaterOrEqual(t, *d.Spec.Replicas, int32(2))
	affinity := d.Spec.Template.Spec.Affinity.PodAntiAffinity.PreferredDuringSchedulingIgnoredDuringExecution
	assert.True(t, selects(affinity[0].PodAffinityTerm.LabelSelector, "fraudcheck"))

	for _, name := range []string{"fraudcheck", "fraudcheck-instances", "memcached"} {
		s := all["Service "+name].(*core.Service)
		pod := strings.TrimSuffix(name, "-instances")
		assert.True(t, selects(&meta.LabelSelector{MatchLabels: s.Spec.Selector}, pod), name)
		ports := map[string]int32{}
		for _, port := range pods[pod].Spec.Containers[0].Ports {
			ports[port.Name] = port.ContainerPort
		}
		assert.Equal(t, s.Spec.Ports[0].Port, ports[s.Spec.Ports[0].TargetPort.String()], name)
		assert.Equal(t, name != "fraudcheck", s.Spec.ClusterIP == core.ClusterIPNone, name)
	}

	for name, pod := range pods {
		c := pod.Spec.Containers[0]
		assert.True(t, *c.SecurityContext.ReadOnlyRootFilesystem && !*c.SecurityContext.AllowPrivilegeEscalation && *pod.Spec.SecurityContext.RunAsNonRoot, name)
		assert.Equal(t, []core.Capability{"ALL"}, c.SecurityContext.Capabilities.Drop, name)
		assert.NotNil(t, c.ReadinessProbe, name)
		assert.False(t, c.Resources.Limits.Memory().IsZero() || c.Resources.Requests.Cpu().IsZero(), name)
		assert.False(t, *pod.Spec.AutomountServiceAccountToken, name)
	}
	c := d.Spec.Template.Spec.Containers[0]
	assert.Equal(t, intstr.FromString("callers"), c.ReadinessProbe.HTTPGet.Port)
	assert.Equal(t, "/readyz /healthz", c.ReadinessProbe.HTTPGet.Path+" "+c.LivenessProbe.HTTPGet.Path)
}

// DNS is in kube-system, or on the node's own network (NodeLocal DNSCache).
func TestTheInstancesReachDNS(t *testing.T) {
	for _, rule := range objects(t, "base")["NetworkPolicy fraudcheck"].(*networking.NetworkPolicy).Spec.Egress {
		if rule.Ports[0].Port.IntValue() != 53 {
			continue
		}
		var protocols []core.Protocol
		for _, port := range rule.Ports {
			assert.Equal(t, 53, port.Port.IntValue())
			protocols = append(protocols, *port.Protocol)
		}
		assert.ElementsMatch(t, []core.Protocol{core.ProtocolUDP, core.ProtocolTCP}, protocols)
		require.Len(t, rule.To, 2)
		assert.Equal(t, map[string]string{"kubernetes.io/metadata.name": "kube-system"}, rule.To[0].NamespaceSelector.MatchLabels)
		assert.Equal(t, "169.254.20.10/32", rule.To[1].IPBlock.CIDR)
		return
	}
	require.Fail(t, "no rule for DNS")
}

// docs/operate.md shows probes and times; they are those of the manifests.
func TestThePageHasTheNumbersOfTheManifests(t *testing.T) {
	page := string(read(t, "../../docs/operate.md"))
	_, page, found := strings.Cut(page, "\n## In Kubernetes\n")
	require.True(t, found)
	page, _, _ = strings.Cut(page, "\n## ")
	shown := map[string][]byte{}
	for _, language := range []string{"yml", "yaml"} {
		_, text, found := strings.Cut(page, "```"+language+"\n")
		require.True(t, found, language)
		text, _, _ = strings.Cut(text, "```")
		shown[language] = []byte(text)
	}
	var pod struct {
		ReadinessProbe, LivenessProbe *core.Probe
		TerminationGracePeriodSeconds *int64
	}
	require.NoError(t, yaml.UnmarshalStrict(shown["yml"], &pod))
	spec := objects(t, "base")["Deployment fraudcheck"].(*apps.Deployment).Spec.Template.Spec
	assert.Equal(t, spec.Containers[0].ReadinessProbe, pod.ReadinessProbe)
	assert.Equal(t, spec.Containers[0].LivenessProbe, pod.LivenessProbe)
	assert.Equal(t, spec.TerminationGracePeriodSeconds, pod.TerminationGracePeriodSeconds)
	var says, has map[string]any
	require.NoError(t, yaml.Unmarshal(shown["yaml"], &says))
	require.NoError(t, yaml.Unmarshal(read(t, "base/config.yaml"), &has))
	for key, value := range says {
		assert.Equal(t, has[key], value, key)
	}
	cpus := spec.Containers[0].Resources.Limits.Cpu()
	assert.Contains(t, page, "it is "+cpus.String()+" processors")
}

// A stop has the time that it takes, and nothing is sent to a port that has closed.
func TestAStopIsLongEnough(t *testing.T) {
	var config struct {
		DrainDelay    string   `json:"drain_delay"`
		Drain         string   `json:"drain"`
		OperatorPeers []string `json:"operator_peers"`
		Store         struct {
			Memcached struct {
				Servers []string `json:"servers"`
			} `json:"memcached"`
		} `json:"store"`
	}
	require.NoError(t, yaml.Unmarshal(read(t, "base/config.yaml"), &config))
	delay, err := time.ParseDuration(config.DrainDelay)
	require.NoError(t, err)
	drain, err := time.ParseDuration(config.Drain)
	require.NoError(t, err)
	all := objects(t, "base")
	pod := all["Deployment fraudcheck"].(*apps.Deployment).Spec.Template.Spec
	assert.Greater(t, time.Duration(*pod.TerminationGracePeriodSeconds)*time.Second, delay+drain+10*time.Second)
	ready := pod.Containers[0].ReadinessProbe
	notices := time.Duration(ready.PeriodSeconds*ready.FailureThreshold+ready.TimeoutSeconds) * time.Second
	assert.Greater(t, delay, notices+5*time.Second, "the endpoints take some seconds more")
	assert.Equal(t, []string{"fraudcheck-instances:8081"}, config.OperatorPeers)
	assert.Equal(t, []string{"memcached:11211"}, config.Store.Memcached.Servers)
}

func TestNoSecretIsGivenAway(t *testing.T) {
	for name := range objects(t, "base") {
		assert.False(t, strings.HasPrefix(name, "Secret "), name)
	}
	assert.NotRegexp(t, `(?i)hash_key:|password:`, string(read(t, "base/config.yaml")))
}

func TestTheServiceMonitorFindsTheInstances(t *testing.T) {
	m := objects(t, "servicemonitor")["ServiceMonitor fraudcheck"].(*serviceMonitor)
	s := objects(t, "base")["Service fraudcheck-instances"].(*core.Service)
	selector, err := meta.LabelSelectorAsSelector(&m.Spec.Selector)
	require.NoError(t, err)
	assert.True(t, selector.Matches(labels.Set(s.Labels)))
	assert.False(t, selector.Matches(labels.Set(objects(t, "base")["Service fraudcheck"].(*core.Service).Labels)), "each instance once")
	assert.Equal(t, s.Spec.Ports[0].Name, m.Spec.Endpoints[0].Port)
}

// The program takes the configuration, with the secret of docs/deploy.md.
func TestTheProgramTakesTheConfiguration(t *testing.T) {
	folder := t.TempDir()
	program := filepath.Join(folder, "fraudcheck")
	build := exec.Command("go", "build", "-o", program, "./cmd/fraudcheck")
	build.Dir = "../../.."
	out, err := build.CombinedOutput()
	require.NoError(t, err, string(out))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "hash.key"), []byte(strings.Repeat("staple-", 6)), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "users.yaml"), []byte("auth: {basic: {users_file: users}}\n"), 0o600))
	add := exec.Command(program, "user", "add", "checkout", "--config", filepath.Join(folder, "users.yaml"))
	add.Stdin = strings.NewReader("correct-horse-battery\n")
	out, err = add.CombinedOutput()
	require.NoError(t, err, string(out))
	config := strings.ReplaceAll(string(read(t, "base/config.yaml")), "/etc/fraudcheck/secret", folder)
	require.NoError(t, os.WriteFile(filepath.Join(folder, "config.yaml"), []byte(config), 0o644))
	out, err = exec.Command(program, "check-config", "--config", filepath.Join(folder, "config.yaml")).CombinedOutput()
	require.NoError(t, err, string(out))
	assert.Contains(t, string(out), "users_file holds 1 user")
}
