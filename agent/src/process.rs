//! What this process uses: memory and processor time from `/proc`, free space of a file system.
//!
//! From: the kernel. To: metrics, the dashboard, and the store's check for a full disk.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::statvfs::statvfs;

/// Ticks a second in `/proc/<pid>/stat`: `USER_HZ`, 100 on every architecture that Weir is built for.
const TICKS_PER_SECOND: u64 = 100;

/// Resident memory in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// All of it, `VmRSS`.
    pub rss: u64,
    /// What is Weir's own, `RssAnon`.
    pub anon: u64,
    /// Mapped files, the program and the databases, `RssFile`; the kernel can take it back.
    pub file: u64,
    /// Shared memory, `RssShmem`.
    pub shmem: u64,
}

/// A reading of what the process uses.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// When it was read.
    pub at: Instant,
    /// Resident memory.
    pub memory: Memory,
    /// Processor time since the start, of all threads, user and system.
    pub cpu: Duration,
    /// Threads.
    pub threads: u32,
}

impl Usage {
    /// Reads `/proc/self` at the time `at`.
    ///
    /// # Errors
    /// When `/proc` is not mounted or says something else than proc(5).
    pub fn read(at: Instant) -> io::Result<Self> {
        let odd = |file| io::Error::new(io::ErrorKind::InvalidData, format!("{file} is not as proc(5) says"));
        let status = std::fs::read_to_string("/proc/self/status")?;
        let memory = memory(&status).ok_or_else(|| odd("/proc/self/status"))?;
        let stat = std::fs::read_to_string("/proc/self/stat")?;
        let (cpu, threads) = cpu_and_threads(&stat).ok_or_else(|| odd("/proc/self/stat"))?;
        Ok(Self { at, memory, cpu, threads })
    }

    /// Processor time since `earlier` in per cent of one core; 0 when no time has passed.
    #[must_use]
    pub fn cpu_percent_since(&self, earlier: &Self) -> f64 {
        let elapsed = self.at.saturating_duration_since(earlier.at).as_secs_f64();
        let used = self.cpu.saturating_sub(earlier.cpu).as_secs_f64();
        if elapsed > 0.0 { 100.0 * used / elapsed } else { 0.0 }
    }
}

fn memory(status: &str) -> Option<Memory> {
    let rss = bytes_of(status, "VmRSS")?;
    // Kernels before 4.5 do not split it.
    let part = |name| bytes_of(status, name).unwrap_or(0);
    Some(Memory { rss, anon: part("RssAnon"), file: part("RssFile"), shmem: part("RssShmem") })
}

/// The value of the line `name: <count> kB`, in bytes.
fn bytes_of(text: &str, name: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    let kib: u64 = rest.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// Fields 14 (utime), 15 (stime) and 20 (num_threads) of proc_pid_stat(5).
fn cpu_and_threads(stat: &str) -> Option<(Duration, u32)> {
    // The name, field 2, may hold blanks and brackets; field 3 comes after its last bracket.
    let (_, rest) = stat.rsplit_once(')')?;
    let field = |number: usize| rest.split_ascii_whitespace().nth(number - 3);
    let ticks = field(14)?.parse::<u64>().ok()?.checked_add(field(15)?.parse().ok()?)?;
    let millis = ticks.checked_mul(1_000 / TICKS_PER_SECOND)?;
    Some((Duration::from_millis(millis), field(20)?.parse().ok()?))
}

/// Memory of this host in bytes, `MemTotal`.
///
/// # Errors
/// When `/proc` is not mounted or says something else than proc(5).
pub fn host_memory() -> io::Result<u64> {
    let text = std::fs::read_to_string("/proc/meminfo")?;
    let odd = || io::Error::new(io::ErrorKind::InvalidData, "/proc/meminfo is not as proc(5) says");
    bytes_of(&text, "MemTotal").ok_or_else(odd)
}

/// Bytes that this process caused to be written to storage since it started: `write_bytes` of proc_pid_io(5). The kernel
/// counts a page when it becomes dirty, whether it is written once or, changed again later, more often.
///
/// # Errors
/// When `/proc` is not mounted, or the kernel does not count.
pub fn written_bytes() -> io::Result<u64> {
    let text = std::fs::read_to_string("/proc/self/io")?;
    let odd = || io::Error::new(io::ErrorKind::InvalidData, "/proc/self/io is not as proc(5) says");
    let line = text.lines().find_map(|line| line.strip_prefix("write_bytes:"));
    line.and_then(|count| count.trim().parse().ok()).ok_or_else(odd)
}

/// Bytes that Weir may still write to the file system of `directory`.
///
/// # Errors
/// When the directory cannot be reached.
pub fn free_bytes(directory: &Path) -> io::Result<u64> {
    let stat = statvfs(directory)?;
    Ok(wide(stat.blocks_available()).saturating_mul(wide(stat.fragment_size())))
}

/// The counts have the machine's word size.
fn wide(count: impl Into<u64>) -> u64 {
    count.into()
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::{Memory, Usage, cpu_and_threads, free_bytes, host_memory, memory};
    use crate::clock::Clock;

    #[test]
    fn the_kernels_text_is_read() {
        let status = "Name:\tVmRSS: 1 kB\nVmRSS:\t    1234 kB\nRssAnon:\t 1000 kB\nRssFile:\t  200 kB\nRssShmem:\t 34 kB\n";
        let read = Memory { rss: 1_263_616, anon: 1_024_000, file: 204_800, shmem: 34_816 };
        assert_eq!(memory(status), Some(read));
        assert_eq!(memory("Name:\tx\n"), None);
        let stat = "12 (we) ir) S 1 12 12 0 -1 4194304 100 0 0 0 150 50 0 0 20 0 7 0 100 1 1";
        assert_eq!(cpu_and_threads(stat), Some((Duration::from_secs(2), 7)));
        assert_eq!(cpu_and_threads("12 (x) S 1"), None);
        assert_eq!(cpu_and_threads(""), None);
    }

    #[test]
    fn memory_and_work_of_this_process_show() {
        let before = Usage::read(Clock.monotonic()).unwrap();
        let block = std::hint::black_box(vec![1_u8; 32 << 20]);
        let mut sum = 0_u64;
        while Usage::read(Clock.monotonic()).unwrap().cpu < before.cpu + Duration::from_millis(200) {
            sum += block.iter().map(|&b| u64::from(b)).sum::<u64>();
        }
        let after = Usage::read(Clock.monotonic()).unwrap();
        assert!(sum > 0);
        assert!(host_memory().unwrap() > after.memory.rss);
        assert!(after.memory.anon >= before.memory.anon + (24 << 20), "{before:?} {after:?}");
        assert!(after.memory.rss >= after.memory.anon && after.memory.file > 0);
        let percent = after.cpu_percent_since(&before);
        assert!(percent > 1.0 && percent < 6_500.0, "{percent}");
        assert_eq!(before.cpu_percent_since(&before), 0.0);
    }

    #[test]
    fn free_space_is_that_of_the_file_system() {
        let dir = tempfile::tempdir().unwrap();
        let free = free_bytes(dir.path()).unwrap();
        assert!(free > 1 << 20, "{free}");
        assert!(free_bytes(Path::new("/nonexistent")).is_err());
        assert_eq!(free_bytes(Path::new("/proc")).unwrap(), 0);
    }
}
