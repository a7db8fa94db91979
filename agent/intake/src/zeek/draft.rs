//! A record in the making: fields one by one, in any order, and what follows from all of them.

mod transport;

use std::borrow::Cow;
use std::net::IpAddr;

use serde_json::Value;
use weir_flow::{Extra, FlowRecord, Source, Timestamp, Uncounted, Vlan, proto_number};

use super::field::Field;
use super::host;
use super::log::{Log, Shape};
use super::number;
use super::service;
use super::value::{address, count, end_reason, only_host, port, text, vlan};
use crate::{Reason, Rejected, Said};

/// What Zeek calls every other protocol than TCP, UDP and ICMP.
const UNKNOWN_TRANSPORT: &str = "unknown_transport";

/// Whether a value has found its place, or is to be kept in `extra`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The record says all of it.
    Taken,
    /// The record says none of it, or less than all.
    Extra,
}

pub(super) struct Draft<'l> {
    record: FlowRecord,
    extra: Extra,
    shape: Shape,
    /// [`Field::bit`]s of what was said.
    said: u32,
    /// Microseconds.
    duration: i64,
    unknown_transport: bool,
    ip_proto: Option<u8>,
    vlan: Option<u16>,
    inner_vlan: Option<u16>,
    community_id: Option<Cow<'l, str>>,
    /// Ends that a log names beside the ends of its connection, by [`Field::name`].
    src: Option<(Field, IpAddr)>,
    dst: Option<(Field, IpAddr)>,
    port: Option<u16>,
}

impl<'l> Draft<'l> {
    /// A record of `log` with room for `entries` in `extra`.
    pub(super) fn new(log: &Log, entries: usize) -> Self {
        let record = FlowRecord { source: Source::Zeek, kind: log.kind.clone(), ..FlowRecord::default() };
        Self {
            record,
            extra: Extra::with_capacity(entries),
            shape: log.shape,
            said: 0,
            duration: 0,
            unknown_transport: false,
            ip_proto: None,
            vlan: None,
            inner_vlan: None,
            community_id: None,
            src: None,
            dst: None,
            port: None,
        }
    }

    /// Keeps a value that has no place in the record; its name was not said before.
    #[inline]
    pub(super) fn keep(&mut self, name: Cow<'static, str>, value: Value) {
        self.extra.append(name, value);
    }

    /// True when a field was said.
    pub(super) const fn has(&self, field: Field) -> bool {
        self.said & field.bit() != 0
    }

    /// Puts a value in its place. What is said a second time is for `extra`.
    ///
    /// # Errors
    /// The value is not what its field holds.
    pub(super) fn set(&mut self, field: Field, said: &Said<'l>) -> Result<Place, Rejected> {
        if self.has(field) {
            return Ok(Place::Extra);
        }
        let place = self.put(field, said)?;
        self.said |= field.bit();
        Ok(place)
    }

    /// As [`Self::set`], of an end of the connection, whose value need not live on.
    pub(super) fn set_end(&mut self, field: Field, said: &Said<'_>) -> Result<Place, Rejected> {
        if self.has(field) {
            return Ok(Place::Extra);
        }
        let record = &mut self.record;
        match field {
            Field::OrigH => record.src_ip = Some(address(field, said)?),
            Field::RespH => record.dst_ip = Some(address(field, said)?),
            Field::OrigP => record.src_port = Some(port(field, said)?),
            Field::RespP => record.dst_port = Some(port(field, said)?),
            _ => return Ok(Place::Extra),
        }
        self.said |= field.bit();
        Ok(Place::Taken)
    }

    fn put(&mut self, field: Field, said: &Said<'l>) -> Result<Place, Rejected> {
        let record = &mut self.record;
        match field {
            Field::Ts => record.start = number::instant(said).ok_or(Reason::BadTime.of(field.name()))?,
            Field::OrigH | Field::RespH | Field::OrigP | Field::RespP => return self.set_end(field, said),
            Field::OrigPkts => record.forward.packets = count(field, said)?,
            Field::RespPkts => record.reverse.packets = count(field, said)?,
            Field::OrigIpBytes => record.forward.octets = count(field, said)?,
            Field::RespIpBytes => record.reverse.octets = count(field, said)?,
            Field::Duration => return self.duration(said),
            Field::Proto => return self.proto(said),
            Field::IpProto => {
                let number = count(field, said)?;
                let number = u8::try_from(number).map_err(|_| Reason::BadProtocol.of(field.name()))?;
                self.ip_proto = Some(number);
            }
            Field::ConnState => {
                record.end_reason = said.as_str().and_then(end_reason);
                return Ok(Place::Extra);
            }
            Field::Service => return Ok(text(&mut record.service, said, service::named)),
            Field::Query | Field::ServerName | Field::Host => return Ok(self.domain(field, said)),
            Field::CommunityId => match said {
                Said::Text(text) => self.community_id = Some(text.clone()),
                _ => return Ok(Place::Extra),
            },
            _ => return self.aside(field, said),
        }
        Ok(Place::Taken)
    }

    /// Fields that only some logs have.
    fn aside(&mut self, field: Field, said: &Said<'l>) -> Result<Place, Rejected> {
        match field {
            Field::Src | Field::ClientAddr => self.src = Some((field, address(field, said)?)),
            Field::Dst | Field::ServerAddr => self.dst = Some((field, address(field, said)?)),
            Field::P => self.port = Some(port(field, said)?),
            Field::Vlan | Field::InnerVlan => {
                let Some(tag) = vlan(field, said)? else { return Ok(Place::Extra) };
                if field == Field::Vlan {
                    self.vlan = Some(tag);
                } else {
                    self.inner_vlan = Some(tag);
                }
            }
            Field::TxHosts | Field::RxHosts => {
                let Some(host) = only_host(said) else { return Ok(Place::Extra) };
                let end = if field == Field::TxHosts { &mut self.src } else { &mut self.dst };
                *end = Some((field, host));
            }
            _ => return Ok(Place::Extra),
        }
        Ok(Place::Taken)
    }

    fn duration(&mut self, said: &Said<'l>) -> Result<Place, Rejected> {
        let micros = said.as_str().and_then(number::micros);
        let micros = micros.ok_or(Reason::BadNumber.of(Field::Duration.name()))?;
        // Zeek writes a negative one where packets are out of order.
        self.duration = micros.max(0);
        Ok(if micros < 0 { Place::Extra } else { Place::Taken })
    }

    fn proto(&mut self, said: &Said<'l>) -> Result<Place, Rejected> {
        let name = said.as_str().unwrap_or_default();
        self.record.proto = match name {
            "tcp" => Some(6),
            "udp" => Some(17),
            UNKNOWN_TRANSPORT => {
                self.unknown_transport = true;
                None
            }
            other => proto_number(other),
        };
        match self.record.proto {
            Some(_) => Ok(Place::Taken),
            None if self.unknown_transport => Ok(Place::Taken),
            None if self.shape == Shape::Other => Ok(Place::Extra),
            None => Err(Reason::BadProtocol.of(Field::Proto.name())),
        }
    }

    fn domain(&mut self, field: Field, said: &Said<'l>) -> Place {
        let Said::Text(said) = said else { return Place::Extra };
        let host = if field == Field::Host { host::of_authority(said) } else { Some(&**said) };
        self.record.domain = host.and_then(host::domain);
        match &self.record.domain {
            Some(domain) if **domain == **said => Place::Taken,
            _ => Place::Extra,
        }
    }

    /// The record. `now` is its time where the log said none.
    pub(super) fn finish(mut self, now: Timestamp) -> FlowRecord {
        if !self.has(Field::Ts) {
            self.record.start = now;
        }
        self.record.end = self.record.start.plus_micros(self.duration);
        self.ends();
        self.protocol();
        self.tags();
        self.record.uncounted = self.uncounted();
        if self.record.service.is_none() {
            self.record.service = service::of_log(self.shape);
        }
        self.compare_community_id();
        let Self { mut record, mut extra, .. } = self;
        extra.fit();
        record.extra = (!extra.is_empty()).then(|| Box::new(extra));
        record
    }

    /// The ends of the connection, else what the log names in their place.
    fn ends(&mut self) {
        for (end, other) in [(&mut self.record.src_ip, self.src), (&mut self.record.dst_ip, self.dst)] {
            let Some((field, other)) = other else { continue };
            if *end.get_or_insert(other) != other {
                self.extra.insert(field.name(), other.to_string());
            }
        }
        if let Some(port) = self.port
            && *self.record.dst_port.get_or_insert(port) != port
        {
            self.extra.insert(Field::P.name(), port);
        }
    }

    fn tags(&mut self) {
        self.record.vlan = match (self.vlan, self.inner_vlan) {
            (outer, Some(inner)) => Some(Vlan { inner, outer }),
            (Some(inner), None) => Some(Vlan { inner, outer: None }),
            (None, None) => None,
        };
    }

    fn uncounted(&self) -> Uncounted {
        if self.shape != Shape::Conn {
            return Uncounted::ALL;
        }
        let either = |a, b| self.has(a) || self.has(b);
        Uncounted {
            octets: !either(Field::OrigIpBytes, Field::RespIpBytes),
            packets: !either(Field::OrigPkts, Field::RespPkts),
        }
    }

    /// Keeps the log's Community ID unless it is the record's own, which follows from the rest.
    fn compare_community_id(&mut self) {
        let Some(said) = self.community_id.take() else { return };
        if self.record.community_id().is_none_or(|own| own.as_str() != said) {
            self.extra.insert(Field::CommunityId.name(), said.into_owned());
        }
    }
}
