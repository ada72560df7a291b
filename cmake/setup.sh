# Finds or installs what the build needs, and builds. Sourced by ./modeldiff and ./test, which set `root` to the
# project's folder. Each step that is done already costs nothing the second time.

build=$root/build
torch_version=2.13.0

say() { printf '%s\n' "$*" >&2; }

# Debian and Ubuntu packages, one a line with what it is for.
packages() {
  cat <<'END'
g++
cmake
ninja-build
binutils
python3
python3-venv
python3-jsonschema
python3-yaml
ccache
libyaml-cpp-dev
nlohmann-json3-dev
libcli11-dev
doctest-dev
libssl-dev
libjpeg-dev
libpng-dev
libarchive-dev
curl
zlib1g-dev
END
  # Boost 1.81 is the first whose plugin loader needs no compiled part.
  if apt-cache show libboost1.81-dev >/dev/null 2>&1; then echo libboost1.81-dev; else echo libboost-dev; fi
}

missing_packages() {
  local installed name
  installed=$(dpkg-query -W -f '${db:Status-Abbrev}${Package}\n' 2>/dev/null | sed -n 's/^ii *//p')
  packages | while read -r name; do
    grep -qxF "$name" <<<"$installed" || echo "$name"
  done
}

install_packages() {
  command -v dpkg-query >/dev/null || { say "modeldiff: this is no Debian or Ubuntu; install by hand: $(packages | xargs)"; return 0; }
  local missing
  # A fresh machine has no package lists, and then no package seems to exist.
  if [ "$(id -u)" = 0 ] && ! apt-cache show ninja-build >/dev/null 2>&1; then
    say "[1/3] reading the package lists"
    apt-get update -qq >&2
  fi
  missing=$(missing_packages | xargs)
  [ -n "$missing" ] || return 0
  if [ "$(id -u)" != 0 ]; then
    say "modeldiff: these packages are missing; install them and call again:"
    say "  sudo apt-get install $missing"
    exit 2
  fi
  say "[1/3] installing: $missing"
  # shellcheck disable=SC2086  # a list of words
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >&2 ||
    { apt-get update -qq >&2 && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >&2; }
}

# The folder of TorchConfig.cmake's prefix: one that CMAKE_PREFIX_PATH names, else a wheel in a private environment.
find_torch() {
  local folder prefixes
  IFS=':;' read -ra prefixes <<<"${CMAKE_PREFIX_PATH:-}"
  for folder in "${prefixes[@]}"; do
    [ -f "$folder/share/cmake/Torch/TorchConfig.cmake" ] && { echo "$folder"; return; }
  done
  folder=$(echo "$root"/.venv/lib/python3*/site-packages/torch)
  if [ ! -f "$folder/share/cmake/Torch/TorchConfig.cmake" ]; then
    say "[2/3] installing PyTorch $torch_version (CPU) into $root/.venv"
    python3 -m venv "$root/.venv" >&2
    # The CPU build where the configured package index has it; its Python dependencies are of no use here.
    "$root/.venv/bin/pip" install --quiet --no-deps "torch==$torch_version+cpu" >&2 2>/dev/null ||
      "$root/.venv/bin/pip" install --no-deps "torch==$torch_version" >&2 || {
      say "modeldiff: PyTorch $torch_version could not be installed; name one with CMAKE_PREFIX_PATH=/path/to/torch"
      exit 2
    }
    folder=$(echo "$root"/.venv/lib/python3*/site-packages/torch)
    if ! grep -qs "cuda: Optional\[str\] = None\|cuda.*= None" "$folder/version.py"; then
      say "modeldiff: note: this PyTorch is a CUDA build; it needs the CUDA toolkit to compile against"
    fi
  fi
  echo "$folder"
}

# build_targets TARGET...: configures once, builds what has changed.
build_targets() {
  local torch
  if [ ! -f "$build/build.ninja" ]; then
    install_packages
    torch=$(find_torch)
    say "[3/3] building (some minutes the first time)"
    cmake -S "$root" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_PREFIX_PATH="$torch" \
      $(command -v ccache >/dev/null && echo -DCMAKE_CXX_COMPILER_LAUNCHER=ccache) \
      -DMODELDIFF_WERROR="${MODELDIFF_WERROR:-OFF}" >"$root/build.log" 2>&1 ||
      { cat "$root/build.log" >&2; rm -f "$build/build.ninja"; exit 2; }
    rm -f "$root/build.log"
  fi
  ninja -C "$build" "$@" >&2 || exit 2
}
