//! An event as one line of text or JSON.

use std::fmt::{self, Write as _};

use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::{Event, Level as Severity, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;
use weir_flow::Timestamp;

use super::{Format, cut, printable};
use crate::clock::Clock;

/// Longest text of one field; a name from outside fills no log.
const MAX_TEXT: usize = 2_048;

/// Writes an event as a line.
pub(super) struct Line(pub(super) Format);

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut said = Said::default();
        event.record(&mut said);
        let now = Clock.now();
        match self.0 {
            Format::Text => text_line(out, now, event, &said),
            Format::Json => json_line(out, now, event, said),
        }
    }
}

fn text_line(mut out: Writer<'_>, now: Timestamp, event: &Event<'_>, said: &Said) -> fmt::Result {
    let meta = event.metadata();
    write!(out, "{now} {:<5} {}: {}", meta.level().as_str(), meta.target(), printable(&said.message))?;
    for (name, value) in &said.fields {
        match value {
            Value::String(text) if plain(text) => write!(out, " {name}={text}")?,
            Value::String(text) => write!(out, " {name}=\"{}\"", printable(text).quoted())?,
            other => write!(out, " {name}={other}")?,
        }
    }
    out.write_char('\n')
}

fn json_line(mut out: Writer<'_>, now: Timestamp, event: &Event<'_>, said: Said) -> fmt::Result {
    let meta = event.metadata();
    let level = match *meta.level() {
        Severity::ERROR => "error",
        Severity::WARN => "warn",
        Severity::INFO => "info",
        Severity::DEBUG => "debug",
        Severity::TRACE => "trace",
    };
    let head: [(&str, String); 4] = [
        ("timestamp", now.to_string()),
        ("level", level.to_owned()),
        ("logger", meta.target().to_owned()),
        ("msg", printable(&said.message).to_string()),
    ];
    out.write_char('{')?;
    for (at, (name, text)) in head.into_iter().enumerate() {
        write!(out, "{}\"{name}\":{}", if at == 0 { "" } else { "," }, Value::String(text))?;
    }
    for (name, value) in said.fields {
        let taken = ["timestamp", "level", "logger", "msg"].contains(&name);
        let value =
            if let Value::String(text) = value { Value::String(printable(&text).to_string()) } else { value };
        write!(out, ",{}:{value}", Value::String(format!("{}{name}", if taken { "field_" } else { "" })))?;
    }
    out.write_str("}\n")
}

/// True when a text needs no quotes to be told from what is beside it.
fn plain(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'=' | b'\\'))
}

/// Message and fields of an event.
#[derive(Default)]
struct Said {
    message: String,
    fields: Vec<(&'static str, Value)>,
}

impl Said {
    fn put(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", Value::String(text)) => self.message = text,
            ("message", other) => self.message = other.to_string(),
            (name, value) => self.fields.push((name.trim_start_matches("r#"), value)),
        }
    }
}

impl Visit for Said {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, Value::String(shortened(&format_args!("{value:?}"))));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, Value::String(shortened(&value)));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }
}

/// The first [`MAX_TEXT`] octets of what `value` shows, and `…` when there is more.
fn shortened(value: &dyn fmt::Display) -> String {
    struct Short(String);
    impl fmt::Write for Short {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            let room = MAX_TEXT - self.0.len();
            let fits = cut(text, room);
            self.0.push_str(fits);
            if fits.len() < text.len() { Err(fmt::Error) } else { Ok(()) }
        }
    }
    let mut short = Short(String::new());
    if write!(short, "{value}").is_err() {
        short.0.push('…');
    }
    short.0
}
