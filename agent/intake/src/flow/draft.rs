//! One record while its members are read.

use std::borrow::Cow;

use weir_flow::{FlowRecord, Kind, Origin, Source};

use super::counts::Count;
use super::names::{Entry, Role};
use super::times::Times;
use super::value::{address, domain, end_reason, is_nothing, number, put, tcp_flags};
use super::{Manner, Texts, protocols};
use crate::object::Member;
use crate::{Reason, Rejected, Said};

/// Values so far. Of what is said twice the first word stands, unless it says nothing; another word goes to `extra`.
pub(super) struct Draft<'a, 't> {
    pub(super) manner: Manner,
    pub(super) record: FlowRecord,
    pub(super) times: Times<'a>,
    pub(super) octets: Count,
    pub(super) packets: Count,
    pub(super) icmp_type: Option<u16>,
    pub(super) icmp_code: Option<u8>,
    pub(super) community_id: Option<Member<'a>>,
    /// An address that is the exporter's if nothing else says that.
    pub(super) host: Option<Member<'a>>,
    /// Members stood below `netflow`.
    pub(super) is_netflow: bool,
    pub(super) origin: Option<Origin>,
    pub(super) source: Option<Source>,
    pub(super) texts: &'t mut Texts,
    /// Members of objects within that were read as well.
    pub(super) inner: usize,
}

/// What a member became.
enum Taken<'a> {
    Done,
    /// It is no part of the record.
    Left(Said<'a>),
}

impl<'a> Taken<'a> {
    fn when(is_done: bool, said: Said<'a>) -> Self {
        if is_done { Self::Done } else { Self::Left(said) }
    }
}

impl<'a, 't> Draft<'a, 't> {
    pub(super) fn new(manner: Manner, texts: &'t mut Texts) -> Self {
        Self {
            manner,
            record: FlowRecord::default(),
            times: Times::default(),
            octets: Count::default(),
            packets: Count::default(),
            icmp_type: None,
            icmp_code: None,
            community_id: None,
            host: None,
            is_netflow: false,
            origin: None,
            source: None,
            texts,
            inner: 0,
        }
    }

    pub(super) fn is_own(&self) -> bool {
        self.manner == Manner::Own
    }

    /// Takes in a member; `entry` is what its name means.
    ///
    /// # Errors
    /// Where it is one that the record cannot do without, and cannot be read.
    pub(super) fn take(
        &mut self,
        entry: Option<Entry>,
        name: Cow<'a, str>,
        said: Said<'a>,
    ) -> Result<(), Rejected> {
        let Some((field, role)) = entry else {
            self.extra(name, said);
            return Ok(());
        };
        if is_nothing(&said) {
            return Ok(());
        }
        match role {
            Role::Start(_)
            | Role::StartOrUptime
            | Role::When
            | Role::Received(_)
            | Role::End(_)
            | Role::Length(_) => self.time(role, field, name, said),
            Role::Group | Role::Extra | Role::Own(_) => self.special(role, field, name, said),
            _ => {
                if let Taken::Left(said) = self.value((field, role), &name, said)? {
                    self.extra_known(field, name, said);
                }
                Ok(())
            }
        }
    }

    /// Members that the record cannot do without; the others go on to [`Self::secondary`].
    fn value(
        &mut self,
        (field, role): Entry,
        name: &Cow<'a, str>,
        said: Said<'a>,
    ) -> Result<Taken<'a>, Rejected> {
        let record = &mut self.record;
        let is_done = match role {
            Role::SrcIp | Role::DstIp => {
                let address = said.address().ok_or(Reason::BadAddress.of(field))?;
                let place = if role == Role::SrcIp { &mut record.src_ip } else { &mut record.dst_ip };
                put(place, address, std::net::IpAddr::is_unspecified)
            }
            Role::SrcPort | Role::DstPort => {
                let port = number(&said).ok_or(Reason::BadPort.of(field))?;
                let place = if role == Role::SrcPort { &mut record.src_port } else { &mut record.dst_port };
                put(place, port, |&port| port == 0)
            }
            Role::Proto => {
                let number = protocols::number(&said).ok_or(Reason::BadProtocol.of(field))?;
                put(&mut record.proto, number, |&number| number == 0)
            }
            Role::Octets(side) => self.octets.put(side, count(&said, field)?),
            Role::Packets(side) => self.packets.put(side, count(&said, field)?),
            _ => return Ok(self.secondary(role, name, said)),
        };
        Ok(Taken::when(is_done, said))
    }

    /// Members that go to `extra` where they cannot be used.
    fn secondary(&mut self, role: Role, name: &Cow<'a, str>, said: Said<'a>) -> Taken<'a> {
        let record = &mut self.record;
        let is_done = match role {
            Role::FlagsOut => flags(&mut record.tcp_flags_out, &said),
            Role::FlagsIn => flags(&mut record.tcp_flags_in, &said),
            Role::EndReason => end_reason(&said).is_some_and(|r| put(&mut record.end_reason, r, |_| false)),
            Role::Vlan => protocols::vlan(&mut record.vlan, &said),
            Role::IcmpType => number(&said).is_some_and(|t| put(&mut self.icmp_type, t, |_| false)),
            Role::IcmpCode => number(&said).is_some_and(|c| put(&mut self.icmp_code, c, |_| false)),
            Role::IcmpBoth => protocols::icmp_both(&mut self.icmp_type, &mut self.icmp_code, &said),
            Role::Dscp => number(&said).is_some_and(|d| d < 64 && put(&mut record.dscp, d, |&d| d == 0)),
            Role::Tos => protocols::tos(&mut record.dscp, &said),
            _ => return self.words(role, name, said),
        };
        Taken::when(is_done, said)
    }

    /// Texts and what is compared with the rest at the end.
    fn words(&mut self, role: Role, name: &Cow<'a, str>, said: Said<'a>) -> Taken<'a> {
        let is_done = match role {
            Role::Service => said.as_str().is_some_and(|word| {
                let word = self.texts.word(word);
                put(&mut self.record.service, word, |_| false)
            }),
            Role::Collector => said.as_str().is_some_and(|id| {
                let place = &mut self.origin.get_or_insert_default().collector_id;
                put(place, id.into(), |_| false)
            }),
            Role::Domain | Role::Query => return self.domain(role, said),
            Role::Host => return self.host(name, said),
            Role::CommunityId if self.community_id.is_none() => {
                self.community_id = Some((name.clone(), said));
                return Taken::Done;
            }
            Role::Other => false,
            _ => self.exported(role, &said),
        };
        Taken::when(is_done, said)
    }

    /// What an exporter says beyond the flow. Zero says that it does not know.
    fn exported(&mut self, role: Role, said: &Said<'_>) -> bool {
        let is_own = self.is_own();
        let mut exported = self.record.exported.unwrap_or_default();
        let address_in = |place: &mut Option<_>| {
            address(said).is_some_and(|ip| (!is_own && ip.is_unspecified()) || put(place, ip, |_| false))
        };
        let number_in = |place: &mut Option<u32>| {
            number(said).is_some_and(|n| (!is_own && n == 0) || put(place, n, |_| false))
        };
        let is_done = match role {
            Role::Exporter => address_in(&mut exported.exporter),
            Role::NextHop => address_in(&mut exported.next_hop),
            Role::ObservationDomain => {
                number(said).is_some_and(|n| put(&mut exported.observation_domain, n, |_| false))
            }
            Role::IngressIf => number_in(&mut exported.ingress_if),
            Role::EgressIf => number_in(&mut exported.egress_if),
            Role::SrcAs => number_in(&mut exported.src_as),
            Role::DstAs => number_in(&mut exported.dst_as),
            Role::Sampling => number_in(&mut exported.sampling),
            _ => false,
        };
        if is_done && (self.record.exported.is_some() || exported != weir_flow::Exported::default()) {
            self.record.exported = Some(exported);
        }
        is_done
    }

    fn domain(&mut self, role: Role, said: Said<'a>) -> Taken<'a> {
        let Said::Text(text) = &said else { return Taken::Left(said) };
        let name = if self.is_own() { Some(Cow::Borrowed(&**text)) } else { domain(text) };
        let Some(name) = name else { return Taken::Left(said) };
        let is_done = put(&mut self.record.domain, (&*name).into(), |_| false);
        if role == Role::Query && is_done && !self.is_own() {
            self.record.kind = Kind::Dns;
        }
        Taken::when(is_done, said)
    }

    /// A name with a dot is what the flow is about; without one it is that of a device.
    fn host(&mut self, name: &Cow<'a, str>, said: Said<'a>) -> Taken<'a> {
        if said.address().is_some() && self.host.is_none() {
            self.host = Some((name.clone(), said));
            return Taken::Done;
        }
        match &said {
            Said::Text(text) if text.contains('.') => self.domain(Role::Host, said),
            _ => Taken::Left(said),
        }
    }
}

fn count(said: &Said<'_>, field: &'static str) -> Result<u64, Rejected> {
    said.count().ok_or(Reason::BadNumber.of(field))
}

fn flags(place: &mut Option<u8>, said: &Said<'_>) -> bool {
    tcp_flags(said).is_some_and(|flags| put(place, flags, |&flags| flags == 0))
}
