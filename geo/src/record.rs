//! One record of a database, as a [`Place`].
//!
//! Names are MaxMind's; DB-IP and our own databases use the same. Number types are taken as they come:
//! what one maker writes as a double another writes as an integer.

use std::fmt;

use maxminddb::{LookupResult, MaxMindDbError};
use serde::de::{Deserialize, Deserializer, Error as _, Visitor};
use weir_flow::{Asn, Geo, Place, Text};

use crate::country::country_name;
use crate::encode::Value;

/// A longer name in a database is cut: it would go into every record and answer. In octets.
const MAX_NAME_BYTES: usize = 256;

#[derive(serde::Deserialize)]
struct Fields<'a> {
    #[serde(borrow)]
    country: Option<Country<'a>>,
    registered_country: Option<Country<'a>>,
    city: Option<City<'a>>,
    location: Option<Position>,
    autonomous_system_number: Option<Number>,
    autonomous_system_organization: Option<&'a str>,
}

#[derive(serde::Deserialize)]
struct Country<'a> {
    iso_code: Option<&'a str>,
    #[serde(borrow)]
    names: Option<Names<'a>>,
}

#[derive(serde::Deserialize)]
struct City<'a> {
    #[serde(borrow)]
    names: Option<Names<'a>>,
}

#[derive(serde::Deserialize)]
struct Names<'a> {
    en: Option<&'a str>,
}

#[derive(serde::Deserialize)]
struct Position {
    latitude: Option<Number>,
    longitude: Option<Number>,
}

/// Any number.
#[derive(Clone, Copy)]
enum Number {
    Integer(i128),
    Double(f64),
}

/// What a record says; nothing for an address without one.
///
/// # Errors
/// A record that does not decode.
pub(crate) fn decode<S: AsRef<[u8]>>(found: &LookupResult<'_, S>) -> Result<Place, MaxMindDbError> {
    Ok(found.decode::<Fields<'_>>()?.map_or_else(Place::default, place))
}

fn place(fields: Fields<'_>) -> Place {
    let country = fields.country.filter(|country| country.iso_code.is_some()).or(fields.registered_country);
    let code = country.as_ref().and_then(|country| country_code(country.iso_code?));
    let named = country.and_then(|country| country.names?.en);
    let (lat, lon) =
        fields.location.map_or((None, None), |at| (degrees(at.latitude, 90.0), degrees(at.longitude, 180.0)));
    let geo = Geo {
        country_name: named.or_else(|| country_name(code.as_deref()?)).map(text),
        country: code,
        city: fields.city.and_then(|city| city.names?.en).map(text),
        lat,
        lon,
    };
    let asn = fields
        .autonomous_system_number
        .and_then(Number::asn)
        .map(|asn| Asn { asn, org: fields.autonomous_system_organization.map(text) });
    Place { geo: Some(geo).filter(|geo| *geo != Geo::default()), asn }
}

/// A two-letter code, in upper case.
fn country_code(code: &str) -> Option<Text> {
    let letters = code.len() == 2 && code.bytes().all(|octet| octet.is_ascii_alphabetic());
    letters.then(|| code.to_ascii_uppercase().into())
}

fn text(name: &str) -> Text {
    let end = (0..=MAX_NAME_BYTES.min(name.len())).rev().find(|&at| name.is_char_boundary(at));
    name[..end.unwrap_or(0)].into()
}

fn degrees(number: Option<Number>, most: f64) -> Option<f64> {
    number.map(Number::double).filter(|degrees| degrees.abs() <= most)
}

impl Number {
    fn asn(self) -> Option<u32> {
        match self {
            Self::Integer(number) => u32::try_from(number).ok().filter(|&asn| asn != 0),
            Self::Double(_) => None,
        }
    }

    fn double(self) -> f64 {
        match self {
            #[expect(clippy::cast_precision_loss, reason = "degrees are small, and others are refused")]
            Self::Integer(number) => number as f64,
            Self::Double(number) => number,
        }
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl Visitor<'_> for Any {
            type Value = Number;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number")
            }

            fn visit_i64<E>(self, number: i64) -> Result<Number, E> {
                Ok(Number::Integer(i128::from(number)))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Number, E> {
                Ok(Number::Integer(i128::from(number)))
            }

            fn visit_u128<E: serde::de::Error>(self, number: u128) -> Result<Number, E> {
                i128::try_from(number).map(Number::Integer).map_err(|_| E::custom("a number above 2^127"))
            }

            fn visit_f64<E>(self, number: f64) -> Result<Number, E> {
                Ok(Number::Double(number))
            }
        }
        deserializer.deserialize_any(Any).map_err(D::Error::custom)
    }
}

/// The record of a network with a country and an AS, either unknown, as [`decode`] reads it.
pub(crate) fn value<'a>(country: Option<&'a str>, asn: Option<u32>, org: Option<&'a str>) -> Value<'a> {
    let mut fields = Vec::with_capacity(3);
    if let Some(code) = country {
        let mut entries = vec![("iso_code", Value::Text(code))];
        if let Some(name) = country_name(code) {
            entries.push(("names", Value::Map(vec![("en", Value::Text(name))])));
        }
        fields.push(("country", Value::Map(entries)));
    }
    if let Some(asn) = asn {
        fields.push(("autonomous_system_number", Value::U32(asn)));
        if let Some(org) = org {
            fields.push(("autonomous_system_organization", Value::Text(org)));
        }
    }
    Value::Map(fields)
}
