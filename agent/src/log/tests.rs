use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use tracing_subscriber::fmt::MakeWriter;

use super::{Format, Handle, Level, Limited, QUIET, printable, subscriber};
use crate::clock::Clock;

#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Sink {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

fn written(level: Level, format: Format, speak: impl FnOnce(&Handle)) -> String {
    let sink = Sink::default();
    let (subscriber, handle) = subscriber(level, format, sink.clone());
    tracing::subscriber::with_default(subscriber, || speak(&handle));
    let bytes = sink.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn a_json_line_has_time_level_logger_message_and_flat_fields() {
    let text = written(Level::Info, Format::Json, |_| {
        tracing::warn!(target: "weir::capture", interface = "eth0", dropped = 7_u64, ratio = 0.5, ok = true,
            delta = -3_i64, level = "x", "kernel dropped packets");
    });
    assert!(text.ends_with('\n') && text.lines().count() == 1, "{text}");
    let line: Value = serde_json::from_str(&text).unwrap();
    let time = line["timestamp"].as_str().unwrap();
    assert!(time.len() == 24 && time.ends_with('Z') && time.starts_with("20"), "{time}");
    assert_eq!(line["level"], "warn");
    assert_eq!(line["logger"], "weir::capture");
    assert_eq!(line["msg"], "kernel dropped packets");
    assert_eq!(line["interface"], "eth0");
    assert_eq!(line["dropped"], 7);
    assert_eq!(line["ratio"], 0.5);
    assert_eq!(line["ok"], true);
    assert_eq!(line["delta"], -3);
    assert_eq!(line["field_level"], "x");
    assert!(text.starts_with("{\"timestamp\":\""), "{text}");
}

#[test]
fn a_text_line_is_for_people() {
    let text = written(Level::Info, Format::Text, |_| {
        tracing::info!(target: "weir::web", address = "127.0.0.1:8080", path = "a \"b\"", n = 3, "page is at");
    });
    let (_, rest) = text.split_once(' ').unwrap();
    assert_eq!(rest, "INFO  weir::web: page is at address=127.0.0.1:8080 path=\"a \\\"b\\\"\" n=3\n");
}

const HOSTILE: &str =
    "x\nERROR forged\r\u{1b}[2J\u{1b}]0;t\u{7}\u{9b}31m\u{2028}\u{202e}\u{0}\u{7f}\u{85}end";

#[test]
fn text_from_outside_forges_no_line_and_drives_no_terminal() {
    for format in [Format::Text, Format::Json] {
        let text = written(Level::Info, format, |_| {
            tracing::info!(target: "weir", name = HOSTILE, shown = %HOSTILE, debug = ?HOSTILE, "got {HOSTILE}");
            tracing::info!(target: "weir", error = %io::Error::other(HOSTILE), "failed");
        });
        assert_eq!(text.matches('\n').count(), 2, "{text:?}");
        let bad = |c: &char| (c.is_control() && *c != '\n') || matches!(c, '\u{2028}' | '\u{202e}');
        assert_eq!(text.chars().find(bad), None, "{text:?}");
        assert!(text.contains("end"), "{text}");
        if format == Format::Json {
            assert!(text.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{text}");
        }
    }
}

#[test]
fn a_field_name_of_hostile_length_is_cut() {
    let text = written(Level::Info, Format::Json, |_| {
        tracing::info!(target: "weir", name = "ä".repeat(100_000), "long");
    });
    assert!(text.len() < 6_000, "{}", text.len());
    assert!(text.contains('…'));
}

#[test]
fn the_level_filters_and_can_change() {
    let text = written(Level::Warn, Format::Json, |handle| {
        tracing::info!(target: "weir::a", "no 1");
        tracing::error!(target: "weir::a", "yes 1");
        handle.set_level(Level::Debug);
        tracing::debug!(target: "weir_store", "yes 2");
        tracing::trace!(target: "weir_store", "no 2");
        tracing::info!(target: "rustls::client", "no 3");
        tracing::warn!(target: "rustls::client", "yes 3");
        handle.set_level(Level::Trace);
        tracing::trace!(target: "rustls::client", "yes 4");
    });
    assert!(!text.contains("no "), "{text}");
    assert_eq!(text.matches("yes ").count(), 4, "{text}");
}

#[test]
fn a_limited_site_speaks_once_a_minute_and_says_how_often_it_was_silent() {
    static SITE: Limited = Limited::new();
    let start: Instant = Clock.monotonic();
    assert_eq!(SITE.allow(start), Some(0));
    for second in 1..60 {
        assert_eq!(SITE.allow(start + Duration::from_secs(second)), None);
    }
    assert_eq!(SITE.allow(start + QUIET), Some(59));
    assert_eq!(SITE.allow(start + QUIET + Duration::from_secs(1)), None);
    assert_eq!(SITE.allow(start), None, "an older clock reading lets nothing through");
}

#[test]
fn names_of_levels_and_formats_are_read() {
    assert_eq!("WARN".parse(), Ok(Level::Warn));
    assert_eq!("json".parse(), Ok(Format::Json));
    let problem = "lo\nud".parse::<Level>().unwrap_err();
    assert!(
        problem.contains("choose error, warn, info, debug or trace") && !problem.contains('\n'),
        "{problem}"
    );
    assert!("xml".parse::<Format>().unwrap_err().contains("choose text or json"));
}

#[test]
fn ordinary_text_is_shown_as_it_is() {
    let text = "Zürich → 東京 \\ \"quoted\"";
    assert_eq!(printable(text).to_string(), text);
}
