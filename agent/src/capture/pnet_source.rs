//! The reader for kernels without TPACKET_V3: pnet reads our socket, one call to the kernel per frame.
//!
//! The socket is prepared here, so that the filter and the receive buffer are in place before the first frame and
//! losses can be counted. What pnet cannot tell: the kernel's time of arrival (`now` is used), the VLAN tag that the
//! kernel took out, the length on the wire of a cut frame, and which way a frame went. It needs several times the
//! processor time of the ring, and loses frames at rates where the ring loses none.

use std::io;
use std::os::fd::IntoRawFd;
use std::time::Duration;

use pnet::datalink::{self, Channel, Config, DataLinkReceiver};
use weir_flow::Timestamp;

use super::bpf::Program;
use super::error::Error;
use super::frame::{Frame, KernelStats, Polled};
use super::live::Settings;
use super::socket::Socket;

/// Frames handed over by one poll at most, so that a stop is seen under load.
const FRAMES_PER_POLL: u32 = 4_096;

/// A pnet channel on a socket of ours.
pub struct PnetSource {
    receiver: Box<dyn DataLinkReceiver>,
    socket: Socket,
    now: Box<dyn Fn() -> Timestamp + Send>,
    counted: KernelStats,
}

impl PnetSource {
    /// Captures on `interface`; `filter` already has the snaplen. The ring's bytes become the receive buffer.
    ///
    /// # Errors
    /// As [`super::live::open`].
    pub fn open(
        interface: &str,
        settings: &Settings,
        filter: &Program,
        now: impl Fn() -> Timestamp + Send + 'static,
    ) -> Result<Self, Error> {
        let socket = Socket::open(interface)?;
        socket.receive_buffer(settings.ring_bytes)?;
        socket.attach(&Program::drop_all())?;
        let found = datalink::interfaces().into_iter().find(|one| one.name == interface);
        let found = found.ok_or_else(|| Error::Gone { interface: interface.to_owned() })?;
        let config = Config {
            read_buffer_size: settings.snaplen as usize,
            // `poll` waits itself and then reads what there is.
            read_timeout: Some(Duration::ZERO),
            promiscuous: settings.promiscuous,
            // pnet closes its descriptor in every case.
            socket_fd: Some(socket.duplicate()?.into_raw_fd()),
            ..Config::default()
        };
        let failed = |source| Error::System {
            doing: "capture through pnet",
            interface: interface.to_owned(),
            source,
            advice: "",
        };
        let Channel::Ethernet(_, receiver) = datalink::channel(&found, config).map_err(failed)? else {
            return Err(failed(io::ErrorKind::Unsupported.into()));
        };
        if let Some(fanout) = settings.fanout {
            socket.join(fanout)?;
        }
        socket.attach(filter)?;
        Ok(Self { receiver, socket, now: Box::new(now), counted: KernelStats::default() })
    }

    /// The socket.
    #[must_use]
    pub const fn socket(&self) -> &Socket {
        &self.socket
    }

    /// Waits for frames up to `timeout`, then hands over those there are, up to a limit.
    ///
    /// # Errors
    /// As [`Socket::wait`].
    pub fn poll(&mut self, timeout: Duration, each: &mut impl FnMut(Frame<'_>)) -> Result<Polled, Error> {
        self.socket.wait(timeout)?;
        let mut frames = 0;
        while frames < FRAMES_PER_POLL {
            // An error of the socket shows again in the next `wait`, with its cause.
            let Ok(data) = self.receiver.next() else { break };
            let wire_len = u32::try_from(data.len()).unwrap_or(u32::MAX);
            each(Frame { timestamp: (self.now)(), wire_len, data, vlan: None, outgoing: false });
            frames += 1;
        }
        Ok(Polled { frames, damaged: 0 })
    }

    /// What the kernel counted since the source was opened.
    ///
    /// # Errors
    /// [`Error::System`].
    pub fn stats(&mut self) -> Result<KernelStats, Error> {
        self.counted.add(self.socket.take_statistics()?);
        Ok(self.counted)
    }
}
