"""The compose stack as a test drives it: through the docker command line, under a project name of its own."""

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path


class Stack:
    """An installation with secrets and a port of its own; everything of it is removed at the end."""

    def __init__(self, root):
        self.root = root
        self.project = f"ortolan-test-{os.getpid()}"
        self.folder = Path(tempfile.mkdtemp(prefix="ortolan-compose-"))
        self.port = free_port()
        self.operator_key = secrets.token_hex(32)
        self.env_file = self.folder / "env"
        self.env_file.touch(0o600)
        self.env_file.write_text(
            f"SECRET_KEY={secrets.token_hex(32)}\nORTOLAN_OPERATOR_KEY={self.operator_key}\n"
            f"POSTGRES_PASSWORD={secrets.token_hex(16)}\nHTTP_PORT={self.port}\n"
        )

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind:
            print(self.compose("logs", "--tail", "25", check=False))
        self.compose("down", "--volumes", "--timeout", "5", check=False)
        shutil.rmtree(self.folder)

    @property
    def base(self):
        return f"http://127.0.0.1:{self.port}"

    def compose(self, *arguments, check=True):
        command = ["docker", "compose", "--project-name", self.project, "--env-file", str(self.env_file), *arguments]
        return output_of(command, self.root, check)

    def up(self, *arguments):
        self.compose("up", "-d", "--wait", "--wait-timeout", "180", *arguments)

    def containers(self, service):
        return self.compose("ps", "--quiet", service).split()

    def kill(self, service):
        """Kills the service's processes behind Docker's back, so that the restart policy has to bring them back."""
        for container in self.containers(service):
            os.kill(int(inspect(container, "{{.State.Pid}}")), signal.SIGKILL)

    def cut(self, service, network):
        for container in self.containers(service):
            output_of(["docker", "network", "disconnect", f"{self.project}_{network}", container], self.root)

    def mend(self, service, network):
        for container in self.containers(service):
            output_of(["docker", "network", "connect", "--alias", service, f"{self.project}_{network}", container], self.root)

    def inside(self, service, script, number=0):
        """Runs a bash script in one container of the service; gives its status and output."""
        container = self.containers(service)[number]
        done = subprocess.run(["docker", "exec", container, "bash", "-c", script], capture_output=True, text=True, check=False)
        return done.returncode, (done.stdout + done.stderr).strip()

    def sql(self, query):
        """The rows of a query as lists of words."""
        command = f'psql --username ortolan --dbname ortolan --no-align --tuples-only --field-separator=, --command "{query}"'
        status, text = self.inside("postgres", command)
        if status:
            raise RuntimeError(text)
        return [line.split(",") for line in text.splitlines() if line]

    def is_healthy(self):
        states = [json.loads(line) for line in self.compose("ps", "--format", "json").splitlines()]
        return all(state["State"] == "running" and state["Health"] in ("", "healthy") for state in states)


def inspect(container, template):
    return output_of(["docker", "inspect", "--format", template, container], None)


def output_of(command, folder, check=True):
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return done.stdout.strip()


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
