//! Records reach a Splunk collector on request: each once and in order, whatever the collector does meanwhile.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use weir_tests::agent::{Agent, Options};
use weir_tests::collecting::{Collecting, LIMIT, free_port};
use weir_tests::exports::{Flow, netflow5};
use weir_tests::hec::{Hec, REFUSED_PORT, TOKEN, Turn};
use weir_tests::http::Answer;
use weir_tests::tls::{Identity, Tls};

/// Flows in a datagram at most.
const IN_DATAGRAM: usize = 30;
const STORE: &str = "[store]\ncommit_seconds = 1\n[agent]\nsite = \"Branch 17\"\n";
/// A call for an export is answered within this.
const CALL_LIMIT: Duration = Duration::from_secs(25);

/// An agent that collects, what was sent to it, and the collector that it exports to.
struct Office {
    collecting: Collecting,
    flows: u16,
}

impl Office {
    fn start() -> Self {
        Self { collecting: Collecting::start(STORE), flows: 0 }
    }

    fn start_in(data_dir: &Path, flows: u16) -> Self {
        Self { collecting: Collecting::start_in(Some(data_dir), free_port(), STORE), flows }
    }

    fn agent(&self) -> &Agent {
        &self.collecting.agent
    }

    /// Stores `count` more records; their source ports go on counting.
    fn store(&mut self, count: u16) {
        let more: Vec<_> = (self.flows..self.flows + count).map(|number| Flow::number(number + 1)).collect();
        self.store_flows(&more);
    }

    fn store_flows(&mut self, flows: &[Flow]) {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        for (at, datagram) in flows.chunks(IN_DATAGRAM).enumerate() {
            let sequence = usize::from(self.flows) + at * IN_DATAGRAM;
            let sequence = u32::try_from(sequence).expect("few flows");
            socket.send_to(&netflow5(sequence, datagram), self.collecting.port).expect("loopback takes it");
        }
        self.flows += u16::try_from(flows.len()).expect("few flows");
        let wanted = u64::from(self.flows);
        self.agent().wait_for(&format!("{wanted} rows"), LIMIT, |agent| {
            agent.metrics()["store"]["rows"].as_u64() == Some(wanted)
        });
    }

    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        self.agent().call(method, path, Some(&self.agent().key()), body).expect("an answer")
    }

    /// Sets the output, quick to try again.
    fn set(&self, hec: &Hec, more: &Value) {
        let mut body = json!({"hec_url": hec.url(), "token": TOKEN, "backoff_ms": 10, "max_retries": 2});
        body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        let answer = self.ask("PUT", "/v1/outputs/splunk", Some(&body));
        assert_eq!(answer.status, 200, "{}", answer.json());
    }

    fn export(&self) -> (u16, Value) {
        let answer = self.ask("POST", "/v1/export/splunk-hec", None);
        (answer.status, answer.json())
    }

    /// An export that has to deliver `sent` rows and leave none.
    fn exports(&self, sent: u64) -> Value {
        let (status, told) = self.export();
        assert_eq!((status, &told["status"]), (200, &json!("success")), "{told}");
        assert_eq!((&told["sent"], &told["remaining"]), (&json!(sent), &json!(0)), "{told}");
        told
    }

    /// First row, last row, last status and retries of each dead letter.
    fn letters(&self) -> Vec<(u64, u64, Option<u16>, u32)> {
        let db = rusqlite::Connection::open(self.agent().data_dir.join("weir.db")).expect("the store");
        let sql = "SELECT first_row, last_row, last_status, retry_count FROM dead_letter
            WHERE destination = 'splunk_hec' AND tenant = 'default' ORDER BY first_row";
        let mut letters = db.prepare(sql).expect("the table");
        let row = |row: &rusqlite::Row<'_>| {
            let number = |at| row.get::<_, i64>(at).map(i64::unsigned_abs);
            Ok((number(0)?, number(1)?, row.get(2)?, row.get(3)?))
        };
        let letters = letters.query_map([], row).expect("letters");
        letters.map(|letter| letter.expect("a letter")).collect()
    }
}

/// Source ports of the delivered records: the number of each flow.
fn delivered(hec: &Hec) -> Vec<u64> {
    hec.seen().events.iter().map(|event| event["event"]["src_port"].as_u64().expect("a port")).collect()
}

fn numbers(count: u64) -> Vec<u64> {
    (1..=count).collect()
}

fn splunk_says(status: u16, headers: &'static str, code: u8) -> Turn {
    Turn::Answer(status, headers, json!({"text": "As documented", "code": code}).to_string())
}

#[test]
fn an_output_is_checked_stored_and_shown_without_its_secret() {
    let office = Office::start();
    let wrong = office.ask("PUT", "/v1/outputs/splunk", Some(&json!({"hec_url": "nope", "batch_size": 0})));
    let told = wrong.json();
    assert_eq!((wrong.status, &told["error"]), (422, &json!("validation_failed")), "{told}");
    let fields: Vec<_> = told["errors"].as_array().unwrap().iter().map(|one| &one["field"]).collect();
    assert_eq!(fields, ["hec_url", "token", "batch_size"], "{told}");
    assert!(told["detail"].as_str().unwrap().contains("hec_url: must be a URL"), "{told}");
    assert_eq!(office.agent().get("/v1/outputs/splunk"), json!({"splunk": null}));

    let set =
        office.ask("POST", "/v1/outputs/splunk", Some(&json!({"hec_url": "https://a", "token": TOKEN})));
    let shown = office.agent().get("/v1/outputs/splunk");
    assert_eq!((set.status, &set.json()["splunk"]), (200, &shown["splunk"]));
    assert_eq!((&shown["splunk"]["token"], &shown["splunk"]["batch_size"]), (&json!("***"), &json!(500)));
    let unsafe_one = json!({"hec_url": "https://a", "token": "***", "verify_tls": false});
    let warned = office.ask("PUT", "/v1/outputs/splunk", Some(&unsafe_one)).json();
    assert!(warned["warnings"][0].as_str().unwrap().contains("verify_tls"), "{warned}");
    assert!(office.agent().log().contains("verify_tls is false") && !office.agent().log().contains(TOKEN));

    let elastic = json!({"urls": ["http://es:9200"], "username": "weir", "password": "s3cret"});
    assert_eq!(office.ask("PUT", "/v1/outputs/elastic", Some(&elastic)).status, 200);
    let shown = office.agent().get("/v1/outputs/elastic");
    assert_eq!(
        (&shown["elastic"]["password"], &shown["elastic"]["bulk_size"]),
        (&json!("***"), &json!(1000))
    );
    assert_eq!(office.ask("PUT", "/v1/outputs/elastic", Some(&json!({"urls": []}))).status, 422);
    assert_eq!(office.ask("PUT", "/v1/outputs/splunk", Some(&json!([]))).status, 400);
    assert_eq!(office.agent().call("GET", "/v1/outputs/splunk", None, None).unwrap().status, 401);
}

#[test]
fn the_former_services_variables_name_outputs_and_fillers_are_refused() {
    let start = |token: &str| {
        let variables = [
            ("SPLUNK_HEC_URL", "https://splunk:8088"),
            ("SPLUNK_HEC_TOKEN", token),
            ("ELASTIC_URL", "http://es"),
        ];
        let environment = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let config = Some("[capture]\nenabled = false\n".to_owned());
        Options { environment, config, ..Options::default() }
    };
    let agent = Agent::start(&start(TOKEN));
    let shown = agent.get("/v1/outputs/splunk");
    assert_eq!(shown["splunk"]["hec_url"], "https://splunk:8088");
    assert_eq!(shown["splunk"]["token"], "***");
    assert_eq!(agent.get("/v1/outputs/elastic")["elastic"]["urls"], json!(["http://es"]));
    let mut refused = Agent::launch(&start("your-hec-token"));
    assert_eq!(refused.wait().code(), Some(78), "{}", refused.log());
    assert!(refused.log().contains("SPLUNK_HEC_TOKEN"), "{}", refused.log());
}

#[test]
fn rows_are_delivered_once_and_in_order_with_what_splunk_wants_to_know() {
    let mut office = Office::start();
    let (status, told) = office.export();
    assert_eq!((status, &told["error"]), (400, &json!("not_configured")));
    let hec = Hec::start();
    office.set(&hec, &json!({"batch_size": 25, "extra_fields": {"rack": "7"}}));
    let nothing = json!({"status": "no_events", "sent": 0, "failed": 0, "remaining": 0});
    assert_eq!(office.export(), (200, nothing.clone()));
    assert_eq!(hec.seen().requests, 0);

    office.store(60);
    let told = office.exports(60);
    assert_eq!((&told["failed"], &told["retries"]), (&json!(0), &json!(0)), "{told}");
    assert_eq!(hec.seen().sizes, [25, 25, 10]);
    assert_eq!(office.export(), (200, nothing));
    office.store(5);
    office.exports(5);
    assert_eq!(delivered(&hec), numbers(65));

    let seen = hec.seen();
    let event = &seen.events[0];
    let record = &event["event"];
    assert_eq!(event["host"], "Branch 17");
    assert_eq!((&event["index"], &event["sourcetype"]), (&json!("telemetry"), &json!("telemetry:event")));
    assert_eq!((&event["source"], &event["fields"]), (&json!("weir:netflow5"), &json!({"rack": "7"})));
    let seconds = event["time"].as_f64().unwrap();
    assert!((seconds * 1_000.0 - record["ts_ms"].as_f64().unwrap()).abs() < 1.0, "{event}");
    assert!(record["id"].as_str().unwrap().ends_with("-1") && record["risk_score"].is_u64(), "{record}");
    assert!(seen.heads[0].starts_with("post /services/collector/event "), "{}", seen.heads[0]);
    assert!(seen.heads[0].contains("content-encoding: gzip"), "{}", seen.heads[0]);
}

#[test]
fn a_collector_that_fails_twice_gets_everything_at_the_third_attempt_once() {
    let (mut office, hec) = (Office::start(), Hec::start());
    office.set(&hec, &json!({}));
    office.store(40);
    hec.then([splunk_says(503, "", 9), splunk_says(500, "", 8)]);
    assert_eq!(office.exports(40)["retries"], 2);
    assert_eq!((delivered(&hec), hec.seen().requests), (numbers(40), 3));
    assert_eq!(office.letters(), []);
}

#[test]
fn while_the_collector_is_down_rows_are_stored_and_later_delivered_in_order() {
    let (mut office, hec) = (Office::start(), Hec::start());
    office.set(&hec, &json!({"batch_size": 30}));
    office.store(10);
    office.exports(10);
    let address = hec.address;
    drop(hec);
    office.store(50);
    let (status, told) = office.export();
    assert_eq!((status, &told["error"], &told["last_status"]), (502, &json!("export_failed"), &Value::Null));
    assert_eq!((&told["sent"], &told["remaining"]), (&json!(0), &json!(50)), "{told}");
    assert!(told["detail"].as_str().unwrap().contains("hec_url"), "{told}");
    assert_eq!(office.letters(), [(11, 40, None, 2)]);
    office.store(50);
    assert_eq!(office.export().0, 502);
    assert_eq!(office.letters(), [(11, 40, None, 5)], "the same rows make one letter");
    let hec = Hec::start_at(address);
    office.exports(100);
    assert_eq!(delivered(&hec), (11..=110).collect::<Vec<_>>());
    assert_eq!(office.letters(), []);
}

#[test]
fn what_is_no_collectors_word_is_no_success_and_tried_again() {
    let (mut office, hec) = (Office::start(), Hec::start());
    office.set(&hec, &json!({}));
    let odd = [
        Turn::Answer(200, "Content-Type: text/html\r\n", "<html>Please sign in</html>".to_owned()),
        Turn::Answer(200, "", format!("{{\"text\":\"{}\",\"code\":0}}", "x".repeat(1 << 20))),
        Turn::Answer(200, "", String::new()),
        Turn::Cut,
        Turn::Answer(429, "Retry-After: 1\r\n", String::new()),
        Turn::Answer(502, "", "<html>".repeat(100_000)),
    ];
    let mut stored = 0;
    for turn in odd {
        let waits = matches!(turn, Turn::Answer(429, ..));
        office.store(3);
        stored += 3;
        hec.then([turn.clone()]);
        let began = Instant::now();
        assert_eq!(office.exports(3)["retries"], 1, "{turn:?}");
        assert!(!waits || began.elapsed() >= Duration::from_secs(1), "Retry-After is waited for");
        assert_eq!(delivered(&hec), numbers(stored), "{turn:?}");
    }
    // What was taken but not confirmed comes again, and can be told by its id.
    office.store(3);
    hec.then([Turn::CutAnswer]);
    office.exports(3);
    let events = hec.seen().events;
    let ids: Vec<_> = events.iter().rev().take(6).map(|event| event["event"]["id"].clone()).collect();
    assert_eq!(ids[..3], ids[3..]);
}

#[test]
fn what_an_administrator_has_to_mend_is_told_at_once_and_not_tried_again() {
    let (mut office, hec) = (Office::start(), Hec::start());
    office.set(&hec, &json!({"token": "not-the-one"}));
    office.store(4);
    let (status, told) = office.export();
    assert_eq!((status, &told["error"], &told["last_status"]), (502, &json!("output_refused"), &json!(403)));
    assert!(told["detail"].as_str().unwrap().contains("check the token"), "{told}");
    assert_eq!((hec.seen().requests, office.letters()), (1, vec![(1, 4, Some(403), 0)]));
    office.set(&hec, &json!({"index": "other"}));
    let (_, told) = office.export();
    assert_eq!((&told["error"], &told["last_status"]), (&json!("output_refused"), &json!(400)), "{told}");
    office.set(&hec, &json!({}));
    let elsewhere = Turn::Answer(307, "Location: http://192.0.2.1/\r\n", String::new());
    hec.then([elsewhere, splunk_says(400, "", 10), splunk_says(400, "", 11), splunk_says(401, "", 3)]);
    for last_status in [307, 400, 400, 401] {
        let (_, told) = office.export();
        assert_eq!((&told["error"], &told["last_status"]), (&json!("output_refused"), &json!(last_status)));
    }
    assert_eq!((hec.seen().requests, delivered(&hec).len()), (6, 0));
    office.exports(4);
    assert_eq!((delivered(&hec), office.letters()), (numbers(4), vec![]));
}

#[test]
fn an_event_that_is_refused_gets_a_dead_letter_and_the_rest_is_delivered() {
    let (mut office, hec) = (Office::start(), Hec::start());
    office.set(&hec, &json!({}));
    let refused = u16::try_from(REFUSED_PORT).unwrap();
    let mut flows: Vec<_> = (1..=20).map(Flow::number).collect();
    for at in [0, 7, 8, 19] {
        flows[at].dst.1 = refused;
    }
    office.store_flows(&flows);
    let told = office.exports(16);
    assert_eq!((&told["failed"], &told["retries"]), (&json!(4), &json!(0)), "{told}");
    let expected: Vec<u64> = (1..=20).filter(|number| ![1, 8, 9, 20].contains(number)).collect();
    assert_eq!(delivered(&hec), expected);
    let letters = [1, 8, 9, 20].map(|row| (row, row, Some(400), 0));
    assert_eq!(office.letters(), letters);
    office.store(3);
    office.exports(3);
    assert_eq!(office.letters(), letters, "a later success covers other rows");
    // Without a number the event is found by halving.
    office.store(4);
    let unnumbered = || splunk_says(400, "", 6);
    hec.then([unnumbered(), unnumbered(), unnumbered()]);
    let told = office.exports(3);
    assert_eq!(told["failed"], 1, "{told}");
    assert_eq!(office.letters().last(), Some(&(24, 24, Some(400), 0)));
}

#[test]
fn a_request_that_is_too_long_is_halved_until_it_fits() {
    let (mut office, hec) = (Office::start(), Hec::start());
    office.set(&hec, &json!({}));
    office.store(30);
    hec.takes_up_to(5_000);
    office.exports(30);
    assert_eq!(delivered(&hec), numbers(30));
    let sizes = hec.seen().sizes;
    assert!(sizes.len() > 3 && sizes.iter().all(|&size| size < 15), "{sizes:?}");
}

#[test]
fn one_export_runs_at_a_time_and_the_page_is_answered_meanwhile() {
    let (mut office, hec) = (Office::start(), Hec::start());
    office.set(&hec, &json!({}));
    office.store(5);
    hec.then([Turn::Slow(Duration::from_secs(3))]);
    std::thread::scope(|scope| {
        let slow = scope.spawn(|| office.exports(5));
        office.agent().wait_for("the request", LIMIT, |_| hec.seen().requests == 1);
        let (status, told) = office.export();
        assert_eq!((status, &told["error"]), (409, &json!("export_running")));
        let began = Instant::now();
        assert_eq!(office.ask("GET", "/v1/metrics", None).status, 200);
        assert!(began.elapsed() < Duration::from_secs(1), "the page waits for the export");
        slow.join().unwrap();
    });
    assert_eq!(delivered(&hec), numbers(5));
}

#[test]
fn a_collector_that_never_answers_costs_a_bounded_time_and_no_row() {
    let (mut office, hec) = (Office::start(), Hec::start());
    office.set(&hec, &json!({"max_retries": 10, "backoff_ms": 500}));
    office.store(5);
    hec.then((0..20).map(|_| Turn::Silent(Duration::from_secs(60))));
    let began = Instant::now();
    let told = patient_export(office.agent().address, &office.agent().key());
    assert!(began.elapsed() < CALL_LIMIT, "{:?}", began.elapsed());
    assert!(told.starts_with("HTTP/1.1 502") && told.contains("export_failed"), "{told}");
    drop(hec);
    let hec = Hec::start();
    office.set(&hec, &json!({}));
    office.exports(5);
    assert_eq!(delivered(&hec), numbers(5));
}

/// An export by a client that waits as long as it takes.
fn patient_export(to: SocketAddr, key: &str) -> String {
    let mut stream = TcpStream::connect(to).expect("the agent runs");
    let head = format!("POST /v1/export/splunk-hec HTTP/1.1\r\nHost: {to}\r\nX-API-Key: {key}\r\n");
    stream
        .write_all(format!("{head}Content-Length: 0\r\nConnection: close\r\n\r\n").as_bytes())
        .expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    answer
}

#[test]
fn killed_between_a_delivery_and_the_next_nothing_is_skipped_and_only_the_unconfirmed_repeats() {
    let folder = tempfile::tempdir().unwrap();
    let hec = Hec::start();
    let mut office = Office::start_in(folder.path(), 0);
    office.set(&hec, &json!({"batch_size": 10}));
    office.store(10);
    office.exports(10);
    office.store(20);
    hec.then([Turn::Slow(Duration::from_secs(30))]);
    std::thread::scope(|scope| {
        let (agent, key) = (office.agent().address, office.agent().key());
        scope.spawn(move || {
            // The kill ends this connection.
            let _ = weir_tests::http::request(agent, "POST", "/v1/export/splunk-hec", Some(&key), None);
        });
        office.agent().wait_for("the request to be taken", LIMIT, |_| hec.seen().events.len() == 20);
        office.agent().signal(Signal::SIGKILL);
    });
    office.collecting.agent.wait();
    let office = Office::start_in(folder.path(), 30);
    office.exports(20);
    let expected: Vec<u64> = (1..=20).chain(11..=30).collect();
    assert_eq!(delivered(&hec), expected);
    assert_eq!(office.export().1["status"], "no_events");
}

#[test]
fn a_collector_has_to_prove_who_it_is_unless_told_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    let Some(identity) = Identity::made_in(folder.path()) else { return };
    let hec = Hec::start();
    let tls = Tls::start(&identity, hec.address);
    let url = json!({"hec_url": format!("https://{}", tls.address)});
    let mut office = Office::start();
    office.set(&hec, &url);
    office.store(3);
    let (status, told) = office.export();
    assert_eq!((status, &told["error"]), (502, &json!("output_refused")), "{told}");
    assert!(told["detail"].as_str().unwrap().contains("certificate"), "{told}");
    assert_eq!((&told["retries"], office.letters()), (&json!(0), vec![(1, 3, None, 0)]));
    assert_eq!(hec.seen().requests, 0, "the token went to somebody unknown");
    office.set(&hec, &json!({"hec_url": url["hec_url"], "verify_tls": false}));
    office.exports(3);
    assert_eq!(delivered(&hec), numbers(3));

    // The authority of the office is one that the system knows.
    let environment = vec![("SSL_CERT_FILE".to_owned(), identity.certificate.to_string_lossy().into_owned())];
    let config = Some("[capture]\nenabled = false\n".to_owned());
    let knows = Agent::start(&Options { environment, config, ..Options::default() });
    let body = json!({"hec_url": url["hec_url"], "token": TOKEN});
    let key = knows.key();
    assert_eq!(knows.call("PUT", "/v1/outputs/splunk", Some(&key), Some(&body)).unwrap().status, 200);
    let target = json!({"target": "splunk"});
    let told = knows.call("POST", "/v1/outputs/test", Some(&key), Some(&target)).unwrap().json();
    assert_eq!(told["status"], "ok", "{told}");
}

#[test]
fn a_test_sends_one_event_and_says_what_came_of_it() {
    let (office, hec) = (Office::start(), Hec::start());
    let target = json!({"target": "splunk"});
    assert_eq!(office.ask("POST", "/v1/outputs/test", Some(&target)).status, 400, "nothing is set");
    office.set(&hec, &json!({}));
    let told = office.ask("POST", "/v1/outputs/test", Some(&target)).json();
    assert_eq!(
        (&told["status"], &told["http_status"], &told["error"]),
        (&json!("ok"), &json!(200), &Value::Null)
    );
    assert!(told["bytes"].as_u64() > Some(50) && told["request_id"].is_string(), "{told}");
    assert_eq!(hec.seen().events[0]["event"]["kind"], "test");
    office.set(&hec, &json!({"token": "not-the-one"}));
    let told = office.ask("POST", "/v1/outputs/test", Some(&target)).json();
    assert_eq!((&told["status"], &told["http_status"]), (&json!("failed"), &json!(403)), "{told}");
    assert_eq!(office.ask("POST", "/v1/outputs/test", Some(&json!({"target": "fax"}))).status, 422);
}
