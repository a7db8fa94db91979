//! Threat lists, text and CSV, loaded from a file, and look-ups of what stands in them.

#![no_main]

use std::net::IpAddr;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use weir_flow::Field;
use weir_fuzz::scratch::Scratch;
use weir_ti::{Config, Index, Indicators, MAX_MATCHES_PER_FIELD};

static FILE: LazyLock<Scratch> = LazyLock::new(Scratch::new);

/// Words of the input that are looked up; more cost time only.
const MAX_WORDS: usize = 256;

fuzz_target!(|input: &[u8]| {
    FILE.fill(input);
    let config = Config { lists: vec![FILE.path().to_owned()], allow_private: true, ..Config::default() };
    let (indicators, notices) = Indicators::load(&config);
    for notice in notices {
        let line = notice.to_string();
        assert!(!line.contains(char::is_control), "not one line of text: {line:?}");
    }
    let [info] = &indicators.info()[..] else { panic!("one list was given") };
    assert_eq!(info.entries, info.networks + info.addresses + info.domains);
    assert_eq!(info.bad_lines, info.bad_reasons.values().sum::<u64>());
    let Ok(text) = str::from_utf8(input) else { return };
    let index = indicators.index();
    for word in text.split([' ', '\t', '\n', '\r', ',', '"', ':', '/']).take(MAX_WORDS) {
        look_up(&index, word);
    }
    let is_text = info.error.is_none() && !text.to_ascii_lowercase().contains("ip_or_cidr");
    for line in text.lines().take(MAX_WORDS).filter(|line| is_text && is_plain(line)) {
        if let Ok(ip) = line.split(['#', ';']).next().unwrap_or_default().trim().parse::<IpAddr>() {
            let verdict = index.matches(Some(ip), None, None);
            assert!(!verdict.matches.is_empty(), "{ip} is listed and does not match");
        }
    }
});

/// Lines of any other kind are told of and left out, whatever they begin with.
fn is_plain(line: &str) -> bool {
    line.len() <= 4_096 && !line.contains(|c: char| c.is_control() && c != '\t')
}

fn look_up(index: &Index, word: &str) {
    let mut matches = Vec::new();
    index.lookup_domain(word, &mut matches);
    assert!(matches.len() <= MAX_MATCHES_PER_FIELD);
    if let Ok(ip) = word.parse() {
        matches.clear();
        index.lookup_ip(ip, Field::SrcIp, &mut matches);
        assert!(matches.len() <= MAX_MATCHES_PER_FIELD);
    }
}
