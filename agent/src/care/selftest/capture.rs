//! Interfaces, the right to capture, and whether anything comes in.

use std::fs;
use std::time::Duration;

use super::{Check, Subject};
use crate::capture::interface;
use crate::capture::live::{self, FrameSource, Live, Settings};
use crate::clock::Clock;

/// A ring for a moment: large enough for a burst, small enough for any device.
const RING_BYTES: u32 = 1 << 20;
/// Waiting for frames of one interface ends after this long, so that all are read in turn.
const POLL: Duration = Duration::from_millis(20);
/// RFC 791 §3.1: hosts need not take longer datagrams, so a network of less is no network for people.
const LEAST_MTU: u32 = 576;

pub(super) fn checks(subject: &Subject<'_>) -> Vec<Check> {
    let config = &subject.config.capture;
    if !config.enabled {
        return vec![Check::skipped("interfaces", "capture.enabled is false")];
    }
    let mut names = config.interfaces.clone();
    if names.is_empty() {
        names.extend(interface::default_route());
    }
    if names.is_empty() {
        let action = "name the mirror port in capture.interfaces";
        return vec![Check::failed("interfaces", "none is named, and there is no default route", action)];
    }
    let settings = Settings {
        ring_bytes: RING_BYTES,
        snaplen: config.snaplen.octets().min(live::DEFAULT_SNAPLEN),
        promiscuous: config.promiscuous,
        ..Settings::default()
    };
    let mut checks: Vec<_> = names.iter().map(|name| port(name)).collect();
    let mut open = Vec::new();
    for name in &names {
        match ring(name, &settings, subject.clock) {
            (check, Some(live)) => {
                checks.push(check);
                open.push((name.as_str(), live, 0));
            }
            (check, None) => checks.push(check),
        }
    }
    checks.extend(packets(open, subject));
    checks
}

/// An attribute in /sys/class/net.
fn attribute(name: &str, attribute: &str) -> Option<String> {
    let text = fs::read_to_string(format!("/sys/class/net/{name}/{attribute}")).ok()?;
    Some(text.trim().to_owned())
}

/// Whether the interface exists, is up, has a carrier, and has frames that Weir reads.
fn port(name: &str) -> Check {
    let title = format!("interface {name}");
    let found = match interface::find(name) {
        Ok(found) => found,
        Err(error) => {
            return Check::failed(
                title,
                error.to_string(),
                "plug the adapter in, or correct capture.interfaces",
            );
        }
    };
    if let Err(error) = interface::link_type(name) {
        return Check::failed(title, error.to_string(), "name an Ethernet port in capture.interfaces");
    }
    if !found.up {
        return Check::failed(title, "it is down", &format!("ip link set {name} up"));
    }
    let mtu = attribute(name, "mtu").and_then(|mtu| mtu.parse::<u32>().ok());
    // The file cannot be read where there is no notion of a carrier.
    if attribute(name, "carrier").as_deref() == Some("0") {
        return Check::warn(
            title,
            "it is up but has no carrier",
            "check the cable and the port of the switch",
        );
    }
    let Some(mtu) = mtu else {
        return Check::warn(title, "its MTU cannot be read", "mount /sys");
    };
    if mtu < LEAST_MTU {
        let action = format!("ip link set {name} mtu 1500");
        return Check::warn(title, format!("MTU {mtu}: longer frames are lost"), &action);
    }
    Check::ok(title, format!("up, MTU {mtu}"))
}

/// Opens the ring as the agent does, which also shows the right to.
fn ring(name: &str, settings: &Settings, clock: Clock) -> (Check, Option<Live>) {
    let title = format!("capture {name}");
    match live::open(name, settings, move || clock.now()) {
        Ok(live) => {
            let check = match live.fallback_reason() {
                Some(reason) => Check::warn(
                    title,
                    reason,
                    "use a kernel with CONFIG_PACKET and TPACKET_V3 (3.2 or newer)",
                ),
                None => Check::ok(title, format!("a {} ring can be opened", live.describe())),
            };
            (check, Some(live))
        }
        Err(error) => {
            let action = "run as the agent does: `systemctl start weir`, or as root, or with CAP_NET_RAW";
            (Check::failed(title, error.to_string(), action), None)
        }
    }
}

/// Counts frames on all interfaces for as long as was asked for.
fn packets(mut open: Vec<(&str, Live, u64)>, subject: &Subject<'_>) -> Vec<Check> {
    let title = |name: &str| format!("packets {name}");
    if subject.wait.is_zero() {
        let not_counted = "not counted; `--wait 10` counts them for ten seconds";
        return open.iter().map(|(name, ..)| Check::skipped(title(name), not_counted)).collect();
    }
    let end = subject.clock.monotonic() + subject.wait;
    while subject.clock.monotonic() < end && !open.is_empty() {
        open.iter_mut().for_each(count);
    }
    let seconds = subject.wait.as_secs();
    open.into_iter()
        .map(|(name, _, frames)| match frames {
            0 => Check::warn(
                title(name),
                format!("none in {seconds} s"),
                "check that the switch mirrors its uplink to this port",
            ),
            frames => Check::ok(title(name), format!("{frames} in {seconds} s")),
        })
        .collect()
}

fn count((_, live, frames): &mut (&str, Live, u64)) {
    match live.poll(POLL, &mut |_| ()) {
        Ok(polled) => *frames += u64::from(polled.frames),
        // An interface that is down or gone has no frames: it says so at once, and is asked again a little later.
        Err(_) => std::thread::sleep(POLL),
    }
}

#[cfg(test)]
mod tests {
    use super::port;
    use crate::care::selftest::State;

    #[test]
    fn an_interface_that_is_not_there_fails_with_those_that_are() {
        let check = port("no-such-port");
        assert_eq!(check.state, State::Failed);
        assert!(check.detail.contains("lo"), "{}", check.detail);
        assert!(check.action.unwrap().contains("capture.interfaces"));
    }

    #[test]
    fn loopback_passes() {
        assert_eq!(port("lo").state, State::Ok);
    }
}
