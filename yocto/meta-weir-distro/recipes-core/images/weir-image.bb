SUMMARY = "The Weir appliance: read-only root, two slots, one data partition"
DESCRIPTION = "What a gateway runs: the agent, its updates, SSH by key for the administrator, and nothing else."
HOMEPAGE = "https://example.org/weir"
BUGTRACKER = "https://example.org/weir/issues"
SECTION = "images"
LICENSE = "MIT"
LIC_FILES_CHKSUM = "file://${COMMON_LICENSE_DIR}/MIT;md5=0835ade698e0bcf8506ecda2f7b4f302"

inherit core-image

IMAGE_FEATURES += "read-only-rootfs"
IMAGE_LINGUAS = ""
IMAGE_INSTALL = "\
    packagegroup-core-boot \
    rauc \
    rauc-conf \
    rauc-service \
    weir \
    weir-appliance \
    ${CORE_IMAGE_EXTRA_INSTALL} \
"
# A slot is marked good by weir-mark-good.service, after the agent answered, and by nothing else.
BAD_RECOMMENDATIONS += "rauc-mark-good busybox-syslog busybox-udhcpc"

# A slot has 256 MiB (wic/weir-ab.wks.in); the rest is the file system's own.
IMAGE_ROOTFS_MAXSIZE = "253952"
IMAGE_OVERHEAD_FACTOR = "1.2"
IMAGE_ROOTFS_EXTRA_SPACE = "4096"

WEIR_FORBIDDEN_FEATURES = "\
    allow-empty-password \
    allow-root-login \
    empty-root-password \
    serial-autologin-root \
    tools-debug \
"

python () {
    wanted = set((d.getVar('IMAGE_FEATURES') or '').split())
    forbidden = sorted(wanted & set(d.getVar('WEIR_FORBIDDEN_FEATURES').split()))
    if forbidden:
        raise bb.parse.SkipRecipe("weir-image is made for devices in the field: take %s out of EXTRA_IMAGE_FEATURES, or "
                                  "make an image recipe of your own that requires this one" % ' '.join(forbidden))
}

# No console asks for a name, since no account has a password; no unit but ours answers SSH.
weir_mask_logins() {
    for unit in autovt@ console-getty container-getty@ debug-shell getty@ serial-getty@ sshd@; do
        ln -sf /dev/null ${IMAGE_ROOTFS}${sysconfdir}/systemd/system/$unit.service
    done
    ln -sf /dev/null ${IMAGE_ROOTFS}${sysconfdir}/systemd/system/sshd.socket
}
weir_mask_logins[doc] = "Masks every unit that would let somebody log in"
ROOTFS_POSTPROCESS_COMMAND += "weir_mask_logins"
