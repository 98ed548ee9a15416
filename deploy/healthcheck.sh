#!/bin/bash
# Succeeds when this container's own HTTP server answers 200. It needs nothing but bash, so the images carry no HTTP client.
# usage: healthcheck.sh PORT PATH
set -euo pipefail

exec 3<>"/dev/tcp/127.0.0.1/$1"
printf 'GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' "$2" >&3
read -r -t 3 _ status _ <&3
[[ $status == 200 ]]
