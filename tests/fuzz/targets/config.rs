//! Configuration files and the variables that override them.
//!
//! The input is the text of a file, then variables, `NAME=VALUE`, each after a zero octet.

#![no_main]

use libfuzzer_sys::fuzz_target;
use weir::config::Config;
use weir::settings::{self, MAX_PROBLEMS};

const ALIASES: &[(&str, &str)] =
    &[("GEOIP_CITY_DB", "geo.city_db"), ("RETENTION_DAYS", "store.retention_days")];

fuzz_target!(|input: &[u8]| {
    let Ok(input) = str::from_utf8(input) else { return };
    let mut parts = input.split('\0');
    let text = parts.next().unwrap_or_default();
    let pair = |part: &str| part.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
    let environment: Vec<_> = parts.filter_map(pair).collect();
    let Err(problems) = settings::load::<Config>(text, "weir.toml", &environment, ALIASES) else { return };
    assert!((1..=MAX_PROBLEMS).contains(&problems.len()), "{} problems", problems.len());
    let lines = text.matches('\n').count() + 1;
    for problem in problems {
        let said = problem.to_string();
        assert!(!said.contains(char::is_control), "not one line of text: {said:?}");
        assert!(problem.line.is_none_or(|line| (1..=lines).contains(&line)), "no such line: {said}");
    }
});
