{{/* Names, labels, and what every pod shares. */}}
{{- define "ortolan.name" -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- end }}

{{- define "ortolan.selector" -}}
app.kubernetes.io/name: ortolan
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "ortolan.labels" -}}
{{ include "ortolan.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{- define "ortolan.serviceAccount" -}}
{{- default (ternary (include "ortolan.name" .) "default" .Values.serviceAccount.create) .Values.serviceAccount.name -}}
{{- end }}

{{- define "ortolan.image" -}}
{{- $values := .root.Values.image -}}
{{- with $values.registry }}{{ . }}/{{ end -}}
ortolan-{{ .image }}:{{ default .root.Chart.AppVersion $values.tag }}
{{- end }}

{{/* Pod fields above the containers. */}}
{{- define "ortolan.pod" -}}
{{- $values := .values -}}
serviceAccountName: {{ include "ortolan.serviceAccount" .root }}
automountServiceAccountToken: false
enableServiceLinks: false
terminationGracePeriodSeconds: {{ $values.terminationGracePeriodSeconds }}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile: { type: RuntimeDefault }
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- else }}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{- include "ortolan.selector" . | nindent 8 }}
{{- end }}
{{- end }}

{{- define "ortolan.container" -}}
image: {{ include "ortolan.image" . }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: { drop: [ALL] }
{{- end }}

{{/* `secrets` are the keys of the Secret that this service is given, and no other. */}}
{{- define "ortolan.env" -}}
{{- range $name := .secrets }}
- name: {{ $name }}
  valueFrom: { secretKeyRef: { name: {{ $.root.Values.existingSecret }}, key: {{ $name }} } }
{{- end }}
{{- range $name := .optionalSecrets }}
- name: {{ $name }}
  valueFrom: { secretKeyRef: { name: {{ $.root.Values.existingSecret }}, key: {{ $name }}, optional: true } }
{{- end }}
{{- range $name, $value := merge (dict) .values.env .own .root.Values.config }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end }}

{{- define "ortolan.storage" -}}
{{- $storage := .Values.storage -}}
{{- if eq $storage.kind "volume" -}}
ORTOLAN_STORAGE__KIND: local
ORTOLAN_STORAGE__ROOT: /var/lib/ortolan/objects
{{- else -}}
ORTOLAN_STORAGE__KIND: {{ $storage.kind }}
ORTOLAN_STORAGE__BUCKET: {{ $storage.bucket }}
{{- end }}
{{- end }}

{{- define "ortolan.storageSecrets" -}}
{{- if eq .Values.storage.kind "s3" -}}
[AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY]
{{- else -}}
[]
{{- end }}
{{- end }}

{{/* What a tenant's runner writes goes here; the root file system is read-only. */}}
{{- define "ortolan.mounts" -}}
- { name: tmp, mountPath: /tmp }
- { name: scratch, mountPath: /var/lib/ortolan }
{{- if and .objects (eq .root.Values.storage.kind "volume") }}
- { name: objects, mountPath: /var/lib/ortolan/objects, readOnly: {{ .readOnly }} }
{{- end }}
{{- end }}

{{- define "ortolan.volumes" -}}
- { name: tmp, emptyDir: { sizeLimit: 64Mi } }
- { name: scratch, emptyDir: { sizeLimit: {{ .scratch }} } }
{{- if and .objects (eq .root.Values.storage.kind "volume") }}
- name: objects
  persistentVolumeClaim:
    claimName: {{ required "storage.existingClaim is needed for storage.kind=volume" .root.Values.storage.existingClaim }}
    readOnly: {{ .readOnly }}
{{- end }}
{{- end }}
