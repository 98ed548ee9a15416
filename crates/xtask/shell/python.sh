# shellcheck shell=bash
# Python programs that checks and tests need, each set of them in a folder of its own in the cache, named after its list of packages.
# Nothing is installed into this machine's Python, so its policy on packages does not matter and no virtual environment is needed.
# Sourced by ./dev, which provides `cache`, `say`, `die` and `need_pip`.

# need_python_packages NAME REQUIREMENTS
# Leaves the folder in `packages`: run what lies in it with PYTHONPATH=$packages, and its programs are in $packages/bin.
need_python_packages() {
  local name=$1 requirements=$2 work
  need_pip
  packages=$cache/python/$name-$(python_fingerprint "$requirements")
  [[ ! -d $packages ]] || return 0
  say "fetching the Python packages of $name"
  mkdir -p "$cache/python"
  work=$(mktemp -d "$cache/python/.fetch.XXXXXX")
  # Under its name only when it is whole; another process may have been quicker.
  if python3 -m pip install --quiet --disable-pip-version-check --retries 5 --only-binary=:all: --target "$work" --requirement "$requirements" >&2; then
    chmod 755 "$work"
    mv -T "$work" "$packages" 2>/dev/null || rm -rf "$work"
  else
    rm -rf "$work"
    die "pip could not fetch the packages of $requirements" "is the machine online? pip's own settings apply (index, proxy, certificates)"
  fi
}

# Another list, another Python or another processor needs another folder.
python_fingerprint() {
  { cat "$1" && python3 -c 'import platform, sys; print(sys.version_info[:2], platform.machine())'; } | sha256sum | cut -c1-16
}
