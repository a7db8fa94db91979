//! What the end-to-end tests, the benches and the shipped capture are made of.
//!
//! Frames and captures ([`frames`], [`pcap`], [`session`], [`traffic`], [`office`]), export datagrams ([`exports`]) and
//! streams of them at a chosen rate ([`blast`]), the program under test ([`program`], [`http`]) as an agent ([`agent`]; one
//! that collects: [`collecting`]) and as a command ([`meter`]; `weir collect`: [`collect`]), those that speak to it
//! ([`exporters`], [`player`], [`flood`], [`ingest`], [`download`], [`relay`], [`zeek`]) or listen to it ([`hec`], [`tls`]), and the ground it
//! stands on ([`netns`], [`browser`], [`corpora`], [`clock`]).

pub mod agent;
pub mod blast;
pub mod browser;
pub mod clock;
pub mod collect;
pub mod collecting;
pub mod corpora;
pub mod download;
pub mod exporters;
pub mod exports;
pub mod flood;
pub mod frames;
pub mod hec;
pub mod http;
pub mod ingest;
pub mod meter;
pub mod netns;
pub mod office;
pub mod payload;
pub mod pcap;
pub mod player;
pub mod program;
pub mod random;
pub mod relay;
pub mod ring;
pub mod sender;
pub mod session;
pub mod tls;
pub mod traffic;
pub mod truth;
pub mod zeek;

use std::io::Write;

/// Says loudly that a test did not run, and why.
///
/// The line goes to stderr and, where `WEIR_SKIPPED` names a file, to the end of it: `tests/run` prints it last.
///
/// # Panics
/// Where `CI=true`: there every test has to run.
pub fn skip(reason: &str) {
    assert!(std::env::var("CI").as_deref() != Ok("true"), "CI runs every test, but: {reason}");
    let test = std::thread::current().name().unwrap_or("test").to_owned();
    eprintln!("SKIPPED {test}: {reason}");
    if let Some(path) = std::env::var_os("WEIR_SKIPPED") {
        let file = std::fs::OpenOptions::new().append(true).create(true).open(path);
        file.and_then(|mut file| writeln!(file, "SKIPPED {test}: {reason}"))
            .expect("WEIR_SKIPPED is writable");
    }
}

/// True when the test may make network namespaces and mounts; else says that it is skipped.
#[must_use]
pub fn is_root() -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        skip("needs root for network namespaces and mounts");
    }
    root
}
