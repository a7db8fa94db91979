use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use flate2::read::GzDecoder;
use serde_json::Value;
use weir_flow::{Batch, FlowRecord, TenantId};
use weir_store::{Config, Control, Undelivered, Writer};
use weir_web::{About, Elastic, Exporter as _, NotExported, Preset, Splunk};

use super::Uplink;
use crate::clock::Clock;
use crate::stop::Stop;

const OK: (u16, &str) = (200, r#"{"text":"Success","code":0}"#);
const BUSY: (u16, &str) = (503, r#"{"text":"Server is busy","code":9}"#);
const FIRST_REFUSED: (u16, &str) = (400, r#"{"text":"Invalid","code":6,"invalid-event-number":0}"#);

/// What a collector says to the first request, the second and so on; the last word holds from then on.
type Words = &'static [(u16, &'static str)];

/// A ring, an uplink on it, and a collector that notes the rows of what it says yes to.
struct Scene {
    uplink: Uplink,
    control: Control,
    tenant: TenantId,
    taken: Arc<Mutex<Vec<u64>>>,
    stop: Stop,
    writer: Writer,
    dir: tempfile::TempDir,
}

impl Scene {
    fn new(words: Words, max_retries: u32) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let writer = Writer::open(dir.path(), &Config::default(), Clock.now()).unwrap();
        let control = Control::open(dir.path()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut splunk = Splunk::new(&format!("http://{}", listener.local_addr().unwrap()), "t").unwrap();
        (splunk.max_retries, splunk.backoff_ms, splunk.batch_size) = (max_retries, 1, 4_000);
        let taken: Arc<Mutex<Vec<u64>>> = Arc::default();
        let notes = Arc::clone(&taken);
        let collect = move || {
            let mut words = words
                .iter()
                .copied()
                .cycle()
                .take(words.len())
                .chain(words.last().copied().into_iter().cycle());
            for stream in listener.incoming() {
                collect(&stream.unwrap(), &mut words, &notes);
            }
        };
        // It ends with the process: its thread waits for a next connection.
        std::thread::Builder::new().spawn(collect).unwrap();
        let (preset, stop) = (Preset { splunk: Some(splunk), elastic: None }, Stop::new());
        let uplink = Uplink::new(dir.path().to_owned(), &About::default(), preset, stop.clone(), Clock);
        Self { uplink, control, tenant: TenantId::default(), taken, stop, writer, dir }
    }

    fn store(&mut self, count: usize) {
        let batch = Batch { records: vec![FlowRecord::default(); count], ..Batch::default() };
        self.writer.commit(&[batch], Clock.now()).unwrap();
    }

    fn taken(&self) -> Vec<u64> {
        std::mem::take(&mut self.taken.lock().unwrap())
    }

    fn cursor(&self) -> u64 {
        self.control.cursor(&self.tenant, super::OUTPUT).unwrap()
    }

    fn letters(&self) -> Vec<(i64, i64)> {
        let db = rusqlite::Connection::open(self.dir.path().join("weir.db")).unwrap();
        let sql = "SELECT first_row, last_row FROM dead_letter ORDER BY first_row";
        let mut letters = db.prepare(sql).unwrap();
        let letters = letters.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        letters.map(Result::unwrap).collect()
    }
}

/// Answers the requests of one connection.
fn collect(
    stream: &TcpStream,
    words: &mut impl Iterator<Item = (u16, &'static str)>,
    taken: &Mutex<Vec<u64>>,
) {
    let mut reader = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head).unwrap_or_default() == 0 {
                return;
            }
        }
        let length = head
            .lines()
            .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
        let mut body = vec![0; length.unwrap()];
        reader.read_exact(&mut body).unwrap();
        let mut text = String::new();
        GzDecoder::new(&body[..]).read_to_string(&mut text).unwrap();
        let (status, said) = words.next().unwrap();
        if status == 200 {
            let events = serde_json::Deserializer::from_str(&text).into_iter::<Value>();
            let row = |event: Value| {
                event["event"]["id"].as_str().unwrap().rsplit_once('-').unwrap().1.parse::<u64>().unwrap()
            };
            taken.lock().unwrap().extend(events.map(|event| row(event.unwrap())));
        }
        let head = format!("HTTP/1.1 {status} Told\r\nContent-Length: {}\r\n\r\n", said.len());
        (&mut &*stream).write_all((head + said).as_bytes()).unwrap();
    }
}

fn rows(rows: std::ops::RangeInclusive<u64>) -> Vec<u64> {
    rows.collect()
}

#[test]
fn one_call_takes_ten_thousand_rows_and_says_what_is_left() {
    let mut scene = Scene::new(&[OK], 0);
    scene.store(10_050);
    let done = scene.uplink.export(&scene.tenant).unwrap();
    assert_eq!((done.sent, done.remaining), (10_000, 50));
    let done = scene.uplink.export(&scene.tenant).unwrap();
    assert_eq!((done.sent, done.remaining), (50, 0));
    assert_eq!(scene.taken(), rows(1..=10_050));
}

#[test]
fn rows_that_were_refused_are_delivered_by_a_replay_and_their_letter_goes() {
    let mut scene = Scene::new(&[FIRST_REFUSED, OK], 0);
    scene.store(10);
    let done = scene.uplink.export(&scene.tenant).unwrap();
    assert_eq!((done.sent, done.failed), (9, 1));
    assert_eq!((scene.taken(), scene.letters(), scene.cursor()), (rows(2..=10), vec![(1, 1)], 10));
    let done = scene.uplink.replay(&scene.tenant, 1..=1).unwrap();
    assert_eq!((done.sent, done.remaining), (1, 0));
    assert_eq!((scene.taken(), scene.letters(), scene.cursor()), (vec![1], vec![], 10));
}

#[test]
fn a_replay_of_what_could_not_be_delivered_keeps_order_and_moves_the_cursor() {
    let mut scene = Scene::new(&[BUSY, BUSY, OK], 1);
    scene.store(10);
    let refused = scene.uplink.export(&scene.tenant).unwrap_err();
    assert!(
        matches!(&refused, NotExported::Failed(failure) if failure.last_status == Some(503)),
        "{refused:?}"
    );
    assert_eq!((scene.letters(), scene.cursor()), (vec![(1, 10)], 0));
    scene.store(5);
    let done = scene.uplink.replay(&scene.tenant, 4..=10).unwrap();
    assert_eq!((done.sent, done.remaining), (10, 5));
    assert_eq!((scene.taken(), scene.letters(), scene.cursor()), (rows(1..=10), vec![], 10));
    scene.uplink.export(&scene.tenant).unwrap();
    assert_eq!(scene.taken(), rows(11..=15));
}

#[test]
fn a_replay_that_fails_again_leaves_its_letter() {
    let mut scene = Scene::new(&[FIRST_REFUSED, OK, BUSY], 0);
    scene.store(3);
    scene.uplink.export(&scene.tenant).unwrap();
    assert!(matches!(scene.uplink.replay(&scene.tenant, 1..=1), Err(NotExported::Failed(_))));
    assert_eq!((scene.letters(), scene.cursor()), (vec![(1, 1)], 3));
}

#[test]
fn rows_that_the_ring_gave_up_are_told_and_the_rest_goes_on() {
    let mut scene = Scene::new(&[OK], 0);
    // As many are a block of their own at once.
    scene.store(2_048);
    scene.store(5);
    let db = rusqlite::Connection::open(scene.dir.path().join("weir.db")).unwrap();
    assert_eq!(db.execute("DELETE FROM block WHERE first_row = 1", []).unwrap(), 1);
    let done = scene.uplink.export(&scene.tenant).unwrap();
    assert_eq!((done.sent, done.trimmed, done.remaining), (5, 2_048, 0));
    assert_eq!((scene.taken(), scene.cursor()), (rows(2_049..=2_053), 2_053));
    scene.store(2_048);
    db.execute("DELETE FROM block", []).unwrap();
    let done = scene.uplink.export(&scene.tenant).unwrap();
    assert_eq!((done.sent, done.trimmed, done.remaining), (0, 2_048, 0));
}

#[test]
fn a_collector_that_refuses_everything_gets_no_more_than_a_hundred_rows_of_dead_letters_a_call() {
    let mut scene = Scene::new(&[FIRST_REFUSED], 0);
    scene.store(150);
    let done = scene.uplink.export(&scene.tenant).unwrap();
    assert_eq!((done.sent, done.failed, done.remaining), (0, 100, 50));
    assert_eq!((scene.letters().len(), scene.cursor()), (100, 100));
}

#[test]
fn a_stop_ends_the_wait_between_two_attempts_and_writes_no_letter() {
    let mut scene = Scene::new(&[BUSY], 10);
    scene.store(1);
    let mut splunk = scene.uplink.preset.splunk.clone().unwrap();
    splunk.backoff_ms = 10_000;
    scene.control.set_output(Splunk::NAME, &splunk.stored(), Clock.now()).unwrap();
    let began = Clock.monotonic();
    std::thread::scope(|scope| {
        let export = scope.spawn(|| scene.uplink.export(&scene.tenant));
        std::thread::sleep(Duration::from_millis(300));
        scene.stop.set();
        assert_eq!(export.join().unwrap(), Err(NotExported::Stopping));
    });
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!((scene.letters(), scene.cursor()), (vec![], 0));
}

#[test]
fn the_secrets_of_stored_outputs_are_known_to_whoever_takes_them_out() {
    let mut scene = Scene::new(&[OK], 0);
    assert!(super::secrets(scene.dir.path()).is_empty());
    let splunk = Splunk::new("http://a", "5fb54bb1").unwrap().stored();
    scene.control.set_output(Splunk::NAME, &splunk, Clock.now()).unwrap();
    let elastic = r#"{"urls":["http://a"],"username":"u","password":"s3cret"}"#;
    scene.control.set_output(Elastic::NAME, elastic, Clock.now()).unwrap();
    assert_eq!(super::secrets(scene.dir.path()), ["5fb54bb1", "s3cret"]);
    assert!(super::secrets(std::path::Path::new("/nowhere")).is_empty());
}

#[test]
fn another_tenants_rows_stay_where_they_are() {
    let mut scene = Scene::new(&[OK], 0);
    scene.store(3);
    let other = TenantId::parse("other").unwrap();
    assert_eq!(scene.uplink.export(&other).unwrap().sent, 0);
    let what = Undelivered { rows: 1..=3, reason: "x".to_owned(), last_status: None, attempts: 1 };
    scene.control.fail(&other, super::OUTPUT, &what, Clock.now()).unwrap();
    scene.uplink.export(&scene.tenant).unwrap();
    assert_eq!(scene.letters(), [(1, 3)], "the letter is the other's");
}
