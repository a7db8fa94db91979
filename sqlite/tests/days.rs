//! Two simulated days with a look at the ring each hour; `tests/soak/ring_days` simulates 24.

mod support;

#[path = "support/days.rs"]
mod days;

use days::{Plan, simulate};

#[test]
fn two_days_of_an_office_leave_the_ring_within_its_bounds_at_every_hour() {
    let plan = Plan {
        days: 2,
        retention_days: 1,
        budget: 4 << 20,
        tenants: 3,
        rows: 1_500,
        busy_rows: 24_000,
        busy: 1..2,
        text: 320,
        pause: 30..300,
        drift_percent: None,
    };
    // In memory where that can be: the disk has no part in what is looked at.
    let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let seen = simulate(dir.path(), &plan).unwrap();
    assert!(seen.rows > 15_000 && seen.by_age > 0 && seen.by_budget > 0, "{seen:?}");
    assert!(seen.most > plan.budget * 3 / 4 && seen.most <= plan.budget, "{seen:?}");
    assert_eq!(seen.table.len(), 2, "{seen:?}");
}
