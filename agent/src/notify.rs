//! Tells the service manager how Weir is: the protocol of `sd_notify(3)`, without the library.
//!
//! From: `main`. To: the datagram socket that `NOTIFY_SOCKET` names; nowhere when Weir is not a service.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// Longest status in characters; the manager shows one line, and a status line with its trouble fits.
const MAX_STATUS: usize = 500;

/// The service manager, if there is one.
#[derive(Debug, Default)]
pub struct Notifier(Option<(UnixDatagram, SocketAddr)>);

impl Notifier {
    /// To the socket named by `notify_socket`, the value of `NOTIFY_SOCKET`: a path, or `@` and an abstract name.
    ///
    /// # Errors
    /// When the name is neither, or no socket can be made.
    pub fn new(notify_socket: Option<&OsStr>) -> io::Result<Self> {
        let Some(name) = notify_socket.filter(|name| !name.is_empty()) else { return Ok(Self(None)) };
        let address = match name.as_bytes() {
            [b'@', abstract_name @ ..] => SocketAddr::from_abstract_name(abstract_name)?,
            [b'/', ..] => SocketAddr::from_pathname(name)?,
            _ => {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    "NOTIFY_SOCKET is neither a path nor @name",
                ));
            }
        };
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        Ok(Self(Some((socket, address))))
    }

    /// Everything is started.
    pub fn ready(&self) {
        self.send("READY=1");
    }

    /// The stop has begun.
    pub fn stopping(&self) {
        self.send("STOPPING=1");
    }

    /// The configuration is read again; [`Self::ready`] ends it.
    pub fn reloading(&self) {
        let Ok(now) = clock_gettime(ClockId::CLOCK_MONOTONIC) else { return };
        let micros = Duration::from(now).as_micros();
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={micros}"));
    }

    /// Still alive.
    pub fn watchdog(&self) {
        self.send("WATCHDOG=1");
    }

    /// What Weir does, in a few words.
    pub fn status(&self, text: &str) {
        let line: String =
            text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_STATUS).collect();
        self.send(&format!("STATUS={line}"));
    }

    fn send(&self, message: &str) {
        if let Some((socket, address)) = &self.0 {
            // The manager is gone or busy; there is no one else to tell, and capture must not wait.
            drop(socket.send_to_addr(message.as_bytes(), address));
        }
    }
}

/// How often to call [`Notifier::watchdog`]: half of `WATCHDOG_USEC`, if it is set and meant for process `pid`.
#[must_use]
pub fn watchdog_interval(
    watchdog_usec: Option<&str>,
    watchdog_pid: Option<&str>,
    pid: u32,
) -> Option<Duration> {
    if watchdog_pid.is_some_and(|text| text.parse() != Ok(pid)) {
        return None;
    }
    let micros: u64 = watchdog_usec?.parse().ok()?;
    (micros > 1).then(|| Duration::from_micros(micros / 2))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr, UnixDatagram};
    use std::time::Duration;

    use super::{Notifier, watchdog_interval};

    fn received(manager: &UnixDatagram) -> String {
        let mut buffer = [0; 512];
        manager.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let len = manager.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..len].to_vec()).unwrap()
    }

    #[test]
    fn a_manager_at_a_path_hears_every_state() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        let notifier = Notifier::new(Some(path.as_os_str())).unwrap();
        notifier.ready();
        assert_eq!(received(&manager), "READY=1");
        notifier.status("12 flows\nREADY=1");
        assert_eq!(received(&manager), "STATUS=12 flows READY=1");
        notifier.watchdog();
        assert_eq!(received(&manager), "WATCHDOG=1");
        notifier.stopping();
        assert_eq!(received(&manager), "STOPPING=1");
    }

    #[test]
    fn a_reload_carries_the_monotonic_time() {
        let name = format!("weir-notify-test-{}", std::process::id());
        let manager = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        let notifier = Notifier::new(Some(OsStr::new(&format!("@{name}")))).unwrap();
        notifier.reloading();
        let first = received(&manager);
        notifier.reloading();
        let second = received(&manager);
        let micros = |text: &str| -> u64 {
            text.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").expect(text).parse().unwrap()
        };
        assert!(micros(&first) > 0 && micros(&first) <= micros(&second));
    }

    #[test]
    fn without_a_manager_nothing_happens() {
        for name in [None, Some(OsStr::new("")), Some(OsStr::new("/nonexistent/socket"))] {
            Notifier::new(name).unwrap().ready();
        }
        assert!(Notifier::new(Some(OsStr::new("relative"))).is_err());
    }

    #[test]
    fn a_manager_that_does_not_read_does_not_hold_weir_up() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let _manager = UnixDatagram::bind(&path).unwrap();
        let notifier = Notifier::new(Some(path.as_os_str())).unwrap();
        for _ in 0..10_000 {
            notifier.watchdog();
        }
    }

    #[test]
    fn the_watchdog_is_fed_twice_as_often_as_it_asks() {
        let half = Some(Duration::from_secs(15));
        assert_eq!(watchdog_interval(Some("30000000"), None, 7), half);
        assert_eq!(watchdog_interval(Some("30000000"), Some("7"), 7), half);
        assert_eq!(watchdog_interval(Some("30000000"), Some("8"), 7), None);
        assert_eq!(watchdog_interval(None, Some("7"), 7), None);
        assert_eq!(watchdog_interval(Some("soon"), None, 7), None);
        assert_eq!(watchdog_interval(Some("0"), None, 7), None);
    }
}
