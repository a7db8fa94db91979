//! What it costs to take batches in: CPU nanoseconds of guard and workers for each record, the median of several rounds.
//! Records are dropped where the pipeline would begin.
//!
//!   cargo run --profile ci -p weir-web --example ingest_bench [gzip]

use std::borrow::Cow;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::Builder;
use std::{env, fs, io};

use flate2::Compression;
use flate2::write::GzEncoder;
use weir_flow::{Batch, Timestamp};
use weir_web::{
    Condition, Config, Health, Intake, Keys, Load, LookupAnswer, LookupTarget, Metrics, NoOutputs, NotTaken,
    Parts, Scopes, Sources, Status, Version, bind,
};

/// Records of a batch, as many as one may have.
const RECORDS: usize = 10_000;
/// Batches of a round.
const BATCHES: usize = 30;
const ROUNDS: usize = 7;
const KEY: &str = "bench";

/// Counts what comes and drops it.
#[derive(Default)]
struct Sink(AtomicUsize);

impl Intake for Sink {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_795_219_200_000)
    }

    fn offer(&self, batch: Batch) -> Result<(), NotTaken> {
        self.0.fetch_add(batch.records.len(), Ordering::Relaxed);
        Ok(())
    }

    fn load(&self) -> Load {
        Load::default()
    }
}

/// An agent that has nothing to tell.
struct Quiet;

impl Status for Quiet {
    fn health(&self) -> Health {
        let (service, version) = (Cow::Borrowed("bench"), Cow::Borrowed("v1"));
        Health { status: Condition::Ok, service, version, uptime_seconds: 0, parts: Vec::new() }
    }

    fn version(&self) -> Version {
        Version::default()
    }

    fn metrics(&self) -> Metrics {
        Metrics::default()
    }

    fn sources(&self) -> Sources {
        Sources::default()
    }

    fn lookup(&self, _: &LookupTarget) -> LookupAnswer {
        LookupAnswer::default()
    }
}

fn record(at: usize) -> String {
    format!(
        r#"{{"ts":1795223307.{at:06},"src_ip":"192.168.1.{}","dst_ip":"198.51.100.8","src_port":{},"dst_port":443,"protocol":"tcp","bytes":{},"packets":{},"service":"https","duration":2.5,"app":"web browsing","vrf":7}}"#,
        at % 250,
        50_000 + at % 10_000,
        1_000 + at,
        1 + at % 90,
    )
}

/// Time on a processor, nanoseconds: of the process, or of this thread.
fn cpu(of: &str) -> u64 {
    let told = fs::read_to_string(format!("/proc/{of}/schedstat")).unwrap_or_default();
    told.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0)
}

/// Time of all threads of the process but this one.
fn others() -> u64 {
    let own = fs::read_link("/proc/thread-self").unwrap_or_default();
    let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let others = tasks.filter(|task| Some(task.file_name().as_os_str()) != own.file_name());
    others.map(|task| cpu(&format!("self/task/{}", task.file_name().to_string_lossy()))).sum()
}

fn send(address: SocketAddr, request: &[u8]) -> io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    for _ in 0..BATCHES {
        stream.write_all(request)?;
        // Head and body of the answer come apart; the body is the last object.
        let (mut answer, mut read) = ([0; 4096], 0);
        while !answer[..read].ends_with(b"}") {
            read += stream.read(&mut answer[read..])?;
        }
        if !answer.starts_with(b"HTTP/1.1 200") {
            return Err(io::Error::other(String::from_utf8_lossy(&answer[..read]).into_owned()));
        }
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = tempfile::tempdir()?;
    let mut keys = Keys::new();
    keys.add(KEY, Scopes::ADMIN)?;
    let sink = Arc::new(Sink::default());
    let intake = Arc::clone(&sink) as Arc<dyn Intake>;
    let parts = Parts {
        data_dir: dir.path().to_owned(),
        keys,
        status: Arc::new(Quiet),
        intake,
        exporter: Arc::new(NoOutputs),
    };
    let web = bind(&Config { listen: "127.0.0.1:0".parse()?, ..Config::default() }, parts)?;
    let mut threads = vec![Builder::new().spawn(move || web.guard.run())?];
    for worker in web.workers {
        threads.push(Builder::new().spawn(move || worker.run())?);
    }
    let mut body = format!("[{}]", (0..RECORDS).map(record).collect::<Vec<_>>().join(",\n")).into_bytes();
    let each = body.len() / RECORDS;
    if env::args().nth(1).is_some() {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(&body)?;
        body = encoder.finish()?;
    }
    let head = format!(
        "POST /v1/ingest HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {KEY}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let request = [head.as_bytes(), &body].concat();
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let before = others();
        send(web.address, &request)?;
        rounds.push((others() - before) as usize / (BATCHES * RECORDS));
    }
    rounds.sort_unstable();
    let taken = sink.0.load(Ordering::Relaxed);
    println!("{taken} records of {each} octets; {} ns each, rounds {rounds:?}", rounds[ROUNDS / 2]);
    web.stop.stop();
    for thread in threads {
        thread.join().map_err(|_| "a thread has panicked")??;
    }
    Ok(())
}
