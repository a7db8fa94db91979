# What the boot menu uses, besides what every GRUB needs.
GRUB_BUILDIN:append:weir-efi = " echo reboot regexp search_label sleep"
PACKAGE_ARCH:weir-efi = "${MACHINE_ARCH}"
