//! What is known against a flow's ends: what `weir-ti` answers.

use serde::Serialize;

use crate::Text;

/// The indicators that a record matches; empty when it was looked up and nothing matched.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verdict {
    /// Matches, most specific first within a field.
    pub matches: Vec<Match>,
}

/// One indicator that one field of a record matches.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Match {
    /// The indicator as its list has it: address, CIDR or name.
    pub indicator: Text,
    /// What kind of indicator it is.
    #[serde(rename = "type")]
    pub kind: IndicatorKind,
    /// What the list says it stands for; `unknown` where it says nothing.
    pub category: Text,
    /// How sure the list is, 0 to 100.
    pub confidence: u8,
    /// The list's name.
    pub source: Text,
    /// The field that matched.
    pub field: Field,
}

/// Kinds of indicator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum IndicatorKind {
    /// One address.
    Ip,
    /// A network.
    Cidr,
    /// A name and all below it.
    Domain,
}

/// The field of a record that an indicator matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    /// The originator's address.
    SrcIp,
    /// The responder's address.
    DstIp,
    /// The name that the flow is about.
    Domain,
}
