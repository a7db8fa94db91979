//! Records as clients write them.

use serde_json::{Value, json};

/// Start of the flows made here, ms since 1970: 2026-09-21T14:13:20Z.
pub const START_MS: u64 = 1_790_000_000_000;

/// A flow of `flows.v1`; the unknown member `number` tells it from others, and stays in the row's `extra`.
#[must_use]
pub fn flow(number: u64) -> Value {
    let ms = START_MS + number % 1_000;
    let [.., a, b] = number.to_be_bytes();
    json!({
        "ts": format!("{}.{:03}", ms / 1_000, ms % 1_000).parse::<f64>().expect("a number"),
        "src_ip": format!("10.1.{a}.{b}"),
        "src_port": 40_000 + number % 20_000,
        "dst_ip": "198.51.100.7",
        "dst_port": 443,
        "protocol": "tcp",
        "bytes": 1_200 + number % 7,
        "packets": 9,
        "number": number,
    })
}

/// Flows with these numbers.
#[must_use]
pub fn flows(numbers: std::ops::Range<u64>) -> Value {
    numbers.map(flow).collect()
}

/// A flow padded to about `octets` octets.
#[must_use]
pub fn padded(number: u64, octets: usize) -> Value {
    let mut flow = flow(number);
    let missing = octets.saturating_sub(flow.to_string().len() + r#","padding":"""#.len());
    // Differs from flow to flow, as text does.
    let mut text = format!("{number} {}", "lorem ipsum dolor ".repeat(missing / 18 + 1));
    text.truncate(missing);
    flow["padding"] = Value::from(text);
    flow
}

/// The number of a row that [`flow`] made.
///
/// # Panics
/// Where it has none.
#[must_use]
pub fn number_of(row: &Value) -> u64 {
    row["extra"]["number"].as_u64().unwrap_or_else(|| panic!("no number in {row}"))
}

/// Checks that `numbers` are there exactly once each.
///
/// # Panics
/// Where one is missing or twice there.
pub fn assert_once(mut numbers: Vec<u64>, expected: std::ops::Range<u64>) {
    numbers.sort_unstable();
    let twice = numbers.windows(2).filter(|pair| pair[0] == pair[1]).count();
    assert_eq!(twice, 0, "records are stored twice");
    let strangers = numbers.iter().filter(|number| !expected.contains(number)).count();
    assert_eq!(strangers, 0, "records of nobody");
    let missing = expected.end - expected.start - numbers.len() as u64;
    assert_eq!(missing, 0, "records are missing");
}

#[cfg(test)]
mod tests {
    use super::{assert_once, flow, padded};

    #[test]
    fn a_padded_flow_is_as_long_as_asked() {
        assert_eq!(padded(7, 1_000).to_string().len(), 1_000);
        assert_ne!(flow(1), flow(2));
    }

    #[test]
    #[should_panic(expected = "twice")]
    fn what_is_stored_twice_is_found() {
        assert_once(vec![1, 0, 1], 0..3);
    }

    #[test]
    #[should_panic(expected = "missing")]
    fn what_is_missing_is_found() {
        assert_once(vec![2, 0], 0..3);
    }
}
