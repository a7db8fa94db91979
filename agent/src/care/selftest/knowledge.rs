//! The configuration, the databases of places and the indicator lists.

use weir_geo::{DatabaseInfo, Geo};
use weir_ti::{Indicators, ListInfo};

use super::{Check, Subject};

/// Providers build their databases each week or month; after a quarter many networks have moved.
const OLD_DAYS: i64 = 90;

pub(super) fn configuration(subject: &Subject<'_>) -> Check {
    match &subject.mistakes {
        None => Check::ok("configuration", subject.origin.clone()),
        Some(mistakes) => {
            let action =
                "correct it: `weir check FILE` tells every mistake; the other checks go by the defaults";
            Check::failed("configuration", mistakes.replace('\n', "; "), action)
        }
    }
}

pub(super) fn databases(subject: &Subject<'_>) -> Check {
    if !subject.geo.enabled && !subject.geo.asn_enabled {
        return Check::skipped("databases", "geo.enabled and geo.asn_enabled are false");
    }
    let (geo, _) = Geo::open(&subject.geo, None, subject.clock.now());
    let infos = geo.info();
    if let Some(broken) = infos.iter().find(|info| !info.loaded || info.problem.is_some()) {
        let why = broken.problem.as_deref().unwrap_or("it is not loaded");
        let path = broken.path.as_deref().unwrap_or("built in");
        return Check::failed(
            "databases",
            format!("{path}: {why}"),
            "correct [geo], or put the file in its place",
        );
    }
    let detail = infos.iter().map(database).collect::<Vec<_>>().join(", ");
    if infos.iter().all(|info| info.path.is_none()) {
        let action = "`weir geo import /usr/share/libloc-location/location.db` (package libloc-database), or name files in [geo]";
        return Check::warn(
            "databases",
            format!("only the built-in one, which knows little ({detail})"),
            action,
        );
    }
    if infos.iter().any(|info| info.age_days.is_some_and(|age| age > OLD_DAYS)) {
        return Check::warn("databases", detail, "replace databases that are older than 90 days");
    }
    Check::ok("databases", detail)
}

fn database(info: &DatabaseInfo) -> String {
    let age = info.age_days.map_or("age unknown".to_owned(), |days| format!("{days} days old"));
    format!("{} {}", info.path.as_deref().unwrap_or("built-in"), age)
}

pub(super) fn indicators(subject: &Subject<'_>) -> Check {
    if !subject.config.ti.enabled {
        return Check::skipped("indicators", "ti.enabled is false");
    }
    let (indicators, _) = Indicators::load(&subject.config.ti);
    let lists = indicators.info();
    let sum = |of: fn(&ListInfo) -> u64| lists.iter().map(of).sum::<u64>();
    let entries = sum(|list| list.entries);
    let refused = sum(|list| list.bad_lines + list.refused_local + list.refused_over_limit);
    if let Some((list, error)) = lists.iter().find_map(|list| Some((list, list.error.as_ref()?))) {
        return Check::failed(
            "indicators",
            format!("{}: {error}", list.path),
            "correct ti.lists, or put the file there",
        );
    }
    let detail = format!("{entries} indicators of {} lists", lists.len());
    if entries == 0 {
        return Check::warn("indicators", format!("{detail}: nothing can match"), "name lists in ti.lists");
    }
    if refused > 0 {
        let action = "the log tells the first refused lines of each list";
        return Check::warn("indicators", format!("{detail}, {refused} lines refused"), action);
    }
    Check::ok("indicators", detail)
}
