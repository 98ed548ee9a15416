#!/usr/bin/env bash
# Makes local stand-ins for the public images that the Dockerfile and docker-compose.yml name, out of Debian packages and this machine's
# Rust toolchain: for testing the stack on a Debian machine that reaches a Debian mirror and no image registry. Nothing to ship.
# Run as root beside a Docker engine. An image that is there is kept; `docker rmi` removes it. A private CA of this machine goes in, too.
set -euo pipefail

work=${WORK:-/var/tmp/ortolan-stand-ins}
mkdir -p "$work/files"

main() {
  command -v debootstrap >/dev/null || { apt-get update -qq && apt-get install -y -qq --no-install-recommends debootstrap >/dev/null; }
  # shellcheck disable=SC2016  # apt fills it in
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -m1 '/debian/*$')
  mirror=${mirror%/}
  debian bookworm
  debian trixie
  rust
  write_entry_points
  postgres
  valkey
  nginx
}

is_missing() { ! docker image inspect "$1" >/dev/null 2>&1; }

# build TAG: a Dockerfile on standard input, with the entry points as its context.
build() {
  echo "==> $1" >&2
  DOCKER_BUILDKIT=1 docker build --quiet --tag "$1" --file - "${2:-$work/files}" >/dev/null
}

debian() {
  local suite=$1 folder=$work/$1
  is_missing "debian:$suite-slim" || return 0
  echo "==> debian:$suite-slim" >&2
  rm -rf "$folder"
  debootstrap --variant=minbase --include=ca-certificates "$suite" "$folder" "$mirror" >"$work/$suite.log"
  cp /usr/local/share/ca-certificates/*.crt "$folder/usr/local/share/ca-certificates/" 2>/dev/null || true
  chroot "$folder" update-ca-certificates >/dev/null 2>&1
  printf 'deb %s %s main\ndeb %s %s-updates main\ndeb %s-security %s-security main\n' \
    "$mirror" "$suite" "$mirror" "$suite" "$mirror" "$suite" >"$folder/etc/apt/sources.list"
  # Packages start no services in an image.
  printf '#!/bin/sh\nexit 101\n' >"$folder/usr/sbin/policy-rc.d"
  chmod +x "$folder/usr/sbin/policy-rc.d"
  rm -rf "$folder"/var/cache/apt/archives/*.deb "$folder"/var/lib/apt/lists/* "$folder"/usr/share/{doc,man,locale}/*
  tar -C "$folder" -c . | docker import -c 'CMD ["bash"]' \
    -c 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' - "debian:$suite-slim" >/dev/null
  rm -rf "$folder"
}

rust() {
  is_missing rust:1-bookworm || return 0
  local folder=$work/rust
  rm -rf "$folder"
  mkdir -p "$folder"
  cp -a "$(rustc --print sysroot)" "$folder/toolchain"
  rm -rf "$folder/toolchain/share"
  build rust:1-bookworm "$folder" <<'DOCKERFILE'
FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/*
COPY toolchain /usr/local/rustup/toolchain
ENV CARGO_HOME=/usr/local/cargo PATH=/usr/local/cargo/bin:/usr/local/rustup/toolchain/bin:$PATH
DOCKERFILE
  rm -rf "$folder"
}

# The part of what the official entry points promise that the stack relies on.
write_entry_points() {
  cat >"$work/files/postgres-entrypoint" <<'SH'
#!/bin/bash
# POSTGRES_USER, POSTGRES_PASSWORD and POSTGRES_DB of an empty data folder.
set -euo pipefail
if [ "$(id -u)" = 0 ]; then
  mkdir -p "$PGDATA" /var/run/postgresql
  chown -R postgres:postgres "$PGDATA" /var/run/postgresql
  chmod 700 "$PGDATA"
  exec setpriv --reuid=postgres --regid=postgres --init-groups "$0" "$@"
fi
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  initdb --username="$POSTGRES_USER" --pwfile=<(printf '%s\n' "$POSTGRES_PASSWORD") >/dev/null
  printf '\nhost all all all scram-sha-256\n' >>"$PGDATA/pg_hba.conf"
  pg_ctl -D "$PGDATA" -o "-c listen_addresses=''" -w start
  psql -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" --no-psqlrc -d postgres -v db="$POSTGRES_DB" <<<'CREATE DATABASE :"db";'
  pg_ctl -D "$PGDATA" -m fast -w stop
fi
exec "$@"
SH
  cat >"$work/files/nginx-entrypoint" <<'SH'
#!/bin/sh
# /etc/nginx/templates/*.template become /etc/nginx/conf.d/* with the variables of the environment filled in.
set -e
names=$(env | cut -d= -f1 | sed 's/.*/${&}/' | tr '\n' ' ')
for template in /etc/nginx/templates/*.template; do
  [ -e "$template" ] && envsubst "$names" <"$template" >"/etc/nginx/conf.d/$(basename "$template" .template)"
done
exec "$@"
SH
  chmod +x "$work"/files/*
}

postgres() {
  is_missing postgres:17 || return 0
  build postgres:17 <<'DOCKERFILE'
FROM debian:trixie-slim
RUN groupadd -r -g 999 postgres && useradd -r -g postgres -u 999 -d /var/lib/postgresql -s /bin/bash postgres \
 && apt-get update && apt-get install -y --no-install-recommends postgresql-17 \
 && rm -rf /var/lib/apt/lists/* /var/lib/postgresql/17/main && chown -R postgres: /var/lib/postgresql \
 && sed -i "s/^#\?listen_addresses.*/listen_addresses = '*'/" /usr/share/postgresql/17/postgresql.conf.sample
COPY postgres-entrypoint /usr/local/bin/docker-entrypoint.sh
ENV PATH=$PATH:/usr/lib/postgresql/17/bin PGDATA=/var/lib/postgresql/data LANG=C.UTF-8
VOLUME /var/lib/postgresql/data
STOPSIGNAL SIGINT
ENTRYPOINT ["docker-entrypoint.sh"]
CMD ["postgres"]
DOCKERFILE
}

valkey() {
  is_missing valkey/valkey:8 || return 0
  build valkey/valkey:8 <<'DOCKERFILE'
FROM debian:trixie-slim
RUN groupadd -r -g 999 valkey && useradd -r -g valkey -u 999 valkey && apt-get update \
 && apt-get install -y --no-install-recommends valkey-server valkey-tools && rm -rf /var/lib/apt/lists/* \
 && mkdir -p /data && chown valkey: /data
USER valkey
VOLUME /data
WORKDIR /data
CMD ["valkey-server"]
DOCKERFILE
}

nginx() {
  is_missing nginx:1.26 || return 0
  build nginx:1.26 <<'DOCKERFILE'
FROM debian:trixie-slim
RUN groupadd -r -g 101 nginx && useradd -r -g nginx -u 101 nginx && apt-get update \
 && apt-get install -y --no-install-recommends nginx-light gettext-base curl && rm -rf /var/lib/apt/lists/* /etc/nginx/sites-enabled/* \
 && ln -sf /dev/stdout /var/log/nginx/access.log && ln -sf /dev/stderr /var/log/nginx/error.log \
 && sed -i 's/^user .*/user nginx;/; /sites-enabled/d' /etc/nginx/nginx.conf
COPY nginx-entrypoint /docker-entrypoint.sh
STOPSIGNAL SIGQUIT
ENTRYPOINT ["/docker-entrypoint.sh"]
CMD ["nginx", "-g", "daemon off;"]
DOCKERFILE
}

main "$@"
