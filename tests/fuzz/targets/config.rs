//! Configuration files and the variables that override them.
//!
//! The input is the texts of files, each laid over the one before and begun by an octet 1, then variables, `NAME=VALUE`,
//! each after a zero octet.

#![no_main]

use libfuzzer_sys::fuzz_target;
use weir::config::Config;
use weir::settings::{self, Layer, MAX_PROBLEMS};

const ALIASES: &[(&str, &str)] =
    &[("GEOIP_CITY_DB", "geo.city_db"), ("RETENTION_DAYS", "store.retention_days")];

fuzz_target!(|input: &[u8]| {
    let Ok(input) = str::from_utf8(input) else { return };
    let mut parts = input.split('\0');
    let texts: Vec<_> = parts.next().unwrap_or_default().split('\u{1}').collect();
    let layers: Vec<_> =
        texts.iter().enumerate().map(|(at, text)| Layer::new(&format!("{at}.toml"), text)).collect();
    let pair = |part: &str| part.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
    let environment: Vec<_> = parts.filter_map(pair).collect();
    let loaded = settings::load_layers::<Config>(&layers, &environment, ALIASES);
    let problems = match loaded {
        Err(problems) => problems,
        Ok(loaded) => {
            // What is kept as the last good configuration can be read again.
            let Some(text) = loaded.effective else { return };
            let again = settings::load::<Config>(&text, "effective", &environment, ALIASES);
            assert!(again.is_ok(), "{:?} of {text}", again.err());
            return;
        }
    };
    assert!((1..=MAX_PROBLEMS).contains(&problems.len()), "{} problems", problems.len());
    for problem in problems {
        let said = problem.to_string();
        assert!(!said.contains(char::is_control), "not one line of text: {said:?}");
        let at = layers.iter().position(|layer| layer.name == problem.origin);
        let lines = at.map_or(0, |at| texts[at].matches('\n').count() + 1);
        assert!(problem.line.is_none_or(|line| (1..=lines).contains(&line)), "no such line: {said}");
    }
});
