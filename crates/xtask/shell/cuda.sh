# shellcheck shell=bash
# ONNX Runtime with its CUDA provider and the CUDA libraries that this loads, in one folder of the cache: out of the wheels that
# deploy/cuda-wheels.txt pins with their SHA-256, as in the image that deploy/Dockerfile makes of them.
# Sourced by ./dev, which provides `root`, `cache`, `say`, `die` and `need_pip`, after wheels.sh.

cuda_wheels=$root/deploy/cuda-wheels.txt
# What is fetched, what stays of it, and the room that is asked for: 3132 MB lie on the disk when pip has its two copies.
cuda_fetched='1.6 GB'
cuda_kept='2.5 GB'
cuda_needed_mb=3500

# The CUDA library where there are a GPU and that library, otherwise the processor's. Tests take the processor's: they are about it.
need_onnxruntime_of_this_machine() {
  if [[ -z ${ORT_DYLIB_PATH:-} ]] && has_nvidia_device; then
    if [[ -d $(cuda_folder) ]]; then
      take_cuda
      return
    fi
    [[ $(uname -m) != x86_64 ]] || say "there is a GPU; the processor is used until \`./dev setup --gpu\` has fetched ONNX Runtime for it ($cuda_fetched)"
  fi
  need_onnxruntime
}

# The driver's device, or that of Windows, under which its Linux (WSL) sees GPUs.
has_nvidia_device() { [[ -e /dev/nvidiactl || -e /dev/dxg ]]; }

# The CUDA provider looks for CUDA's libraries in the search path alone, not in its own folder.
take_cuda() {
  local folder
  folder=$(cuda_folder)
  export ORT_DYLIB_PATH=$folder/libonnxruntime.so.$onnxruntime_version
  export LD_LIBRARY_PATH=$folder${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
}

# Another version or another list of wheels needs another folder.
cuda_folder() { echo "$cache/onnxruntime-cuda/$onnxruntime_version-$(sha256sum "$cuda_wheels" | cut -c1-16)"; }

need_cuda() {
  [[ $(uname -sm) == 'Linux x86_64' ]] \
    || die "ONNX Runtime for NVIDIA GPUs is pinned for Linux on x86_64, and this is $(uname -sm)" "name a library of version $onnxruntime_version in ORT_DYLIB_PATH"
  local folder
  folder=$(cuda_folder)
  [[ -d $folder ]] || fetch_cuda_alone
  say "ONNX Runtime for NVIDIA GPUs is $folder/libonnxruntime.so.$onnxruntime_version; what loads it needs LD_LIBRARY_PATH=$folder"
  has_nvidia_device || say "this machine shows no NVIDIA GPU (there is no /dev/nvidiactl): until it does, the processor is used"
}

# The lock saves a second ./dev from fetching the same, and whatever a killed one left is nobody's once the lock is held.
fetch_cuda_alone() {
  local parent=$cache/onnxruntime-cuda lock
  need_pip
  mkdir -p "$parent"
  exec {lock}>"$parent/.lock"
  if ! flock --nonblock "$lock"; then
    say "another ./dev is fetching ONNX Runtime for NVIDIA GPUs; waiting for it"
    flock "$lock"
  fi
  rm -rf "$parent"/.fetch.*
  [[ -d $folder ]] || fetch_cuda
  exec {lock}>&-
}

# Sees the variables of `fetch_cuda_alone`. `cuda_work` is global because the trap reads it after the function has returned.
fetch_cuda() {
  local free_mb
  free_mb=$(($(df --output=avail --block-size=1MB "$parent" | tail -n 1)))
  ((free_mb >= cuda_needed_mb)) \
    || die "fetching ONNX Runtime for NVIDIA GPUs needs $cuda_needed_mb MB of disk, and there are $free_mb MB free in $parent" "ORTOLAN_CACHE can name a folder elsewhere"
  say "fetching ONNX Runtime for NVIDIA GPUs: $cuda_fetched, which become $cuda_kept of libraries"
  cuda_work=$(mktemp -d "$parent/.fetch.XXXXXX")
  trap 'rm -rf "$cuda_work"' EXIT
  mkdir "$cuda_work/pip" "$cuda_work/wheels" "$cuda_work/libraries"
  download_cuda_wheels
  say "unpacking"
  unpack_cuda_wheels
  mv -T "$cuda_work/libraries" "$folder"
  rm -rf "$cuda_work"
  trap - EXIT
}

# pip writes each wheel twice, first under TMPDIR, which may be small; its own cache would keep a third copy.
download_cuda_wheels() {
  TMPDIR=$cuda_work/pip setpriv --pdeathsig KILL python3 -m pip download --disable-pip-version-check --retries 5 --no-cache-dir --no-deps \
    --require-hashes --only-binary=:all: --implementation cp --python-version 312 --abi cp312 --abi none --platform manylinux_2_28_x86_64 \
    --platform manylinux_2_27_x86_64 --platform manylinux2014_x86_64 --platform manylinux2010_x86_64 --platform manylinux1_x86_64 \
    --dest "$cuda_work/wheels" --requirement "$cuda_wheels" >&2 \
    || die "pip could not download the wheels of $cuda_wheels" "is the machine online? pip's own settings apply (index, proxy, certificates)"
}

# Each wheel goes when it is unpacked. Two libraries of one name would be an error.
unpack_cuda_wheels() {
  setpriv --pdeathsig KILL python3 -c 'import pathlib, shutil, sys, zipfile
wheels, libraries = map(pathlib.Path, sys.argv[1:])
for wheel in sorted(wheels.glob("*.whl")):
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.namelist():
            name = pathlib.PurePosixPath(member).name
            if ".so" in name and "tensorrt" not in name and "pybind11" not in name:
                with archive.open(member) as source, open(libraries / name, "xb") as sink:
                    shutil.copyfileobj(source, sink, 1 << 20)
    wheel.unlink()' "$cuda_work/wheels" "$cuda_work/libraries" || die "the wheels could not be unpacked" "nothing was kept; is there room in $cache?"
  [[ -f $cuda_work/libraries/libonnxruntime.so.$onnxruntime_version ]] \
    || die "the wheels of $cuda_wheels hold no libonnxruntime.so.$onnxruntime_version" "that file and crates/xtask/shell/wheels.sh must pin one version"
}
