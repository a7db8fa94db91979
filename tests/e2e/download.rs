//! A day of records as a file of any size: whole, as it was posted, in little memory, however its reader behaves.

use std::io::{BufRead, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use flate2::read::MultiGzDecoder;
use serde_json::Value;
use weir_tests::agent::Agent;
use weir_tests::download::{Download, ask};
use weir_tests::http::Answer;
use weir_tests::ingest::record::{START_MS, flows, number_of};
use weir_tests::ingest::watch::Watch;
use weir_tests::ingest::{INGEST, Request, agent, assert_accepted, assert_refused, retry_after, wait_rows};
use weir_tests::meter::number;

const RECORDS: u64 = 300_000;
const BATCH: u64 = 10_000;
/// The day on which the flows of [`flows`] begin.
const DAY: &str = "/v1/download?date=2026-09-21";
/// What a download may take beside what the agent has.
const MEMORY: u64 = 32 << 20;
const SOON: Duration = Duration::from_secs(10);

/// An agent with flows, in the order of their numbers.
fn filled(records: u64) -> Agent {
    let agent = agent("");
    let key = agent.key();
    for begin in (0..records).step_by(BATCH as usize) {
        let end = records.min(begin + BATCH);
        let (answer, _) =
            Request::post(INGEST, flows(begin..end).to_string()).send_until_taken(agent.address, &key);
        assert_accepted(&answer, end - begin);
    }
    agent.wait_for("all rows", Duration::from_secs(120), |agent| {
        agent.metrics()["store"]["rows"].as_u64() >= Some(records)
    });
    wait_rows(&agent, records);
    agent
}

fn begin(agent: &Agent, path: &str, more: &str) -> Download {
    Download::begin(agent.address, &agent.key(), path, more)
}

/// Numbers of the flows in lines of JSON, in their order.
fn numbers(lines: impl BufRead) -> Vec<u64> {
    let row = |line: String| serde_json::from_str::<Value>(&line).unwrap_or_else(|e| panic!("{e}: {line}"));
    lines.lines().map(|line| number_of(&row(line.expect("a whole body")))).collect()
}

/// Checks lines of CSV against what was posted; how many there are.
fn assert_is_csv(lines: impl BufRead) -> u64 {
    let mut lines = lines.lines().map(|line| line.expect("a whole body"));
    let header = lines.next().expect("a header");
    let columns: Vec<_> = header.split(',').collect();
    let of = |line: &str, name: &str| {
        let at = columns.iter().position(|column| *column == name).expect(name);
        line.split(',').nth(at).expect("as many as there are names").to_owned()
    };
    let mut count = 0;
    for (line, at) in lines.zip(0_u64..) {
        let [.., a, b] = at.to_be_bytes();
        assert!(of(&line, "id").ends_with(&format!("-{}", at + 1)), "{line}");
        assert_eq!(of(&line, "src_ip"), format!("10.1.{a}.{b}"), "{line}");
        assert_eq!(of(&line, "src_port"), (40_000 + at % 20_000).to_string(), "{line}");
        assert_eq!(of(&line, "dst_ip"), "198.51.100.7", "{line}");
        assert_eq!(of(&line, "bytes_out"), (1_200 + at % 7).to_string(), "{line}");
        assert!(of(&line, "ts").starts_with("2026-09-21T14:13:2"), "{line}");
        count += 1;
    }
    count
}

fn downloads(agent: &Agent, name: &str) -> u64 {
    number(&agent.metrics()["downloads"], name)
}

/// Waits until nobody downloads.
fn wait_idle(agent: &Agent) {
    agent.wait_for("the end of the download", SOON, |agent| downloads(agent, "active") == 0);
}

#[test]
fn three_hundred_thousand_records_come_back_as_they_were_posted_in_little_memory() {
    let agent = filled(RECORDS);
    let watch = Watch::begin(&agent);
    for coding in ["identity", "gzip", "zstd"] {
        let begun = Instant::now();
        let answer = begin(&agent, DAY, &format!("Accept-Encoding: {coding}\r\n"));
        assert_eq!(answer.status, 200, "{}", answer.head);
        assert_eq!(answer.field("content-encoding").unwrap_or("identity"), coding);
        assert_eq!(answer.field("vary"), Some("accept-encoding"));
        assert_eq!(answer.field("content-type"), Some("application/x-ndjson"));
        let name = "attachment; filename=events-2026-09-21.ndjson";
        assert_eq!(answer.field("content-disposition"), Some(name));
        assert!(numbers(answer.lines()).into_iter().eq(0..RECORDS), "{coding}: not what was posted");
        println!("{coding}: {RECORDS} records in {:.1} s", begun.elapsed().as_secs_f64());
        wait_idle(&agent);
    }
    let answer = begin(&agent, &format!("{DAY}&format=csv"), "Accept-Encoding: zstd;q=0.5, gzip\r\n");
    assert_eq!(answer.field("content-encoding"), Some("gzip"));
    assert!(answer.field("content-type").is_some_and(|kind| kind.starts_with("text/csv")));
    assert_eq!(assert_is_csv(answer.lines()), RECORDS);
    wait_idle(&agent);
    let seen = watch.end();
    println!("RssAnon {} KiB, at most {} KiB more", seen.before >> 10, seen.growth() >> 10);
    assert!(seen.growth() < MEMORY, "{} octets more", seen.growth());
    assert_eq!((downloads(&agent, "started"), downloads(&agent, "completed")), (4, 4));
    assert_eq!(downloads(&agent, "records"), 4 * RECORDS);
}

#[test]
fn a_file_can_be_packed_itself_and_is_then_named_so() {
    let agent = filled(1_000);
    let mut answer = begin(&agent, &format!("{DAY}&format=ndjson.gz"), "Accept-Encoding: zstd\r\n");
    assert_eq!(answer.field("content-encoding"), None);
    assert_eq!(answer.field("content-type"), Some("application/gzip"));
    let name = "attachment; filename=events-2026-09-21.ndjson.gz";
    assert_eq!(answer.field("content-disposition"), Some(name));
    let mut file = Vec::new();
    answer.read_to_end(&mut file).expect("a whole body");
    assert!(numbers(std::io::BufReader::new(MultiGzDecoder::new(&file[..]))).into_iter().eq(0..1_000));
    wait_idle(&agent);
    let mut answer = begin(&agent, &format!("{DAY}&format=csv.zst"), "");
    assert_eq!(answer.field("content-type"), Some("application/zstd"));
    let mut file = Vec::new();
    answer.read_to_end(&mut file).expect("a whole body");
    let lines = std::io::BufReader::new(zstd::stream::read::Decoder::new(&file[..]).expect("memory"));
    assert_eq!(assert_is_csv(lines), 1_000);
}

#[test]
fn a_range_and_conditions_choose_what_is_in_the_file() {
    let agent = filled(3_000);
    let (from, to) = (START_MS + 100, START_MS + 200);
    let range = format!("/v1/download?from={from}&to={to}");
    let answer = begin(&agent, &range, "");
    let name = "attachment; filename=events-20260921t141320.100z-20260921t141320.200z.ndjson";
    assert_eq!(answer.field("content-disposition"), Some(name));
    let found = numbers(answer.lines());
    assert_eq!(found.len(), 300);
    assert!(found.is_sorted() && found.iter().all(|number| (100..200).contains(&(number % 1_000))));
    wait_idle(&agent);
    let answer = begin(&agent, &format!("{range}&src_ip=10.1.4.0/24"), "");
    assert!(numbers(answer.lines()).into_iter().eq(1_100..1_200));
}

#[test]
fn a_day_without_records_and_bad_parameters_are_told_apart() {
    let agent = filled(10);
    let get = |query: &str| Request::new("GET", &format!("/v1/download?{query}"), "").send(&agent);
    assert_refused(&get("date=2001-01-01"), 404, "no_data");
    assert_refused(&get("date=2026-09-21&src_ip=192.0.2.99"), 404, "no_data");
    for bad in
        ["date=yesterday", "date=2026-02-30", "date=2026-09-21&to=1", "format=xml", "form=csv", "from=x"]
    {
        assert_refused(&get(bad), 422, "validation_failed");
    }
    let picky = Request::new("GET", DAY, "").with("Accept-Encoding", "identity;q=0, br");
    assert_refused(&picky.send(&agent), 406, "not_acceptable");
    assert_eq!(downloads(&agent, "started"), 0);
}

#[test]
fn head_tells_what_a_download_would_be() {
    let agent = filled(10);
    let head: Answer = Request::new("HEAD", DAY, "").with("Accept-Encoding", "gzip").send(&agent);
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert!(head.head.contains("content-encoding: gzip"), "{}", head.head);
    assert!(head.head.contains("filename=events-2026-09-21.ndjson"), "{}", head.head);
    let none = Request::new("HEAD", "/v1/download?date=2001-01-01", "").send(&agent);
    assert_eq!((none.status, none.body.len()), (404, 0));
    wait_idle(&agent);
}

#[test]
fn a_client_of_http_1_0_reads_to_the_end_of_the_connection() {
    let agent = filled(5_000);
    let mut stream = ask(agent.address, &agent.key(), &format!("GET {DAY} HTTP/1.0"), "");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("an orderly end");
    let (head, body) = text.split_once("\r\n\r\n").expect("a head");
    let head = head.to_ascii_lowercase();
    assert!(head.contains("connection: close") && !head.contains("transfer-encoding"), "{head}");
    assert!(numbers(body.as_bytes()).into_iter().eq(0..5_000));
}

#[test]
fn a_connection_serves_on_after_a_download() {
    let agent = filled(10);
    let mut answer = begin(&agent, DAY, "");
    let mut body = Vec::new();
    answer.read_to_end(&mut body).expect("a whole body");
    assert_eq!(answer.field("connection"), Some("keep-alive"));
    let mut stream = ask(agent.address, &agent.key(), &format!("GET {DAY} HTTP/1.1"), "");
    let again = format!("GET /v1/health HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", agent.address);
    stream.write_all(again.as_bytes()).expect("it is open");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("two answers");
    assert_eq!(text.matches("HTTP/1.1 200").count(), 2, "{text}");
    assert!(text.contains("\r\n0\r\n\r\nHTTP/1.1 200"), "{text}");
}

#[test]
fn a_second_download_of_one_client_waits_for_the_first_and_a_slow_reader_gets_all_in_little_memory() {
    let agent = filled(60_000);
    let watch = Watch::begin(&agent);
    let mut answer = begin(&agent, DAY, "");
    let mut body = vec![0; 1_000];
    answer.read_exact(&mut body).expect("a beginning");
    assert_eq!(answer.status, 200);
    let refused = Request::new("GET", DAY, "").send(&agent);
    assert_refused(&refused, 429, "too_many_downloads");
    assert!(retry_after(&refused) >= 1, "{}", refused.head);
    assert_eq!(agent.metrics()["http_dropped_total"]["downloads"], 1);
    let store = agent.get("/v1/flows?limit=1");
    assert_eq!(store["count"], 1, "one worker is left: {store}");
    // Much is posted while the reader takes its time: the writer waits for nobody.
    for batch in 6..10 {
        let flows = flows(batch * BATCH..(batch + 1) * BATCH).to_string();
        let (taken, _) = Request::post(INGEST, flows).send_until_taken(agent.address, &agent.key());
        assert_accepted(&taken, BATCH);
        let mut piece = vec![0; 100_000];
        answer.read_exact(&mut piece).expect("some more");
        body.extend(piece);
        std::thread::sleep(Duration::from_secs(1));
    }
    wait_rows(&agent, 100_000);
    answer.read_to_end(&mut body).expect("a whole body");
    assert!(numbers(&body[..]).into_iter().eq(0..60_000), "what came later is no part of it");
    let seen = watch.end();
    assert!(seen.growth() < 2 * MEMORY, "{} octets more, with what was posted", seen.growth());
    assert!(seen.health(95) < Duration::from_millis(250), "{:?}", seen.health(95));
}

#[test]
fn a_client_that_hangs_up_gives_its_place_back_at_once() {
    let agent = filled(60_000);
    for round in 0..5_u8 {
        let mut answer = begin(&agent, DAY, "");
        let mut some = vec![0; 10_000 * usize::from(round)];
        answer.read_exact(&mut some).expect("a beginning");
        drop(answer);
        wait_idle(&agent);
    }
    assert_eq!((downloads(&agent, "started"), downloads(&agent, "completed")), (5, 0));
    let dropped = &agent.metrics()["http_dropped_total"];
    assert_eq!(dropped["client_gone"], 5, "{dropped}");
}

#[test]
fn a_client_that_stops_reading_is_given_up_after_thirty_seconds() {
    let agent = filled(60_000);
    let begun = Instant::now();
    let mut stream: TcpStream = ask(agent.address, &agent.key(), &format!("GET {DAY} HTTP/1.1"), "");
    agent.wait_for("the download", SOON, |agent| downloads(agent, "active") == 1);
    agent.wait_for("its end", Duration::from_secs(50), |agent| downloads(agent, "active") == 0);
    let took = begun.elapsed();
    assert!((28..45).contains(&took.as_secs()), "{took:?}");
    assert_eq!(agent.metrics()["http_dropped_total"]["slow_reader"], 1);
    let mut text = Vec::new();
    // What was on its way may still be read, or not; the last chunk never comes.
    let _ = stream.read_to_end(&mut text);
    assert!(!text.ends_with(b"\r\n0\r\n\r\n"), "a part passes for the whole");
}

#[test]
fn a_stop_ends_a_download_visibly_and_soon() {
    let mut agent = filled(60_000);
    let mut answer = begin(&agent, DAY, "");
    let mut some = vec![0; 1_000];
    answer.read_exact(&mut some).expect("a beginning");
    let begun = Instant::now();
    agent.stop();
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    assert!(answer.read_to_end(&mut some).is_err(), "a part passes for the whole");
}
