SUMMARY = "Boot menu and boot environment of the two slots"
DESCRIPTION = "Deploys GRUB's configuration and a file system with its environment block, in which RAUC says what to start."
HOMEPAGE = "https://example.org/weir"
BUGTRACKER = "https://example.org/weir/issues"
SECTION = "bootloaders"
LICENSE = "MIT"
LIC_FILES_CHKSUM = "file://${COMMON_LICENSE_DIR}/MIT;md5=0835ade698e0bcf8506ecda2f7b4f302"

DEPENDS = "dosfstools-native grub-native mtools-native"

SRC_URI = "file://grub.cfg"

S = "${UNPACKDIR}"

inherit deploy nopackages

INHIBIT_DEFAULT_DEPS = "1"
PACKAGE_ARCH = "${MACHINE_ARCH}"
COMPATIBLE_MACHINE = "^weir-efi$"

# Fills its partition.
WEIR_GRUBENV_KIB = "1024"

do_configure[noexec] = "1"
do_install[noexec] = "1"

do_compile() {
    rm -f ${B}/grubenv ${B}/grubenv.vfat
    grub-editenv ${B}/grubenv create
    # Only slot A is written when a device is made.
    grub-editenv ${B}/grubenv set ORDER="A B" A_OK=1 A_TRY=0 B_OK=0 B_TRY=0
    mkfs.vfat --invariant -n GRUBENV -C ${B}/grubenv.vfat ${WEIR_GRUBENV_KIB}
    mcopy -i ${B}/grubenv.vfat ${B}/grubenv ::/grubenv
}

do_deploy() {
    install -m 0644 ${UNPACKDIR}/grub.cfg ${DEPLOYDIR}/grub.cfg
    install -m 0644 ${B}/grubenv.vfat ${DEPLOYDIR}/grubenv.vfat
}

addtask deploy after do_compile before do_build
