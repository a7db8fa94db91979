//! How far a hunt has come, as the ring remembers it in the bookmark of this name.

use serde::{Deserialize, Serialize};
use weir_flow::{Bookmark, Timestamp};

/// Name of the bookmark.
pub(super) const BOOKMARK: &str = "hunt";

/// What a bookmark says.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub(super) enum Position {
    /// All indicators of lists with this digest were hunted.
    Done {
        /// Of [`weir_ti::Digest`].
        digest: String,
    },
    /// Those of lists with this digest are being hunted.
    Hunting {
        /// Of [`weir_ti::Digest`].
        digest: String,
        /// When they were new, milliseconds.
        since_ms: i64,
        /// Where; none before the first ring.
        at: Option<At>,
    },
}

/// A place in a ring. Rings are gone through in the order of their tenants' names.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(super) struct At {
    /// Whose ring.
    pub(super) tenant: String,
    /// First half of its event ids: another tenant of that name has another ring.
    pub(super) ring_id: String,
    /// Rows below this one are still to be looked at.
    pub(super) below: u64,
    /// Rows of this ring that the hunt has sighted.
    pub(super) sightings: u64,
    /// Rows that it would have sighted had they not been too many.
    pub(super) suppressed: u64,
}

impl Position {
    /// From the text of a bookmark; none when another version wrote it.
    pub(super) fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// Its bookmark.
    pub(super) fn bookmark(&self) -> Bookmark {
        let position = serde_json::to_string(self).unwrap_or_default();
        Bookmark { input: BOOKMARK.into(), position: position.into() }
    }

    /// A hunt at `at`.
    pub(super) fn hunting(digest: &str, since: Timestamp, at: Option<At>) -> Self {
        Self::Hunting { digest: digest.to_owned(), since_ms: since.millis(), at }
    }
}

#[cfg(test)]
mod tests {
    use weir_flow::Timestamp;

    use super::{At, Position};

    #[test]
    fn a_position_reads_as_it_was_written_and_anything_else_is_none() {
        let at = At {
            tenant: "b".into(),
            ring_id: "0123456789abcdef".into(),
            below: u64::MAX,
            sightings: 3,
            suppressed: 1,
        };
        let since = Timestamp::from_millis(1_795_240_800_123);
        let positions = [
            Position::Done { digest: "1-0".into() },
            Position::hunting("2-1", since, None),
            Position::hunting("2-1", since, Some(at)),
        ];
        for position in positions {
            assert_eq!(Position::parse(&position.bookmark().position), Some(position));
        }
        for other in ["", "7", "{}", r#"{"state":"later"}"#, r#"{"state":"hunting","digest":"1-0"}"#] {
            assert_eq!(Position::parse(other), None, "{other}");
        }
    }
}
