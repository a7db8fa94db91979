//! What serde says, in the words of someone who edits a configuration file.

/// Words in a key's name that make its value a secret, which no message repeats.
const SECRET_WORDS: &[&str] = &["password", "passphrase", "secret", "token", "api_key"];

/// The plain form of serde's message `raw` about the key named `name`, which may be a `section`.
pub(super) fn explain(raw: &str, name: &str, section: bool) -> String {
    if let Some((word, known)) = unknown(raw, "unknown field `") {
        return unknown_key(if section { "section" } else { "key" }, word, &known);
    }
    if let Some((word, known)) = unknown(raw, "unknown variant `") {
        return format!("`{word}` is unknown; choose {}", either(&known));
    }
    let parts = ["invalid type: ", "invalid value: ", "invalid length: "]
        .iter()
        .find_map(|start| raw.strip_prefix(start)?.rsplit_once(", expected "));
    let secret = SECRET_WORDS.iter().any(|word| name.contains(word));
    match parts {
        Some((_, expected)) if secret => format!("must be {} (the value is not shown)", wanted(expected)),
        Some((found, expected)) => format!("must be {}, not {}", wanted(expected), given(found)),
        None if secret => "is not valid (the value is not shown)".to_owned(),
        None => raw.to_owned(),
    }
}

/// The field that serde misses, if that is what `raw` says.
pub(super) fn missing(raw: &str) -> Option<&str> {
    raw.strip_prefix("missing field `")?.strip_suffix('`')
}

/// The word that serde does not know, and the words that it knows.
fn unknown<'a>(raw: &'a str, start: &str) -> Option<(&'a str, Vec<&'a str>)> {
    // The unknown word may hold anything, the known ones no backquote.
    let (word, rest) = raw.strip_prefix(start)?.rsplit_once("`, expected ").or_else(|| {
        let (word, rest) = raw.strip_prefix(start)?.rsplit_once("`, ")?;
        rest.starts_with("there are no").then_some((word, ""))
    })?;
    Some((word, rest.split('`').skip(1).step_by(2).collect()))
}

fn unknown_key(kind: &str, word: &str, known: &[&str]) -> String {
    match nearest(word, known.iter().copied()) {
        Some(near) => format!("unknown {kind}; did you mean `{near}`?"),
        None if known.is_empty() => format!("unknown {kind}; none is known here"),
        None => format!("unknown {kind}; known are {}", known.join(", ")),
    }
}

fn either(words: &[&str]) -> String {
    match words {
        [] => "nothing".to_owned(),
        [one] => format!("`{one}`"),
        [first @ .., last] => {
            let first: Vec<_> = first.iter().map(|word| format!("`{word}`")).collect();
            format!("{} or `{last}`", first.join(", "))
        }
    }
}

fn wanted(expected: &str) -> &str {
    match expected {
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" | "usize" | "u128" => "a whole number, 0 or more",
        "i8" => "a whole number from -128 to 127",
        "i16" => "a whole number from -32768 to 32767",
        "i32" => "a whole number from -2147483648 to 2147483647",
        "i64" | "isize" | "i128" => "a whole number",
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        "a string" | "a borrowed string" | "a character" => "a text in quotes",
        "a sequence" => "a list",
        "a map" => "a table",
        // A section of settings: `struct Capture`.
        section if section.starts_with("struct ") => "a section",
        other => other,
    }
}

fn given(found: &str) -> String {
    match found.split_once(' ') {
        _ if found == "sequence" => "a list".to_owned(),
        _ if found == "map" => "a table".to_owned(),
        Some(("string", text)) => format!("the text {text}"),
        Some(("integer", number)) => number.trim_matches('`').to_owned(),
        Some(("boolean", word)) => word.trim_matches('`').to_owned(),
        Some(("floating", rest)) => rest.trim_start_matches("point ").trim_matches('`').to_owned(),
        _ => found.to_owned(),
    }
}

/// The word among `known` that `word` most likely was meant to be: at most a third of its letters differ or
/// are swapped.
pub(super) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let longest = (word.chars().count() / 3).max(1);
    known
        .map(|candidate| (strsim::osa_distance(word, candidate), candidate))
        .filter(|&(differing, _)| differing <= longest)
        .min_by_key(|&(differing, _)| differing)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::{explain, missing, nearest};

    #[test]
    fn an_unknown_key_gets_the_nearest_known_one() {
        let raw = "unknown field `snaplenn`, expected one of `snaplen`, `interfaces`, `filter`";
        assert_eq!(explain(raw, "snaplenn", false), "unknown key; did you mean `snaplen`?");
        let raw = "unknown field `colour`, expected `a` or `b`";
        assert_eq!(explain(raw, "colour", false), "unknown key; known are a, b");
        let raw = "unknown field `x`, there are no fields";
        assert_eq!(explain(raw, "x", false), "unknown key; none is known here");
    }

    #[test]
    fn types_are_told_in_plain_words() {
        let raw = "invalid type: string \"many\", expected u16";
        assert_eq!(
            explain(raw, "port", false),
            "must be a whole number from 0 to 65535, not the text \"many\""
        );
        let raw = "invalid value: integer `-1`, expected u32";
        assert_eq!(explain(raw, "size", false), "must be a whole number from 0 to 4294967295, not -1");
        let raw = "unknown variant `loud`, expected one of `error`, `warn`, `info`";
        assert_eq!(explain(raw, "level", false), "`loud` is unknown; choose `error`, `warn` or `info`");
    }

    #[test]
    fn a_secret_is_never_repeated() {
        let shown = explain("invalid type: integer `12345`, expected a string", "hec_token", false);
        assert_eq!(shown, "must be a text in quotes (the value is not shown)");
        assert!(!explain("hunter2 is too short", "password", false).contains("hunter2"));
    }

    #[test]
    fn a_missing_field_is_named() {
        assert_eq!(missing("missing field `url`"), Some("url"));
        assert_eq!(missing("invalid type"), None);
    }

    #[test]
    fn a_word_far_from_all_has_no_nearest() {
        assert_eq!(nearest("interface", ["interfaces", "filter"].into_iter()), Some("interfaces"));
        assert_eq!(nearest("prot", ["exporters", "port"].into_iter()), Some("port"));
        assert_eq!(nearest("x", ["interfaces", "filter"].into_iter()), None);
    }
}
