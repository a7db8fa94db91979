# shellcheck shell=bash
# What cross/build compiles with: zig and cargo-zigbuild from PyPI, and a standard library for the targets, rustup's or
# Debian's. Sourced; all of it is kept below $tools. Needs `say`, `fail` and these variables:
: "${tools:?}"

zig_version=0.17.1
zigbuild_version=0.24.0
# Debian's stable suite whose rustc-web, kept current for browsers, is at least the 1.90 that Weir needs.
debian_suite=trixie
# The compiler, its library as source, and what the compiler itself is linked to. Not rustc's own dependencies: they would
# bring a second gcc.
debian_packages=(rustc-web rust-web-src)
debian_libraries=libstd-rust-web-dev
# A mirror that answers with silence must not hold the build.
rustup_seconds=300

# run LOG COMMAND…: quietly; its output goes to LOG.
run() {
  local log=$1
  shift
  mkdir -p "$(dirname "$log")"
  "$@" >"$log" 2>&1
}

# reason LOG: the line that says what went wrong.
reason() { grep -m 1 -E '^(E:|ERROR|error)' "$1" || tail -n 1 "$1"; }

# Sets $zig_home: a Python environment with both tools at the versions above.
install_zig() {
  zig_home=$tools/zig-$zig_version-zigbuild-$zigbuild_version
  if [ -e "$zig_home/complete" ]; then return; fi
  command -v python3 >/dev/null || fail 'no python3: as root, apt-get install python3 python3-venv'
  python3 -c 'import ensurepip, venv' 2>/dev/null ||
    fail 'python3 cannot make virtual environments: as root, apt-get install python3-venv'
  say "zig $zig_version and cargo-zigbuild $zigbuild_version from PyPI"
  rm -rf "$zig_home"
  run "$tools/log/venv" python3 -m venv "$zig_home" || fail "python3 -m venv failed; see $tools/log/venv"
  run "$tools/log/pip" "$zig_home/bin/pip" install --disable-pip-version-check \
    "ziglang==$zig_version" "cargo-zigbuild==$zigbuild_version" ||
    fail "pip cannot install from PyPI (is there a network?): $(reason "$tools/log/pip"); all of it in $tools/log/pip"
  touch "$zig_home/complete"
}

# all_have_std TRIPLE…: the compiler in use has its standard library for each of them.
all_have_std() {
  local triple
  for triple; do [ -d "$(rustc --print sysroot)/lib/rustlib/$triple/lib" ] || return 1; done
}

# rustup_std TRIPLE…: rustup has them, or could fetch them.
rustup_std() {
  command -v rustup >/dev/null || return 1
  say "rustup target add $*"
  run "$tools/log/rustup" timeout "$rustup_seconds" rustup target add "$@" && all_have_std "$@"
}

# A view of $debian_suite beside the system's own package lists, which stay as they are.
apt_view() {
  local view=$tools/apt mirror
  mirror=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null |
    grep -oEm 1 'https?://[^ ]+/debian/?( |$)' || true)
  [ -n "$mirror" ] || fail 'no Debian archive in /etc/apt: the standard library for ARM comes from there or from rustup'
  mkdir -p "$view"/{lists,archives}/partial
  : >"$view/status"
  printf 'deb [arch=amd64 signed-by=%s] %s %s main\n' \
    /usr/share/keyrings/debian-archive-keyring.gpg "${mirror% }" "$debian_suite" >"$view/sources"
  apt=(-o "Dir::Etc::SourceList=$view/sources" -o Dir::Etc::SourceParts=/dev/null -o "Dir::State::Lists=$view/lists"
    -o "Dir::State::Status=$view/status" -o "Dir::Cache=$view" -o APT::Sandbox::User=root -o Acquire::Languages=none)
  run "$tools/log/apt" apt-get "${apt[@]}" -o APT::Update::Error-Mode=any update ||
    fail "apt cannot read Debian $debian_suite (is there a network?): $(reason "$tools/log/apt"); all of it in $tools/log/apt"
}

fetch_debian_packages() {
  local -a packages
  mapfile -t packages < <(apt-cache "${apt[@]}" depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks \
    --no-replaces --no-enhances "$debian_libraries" | grep -E '^[a-z]' | sort -u)
  cd "$tools/apt" || return
  run "$tools/log/apt" apt-get "${apt[@]}" download "${debian_packages[@]}" "${packages[@]}" ||
    fail "apt cannot download rustc from Debian $debian_suite: $(reason "$tools/log/apt"); all of it in $tools/log/apt"
}

# unpack_debian_packages FOLDER: of the sources only the library, which is a tenth of them.
unpack_debian_packages() {
  local package
  for package in "$tools"/apt/*.deb; do
    case $package in
      */rust-web-src_*)
        dpkg-deb --fsys-tarfile "$package" | tar -x -C "$1" --wildcards './usr/src/rustc-*/library' ./usr/lib/rustlib/src
        ;;
      *) dpkg-deb --extract "$package" "$1" ;;
    esac
  done
}

# install_debian_rust TRIPLE…: sets $debian_rustc. Compiler and library are of one source package, so that they always fit
# each other; the compiler runs on the C library that came with it, since that of this system is older.
install_debian_rust() {
  local root=$tools/debian-$debian_suite
  debian_rustc=$root/rustc
  if [ -x "$debian_rustc" ]; then return; fi
  [ "$(uname -m)" = x86_64 ] ||
    fail "the toolchain lacks a standard library for $*, which rustup cannot add here, and Debian's way needs x86_64"
  say "the toolchain lacks a standard library: rustc and the source of its own from Debian $debian_suite"
  rm -rf "$root" "$tools/apt"
  mkdir -p "$root"
  (
    apt_view
    fetch_debian_packages
    unpack_debian_packages "$root"
  )
  rm -rf "$tools/apt"
  cat >"$debian_rustc.part" <<END
#!/bin/sh
exec "$root/usr/lib64/ld-linux-x86-64.so.2" --library-path "$root/usr/lib/x86_64-linux-gnu" "$root/usr/bin/rustc" "\$@"
END
  chmod +x "$debian_rustc.part"
  "$debian_rustc.part" --version >"$tools/log/rustc" 2>&1 ||
    fail "rustc from Debian $debian_suite does not run here: $(tail -n 1 "$tools/log/rustc")"
  mv "$debian_rustc.part" "$debian_rustc"
}

# use_std TRIPLE…: one compiler for all of them. Sets $build_std, arguments for cargo, and the environment of rustc.
use_std() {
  build_std=()
  if all_have_std "$@"; then return; fi
  # What came from Debian once is used again, rather than ask rustup each time.
  if [ ! -x "$tools/debian-$debian_suite/rustc" ] && rustup_std "$@"; then return; fi
  install_debian_rust "$@"
  # The profiles abort on panic. Building the library is still unstable in cargo, which the variable allows.
  # shellcheck disable=SC2034  # cross/build reads it
  build_std=('-Zbuild-std=std,panic_abort')
  export RUSTC=$debian_rustc RUSTC_BOOTSTRAP=1
}
