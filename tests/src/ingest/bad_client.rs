//! Clients that behave badly: slow ones, and ones that hang up.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const STEP: Duration = Duration::from_secs(1);

/// Announces a body of `octets` octets.
///
/// # Errors
/// The agent does not take the connection, or not the head.
pub fn announce(to: SocketAddr, key: &str, octets: usize) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(to)?;
    stream.set_nodelay(true)?;
    let head = format!(
        "POST /v1/ingest HTTP/1.1\r\nHost: {to}\r\nAuthorization: Bearer {key}\r\nContent-Length: {octets}\r\n\r\n"
    );
    stream.write_all(head.as_bytes())?;
    Ok(stream)
}

/// Sends a body of 2 MB at one octet a second, until `enough` or until the agent hangs up; how many octets it took.
pub fn drip(to: SocketAddr, key: &str, enough: &AtomicBool) -> u32 {
    let Ok(mut stream) = announce(to, key, 2_000_000) else { return 0 };
    let _ = stream.set_read_timeout(Some(STEP));
    let mut sent = 0;
    while !enough.load(Ordering::Relaxed) && stream.write_all(b"[").is_ok() {
        sent += 1;
        match stream.read(&mut [0; 512]) {
            Ok(_) => break,
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
            Err(_) => break,
        }
    }
    sent
}

/// Announces all of `body`, sends the first half of it, and hangs up.
pub fn hang_up(to: SocketAddr, key: &str, body: &[u8]) {
    if let Ok(mut stream) = announce(to, key, body.len()) {
        // The agent may hang up first, which is its right.
        let _ = stream.write_all(&body[..body.len() / 2]);
    }
}
