# shellcheck shell=bash
# What a bare Debian or Ubuntu machine needs before cargo can work: the toolchain is asked for, packages are installed.
# Sourced by ./dev, which provides `root`, `cache`, `say` and `die`.

need_rust() {
  local wanted have
  wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$root/Cargo.toml")
  if ! command -v cargo >/dev/null || ! command -v rustc >/dev/null; then
    die "cargo and rustc $wanted or newer are needed" "get them from https://rustup.rs and run this again"
  fi
  have=$(cd "$root" && rustc --version | cut -d' ' -f2)
  if [[ $(printf '%s\n' "$wanted" "${have%%-*}" | sort -V | head -n 1) != "$wanted" ]]; then
    die "rustc $wanted or newer is needed, this is ${have:-broken}" "rustup update stable"
  fi
}

# SQLite, ring and the JPEG decoder are compiled from C.
need_compiler() {
  if ! command -v cc >/dev/null || [[ ! -e /usr/include/stdlib.h ]]; then debian_packages gcc libc6-dev; fi
  [[ $(uname -m) != x86_64 ]] || prefer_nasm
}

# nasm makes the JPEG decoder several times faster and changes no pixel, so its absence is said once and is no error.
prefer_nasm() {
  if command -v nasm >/dev/null || [[ -e $cache/without-nasm ]]; then return; fi
  (debian_packages nasm) && return
  say "going on without nasm: JPEG files will be decoded by portable code"
  touch "$cache/without-nasm"
}

need_pip() {
  if ! python3 -m pip --version >/dev/null 2>&1; then debian_packages python3 python3-pip; fi
}

# Tests the alert rules; it comes with the whole server, which is not started.
need_promtool() { command -v promtool >/dev/null || debian_packages prometheus; }

debian_packages() {
  command -v apt-get >/dev/null || die "missing: $*" "there is no apt-get here: install them with this machine's own package manager"
  [[ $(id -u) == 0 ]] || command -v sudo >/dev/null || die "missing: $*" "as root: apt-get install $*"
  say "installing from Debian: $*"
  as_root bash -c "$(declare -f install_quietly); install_quietly \"\$@\"" install_quietly "$@" </dev/null \
    || die "apt-get could not install: $*" "is the machine online? by hand: apt-get update && apt-get install $*"
}

as_root() {
  if [[ $(id -u) == 0 ]]; then "$@"; else sudo "$@"; fi
}

# Runs in a root shell of its own. No service of the packages starts, now or at the next boot, and no database cluster is made;
# services that run already are not touched. What was changed for that is put back when the shell ends, however it ends.
# `undo`, `log` and `clusters` are global because the trap reads them after the function has returned.
install_quietly() {
  set -eu
  export DEBIAN_FRONTEND=noninteractive
  clusters=/etc/postgresql-common/createcluster.conf
  policy=/usr/sbin/policy-rc.d
  log=$(mktemp)
  undo='rm -f "$log";'
  trap 'eval "$undo"' EXIT

  get() { apt-get install -y -q --no-install-recommends -o DPkg::Lock::Timeout=300 "$@" >"$log" 2>&1; }
  update() { apt-get update -q -o DPkg::Lock::Timeout=300 >"$log" 2>&1; }
  get_or_update() { get "$@" || { update && get "$@"; } || { cat "$log" >&2; return 1; }; }

  if [ ! -e "$policy" ]; then
    undo="$undo rm -f \"$policy\";"
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
  fi
  case " $* " in *' postgresql '*)
    get_or_update postgresql-common
    cp -p "$clusters" "$clusters.before"
    undo="$undo mv -f \"$clusters.before\" \"$clusters\";"
    echo 'create_main_cluster = false' >>"$clusters"
    ;;
  esac
  get_or_update "$@"
  [ -d /run/systemd/system ] || return 0
  for unit in "$@"; do
    case $unit in postgresql | redis-server | prometheus) systemctl disable --quiet "$unit" ;; esac
  done
}
