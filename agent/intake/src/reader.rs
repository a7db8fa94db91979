//! From the text of one JSON object to a record.

use weir_flow::{FlowRecord, Source, Text, Timestamp};

use crate::flow::{self, Manner, Texts};
use crate::object::{self, Member};
use crate::{Rejected, zeek};

/// As what a record is to be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// As what it looks like: a line of a Zeek log, or a flow.
    #[default]
    Any,
    /// A flow, `flows.v1` or what an exporter's tool writes; it needs a time.
    Flow,
    /// As [`Dialect::Flow`]; it needs both addresses too.
    Netflow,
    /// A line of a Zeek log: of this one, or of the one that it looks like.
    Zeek(Option<Text>),
    /// A record as Weir writes it; what enrichment adds is left out, since that is made anew.
    Own,
}

/// Reads records one after the other, in the same memory.
#[derive(Debug, Default)]
pub struct Reader {
    source: Source,
    /// Empty between records; only its memory stays.
    members: Vec<Member<'static>>,
    texts: Texts,
}

impl Reader {
    /// Records are marked as coming from `source`.
    #[must_use]
    pub fn new(source: Source) -> Self {
        Self { source, ..Self::default() }
    }

    /// Reads `json`, one object of at most 256 KiB with at most 256 members. `now` is the time of a Zeek record that has
    /// none.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(&mut self, json: &[u8], dialect: &Dialect, now: Timestamp) -> Result<FlowRecord, Rejected> {
        let mut members: Vec<Member<'_>> = std::mem::take(&mut self.members);
        let read = object::read(json, &mut members).and_then(|()| self.record(&mut members, dialect, now));
        self.members = emptied(members);
        read
    }

    fn record(
        &mut self,
        members: &mut Vec<Member<'_>>,
        dialect: &Dialect,
        now: Timestamp,
    ) -> Result<FlowRecord, Rejected> {
        let manner = match dialect {
            Dialect::Any if zeek::looks_like(members) => return self.zeek(None, members, now),
            Dialect::Zeek(log) => return self.zeek(log.as_deref(), members, now),
            Dialect::Any | Dialect::Flow => Manner::Flow,
            Dialect::Netflow => Manner::Netflow,
            Dialect::Own => Manner::Own,
        };
        let (mut record, source) = flow::record(members, manner, &mut self.texts)?;
        record.source = source.unwrap_or(self.source);
        Ok(record)
    }

    fn zeek(
        &self,
        log: Option<&str>,
        members: &[Member<'_>],
        now: Timestamp,
    ) -> Result<FlowRecord, Rejected> {
        zeek::record(log, members, now).map(|record| FlowRecord { source: self.source, ..record })
    }
}

/// The memory of `members`, without them: collecting into a list of the same layout keeps the allocation.
fn emptied(mut members: Vec<Member<'_>>) -> Vec<Member<'static>> {
    members.clear();
    members.into_iter().map_while(|_| None).collect()
}

#[cfg(test)]
mod tests {
    use super::{Member, emptied};
    use crate::Said;

    #[test]
    fn the_memory_of_the_list_stays() {
        let mut members: Vec<Member<'_>> = Vec::with_capacity(100);
        members.push(("a".into(), Said::Null));
        let (place, capacity) = (members.as_ptr() as usize, members.capacity());
        let emptied = emptied(members);
        assert_eq!((emptied.as_ptr() as usize, emptied.capacity(), emptied.len()), (place, capacity, 0));
    }
}
