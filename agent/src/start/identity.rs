//! The name that a device gives itself at its first start: random, and the same ever after.

use std::fmt;
use std::fs;
use std::io;
use std::path::Path;

use rustix::io::retry_on_intr;
use rustix::rand::{GetRandomFlags, getrandom};
use tracing::{info, warn};

use super::atomic;

/// Name of the file in the data directory.
pub const ID_FILE: &str = "device.id";
/// Where a file that is no device id is kept.
pub const DAMAGED_ID_FILE: &str = "device.id.damaged";
/// Everyone on the device may know its name.
const MODE: u32 = 0o644;
const BYTES: usize = 16;
/// The file is never longer: the digits and a line's end.
const MAX_FILE: usize = 2 * BYTES + 2;

/// 128 random bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceId([u8; BYTES]);

/// 32 hexadecimal digits, lower case.
impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl DeviceId {
    /// The id in the data directory `dir`; the first start makes one. None where none can be kept, which is told.
    #[must_use]
    pub fn of(dir: &Path) -> Option<Self> {
        let path = dir.join(ID_FILE);
        match atomic::read(&path, MAX_FILE) {
            Ok(text) => Self::parse(&text).or_else(|| Self::replace(dir)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::make(dir),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Self::replace(dir),
            Err(error) => {
                warn!("cannot read the device id in {}: {error}; give its owner's rights", path.display());
                None
            }
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let digits = text.trim_end().as_bytes();
        let mut id = [0; BYTES];
        let fits = digits.len() == 2 * BYTES
            && digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
        for (byte, pair) in id.iter_mut().zip(digits.chunks(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        fits.then_some(Self(id))
    }

    /// Keeps what is no id aside, for whoever wants to know what happened, and makes a new one.
    fn replace(dir: &Path) -> Option<Self> {
        let (from, to) = (dir.join(ID_FILE), dir.join(DAMAGED_ID_FILE));
        if let Err(error) = fs::rename(&from, &to) {
            warn!("{} is no device id and cannot be renamed: {error}; remove it", from.display());
            return None;
        }
        warn!(
            "{} is no device id: it is kept as {}, a new id is made; the centre will see a new device",
            from.display(),
            to.display()
        );
        Self::make(dir)
    }

    fn make(dir: &Path) -> Option<Self> {
        let mut random = [0; BYTES];
        // Waits, early in the first boot, until the kernel has collected enough: devices of one image must differ.
        let made = retry_on_intr(|| getrandom(&mut random, GetRandomFlags::empty())).map_err(io::Error::from);
        let id = Self(random);
        match made.and_then(|_| atomic::write(dir, ID_FILE, MODE, format!("{id}\n").as_bytes())) {
            Ok(()) => {
                info!(device_id = %id, "made an id for this device");
                Some(id)
            }
            Err(error) => {
                warn!(
                    "no device id can be kept in {}: {error}; free space or give a data directory that can be written",
                    dir.display()
                );
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::{DAMAGED_ID_FILE, DeviceId, ID_FILE};

    #[test]
    fn the_first_start_makes_an_id_that_stays() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let first = DeviceId::of(one.path()).unwrap();
        assert_eq!(DeviceId::of(one.path()), Some(first));
        assert_ne!(DeviceId::of(other.path()), Some(first));
        let text = fs::read_to_string(one.path().join(ID_FILE)).unwrap();
        assert_eq!((text.len(), text.trim_end()), (33, first.to_string().as_str()));
        let mode = fs::metadata(one.path().join(ID_FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o644);
    }

    #[test]
    fn what_is_no_id_is_kept_aside() {
        let long = "0".repeat(4_000);
        for damaged in
            [&b""[..], b"\xff\xfe", b"0123", b"0123456789ABCDEF0123456789ABCDEF\n", long.as_bytes()]
        {
            let dir = tempfile::tempdir().unwrap();
            fs::write(dir.path().join(ID_FILE), damaged).unwrap();
            let made = DeviceId::of(dir.path()).unwrap();
            assert_eq!(DeviceId::of(dir.path()), Some(made));
            assert_eq!(fs::read(dir.path().join(DAMAGED_ID_FILE)).unwrap(), damaged);
        }
    }

    #[test]
    fn a_directory_that_takes_nothing_gives_no_id() {
        assert_eq!(DeviceId::of(std::path::Path::new("/proc/self/none")), None);
    }
}
