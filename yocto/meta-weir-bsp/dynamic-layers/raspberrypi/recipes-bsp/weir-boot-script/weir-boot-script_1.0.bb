SUMMARY = "U-Boot script that starts one of the two slots"
DESCRIPTION = "Deploys the script and the file system of U-Boot's environment, and tells the running system where it is."
HOMEPAGE = "https://example.org/weir"
BUGTRACKER = "https://example.org/weir/issues"
SECTION = "bootloaders"
LICENSE = "MIT"
LIC_FILES_CHKSUM = "file://${COMMON_LICENSE_DIR}/MIT;md5=0835ade698e0bcf8506ecda2f7b4f302"

DEPENDS = "dosfstools-native u-boot-mkimage-native"

SRC_URI = "file://boot.cmd file://fw_env.config"

S = "${UNPACKDIR}"

inherit deploy

INHIBIT_DEFAULT_DEPS = "1"
PACKAGE_ARCH = "${MACHINE_ARCH}"
COMPATIBLE_MACHINE = "^weir-uboot$"

# Fills its partition.
WEIR_UBOOTENV_KIB = "1024"

do_configure[noexec] = "1"

do_compile() {
    mkimage -A arm64 -T script -C none -n "Weir" -d ${UNPACKDIR}/boot.cmd ${B}/boot.scr
    rm -f ${B}/ubootenv.vfat
    mkfs.vfat --invariant -n UBOOTENV -C ${B}/ubootenv.vfat ${WEIR_UBOOTENV_KIB}
}

do_install() {
    install -D -m 0644 ${UNPACKDIR}/fw_env.config ${D}${sysconfdir}/fw_env.config
}

do_deploy() {
    install -m 0644 ${B}/boot.scr ${DEPLOYDIR}/weir-boot.scr
    install -m 0644 ${B}/ubootenv.vfat ${DEPLOYDIR}/ubootenv.vfat
}

addtask deploy after do_compile before do_build
