# shellcheck shell=bash
# What every script that starts machines begins and ends with.

# shellcheck source-path=SCRIPTDIR
source "$here/lib/common.sh"
source "$here/lib/packages.sh"
source "$here/lib/keys.sh"
source "$here/lib/check.sh"
source "$here/lib/machine.sh"
source "$here/lib/agent.sh"

# session_begin NAME: a place for its files; whatever it started ends with it.
session_begin() {
  need qemu-system-aarch64 qemu-system-arm mcopy mtools ssh openssh-client curl curl jq jq python3 python3
  work=$cache/$1
  mkdir -p "$work"
  serial=$work/console.log
  : >"$serial"
  mirror_card=yes machine='' tunnel=''
  # One connection serves all commands: on the emulated processor each new one takes seconds.
  ssh_options+=(-o "ControlPath=$work/ssh")
  trap machine_cut EXIT
}

# image_ready: builds the image unless one was named with --image; sets what a machine needs of it.
image_ready() {
  if [ -z "$image" ]; then
    image=$work/image
    "$here/build" "${build_options[@]}" "$image"
  fi
  package_archive
  unpack_packages
  firmware=$tree/usr/lib/u-boot/qemu_arm64/u-boot.bin
}

keep_machine() {
  printf 'ssh -p %d -i %s admin@127.0.0.1\n' "$ssh_port" "$keys/admin"
  printf 'http://127.0.0.1:%d/ with the key %s\n' "$page_port" "$key"
  wait "$machine" || true
}
