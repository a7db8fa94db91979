//! The table of exporters. What it shows is an answer of `/v1/sources` that the web crate's own tests compare with what is
//! served.

use serde_json::{Value, json};
use weir_tests::browser::Browser;

use super::{replayed, screen, signed_in};

const ANSWER: &str = include_str!("../../../web/tests/http/sources.json");

fn answer() -> Value {
    serde_json::from_str(ANSWER).expect("an answer is JSON")
}

/// From now on the browser finds `answer` at `/v1/sources`.
fn let_sources_be(browser: &mut Browser, answer: &Value) {
    browser.evaluate(&format!(
        r#"(() => {{
            window.real ??= window.fetch;
            const text = JSON.stringify({answer});
            window.fetch = async (path, options) =>
                String(path).startsWith("/v1/sources") ? new Response(text, {{ status: 200 }}) : window.real(path, options);
            // What the page does at once when a reader asks for it.
            document.getElementById("retry").click();
        }})()"#
    ));
}

/// The texts of all elements that `selector` finds.
fn texts(browser: &mut Browser, selector: &str) -> Vec<String> {
    let all =
        browser.evaluate(&format!("[...document.querySelectorAll({selector:?})].map(e => e.textContent)"));
    let all = all.as_array().expect("a list");
    all.iter().map(|text| text.as_str().expect("text").replace('\u{202f}', " ")).collect()
}

fn is_shown(browser: &mut Browser, id: &str) -> bool {
    browser.evaluate(&format!("Boolean(document.getElementById({id:?}).offsetParent)")) == true
}

fn press_enter(browser: &mut Browser) {
    for kind in ["keyDown", "keyUp"] {
        let text = if kind == "keyDown" { "\r" } else { "" };
        let key =
            json!({"type": kind, "key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": text});
        browser.call("Input.dispatchKeyEvent", &key);
    }
}

const ROWS: &str = "document.querySelectorAll('#exporters tbody tr:not(.more)').length";

#[test]
fn exporters_are_listed_with_those_in_trouble_first_and_listeners_with_what_they_dropped() {
    let agent = replayed();
    let Some(mut browser) = signed_in(&agent, 1280, 900) else { return };
    let_sources_be(&mut browser, &answer());
    browser.wait_for(&format!("{ROWS} === 3"));
    let names = texts(&mut browser, "#exporters .address");
    assert_eq!(names, ["[2001:db8::20]:4739", "192.0.2.77", "192.0.2.1"]);
    let about = texts(&mut browser, "#exporters .place");
    let expected =
        ["degraded · IPFIX, NetFlow v5 · 2 domains", "silent · sFlow v5", "NetFlow v9 · sampled 1 of 100"];
    assert_eq!(about, expected);
    let row = |n: u8| format!("#exporters tbody tr:nth-child({n}) td[data-label]");
    let firewall = texts(&mut browser, &row(1));
    assert_eq!(firewall, ["0/s", "0", "0", "211", "65.5 kB", "+60 min", "12 s ago"]);
    assert_eq!(texts(&mut browser, &row(2)), ["0/s", "2", "0", "0", "0", "–", "not since start"]);
    assert_eq!(
        texts(&mut browser, &row(3)),
        ["413/s", "6", "1.29 k datagrams", "0", "0", "−140 ms", "just now"]
    );
    assert_eq!(texts(&mut browser, "#exporters-count"), ["3 · 1 degraded · 1 silent"]);
    let title = browser
        .evaluate("document.querySelector('#exporters tbody tr td[data-label=Undecodable] span').title");
    assert_eq!(title, "210 no template, 1 bad record");
    let late = browser
        .evaluate("document.querySelector('#exporters tbody tr td[data-label=Clock] span').dataset.state");
    assert_eq!(late, "bad", "an hour ahead");
    let listeners = texts(&mut browser, "#listeners li");
    assert_eq!(listeners, ["UDP 0.0.0.0:2055listening17 dropped", "UDP [::]:6343failed"]);
    browser.screenshot(&screen("page-exporters-1280.png"));
    let narrow = json!({"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": false});
    browser.call("Emulation.setDeviceMetricsOverride", &narrow);
    let over =
        browser.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth");
    browser.screenshot(&screen("page-exporters-360.png"));
    assert_eq!(over, 0, "the page is wider than its window by so many pixels");
    assert_eq!(browser.errors(), Vec::<String>::new());
}

#[test]
fn details_open_by_keyboard_and_follow_the_figures_without_losing_the_focus() {
    let agent = replayed();
    let Some(mut browser) = signed_in(&agent, 1280, 900) else { return };
    let mut sources = answer();
    let_sources_be(&mut browser, &sources);
    browser.wait_for(&format!("{ROWS} === 3"));
    browser.evaluate("document.querySelector('#exporters tbody tr:nth-child(3) button').focus()");
    press_enter(&mut browser);
    browser.wait_for("document.querySelector('#exporters tr.more')");
    let details = texts(&mut browser, "#exporters tr.more");
    assert!(details[0].contains("Missing1,290 datagrams"), "{details:?}");
    // It is in trouble, which moves it to the front, and loses more.
    let router = &mut sources["sources"][0];
    router["health_status"] = "degraded".into();
    router["sequence"]["lost"] = 1_300.into();
    let_sources_be(&mut browser, &sources);
    browser.wait_for("document.querySelector('#exporters tr.more').textContent.includes('1,300 datagrams')");
    assert_eq!(texts(&mut browser, "#exporters .address")[0], "192.0.2.1");
    let focused = browser.evaluate("document.activeElement.getAttribute('aria-label')");
    assert_eq!(focused, "Details of 192.0.2.1");
    press_enter(&mut browser);
    browser.wait_for("!document.querySelector('#exporters tr.more')");
    assert_eq!(browser.errors(), Vec::<String>::new());
}

#[test]
fn many_exporters_are_cut_at_fifty_until_all_are_asked_for() {
    let agent = replayed();
    let Some(mut browser) = signed_in(&agent, 1280, 900) else { return };
    let router = &answer()["sources"][0];
    let many: Vec<_> = (1..=60)
        .map(|host| {
            let mut source = router.clone();
            source["id"] = format!("udp-10.0.0.{host}").into();
            source["display_name"] = format!("10.0.0.{host}").into();
            source["address"] = source["display_name"].clone();
            source
        })
        .collect();
    let mut sources = answer();
    (sources["sources"], sources["total"]) = (many.into(), 700.into());
    let_sources_be(&mut browser, &sources);
    browser.wait_for(&format!("{ROWS} === 50"));
    assert_eq!(texts(&mut browser, "#exporters-more"), ["Show 10 more"]);
    assert_eq!(
        texts(&mut browser, "#exporters-beyond"),
        ["640 more, silent for longest, are in /v1/sources."]
    );
    browser.evaluate("document.getElementById('exporters-more').click()");
    browser.wait_for(&format!("{ROWS} === 60"));
    assert_eq!(texts(&mut browser, "#exporters-more"), ["Show fewer"]);
    assert_eq!(texts(&mut browser, "#exporters .address")[59], "10.0.0.60", "by number, not by letter");
}

#[test]
fn the_panel_says_how_to_reach_this_device_until_an_exporter_does_and_is_away_when_nothing_listens() {
    let agent = replayed();
    let Some(mut browser) = signed_in(&agent, 1280, 900) else { return };
    let mut sources = answer();
    (sources["sources"], sources["total"]) = (json!([]), 0.into());
    let_sources_be(&mut browser, &sources);
    browser.wait_for("document.getElementById('exporters-empty').offsetParent");
    assert!(texts(&mut browser, "#exporters-empty")[0].contains("UDP port 2055"));
    assert!(!is_shown(&mut browser, "exporters-table"));
    assert!(!texts(&mut browser, "#exporters-empty")[0].contains("collect.listen"), "others can reach it");
    sources["listeners"][0]["address"] = "127.0.0.1:2055".into();
    sources["listeners"][1]["address"] = "[::1]:6343".into();
    let_sources_be(&mut browser, &sources);
    browser.wait_for("document.getElementById('exporters-empty').textContent.includes('collect.listen')");
    sources["listeners"] = json!([]);
    let_sources_be(&mut browser, &sources);
    browser.wait_for("!document.getElementById('exporters').offsetParent");
    assert_eq!(browser.errors(), Vec::<String>::new());
}

#[test]
fn text_from_outside_stays_text() {
    let agent = replayed();
    let Some(mut browser) = signed_in(&agent, 1280, 900) else { return };
    let markup = "<img src=x onerror=\"document.title='broken'\">";
    let mut sources = answer();
    let router = &mut sources["sources"][0];
    router["display_name"] = markup.into();
    router["undecodable"] = json!({"total": 1, "by_reason": {markup: 1}});
    router["versions"] = json!([markup]);
    sources["listeners"][1]["reason"] = markup.into();
    let_sources_be(&mut browser, &sources);
    browser.wait_for(&format!("{ROWS} === 3"));
    browser
        .evaluate("document.querySelectorAll('#exporters .open button').forEach(button => button.click())");
    browser.wait_for("document.querySelectorAll('#exporters tr.more').length === 3");
    assert_eq!(browser.evaluate("document.querySelectorAll('#exporters img').length"), 0);
    assert_eq!(browser.evaluate("document.title"), "Weir");
    assert!(texts(&mut browser, "#exporters .address").contains(&markup.to_owned()));
}
