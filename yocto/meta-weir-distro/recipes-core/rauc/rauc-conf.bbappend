# The keyring comes from WEIR_KEY_DIR; without one the example of meta-rauc is found, which do_install refuses.
FILESEXTRAPATHS:prepend:weir-distro := "${WEIR_KEY_DIR}:${THISDIR}/files:"

# Names the machine.
PACKAGE_ARCH:weir-distro = "${MACHINE_ARCH}"

do_install:weir-distro() {
    if ! grep -q 'BEGIN CERTIFICATE' ${UNPACKDIR}/${RAUC_KEYRING_FILE}; then
        bbfatal "no certificate in ${WEIR_KEY_DIR}/${RAUC_KEYRING_FILE}: run yocto/make-keys, or set WEIR_KEY_DIR"
    fi
    install -d ${D}${sysconfdir}/rauc
    install -m 0644 ${UNPACKDIR}/${RAUC_KEYRING_FILE} ${D}${sysconfdir}/rauc/ca.cert.pem
    sed -e 's/@MACHINE@/${MACHINE}/' ${UNPACKDIR}/system.conf >${D}${sysconfdir}/rauc/system.conf
    if [ ${WEIR_BOOTLOADER} = uboot ]; then
        sed -i -e 's/^bootloader=.*/bootloader=uboot/' -e '/^grubenv=/d' ${D}${sysconfdir}/rauc/system.conf
    fi
    chmod 0644 ${D}${sysconfdir}/rauc/system.conf
}

FILES:${PN}:append:weir-distro = " ${sysconfdir}/rauc"
