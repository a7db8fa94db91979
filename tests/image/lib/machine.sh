# shellcheck shell=bash
# An emulated gateway: two network cards, of which the second is a mirror port that this host feeds with UDP datagrams.

memory_mebibytes=512
processors=2
# Waits are bounded, so that a box that hangs fails a check; on a machine of its own a start takes about a third of this.
start_seconds=${WEIR_IMAGE_START_SECONDS:-240}
command_seconds=120
ssh_options=(
  -o BatchMode=yes -o ConnectTimeout=10 -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR
  -o ServerAliveInterval=10 -o ServerAliveCountMax=12
)

# machine_prepare DISK MIB: a copy of the disk that may be written, made larger as a real one is; with the key of the tests'
# administrator and short flow timeouts in its boot partition, where a branch puts its settings.
machine_prepare() {
  disk=$work/disk.img
  cp --sparse=always "$1" "$disk"
  truncate -s "$2M" "$disk"
  boot_file authorized_keys <"$keys/admin.pub"
  boot_file weir.toml <<<"$site_settings"
}

# boot_file NAME: standard input as a file of the boot partition of a machine that is off.
boot_file() { mcopy -o -i "$disk@@1M" - "::/$1"; }

# free_port STREAM|DGRAM
free_port() {
  python3 -c "import socket; s = socket.socket(type=socket.SOCK_$1); s.bind(('127.0.0.1', 0)); print(s.getsockname()[1])"
}

# machine_start [OPTION…]: options of qemu; mirror_card=no leaves the second card out.
machine_start() {
  local -a card=(-device virtio-net-pci,netdev=mirror,romfile=)
  ssh_port=$(free_port STREAM) page_port=$(free_port STREAM) mirror_port=$(free_port DGRAM)
  # What the mirror port would send goes to the discard port.
  local receive="local.type=inet,local.host=127.0.0.1,local.port=$mirror_port"
  local send='remote.type=inet,remote.host=127.0.0.1,remote.port=9'
  if [ "$mirror_card" = no ]; then
    card=()
  else
    card+=(-netdev "dgram,id=mirror,$receive,$send")
  fi
  printf '\n== start %(%FT%TZ)T\n' -1 >>"$serial"
  qemu-system-aarch64 -M virt,gic-version=3 -cpu max,pauth=off -smp $processors -m $memory_mebibytes \
    -accel tcg,thread=multi,tb-size=256 -bios "$firmware" -nographic -monitor none \
    -chardev "file,id=console,path=$serial,append=on" -serial chardev:console \
    -drive "if=none,id=disk,format=raw,file=$disk" -device virtio-blk-pci,drive=disk -device virtio-rng-pci \
    -netdev "user,id=lan,restrict=on,hostfwd=tcp:127.0.0.1:$ssh_port-:22" -device virtio-net-pci,netdev=lan,romfile= \
    "${card[@]}" "$@" </dev/null >"$work/qemu.log" 2>&1 &
  machine=$!
}

machine_runs() { [ -n "$machine" ] && kill -0 "$machine" 2>/dev/null; }

# on COMMAND: on the box, as the administrator.
on() { timeout "$command_seconds" ssh "${ssh_options[@]}" -p "$ssh_port" -i "$keys/admin" admin@127.0.0.1 "$@"; }

# until_true SECONDS COMMAND…: tries each second; false when it is not true in time or the machine has ended. What a function
# here gives back is all that counts: bash ignores a failure in the middle of it.
until_true() {
  local limit=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < limit)) && machine_runs || return 1
    sleep 1
  done
}

# box_answers [NOT]: it lets the administrator in, in another start than the one with the id NOT.
box_answers() {
  local id
  id=$(on cat /proc/sys/kernel/random/boot_id) && [ "$id" != "$1" ]
}

boot_id() { on cat /proc/sys/kernel/random/boot_id; }

# What a cut of the power does: nothing is written any more.
machine_cut() {
  page_unforward
  if machine_runs; then kill -9 "$machine"; fi
  wait "$machine" 2>/dev/null || true
  machine=''
}

machine_off() {
  local limit=$((SECONDS + 60))
  page_unforward
  on sudo systemctl poweroff 2>/dev/null || true
  while machine_runs && ((SECONDS < limit)); do sleep 1; done
  machine_cut
}
