//! A running web side over an agent with fixed answers, and a small client.

use std::io::{Read, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use weir_flow::{Batch, Timestamp};
use weir_web::{
    Condition, Config, Counters, Error, Health, Intake, Keys, Load, LookupAnswer, LookupTarget, Metrics,
    NotTaken, Parts, Scopes, Sources, Status, Stop, Version, Web, bind,
};

pub(crate) const KEY: &str = "ta_test_0123456789";

pub(crate) struct Fixed;

impl Status for Fixed {
    fn health(&self) -> Health {
        Health {
            status: Condition::Ok,
            service: "telemetry-api".into(),
            version: "v1".into(),
            uptime_seconds: 1,
            parts: Vec::new(),
        }
    }

    fn version(&self) -> Version {
        Version::default()
    }

    fn metrics(&self) -> Metrics {
        Metrics::default()
    }

    fn sources(&self) -> Sources {
        crate::sources::sources()
    }

    fn lookup(&self, _: &LookupTarget) -> LookupAnswer {
        LookupAnswer::default()
    }
}

/// Takes everything, and keeps it.
#[derive(Default)]
pub(crate) struct Open {
    pub(crate) batches: Mutex<Vec<Batch>>,
}

impl Intake for Open {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_790_000_000_000)
    }

    fn offer(&self, batch: Batch) -> Result<(), NotTaken> {
        self.batches.lock().unwrap().push(batch);
        Ok(())
    }

    fn load(&self) -> Load {
        Load { records: 0, bound: 10_000 }
    }
}

pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) counters: Arc<Counters>,
    stop: Stop,
    threads: Vec<JoinHandle<Result<(), Error>>>,
    dir: tempfile::TempDir,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (field, value) = line.split_once(": ")?;
            field.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

impl Running {
    pub(crate) fn start() -> Self {
        Self::start_in(tempfile::tempdir().unwrap())
    }

    pub(crate) fn start_in(dir: tempfile::TempDir) -> Self {
        let config = Config {
            listen: "127.0.0.1:0".parse().unwrap(),
            hosts: vec!["Gateway.Branch.Example".to_owned()],
            ..Config::default()
        };
        let mut keys = Keys::new();
        keys.add(KEY, Scopes::ADMIN).unwrap();
        let data_dir = dir.path().to_owned();
        let Web { address, guard, workers, stop, counters } = bind(
            &config,
            Parts {
                data_dir,
                keys,
                status: Arc::new(Fixed),
                intake: Arc::new(Open::default()),
                exporter: Arc::new(weir_web::NoOutputs),
            },
        )
        .unwrap();
        let mut threads = vec![Builder::new().spawn(move || guard.run()).unwrap()];
        threads.extend(workers.into_iter().map(|worker| Builder::new().spawn(move || worker.run()).unwrap()));
        Self { address, counters, stop, threads, dir }
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    /// Sends everything, however the server takes it, and reads one answer.
    pub(crate) fn send_all(&self, request: &[u8]) -> Answer {
        let mut stream = self.connect();
        let _ = stream.write_all(request);
        read_answer(&mut stream)
    }

    pub(crate) fn get(&self, path: &str, key: Option<&str>) -> Answer {
        let key = key.map(|key| format!("Authorization: Bearer {key}\r\n")).unwrap_or_default();
        self.send_all(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{key}\r\n").as_bytes())
    }

    pub(crate) fn assert_serves(&self) {
        assert_eq!(self.get("/v1/health", None).status, 200);
    }

    pub(crate) fn stop_and_join(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.stop.stop();
        for thread in self.threads.drain(..) {
            thread.join().unwrap().unwrap();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

pub(crate) fn read_head(stream: &mut impl Read) -> String {
    let mut head = Vec::new();
    let mut octet = [0];
    while !head.ends_with(b"\r\n\r\n") {
        assert_eq!(stream.read(&mut octet).unwrap(), 1, "closed after {:?}", String::from_utf8_lossy(&head));
        head.push(octet[0]);
    }
    String::from_utf8(head).unwrap()
}

pub(crate) fn read_answer(stream: &mut impl Read) -> Answer {
    let head = read_head(stream);
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let mut answer = Answer { status, head, body: Vec::new() };
    let length = answer.header("content-length").unwrap().parse().unwrap();
    answer.body.resize(length, 0);
    stream.read_exact(&mut answer.body).unwrap();
    answer
}

/// Resident octets of this process.
pub(crate) fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}
