FILESEXTRAPATHS:prepend:weir-efi := "${THISDIR}/files:"

COMPATIBLE_MACHINE:weir-arm64-efi = "^weir-arm64-efi$"
KMACHINE:weir-arm64-efi = "genericarm64"

SRC_URI:append:weir-efi = " file://weir.cfg file://efi.cfg"
