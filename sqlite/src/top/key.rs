//! By which keys a record counts.

use weir_flow::{FlowRecord, Place, Text, Verdict};

use crate::Dimension;
use crate::sums::KeyRef;

/// Hands the keys of `record` to `take`, each once, with their labels.
pub(crate) fn keys<'r>(
    dimension: Dimension,
    record: &'r FlowRecord,
    mut take: impl FnMut(KeyRef<'r>, Option<&'r Text>),
) {
    let text = |text: &'r Option<Text>| text.as_deref().map(KeyRef::Text);
    let places = [&record.src_place, &record.dst_place].map(|place| place.as_deref());
    match dimension {
        Dimension::Talkers => {
            once([record.src_ip, record.dst_ip].map(|ip| Some((KeyRef::Address(ip?), None))), take);
        }
        Dimension::Countries => once(
            places.map(|place| country(place?).map(|(country, name)| (KeyRef::Text(country), name))),
            take,
        ),
        Dimension::Asns => once(
            places.map(|place| {
                let asn = place?.asn.as_ref()?;
                Some((KeyRef::Number(asn.asn), asn.org.as_ref()))
            }),
            take,
        ),
        Dimension::Ports => {
            record.dst_port.into_iter().for_each(|port| take(KeyRef::Number(port.into()), None));
        }
        Dimension::Services => text(&record.service).into_iter().for_each(|key| take(key, None)),
        Dimension::Domains => text(&record.domain).into_iter().for_each(|key| take(key, None)),
        Dimension::Threats => record.verdict.iter().for_each(|verdict| indicators(verdict, &mut take)),
    }
}

type Labelled<'r> = (KeyRef<'r>, Option<&'r Text>);

/// Hands over what both ends have; once if it is the same.
fn once<'r>([src, dst]: [Option<Labelled<'r>>; 2], mut take: impl FnMut(KeyRef<'r>, Option<&'r Text>)) {
    if let Some((key, label)) = src {
        take(key, label);
    }
    if let Some((key, label)) = dst.filter(|dst| src.is_none_or(|src| src.0 != dst.0)) {
        take(key, label);
    }
}

/// Code and name of the country of `place`.
pub(crate) fn country(place: &Place) -> Option<(&str, Option<&Text>)> {
    let geo = place.geo.as_ref()?;
    Some((geo.country.as_deref()?, geo.country_name.as_ref()))
}

/// Hands the indicators of `verdict` to `take`, each once, with their categories.
pub(crate) fn indicators<'r>(verdict: &'r Verdict, mut take: impl FnMut(KeyRef<'r>, Option<&'r Text>)) {
    let mut matches: Vec<_> = verdict.matches.iter().collect();
    matches.sort_by(|a, b| a.indicator.cmp(&b.indicator));
    matches.dedup_by(|a, b| a.indicator == b.indicator);
    for found in matches {
        take(KeyRef::Text(&found.indicator), Some(&found.category));
    }
}
