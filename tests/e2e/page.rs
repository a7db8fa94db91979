//! The local page in a real browser: it shows what the API says, asks nobody else, and complains about nothing.

mod exporters;

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use weir_tests::agent::{Agent, Options};
use weir_tests::browser::Browser;
use weir_tests::meter::number;

const LIMIT: Duration = Duration::from_secs(20);

/// An agent that has replayed the shipped capture and stored all of it.
fn replayed() -> Agent {
    let office = Path::new(env!("CARGO_MANIFEST_DIR")).join("../agent/assets/office.pcap");
    let mut options = Options::arguments(&format!("--replay {} --speed max", office.display()));
    options.config = Some("[store]\ncommit_seconds = 1\n".to_owned());
    let agent = Agent::start(&options);
    agent.wait_for("the end of the capture", LIMIT, |agent| {
        let metrics = agent.metrics();
        let finished = metrics["capture"]["interfaces"][0]["state"] == "finished";
        finished && number(&metrics, "records_queued") == 0 && number(&metrics["store"], "rows") > 0
    });
    agent
}

fn screen(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("screens").join(name)
}

fn sign_in(browser: &mut Browser, key: &str) {
    browser.wait_for("document.getElementById('key')?.offsetParent");
    browser.evaluate(&format!("document.getElementById('key').value = {key:?}"));
    browser.evaluate("document.getElementById('signin-form').requestSubmit()");
}

/// Shows the page in a window of this size, signed in, with the newest flows.
fn signed_in(agent: &Agent, width: u32, height: u32) -> Option<Browser> {
    let mut browser = Browser::start(width, height)?;
    let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
    browser.call("Emulation.setDeviceMetricsOverride", &size);
    browser.open(&format!("http://{}/", agent.address));
    sign_in(&mut browser, &agent.key());
    browser.wait_for("document.querySelectorAll('#flows-table tbody tr').length > 0");
    Some(browser)
}

/// JavaScript for the text of a part of the tile `name`.
fn tile(name: &str, part: &str) -> String {
    let title = format!("t.querySelector('h2').textContent === {name:?}");
    format!("[...document.querySelectorAll('.tile')].find(t => {title}).querySelector('.{part}').textContent")
}

/// The text below the value of the tile `name`.
fn note(browser: &mut Browser, name: &str) -> String {
    let text = browser.evaluate(&tile(name, "note"));
    text.as_str().unwrap_or_else(|| panic!("no tile {name}")).to_owned()
}

#[test]
fn the_tiles_say_what_the_api_says() {
    let agent = replayed();
    let Some(mut browser) = signed_in(&agent, 1280, 900) else { return };
    let metrics = agent.metrics();
    let totals = &metrics["totals"];
    let (events, threats) = (number(totals, "events"), number(totals, "threat_matches"));
    assert!(threats > 0 && events < 1_000, "the shipped capture is another: {totals}");
    assert_eq!(note(&mut browser, "Flows"), format!("{events} since the start"));
    assert!(note(&mut browser, "Threat matches").ends_with(&format!("{threats} since the start")));
    browser.wait_for(&format!("{} === '{threats}'", tile("Threat matches", "value")));
    let mean = number(totals, "risk_sum") as f64 / number(totals, "risk_count") as f64;
    assert!(note(&mut browser, "Average risk").ends_with(&format!("{mean:.1} since the start")));
    assert_eq!(note(&mut browser, "Lost"), "nothing since the start");
    browser.screenshot(&screen("page-1280.png"));
    assert_eq!(browser.errors(), Vec::<String>::new());
}

#[test]
fn the_table_has_the_newest_flows_of_the_api_in_order() {
    let agent = replayed();
    let Some(mut browser) = signed_in(&agent, 1280, 900) else { return };
    let answer = agent.get("/v1/events/recent?limit=100");
    let events = answer["events"].as_array().expect("a list");
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
    let column = |browser: &mut Browser, name: &str| {
        let cells =
            format!("[...document.querySelectorAll('#flows-table td.{name} span[title]')].map(s => s.title)");
        let titles: Value = browser.evaluate(&cells);
        titles
            .as_array()
            .expect("a list")
            .iter()
            .map(|title| digits(title.as_str().expect("text")))
            .collect::<Vec<_>>()
    };
    let expected =
        |field: &str| events.iter().map(|event| number(event, field).to_string()).collect::<Vec<_>>();
    assert_eq!(column(&mut browser, "bytes"), expected("bytes"));
    assert_eq!(column(&mut browser, "packets"), expected("packets"));
    let marked = browser.evaluate("document.querySelectorAll('#flows-table tr[data-threat=yes]').length");
    let threats = events.iter().filter(|event| event["ti"]["matched"] == true).count();
    assert_eq!(marked, threats);
}

#[test]
fn what_the_agent_wrote_to_flash_is_on_the_page() {
    let agent = replayed();
    let Some(mut browser) = signed_in(&agent, 1280, 900) else { return };
    browser.wait_for("/written today/.test(document.getElementById('agent').textContent)");
    let store = &agent.metrics()["store"];
    assert!(store["bytes_written_today"].is_u64(), "{store}");
    assert!(store["bytes_written_per_day"].is_null(), "no whole day has passed: {store}");
    // 0 where the data directory is in memory.
    assert!(store["bytes_written_per_row"].as_f64().is_some_and(|bytes| bytes >= 0.0), "{store}");
    let panel = browser.evaluate("document.getElementById('agent').textContent");
    let panel = panel.as_str().expect("text");
    assert!(panel.contains("written today") && panel.contains("bytes a row"), "{panel}");
    assert!(!panel.contains("a day"), "there is no whole day yet: {panel}");
    assert_eq!(browser.errors(), Vec::<String>::new());
}

#[test]
fn the_page_asks_nobody_but_the_agent() {
    let agent = replayed();
    let Some(browser) = signed_in(&agent, 1280, 900) else { return };
    let requests = browser.requests();
    let own = format!("http://{}/", agent.address);
    let others: Vec<_> =
        requests.iter().filter(|url| !url.starts_with(&own) && !url.starts_with("data:")).collect();
    assert!(others.is_empty(), "{others:?}");
    assert!(requests.len() > 5, "only {requests:?} were seen");
}

#[test]
fn a_narrow_window_needs_no_sideways_scrolling() {
    let agent = replayed();
    let Some(mut browser) = signed_in(&agent, 360, 740) else { return };
    let over =
        browser.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth");
    browser.screenshot(&screen("page-360.png"));
    assert_eq!(over, 0, "the page is wider than its window by so many pixels");
    assert_eq!(browser.errors(), Vec::<String>::new());
}

/// A browser whose requests for figures find the clock unset, as on a gateway that has just booted in 1970.
const UNSET_CLOCK: &str = r#"
    const real = window.fetch;
    window.fetch = async (path, options) => {
        const answer = await real(path, options);
        if (path !== "/v1/metrics") return answer;
        const metrics = await answer.json();
        metrics.clock = { state: "unset", retention_by_age: false };
        const clock = metrics.parts.find((part) => part.name === "clock");
        Object.assign(clock, { status: "degraded", code: "unset", detail: "the clock says 1970-01-01: `date -s`" });
        return new Response(JSON.stringify(metrics), { status: 200 });
    };"#;

#[test]
fn trouble_with_the_clock_is_told_until_it_is_over() {
    let agent = replayed();
    let Some(mut browser) = signed_in(&agent, 1280, 900) else { return };
    let shown = "!document.getElementById('parts-trouble').hidden";
    assert_eq!(browser.evaluate(shown), false, "all is well");
    browser
        .evaluate(&format!("(() => {{ {UNSET_CLOCK} window.mend = () => {{ window.fetch = real; }}; }})()"));
    browser.wait_for(shown);
    let text = browser.evaluate("document.getElementById('parts-trouble').textContent");
    assert_eq!(text, "clock degraded: the clock says 1970-01-01: date -s");
    let agent_panel = "document.getElementById('agent').textContent";
    let panel = browser.evaluate(agent_panel);
    assert!(panel.as_str().is_some_and(|text| text.contains("unset, rows do not go by age")), "{panel}");
    browser.screenshot(&screen("page-clock.png"));
    browser.evaluate("window.mend()");
    browser.wait_for(&format!("!({shown})"));
    assert_eq!(browser.errors(), Vec::<String>::new());
}

#[test]
fn a_wrong_key_is_told_and_shows_nothing() {
    let agent = replayed();
    let Some(mut browser) = Browser::start(1280, 900) else { return };
    browser.open(&format!("http://{}/", agent.address));
    sign_in(&mut browser, "ta_00000000_wrong");
    browser.wait_for("document.getElementById('signin-error').textContent.includes('not known')");
    assert_eq!(browser.evaluate("document.getElementById('main').hidden"), true);
}
