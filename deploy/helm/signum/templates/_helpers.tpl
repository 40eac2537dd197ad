{{- define "signum.name" -}}
{{- if contains "signum" .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{ else }}{{ printf "%s-signum" .Release.Name | trunc 40 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "signum.selector" -}}
app.kubernetes.io/name: signum
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: node
{{- end }}

{{- define "signum.commonLabels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: signum
{{- end }}

{{- define "signum.labels" -}}
{{ include "signum.selector" . }}
{{ include "signum.commonLabels" . }}
{{- end }}

{{- define "signum.migrateLabels" -}}
app.kubernetes.io/name: signum
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: migrate
{{ include "signum.commonLabels" . }}
{{- end }}

{{- define "signum.image" -}}
{{ .Values.image.repository }}{{ if .Values.image.digest }}@{{ .Values.image.digest }}{{ else }}:{{ .Values.image.tag }}{{ end }}
{{- end }}

{{/* signum.yaml: the values, with what the chart decides. */}}
{{- define "signum.config" -}}
{{- $secret := "${CREDENTIALS_DIRECTORY}/" -}}
{{- $config := deepCopy .Values.config -}}
{{- if dig "sim" "smscs" list $config -}}
{{- $config = mustMerge $config (dict "sim" (dict "master_key_file" (print $secret "master-key"))) -}}
{{- end -}}
{{- if dig "app" "vapid" "public_key" "" $config -}}
{{- $config = mustMerge $config (dict "app" (dict "vapid" (dict "private_key_file" (print $secret "vapid-key")))) -}}
{{- end -}}
{{- $tls := dict -}}
{{- range list "mss" "web" -}}
{{- $_ := set $tls . (dict "certificate_file" (printf "/run/tls/%s/tls.crt" .) "key_file" (printf "/run/tls/%s/tls.key" .)) -}}
{{- end -}}
{{- $own := dict
  "listen" (dict
    "mss" (dict "address" ":8443" "tls" $tls.mss)
    "web" (dict "address" ":8444" "tls" $tls.web)
    "pki" (dict "address" ":8080")
    "ops" (dict "address" ":9464")
    "admin" (dict "socket" "/run/signum/admin.sock"))
  "store" (dict "url_file" (print $secret "store-url"))
  "ca" (dict "directory" "/run/ca")
  "drain" (dict "announce" (printf "%ds" (int .Values.drain.announce)) "wait" (printf "%ds" (int .Values.drain.wait)))
-}}
{{- toYaml (mustMergeOverwrite $config $own) }}
{{- end }}

{{/* What a container of the program has, whichever command it runs. */}}
{{- define "signum.container" -}}
image: {{ include "signum.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}

{{- define "signum.env" -}}
- {name: SIGNUM_CONFIG, value: /etc/signum/signum.yaml}
- {name: CREDENTIALS_DIRECTORY, value: /run/credentials}
# The image is that of a sandbox, too: commands would look for one.
- {name: SIGNUM_SANDBOX, value: ""}
- {name: SIGNUM_DIR, value: ""}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "signum.mounts" -}}
- {name: config, mountPath: /etc/signum, readOnly: true}
- {name: credentials, mountPath: /run/credentials, readOnly: true}
- {name: ca, mountPath: /run/ca, readOnly: true}
- {name: mss-tls, mountPath: /run/tls/mss, readOnly: true}
- {name: web-tls, mountPath: /run/tls/web, readOnly: true}
{{- end }}

{{/* The group reads the secrets, and nobody else. */}}
{{- define "signum.volumes" -}}
- name: credentials
  secret: {secretName: {{ .Values.secrets.node | quote }}, defaultMode: 0440}
- name: ca
  secret:
    secretName: {{ .Values.secrets.ca | quote }}
    defaultMode: 0440
    {{- with .Values.secrets.caItems }}
    items:
      {{- toYaml . | nindent 6 }}
    {{- end }}
- name: mss-tls
  secret: {secretName: {{ .Values.secrets.mssTLS | quote }}, defaultMode: 0440}
- name: web-tls
  secret: {secretName: {{ .Values.secrets.webTLS | quote }}, defaultMode: 0440}
{{- end }}

{{/* Of a pod, whatever runs in it. */}}
{{- define "signum.pod" -}}
# The pod would get variables that begin with SIGNUM_, as those of the configuration do.
enableServiceLinks: false
automountServiceAccountToken: false
{{- with .Values.serviceAccountName }}
serviceAccountName: {{ . | quote }}
{{- end }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  {{- toYaml .Values.podSecurityContext | nindent 2 }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
