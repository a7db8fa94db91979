//! What the kernel and the file system tell of the device.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use serde_json::json;
use weir_flow::Timestamp;

use super::{Bundle, Keep, MAX_FILE_BYTES, secrets};
use crate::capture::interface;
use crate::clock::Clock;
use crate::process;
use crate::timesync::TimeSync;

/// Files that are taken as they are, by their name in the bundle.
const FILES: [(&str, &str); 17] = [
    ("proc/cpuinfo", "/proc/cpuinfo"),
    ("proc/loadavg", "/proc/loadavg"),
    ("proc/meminfo", "/proc/meminfo"),
    ("proc/mounts", "/proc/self/mounts"),
    ("proc/net-dev", "/proc/net/dev"),
    ("proc/net-packet", "/proc/net/packet"),
    ("proc/net-route", "/proc/net/route"),
    ("proc/net-ipv6_route", "/proc/net/ipv6_route"),
    // Datagrams that the kernel received and dropped, all sockets together.
    ("proc/net-snmp", "/proc/net/snmp"),
    ("proc/net-sockstat", "/proc/net/sockstat"),
    ("proc/net-softnet_stat", "/proc/net/softnet_stat"),
    ("proc/pressure-io", "/proc/pressure/io"),
    ("proc/pressure-memory", "/proc/pressure/memory"),
    ("proc/stat", "/proc/stat"),
    ("proc/uptime", "/proc/uptime"),
    ("uname", "/proc/version"),
    ("os-release", "/etc/os-release"),
];
/// Settings of the kernel that capture and storage depend on.
const SYSCTLS: [&str; 12] = [
    "kernel/hostname",
    "kernel/panic",
    "net/core/bpf_jit_enable",
    "net/core/netdev_max_backlog",
    "net/core/optmem_max",
    "net/core/rmem_default",
    "net/core/rmem_max",
    "net/core/wmem_max",
    "net/ipv4/ip_forward",
    "vm/dirty_background_ratio",
    "vm/dirty_ratio",
    "vm/overcommit_memory",
];
/// Files of a process that tell what it uses and may.
const PROCESS: [&str; 3] = ["status", "limits", "cgroup"];
/// Octets of a file: the first processors of many are enough.
const MAX_HEAD_BYTES: u64 = 256 << 10;
/// Entries of the data directory: the agent keeps some dozens.
const MAX_ENTRIES: usize = 1_000;
/// Folders below the data directory: the agent's own are one deep.
const MAX_DEPTH: usize = 4;

pub(super) fn collect(bundle: &mut Bundle, data_dir: &Path, clock: Clock) {
    for (name, path) in FILES {
        take(bundle, name, Path::new(path));
    }
    for agent in secrets::agents() {
        let number = agent.file_name().unwrap_or_default().to_string_lossy().into_owned();
        for file in PROCESS {
            take(bundle, &format!("agent-{number}/{file}"), &agent.join(file));
        }
    }
    sysctls(bundle);
    interfaces(bundle);
    space(bundle, data_dir);
    let now = clock.now();
    bundle.json("clock.json", &json!({ "now": now.to_string(), "state": TimeSync::read(now) }));
    let mut listing = String::new();
    let mut left = MAX_ENTRIES;
    match list(data_dir, Path::new(""), MAX_DEPTH, &mut left, &mut listing) {
        Ok(()) => bundle.add("data-directory.txt", &listing, Keep::Head),
        Err(error) => bundle.error("data-directory.txt", &format!("{}: {error}", data_dir.display())),
    }
    if left == 0 {
        bundle.error("data-directory.txt", &format!("only the first {MAX_ENTRIES} entries"));
    }
}

fn take(bundle: &mut Bundle, name: &str, path: &Path) {
    match head(path) {
        Ok(text) => bundle.add(name, &text, Keep::Head),
        Err(error) => bundle.error(name, &format!("{}: {error}", path.display())),
    }
}

/// The beginning of a file.
fn head(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_HEAD_BYTES.min(MAX_FILE_BYTES as u64)).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn sysctls(bundle: &mut Bundle) {
    let mut text = String::new();
    for name in SYSCTLS {
        match fs::read_to_string(Path::new("/proc/sys").join(name)) {
            Ok(value) => {
                let _ = writeln!(text, "{} = {}", name.replace('/', "."), value.trim());
            }
            Err(error) => bundle.error("sysctl.txt", &format!("{name}: {error}")),
        }
    }
    bundle.add("sysctl.txt", &text, Keep::Head);
}

/// Every interface with its addresses and what /sys says of it.
fn interfaces(bundle: &mut Bundle) {
    let attribute = |name: &str, file: &str| {
        let text = fs::read_to_string(format!("/sys/class/net/{name}/{file}"));
        text.ok().map(|text| text.trim().to_owned())
    };
    let all = interface::all().into_iter().map(|one| {
        let addresses = one.addresses.iter().map(|(address, length)| format!("{address}/{length}"));
        json!({
            "name": one.name,
            "up": one.up,
            "addresses": addresses.collect::<Vec<_>>(),
            "mtu": attribute(&one.name, "mtu"),
            "carrier": attribute(&one.name, "carrier"),
            "carrier_changes": attribute(&one.name, "carrier_changes"),
            "speed": attribute(&one.name, "speed"),
            "duplex": attribute(&one.name, "duplex"),
            "type": attribute(&one.name, "type"),
            "flags": attribute(&one.name, "flags"),
        })
    });
    let all: Vec<_> = all.collect();
    bundle.json("interfaces.json", &all);
}

fn space(bundle: &mut Bundle, data_dir: &Path) {
    let mut text = String::new();
    for path in [data_dir, Path::new("/"), Path::new("/tmp"), Path::new("/data")] {
        match process::free_bytes(path) {
            Ok(free) => {
                let _ = writeln!(text, "{}\t{free} octets free", path.display());
            }
            Err(error) => bundle.error("disk-space.txt", &format!("{}: {error}", path.display())),
        }
    }
    bundle.add("disk-space.txt", &text, Keep::Head);
}

/// Names, sizes, modes, owners and times below `dir`; no content.
fn list(dir: &Path, below: &Path, depth: usize, left: &mut usize, out: &mut String) -> io::Result<()> {
    let mut entries: Vec<_> = fs::read_dir(dir.join(below))?.flatten().collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        if *left == 0 {
            break;
        }
        *left -= 1;
        let path = below.join(entry.file_name());
        // It may be gone by now: the agent runs.
        let Ok(meta) = entry.metadata() else { continue };
        let changed = Timestamp::from_millis(meta.mtime().saturating_mul(1_000));
        let _ = writeln!(
            out,
            "{:06o} {}:{} {:>12} {changed} {}",
            meta.permissions().mode(),
            meta.uid(),
            meta.gid(),
            meta.len(),
            crate::log::printable(&path.to_string_lossy())
        );
        if meta.is_dir() && depth > 1 {
            // A folder that may not be read has been listed itself.
            let _ = list(dir, &path, depth - 1, left, out);
        }
    }
    Ok(())
}
