# shellcheck shell=bash
# Where things are and how they are said; for the scripts of tests/image.

export LC_ALL=C TZ=UTC
repository=$(cd "${BASH_SOURCE[0]%/*}/../../.." && pwd)
target=${CARGO_TARGET_DIR:-$repository/target}
# shellcheck disable=SC2034  # for the scripts that read this file
cache=$target/image
# shellcheck disable=SC2034
appliance=$repository/yocto/meta-weir-distro/recipes-core/weir-appliance/files

fail() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

# need PROGRAM PACKAGE…: ends with the packages to install for programs that are not there.
need() {
  local -a missing=()
  while (($#)); do
    command -v "$1" >/dev/null || missing+=("$2")
    shift 2
  done
  ((!${#missing[@]})) || fail "missing programs; as root: apt-get install ${missing[*]}"
}

# stamp WHAT: one line with the seconds since the script began.
stamp() { printf '%4d s  %s\n' "$SECONDS" "$*"; }

mebibytes() { du -m --apparent-size "$1" | cut -f1; }
