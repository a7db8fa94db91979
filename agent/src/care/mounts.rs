//! Mounted file systems, from `/proc/self/mounts` (proc_pid_mounts(5)).

use std::fs;
use std::path::Path;

/// File systems that forget everything at the next start.
const VOLATILE: [&str; 3] = ["tmpfs", "ramfs", "rootfs"];

/// One mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Directory on which it is mounted.
    pub at: String,
    /// Type of the file system.
    pub kind: String,
}

impl Mount {
    /// True where everything is gone at the next start of the system.
    #[must_use]
    pub fn is_volatile(&self) -> bool {
        VOLATILE.contains(&self.kind.as_str())
    }
}

/// The mount that `path` lies on; none where /proc cannot be read.
#[must_use]
pub fn of(path: &Path) -> Option<Mount> {
    let path = fs::canonicalize(path).ok()?;
    innermost(&fs::read_to_string("/proc/self/mounts").ok()?, &path)
}

/// The longest mount point above `path`; of two on the same directory the later one, which hides the other.
fn innermost(mounts: &str, path: &Path) -> Option<Mount> {
    let mounts = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        Some(Mount { at: plain(fields.next()?), kind: fields.next()?.to_owned() })
    });
    mounts.filter(|mount| path.starts_with(&mount.at)).max_by_key(|mount| mount.at.len())
}

/// Undoes the escapes of getmntent(3).
fn plain(text: &str) -> String {
    text.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::innermost;

    #[test]
    fn the_innermost_mount_holds_a_path_and_the_later_hides_the_earlier() {
        let mounts = "/dev/root / ext4 ro 0 0\n/dev/sda5 /data ext4 rw 0 0\ntmpfs /var/my\\040data tmpfs rw 0 0\n\
                      /dev/sda5 /var/lib/weir ext4 rw 0 0\nnone /var/lib/weir overlay rw 0 0\n";
        let kind = |path| innermost(mounts, Path::new(path)).unwrap().kind;
        assert_eq!(kind("/etc"), "ext4");
        assert_eq!(kind("/var/lib/weir/ring"), "overlay");
        assert_eq!(kind("/var/my data/x"), "tmpfs");
        assert_eq!(kind("/database"), "ext4", "a name that only begins alike is another directory");
    }
}
