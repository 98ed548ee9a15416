#!/usr/bin/env python3
"""An object store for tests: moto's S3 server in memory, as itself (`s3`) or with Google's XML API in front of it (`gcs`).

That API is S3's with x-goog-* names, bearer tokens and generations in place of versions, so: translate names, count generations,
honour x-goog-if-generation-match, and answer 404 when what is deleted is not there.

usage: objects.py s3|gcs PORT       `PUT /BUCKET` makes a bucket, `GET /requests/BUCKET` tells what was asked of it, as JSON
needs: the packages of requirements.txt
"""
import io
import itertools
import json
import re
import sys
import threading
from collections import defaultdict

from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

MOTO = DomainDispatcherApplication(create_backend_app)
# moto takes the service from the signature's scope and checks no signature.
SIGNATURE = "AWS4-HMAC-SHA256 Credential=test/20200101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"
LOCK = threading.Lock()
REQUESTS = defaultdict(list)
GENERATIONS = {}
CLOCK = itertools.count(1_700_000_000_000_000)


def application(environ, start):
    """Both stores: reads the body, notes the request, and lets one request at a time change anything."""
    _, bucket, *key = environ["PATH_INFO"].split("/", 2)
    if bucket == "requests":
        return answer(start, "200 OK", "application/json", json.dumps(REQUESTS[key[0]]))
    # Before the lock, so that a client that stalls keeps nobody waiting.
    environ["wsgi.input"] = io.BytesIO(body_of(environ))
    with LOCK:
        REQUESTS[bucket].append([environ["REQUEST_METHOD"], "/".join(key), environ.get("QUERY_STRING", "")])
        return gcs(environ, start) if KIND == "gcs" else s3(environ, start)


def body_of(environ):
    # Without a length the end is known only of a chunked body; any other read would wait for the connection's end.
    if environ.get("wsgi.input_terminated"):
        return environ["wsgi.input"].read()
    return environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))


def s3(environ, start):
    environ.setdefault("HTTP_AUTHORIZATION", SIGNATURE)
    return list(MOTO(environ, start))


def gcs(environ, start):
    method, path, query = environ["REQUEST_METHOD"], environ["PATH_INFO"], environ.get("QUERY_STRING", "")
    is_object = re.match(r"^/[^/]+/.+", path) is not None
    is_part = "uploadId=" in query or query.startswith("uploads")
    writes = is_object and (method == "PUT" and not is_part or method == "POST" and "uploadId=" in query)
    deletes = is_object and method == "DELETE" and not is_part
    if is_object and not environ.get("HTTP_AUTHORIZATION", "").startswith("Bearer "):
        return refuse(start, "401 Unauthorized", "AuthenticationRequired")
    environ["HTTP_AUTHORIZATION"] = SIGNATURE
    for name in [name for name in environ if name.startswith("HTTP_X_GOOG_")]:
        environ[name.replace("HTTP_X_GOOG_", "HTTP_X_AMZ_", 1)] = environ.pop(name)
    wanted = environ.pop("HTTP_X_AMZ_IF_GENERATION_MATCH", None)
    if wanted is not None and (writes or deletes) and int(wanted) != GENERATIONS.get(path, 0):
        return refuse(start, "412 Precondition Failed", "PreconditionFailed")
    if deletes and path not in GENERATIONS:
        return refuse(start, "404 Not Found", "NoSuchKey")

    reply = {}
    body = b"".join(MOTO(environ, lambda status, headers, _=None: reply.update(status=status, headers=headers)))
    if reply["status"].startswith("2") and writes:
        GENERATIONS[path] = next(CLOCK)
    if reply["status"].startswith("2") and deletes:
        del GENERATIONS[path]
    headers = [(re.sub("(?i)^x-amz-", "x-goog-", name), value) for name, value in reply["headers"]]
    if path in GENERATIONS:
        headers.append(("x-goog-generation", str(GENERATIONS[path])))
    start(reply["status"], headers)
    return [body]


def refuse(start, status, code):
    return answer(start, status, "application/xml", f"<?xml version='1.0'?><Error><Code>{code}</Code></Error>")


def answer(start, status, content_type, text):
    body = text.encode()
    start(status, [("Content-Type", content_type), ("Content-Length", str(len(body)))])
    return [body]


class Handler(WSGIRequestHandler):
    """Keeps connections open, as real stores do, and prints nothing."""

    protocol_version = "HTTP/1.1"

    def log(self, *_):
        pass


if __name__ == "__main__":
    KIND, PORT = sys.argv[1], int(sys.argv[2])
    make_server("127.0.0.1", PORT, application, threaded=True, request_handler=Handler).serve_forever()
