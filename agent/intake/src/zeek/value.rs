//! Values as the fields of a record hold them.

use std::borrow::Cow;
use std::net::IpAddr;

use weir_flow::{EndReason, Text};

use super::draft::Place;
use super::field::Field;
use crate::{Reason, Rejected, Said};

/// VLAN identifiers that name one (IEEE 802.1Q).
const VLANS: std::ops::RangeInclusive<u16> = 1..=4094;

pub(super) fn address(field: Field, said: &Said<'_>) -> Result<IpAddr, Rejected> {
    // Nearly all are plain; the other forms take longer.
    let plain = said.as_str().and_then(|text| text.parse::<IpAddr>().ok());
    plain.map(|ip| ip.to_canonical()).or_else(|| said.address()).ok_or(Reason::BadAddress.of(field.name()))
}

pub(super) fn port(field: Field, said: &Said<'_>) -> Result<u16, Rejected> {
    let plain = said.as_str().and_then(|text| text.parse::<u16>().ok());
    let port = plain.or_else(|| said.count().and_then(|port| u16::try_from(port).ok()));
    port.ok_or(Reason::BadPort.of(field.name()))
}

pub(super) fn count(field: Field, said: &Said<'_>) -> Result<u64, Rejected> {
    let plain = said.as_str().and_then(|text| text.parse::<u64>().ok());
    plain.or_else(|| said.count()).ok_or(Reason::BadNumber.of(field.name()))
}

/// None for 0, which tags a priority and no VLAN, and for what is no identifier.
pub(super) fn vlan(field: Field, said: &Said<'_>) -> Result<Option<u16>, Rejected> {
    let tag = u16::try_from(count(field, said)?).ok();
    Ok(tag.filter(|tag| VLANS.contains(tag)))
}

/// The address, where a set has one.
pub(super) fn only_host(said: &Said<'_>) -> Option<IpAddr> {
    match said {
        Said::Json(list) => {
            let [host]: [Cow<'_, str>; 1] = serde_json::from_str(list).ok()?;
            Said::Text(host).address()
        }
        other => other.address(),
    }
}

pub(super) fn text(place: &mut Option<Text>, said: &Said<'_>, make: fn(&str) -> Text) -> Place {
    match said {
        Said::Text(text) => {
            *place = Some(make(text));
            Place::Taken
        }
        _ => Place::Extra,
    }
}

/// Closed or refused by one of the ends (docs.zeek.org, `base/protocols/conn/main.zeek`, "conn_state").
pub(super) fn end_reason(state: &str) -> Option<EndReason> {
    matches!(state, "SF" | "RSTO" | "RSTR" | "RSTOS0" | "RSTRH" | "REJ").then_some(EndReason::End)
}
