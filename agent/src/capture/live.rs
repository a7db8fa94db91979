//! A live interface as a source of frames: the ring, or pnet where the kernel has none. Frames go to the parser of the
//! same thread.

use std::time::Duration;

use weir_flow::Timestamp;

use super::bpf::Program;
use super::error::Error;
use super::frame::{Frame, KernelStats, Polled};
use super::interface;
use super::pnet_source::PnetSource;
use super::ring::Ring;
pub use super::socket::{Fanout, FanoutBy};
use super::socket::{RETIRE_MS, Socket};

/// Octets of a frame that are kept, unless configured.
pub const DEFAULT_SNAPLEN: u32 = 2_048;
/// Bytes of the ring of one worker, unless configured.
pub const DEFAULT_RING_BYTES: u32 = 16 << 20;
/// After [`FrameSource::stop`] the last frame has come within this time.
pub const DRAIN: Duration = Duration::from_millis(3 * RETIRE_MS as u64);

/// How to capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Octets of a frame that are kept, 64 to 262,144.
    pub snaplen: u32,
    /// Bytes of the ring, to 1 GiB; rounded down to whole blocks.
    pub ring_bytes: u32,
    /// Also frames for other hosts, as on a mirror port.
    pub promiscuous: bool,
    /// Shares the interface with other workers; none when there is one.
    pub fanout: Option<Fanout>,
    /// Frames to keep; its snaplen is cut to the above.
    pub filter: Program,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            snaplen: DEFAULT_SNAPLEN,
            ring_bytes: DEFAULT_RING_BYTES,
            promiscuous: true,
            fanout: None,
            filter: Program::accept_all(u32::MAX),
        }
    }
}

/// Where frames come from.
pub trait FrameSource {
    /// Hands over the frames there are, or waits for some up to `timeout`.
    ///
    /// # Errors
    /// [`Error::Down`] once each time the interface goes down: poll on, frames come when it is up again.
    /// [`Error::Gone`] when it was removed: open a new source when it is back. [`Error::System`].
    fn poll(&mut self, timeout: Duration, each: &mut impl FnMut(Frame<'_>)) -> Result<Polled, Error>;

    /// What the kernel counted since the source was opened.
    ///
    /// # Errors
    /// [`Error::System`].
    fn stats(&mut self) -> Result<KernelStats, Error>;

    /// Takes no further frames; those taken still come from `poll`, within [`DRAIN`].
    ///
    /// # Errors
    /// [`Error::System`].
    fn stop(&mut self) -> Result<(), Error>;

    /// Bytes of memory mapped for the ring; 0 without one.
    fn ring_bytes(&self) -> u64;

    /// The mechanism, in a word.
    fn describe(&self) -> &'static str;
}

/// An open interface.
pub enum Live {
    /// The ring.
    Ring(Ring),
    /// The fallback.
    Pnet(PnetSource),
}

/// Starts to capture on `interface`. The fallback is taken when the kernel has no TPACKET_V3, and only then; it asks
/// `now` for the time of a frame.
///
/// # Errors
/// [`Error::NoRight`], [`Error::LinkType`], [`Error::Gone`], [`Error::Range`], [`Error::RingTooSmall`],
/// [`Error::System`]. An interface that is down is no error here: the first poll says so.
pub fn open(
    interface: &str,
    settings: &Settings,
    now: impl Fn() -> Timestamp + Send + 'static,
) -> Result<Live, Error> {
    let filter = prepare(interface, settings)?;
    match open_ring(interface, settings, &filter) {
        Err(Error::NoRing) => PnetSource::open(interface, settings, &filter, now).map(Live::Pnet),
        opened => opened.map(Live::Ring),
    }
}

/// Checks the link and completes the filter.
fn prepare(interface: &str, settings: &Settings) -> Result<Program, Error> {
    interface::link_type(interface)?;
    let filter = settings.filter.clone().with_snaplen(settings.snaplen);
    let loopback = interface::find(interface)?.loopback;
    if !loopback {
        return Ok(filter);
    }
    filter.without_outgoing().map_err(|source| Error::Filter { interface: interface.to_owned(), source })
}

fn open_ring(interface: &str, settings: &Settings, filter: &Program) -> Result<Ring, Error> {
    let ring = Ring::new(Socket::open(interface)?, settings.ring_bytes, settings.snaplen)?;
    let socket = ring.socket();
    // Until the worker has joined its group it would see the frames of the others too.
    socket.attach(&Program::drop_all())?;
    socket.bind()?;
    if settings.promiscuous {
        socket.promiscuous()?;
    }
    if let Some(fanout) = settings.fanout {
        socket.join(fanout)?;
    }
    socket.attach(filter)?;
    Ok(ring)
}

impl Live {
    /// Why this is not the ring, in a sentence; none when it is.
    #[must_use]
    pub const fn fallback_reason(&self) -> Option<&'static str> {
        match self {
            Self::Ring(_) => None,
            Self::Pnet(_) => Some(
                "the kernel has no TPACKET_V3 ring: read through pnet, without VLAN tags and with losses at high rates",
            ),
        }
    }

    const fn socket(&self) -> &Socket {
        match self {
            Self::Ring(ring) => ring.socket(),
            Self::Pnet(source) => source.socket(),
        }
    }
}

impl FrameSource for Live {
    fn poll(&mut self, timeout: Duration, each: &mut impl FnMut(Frame<'_>)) -> Result<Polled, Error> {
        match self {
            Self::Ring(ring) => ring.next_block(timeout, each),
            Self::Pnet(source) => source.poll(timeout, each),
        }
    }

    fn stats(&mut self) -> Result<KernelStats, Error> {
        match self {
            Self::Ring(ring) => ring.stats(),
            Self::Pnet(source) => source.stats(),
        }
    }

    fn stop(&mut self) -> Result<(), Error> {
        self.socket().attach(&Program::drop_all())
    }

    fn ring_bytes(&self) -> u64 {
        match self {
            Self::Ring(ring) => ring.shape().bytes(),
            Self::Pnet(_) => 0,
        }
    }

    fn describe(&self) -> &'static str {
        match self {
            Self::Ring(_) => "tpacket_v3",
            Self::Pnet(_) => "pnet",
        }
    }
}

#[cfg(test)]
mod tests;
