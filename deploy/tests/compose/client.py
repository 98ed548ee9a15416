"""A small client of the REST API, and the load that runs beside the faults. Standard library only."""

import json
import random
import threading
import time
import urllib.error
import urllib.request
import uuid

TERMINAL = {"completed", "failed", "cancelled"}


class Client:
    """One key's view of the API."""

    def __init__(self, base, key, timeout_s=20):
        self.base, self.key, self.timeout_s = base, key, timeout_s

    def call(self, method, path, body=None, content_type="application/json", **headers):
        """The status and the answer; status 0 when nobody answered."""
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        headers |= {"Authorization": f"Bearer {self.key}", "Content-Type": content_type}
        request = urllib.request.Request(self.base + path, data=body, method=method, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=self.timeout_s) as answer:
                return answer.status, parse(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, parse(error.read())
        except OSError:
            return 0, None

    def get(self, path):
        return self.call("GET", path)

    def must(self, method, path, body=None, **options):
        status, answer = self.call(method, path, body, **options)
        if status not in (200, 201, 204):
            raise RuntimeError(f"{method} {path}: {status} {answer}")
        return answer

    def task_with_file(self, task, picture, **headers):
        """Submits a task together with its picture, as a form."""
        boundary = uuid.uuid4().hex
        parts = [
            f'--{boundary}\r\nContent-Disposition: form-data; name="task"\r\nContent-Type: application/json\r\n\r\n{json.dumps(task)}\r\n'.encode(),
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="p.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'.encode(),
            picture + f"\r\n--{boundary}--\r\n".encode(),
        ]
        return self.call("POST", "/api/v1/tasks", b"".join(parts), f"multipart/form-data; boundary={boundary}", **headers)

    def artifacts(self, task_id):
        return self.must("GET", f"/api/v1/tasks/{task_id}/artifacts?limit=100")["items"]


def parse(body):
    try:
        return json.loads(body) if body else None
    except ValueError:
        return body.decode(errors="replace")


class Load:
    """Submits tasks from a few threads until it is stopped, and keeps the ids of those that were acknowledged."""

    def __init__(self, client, media_id, seed, per_second):
        self.client, self.media_id = client, media_id
        self.random, self.pause_s = random.Random(seed), 4 / per_second
        self.lock, self.stopped = threading.Lock(), threading.Event()
        self.noop, self.detections, self.refused = [], [], 0
        self.threads = [threading.Thread(target=self.run, daemon=True) for _ in range(4)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        for thread in self.threads:
            thread.join()

    def run(self):
        while not self.stopped.is_set():
            with self.lock:
                detect, sleep_ms = self.random.random() < 0.5, self.random.randrange(300)
            kept, task = (self.detections, self.detection()) if detect else (self.noop, noop(sleep_ms))
            status, answer = self.client.call("POST", "/api/v1/tasks", task)
            with self.lock:
                if status == 201:
                    kept.append(answer["task_id"])
                else:
                    self.refused += 1
            self.stopped.wait(self.pause_s)

    def detection(self):
        return {"task_type": "object_detection", "media_id": self.media_id, "config": {"confidence_threshold": 0.25}}

    @property
    def acknowledged(self):
        return [*self.noop, *self.detections]


def noop(sleep_ms=0):
    return {"task_type": "noop", "config": {"sleep_ms": sleep_ms}}


def wait_until(what, condition, limit_s):
    """Waits for `condition` and says how many seconds it took."""
    started = time.monotonic()
    while not condition():
        if time.monotonic() - started > limit_s:
            raise TimeoutError(f"not within {limit_s} s: {what}")
        time.sleep(0.25)
    return time.monotonic() - started
