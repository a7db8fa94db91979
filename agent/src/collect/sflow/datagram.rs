//! The beginning of a datagram.

use std::net::IpAddr;

use weir_flow::Timestamp;

use super::super::Fault;
use super::super::wire::Reader;
use super::xdr;

/// The only version that is read; 2 and 4 are from before 2004.
const VERSION: u32 = 5;
/// The largest type of address that there is (`address_type`).
const MAX_ADDRESS_TYPE: u32 = 2;

/// Who numbers datagrams: an agent's own address, if it says one, and its sub-agent.
pub(super) type SubAgent = (Option<IpAddr>, u32);

/// What stands before the samples (`sample_datagram_v5`).
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub(super) sub_agent: SubAgent,
    pub(super) sequence: u32,
    /// Milliseconds since the agent started.
    pub(super) uptime: u32,
    /// How many samples follow, by the exporter's word.
    pub(super) samples: u32,
}

/// What all samples of a datagram share.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin {
    pub(super) exporter: IpAddr,
    /// The agent's own address, if it is another.
    pub(super) agent: Option<IpAddr>,
    pub(super) sub_agent: u32,
    pub(super) at: Timestamp,
}

impl Head {
    /// Reads the beginning of `payload`, and answers what is after it.
    pub(super) fn read(payload: &[u8]) -> Result<(Self, Reader<'_>), Fault> {
        let mut reader = Reader::new(payload);
        let version = reader.u32().ok_or(Fault::Truncated)?;
        let address_type = reader.rest().first_chunk().copied().map(u32::from_be_bytes);
        if version != VERSION || address_type.is_some_and(|kind| kind > MAX_ADDRESS_TYPE) {
            return Err(Fault::UnknownVersion);
        }
        let head = Self::after_version(&mut reader).ok_or(Fault::Truncated)?;
        Ok((head, reader))
    }

    fn after_version(reader: &mut Reader<'_>) -> Option<Self> {
        let agent = xdr::address(reader)?.map(|agent| agent.to_canonical());
        Some(Self {
            sub_agent: (agent, reader.u32()?),
            sequence: reader.u32()?,
            uptime: reader.u32()?,
            samples: reader.u32()?,
        })
    }

    /// What the samples share, in a datagram of `exporter` that came at `received`.
    pub(super) fn origin(&self, exporter: IpAddr, received: Option<Timestamp>) -> Origin {
        let (agent, sub_agent) = self.sub_agent;
        Origin {
            exporter,
            agent: agent.filter(|&agent| agent != exporter.to_canonical()),
            sub_agent,
            at: received.unwrap_or_else(|| Timestamp::from_millis(self.uptime.into())),
        }
    }
}
