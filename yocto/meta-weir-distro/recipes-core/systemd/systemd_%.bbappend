# Network and time are systemd's; systemd-repart grows the data partition at the first start, and needs OpenSSL.
PACKAGECONFIG:append:weir-distro = " networkd openssl repart resolved timesyncd"
