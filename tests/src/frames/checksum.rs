//! Checksums of the Internet protocols.

use std::net::IpAddr;

/// The Internet checksum (RFC 1071) of `parts` laid end to end; every part but the last has an even length.
#[must_use]
pub fn internet(parts: &[&[u8]]) -> u16 {
    let mut sum: u64 = 0;
    for part in parts {
        for pair in part.chunks(2) {
            sum += u64::from(pair[0]) << 8 | u64::from(pair.get(1).copied().unwrap_or(0));
        }
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(0)
}

/// Checksum of a transport segment under its pseudo header (RFC 9293 §3.1, RFC 8200 §8.1).
#[must_use]
pub fn transport(src: IpAddr, dst: IpAddr, proto: u8, segment: &[u8]) -> u16 {
    let mut pseudo = address(src);
    pseudo.extend(address(dst));
    let len = u32::try_from(segment.len()).expect("a segment is shorter than 4 GiB");
    pseudo.extend(len.to_be_bytes());
    pseudo.extend([0, 0, 0, proto]);
    internet(&[&pseudo, segment])
}

/// CRC-32C as SCTP uses it (RFC 9260 §6.8, appendix A).
#[must_use]
pub fn crc32c(bytes: &[u8]) -> u32 {
    const REVERSED_POLYNOMIAL: u32 = 0x82f6_3b78;
    let mut crc = u32::MAX;
    for &byte in bytes {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ REVERSED_POLYNOMIAL } else { crc >> 1 };
        }
    }
    !crc
}

/// The octets of an address.
#[must_use]
pub fn address(ip: IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::{crc32c, internet};

    #[test]
    fn the_internet_checksum_is_that_of_rfc_1071() {
        assert_eq!(internet(&[&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]]), !0xddf2);
    }

    #[test]
    fn crc32c_has_its_check_value() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }
}
