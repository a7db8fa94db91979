FILESEXTRAPATHS:prepend:weir-uboot := "${WEIR_BSP_LAYERDIR}/recipes-kernel/linux/files:"

SRC_URI:append:weir-uboot = " file://weir.cfg"
