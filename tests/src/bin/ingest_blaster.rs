//! Posts batches at a chosen rate: `ingest_blaster ADDRESS:PORT RATExSECONDS [--connections N] [--records N] [--extras]
//! [--seed N]`, the key in `WEIR_API_KEY`.
//!
//! RATE is in records a second, 0: as fast as it goes. A batch that is refused with 429 comes again when the answer says,
//! and a little later, so that clients do not come back all at once. Meanwhile `/v1/health` is asked 50 times a second. The
//! last line on stdout is what was sent and how long answers took, as JSON.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use weir_tests::blast::Phase;
use weir_tests::clock;
use weir_tests::http;
use weir_tests::ingest::INGEST;
use weir_tests::ingest::stream::Batches;
use weir_tests::random::Random;

const USAGE: &str = "usage: WEIR_API_KEY=… ingest_blaster ADDRESS:PORT RATExSECONDS [--connections N] [--records N] [--extras] [--seed N]";
/// Different batches, sent in turn: made before the first is sent, so that making them takes no time from the agent.
const POOL: usize = 24;
const HEALTH: Duration = Duration::from_millis(20);
/// How long a step of an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// A connection is closed after a thousand requests; one comes before.
const PER_CONNECTION: u32 = 900;

struct Plan {
    to: SocketAddr,
    key: String,
    phase: Phase,
    connections: u64,
    records: u64,
    extras: bool,
    seed: u64,
}

/// What the connections share.
struct Run {
    plan: Plan,
    pool: Vec<Vec<u8>>,
    begun: Instant,
    batches: AtomicU64,
    refused: AtomicU64,
    octets: AtomicU64,
    over: AtomicBool,
}

fn main() {
    let plan = plan(std::env::args().skip(1).collect()).expect(USAGE);
    let mut batches = Batches::new(plan.seed, clock::millis(), plan.extras);
    let pool = (0..POOL).map(|_| batches.next(plan.records)).collect();
    let run = Run::new(plan, pool);
    let (answers, health) = std::thread::scope(|scope| {
        let health = scope.spawn(|| run.health());
        let run = &run;
        let connections: Vec<_> =
            (0..run.plan.connections).map(|at| scope.spawn(move || run.send(at))).collect();
        let answers = connections.into_iter().flat_map(|one| one.join().expect("a connection")).collect();
        run.over.store(true, Ordering::Relaxed);
        (answers, health.join().expect("health"))
    });
    println!("{}", run.told(answers, health));
}

fn plan(mut words: Vec<String>) -> Option<Plan> {
    let extras = words.iter().position(|word| word == "--extras").map(|at| words.remove(at)).is_some();
    let mut number = |name: &str, usual: u64| match words.iter().position(|word| word == name) {
        Some(at) => words.drain(at..at + 2).nth(1)?.parse().ok(),
        None => Some(usual),
    };
    let (connections, records, seed) =
        (number("--connections", 8)?, number("--records", 10_000)?, number("--seed", 1)?);
    let [to, phase] = &words[..] else { return None };
    Some(Plan {
        to: to.parse().ok()?,
        key: std::env::var("WEIR_API_KEY").ok()?,
        phase: Phase::parse(phase)?,
        connections,
        records,
        extras,
        seed,
    })
}

impl Run {
    fn new(plan: Plan, pool: Vec<Vec<u8>>) -> Self {
        let [batches, refused, octets] = [const { AtomicU64::new(0) }; 3];
        Self { plan, pool, begun: Instant::now(), batches, refused, octets, over: AtomicBool::new(false) }
    }

    /// The next batch, and when it is due; none when the time is over.
    fn next(&self) -> Option<(&[u8], Instant)> {
        let at = self.batches.fetch_add(1, Ordering::Relaxed);
        let due = match self.plan.phase.rate {
            0 => self.begun.elapsed(),
            rate => Duration::from_secs_f64((at * self.plan.records) as f64 / rate as f64),
        };
        if due >= Duration::from_secs(self.plan.phase.seconds) {
            return None;
        }
        let body = &self.pool[usize::try_from(at).expect("few") % self.pool.len()];
        Some((body, self.begun + due))
    }

    /// The body of a connection: how long each of its answers took.
    fn send(&self, number: u64) -> Vec<Duration> {
        let mut random = Random::new(self.plan.seed ^ number);
        let mut took = Vec::new();
        let mut connection = None;
        while let Some((body, due)) = self.next() {
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            self.octets.fetch_add(body.len() as u64, Ordering::Relaxed);
            loop {
                let begun = Instant::now();
                let (status, wait) = self.post(&mut connection, body);
                match status {
                    200 => {
                        took.push(begun.elapsed());
                        break;
                    }
                    429 => {
                        self.refused.fetch_add(1, Ordering::Relaxed);
                        std::thread::sleep(wait + Duration::from_millis(random.below(250)));
                    }
                    _ => panic!("answered {status}"),
                }
            }
        }
        took
    }

    /// Posts on a connection that is kept; status, and how long to wait.
    fn post(&self, kept: &mut Option<(BufReader<TcpStream>, u32)>, body: &[u8]) -> (u16, Duration) {
        let (mut reader, used) = match kept.take() {
            Some(connection) => connection,
            None => (self.connect().expect("a connection"), 0),
        };
        let answer = self.exchange(&mut reader, body).expect("an answer");
        if used + 1 < PER_CONNECTION && !answer.closes {
            *kept = Some((reader, used + 1));
        }
        (answer.status, Duration::from_secs(answer.retry_after))
    }

    fn connect(&self) -> io::Result<BufReader<TcpStream>> {
        let stream = TcpStream::connect(self.plan.to)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(BufReader::new(stream))
    }

    fn exchange(&self, reader: &mut BufReader<TcpStream>, body: &[u8]) -> io::Result<Said> {
        let Plan { to, key, .. } = &self.plan;
        let length = body.len();
        let head = format!(
            "POST {INGEST} HTTP/1.1\r\nHost: {to}\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        );
        reader.get_mut().write_all(head.as_bytes())?;
        reader.get_mut().write_all(body)?;
        answer(reader)
    }

    fn health(&self) -> Vec<Duration> {
        let mut took = Vec::new();
        while !self.over.load(Ordering::Relaxed) {
            let begun = Instant::now();
            let answer =
                http::request(self.plan.to, "GET", "/v1/health", None, None).expect("health answers");
            assert_eq!(answer.status, 200, "health");
            took.push(begun.elapsed());
            std::thread::sleep(HEALTH);
        }
        took
    }

    fn told(&self, answers: Vec<Duration>, health: Vec<Duration>) -> Value {
        let seconds = self.begun.elapsed().as_secs_f64();
        let records = answers.len() as u64 * self.plan.records;
        json!({
            "records": records,
            "batches": answers.len(),
            "octets": self.octets.load(Ordering::Relaxed),
            "refused": self.refused.load(Ordering::Relaxed),
            "seconds": seconds,
            "rate": (records as f64 / seconds).round(),
            "answer_ms": percentiles(answers),
            "health_ms": percentiles(health),
        })
    }
}

/// What of an answer matters here.
struct Said {
    status: u16,
    retry_after: u64,
    closes: bool,
}

fn answer(reader: &mut impl BufRead) -> io::Result<Said> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let status = line
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .ok_or_else(|| io::Error::other("no answer"))?;
    let mut said = Said { status, retry_after: 1, closes: false };
    let mut length = 0;
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        let number = value.trim().parse::<u64>();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = number.map_err(io::Error::other)?,
            "retry-after" => said.retry_after = number.map_err(io::Error::other)?,
            "connection" => said.closes = value.trim().eq_ignore_ascii_case("close"),
            _ => {}
        }
    }
    io::copy(&mut reader.take(length), &mut io::sink())?;
    Ok(said)
}

fn percentiles(mut took: Vec<Duration>) -> Value {
    took.sort_unstable();
    let ms = |percent: usize| {
        let at = (took.len() * percent).div_ceil(100).clamp(1, took.len().max(1)) - 1;
        took.get(at).map(|took| (took.as_secs_f64() * 1e5).round() / 100.0)
    };
    json!({"p50": ms(50), "p95": ms(95), "most": ms(100)})
}
