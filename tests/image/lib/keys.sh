# shellcheck shell=bash
# Keys for the tests alone: an authority, a signer of updates, a stranger and an administrator. Made once per cache.

keys=$cache/keys
key_days=3650

make_keys() {
  [ ! -e "$keys" ] || return 0
  rm -rf "$keys.part"
  mkdir "$keys.part"
  (
    cd "$keys.part"
    self_signed ca 'Weir test authority' -addext basicConstraints=critical,CA:TRUE
    self_signed stranger 'Stranger'
    new_key signer
    openssl req -new -key signer.key.pem -subj '/CN=Weir test signer' -out signer.csr
    openssl x509 -req -in signer.csr -CA ca.cert.pem -CAkey ca.key.pem -days $key_days -out signer.cert.pem \
      -extfile <(printf 'basicConstraints=CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=emailProtection\n')
    ssh-keygen -q -t ed25519 -N '' -C admin -f admin
  ) >"$cache/keys.log" 2>&1 || fail "the test keys cannot be made; see $cache/keys.log"
  mv "$keys.part" "$keys"
}

new_key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1.key.pem"; }

# self_signed NAME SUBJECT OPTION…
self_signed() {
  local name=$1 subject=$2
  shift 2
  new_key "$name"
  openssl req -x509 -key "$name.key.pem" -days $key_days -subj "/CN=$subject" -out "$name.cert.pem" "$@"
}
