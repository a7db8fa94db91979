SUMMARY = "The gateway around the agent: data, network, SSH, updates, reset"
DESCRIPTION = "Units and settings that make a read-only system with two slots out of a distribution and the agent."
HOMEPAGE = "https://example.org/weir"
BUGTRACKER = "https://example.org/weir/issues"
SECTION = "base"
LICENSE = "MIT"
LIC_FILES_CHKSUM = "file://${COMMON_LICENSE_DIR}/MIT;md5=0835ade698e0bcf8506ecda2f7b4f302"

WEIR_UNITS = "\
    data.mount \
    efi.mount \
    env.mount \
    weir-data.service \
    weir-factory-reset.service \
    weir-mark-good.service \
    weir-ssh.service \
"
WEIR_PROGRAMS = "data-directories factory-reset mark-good ssh-host-key"
WEIR_NETWORKS = "10-lan.network 20-mirror.network"

SRC_URI = "\
    file://data.mount \
    file://efi.mount \
    file://env.mount \
    file://weir-data.service \
    file://weir-factory-reset.service \
    file://weir-mark-good.service \
    file://weir-ssh.service \
    file://data-directories \
    file://factory-reset \
    file://mark-good \
    file://ssh-host-key \
    file://10-lan.network \
    file://20-mirror.network \
    file://admin.sudoers \
    file://appliance.conf \
    file://appliance.preset \
    file://data-directories.conf \
    file://journald.conf \
    file://rauc-state.conf \
    file://repart-data.conf \
    file://resolved.conf \
    file://sshd_config \
    file://timesyncd.conf \
    file://watchdog.conf \
    file://weir-appliance.sysusers \
    file://weir-partitions-generator \
"

S = "${UNPACKDIR}"

inherit features_check systemd useradd

REQUIRED_DISTRO_FEATURES = "systemd"
INHIBIT_DEFAULT_DEPS = "1"

SYSTEMD_SERVICE:${PN} = "${WEIR_UNITS}"

# An account without a password that is not locked: "*" matches nothing, while "!" would shut out keys too. The number is
# fixed, since files on the data partition outlive updates.
USERADD_PACKAGES = "${PN}"
WEIR_ADMIN_HOME = "--no-create-home --home-dir /data/admin --shell /bin/sh"
USERADD_PARAM:${PN} = "--uid 1000 --user-group ${WEIR_ADMIN_HOME} --comment Administrator --password '*' admin"

do_configure[noexec] = "1"
do_compile[noexec] = "1"

# install_as MODE FILE PLACE
install_as() {
    install -D -m "$1" "${UNPACKDIR}/$2" "${D}$3"
}

install_as[doc] = "Installs one file of the layer under another name"

do_install() {
    for unit in ${WEIR_UNITS}; do
        install_as 0644 $unit ${systemd_system_unitdir}/$unit
    done
    for program in ${WEIR_PROGRAMS}; do
        install_as 0755 $program ${libexecdir}/weir/$program
    done
    for network in ${WEIR_NETWORKS}; do
        install_as 0644 $network ${nonarch_libdir}/systemd/network/$network
    done
    install_as 0755 weir-partitions-generator ${systemd_unitdir}/system-generators/weir-partitions-generator
    install_as 0644 appliance.conf ${systemd_system_unitdir}/weir.service.d/appliance.conf
    install_as 0644 rauc-state.conf ${systemd_system_unitdir}/rauc.service.d/state.conf
    install_as 0644 resolved.conf ${systemd_system_unitdir}/systemd-resolved.service.d/weir.conf
    install_as 0644 appliance.preset ${nonarch_libdir}/systemd/system-preset/10-weir.preset
    install_as 0644 journald.conf ${nonarch_libdir}/systemd/journald.conf.d/weir.conf
    install_as 0644 timesyncd.conf ${nonarch_libdir}/systemd/timesyncd.conf.d/weir.conf
    install_as 0644 watchdog.conf ${nonarch_libdir}/systemd/system.conf.d/weir.conf
    install_as 0644 repart-data.conf ${nonarch_libdir}/repart.d/50-data.conf
    install_as 0644 weir-appliance.sysusers ${nonarch_libdir}/sysusers.d/weir-appliance.conf
    install_as 0644 data-directories.conf ${datadir}/weir/data-directories.conf
    install_as 0644 sshd_config ${sysconfdir}/weir/sshd_config
    install_as 0440 admin.sudoers ${sysconfdir}/sudoers.d/admin
    # Mount points, since the root file system is read-only.
    install -d ${D}/data ${D}/efi ${D}/env
}

FILES:${PN} += "\
    /data \
    /efi \
    /env \
    ${datadir}/weir \
    ${nonarch_libdir}/repart.d \
    ${nonarch_libdir}/systemd \
    ${nonarch_libdir}/sysusers.d \
    ${systemd_unitdir} \
"

# What the programs and units above call.
RDEPENDS:${PN} += "\
    e2fsprogs-e2fsck \
    e2fsprogs-mke2fs \
    openssh-keygen \
    openssh-sshd \
    sudo \
    systemd-extra-utils \
    systemd-networkd \
    util-linux-fsck \
    util-linux-mountpoint \
    weir \
"
