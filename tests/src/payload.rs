//! First octets of well-known application protocols, as a passive observer would see them.

/// A DNS message (RFC 1035) that asks for the A records of `name`; with `answer` it also gives one.
#[must_use]
pub fn dns(id: u16, name: &str, answer: Option<[u8; 4]>) -> Vec<u8> {
    let mut message = id.to_be_bytes().to_vec();
    message.extend(if answer.is_some() { [0x81, 0x80] } else { [0x01, 0x00] });
    message.extend([0, 1, 0, u8::from(answer.is_some()), 0, 0, 0, 0]);
    message.extend(labels(name));
    message.extend([0, 1, 0, 1]);
    if let Some(address) = answer {
        // The name is that of the question, at offset 12.
        message.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 1, 44, 0, 4]);
        message.extend(address);
    }
    message
}

fn labels(name: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for label in name.split('.') {
        out.push(u8::try_from(label.len()).expect("a label has at most 63 octets"));
        out.extend(label.bytes());
    }
    out.push(0);
    out
}

/// A TLS 1.3 `ClientHello` (RFC 8446 §4.1.2) that names the server in its SNI extension (RFC 6066 §3).
#[must_use]
pub fn client_hello(name: &str) -> Vec<u8> {
    let mut sni = with_length16(name.as_bytes());
    sni.insert(0, 0);
    let mut extensions = extension(0, &with_length16(&sni));
    extensions.extend(extension(0x2b, &[2, 3, 4]));
    extensions.extend(extension(0x0a, &[0, 4, 0, 0x1d, 0, 0x17]));
    extensions.extend(extension(0x0d, &[0, 4, 4, 3, 8, 4]));
    let mut body = vec![3, 3];
    body.extend((0..32).map(|n: u8| n.wrapping_mul(37) ^ 0x5a));
    body.extend([0, 0, 4, 0x13, 1, 0x13, 2, 1, 0]);
    body.extend(with_length16(&extensions));
    let mut handshake = vec![1, 0];
    handshake.extend(with_length16(&body));
    let mut record = vec![0x16, 3, 1];
    record.extend(with_length16(&handshake));
    record
}

fn extension(kind: u16, data: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &with_length16(data)].concat()
}

fn with_length16(data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).expect("short");
    [&length.to_be_bytes()[..], data].concat()
}

/// An NTPv4 packet (RFC 5905 §7.3): mode 3 asks, mode 4 answers.
#[must_use]
pub fn ntp(mode: u8) -> Vec<u8> {
    let mut packet = vec![0x20 | mode, if mode == 4 { 2 } else { 0 }, 6, 0xec];
    packet.extend((0..44).map(|n: u8| n ^ 0xe5));
    packet
}

/// An RTP packet (RFC 3550 §5.1) with 20 ms of G.711.
#[must_use]
pub fn rtp(sequence: u16, source: u32) -> Vec<u8> {
    let mut packet = vec![0x80, 0];
    packet.extend(sequence.to_be_bytes());
    packet.extend((u32::from(sequence) * 160).to_be_bytes());
    packet.extend(source.to_be_bytes());
    packet.extend([0xd5; 160]);
    packet
}

/// A SIP message (RFC 3261) with this first line.
#[must_use]
pub fn sip(first_line: &str) -> Vec<u8> {
    format!("{first_line}\r\nCall-ID: 4711@office\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n")
        .into_bytes()
}

/// An SMB2 NEGOTIATE request header ([MS-SMB2] §2.2.1) in a NetBIOS session message.
#[must_use]
pub fn smb2() -> Vec<u8> {
    let mut message = vec![0, 0, 0, 102, 0xfe, b'S', b'M', b'B', 64, 0];
    message.resize(106, 0);
    message
}
