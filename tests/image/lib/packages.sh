# shellcheck shell=bash
# The Debian packages of the image, downloaded once and unpacked without running anything of theirs.

suite=trixie
packages=(
  base-files base-passwd busybox-static coreutils dash dbus e2fsprogs fdisk kmod liblzma5 mount openssh-server rauc
  rauc-service sudo systemd systemd-repart systemd-resolved systemd-sysv systemd-timesyncd udev util-linux
  # For the boot: kernel, boot loader, firmware of the emulated board.
  linux-image-cloud-arm64 grub-efi-arm64-bin grub-common u-boot-qemu
)
debian_keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# The mirror that this host's apt is set to, so that no other network than apt's is needed.
debian_mirror() {
  local mirror
  mirror=$(apt-get indextargets --format '$(ORIGIN)/$(LABEL) $(REPO_URI)' 'Created-By: Packages' |
    sed -n 's,^Debian/Debian ,,p' | head -n 1)
  printf '%s\n' "${mirror:-https://deb.debian.org/debian}"
}

# package_archive: makes what is missing and sets $archive, whose name tells its content.
package_archive() {
  local name
  name=$(printf '%s\n' "$suite" "${packages[@]}" | sha256sum)
  archive=$cache/packages-${name:0:12}.tar
  [ ! -e "$archive" ] || return 0
  [ -r "$debian_keyring" ] || fail "no $debian_keyring; as root: apt-get install debian-archive-keyring"
  mmdebstrap --mode=root --variant=extract --architectures=arm64 --skip=check/qemu \
    --aptopt='Acquire::Languages "none"' --aptopt='APT::Install-Recommends "false"' \
    --include="$(IFS=,; echo "${packages[*]}")" "$suite" "$archive.part.tar" \
    "deb [signed-by=$debian_keyring] $(debian_mirror) $suite main" >"$cache/packages.log" 2>&1 ||
    fail "the packages cannot be downloaded; see $cache/packages.log"
  mv "$archive.part.tar" "$archive"
}

# unpack_packages: the whole archive to $cache/…/tree, once; sets $tree.
unpack_packages() {
  tree=${archive%.tar}
  [ ! -e "$tree" ] || return 0
  rm -rf "$tree.part"
  mkdir "$tree.part"
  tar -C "$tree.part" -xf "$archive"
  depmod -b "$tree.part" "$(basename "$tree.part"/usr/lib/modules/*)"
  mv "$tree.part" "$tree"
}
