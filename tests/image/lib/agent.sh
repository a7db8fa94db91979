# shellcheck shell=bash
# The agent in the emulated gateway, seen as an administrator sees it: its page through SSH, and its slot.

capture=$repository/agent/assets/office.pcap
# Of the branch; flows end soon, so that the checks need not wait for them.
site_settings='agent.site = "image test"
[flow]
idle_seconds = 2
tcp_idle_seconds = 2
tcp_closed_seconds = 1'

# page_forward: the connection that all later commands share.
page_forward() {
  local forward=127.0.0.1:$page_port:127.0.0.1:8080
  ssh "${ssh_options[@]}" -M -o ExitOnForwardFailure=yes -p "$ssh_port" -i "$keys/admin" -N -L "$forward" \
    admin@127.0.0.1 </dev/null &
  tunnel=$!
}

page_unforward() {
  if [ -n "$tunnel" ]; then
    kill "$tunnel" 2>/dev/null || true
    wait "$tunnel" 2>/dev/null || true
  fi
  tunnel=''
}

# page PATH [CURL OPTION…]: from the box, through the tunnel.
page() {
  local path=$1
  shift
  curl -sS --fail --max-time 30 "$@" "http://127.0.0.1:$page_port$path"
}

admin_key() { on sudo cat /var/lib/weir/admin.key; }

# page_reachable: connects anew when the box has closed the connection.
page_reachable() {
  { [ -n "$tunnel" ] && kill -0 "$tunnel" 2>/dev/null; } || page_forward
  page /v1/version
}

# open_page: checks that the page is reached, and sets $key.
open_page() {
  page_unforward
  page_forward
  check 'the page is reached through SSH' until_true 120 page_reachable
  key=$(admin_key || true)
}

recent() { page '/v1/events/recent?limit=1000' -H "X-API-Key: $key"; }

# What the ring says of all records: packets and octets.
metered() { recent | jq -r '[.events[]] | "\(map(.packets) | add // 0) \(map(.bytes) | add // 0)"'; }

metered_all() { [ "$(metered)" = "$("$here/frames" sum "$capture")" ]; }

# meter_capture: sends the capture to the mirror port; right when each packet and octet is in the ring, once.
meter_capture() {
  "$here/frames" send "$capture" "$mirror_port"
  until_true 90 metered_all || equal 'packets and octets of all flows' "$("$here/frames" sum "$capture")" "$(metered)"
  echo "$(metered) (packets, octets) in $(recent | jq '.events | length') flows"
}

# health_says WORDS: a part of the health that is not as it should be has them in its name or detail.
health_says() {
  page /v1/health | jq -c '.parts[] | select(.status != "ok")' | grep -iE "$1"
}

# slot_is NAME OK TRY: the running slot, and what the boot loader knows of it.
slot_is() {
  on cat /proc/cmdline | grep -w "rauc.slot=$1" >/dev/null &&
    on sudo grub-editenv /env/grubenv list | tr '\n' ' ' | grep "$1_OK=$2 $1_TRY=$3"
}
