# shellcheck shell=bash
# File systems, disk and update bundle. The partitions are those of the Yocto layer's layout.

layout=$repository/yocto/meta-weir-bsp/wic/weir-ab.wks.in
loader=$repository/yocto/meta-weir-bsp/recipes-bsp/grub/files/grub.cfg
loader_modules=(part_gpt fat ext2 normal linux boot loadenv test echo search search_label regexp reboot sleep)
# Fixed, so that the same content makes the same file.
uuid_prefix=5a0c0d9e-0000-4000-8000-0000000000

# partitions: name, MiB and type of each `part` line of the layout.
partitions() {
  awk '/^part / {
    for (i = 2; i < NF; i++) if ($i ~ /^--/) option[$i] = $(i + 1)
    size = option["--fixed-size"]
    if (sub(/M$/, "", size) != 1) { print "a partition without --fixed-size in M: " $0 >"/dev/stderr"; exit 1 }
    print option["--part-name"], size, option["--part-type"]
    delete option
  }' "$layout"
}

partition_mebibytes() { partitions | awk -v name="$1" '$1 == name { print $2 }'; }

make_esp() {
  local esp=$work/esp.part
  grub-mkimage -O arm64-efi -d "$tree/usr/lib/grub/arm64-efi" -p /EFI/BOOT -o "$work/bootaa64.efi" "${loader_modules[@]}"
  cp "$loader" "$work/grub.cfg"
  make_fat "$esp" "$(partition_mebibytes esp)" ESP
  mmd -i "$esp" ::/EFI ::/EFI/BOOT
  touch -d "@$SOURCE_DATE_EPOCH" "$work/bootaa64.efi" "$work/grub.cfg"
  mcopy -m -i "$esp" "$work/bootaa64.efi" "$work/grub.cfg" ::/EFI/BOOT/
}

make_grubenv() {
  grub-editenv "$work/grubenv" create
  grub-editenv "$work/grubenv" set ORDER='A B' A_OK=1 A_TRY=0 B_OK=0 B_TRY=0
  touch -d "@$SOURCE_DATE_EPOCH" "$work/grubenv"
  make_fat "$work/grubenv.part" "$(partition_mebibytes grubenv)" GRUBENV
  mcopy -m -i "$work/grubenv.part" "$work/grubenv" ::/grubenv
}

# make_fat FILE MIB LABEL
make_fat() {
  rm -f "$1"
  truncate -s "$2M" "$1"
  mkfs.vfat --invariant -n "$3" "$1" >/dev/null
}

# make_ext4 FILE MIB LABEL NUMBER OPTION…
make_ext4() {
  local file=$1 size=$2 label=$3 number=$4
  shift 4
  rm -f "$file"
  mke2fs -q -t ext4 -b 4096 -m 0 -L "$label" -U "$uuid_prefix$number" -E "hash_seed=$uuid_prefix$number,root_owner=0:0" \
    "$@" "$file" "${size}M" >"$work/mke2fs.log"
}

# forget_times FILE: mke2fs copies when each file was made and read on this host; that differs from build to build.
forget_times() {
  local inodes
  inodes=$(dumpe2fs -h "$1" 2>/dev/null | awk -F: '/^Inode count/ { all = $2 } /^Free inodes/ { print all - $2 }')
  # The first inodes are taken first, so the used ones are the first of the table.
  seq 1 "$inodes" |
    awk -v now="@$SOURCE_DATE_EPOCH" '
      { print "set_inode_field <" $1 "> ctime " now; print "set_inode_field <" $1 "> atime " now }' >"$work/times"
  debugfs -w -f "$work/times" "$1" >"$work/debugfs.log" 2>&1
}

make_file_systems() {
  make_esp
  make_grubenv
  # The boot loader reads this one: without what its driver does not know. It is never written, so it needs no journal.
  make_ext4 "$work/root_a.part" "$(partition_mebibytes root_a)" root a0 -d "$root" \
    -O '^has_journal,^metadata_csum_seed,^orphan_file'
  forget_times "$work/root_a.part"
  make_ext4 "$work/data.part" "$(partition_mebibytes data)" data a1
}

# Everything starts on a whole MiB; one is left at each end for the partition tables.
make_disk() {
  local name size type start=1 number=10 script=$work/disk.sfdisk
  printf 'label: gpt\nlabel-id: %sff\n' "$uuid_prefix" >"$script"
  while read -r name size type; do
    printf 'start=%dMiB, size=%dMiB, type=%s, name=%s, uuid=%s%d\n' "$start" "$size" "$type" "$name" "$uuid_prefix" "$number" \
      >>"$script"
    printf '%s %d\n' "$name" "$start"
    start=$((start + size)) number=$((number + 1))
  done < <(partitions) >"$work/starts"
  rm -f "$out/disk.img"
  truncate -s "$((start + 1))M" "$out/disk.img"
  sfdisk -q "$out/disk.img" <"$script"
  while read -r name start; do
    [ ! -e "$work/$name.part" ] || dd if="$work/$name.part" of="$out/disk.img" bs=1M seek="$start" conv=notrunc,sparse status=none
  done <"$work/starts"
}

make_bundle() {
  local content=$work/bundle
  rm -rf "$content" "$out/update.raucb"
  mkdir "$content"
  cp --sparse=always "$work/root_a.part" "$content/rootfs.ext4"
  cat >"$content/manifest.raucm" <<EOF
[update]
compatible=$machine
version=$version

[bundle]
format=verity

[image.rootfs]
filename=rootfs.ext4
EOF
  find "$content" -exec touch -d "@$SOURCE_DATE_EPOCH" {} +
  rauc --cert "$keys/signer.cert.pem" --key "$keys/signer.key.pem" --keyring "$keys/ca.cert.pem" \
    --mksquashfs-args='-comp zstd -Xcompression-level 6' bundle "$content" "$out/update.raucb" >"$work/bundle.log" 2>&1 ||
    fail "the bundle cannot be made; see $work/bundle.log"
}
