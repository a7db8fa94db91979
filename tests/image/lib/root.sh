# shellcheck shell=bash
# The root file system, from unpacked packages, the agent's own files and the appliance's. Nothing of ARM runs here.

# What an appliance does not need; it is most of the packages' octets.
unneeded=(
  boot 'dev/*' etc/apt etc/dpkg etc/grub.d etc/init.d etc/kernel etc/cron.daily etc/logrotate.d
  usr/include usr/lib/apt usr/lib/dpkg usr/lib/grub usr/lib/u-boot usr/lib/modules usr/lib/initramfs-tools usr/lib/klibc
  usr/lib/udev/hwdb.d usr/lib/python3 usr/lib/aarch64-linux-gnu/gconv usr/lib/aarch64-linux-gnu/perl-base
  usr/share/bash-completion usr/share/bug usr/share/common-licenses usr/share/debconf usr/share/doc usr/share/doc-base
  usr/share/grub usr/share/i18n usr/share/info usr/share/initramfs-tools usr/share/lintian usr/share/locale usr/share/man
  usr/share/perl5 usr/share/zsh usr/share/zoneinfo usr/share/polkit-1 var
  usr/lib/tmpfiles.d/debian.conf usr/lib/tmpfiles.d/provision.conf usr/lib/tmpfiles.d/home.conf
)
# Programs of busybox that the administrator misses; only where no package brings them.
applets=(awk clear find free gzip grep ip less ping ps sed tar top vi wget)
# Kernel modules beside what is built in; those that they need follow.
modules=(autofs4 virtio_blk virtio_net virtio-rng loop dm-verity squashfs vfat nls_ascii nls_cp437 sha256-arm64 qemu_fw_cfg)
# Nobody logs in but by SSH, and each start has an empty /var: these would only ask, wait or fill it.
masked=(
  getty@.service serial-getty@.service console-getty.service container-getty@.service autovt@.service getty.target
  debug-shell.service proc-sys-fs-binfmt_misc.automount systemd-firstboot.service systemd-networkd-wait-online.service
  systemd-journal-catalog-update.service systemd-hwdb-update.service systemd-update-done.service ldconfig.service
  systemd-pcrphase.service systemd-pcrphase-sysinit.service e2scrub_reap.service rauc-mark-good.service ssh.service ssh.socket
)

# into MODE FILE PATH: a file into the root file system.
into() { install -D -m "$1" "$2" "$root$3"; }

unpack_root() {
  local path
  rm -rf "$root"
  mkdir -p "$root"
  tar -C "$root" -xf "$archive" "${unneeded[@]/#/--exclude=./}" --exclude='./usr/bin/*perl*' \
    --exclude='./usr/bin/grub-mk*' --exclude='./usr/sbin/grub-*' --exclude='./usr/lib/linux-image-*'
  mkdir -p "$root"/{data,efi,env,srv,proc,sys,dev,run,tmp,var,usr/libexec/weir,etc/systemd/system}
  [ -e "$root/usr/bin/sh" ] || ln -s dash "$root/usr/bin/sh"
  for path in "${applets[@]}"; do
    [ -e "$root/usr/bin/$path" ] || ln -s busybox "$root/usr/bin/$path"
  done
}

install_kernel() {
  local name file
  release=$(basename "$tree"/usr/lib/modules/*)
  into 644 "$tree/boot/vmlinuz-$release" /boot/Image
  for name in "${modules[@]}"; do
    modprobe -d "$tree" -S "$release" --show-depends "$name" | sed -n 's/^insmod \([^ ]*\).*/\1/p'
  done | sort -u | while read -r file; do into 644 "$file" "${file#"$tree"}"; done
  for name in order builtin builtin.modinfo; do
    into 644 "$tree/usr/lib/modules/$release/modules.$name" "/usr/lib/modules/$release/modules.$name"
  done
  depmod -b "$root" "$release"
}

# The smallest start that finds the slot: the kernel of Debian has no driver for virtio disks built in.
install_initrd() {
  local start=$work/initrd
  rm -rf "$start"
  mkdir -p "$start"/{bin,dev,lib,new,proc,sys}
  cp "$root/usr/bin/busybox" "$start/bin/"
  modprobe -d "$tree" -S "$release" --show-depends virtio_blk | sed -n 's/^insmod \([^ ]*\).*/\1/p' | while read -r file; do
    cp "$file" "$start/lib/"
    basename "${file%.xz}" >>"$start/lib/order"
  done
  find "$start/lib" -name '*.xz' -exec xz -d {} +
  install -m 755 "$here/lib/init" "$start/init"
  find "$start" -exec touch -hd "@$SOURCE_DATE_EPOCH" {} +
  (cd "$start" && find . -print0 | sort -z | cpio --null -o -H newc --reproducible --quiet -R 0:0) | gzip -n >"$root/boot/initrd"
}

install_agent() {
  local dist=$repository/agent/dist
  into 755 "$agent" /usr/bin/weir
  into 644 "$dist/weir.service" /usr/lib/systemd/system/weir.service
  into 644 "$dist/weir.sysusers" /usr/lib/sysusers.d/weir.conf
  into 644 "$dist/weir.tmpfiles" /usr/lib/tmpfiles.d/weir.conf
  into 644 "$dist/weir.sysctl" /usr/lib/sysctl.d/50-weir.conf
}

install_appliance() {
  local units=/usr/lib/systemd/system file
  into 644 "$appliance/weir.toml" /etc/weir/weir.toml
  for file in efi.mount env.mount data.mount weir-{data,factory-reset,mark-good,ssh}.service; do
    into 644 "$appliance/$file" "$units/$file"
  done
  for file in data-directories factory-reset mark-good ssh-host-key; do
    into 755 "$appliance/$file" "/usr/libexec/weir/$file"
  done
  into 755 "$appliance/weir-partitions-generator" /usr/lib/systemd/system-generators/weir-partitions-generator
  into 644 "$appliance/data-directories.conf" /usr/share/weir/data-directories.conf
  into 644 "$appliance/appliance.conf" $units/weir.service.d/appliance.conf
  into 644 "$appliance/rauc-state.conf" $units/rauc.service.d/state.conf
  into 644 "$appliance/resolved.conf" $units/systemd-resolved.service.d/weir.conf
  into 644 "$appliance/repart-data.conf" /usr/lib/repart.d/50-data.conf
  into 644 "$appliance/10-lan.network" /usr/lib/systemd/network/10-lan.network
  into 644 "$appliance/20-mirror.network" /usr/lib/systemd/network/20-mirror.network
  into 644 "$appliance/timesyncd.conf" /usr/lib/systemd/timesyncd.conf.d/weir.conf
  into 644 "$appliance/journald.conf" /usr/lib/systemd/journald.conf.d/weir.conf
  into 644 "$appliance/watchdog.conf" /usr/lib/systemd/system.conf.d/weir.conf
  into 644 "$appliance/weir-appliance.sysusers" /usr/lib/sysusers.d/weir-appliance.conf
  into 644 "$appliance/sshd_config" /etc/weir/sshd_config
  into 440 "$appliance/admin.sudoers" /etc/sudoers.d/admin
  into 644 "$appliance/appliance.preset" /usr/lib/systemd/system-preset/10-weir.preset
  sed "s/@MACHINE@/$machine/" "$repository/yocto/meta-weir-distro/recipes-core/rauc/files/system.conf" >"$work/system.conf"
  into 644 "$work/system.conf" /etc/rauc/system.conf
  into 644 "$keys/ca.cert.pem" /etc/rauc/ca.cert.pem
}

# What the packages' own scripts would have done.
configure_root() {
  local name
  : >"$root/etc/machine-id"
  echo weir >"$root/etc/hostname"
  printf '127.0.0.1 localhost weir\n::1 localhost weir\n' >"$root/etc/hosts"
  : >"$root/etc/fstab"
  ln -sf ../proc/self/mounts "$root/etc/mtab"
  chmod 700 "$root"/etc/credstore{,.encrypted}
  printf 'IMAGE_ID=weir\nIMAGE_VERSION=%s\n' "$version" >>"$root/usr/lib/os-release"
  touch "$root/usr/lib/clock-epoch"
  ln -sf ../run/systemd/resolve/stub-resolv.conf "$root/etc/resolv.conf"
  for name in auth account password session session-noninteractive; do
    printf '%s required pam_unix.so\n' "${name%-*}" >"$root/etc/pam.d/common-$name"
  done
  # "u!" (an account that cannot be entered) is newer than the host's program; no account has a password anyway.
  cat "$root"/usr/lib/sysusers.d/*.conf | sed 's/^u!/u/' | systemd-sysusers --root="$root" - 2>"$work/sysusers.log" ||
    fail "the users cannot be made; see $work/sysusers.log"
  # No password, yet not locked: the SSH server turns locked accounts away even with a key.
  sed -i 's/^admin:[^:]*:/admin:*:/' "$root/etc/shadow"
  systemctl --root="$root" preset-all 2>"$work/preset.log" || fail "the units cannot be enabled; see $work/preset.log"
  for name in "${masked[@]}"; do ln -sf /dev/null "$root/etc/systemd/system/$name"; done
  # Linked by its package; nobody sits at this box, and a restart starts it when it needs it.
  rm -f "$root"/usr/lib/systemd/system/*.wants/systemd-logind.service
}

make_root() {
  root=$work/root
  unpack_root
  install_kernel
  install_agent
  install_appliance
  configure_root
  if [ -n "$overlay" ]; then cp -a --no-preserve=ownership "$overlay/." "$root/"; fi
  if [ -n "$broken" ]; then printf '#!/bin/false\n' >"$root/usr/bin/weir"; fi
  install_initrd
  find "$root" -newermt "@$SOURCE_DATE_EPOCH" -exec touch -hd "@$SOURCE_DATE_EPOCH" {} +
}
