//! Whether exports can be received: the ports, and the limit of receive buffers.

use std::fs;
use std::net::SocketAddr;

use serde_json::Value;

use super::{Check, State, Subject};
use crate::care::client;
use crate::collect::socket::{Error, Socket};

/// The longest receive buffer that the kernel grants without a special right.
const LIMIT_FILE: &str = "/proc/sys/net/core/rmem_max";

pub(super) fn checks(subject: &Subject<'_>) -> Vec<Check> {
    let config = &subject.config.collect;
    if !config.enabled {
        return vec![Check::skipped("exports", "collect.enabled is false")];
    }
    let wanted = config.receive_buffer_bytes.octets();
    let mut checks: Vec<_> = config
        .listen
        .addresses()
        .map(|address| match Socket::open(address, wanted) {
            Ok(_) => Check::ok(title(address), "the port is free"),
            Err(error @ Error::Taken(_)) => taken(address, &error, subject),
            Err(error) => failed(address, &error),
        })
        .collect();
    if checks.is_empty() {
        let action = "name an address and port in collect.listen, or set collect.enabled = false";
        checks.push(Check::warn("exports", "collect.listen is empty: none are received", action));
    }
    checks.push(receive_buffers(wanted));
    checks
}

fn title(address: SocketAddr) -> String {
    format!("exports {address}")
}

fn failed(address: SocketAddr, error: &Error) -> Check {
    Check::failed(
        title(address),
        error.to_string(),
        "correct collect.listen; `ip address` lists this host's addresses",
    )
}

/// A port that is in use is as it should be when the agent has it.
fn taken(address: SocketAddr, error: &Error, subject: &Subject<'_>) -> Check {
    let health = client::get(subject.listen, "/v1/health", None, subject.clock)
        .and_then(|answer| answer.json())
        .unwrap_or_default();
    if agent_has(&health, address) {
        return Check::ok(title(address), "the running agent has the port");
    }
    let action = "`ss -lunp` tells which program has it: stop that, or choose another port in collect.listen";
    Check::new(title(address), State::Failed, error.to_string(), Some(action))
}

/// True unless the agent that answered `health` lacks the listener; its part names only the first that it lacks.
fn agent_has(health: &Value, address: SocketAddr) -> bool {
    let parts = health["parts"].as_array();
    let part = parts.and_then(|parts| parts.iter().find(|part| part["name"] == "collect"));
    part.is_some_and(|part| match part["status"].as_str() {
        Some("ok") => true,
        Some("degraded") => !part["detail"].as_str().is_some_and(|told| told.contains(&address.to_string())),
        _ => false,
    })
}

fn receive_buffers(wanted: usize) -> Check {
    let name = "kernel limits";
    let Ok(text) = fs::read_to_string(LIMIT_FILE) else {
        return Check::skipped(name, "net.core.rmem_max cannot be read in this network namespace");
    };
    match text.trim().parse::<usize>() {
        Ok(most) if most >= wanted => Check::ok(name, format!("net.core.rmem_max {most}")),
        Ok(most) => {
            let detail = format!(
                "net.core.rmem_max is {most}, collect.receive_buffer_bytes {wanted}: bursts of flow exports will be lost"
            );
            Check::warn(name, detail, &format!("sysctl -w net.core.rmem_max={wanted}"))
        }
        Err(_) => Check::warn(name, format!("net.core.rmem_max is {:?}", text.trim()), "mount /proc"),
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use serde_json::json;

    use super::{agent_has, receive_buffers};
    use crate::care::selftest::State;

    #[test]
    fn an_agent_has_a_port_unless_it_says_otherwise() {
        let address: SocketAddr = "127.0.0.1:2055".parse().unwrap();
        let has = |part| agent_has(&json!({ "parts": [{"name": "store", "status": "ok"}, part] }), address);
        assert!(has(json!({"name": "collect", "status": "ok"})));
        assert!(has(json!({"name": "collect", "status": "degraded", "detail": "127.0.0.1:6343: taken"})));
        assert!(!has(json!({"name": "collect", "status": "degraded", "detail": "on 127.0.0.1:2055: taken"})));
        assert!(!has(json!({"name": "collect", "status": "failed"})));
        assert!(!has(json!({"name": "collect", "status": "off"})));
        assert!(!agent_has(&json!(null), address));
    }

    #[test]
    fn a_limit_below_the_wanted_buffer_is_told_with_its_remedy() {
        assert_eq!(receive_buffers(1).state, State::Ok);
        let check = receive_buffers(usize::MAX);
        assert_eq!(check.state, State::Warn);
        assert!(check.action.unwrap().contains(&format!("rmem_max={}", usize::MAX)));
    }
}
