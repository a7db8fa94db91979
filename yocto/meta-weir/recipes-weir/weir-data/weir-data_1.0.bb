SUMMARY = "Location databases and threat lists of your own for Weir"
DESCRIPTION = "Puts files of the build host to /usr/share/weir/data, for the keys geo.city_db, geo.asn_db and ti.lists."
HOMEPAGE = "https://example.org/weir"
BUGTRACKER = "https://example.org/weir/issues"
SECTION = "net"
# Of your files; WEIR_DATA_LICENSE names it.
LICENSE = "${WEIR_DATA_LICENSE}"

# An absolute path of the build host, and the names of the files in it that go into the package.
WEIR_DATA_DIR ?= ""
WEIR_DATA_FILES ?= ""
WEIR_DATA_LICENSE ?= "CLOSED"

SRC_URI = "${@' '.join('file://${WEIR_DATA_DIR}/' + name for name in d.getVar('WEIR_DATA_FILES').split())}"

S = "${UNPACKDIR}"

inherit allarch

INHIBIT_DEFAULT_DEPS = "1"

python () {
    if not (d.getVar('WEIR_DATA_DIR') and d.getVar('WEIR_DATA_FILES')):
        raise bb.parse.SkipRecipe("set WEIR_DATA_DIR to a directory and WEIR_DATA_FILES to the names of files in it")
}

do_configure[noexec] = "1"
do_compile[noexec] = "1"

do_install() {
    install -d ${D}${datadir}/weir/data
    for name in ${WEIR_DATA_FILES}; do
        install -m 0644 ${UNPACKDIR}${WEIR_DATA_DIR}/$name ${D}${datadir}/weir/data/
    done
}

FILES:${PN} += "${datadir}/weir/data"
