//! When a flow was: every way in which exporters say it, to the wall clock.

use weir_flow::Timestamp;

use super::element::Form;

/// When and by which clock a message was sent.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::collect) struct Header {
    /// Export time by the exporter's wall clock.
    pub(in crate::collect) export: Timestamp,
    /// Milliseconds since the exporter's start at that time, modulo 2^32; IPFIX does not say.
    pub(in crate::collect) uptime: Option<u32>,
    /// When the exporter started, where it said so in options.
    pub(in crate::collect) sys_init: Option<Timestamp>,
}

impl Header {
    /// The instant `uptime` milliseconds after the exporter's start. The counter wraps each 49.7 days: what lies less than half
    /// of that before or after the export time is meant.
    pub(super) fn at_uptime(&self, uptime: u64) -> Option<Timestamp> {
        let now = match self.uptime {
            Some(now) => now,
            None => truncated(self.export.millis().checked_sub(self.sys_init?.millis())?.cast_unsigned()),
        };
        let before = now.wrapping_sub(truncated(uptime)).cast_signed();
        Some(self.export.plus_micros(-i64::from(before) * 1_000))
    }
}

/// Uptimes count modulo 2^32.
#[expect(clippy::cast_possible_truncation, reason = "it is a remainder")]
const fn truncated(uptime: u64) -> u32 {
    uptime as u32
}

/// One end of a flow.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Moment {
    /// By the wall clock, with how fine that is.
    instant: Option<(u8, Timestamp)>,
    /// Milliseconds since the exporter's start.
    pub(super) uptime: Option<u64>,
    /// Microseconds before the export time.
    pub(super) delta: Option<u64>,
}

impl Moment {
    /// Takes an instant; the finest of several counts.
    #[inline]
    pub(super) fn instant(&mut self, form: Form, at: Option<Timestamp>) {
        let fineness = match form {
            Form::Seconds => 0,
            Form::Millis => 1,
            Form::Micros => 2,
            _ => 3,
        };
        if let Some(at) = at
            && self.instant.is_none_or(|(finest, _)| finest <= fineness)
        {
            self.instant = Some((fineness, at));
        }
    }

    #[inline]
    fn resolve(&self, header: &Header) -> Option<Timestamp> {
        if let Some((_, at)) = self.instant {
            return Some(at);
        }
        if let Some(uptime) = self.uptime
            && let Some(at) = header.at_uptime(uptime)
        {
            return Some(at);
        }
        let delta = i64::try_from(self.delta?).ok()?;
        Some(header.export.plus_micros(-delta))
    }
}

/// All that a record says of time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Times {
    pub(super) start: Moment,
    pub(super) end: Moment,
    pub(super) sys_init: Option<Timestamp>,
    pub(super) observed: Option<Timestamp>,
    /// Microseconds.
    pub(super) duration: Option<u64>,
}

impl Times {
    /// First and last packet. Where the record does not say: by the flow's length, else when the event was observed, else
    /// when the message was sent.
    #[inline]
    pub(super) fn resolve(&self, header: &Header) -> (Timestamp, Timestamp) {
        let own = Header { sys_init: self.sys_init.or(header.sys_init), ..*header };
        match (self.start.resolve(&own), self.end.resolve(&own)) {
            (Some(start), Some(end)) => (start, end),
            (Some(start), None) => {
                let end = self.length().map(|length| start.plus_micros(length)).or(self.observed);
                (start, end.unwrap_or(start))
            }
            (None, Some(end)) => (self.length().map_or(end, |length| end.plus_micros(-length)), end),
            (None, None) => {
                let end = self.observed.unwrap_or(header.export);
                (self.length().map_or(end, |length| end.plus_micros(-length)), end)
            }
        }
    }

    /// Microseconds that the flow took: as said, or between two uptimes that cannot be told in wall time.
    fn length(&self) -> Option<i64> {
        let between = || Some(self.end.uptime?.checked_sub(self.start.uptime?)?.saturating_mul(1_000));
        self.duration.or_else(between).and_then(|micros| i64::try_from(micros).ok())
    }
}

#[cfg(test)]
mod tests {
    use weir_flow::Timestamp;

    use super::super::element::Form;
    use super::{Header, Times};

    fn header(uptime: Option<u32>) -> Header {
        Header { export: Timestamp::from_millis(1_700_000_000_000), uptime, sys_init: None }
    }

    #[test]
    fn uptimes_are_resolved_across_the_wrap_in_both_directions() {
        let at =
            |now: u32, then: u64| header(Some(now)).at_uptime(then).unwrap().millis() - 1_700_000_000_000;
        assert_eq!(at(5_000, 4_000), -1_000);
        assert_eq!(at(500, u64::from(u32::MAX) - 499), -1_000);
        assert_eq!(at(u32::MAX - 499, 500), 1_000, "a flow that ended while the message was made");
        assert_eq!(header(None).at_uptime(7), None);
        let init = Timestamp::from_millis(1_700_000_000_000 - 5_000);
        let known = Header { sys_init: Some(init), ..header(None) };
        assert_eq!(known.at_uptime(7).unwrap(), init.plus_micros(7_000));
        let before = u64::from(u32::MAX) - 999;
        assert_eq!(
            known.at_uptime(before).unwrap(),
            init.plus_micros(-1_000_000),
            "before the exporter started"
        );
    }

    #[test]
    fn the_finest_instant_counts_and_what_is_not_said_follows_from_the_rest() {
        let mut times = Times::default();
        let at = |ms| Timestamp::from_millis(ms);
        let export = header(None).export;
        assert_eq!(times.resolve(&header(None)), (export, export));
        times.start.instant(Form::Millis, Some(at(1_500)));
        times.start.instant(Form::Seconds, Some(at(1_000)));
        assert_eq!(times.resolve(&header(None)), (at(1_500), at(1_500)));
        times.duration = Some(250_000);
        assert_eq!(times.resolve(&header(None)), (at(1_500), at(1_750)));
        times.end.delta = Some(1_000_000);
        assert_eq!(times.resolve(&header(None)).1, export.plus_micros(-1_000_000));
        let mut relative = Times::default();
        (relative.start.uptime, relative.end.uptime) = (Some(10_000), Some(12_000));
        assert_eq!(relative.resolve(&header(None)), (export.plus_micros(-2_000_000), export));
    }
}
