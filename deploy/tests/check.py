#!/usr/bin/env python3
"""Checks the files of deploy/ with what a machine without a cluster can have: the chart is linted, rendered with several values and held
against Kubernetes' schemas and our own rules; PromQL in rules and dashboards is parsed and its metric names are compared with the code's;
compose, Dockerfile and YAML are linted. Prints one line for each finding; the exit status is 1 when there is one.

usage: check.py ROOT        with the packages of requirements.txt in one folder, which PYTHONPATH names
"""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import kubernetes_validate
import promql_parser
import yaml
from helm_python import chart as helm

KUBERNETES = "1.33"
PROGRAMS = Path(helm.__file__).parents[1] / "bin"
WORKLOADS = {"Deployment", "StatefulSet", "DaemonSet"}
# Custom resources, for which no schema is at hand: what has to be there.
CUSTOM = {
    "ScaledObject": ["scaleTargetRef", "triggers"],
    "TriggerAuthentication": ["secretTargetRef"],
    "ServiceMonitor": ["selector", "endpoints"],
}
SECRETS = {"DATABASE_URL", "REDIS_URL", "SECRET_KEY", "ORTOLAN_OPERATOR_KEY"}
# Who may know which of the secrets; the ML service knows no database.
MAY_KNOW = {
    "api": SECRETS,
    "worker-gpu": {"DATABASE_URL", "REDIS_URL"},
    "worker-cpu": {"DATABASE_URL", "REDIS_URL"},
    "reconciler": {"DATABASE_URL", "REDIS_URL"},
    "ml-service": {"REDIS_URL"},
}


def main(root):
    deploy = root / "deploy"
    findings = []
    charts = [None, *sorted((deploy / "tests" / "values").glob("*.yaml"))]
    for values in charts:
        findings += check_chart(deploy / "helm" / "ortolan", values)
    findings += check_refusals(deploy / "helm" / "ortolan")
    findings += check_queries(root)
    findings += check_compose(root)
    findings += check_platforms(deploy / "paas")
    findings += check_build_context(root)
    findings += run("hadolint", "--ignore", "DL3008", str(deploy / "Dockerfile"))
    findings += run("yamllint", "--strict", "--config-file", str(deploy / "tests" / "yamllint.yml"), *yaml_files(root))
    for finding in findings:
        print(finding)
    print(f"deploy: {len(charts)} sets of values rendered, {len(findings)} findings")
    return 1 if findings else 0


def check_chart(path, values_file):
    name = values_file.name if values_file else "defaults"
    values = yaml.safe_load(values_file.read_text()) if values_file else {}
    for message in helm.lint(str(path), values)["messages"]:
        if message["severity"] >= 2:  # 1 says something, 2 warns, 3 is an error
            yield f"{name}: lint {message['path']}: {message['error']}"
    for where, document in render(path, values):
        where = f"{name}: {where} {document['kind']}/{document['metadata']['name']}"
        yield from (f"{where}: {finding}" for finding in check_document(document))


def render(path, values):
    with helm.Chart.load(str(path)) as chart:
        rendered = chart.render(values, name="release", namespace="default")
    for file, text in rendered.items():
        if not file.endswith("NOTES.txt"):
            yield from ((file, document) for document in yaml.safe_load_all(text) if document)


def check_document(document):
    kind = document["kind"]
    if kind in CUSTOM:
        yield from (f"no {field}" for field in CUSTOM[kind] if not document["spec"].get(field))
        return
    try:
        kubernetes_validate.validate(document, KUBERNETES, strict=True)
    except (kubernetes_validate.ValidationError, kubernetes_validate.SchemaNotFoundError) as error:
        yield str(error)
    if kind in WORKLOADS:
        yield from check_workload(document)


def check_workload(document):
    """What a schema cannot say: probes, limits, no root, a read-only root, and no secret that the service has no use for."""
    component = document["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/component"]
    pod = document["spec"]["template"]["spec"]
    if pod.get("automountServiceAccountToken") is not False:
        yield "the pod is given a token of the cluster's"
    for container in pod["containers"]:
        context = {**(pod.get("securityContext") or {}), **(container.get("securityContext") or {})}
        wanted = {
            "livenessProbe": "livenessProbe" in container,
            "readinessProbe": "readinessProbe" in container,
            "memory limit": "memory" in container.get("resources", {}).get("limits", {}),
            "runAsNonRoot": context.get("runAsNonRoot") is True,
            "readOnlyRootFilesystem": context.get("readOnlyRootFilesystem") is True,
            "seccomp profile": context.get("seccompProfile", {}).get("type") == "RuntimeDefault",
            "dropped capabilities": context.get("capabilities", {}).get("drop") == ["ALL"],
            "pinned image tag": ":" in container["image"] and not container["image"].endswith(":latest"),
        }
        yield from (f"{container['name']}: no {what}" for what, there in wanted.items() if not there)
        known = {entry["name"] for entry in container.get("env", []) if "valueFrom" in entry} & SECRETS
        if known != MAY_KNOW[component]:
            yield f"{container['name']}: knows {sorted(known)}"


def check_refusals(path):
    """Wrong values must not render."""
    wrong = {
        "a kind of storage that does not exist": {"storage": {"kind": "ftp"}},
        "a volume without a claim": {"storage": {"kind": "volume"}},
        "an unknown value": {"workerGPU": {"replicas": 3}},
        "a count that is no number": {"api": {"replicas": "three"}},
    }
    for what, values in wrong.items():
        try:
            list(render(path, values))
        except Exception:  # the library raises one kind of its own for each step
            continue
        yield f"chart: {what} is not refused"


def check_queries(root):
    known = set(re.findall(r'"((?:ortolan|nv)_[a-z0-9_]+)"', all_text(root / "crates", ".rs")))
    rules = yaml.safe_load((root / "deploy/prometheus/rules.yml").read_text())
    recorded = {rule["record"] for group in rules["groups"] for rule in group["rules"] if "record" in rule}
    queries = [(f"rules.yml {rule.get('alert') or rule['record']}", rule["expr"]) for group in rules["groups"] for rule in group["rules"]]
    for file in sorted((root / "deploy/grafana/dashboards").glob("*.json")):
        for panel in json.loads(file.read_text())["panels"]:
            queries += [(f"{file.name} {panel['title']}", target["expr"]) for target in panel.get("targets", [])]
    for where, query in queries:
        query = query.replace("$__rate_interval", "5m")
        try:
            promql_parser.parse(query)
        except ValueError as error:
            yield f"{where}: {error}"
        for name in re.findall(r"\b(?:ortolan|nv)[_:][a-z0-9_:]+", re.sub(r'"[^"]*"', '""', query)):
            base = re.sub(r"_(bucket|sum|count)$", "", name)
            if name not in recorded and base not in known:
                yield f"{where}: nothing records {name}"


def all_text(folder, suffix):
    return "\n".join(path.read_text() for path in folder.rglob(f"*{suffix}"))


def check_compose(root):
    compose = yaml.safe_load((root / "docker-compose.yml").read_text())
    networks = compose["networks"]
    for name, service in compose["services"].items():
        wanted = {
            "read_only": service.get("read_only") is True,
            "cap_drop": service.get("cap_drop") == ["ALL"],
            "no-new-privileges": "no-new-privileges:true" in service.get("security_opt", []),
            "restart": service.get("restart") == "unless-stopped",
            "memory limit": "memory" in service.get("deploy", {}).get("resources", {}).get("limits", {}),
        }
        yield from (f"docker-compose.yml {name}: no {what}" for what, there in wanted.items() if not there)
        if any("127.0.0.1" not in str(port) for port in service.get("ports", [])):
            yield f"docker-compose.yml {name}: published beyond this machine by default"
    for name in ("ml-service", "postgres", "valkey"):
        outside = [network for network in compose["services"][name]["networks"] if not (networks[network] or {}).get("internal")]
        yield from (f"docker-compose.yml {name}: reaches the outside through {network}" for network in outside)
    if "DATABASE_URL" in str(compose["services"]["ml-service"].get("environment")):
        yield "docker-compose.yml ml-service: knows the database"


def check_platforms(folder):
    for file in sorted((folder / "railway").glob("*.toml")):
        start = tomllib.loads(file.read_text())["deploy"]["startCommand"]
        if start != f"ortolan {file.stem}":
            yield f"{file.name}: starts {start!r}"
    blueprint = yaml.safe_load((folder / "render.yaml").read_text())
    started = {service["dockerCommand"] for service in blueprint["services"] if "dockerCommand" in service}
    wanted = {f"ortolan {name}" for name in ("api", "worker", "ml-service", "reconciler")}
    if started != wanted:
        yield f"render.yaml: starts {sorted(started)}"


def check_build_context(root):
    """What the programs embed from outside of the crates must reach the image's build."""
    shown = [line[1:] for line in (root / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for source in sorted((root / "crates").glob("*/src/**/*.rs")):
        # Unit tests, which end a file, are not built into an image.
        text = source.read_text().split("#[cfg(test)]")[0]
        for name in re.findall(r'include_(?:bytes|str)!\(\s*"([^"]+)"', text):
            path = (source.parent / name).resolve().relative_to(root.resolve()).as_posix()
            if not any(path == entry or path.startswith(entry + "/") for entry in shown):
                yield f".dockerignore: leaves out {path}, which {source.relative_to(root)} embeds"


def yaml_files(root):
    files = [root / "docker-compose.yml", *(root / "deploy").glob("*.yml")]
    for folder in ("prometheus", "grafana", "paas", "tests"):
        files += (root / "deploy" / folder).rglob("*.y*ml")
    files += [root / "deploy/helm/ortolan/values.yaml", *(root / ".github").rglob("*.yml")]
    return sorted(str(file) for file in files)


def run(program, *arguments):
    """Runs a checker that came with the packages; its output is its findings."""
    done = subprocess.run([PROGRAMS / program, *arguments], capture_output=True, text=True, check=False)
    return [f"{program}: {line}" for line in (done.stdout + done.stderr).splitlines() if line] if done.returncode else []


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve()))
