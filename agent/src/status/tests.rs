use std::sync::Arc;

use weir_web::{Condition, Health, Part};

use super::{capture_part, store_condition, whole};
use crate::metrics::{Point, Ring, State};

fn points(states: &[(State, &str)]) -> Vec<Arc<Point>> {
    let point = |&(state, reason): &(State, &str)| {
        let point = Point::new("eth0", 0);
        point.state(state, reason);
        Arc::new(point)
    };
    states.iter().map(point).collect()
}

#[test]
fn capture_fails_when_no_interface_works_and_is_degraded_when_one_of_several_does_not() {
    let (up, down) = ((State::Capturing, ""), (State::Failed, "eth1 is down"));
    assert_eq!(capture_part(&points(&[])).status, Condition::Off);
    assert_eq!(capture_part(&points(&[up, up])).status, Condition::Ok);
    let some = capture_part(&points(&[up, down]));
    assert_eq!((some.status, some.detail.as_deref()), (Condition::Degraded, Some("eth1 is down")));
    assert_eq!(capture_part(&points(&[down, down])).status, Condition::Failed);
}

#[test]
fn a_missing_right_is_told_before_other_troubles() {
    let part = capture_part(&points(&[(State::Failed, "eth1 is down"), (State::NoPermission, "no right")]));
    assert_eq!((part.code, part.detail.as_deref()), (Some("no_permission"), Some("no right")));
    assert_eq!(capture_part(&points(&[(State::Failed, "eth1 is down")])).code, Some("interface"));
}

#[test]
fn an_input_in_trouble_leaves_the_whole_as_it_is_and_any_other_part_degrades_it() {
    let broken = |name| Part::new(name, Condition::Failed, "why", "it is broken".to_owned());
    assert_eq!(whole(&[broken("capture"), broken("collect"), capture_part(&[])]), Condition::Ok);
    for other in ["store", "clock", "config", "data"] {
        assert_eq!(whole(&[broken("collect"), broken(other)]), Condition::Degraded, "{other}");
    }
}

#[test]
fn a_short_disk_degrades_the_ring_and_only_a_commit_that_fails_makes_it_fail() {
    let ring = |trouble: &str, fails| Ring { trouble: trouble.to_owned(), fails, ..Ring::default() };
    assert_eq!(store_condition(&ring("", false)), Condition::Ok);
    assert_eq!(store_condition(&ring("the disk is short of space", false)), Condition::Degraded);
    assert_eq!(store_condition(&ring("failed to commit", true)), Condition::Failed);
}

#[test]
fn the_worst_part_makes_the_whole() {
    let health = |states: &[(State, &str)]| Health {
        status: Condition::Ok,
        service: "telemetry-api".into(),
        version: "v1".into(),
        uptime_seconds: 0,
        parts: vec![capture_part(&points(states))],
    };
    let down = (State::Failed, "eth1 is down");
    assert_eq!(health(&[]).worst(), Condition::Ok, "a part that was not asked for is no trouble");
    assert!(health(&[(State::Capturing, "")]).trouble().is_none());
    let degraded = health(&[(State::Capturing, ""), down]);
    assert_eq!(
        (degraded.worst(), degraded.trouble().map(|part| &*part.name)),
        (Condition::Degraded, Some("capture"))
    );
    assert_eq!(health(&[down]).worst(), Condition::Failed);
}
