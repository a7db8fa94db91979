# On the appliance the configuration belongs to the read-only system; sites keep theirs on the data partition.
FILESEXTRAPATHS:prepend:weir-distro := "${THISDIR}/../weir-appliance/files:"

SRC_URI:append:weir-distro = " file://weir.toml;subdir=appliance"

# A fixed number: files on the data partition outlive updates, and the next version may be built with other users.
USERADD_PARAM:${PN}:weir-distro = "--system --uid 900 ${WEIR_ACCOUNT}"

do_install:append:weir-distro() {
    install -m 0644 ${UNPACKDIR}/appliance/weir.toml ${D}${sysconfdir}/weir/weir.toml
}
