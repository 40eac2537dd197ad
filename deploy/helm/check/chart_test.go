package check

import (
	"strings"
	"testing"

	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/yaml"
)

// variants are values beside the least ones.
var variants = map[string]string{
	"defaults": "",
	"everything": `
image: {repository: registry.example.com/signum, tag: "", digest: "sha256:` + strings.Repeat("0a", 32) + `"}
imagePullSecrets: [{name: registry}]
replicas: 5
config:
  service: {name: Example, country: CH}
  trusted_proxies: [192.0.2.10/32]
  listen:
    mss: {connections: {proxy_protocol: true}}
    web: {connections: {proxy_protocol: true}}
  sim:
    service_number: "41790000500"
    home_network: {mcc: "228", mnc: "01", name: Example Mobile}
    max_open: 2000000
    smscs:
      - {name: main, address: "smsc.example.com:2775", system_id: signum, password_file: "${CREDENTIALS_DIRECTORY}/smsc-password"}
  app:
    vapid: {contact: operator@example.com, public_key: BNcRdreALRFXTkOOUHK1EtK2wtaz5Ry4YfYCA_0QTpQtUbVlUls0VJXg7A8u-Ts1XbjhazAkj7I99e8QcYP7DkM}
  retention: {evidence: 8760h, export: /export}
secrets: {node: a, ca: b, mssTLS: c, webTLS: d, caItems: [{key: root.pem, path: root.pem}, {key: old.pem, path: former/old.pem}]}
drain: {announce: 20, wait: 300}
services:
  mss: {type: LoadBalancer, port: 443, nodePort: 30443, annotations: {a.example.com/b: "true"}, externalTrafficPolicy: Local, loadBalancerClass: example.com/l4, loadBalancerSourceRanges: [192.0.2.0/24]}
  web: {type: NodePort, port: 443}
readiness: {exclude: [smsc, clock]}
migrate: {storeURLKey: direct-url, resources: {requests: {cpu: 100m}}}
podDisruptionBudget: {maxUnavailable: 25%}
serviceAccountName: signum
podAnnotations: {a: b}
podLabels: {team: mobile}
priorityClassName: high
nodeSelector: {disk: none}
tolerations: [{key: dedicated, operator: Exists}]
affinity: {nodeAffinity: {}}
extraEnv: [{name: SIGNUM_LOG_FORMAT, value: json}]
extraVolumes: [{name: more, emptyDir: {}}]
extraVolumeMounts: [{name: export, mountPath: /export}, {name: more, mountPath: /more}]
volumeClaimTemplates: [{metadata: {name: export}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 100Gi}}}}]
serviceMonitor: {enabled: true, labels: {release: prometheus}}
networkPolicy: {enabled: true, mss: [{ipBlock: {cidr: 192.0.2.0/24}}], ops: [{namespaceSelector: {matchLabels: {name: monitoring}}}]}
`,
	"nothing optional": `
migrate: {enabled: false}
podDisruptionBudget: {enabled: false}
topologySpreadConstraints: []
resources: {}
podSecurityContext: {runAsUser: null, runAsGroup: null, fsGroup: null}
`,
	"no drain": `drain: {announce: 0, wait: 0}`,
}

// each runs a test with every variant.
func each(t *testing.T, test func(*testing.T, objects)) {
	for name, v := range variants {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, mustRender(t, least, v))
		})
	}
}

// TestPods: the volumes that containers mount exist, no name is taken twice, and a container can
// change nothing of its machine.
func TestPods(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, o objects) {
		set := only(t, o.sets)
		claims := map[string]bool{}
		for _, c := range set.Spec.VolumeClaimTemplates {
			claims[c.Name] = true
		}
		checkPod(t, o, set.Spec.Template, claims)
		for _, job := range o.jobs {
			checkPod(t, o, job.Spec.Template, nil)
			if p := job.Spec.Template.Spec.RestartPolicy; p != core.RestartPolicyNever {
				t.Errorf("a migration that fails is restarted: %s", p)
			}
			// What a hook needs must be a hook, too, and come first.
			config := o.configs[job.Name]
			if config == nil || config.Annotations["helm.sh/hook"] != job.Annotations["helm.sh/hook"] || config.Annotations["helm.sh/hook-weight"] != "-1" || job.Annotations["helm.sh/hook-weight"] != "" {
				t.Errorf("the migration runs without its configuration: %+v", config)
			}
		}
	})
}

func checkPod(t *testing.T, o objects, pod core.PodTemplateSpec, volumes map[string]bool) {
	t.Helper()
	spec := pod.Spec
	if volumes == nil {
		volumes = map[string]bool{}
	}
	for _, v := range spec.Volumes {
		if volumes[v.Name] {
			t.Errorf("two volumes %s", v.Name)
		}
		volumes[v.Name] = true
		if v.ConfigMap != nil && o.configs[v.ConfigMap.Name] == nil {
			t.Errorf("no ConfigMap %s", v.ConfigMap.Name)
		}
		if v.Secret != nil && (v.Secret.DefaultMode == nil || *v.Secret.DefaultMode != 0o440) {
			t.Errorf("the secret %s has another mode than 0440", v.Name)
		}
	}
	c := spec.Containers[0]
	paths, env := map[string]bool{}, map[string]bool{}
	for _, m := range c.VolumeMounts {
		if !volumes[m.Name] || paths[m.MountPath] {
			t.Errorf("%s is mounted at %s: volumes %v", m.Name, m.MountPath, volumes)
		}
		paths[m.MountPath] = true
	}
	for _, e := range c.Env {
		if env[e.Name] {
			t.Errorf("the variable %s is there twice", e.Name)
		}
		env[e.Name] = true
	}
	s := c.SecurityContext
	if *s.AllowPrivilegeEscalation || !*s.ReadOnlyRootFilesystem || len(s.Capabilities.Drop) != 1 || s.Capabilities.Drop[0] != "ALL" || len(s.Capabilities.Add) > 0 {
		t.Errorf("the container may %+v", s)
	}
	if p := spec.SecurityContext; !*p.RunAsNonRoot || p.SeccompProfile.Type != core.SeccompProfileTypeRuntimeDefault || spec.HostNetwork || spec.HostPID {
		t.Errorf("the pod may %+v", p)
	}
	if *spec.AutomountServiceAccountToken || *spec.EnableServiceLinks {
		t.Error("the pod gets a token, or variables of services")
	}
}

// TestPorts: probes and services lead to ports that the container has.
func TestPorts(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, o objects) {
		set := only(t, o.sets)
		container := set.Spec.Template.Spec.Containers[0]
		ports := map[string]bool{}
		for _, p := range container.Ports {
			ports[p.Name] = true
		}
		exists := func(what string, port intstr.IntOrString) {
			t.Helper()
			if !ports[port.StrVal] {
				t.Errorf("%s: no port %s", what, port.String())
			}
		}
		for path, probe := range map[string]*core.Probe{"/livez": container.StartupProbe, "/livez ": container.LivenessProbe, "/readyz": container.ReadinessProbe} {
			exists(path, probe.HTTPGet.Port)
			if got, _, _ := strings.Cut(probe.HTTPGet.Path, "?"); got != strings.TrimSpace(path) {
				t.Errorf("a probe asks %s", probe.HTTPGet.Path)
			}
		}
		pod := labels.Set(set.Spec.Template.Labels)
		served := map[string]bool{}
		for name, s := range o.services {
			if !labels.SelectorFromSet(s.Spec.Selector).Matches(pod) {
				t.Errorf("%s selects %v, not %v", name, s.Spec.Selector, pod)
			}
			for _, p := range s.Spec.Ports {
				exists(name, p.TargetPort)
				served[p.TargetPort.StrVal] = true
			}
		}
		if len(served) != len(ports) {
			t.Errorf("services for %v, ports %v", served, ports)
		}
		if nodes := o.services[set.Spec.ServiceName]; nodes == nil || nodes.Spec.ClusterIP != core.ClusterIPNone || !nodes.Spec.PublishNotReadyAddresses {
			t.Errorf("the service of the names of the nodes is %+v", nodes)
		}
		for _, n := range o.networks {
			for _, rule := range n.Spec.Ingress {
				exists("network policy", *rule.Ports[0].Port)
			}
		}
		for _, m := range o.monitors {
			checkMonitored(t, o, m.Spec.Selector, m.Spec.Endpoints[0].Port)
		}
	})
}

// checkMonitored: a ServiceMonitor selects one service, which has its port.
func checkMonitored(t *testing.T, o objects, selector meta.LabelSelector, port string) {
	t.Helper()
	var found []string
	for name, s := range o.services {
		if labels.SelectorFromSet(selector.MatchLabels).Matches(labels.Set(s.Labels)) && s.Spec.Ports[0].Name == port {
			found = append(found, name)
		}
	}
	if len(found) != 1 {
		t.Errorf("monitored are %v", found)
	}
}

// TestSelectors: what selects nodes selects those of this release and not the pod of the migration.
func TestSelectors(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, o objects) {
		set := only(t, o.sets)
		selectors := []*meta.LabelSelector{set.Spec.Selector}
		for _, b := range o.budgets {
			selectors = append(selectors, b.Spec.Selector)
		}
		for _, n := range o.networks {
			selectors = append(selectors, &n.Spec.PodSelector)
		}
		for _, c := range set.Spec.Template.Spec.TopologySpreadConstraints {
			selectors = append(selectors, c.LabelSelector)
		}
		for _, s := range selectors {
			selector := labels.SelectorFromSet(s.MatchLabels)
			if selector.Empty() || !selector.Matches(labels.Set(set.Spec.Template.Labels)) {
				t.Errorf("%v does not select the nodes", s)
			}
			for _, job := range o.jobs {
				if selector.Matches(labels.Set(job.Spec.Template.Labels)) {
					t.Errorf("%v selects the migration", s)
				}
			}
		}
	})
}

// TestTimeToStop: a node has the time for its drain before it is killed.
func TestTimeToStop(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, o objects) {
		set := only(t, o.sets)
		var file struct {
			Drain struct{ Announce, Wait meta.Duration }
		}
		if err := yaml.Unmarshal([]byte(o.configs[set.Name].Data["signum.yaml"]), &file); err != nil {
			t.Fatal(err)
		}
		least := file.Drain.Announce.Seconds() + file.Drain.Wait.Seconds() + 60
		if got := *set.Spec.Template.Spec.TerminationGracePeriodSeconds; float64(got) < least {
			t.Errorf("a pod is killed after %d s, and its drain takes %v s", got, least)
		}
	})
}
