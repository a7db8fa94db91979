//! Sequence numbers: what an exporter sent and the collector never saw.
//!
//! What the number counts is written down for each version (Cisco's v5; RFC 3954 §5.1; RFC 7011 §3.1), but exporters differ:
//! softflowd's IPFIX counts the message's own records, and leaves those of options out. So the convention is found from the
//! stream itself: a message that one credible convention explains is no gap, and a gap is measured by the convention that
//! explained most.

use super::report::SequenceUnit;

/// A jump forward by more than this is a new beginning: a day of a busy branch.
const MAX_GAP: i64 = 100_000_000;
/// A message that is older than the latest by at most this many units came late.
const EARLIEST: i64 = -10_000;
/// So many late messages in a row, each of which follows the one before, are a new beginning.
const NEW_BEGINNING: u8 = 4;
/// A first number is one of a new beginning when it is so many messages away: datagrams overtake each other by fewer.
const FAR: u64 = 8;
/// Explanations that count; more would make a stream that changes its convention take long to be believed.
const MAX_SCORE: u8 = 64;

/// What a sequence number may count, and up to which message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Convention {
    /// Datagrams.
    Messages,
    /// Data records of all messages before this one.
    RecordsBefore,
    /// The same without options records.
    FlowsBefore,
    /// Data records up to and with this message.
    RecordsAfter,
    /// The same without options records.
    FlowsAfter,
}

impl Convention {
    const ALL: [Self; 5] =
        [Self::Messages, Self::RecordsBefore, Self::FlowsBefore, Self::RecordsAfter, Self::FlowsAfter];

    /// What lies between the numbers of two messages that follow each other; none where a message could not be counted.
    fn step(self, before: Option<Counted>, this: Option<Counted>) -> Option<i64> {
        Some(match self {
            Self::Messages => 1,
            Self::RecordsBefore => before?.all(),
            Self::FlowsBefore => before?.flows.into(),
            Self::RecordsAfter => this?.all(),
            Self::FlowsAfter => this?.flows.into(),
        })
    }

    /// Units that a message itself takes.
    fn own(self, this: Option<Counted>) -> u64 {
        let counted = this.unwrap_or_default();
        match self {
            Self::Messages => 1,
            Self::RecordsBefore | Self::RecordsAfter => counted.all().unsigned_abs(),
            Self::FlowsBefore | Self::FlowsAfter => counted.flows.into(),
        }
    }
}

/// Data records of one message.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counted {
    pub(super) flows: u32,
    pub(super) options: u32,
}

impl Counted {
    fn all(self) -> i64 {
        i64::from(self.flows) + i64::from(self.options)
    }
}

#[derive(Clone, Copy, Debug)]
struct Message {
    number: u32,
    /// None when some of its data could not be decoded, so that nobody knows how many records it held.
    counted: Option<Counted>,
}

/// What the numbers of one or several streams said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Missing {
    pub(super) lost: u64,
    pub(super) gaps: u64,
    pub(super) reordered: u64,
    pub(super) restarts: u64,
}

impl Missing {
    pub(super) const fn add(&mut self, other: Self) {
        self.lost += other.lost;
        self.gaps += other.gaps;
        self.reordered += other.reordered;
        self.restarts += other.restarts;
    }
}

/// One stream: the messages of an observation domain.
#[derive(Clone, Debug)]
pub(super) struct Sequence {
    /// What the version's specification says, until the stream says otherwise.
    usual: Convention,
    scores: [u8; Convention::ALL.len()],
    last: Option<Message>,
    /// The latest of several late messages in a row, and how many.
    late: Option<(Message, u8)>,
    missing: Missing,
}

impl Sequence {
    /// A stream whose numbers count flow records (v5, v7).
    pub(super) const fn of_flows() -> Self {
        Self::new(Convention::FlowsBefore)
    }

    /// A stream whose numbers count datagrams (v9).
    pub(super) const fn of_messages() -> Self {
        Self::new(Convention::Messages)
    }

    /// A stream whose numbers count data records (IPFIX).
    pub(super) const fn of_records() -> Self {
        Self::new(Convention::RecordsBefore)
    }

    const fn new(usual: Convention) -> Self {
        let missing = Missing { lost: 0, gaps: 0, reordered: 0, restarts: 0 };
        Self { usual, scores: [0; 5], last: None, late: None, missing }
    }

    /// What is missing, in [`Self::unit`].
    pub(super) const fn missing(&self) -> Missing {
        self.missing
    }

    pub(super) fn unit(&self) -> SequenceUnit {
        match self.convention() {
            Convention::Messages => SequenceUnit::Datagrams,
            _ => SequenceUnit::Records,
        }
    }

    /// Takes the number of a message and its records, if all could be counted.
    pub(super) fn message(&mut self, number: u32, counted: Option<Counted>) {
        let this = Message { number, counted };
        let Some(last) = self.last else {
            self.last = Some(this);
            return;
        };
        if self.explain(last, this) {
            self.follow(this);
            return;
        }
        let convention = self.convention();
        let Some(step) = convention.step(last.counted, counted) else {
            self.follow(this);
            return;
        };
        let ahead = distance(last, this) - step;
        match ahead {
            1..=MAX_GAP => {
                self.missing.lost += ahead.unsigned_abs();
                self.missing.gaps += 1;
                self.follow(this);
            }
            EARLIEST..=0 if !self.begins_again(this) => self.came_late(this),
            _ => self.begin_again(this),
        }
    }

    fn follow(&mut self, this: Message) {
        self.last = Some(this);
        self.late = None;
    }

    /// The convention that explained most, the usual one among equals.
    fn convention(&self) -> Convention {
        let best = Convention::ALL.into_iter().max_by_key(|&one| (self.score(one), one == self.usual));
        best.unwrap_or(self.usual)
    }

    const fn score(&self, convention: Convention) -> u8 {
        self.scores[convention as usize]
    }

    /// True when a credible convention says that `this` follows `last`; those that say otherwise lose credit.
    fn explain(&mut self, last: Message, this: Message) -> bool {
        let best = self.score(self.convention());
        let distance = distance(last, this);
        let explains = |one: Convention| one.step(last.counted, this.counted) == Some(distance);
        let is_credible = |one: Convention| self.score(one).saturating_mul(2) >= best;
        if !Convention::ALL.into_iter().any(|one| is_credible(one) && explains(one)) {
            return false;
        }
        for one in Convention::ALL {
            let score = &mut self.scores[one as usize];
            *score = if explains(one) { (*score + 1).min(MAX_SCORE) } else { *score / 2 };
        }
        true
    }

    /// True for the first message of an exporter that has just started, if it had come further than that before.
    fn begins_again(&self, this: Message) -> bool {
        let own = self.convention().own(this.counted).max(1);
        let number = u64::from(this.number);
        number <= own && self.last.is_some_and(|last| u64::from(last.number) > number + FAR * own)
    }

    fn begin_again(&mut self, this: Message) {
        self.missing.restarts += 1;
        self.follow(this);
    }

    /// A message that was counted as lost has come after all, unless the numbers go on from there.
    fn came_late(&mut self, this: Message) {
        let convention = self.convention();
        let follows =
            |before: Message| convention.step(before.counted, this.counted) == Some(distance(before, this));
        let run = match self.late {
            Some((before, run)) if follows(before) => run + 1,
            _ => 1,
        };
        if run >= NEW_BEGINNING {
            self.begin_again(this);
            return;
        }
        self.late = Some((this, run));
        self.missing.reordered += 1;
        let is_repeated = self.last.is_some_and(|last| last.number == this.number);
        if !is_repeated {
            self.missing.lost = self.missing.lost.saturating_sub(convention.own(this.counted));
        }
    }
}

/// From one number to the next; they count modulo 2^32.
fn distance(from: Message, to: Message) -> i64 {
    i64::from(to.number.wrapping_sub(from.number).cast_signed())
}

#[cfg(test)]
mod tests {
    use super::{Counted, Missing, Sequence, SequenceUnit};

    /// Messages of so many flow and options records each.
    const MESSAGES: [(u32, u32); 12] = [
        (5, 1),
        (24, 0),
        (24, 0),
        (7, 0),
        (24, 1),
        (3, 0),
        (24, 0),
        (24, 0),
        (9, 1),
        (1, 0),
        (24, 0),
        (2, 0),
    ];

    /// Numbers that an exporter gives them.
    fn numbered(start: u32, count: impl Fn(u32, u32) -> u32, after: bool) -> Vec<(u32, Counted)> {
        let mut sum = start;
        let number = |&(flows, options): &(u32, u32)| {
            let before = sum;
            sum = sum.wrapping_add(count(flows, options));
            (if after { sum } else { before }, Counted { flows, options })
        };
        MESSAGES.iter().cycle().take(60).map(number).collect()
    }

    fn run(mut sequence: Sequence, messages: &[(u32, Counted)]) -> (Missing, SequenceUnit) {
        messages.iter().for_each(|&(number, counted)| sequence.message(number, Some(counted)));
        (sequence.missing(), sequence.unit())
    }

    #[test]
    fn no_convention_of_a_real_exporter_makes_a_gap() {
        let flows = |flows: u32, _: u32| flows;
        let all = |flows: u32, options: u32| flows + options;
        let messages = |_: u32, _: u32| 1;
        let near_wrap = u32::MAX - 100;
        for start in [0, 77, near_wrap] {
            let cases = [
                (Sequence::of_records(), numbered(start, all, false)),
                (Sequence::of_records(), numbered(start, flows, true)),
                (Sequence::of_records(), numbered(start, messages, false)),
                (Sequence::of_messages(), numbered(start, messages, true)),
                (Sequence::of_messages(), numbered(start, flows, true)),
                (Sequence::of_flows(), numbered(start, flows, false)),
            ];
            for (sequence, numbers) in cases {
                assert_eq!(run(sequence.clone(), &numbers).0, Missing::default(), "{sequence:?}");
            }
        }
    }

    #[test]
    fn what_is_dropped_is_counted_in_what_the_number_counts() {
        let all = |flows: u32, options: u32| flows + options;
        for (numbers, sequence, unit) in [
            (numbered(0, all, false), Sequence::of_records(), SequenceUnit::Records),
            (numbered(0, |flows, _| flows, true), Sequence::of_records(), SequenceUnit::Records),
            (numbered(1, |_, _| 1, false), Sequence::of_messages(), SequenceUnit::Datagrams),
        ] {
            let is_dropped = |at: usize| at >= 20 && at % 10 == 4;
            let kept: Vec<_> =
                (0..).zip(&numbers).filter(|(at, _)| !is_dropped(*at)).map(|(_, one)| *one).collect();
            let lost: u64 = numbers
                .windows(2)
                .zip(0..)
                .filter(|(_, at)| is_dropped(at + 1))
                .map(|(pair, at)| match unit {
                    SequenceUnit::Datagrams => 1,
                    SequenceUnit::Records if pair[0].0 == 0 || numbers[0].0 == 0 => {
                        u64::from(numbers[at + 2].0 - numbers[at + 1].0)
                    }
                    SequenceUnit::Records => u64::from(pair[1].0 - pair[0].0),
                })
                .sum();
            let (missing, found) = run(sequence, &kept);
            assert_eq!((missing.lost, missing.gaps, found), (lost, 4, unit));
        }
    }

    #[test]
    fn a_message_that_comes_late_is_not_missing() {
        let mut numbers = numbered(0, |flows, options| flows + options, false);
        numbers.swap(30, 31);
        numbers.swap(41, 43);
        let (missing, _) = run(Sequence::of_records(), &numbers);
        assert_eq!((missing.lost, missing.restarts), (0, 0));
        assert_eq!(missing.reordered, 3, "{missing:?}");
    }

    #[test]
    fn a_message_that_comes_twice_takes_nothing_off_what_is_missing() {
        let mut numbers = numbered(1, |_, _| 1, false);
        numbers.remove(20);
        numbers.insert(30, numbers[29]);
        let (missing, _) = run(Sequence::of_messages(), &numbers);
        assert_eq!((missing.lost, missing.gaps, missing.reordered), (1, 1, 1));
    }

    #[test]
    fn an_exporter_that_starts_again_has_lost_nothing() {
        for start in [0, 1, 3_000_000_000] {
            let mut numbers = numbered(500, |_, _| 1, false);
            numbers.extend(numbered(start, |_, _| 1, false));
            let (missing, _) = run(Sequence::of_messages(), &numbers);
            assert_eq!((missing.lost, missing.restarts), (0, 1), "{start}");
        }
        let mut numbers = numbered(5_000, |_, _| 1, false);
        numbers.extend(numbered(200, |_, _| 1, false));
        let (missing, _) = run(Sequence::of_messages(), &numbers);
        assert_eq!((missing.lost, missing.restarts), (0, 1), "somewhere in the past");
    }

    #[test]
    fn data_that_cannot_be_counted_make_no_gap() {
        let mut sequence = Sequence::of_records();
        for (at, &(number, counted)) in
            numbered(0, |flows, options| flows + options, false).iter().enumerate()
        {
            sequence.message(number, (at % 7 != 3).then_some(counted));
        }
        assert_eq!(sequence.missing(), Missing::default());
    }
}
