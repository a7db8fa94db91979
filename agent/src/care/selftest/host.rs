//! The clock and the memory.

use std::fs;
use std::path::Path;

use weir_flow::Timestamp;

use super::{Check, mib};
use crate::timesync::TimeSync;

/// What the whole agent may take (see "Bounds" in ARCHITECTURE.md).
const AGENT_BYTES: u64 = 256 << 20;

pub(super) fn clock(now: Timestamp) -> Check {
    match TimeSync::read(now) {
        sync @ TimeSync::Unset => {
            let action =
                "let systemd-timesyncd or another time service reach its server, or `date -s` the time";
            let trouble = sync.trouble(now);
            Check::failed("clock", trouble.split(". ").next().unwrap_or_default(), action)
        }
        TimeSync::Unconfirmed => {
            let action = "let systemd-timesyncd reach its server: `timedatectl timesync-status`";
            Check::warn("clock", format!("{now}, no time server has confirmed it within a day"), action)
        }
        TimeSync::FreeRunning => {
            let action =
                "enable systemd-timesyncd: `timedatectl set-ntp true`; other services leave no mark to see";
            Check::warn("clock", format!("{now}, no time server has confirmed it"), action)
        }
        TimeSync::Synchronised => Check::ok("clock", format!("{now}, confirmed by a time server")),
    }
}

pub(super) fn memory() -> Check {
    let action = "stop other services, or lower flow.max_flows and capture.ring_bytes";
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let Some(available) = available(&meminfo) else {
        return Check::warn("memory", "/proc/meminfo does not tell what is available", "mount /proc");
    };
    if let Some(limit) = cgroup_limit().filter(|limit| *limit < AGENT_BYTES) {
        let detail =
            format!("the control group allows {}, the agent takes up to {}", mib(limit), mib(AGENT_BYTES));
        return Check::warn("memory", detail, "raise MemoryMax= of the unit or the container's limit");
    }
    let detail = format!("{} available", mib(available));
    if available < AGENT_BYTES {
        return Check::warn(
            "memory",
            format!("{detail}, the agent takes up to {}", mib(AGENT_BYTES)),
            action,
        );
    }
    Check::ok("memory", detail)
}

fn available(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1_024)
}

/// The least `memory.max` of this process's control group and those above it (cgroups(7), version 2).
fn cgroup_limit() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let own = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let limit = |group: &Path| {
        let text = fs::read_to_string(Path::new("/sys/fs/cgroup").join(group).join("memory.max")).ok()?;
        text.trim().parse::<u64>().ok()
    };
    Path::new(own).ancestors().filter_map(limit).min()
}

#[cfg(test)]
mod tests {
    use weir_flow::Timestamp;

    use super::{available, clock};
    use crate::care::selftest::State;

    #[test]
    fn a_clock_in_1970_fails_with_its_date() {
        let check = clock(Timestamp::from_millis(60_000));
        assert_eq!(check.state, State::Failed);
        assert!(check.detail.contains("1970-01-01"), "{}", check.detail);
    }

    #[test]
    fn what_is_available_is_read_in_bytes() {
        assert_eq!(available("MemTotal: 9 kB\nMemAvailable:   2048 kB\n"), Some(2 << 20));
        assert_eq!(available("MemTotal: 9 kB\n"), None);
    }
}
