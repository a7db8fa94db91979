SUMMARY = "Network flow agent for branch-office gateways"
DESCRIPTION = "Turns mirrored packets into flow records, enriches and keeps them and shows them on a local page."
HOMEPAGE = "https://example.org/weir"
BUGTRACKER = "https://example.org/weir/issues"
SECTION = "net"
LICENSE = "MIT | Apache-2.0"
LIC_FILES_CHKSUM = "file://LICENSE;md5=fd3dfc09245272bd6672698020b51614"
CVE_PRODUCT = "weir:weir"

require weir-crates.inc

# Empty: the checkout that this layer is part of. Else where to fetch from, with SRCREV naming the commit.
WEIR_GIT_URI ?= ""
EXTERNALSRC ?= "${@'' if d.getVar('WEIR_GIT_URI') else d.getVar('WEIR_CHECKOUT')}"
# No links to the build directories in the checkout.
EXTERNALSRC_SYMLINKS = ""

SRC_URI:prepend = "${WEIR_GIT_URI} "
SRC_URI += "file://run-ptest"

python () {
    source = d.getVar('EXTERNALSRC')
    if source and not os.path.isfile(os.path.join(source, 'Cargo.lock')):
        raise bb.parse.SkipRecipe("%s is no checkout of Weir: set WEIR_GIT_URI and SRCREV:pn-weir" % source)
}

inherit cargo cargo-update-recipe-crates externalsrc ptest systemd useradd

CARGO_BUILD_FLAGS += "--package weir"
# Packages are split and stripped here, not by cargo; line tables are for the -dbg package.
export CARGO_PROFILE_RELEASE_STRIP = "false"
export CARGO_PROFILE_RELEASE_DEBUG = "line-tables-only"
# Paths of the build host stay out of the binary, also when the source is outside of WORKDIR.
RUSTFLAGS:append = " --remap-path-prefix=${S}=${TARGET_DBGSRC_DIR}"
# The C of SQLite and zstd lies with the crates.
DEBUG_PREFIX_MAP:append = " -ffile-prefix-map=${CARGO_VENDORING_DIRECTORY}=${TARGET_DBGSRC_DIR}"

SYSTEMD_SERVICE:${PN} = "weir.service"

USERADD_PACKAGES = "${PN}"
WEIR_ACCOUNT = "--user-group --no-create-home --home-dir ${localstatedir}/lib/weir --shell ${sbindir}/nologin weir"
USERADD_PARAM:${PN} = "--system ${WEIR_ACCOUNT}"

do_install:append() {
    install -D -m 0644 ${S}/agent/dist/weir.toml ${D}${sysconfdir}/weir/weir.toml
    install -D -m 0644 ${S}/agent/dist/weir.service ${D}${systemd_system_unitdir}/weir.service
    install -D -m 0644 ${S}/agent/dist/weir.sysusers ${D}${nonarch_libdir}/sysusers.d/weir.conf
    install -D -m 0644 ${S}/agent/dist/weir.tmpfiles ${D}${nonarch_libdir}/tmpfiles.d/weir.conf
    install -D -m 0644 ${S}/agent/dist/weir.sysctl ${D}${nonarch_libdir}/sysctl.d/50-weir.conf
    install -D -m 0644 ${S}/README.md ${D}${docdir}/${BPN}/README.md
}

do_install_ptest() {
    install -m 0644 ${S}/agent/assets/office.pcap ${D}${PTEST_PATH}/
}

FILES:${PN} += "${nonarch_libdir}/sysusers.d ${nonarch_libdir}/tmpfiles.d ${nonarch_libdir}/sysctl.d"

CONFFILES:${PN} = "${sysconfdir}/weir/weir.toml"
