SUMMARY = "Signed update of the Weir appliance"
DESCRIPTION = "A RAUC bundle in the verity format that holds weir-image for one slot."
HOMEPAGE = "https://example.org/weir"
BUGTRACKER = "https://example.org/weir/issues"
SECTION = "images"
LICENSE = "MIT"
LIC_FILES_CHKSUM = "file://${COMMON_LICENSE_DIR}/MIT;md5=0835ade698e0bcf8506ecda2f7b4f302"

SRC_URI = ""

inherit bundle

RAUC_BUNDLE_FORMAT = "verity"
# A device installs what is made for its machine (recipes-core/rauc/files/system.conf).
RAUC_BUNDLE_COMPATIBLE = "${MACHINE}"
RAUC_BUNDLE_VERSION = "${DISTRO_VERSION}"
RAUC_BUNDLE_DESCRIPTION = "Weir ${DISTRO_VERSION} for ${MACHINE}"

RAUC_BUNDLE_SLOTS = "rootfs"
RAUC_SLOT_rootfs = "weir-image"
RAUC_SLOT_rootfs[fstype] = "ext4"
# Only changed blocks are fetched and written.
RAUC_SLOT_rootfs[adaptive] = "block-hash-index"

python weir_check_keys() {
    for variable in ('RAUC_KEY_FILE', 'RAUC_CERT_FILE'):
        path = d.getVar(variable)
        # A PKCS#11 token is asked when the bundle is signed.
        if not (path or '').startswith('pkcs11:') and not os.path.isfile(path or ''):
            bb.fatal("%s is '%s', which is no file: run yocto/make-keys for keys to develop with, or name your own"
                     % (variable, path))
}
weir_check_keys[doc] = "Says how to make keys when there are none"
do_bundle[prefuncs] += "weir_check_keys"
