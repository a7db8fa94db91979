//! The table against models that keep flows in a map and look at all of them at every step.

use std::collections::HashMap;

use proptest::prelude::*;
use weir_flow::{EndReason, FlowRecord, Timestamp};

use super::{ACK, At, Config, End, FIN, FlowTable, RST, Run, SECOND, SYN, TCP, TICK, UDP, packet, seconds};
use crate::packet::Packet;
use crate::table::config::MaxFlows;
use crate::table::wheel;

const CLIENT: u8 = 1;
const SERVER: u8 = 2;
const ROOM: usize = 1_024;
/// Odd flows are TCP, even ones UDP.
const fn proto(flow: u16) -> u8 {
    if flow % 2 == 1 { TCP } else { UDP }
}

/// What a record says, in an order of its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Summary {
    flow: u16,
    /// The client, which has the flow's number as its port, is the originator.
    from_client: bool,
    start: i64,
    end: i64,
    /// Octets, packets and flags of the originator, then of the other.
    sides: [(u64, u64, u8); 2],
    reason: &'static str,
}

fn summary(record: &FlowRecord) -> Summary {
    let (src, dst) = (record.src_port.unwrap(), record.dst_port.unwrap());
    let from_client = record.src_ip == Some([10, 0, 0, CLIENT].into());
    Summary {
        flow: if from_client { src } else { dst },
        from_client,
        start: record.start.micros(),
        end: record.end.micros(),
        sides: [
            (record.forward.octets, record.forward.packets, record.tcp_flags_out.unwrap_or(0)),
            (record.reverse.octets, record.reverse.packets, record.tcp_flags_in.unwrap_or(0)),
        ],
        reason: record.end_reason.unwrap().as_str(),
    }
}

#[derive(Clone, Debug)]
struct Sent {
    flow: u16,
    from_client: bool,
    flags: u8,
    octets: u16,
}

impl Sent {
    fn packet(&self) -> Packet {
        let (client, server): (End, End) = ((CLIENT, self.flow), (SERVER, 443));
        let (src, dst) = if self.from_client { (client, server) } else { (server, client) };
        packet(proto(self.flow), src, dst, self.flags, self.octets)
    }

    fn flags(&self) -> u8 {
        if proto(self.flow) == TCP { self.flags } else { 0 }
    }
}

/// A flow as the documentation describes it.
#[derive(Clone)]
struct Flow {
    tcp: bool,
    from_client: bool,
    first: i64,
    last: i64,
    opened: i64,
    seen: i64,
    /// Octets, packets and flags of the client, then of the server.
    sides: [(u64, u64, u8); 2],
}

impl Flow {
    fn new(sent: &Sent, wall: i64, now: i64) -> Self {
        let answers = sent.flags() & (SYN | ACK) == SYN | ACK;
        let from_client = sent.from_client != answers;
        let tcp = proto(sent.flow) == TCP;
        Self { tcp, from_client, first: wall, last: wall, opened: now, seen: now, sides: [(0, 0, 0); 2] }
    }

    fn count(&mut self, sent: &Sent, wall: i64, now: i64) {
        let (octets, packets, flags) = &mut self.sides[usize::from(!sent.from_client)];
        (*octets, *packets, *flags) = (*octets + u64::from(sent.octets), *packets + 1, *flags | sent.flags());
        (self.first, self.last, self.seen) = (self.first.min(wall), self.last.max(wall), now);
    }

    fn is_closed(&self) -> bool {
        let [(_, from_client, a), (_, from_server, b)] = self.sides;
        let fins = u32::from(a & FIN != 0) + u32::from(b & FIN != 0);
        let sides = u32::from(from_client > 0) + u32::from(from_server > 0);
        self.tcp && ((a | b) & RST != 0 || fins == sides)
    }

    fn timeout(&self) -> i64 {
        match (self.tcp, self.is_closed()) {
            (_, true) => 5 * SECOND,
            (false, _) => 60 * SECOND,
            (true, _) => 300 * SECOND,
        }
    }

    fn is_idle(&self, now: i64) -> bool {
        i128::from(now) - i128::from(self.seen) >= i128::from(self.timeout())
    }

    /// Why it ends, if not for `reason`.
    fn reason(&self, now: i64, reason: EndReason) -> EndReason {
        match (self.is_closed(), self.is_idle(now)) {
            (true, _) => EndReason::End,
            (_, true) => EndReason::Idle,
            _ => reason,
        }
    }

    fn summary(&self, flow: u16, reason: EndReason) -> Summary {
        let table = i128::from(self.seen) - i128::from(self.opened);
        let wall = i128::from(self.last) - i128::from(self.first);
        let start = if (wall - table).abs() > 1_000_000 {
            i64::try_from(i128::from(self.last) - table).unwrap_or(i64::MIN)
        } else {
            self.first
        };
        let [client, server] = self.sides;
        Summary {
            flow,
            from_client: self.from_client,
            start,
            end: self.last,
            sides: if self.from_client { [client, server] } else { [server, client] },
            reason: reason.as_str(),
        }
    }
}

/// A table without a ceiling that ends each flow at the very instant it should.
#[derive(Default)]
struct Model {
    now: Option<i64>,
    flows: HashMap<u16, Flow>,
    records: Vec<Summary>,
}

impl Model {
    fn until(&mut self, table: i64) -> i64 {
        let now = self.now.map_or(table, |now| now.max(table));
        self.now = Some(now);
        let idle: Vec<u16> =
            self.flows.iter().filter(|(_, state)| state.is_idle(now)).map(|(&flow, _)| flow).collect();
        for flow in idle {
            self.end(flow, EndReason::Idle);
        }
        now
    }

    fn end(&mut self, flow: u16, reason: EndReason) {
        let state = self.flows.remove(&flow).unwrap();
        self.records.push(state.summary(flow, state.reason(self.now.unwrap(), reason)));
    }

    fn see(&mut self, sent: &Sent, wall: i64, table: i64) {
        let now = self.until(table);
        if let Some(state) = self.flows.get(&sent.flow).cloned() {
            if state.is_closed() && sent.flags() & (SYN | ACK) == SYN {
                self.end(sent.flow, EndReason::End);
            } else if i128::from(now) - i128::from(state.opened) >= i128::from(300 * SECOND) {
                self.end(sent.flow, EndReason::Active);
                let next = Flow { from_client: state.from_client, ..Flow::new(sent, wall, now) };
                self.flows.insert(sent.flow, next);
            }
        }
        self.flows.entry(sent.flow).or_insert_with(|| Flow::new(sent, wall, now)).count(sent, wall, now);
    }

    fn drained(mut self) -> Vec<Summary> {
        let open: Vec<u16> = self.flows.keys().copied().collect();
        for flow in open {
            self.end(flow, EndReason::Forced);
        }
        self.records.sort();
        self.records
    }
}

/// What happens next: time passes, the wall clock is set, and a packet comes or the table is told the time.
#[derive(Clone, Debug)]
struct Step {
    passed: i64,
    clock_set: i64,
    sent: Option<Sent>,
    limit: usize,
}

fn sent(flows: u16) -> impl Strategy<Value = Sent> {
    let flags = prop_oneof![
        4 => Just(ACK),
        2 => Just(SYN),
        2 => Just(SYN | ACK),
        2 => Just(FIN | ACK),
        1 => Just(RST),
        1 => any::<u8>(),
    ];
    (1..=flows, any::<bool>(), flags, 34_u16..).prop_map(|(flow, from_client, flags, octets)| Sent {
        flow,
        from_client,
        flags,
        octets,
    })
}

fn passed() -> impl Strategy<Value = i64> {
    prop_oneof![
        20 => Just(0),
        20 => 0..2 * TICK,
        4 => prop::sample::select(vec![5, 60, 300]).prop_map(|timeout| timeout * SECOND),
        4 => (prop::sample::select(vec![5, 60, 300]), -2..3_i64).prop_map(|(t, off)| t * SECOND + off),
        4 => 0..400 * SECOND,
        2 => -10 * SECOND..0,
        1 => 0..365 * 86_400 * SECOND,
        1 => Just(i64::MAX / 3),
    ]
}

fn steps(flows: u16, most: usize) -> impl Strategy<Value = Vec<Step>> {
    let clock_set = prop_oneof![
        30 => Just(0),
        2 => -3_600 * SECOND..3_600 * SECOND,
        1 => prop::sample::select(vec![i64::MIN / 4, i64::MAX / 4]),
    ];
    let sent = prop_oneof![9 => sent(flows).prop_map(Some), 1 => Just(None)];
    let step = (passed(), clock_set, sent, 0_usize..40).prop_map(|(passed, clock_set, sent, limit)| Step {
        passed,
        clock_set,
        sent,
        limit,
    });
    prop::collection::vec(step, 1..most)
}

fn beginning() -> impl Strategy<Value = i64> {
    prop_oneof![
        Just(0),
        Just(i64::MIN),
        Just(i64::MAX - 900 * SECOND),
        Just(1_760_000_000 * SECOND),
        any::<i64>()
    ]
}

/// Calls `each` with every step and its table time and wall time.
fn play(begin: i64, steps: &[Step], mut each: impl FnMut(&Step, i64, i64)) {
    let (mut table, mut wall) = (begin, begin);
    for step in steps {
        table = table.saturating_add(step.passed);
        wall = wall.saturating_add(step.passed).saturating_add(step.clock_set);
        each(step, table, wall);
    }
}

fn records_of(begin: i64, steps: &[Step]) -> Vec<FlowRecord> {
    let mut run = Run::new();
    play(begin, steps, |step, table, wall| match &step.sent {
        Some(sent) => run.see(At { wall: Timestamp::from_micros(wall), table }, &sent.packet()),
        None => drop(run.expire(table, step.limit)),
    });
    run.drained()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn records_are_those_of_the_model(begin in beginning(), flows in 1_u16..80, steps in steps(79, 500)) {
        let steps: Vec<Step> = steps.into_iter().map(|mut step| {
            if let Some(sent) = &mut step.sent { sent.flow = sent.flow % flows + 1; }
            step
        }).collect();
        let mut model = Model::default();
        play(begin, &steps, |step, table, wall| match &step.sent {
            Some(sent) => model.see(sent, wall, table),
            None => drop(model.until(table)),
        });
        let records = records_of(begin, &steps);
        let mut summaries: Vec<_> = records.iter().map(summary).collect();
        summaries.sort();
        prop_assert_eq!(summaries, model.drained());
        let sent = || steps.iter().filter_map(|step| step.sent.as_ref());
        prop_assert_eq!(records.iter().map(FlowRecord::packets).sum::<u64>(), sent().count() as u64);
        let octets: u64 = sent().map(|sent| u64::from(sent.octets)).sum();
        prop_assert_eq!(records.iter().map(FlowRecord::octets).sum::<u64>(), octets);
        let again = records_of(begin, &steps);
        prop_assert_eq!(serde_json::to_vec(&records).unwrap(), serde_json::to_vec(&again).unwrap());
    }
}

/// Follows a table with a ceiling: takes each record that it may give, and refuses any other.
struct Judge {
    table: FlowTable,
    now: i64,
    flows: HashMap<u16, Flow>,
    evicted: u64,
    packets: u64,
}

impl Judge {
    fn new() -> Self {
        let config = Config { max_flows: MaxFlows::try_from(ROOM as u64).unwrap(), ..Config::default() };
        Self { table: FlowTable::new(config), now: i64::MIN, flows: HashMap::new(), evicted: 0, packets: 0 }
    }

    fn see(&mut self, sent: &Sent, table: i64) {
        self.now = self.now.max(table);
        let mut records = Vec::new();
        self.table.ingest(&sent.packet(), super::at(table), &mut |record| records.push(summary(&record)));
        let mut goes_on = None;
        let mut given_up = 0;
        for record in records {
            let state = self.flows.remove(&record.flow).expect("a record of a flow that is not open");
            let mut reason = EndReason::Idle;
            let renewed = record.flow == sent.flow && state.is_closed() && sent.flags() & (SYN | ACK) == SYN;
            if !state.is_idle(self.now) && !renewed {
                if record.flow == sent.flow {
                    assert!(self.now - state.opened >= 300 * SECOND, "ended early: {record:?}");
                    (reason, goes_on) = (EndReason::Active, Some(state.from_client));
                } else {
                    reason = EndReason::Resources;
                    given_up += 1;
                    self.may_give_up(&state, sent.flow);
                }
            }
            let reason = state.reason(self.now, reason);
            assert_eq!(record, state.summary(record.flow, reason));
            self.evicted += u64::from(reason == EndReason::Resources);
        }
        assert!(given_up <= 1, "one packet ended {given_up} flows for want of room");
        let fresh = Flow::new(sent, table, self.now);
        let fresh = Flow { from_client: goes_on.unwrap_or(fresh.from_client), ..fresh };
        self.flows.entry(sent.flow).or_insert(fresh).count(sent, table, self.now);
        self.packets += 1;
        self.in_step();
    }

    /// `state` has just been taken out: the table was full, and no flow that is open has been idle for longer.
    fn may_give_up(&self, state: &Flow, flow: u16) {
        assert!(!self.flows.contains_key(&flow), "the packet's flow was open");
        assert!(self.flows.len() + 1 >= ROOM, "{} flows are not too many", self.flows.len() + 1);
        let older = |other: &&Flow| {
            !other.is_idle(self.now) && other.seen >> wheel::TICK_BITS < state.seen >> wheel::TICK_BITS
        };
        assert!(self.flows.values().find(older).is_none(), "a flow was open that had been idle for longer");
    }

    fn expire(&mut self, table: i64) {
        self.now = self.now.max(table);
        let mut records = Vec::new();
        assert!(!self.table.expire(table, usize::MAX, &mut |record| records.push(summary(&record))));
        for record in records {
            let state = self.flows.remove(&record.flow).expect("a record of a flow that is not open");
            assert!(state.is_idle(self.now), "ended early: {record:?}");
            assert_eq!(record, state.summary(record.flow, state.reason(self.now, EndReason::Idle)));
        }
        let overdue = |flow: &&Flow| flow.is_idle(self.now.saturating_sub(2 * TICK));
        assert_eq!(
            self.flows.values().find(overdue).map(|flow| flow.seen),
            None,
            "not ended at {}",
            self.now
        );
        self.in_step();
    }

    fn in_step(&self) {
        assert_eq!(self.table.len(), self.flows.len());
        assert_eq!(self.table.evicted(), self.evicted);
        assert!(self.table.len() <= ROOM);
    }

    fn drain(mut self) {
        let mut left = 0;
        self.table.drain(&mut |_: FlowRecord| left += 1);
        assert_eq!(left, self.flows.len());
        assert!(self.packets > 0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn a_full_table_gives_up_the_flow_that_is_idle_longest(
        gaps in prop::collection::vec(0_i64..TICK / 32, ROOM),
        steps in steps(1_400, 700),
    ) {
        let mut judge = Judge::new();
        let mut now = 0;
        for (flow, gap) in (1_u16..).zip(gaps) {
            now += gap;
            judge.see(&Sent { flow, from_client: true, flags: SYN, octets: 40 }, now);
        }
        for step in &steps {
            // Steps of at most a minute keep the table full.
            now = now.saturating_add(step.passed % (60 * SECOND));
            match &step.sent {
                Some(sent) => judge.see(sent, now),
                None => judge.expire(now),
            }
        }
        judge.drain();
    }
}

#[test]
fn a_flood_ends_one_flow_for_each_packet_once_the_table_is_full() {
    let mut judge = Judge::new();
    for flow in 1..=3_000_u16 {
        judge.see(&Sent { flow, from_client: true, flags: ACK, octets: 40 }, i64::from(flow));
    }
    assert_eq!(judge.evicted, 3_000 - ROOM as u64);
}

#[test]
fn timeouts_are_those_of_the_configuration() {
    let config = Config {
        idle_seconds: seconds(1),
        tcp_idle_seconds: seconds(3_600),
        tcp_closed_seconds: seconds(2),
        active_seconds: seconds(7),
        ..Config::default()
    };
    let mut run = Run { table: FlowTable::new(config), records: Vec::new() };
    run.see(super::at(0), &packet(UDP, (1, 9), (2, 9), 0, 40));
    run.tcp(0, (1, 8), (2, 9), ACK);
    run.tcp(0, (1, 7), (2, 9), RST);
    while run.expire(4 * SECOND, 1) {}
    run.tcp(6, (1, 8), (2, 9), ACK);
    run.tcp(7, (1, 8), (2, 9), ACK);
    let reasons: Vec<_> = run.drained().iter().map(|record| record.end_reason.unwrap().as_str()).collect();
    assert_eq!(reasons, ["end", "idle", "active", "forced"]);
}
