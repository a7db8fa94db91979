//! Searching the ring over HTTP: every condition, pages without gaps or doubles, and what is no search is told.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use weir_tests::agent::{Agent, Options};
use weir_tests::ingest::record::{assert_once, flow, flows, number_of};
use weir_tests::ingest::{
    INGEST, Request, STORED, accepted, agent, assert_accepted, assert_refused, post, wait_rows,
};
use weir_tests::meter::number;
use weir_tests::random::Random;

/// Whether a row as it is answered fits a condition.
type Fits = fn(&Value) -> bool;

fn either(row: &Value, names: [&str; 2], fits: impl Fn(&Value) -> bool) -> bool {
    names.into_iter().any(|name| fits(&row[name]))
}

fn matched(row: &Value, member: &str, value: &str) -> bool {
    row["ti"]["matches"].as_array().is_some_and(|all| all.iter().any(|one| one[member] == value))
}

fn is_below(name: &Value, domain: &str) -> bool {
    name.as_str().is_some_and(|name| name == domain || name.ends_with(&format!(".{domain}")))
}

/// Each condition with what it means, told by what a row says of itself.
const CONDITIONS: &[(&str, &str, Fits)] = &[
    ("ip", "198.51.100.0/24,2001:db8::/32", |row| {
        either(row, ["src_ip", "dst_ip"], |ip| {
            ip.as_str().is_some_and(|ip| ip.starts_with("198.51.100.") || ip.starts_with("2001:db8:"))
        })
    }),
    ("src_ip", "10.0.0.2", |row| row["src_ip"] == "10.0.0.2"),
    ("dst_ip", "8.8.8.8", |row| row["dst_ip"] == "8.8.8.8"),
    ("port", "53", |row| either(row, ["src_port", "dst_port"], |port| *port == 53)),
    ("src_port", "40001,40002", |row| row["src_port"] == 40_001 || row["src_port"] == 40_002),
    ("dst_port", "443", |row| row["dst_port"] == 443),
    ("proto", "udp", |row| row["proto"] == "udp"),
    ("proto", "6", |row| row["proto"] == "tcp"),
    ("country", "us", |row| either(row, ["src_geo", "dst_geo"], |geo| geo["country"] == "US")),
    ("asn", "AS15169", |row| either(row, ["src_asn", "dst_asn"], |asn| asn["asn"] == 15_169)),
    ("domain", "example.org", |row| is_below(&row["domain"], "example.org")),
    ("service", "HTTPS", |row| row["service"] == "https"),
    ("min_risk", "50", |row| row["risk_score"].as_u64() >= Some(50)),
    ("threat", "true", |row| row["ti"]["matched"] == true),
    ("threat", "false", |row| row["ti"]["matched"] != true),
    ("indicator", "evil-example.com", |row| matched(row, "indicator", "evil-example.com")),
    ("source", "api", |row| row["source"] == "api"),
    ("kind", "dns", |row| row["kind"] == "dns"),
    ("direction", "out", |row| row["direction"] == "out"),
    ("exporter", "192.0.2.77", |row| row["exporter"] == "192.0.2.77"),
    ("tag", "ti", |row| row["tags"].as_array().is_some_and(|tags| tags.contains(&json!("ti")))),
    ("text", "quarterly, REPORT", |row| row["extra"]["note"] == "The Quarterly, Report"),
];

/// Conditions whose values depend on what the rows are.
const TAKEN_FROM_ROWS: [(&str, &str); 2] = [("category", "/ti/matches/0/category"), ("id", "/id")];

fn varied() -> Vec<Value> {
    let peers = ["198.51.100.7", "8.8.8.8", "1.1.1.1", "2001:db8::9", "10.0.0.9"];
    let make = |at: u64| {
        let mut record = flow(at);
        record["src_ip"] = json!(format!("10.0.0.{}", at % 4 + 1));
        record["dst_ip"] = json!(peers[at as usize % peers.len()]);
        let (port, protocol, service) = [(443, "tcp", "https"), (53, "udp", "dns")][at as usize % 2];
        (record["dst_port"], record["protocol"]) = (json!(port), json!(protocol));
        record["service"] = json!(service);
        match at {
            3 | 4 => record["domain"] = json!(["www.example.org", "example.org"][at as usize - 3]),
            5 => record["domain"] = json!("evil-example.com"),
            6 => record["exporter"] = json!("192.0.2.77"),
            9 => record["note"] = json!("The Quarterly, Report"),
            10 => record["domain"] = json!("notexample.org"),
            _ => (),
        }
        record
    };
    (0..40).map(make).collect()
}

fn page(agent: &Agent, query: &str) -> Value {
    agent.get(&format!("/v1/flows?{query}"))
}

#[track_caller]
fn found(answer: &Value) -> Vec<u64> {
    let rows = answer["flows"].as_array().expect("a list");
    assert_eq!(number(answer, "count"), rows.len() as u64, "{answer}");
    rows.iter().map(number_of).collect()
}

fn encoded(text: &str) -> String {
    text.bytes().map(|octet| format!("%{octet:02X}")).collect()
}

#[test]
fn every_condition_finds_the_rows_that_fit_it_and_no_others() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let list = folder.path().join("list.txt");
    std::fs::write(&list, "domain:evil-example.com\n").expect("room");
    let agent = agent(&format!("[ti]\nlists = [{list:?}]\n"));
    accepted(&agent, &varied().into(), 40);
    let dns = json!({
        "ts": 1_790_000_000.040, "uid": "CHhAvVGS1DHFjwGM8", "id.orig_h": "192.168.1.100", "id.orig_p": 52_135,
        "id.resp_h": "192.168.1.1", "id.resp_p": 5_353, "proto": "udp", "query": "www.example.com", "number": 40,
    });
    accepted(&agent, &json!({"format": "zeek.dns.v1", "records": [dns]}), 1);
    wait_rows(&agent, 41);
    let rows = agent.get("/v1/events/recent?limit=1000&order=asc")["events"].clone();
    let rows = rows.as_array().expect("a list");
    let mut tried: BTreeSet<&str> = BTreeSet::from(["observer"]);
    for &(name, value, fits) in CONDITIONS {
        let expected: Vec<_> = rows.iter().filter(|row| fits(row)).map(number_of).collect();
        assert!(!expected.is_empty(), "{name}={value} is tried on nothing");
        let answer = page(&agent, &format!("{name}={}&order=asc", encoded(value)));
        assert_eq!(found(&answer), expected, "{name}={value}");
        assert_eq!((&answer["complete"], &answer["next"]), (&json!(true), &Value::Null), "{answer}");
        tried.insert(name);
    }
    for (name, pointer) in TAKEN_FROM_ROWS {
        let value = rows.iter().find_map(|row| row.pointer(pointer)).expect(pointer);
        let expected: Vec<_> =
            rows.iter().filter(|row| row.pointer(pointer) == Some(value)).map(number_of).collect();
        if weir_store::FILTERS.iter().any(|(filter, _)| *filter == name) {
            let value = value.as_str().expect("text");
            assert_eq!(found(&page(&agent, &format!("{name}={value}&order=asc"))), expected, "{name}");
        }
        tried.insert(name);
    }
    let untried: Vec<_> = weir_store::FILTERS.iter().filter(|(name, _)| !tried.contains(name)).collect();
    assert!(untried.is_empty(), "{untried:?}");
    // All conditions that are given must hold; of several values of one, one.
    assert_eq!(found(&page(&agent, "dst_port=443&src_ip=10.0.0.1&ip=8.8.8.8")), [36, 16]);
    assert_eq!(found(&page(&agent, "src_port=40001&src_port=40003,40005")), [5, 3, 1]);
    let (from, to) = ("2026-09-21T14:13:20.010Z", "1790000000013");
    assert_eq!(found(&page(&agent, &format!("from={from}&to={to}"))), [12, 11, 10]);
}

#[test]
fn rows_are_found_by_where_they_were_observed() {
    let capture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../agent/assets/office.pcap");
    let capture = capture.to_str().expect("UTF-8");
    let mut options = Options::arguments(&format!("--replay {capture} --speed max"));
    options.config = Some("[store]\ncommit_seconds = 1\n".to_owned());
    let agent = Agent::start(&options);
    agent.wait_for("flows", STORED, |agent| number(&page(agent, ""), "count") > 10);
    let answer = page(&agent, "limit=1000");
    let rows = answer["flows"].as_array().expect("a list");
    let observer = rows[0]["observer"].as_str().expect("a place");
    let expected = rows.iter().filter(|row| row["observer"] == observer).count() as u64;
    let answer = page(&agent, &format!("limit=1000&observer={}", encoded(observer)));
    assert!(number(&answer, "count") >= expected, "{answer}");
    assert!(answer["flows"].as_array().expect("a list").iter().all(|row| row["observer"] == observer));
    assert_eq!(page(&agent, "observer=eth99")["flows"], json!([]));
    assert_eq!(page(&agent, "source=capture&limit=5")["count"], 5);
}

#[test]
fn an_answer_tells_how_the_search_went() {
    let agent = agent("");
    accepted(&agent, &flows(0..300), 300);
    wait_rows(&agent, 300);
    let answer = page(&agent, "limit=10&count=true&src_ip=10.1.0.0/24");
    assert_eq!(found(&answer), (246..256).rev().collect::<Vec<_>>(), "{answer}");
    assert_eq!((&answer["complete"], &answer["damaged"]), (&json!(true), &json!([])), "{answer}");
    assert_eq!(answer["scanned_to_row"], 247, "{answer}");
    assert!(answer["scanned_to"].as_str().is_some_and(|at| at.ends_with('Z')), "{answer}");
    assert!(answer["blocks"].as_u64() >= answer["blocks_read"].as_u64(), "{answer}");
    assert!(answer["took_ms"].is_u64() && answer["next"].is_string(), "{answer}");
    let total = &answer["total"];
    assert_eq!((number(total, "rows"), number(total, "packets")), (256, 256 * 9), "{total}");
    assert_eq!(number(total, "octets"), (0..256).map(|at| 1_200 + at % 7).sum::<u64>(), "{total}");
    assert_eq!(total["complete"], true, "{total}");
    assert_eq!(page(&agent, "limit=1")["total"], Value::Null, "counted when asked for");
}

#[test]
fn one_flow_is_found_by_its_id() {
    let agent = agent("");
    accepted(&agent, &flows(0..3), 3);
    wait_rows(&agent, 3);
    for row in page(&agent, "")["flows"].as_array().expect("a list") {
        let id = row["id"].as_str().expect("an id");
        assert_eq!(agent.get(&format!("/v1/flows/{id}")), *row);
    }
    let id = page(&agent, "limit=1")["flows"][0]["id"].as_str().expect("an id").to_owned();
    let (ring, _) = id.split_once('-').expect("a ring and a row");
    for nobody in [
        format!("{ring}-0"),
        format!("{ring}-4"),
        format!("{ring}-03"),
        format!("{ring}-18446744073709551615"),
        format!("{ring}-99999999999999999999"),
        format!("{ring}-"),
        "0000000000000000-1".to_owned(),
        "nothing".to_owned(),
        "%00".to_owned(),
    ] {
        let answer = Request::new("GET", &format!("/v1/flows/{nobody}"), "").send(&agent);
        assert_refused(&answer, 404, "not_found");
    }
}

/// All pages of a search; the numbers of their flows, in the order of the answers.
fn all_pages(agent: &Agent, query: &str, random: &mut Random) -> Vec<u64> {
    let (mut numbers, mut cursor) = (Vec::new(), String::new());
    loop {
        let limit = 1 + random.below(300);
        let answer = page(agent, &format!("limit={limit}&{query}{cursor}"));
        numbers.extend(found(&answer));
        match answer["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return numbers,
        }
    }
}

#[test]
fn pages_have_neither_gaps_nor_doubles_while_records_are_stored() {
    const BEFORE: u64 = 1_000;
    let agent = agent("");
    accepted(&agent, &flows(0..BEFORE), BEFORE);
    wait_rows(&agent, BEFORE);
    let (key, address, enough) = (agent.key(), agent.address, AtomicBool::new(false));
    std::thread::scope(|scope| {
        let storing = scope.spawn(|| {
            let mut next = BEFORE;
            while !enough.load(Ordering::Relaxed) {
                let body = flows(next..next + 50).to_string();
                let (answer, _) = Request::post(INGEST, body).send_until_taken(address, &key);
                assert_accepted(&answer, 50);
                next += 50;
                std::thread::sleep(std::time::Duration::from_millis(200));
            }
            next
        });
        let mut random = Random::new(7);
        for round in 0..3 {
            let newest_first = all_pages(&agent, "dst_port=443", &mut random);
            assert!(newest_first.is_sorted_by(|a, b| a > b), "round {round}");
            let end = newest_first[0] + 1;
            assert_once(newest_first, 0..end);
            let oldest_first = all_pages(&agent, "order=asc", &mut random);
            assert!(oldest_first.is_sorted_by(|a, b| a < b), "round {round}");
            let end = oldest_first[oldest_first.len() - 1] + 1;
            assert!(end >= BEFORE);
            assert_once(oldest_first, 0..end);
        }
        enough.store(true, Ordering::Relaxed);
        assert!(storing.join().expect("it stored") > BEFORE, "nothing was stored meanwhile");
    });
}

#[test]
fn ten_clients_at_once_each_get_their_own_answer() {
    let agent = agent("");
    accepted(&agent, &flows(0..4_000), 4_000);
    wait_rows(&agent, 4_000);
    std::thread::scope(|scope| {
        for client in 0..10_u64 {
            let agent = &agent;
            scope.spawn(move || {
                let mut random = Random::new(client);
                for _ in 0..3 {
                    let port = 40_000 + client;
                    assert_eq!(found(&page(agent, &format!("src_port={port}"))), [client]);
                    let all = all_pages(agent, &format!("src_ip=10.1.{client}.0/24"), &mut random);
                    assert_eq!(all, (client * 256..(client + 1) * 256).rev().collect::<Vec<_>>());
                }
            });
        }
    });
}

#[test]
fn a_cursor_goes_with_its_query_its_order_and_its_tenant() {
    let agent = agent("");
    let made = post(&agent, "/v1/admin/tenants", &json!({"tenant_id": "branch-a", "name": "A branch"}));
    assert_eq!(made.status, 201, "{}", made.json());
    let posted = Request::post(INGEST, flows(0..20).to_string()).with("X-Tenant-ID", "branch-a");
    assert_accepted(&posted.send(&agent), 20);
    accepted(&agent, &flows(100..110), 10);
    wait_rows(&agent, 10);
    let ask = |tenant: &str, query: &str| {
        Request::new("GET", &format!("/v1/flows?{query}"), "").with("X-Tenant-ID", tenant).send(&agent)
    };
    agent.wait_for("the rows of the other tenant", STORED, |_| {
        number(&ask("branch-a", "limit=1000").json(), "count") == 20
    });
    let next = ask("branch-a", "limit=5&dst_port=443").json()["next"].as_str().expect("more").to_owned();
    let second = ask("branch-a", &format!("limit=5&dst_port=443&cursor={next}"));
    assert_eq!(found(&second.json()), [14, 13, 12, 11, 10]);
    for (tenant, query, says) in [
        ("branch-a", "dst_port=80", "another query"),
        ("branch-a", "", "another query"),
        ("branch-a", "dst_port=443&from=1", "another query"),
        ("branch-a", "dst_port=443&order=asc", "order"),
        ("default", "dst_port=443", "ring"),
    ] {
        let answer = ask(tenant, &format!("{query}&cursor={next}"));
        let said = assert_refused(&answer, 422, "bad_cursor");
        assert!(said["detail"].as_str().is_some_and(|detail| detail.contains(says)), "{query}: {said}");
    }
    let mut random = Random::new(3);
    for _ in 0..200 {
        let mut text: Vec<u8> = next.bytes().collect();
        match random.below(3) {
            0 => text.truncate(random.below(next.len() as u64) as usize),
            1 => text.push(b"0f"[random.below(2) as usize]),
            _ => {
                let at = random.below(text.len() as u64) as usize;
                text[at] = random.pick(b"0189afz");
            }
        }
        let query = format!("dst_port=443&cursor={}", String::from_utf8(text).expect("ASCII"));
        let status = ask("branch-a", &query).status;
        assert!(status == 422 || status == 200, "{query}: {status}");
    }
}

#[test]
fn what_is_no_search_is_refused_with_what_there_is_and_never_fails_inside() {
    let agent = agent("");
    accepted(&agent, &flows(0..10), 10);
    wait_rows(&agent, 10);
    let misspelt = Request::new("GET", "/v1/flows?scr_ip=10.1.0.1", "").send(&agent);
    let said = assert_refused(&misspelt, 422, "validation_failed");
    let known = said["known"].as_array().expect("a list");
    for (name, _) in weir_store::FILTERS {
        assert!(known.contains(&json!(name)), "{name} in {said}");
    }
    let long = "9".repeat(4_000);
    let many = (0..65).map(|at| at.to_string()).collect::<Vec<_>>().join(",");
    let bad = [
        "limit=0",
        "limit=1001",
        "limit=1&limit=2",
        "order=up",
        "timeout_ms=0",
        "timeout_ms=10001",
        "count=maybe",
        "from=x",
        "from=2&to=1",
        "cursor=",
        "cursor=%00",
        "ip=",
        "ip=10.0.0.0/33",
        "ip=::/129",
        "port=65536",
        "port=-1",
        "port=0x50",
        "proto=nonsense",
        "country=USA",
        "country=%C3%9F%C3%9F",
        "asn=4294967296",
        "min_risk=101",
        "threat=1",
        "source=router",
        "direction=up",
        "exporter=10.0.0.0/8",
        "tag=nothing",
        "domain=.",
        "%FF=1",
        "ip=%FF",
        "ip[]=1",
        "offset=1",
        "=",
        "ip",
        "text=",
    ];
    let long =
        [format!("domain={long}"), format!("port={many}"), format!("cursor={long}"), format!("{long}=1")];
    for query in bad.into_iter().chain(long.iter().map(String::as_str)) {
        for path in ["/v1/flows", "/v1/top?dimension=ports", "/v1/timeseries", "/v1/download"] {
            let with = if path.contains('?') { '&' } else { '?' };
            let answer = Request::new("GET", &format!("{path}{with}{query}"), "").send(&agent);
            assert_eq!(answer.status, 422, "{path}{with}{query}");
        }
    }
    for odd in [
        "ip=0.0.0.0/0",
        "ip=::/0",
        "from=0",
        "to=253402300799",
        "text=%00",
        "observer=%0dx%0a",
        "&&&",
        "min_risk=0",
    ] {
        assert_eq!(Request::new("GET", &format!("/v1/flows?{odd}"), "").send(&agent).status, 200, "{odd}");
    }
    assert_eq!(agent.metrics()["status_codes"]["5xx"], 0);
}
