//! What a commit tells of itself.

use crate::Trimmed;

/// What a commit stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Committed {
    /// Rows.
    pub rows: u64,
    /// Blocks that hold them.
    pub blocks: u64,
    /// Bytes of these blocks, compressed.
    pub bytes: u64,
    /// Blocks made from rows of earlier commits, which waited in a tail.
    pub sealed_blocks: u64,
    /// Bytes of those blocks, compressed.
    pub sealed_bytes: u64,
    /// Records left out because they are larger than `max_record_bytes` or nested too deep.
    pub refused: u64,
    /// Dead letters that they became.
    pub letters: u64,
    /// Dead letters whose records are rows now.
    pub replayed: u64,
    /// Dead letters that made room for newer ones.
    pub expired: u64,
    /// Of the records left out, those for which there was no room as dead letters either.
    pub lost: u64,
    /// Batches that are stored whole, from the first on. Fewer than there were when something failed after them: the rest is to
    /// be brought again.
    pub batches: usize,
    /// Records of the batch after those that are stored too, from its first on: they must not be brought again.
    pub records: usize,
    /// Old rows that made room.
    pub trimmed: Trimmed,
}

impl Committed {
    /// Adds what a later commit stored.
    pub(crate) fn add(&mut self, later: &Self) {
        self.rows += later.rows;
        self.blocks += later.blocks;
        self.bytes += later.bytes;
        self.sealed_blocks += later.sealed_blocks;
        self.sealed_bytes += later.sealed_bytes;
        self.refused += later.refused;
        self.letters += later.letters;
        self.replayed += later.replayed;
        self.expired += later.expired;
        self.lost += later.lost;
        self.batches += later.batches;
        self.records = later.records;
        self.trimmed.add(&later.trimmed);
    }
}
