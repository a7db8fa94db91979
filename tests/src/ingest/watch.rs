//! What an agent's memory and page do while a test works on it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::agent::Agent;
use crate::http;

const LOOK: Duration = Duration::from_millis(5);
const ASK: Duration = Duration::from_millis(20);

/// Watches until it is asked what it saw.
#[derive(Debug)]
pub struct Watch {
    enough: Arc<AtomicBool>,
    memory: JoinHandle<u64>,
    health: JoinHandle<Vec<Duration>>,
    before: u64,
}

/// What a [`Watch`] saw.
#[derive(Clone, Debug)]
pub struct Seen {
    /// `RssAnon` when it began, octets.
    pub before: u64,
    /// The most that it came to, octets.
    pub most: u64,
    /// How long `/v1/health` took, shortest first.
    pub health: Vec<Duration>,
}

impl Watch {
    /// Begins.
    #[must_use]
    pub fn begin(agent: &Agent) -> Self {
        let enough = Arc::new(AtomicBool::new(false));
        let (pid, address) = (agent.pid(), agent.address);
        let (first, second) = (Arc::clone(&enough), Arc::clone(&enough));
        Self {
            memory: spawn("memory", move || peak(pid, &first)),
            health: spawn("health", move || latencies(address, &second)),
            enough,
            before: agent.memory("RssAnon"),
        }
    }

    /// Ends.
    ///
    /// # Panics
    /// Where the page did not answer at all.
    #[must_use]
    pub fn end(self) -> Seen {
        self.enough.store(true, Ordering::Relaxed);
        let most = self.memory.join().expect("it looked");
        let mut health = self.health.join().expect("the page answers");
        health.sort_unstable();
        assert!(!health.is_empty(), "nobody was asked");
        Seen { before: self.before, most, health }
    }
}

impl Seen {
    /// How much memory grew, octets.
    #[must_use]
    pub const fn growth(&self) -> u64 {
        self.most.saturating_sub(self.before)
    }

    /// What `/v1/health` took in at most `percent` of a hundred cases.
    #[must_use]
    pub fn health(&self, percent: usize) -> Duration {
        let at = (self.health.len() * percent).div_ceil(100).clamp(1, self.health.len());
        self.health[at - 1]
    }
}

fn spawn<T: Send + 'static>(name: &str, body: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    std::thread::Builder::new().name(name.to_owned()).spawn(body).expect("a thread")
}

fn peak(pid: u32, enough: &AtomicBool) -> u64 {
    let path = format!("/proc/{pid}/status");
    let mut most = 0;
    while !enough.load(Ordering::Relaxed) {
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        most = most.max(kib.unwrap_or_default() * 1_024);
        std::thread::sleep(LOOK);
    }
    most
}

fn latencies(address: SocketAddr, enough: &AtomicBool) -> Vec<Duration> {
    let mut took = Vec::new();
    while !enough.load(Ordering::Relaxed) {
        let begun = Instant::now();
        let answer = http::request(address, "GET", "/v1/health", None, None).expect("health answers");
        took.push(begun.elapsed());
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
        std::thread::sleep(ASK);
    }
    took
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Seen;

    #[test]
    fn percentiles_are_those_of_what_was_seen() {
        let health = (1..=100).map(Duration::from_millis).collect();
        let seen = Seen { before: 5, most: 12, health };
        assert_eq!(
            (seen.health(50).as_millis(), seen.health(95).as_millis(), seen.health(100).as_millis()),
            (50, 95, 100)
        );
        assert_eq!(seen.growth(), 7);
    }
}
