# Starts the first slot of BOOT_ORDER that has tries left. RAUC sets the variables after an update; the running system gives
# the tries back when it works.

# The firmware of the board hands over its device tree and arguments.
fdt addr ${fdt_addr}
fdt get value bootargs /chosen bootargs

test -n "${BOOT_ORDER}" || setenv BOOT_ORDER "A B"
test -n "${BOOT_A_LEFT}" || setenv BOOT_A_LEFT 3
test -n "${BOOT_B_LEFT}" || setenv BOOT_B_LEFT 0

setenv slot
for candidate in "${BOOT_ORDER}"; do
  if test -n "${slot}"; then
    # Chosen already.
  elif test "${candidate}" = A; then
    if test ${BOOT_A_LEFT} -gt 0; then
      setexpr BOOT_A_LEFT ${BOOT_A_LEFT} - 1
      setenv slot A
      setenv slot_partition 3
      setenv slot_label root_a
    fi
  elif test "${candidate}" = B; then
    if test ${BOOT_B_LEFT} -gt 0; then
      setexpr BOOT_B_LEFT ${BOOT_B_LEFT} - 1
      setenv slot B
      setenv slot_partition 4
      setenv slot_label root_b
    fi
  fi
done

# Every try is used up: from the beginning again, since a later try may work.
if test -z "${slot}"; then
  setenv BOOT_A_LEFT 3
  setenv BOOT_B_LEFT 3
  saveenv
  echo "No slot could be started; trying again."
  sleep 5
  reset
fi

setenv arguments "rootwait ro panic=10 quiet net.ifnames=0 systemd.volatile=state systemd.gpt_auto=no fsck.repair=yes"
if test "${FACTORY_RESET}" = erase; then
  setenv arguments "${arguments} weir.factory_reset=erase"
fi
# The last root= counts.
setenv bootargs "${bootargs} root=PARTLABEL=${slot_label} rauc.slot=${slot} ${arguments}"
saveenv

load mmc 0:${slot_partition} ${kernel_addr_r} /boot/Image
booti ${kernel_addr_r} - ${fdt_addr}
sleep 5
reset
