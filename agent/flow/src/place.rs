//! Where an address is and whose it is: what `weir-geo` answers.

use serde::Serialize;

use crate::Text;

/// What is known of one address; shared between records through an `Arc`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Place {
    /// Country, city and position.
    pub geo: Option<Geo>,
    /// The autonomous system that announces the address.
    pub asn: Option<Asn>,
}

/// A position on the map, as precise as the database is.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Geo {
    /// ISO 3166-1 alpha-2 code, upper case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<Text>,
    /// English name of the country.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country_name: Option<Text>,
    /// English name of the city.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub city: Option<Text>,
    /// Latitude in degrees, WGS 84.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lat: Option<f64>,
    /// Longitude in degrees, WGS 84.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lon: Option<f64>,
}

/// An autonomous system (RFC 6793: 32 bits).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Asn {
    /// AS number.
    pub asn: u32,
    /// Name of the organisation that holds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub org: Option<Text>,
}
