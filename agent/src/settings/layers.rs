//! Several texts as one document: each laid over the one before, every value knowing which text it came from.
//!
//! Spans count octets through all texts, one after the other, as if they were one file. So a place in the document is a
//! single number, and the text and the line that it belongs to are found again from it.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::MAX_BYTES;
use super::tree::{Step, locate, remove};

/// A key that a layer may not set, as sections and name, and what to do instead.
pub type Barred = (&'static [&'static str], &'static str);

/// A text with settings, or why it cannot be read.
#[derive(Clone, Debug)]
pub struct Layer {
    /// The file's name, for messages.
    pub name: String,
    /// Its text, or what is wrong with the file and what to do.
    pub text: Result<String, String>,
    /// Keys that it may not set.
    pub barred: &'static [Barred],
}

impl Layer {
    /// The content `text` of the file `name`, which may set every key.
    #[must_use]
    pub fn new(name: &str, text: &str) -> Self {
        Self { name: name.to_owned(), text: Ok(text.to_owned()), barred: &[] }
    }

    /// The text as far as it can be used, and what is wrong with all of it.
    pub(super) fn usable(&self) -> (&str, Option<String>) {
        match &self.text {
            Ok(text) if text.len() > MAX_BYTES => {
                let bytes = text.len();
                ("", Some(format!("{bytes} bytes are no configuration; at most {MAX_BYTES} are read")))
            }
            Ok(text) => (text, None),
            Err(problem) => ("", Some(problem.clone())),
        }
    }

    /// Takes the keys that it may not set out of `table`, its content; the spans of each, with what to do.
    pub(super) fn bar(&self, table: &mut DeTable<'_>) -> Vec<(Range<usize>, Vec<Step>, &'static str)> {
        let mut found = Vec::new();
        for (path, advice) in self.barred {
            let steps: Vec<_> = path.iter().map(|name| Step::Key((*name).to_owned())).collect();
            let is_there = holds(table, path);
            if let Some(span) = locate(table, &steps).filter(|_| is_there) {
                remove(table, &steps);
                found.push((span, steps, *advice));
            }
        }
        found
    }
}

fn holds(table: &DeTable<'_>, path: &[&str]) -> bool {
    match path {
        [] => true,
        [name, rest @ ..] => table.get(*name).is_some_and(|value| match value.get_ref() {
            DeValue::Table(below) => holds(below, rest),
            _ => rest.is_empty(),
        }),
    }
}

/// Where each text begins in the common count of octets.
pub(super) struct Places<'a> {
    texts: Vec<&'a str>,
    starts: Vec<usize>,
}

impl<'a> Places<'a> {
    pub(super) fn new(texts: Vec<&'a str>) -> Self {
        // One more than the text, so that its very end is not the next one's beginning.
        let next = |end: &mut usize, text: &&str| {
            let start = *end;
            *end += text.len() + 1;
            Some(start)
        };
        let starts = texts.iter().scan(0, next).collect();
        Self { texts, starts }
    }

    pub(super) fn start(&self, layer: usize) -> usize {
        self.starts.get(layer).copied().unwrap_or_default()
    }

    /// The text that the octet `at` belongs to, and its line there, from 1.
    pub(super) fn line(&self, at: usize) -> (usize, usize) {
        let (layer, text, at) = self.resolve(at);
        (layer, 1 + text.as_bytes()[..at].iter().filter(|&&b| b == b'\n').count())
    }

    /// The column of the octet `at`, in characters, from 1.
    pub(super) fn column(&self, at: usize) -> usize {
        let (_, text, at) = self.resolve(at);
        let before = &text.as_bytes()[..at];
        let line = before.iter().rposition(|&b| b == b'\n').map_or(0, |newline| newline + 1);
        String::from_utf8_lossy(&before[line..]).chars().count() + 1
    }

    fn resolve(&self, at: usize) -> (usize, &'a str, usize) {
        let layer = self.starts.partition_point(|&start| start <= at).saturating_sub(1);
        let text = self.texts.get(layer).copied().unwrap_or_default();
        (layer, text, at.saturating_sub(self.start(layer)).min(text.len()))
    }
}

/// `table` with every span moved `by` octets.
pub(super) fn moved<'i>(table: DeTable<'i>, by: usize) -> DeTable<'i> {
    let entry = |(key, value): (Spanned<_>, _)| (shift(key, by), moved_value(value, by));
    table.into_iter().map(entry).collect()
}

fn moved_value<'i>(value: Spanned<DeValue<'i>>, by: usize) -> Spanned<DeValue<'i>> {
    let span = value.span();
    let inner = match value.into_inner() {
        DeValue::Table(table) => DeValue::Table(moved(table, by)),
        DeValue::Array(array) => {
            DeValue::Array(array.into_iter().map(|element| moved_value(element, by)).collect::<DeArray<'i>>())
        }
        other => other,
    };
    Spanned::new(span.start + by..span.end + by, inner)
}

fn shift<T>(spanned: Spanned<T>, by: usize) -> Spanned<T> {
    let span = spanned.span();
    Spanned::new(span.start + by..span.end + by, spanned.into_inner())
}

/// Lays `upper` over `lower`: tables merge, any other value takes the place of the one below.
pub(super) fn overlay<'i>(lower: &mut DeTable<'i>, upper: DeTable<'i>) {
    for (key, value) in upper {
        let below = lower.get_mut(&key).map(Spanned::get_mut);
        match (below, value.get_ref()) {
            (Some(DeValue::Table(below)), DeValue::Table(_)) => {
                if let DeValue::Table(above) = value.into_inner() {
                    overlay(below, above);
                }
            }
            _ => {
                // `insert` alone would keep the key from below, with its place in the other text.
                lower.remove(&key);
                lower.insert(key, value);
            }
        }
    }
}
