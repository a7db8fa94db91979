//! A record of a JSON log, from its members.

use std::borrow::Cow;

use weir_flow::{FlowRecord, Kind, Timestamp};

use super::draft::{Draft, Place};
use super::field::Field;
use super::log::{Log, looks_like};
use super::names::Known;
use super::number::value;
use crate::object::{self, Member};
use crate::{Reason, Rejected, Said};

/// Names with what was said, in order.
pub(super) type List<'a> = [Member<'a>];

/// What a record must say at least one of when it comes alone, without the log that it is of.
const NEEDED: &str = "ts or id.orig_h";

/// Members that usually have a place in the record: time, ends, protocol, and the counters of a connection.
const USUAL_FIELDS: usize = 10;

/// The ends of a connection where they are an object of their own, and their names where they are not.
const ENDS: [(&str, Field); 4] =
    [("orig_h", Field::OrigH), ("orig_p", Field::OrigP), ("resp_h", Field::RespH), ("resp_p", Field::RespP)];

/// A record of a log, or of the one that it names itself.
pub(super) fn read(log: &Log, members: &List<'_>, now: Timestamp) -> Result<FlowRecord, Rejected> {
    Ok(draft(log, members)?.finish(now))
}

/// As [`read`], of a record that must say when or between whom.
pub(super) fn read_alone(log: &Log, members: &List<'_>, now: Timestamp) -> Result<FlowRecord, Rejected> {
    let draft = draft(log, members)?;
    if !draft.has(Field::Ts) && !draft.has(Field::OrigH) {
        return Err(Reason::MissingFields.of(NEEDED));
    }
    Ok(draft.finish(now))
}

/// The name of the log that a record says it is of.
pub(super) fn name<'m>(members: &'m List<'_>) -> Option<&'m str> {
    let path = members.iter().find(|(name, _)| name == Field::Path.name());
    path.and_then(|(_, said)| if let Said::Text(name) = said { Some(&**name) } else { None })
}

/// The log of that name, or that the members show.
pub(super) fn log(name: Option<&str>, members: &List<'_>) -> Log {
    Log::new(name, &|wanted| has(members, wanted))
}

/// True when the members are those of a line of a Zeek log.
pub(super) fn is_zeek(members: &List<'_>) -> bool {
    let names = ["id.orig_h", "id_orig_h", "_path", "fuid"];
    let nested = |(name, said): &(Cow<'_, str>, Said<'_>)| {
        name == Field::Id.name() && matches!(said, Said::Json(json) if json.contains("\"orig_h\""))
    };
    names.iter().any(|name| has(members, name))
        || (has(members, "uid") && has(members, "ts"))
        || (has(members, "ts") && looks_like(&|name| has(members, name)).is_some())
        || members.iter().any(nested)
}

fn has(members: &List<'_>, wanted: &str) -> bool {
    members.iter().any(|(name, said)| name == wanted && *said != Said::Null)
}

fn draft<'a>(log: &Log, members: &List<'a>) -> Result<Draft<'a>, Rejected> {
    let mut draft = Draft::new(log, members.len().saturating_sub(USUAL_FIELDS));
    for (name, said) in members {
        if *said != Said::Null {
            put(&mut draft, log, name, said)?;
        }
    }
    Ok(draft)
}

fn put<'a>(draft: &mut Draft<'a>, log: &Log, name: &str, said: &Said<'a>) -> Result<(), Rejected> {
    let Some(known) = Known::find(name) else {
        draft.keep(Cow::Owned(name.to_owned()), value(said));
        return Ok(());
    };
    let place = match known.field.filter(|field| field.is_of(log.shape)) {
        None => Place::Extra,
        Some(Field::Id) => nested(draft, said)?,
        Some(Field::Path) => path(log, said),
        Some(_) if said.is_nothing() => Place::Taken,
        Some(field) => draft.set(field, said)?,
    };
    if place == Place::Extra {
        draft.keep(Cow::Borrowed(known.name), value(said));
    }
    Ok(())
}

/// A name of a log need not be kept where the kind of the record tells it.
fn path(log: &Log, said: &Said<'_>) -> Place {
    match said {
        Said::Text(name) if Kind::named(name) == log.kind => Place::Taken,
        _ => Place::Extra,
    }
}

/// Takes up the four ends; anything else in the object stays there.
fn nested(draft: &mut Draft<'_>, said: &Said<'_>) -> Result<Place, Rejected> {
    let Said::Json(json) = said else { return Ok(Place::Extra) };
    let mut members = Vec::with_capacity(ENDS.len());
    if object::read(json.as_bytes(), &mut members).is_err() {
        return Ok(Place::Extra);
    }
    let mut place = Place::Taken;
    for (name, said) in &members {
        let end = ENDS.iter().find(|(end, _)| name == end);
        place = match end {
            Some(_) if said.is_nothing() => place,
            Some(&(_, field)) if draft.set_end(field, said)? == Place::Taken => place,
            _ => Place::Extra,
        };
    }
    Ok(place)
}
