//! The place where a page ended, as text that clients hand back: it fits the ring, the order and the conditions that it
//! came from, and nothing else.

use http::StatusCode;
use weir_store::Order;

use crate::answer::Problem;

/// Layout of the octets behind the text: version, order, row, ring, conditions.
const VERSION: u8 = 1;
const LENGTH: usize = 2 + 8 + 8 + 8;

/// What a cursor fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// The ring's id, which is random.
    pub(crate) ring: u64,
    /// Whether the oldest came first.
    pub(crate) order: Order,
    /// [`super::parameters::Parameters::fingerprint`] of the conditions.
    pub(crate) conditions: [u8; 8],
    /// The last row that was looked at.
    pub(crate) row: u64,
}

impl Cursor {
    /// The text of the cursor: lower-case hexadecimal digits.
    pub(crate) fn text(&self) -> String {
        let mut octets = vec![VERSION, u8::from(self.order == Order::OldestFirst)];
        octets.extend(self.row.to_be_bytes());
        octets.extend(self.ring.to_be_bytes());
        octets.extend(self.conditions);
        octets.iter().map(|octet| format!("{octet:02x}")).collect()
    }

    /// Reads what [`Self::text`] wrote; none for any other text.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.len() != 2 * LENGTH || !text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return None;
        }
        let number = |from: usize| u64::from_str_radix(text.get(from..from + 16)?, 16).ok();
        let order = match text.get(..4)? {
            "0100" => Order::NewestFirst,
            "0101" => Order::OldestFirst,
            _ => return None,
        };
        let (row, ring, conditions) = (number(4)?, number(20)?, number(36)?.to_be_bytes());
        Some(Self { ring, order, conditions, row })
    }

    /// The row to go on from, when `text` is a cursor of the same ring, order and conditions as `self`.
    pub(crate) fn row_of(&self, text: &str) -> Result<u64, Problem> {
        let cursor = Self::parse(text).ok_or_else(|| bad("cursor is not what an answer gave as next"))?;
        if cursor.ring != self.ring {
            return Err(bad("cursor is of a ring that is not this tenant's, or no longer; begin without it"));
        }
        if cursor.order != self.order {
            return Err(bad("cursor is of the other order; give the order that it came with"));
        }
        if cursor.conditions != self.conditions {
            return Err(bad(
                "cursor is of another query; give the conditions, from and to that it came with",
            ));
        }
        Ok(cursor.row)
    }
}

/// The number behind a ring's id.
pub(crate) fn ring_number(ring_id: Option<&str>) -> u64 {
    ring_id.and_then(|id| u64::from_str_radix(id, 16).ok()).unwrap_or_default()
}

fn bad(detail: &'static str) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "bad_cursor", detail)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use weir_store::Order;

    use super::Cursor;

    const CURSOR: Cursor = Cursor { ring: 1, order: Order::NewestFirst, conditions: [2; 8], row: 3 };

    #[test]
    fn a_cursor_of_something_else_is_refused_and_says_of_what() {
        assert_eq!(CURSOR.row_of(&CURSOR.text()).unwrap(), 3);
        for (other, says) in [
            (Cursor { ring: 9, ..CURSOR }, "ring"),
            (Cursor { order: Order::OldestFirst, ..CURSOR }, "order"),
            (Cursor { conditions: [9; 8], ..CURSOR }, "another query"),
        ] {
            let problem = format!("{:?}", CURSOR.row_of(&other.text()).unwrap_err());
            assert!(problem.contains(says), "{problem}");
        }
    }

    proptest! {
        #[test]
        fn a_cursor_is_read_as_it_was_written(ring: u64, asc: bool, conditions: [u8; 8], row: u64) {
            let order = if asc { Order::OldestFirst } else { Order::NewestFirst };
            let cursor = Cursor { ring, order, conditions, row };
            prop_assert_eq!(Cursor::parse(&cursor.text()), Some(cursor));
        }

        #[test]
        fn other_text_is_no_cursor(text in "\\PC{0,60}|[0-9a-fA-F]{50,54}") {
            let cursor = Cursor::parse(&text);
            prop_assert!(cursor.is_none_or(|cursor| cursor.text() == text));
        }
    }
}
