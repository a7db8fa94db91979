//! Environment variables that set keys: `WEIR_<SECTION>_<KEY>` and the names of the systems that Weir replaces.

use std::collections::BTreeSet;

use toml::Value;

use super::explain::nearest;
use super::schema::{Key, Scalar, Shape};

const PREFIX: &str = "WEIR_";
/// Variables that begin like a key's but are read elsewhere: by the command line, the log, the tests.
const READ_ELSEWHERE: &[&str] = &["WEIR_CONFIG", "WEIR_DATA_DIR", "WEIR_LOG", "WEIR_CORPORA"];

/// A key that a variable sets.
#[derive(Debug)]
pub(super) struct Override {
    pub(super) path: Vec<&'static str>,
    pub(super) variable: String,
    /// The value in TOML's notation.
    pub(super) literal: String,
}

/// What `environment` sets among `keys`, the last of a key being the one that counts, and warnings.
///
/// An empty variable counts as not set: compose files and units pass such on.
pub(super) fn overrides(
    keys: &[Key],
    environment: &[(String, String)],
    aliases: &[(&str, &str)],
) -> (Vec<Override>, Vec<String>) {
    let mut found = Vec::new();
    let mut warnings = Vec::new();
    for &(alias, dotted) in aliases {
        let Some(text) = environment.iter().find(|(name, _)| name == alias).map(|(_, text)| text) else {
            continue;
        };
        match keys.iter().find(|key| key.path.join(".") == dotted) {
            Some(key) => found.extend(set(key, alias, text)),
            None => warnings.push(format!("{alias}: stands for {dotted}, which is no key")),
        }
    }
    for (name, text) in environment {
        let Some(rest) = name.strip_prefix(PREFIX).map(str::to_ascii_lowercase) else { continue };
        match keys.iter().find(|key| key.path.join("_") == rest) {
            Some(key) => found.extend(set(key, name, text)),
            None => warnings.extend(unknown(keys, name, &rest)),
        }
    }
    (found, warnings)
}

/// A warning when a variable names a known section; others are not ours to judge.
fn unknown(keys: &[Key], name: &str, rest: &str) -> Option<String> {
    let sections: BTreeSet<_> = keys.iter().filter(|key| key.path.len() > 1).map(|key| key.path[0]).collect();
    let in_section = |section: &&str| rest.strip_prefix(*section).is_some_and(|tail| tail.starts_with('_'));
    let section = sections.iter().copied().filter(in_section).max_by_key(|section| section.len())?;
    if READ_ELSEWHERE.contains(&name) {
        return None;
    }
    let known: Vec<String> =
        keys.iter().filter(|key| key.path[0] == section).map(|key| key.path.join("_")).collect();
    let hint = nearest(rest, known.iter().map(String::as_str))
        .map(|near| format!("; did you mean {PREFIX}{}?", near.to_ascii_uppercase()))
        .unwrap_or_default();
    Some(format!("{name}: section [{section}] has no such key{hint}"))
}

fn set(key: &Key, variable: &str, text: &str) -> Option<Override> {
    let text = text.trim();
    let literal = (!text.is_empty()).then(|| literal(key.shape, text))?;
    Some(Override { path: key.path.clone(), variable: variable.to_owned(), literal })
}

/// `text` in TOML's notation. What does not fit stays a text, and the key's type says what it wants instead.
fn literal(shape: Shape, text: &str) -> String {
    match shape {
        Shape::One(scalar) => scalar_literal(scalar, text),
        Shape::List(_) if is_toml(text, '[') => text.to_owned(),
        Shape::Table if is_toml(text, '{') => text.to_owned(),
        Shape::List(scalar) => {
            let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
            let parts: Vec<_> = parts.map(|part| scalar_literal(scalar, part)).collect();
            format!("[{}]", parts.join(", "))
        }
        Shape::Table => quoted(text),
    }
}

fn is_toml(text: &str, first: char) -> bool {
    text.starts_with(first) && toml::de::DeValue::parse(text).is_ok()
}

fn scalar_literal(scalar: Scalar, text: &str) -> String {
    let found = match scalar {
        Scalar::Bool => boolean(text),
        Scalar::Integer => integer(text),
        Scalar::Float => integer(text).or_else(|| float(text)),
        Scalar::Text => None,
        Scalar::Any => exact_boolean(text).or_else(|| integer(text)).or_else(|| float(text)),
    };
    found.unwrap_or_else(|| quoted(text))
}

fn quoted(text: &str) -> String {
    Value::String(text.to_owned()).to_string()
}

/// The spellings that compose files and units use.
fn boolean(text: &str) -> Option<String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Some("true".to_owned()),
        "false" | "0" | "no" | "off" => Some("false".to_owned()),
        _ => None,
    }
}

fn exact_boolean(text: &str) -> Option<String> {
    text.parse::<bool>().ok().map(|value| value.to_string())
}

fn integer(text: &str) -> Option<String> {
    let digits = text.replace('_', "");
    digits.parse::<i128>().ok().map(|value| value.to_string())
}

fn float(text: &str) -> Option<String> {
    text.parse::<f64>().ok().filter(|value| value.is_finite()).map(|value| format!("{value:?}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use toml::de::DeValue;

    use super::{Scalar, Shape, literal};

    fn written(shape: Shape, text: &str) -> String {
        literal(shape, text)
    }

    #[test]
    fn text_becomes_the_type_of_its_key() {
        assert_eq!(written(Shape::One(Scalar::Bool), "Yes"), "true");
        assert_eq!(written(Shape::One(Scalar::Bool), "maybe"), "\"maybe\"");
        assert_eq!(written(Shape::One(Scalar::Integer), "1_000"), "1000");
        assert_eq!(written(Shape::One(Scalar::Integer), "-5"), "-5");
        assert_eq!(written(Shape::One(Scalar::Text), "123"), "\"123\"");
        assert_eq!(written(Shape::One(Scalar::Float), "0.5"), "0.5");
        assert_eq!(written(Shape::One(Scalar::Float), "2"), "2");
        assert_eq!(written(Shape::One(Scalar::Any), "true"), "true");
        assert_eq!(written(Shape::One(Scalar::Any), "1e3"), "1000.0");
        assert_eq!(written(Shape::List(Scalar::Text), "eth0, 1 ,"), "[\"eth0\", \"1\"]");
        assert_eq!(written(Shape::List(Scalar::Integer), "22,23"), "[22, 23]");
        assert_eq!(written(Shape::List(Scalar::Text), "[]"), "[]");
        assert_eq!(written(Shape::List(Scalar::Text), "[x"), "[\"[x\"]");
        assert_eq!(written(Shape::Table, "{ a = 1 }"), "{ a = 1 }");
    }

    fn any_shape() -> impl Strategy<Value = Shape> {
        let scalar = || {
            prop_oneof![
                Just(Scalar::Bool),
                Just(Scalar::Integer),
                Just(Scalar::Float),
                Just(Scalar::Text),
                Just(Scalar::Any)
            ]
        };
        prop_oneof![scalar().prop_map(Shape::One), scalar().prop_map(Shape::List), Just(Shape::Table)]
    }

    proptest! {
        #[test]
        fn any_text_gives_valid_toml(shape in any_shape(), text in "\\PC{0,20}|[\\x00-\\x7f]{0,20}") {
            let literal = literal(shape, &text);
            prop_assert!(DeValue::parse(&literal).is_ok(), "{text:?} became {literal}");
        }

        #[test]
        fn a_text_key_gets_exactly_the_text(text in "\\PC{1,20}|[\\x00-\\x7f]{1,20}") {
            let literal = literal(Shape::One(Scalar::Text), &text);
            let value = DeValue::parse(&literal).unwrap();
            prop_assert_eq!(value.get_ref().as_str(), Some(text.as_str()));
        }
    }
}
