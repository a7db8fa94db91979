FILESEXTRAPATHS:prepend:weir-uboot := "${THISDIR}/files:"

SRC_URI:append:weir-uboot = " file://weir.cfg"
