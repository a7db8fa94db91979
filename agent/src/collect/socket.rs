//! A UDP socket that exports come in by: many datagrams a call, and what the kernel dropped before them.
//!
//! To: whoever asks, with the sender of each datagram. Nothing here waits.

use std::io::IoSliceMut;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, MsgFlags, MultiHeaders, RecvMsg, SockFlag, SockType, SockaddrStorage,
    bind, getsockopt, recvmmsg, setsockopt, socket, sockopt,
};

/// Datagrams of one call: a burst of an exporter takes a few calls, and all buffers together 2 MiB at most.
pub const BATCH: usize = 32;
/// Room for the largest UDP payload (65,527 octets over IPv6, RFC 8200 §4.5 and RFC 768): none is ever cut. Pages of a
/// buffer that no datagram reached cost nothing.
const DATAGRAM: usize = 64 << 10;

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address and port are in use.
    #[error(
        "cannot listen for flow exports on {0}: another program has the port; `ss -lunp` tells which, stop it or choose \
         another port in collect.listen"
    )]
    Taken(SocketAddr),
    /// This host does not have the address.
    #[error(
        "cannot listen for flow exports on {0}: no interface has the address now; bring it up, or correct collect.listen"
    )]
    NoAddress(SocketAddr),
    /// The right is missing.
    #[error(
        "cannot listen for flow exports on {0}: no right to; Weir keeps none for ports below 1024, choose a higher one in \
         collect.listen, or look at the sandbox of the process"
    )]
    NoRight(SocketAddr),
    /// The kernel does not have IPv6, or has it switched off.
    #[error(
        "cannot listen for flow exports on {0}: the kernel has no IPv6; choose an IPv4 address in collect.listen"
    )]
    NoFamily(SocketAddr),
    /// Anything else.
    #[error("cannot {what} the socket for flow exports on {address}: {reason}")]
    System {
        /// What was attempted.
        what: &'static str,
        /// Address and port.
        address: SocketAddr,
        /// What the kernel said.
        reason: Errno,
    },
}

/// A bound socket.
#[derive(Debug)]
pub struct Socket {
    fd: OwnedFd,
    address: SocketAddr,
    receive_buffer: usize,
    tells_drops: bool,
    /// The kernel's count of drops for want of room, and of wrong checksums, as far as it came with a datagram; wraps.
    dropped: u32,
}

/// What one call brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// Datagrams.
    pub datagrams: usize,
    /// Datagrams that the kernel dropped before the last of these, since the call before.
    pub dropped: u32,
}

impl Socket {
    /// Binds to `address`, with a receive buffer of `receive_buffer` octets if the kernel allows so many.
    ///
    /// # Errors
    /// Every [`Error`].
    pub fn open(address: SocketAddr, receive_buffer: usize) -> Result<Self, Error> {
        let failed = |what| move |reason| Error::System { what, address, reason };
        let family = if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let fd = socket(family, SockType::Datagram, flags, None).map_err(|reason| match reason {
            Errno::EAFNOSUPPORT => Error::NoFamily(address),
            reason => failed("make")(reason),
        })?;
        if address.is_ipv6() {
            // Else `[::]` would take the port of `0.0.0.0` too, and exporters have two addresses.
            setsockopt(&fd, sockopt::Ipv6V6Only, &true).map_err(failed("set up"))?;
        }
        // A kernel that cannot tell its drops (an emulated one, say) receives all the same.
        let tells_drops = setsockopt(&fd, sockopt::RxqOvfl, &1).is_ok();
        setsockopt(&fd, sockopt::RcvBuf, &receive_buffer).map_err(failed("set up"))?;
        // socket(7): the kernel doubles what it is told, for its own bookkeeping, and tells that.
        let receive_buffer = getsockopt(&fd, sockopt::RcvBuf).map_err(failed("set up"))? / 2;
        bind(fd.as_raw_fd(), &SockaddrStorage::from(address)).map_err(|reason| match reason {
            Errno::EADDRINUSE => Error::Taken(address),
            Errno::EADDRNOTAVAIL => Error::NoAddress(address),
            Errno::EACCES | Errno::EPERM => Error::NoRight(address),
            reason => failed("bind")(reason),
        })?;
        Ok(Self { fd, address, receive_buffer, tells_drops, dropped: 0 })
    }

    /// Octets of the receive buffer that the kernel granted.
    #[must_use]
    pub const fn receive_buffer(&self) -> usize {
        self.receive_buffer
    }

    /// False when the kernel drops without a word: [`Received::dropped`] stays 0 then.
    #[must_use]
    pub const fn tells_drops(&self) -> bool {
        self.tells_drops
    }

    /// Hands over the datagrams that are there, up to [`BATCH`], each with its sender.
    ///
    /// # Errors
    /// [`Error::System`]: the socket is of no more use.
    pub fn receive(
        &mut self,
        buffers: &mut Buffers,
        mut each: impl FnMut(SocketAddr, &[u8]),
    ) -> Result<Received, Error> {
        // Made anew for each call: nix leaves the lengths as the kernel shortened them, so that headers in use again lose
        // control messages, and IPv6 addresses after IPv4 ones (nix-rust/nix#2813).
        let mut headers = MultiHeaders::preallocate(BATCH, Some(nix::cmsg_space!(u32)));
        let mut slices = buffers.slices();
        let fd = self.fd.as_raw_fd();
        let received = match recvmmsg(fd, &mut headers, slices.iter_mut(), MsgFlags::empty(), None) {
            Ok(received) => received,
            // What is left of memory may be enough at the next attempt; the kernel counts what it drops meanwhile.
            Err(Errno::EAGAIN | Errno::EINTR | Errno::ENOMEM | Errno::ENOBUFS) => {
                return Ok(Received::default());
            }
            Err(reason) => return Err(Error::System { what: "read", address: self.address, reason }),
        };
        let before = self.dropped;
        let mut datagrams = 0;
        for message in received {
            datagrams += 1;
            self.dropped = drops(&message).unwrap_or(self.dropped);
            if let Some(from) = message.address.as_ref().and_then(sender) {
                each(from, message.iovs().next().unwrap_or_default());
            }
        }
        Ok(Received { datagrams, dropped: self.dropped.wrapping_sub(before) })
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// The kernel's count when it queued this datagram; it says nothing before the first drop.
fn drops(message: &RecvMsg<'_, '_, SockaddrStorage>) -> Option<u32> {
    message.cmsgs().ok()?.find_map(|control| match control {
        ControlMessageOwned::RxqOvfl(count) => Some(count),
        _ => None,
    })
}

fn sender(address: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = address.as_sockaddr_in().map(|v4| SocketAddr::V4((*v4).into()));
    v4.or_else(|| address.as_sockaddr_in6().map(|v6| SocketAddr::V6((*v6).into())))
}

/// Room for one call's datagrams, for one socket after the other.
#[derive(Debug)]
pub struct Buffers(Vec<u8>);

impl Default for Buffers {
    fn default() -> Self {
        // Zeroed memory of this size comes from the kernel as it is, untouched.
        Self(vec![0; BATCH * DATAGRAM])
    }
}

impl Buffers {
    /// One buffer for each datagram.
    fn slices(&mut self) -> [[IoSliceMut<'_>; 1]; BATCH] {
        let mut chunks = self.0.chunks_exact_mut(DATAGRAM);
        std::array::from_fn(|_| [IoSliceMut::new(chunks.next().unwrap_or_default())])
    }
}

#[cfg(test)]
mod tests;
