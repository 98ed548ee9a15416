# shellcheck shell=bash
# A throw-away PostgreSQL, Redis (or Valkey), S3 and Google Cloud Storage for the tests, in a temporary folder, on free ports of
# 127.0.0.1. The kernel kills them when ./dev dies, however it dies; a normal end also removes the folder.
# Sourced by ./dev, which provides `root`, `say`, `die`, `debian_packages` and `need_python_packages`.

need_test_servers() {
  local missing=()
  [[ -n $(postgres_folder) ]] || missing+=(postgresql)
  [[ -n $(redis_binary) ]] || missing+=(redis-server)
  command -v openssl >/dev/null || missing+=(openssl)
  ((${#missing[@]} == 0)) || debian_packages "${missing[@]}"
  need_python_packages moto "$root/crates/testkit/emulators/requirements.txt"
  moto=$packages
}

postgres_folder() { find /usr/lib/postgresql -path '*/bin/initdb' -printf '%h\n' 2>/dev/null | sort -V | tail -n 1; }
redis_binary() { command -v redis-server || command -v valkey-server || true; }

# Exports ORTOLAN_TEST_POSTGRES_URL, ORTOLAN_TEST_REDIS_URL, ORTOLAN_TEST_S3_URL and ORTOLAN_TEST_GCS_URL.
start_test_servers() {
  trap stop_test_servers EXIT
  scratch=$(mktemp -d "${TMPDIR:-/tmp}/ortolan-test.XXXXXX")
  mkdir "$scratch/redis"
  [[ $(id -u) != 0 ]] || chown -R postgres "$scratch"
  make_cluster
  start_server PostgreSQL postgres_on
  export ORTOLAN_TEST_POSTGRES_URL=postgres://ortolan@127.0.0.1:$port/postgres
  postgres_pid=$server_pid
  start_server Redis redis_on
  export ORTOLAN_TEST_REDIS_URL=redis://127.0.0.1:$port/0
  redis_pid=$server_pid
  start_server S3 objects_on s3
  export ORTOLAN_TEST_S3_URL=http://127.0.0.1:$port
  s3_pid=$server_pid
  start_server GCS objects_on gcs
  export ORTOLAN_TEST_GCS_URL=http://127.0.0.1:$port
  gcs_pid=$server_pid
}

stop_test_servers() {
  trap - EXIT
  [[ -z ${postgres_pid:-} ]] || kill -QUIT "$postgres_pid" 2>/dev/null || true
  for pid in ${redis_pid:-} ${s3_pid:-} ${gcs_pid:-}; do kill -KILL "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "${scratch:-}"
}

make_cluster() {
  (cd "$scratch" && unprivileged KILL "$(postgres_folder)/initdb" -D "$scratch/pg" -U ortolan -A trust --no-sync -E UTF8 --locale=C.UTF-8) \
    >"$scratch/initdb.log" 2>&1 && return
  cat "$scratch/initdb.log" >&2
  die "initdb failed" "if the user postgres may not enter ${TMPDIR:-/tmp}, set TMPDIR to a folder that it may"
}

# start_server NAME COMMAND...: runs `COMMAND... PORT` in the background until it accepts connections; another process may be quicker to
# take the port, hence three tries. Leaves `port` and `server_pid`.
start_server() {
  local name=$1
  shift
  for _ in 1 2 3; do
    port=$(free_port)
    (cd "$scratch" && "$@" "$port") >"$scratch/$name.log" 2>&1 </dev/null &
    server_pid=$!
    if accepts_connections "$server_pid" "$port"; then return; fi
    kill -KILL "$server_pid" 2>/dev/null || true
  done
  cat "$scratch/$name.log" >&2
  die "$name did not start"
}

# fsync off survives a killed server, for the page cache stays; synchronous_commit off would lose acknowledged rows, and tests kill
# servers. So the first is off and the second is left on.
postgres_on() {
  unprivileged QUIT "$(postgres_folder)/postgres" -D "$scratch/pg" -p "$1" -c listen_addresses=127.0.0.1 -c unix_socket_directories= \
    -c fsync="${postgres_fsync:-off}" -c full_page_writes="${postgres_fsync:-off}" -c max_connections=300 -c shared_buffers=64MB
}

redis_on() {
  unprivileged KILL "$(redis_binary)" --bind 127.0.0.1 --port "$1" --dir "$scratch/redis" --save '' --appendonly yes \
    --appendfsync everysec --maxmemory-policy noeviction
}

# objects_on KIND PORT: an object store in memory.
objects_on() {
  PYTHONPATH=$moto PYTHONDONTWRITEBYTECODE=1 exec setpriv --pdeathsig KILL python3 "$root/crates/testkit/emulators/objects.py" "$1" "$2"
}

# unprivileged SIGNAL COMMAND...: becomes the command, as the user postgres when this is root (initdb refuses root), and gets the
# signal when its parent dies.
unprivileged() {
  local signal=$1 as=()
  shift
  [[ $(id -u) != 0 ]] || as=(--reuid=postgres --regid=postgres --init-groups)
  exec setpriv "${as[@]}" --pdeathsig "$signal" "$@"
}

# Waits until the port accepts connections; fails when the process is gone, or after 30 s.
accepts_connections() {
  for _ in $(seq 600); do
    kill -0 "$1" 2>/dev/null || return 1
    if (: <>"/dev/tcp/127.0.0.1/$2") 2>/dev/null; then return 0; fi
    sleep 0.05
  done
  return 1
}

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
