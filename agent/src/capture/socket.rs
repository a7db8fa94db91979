//! The packet socket and its mapped ring: the only unsafe code of the agent. What goes out is safe to use: slices of
//! blocks that the kernel has handed over, and numbers. Their meaning is read in [`super::ring`].
//!
//! The kernel's side is `packet(7)` and Documentation/networking/packet_mmap.rst.
#![expect(unsafe_code, reason = "packet sockets, mmap and socket options have no safe interface in libc")]

use std::ffi::CString;
use std::io;
use std::mem::{offset_of, size_of};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::bpf::Program;
use super::error::Error;
use super::frame::KernelStats;

/// How workers share the frames of one interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fanout {
    /// The same for all workers of the interface, and for no other program in the network namespace; its process id,
    /// say.
    pub group: u16,
    /// What keeps packets together.
    pub by: FanoutBy,
}

/// What keeps packets together in a fan-out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FanoutBy {
    /// Addresses: fragments stay with their datagram, and a flow that is partly fragmented stays whole.
    AddressPair,
    /// Addresses, protocol and ports (`PACKET_FANOUT_HASH`); fragments have no ports and may leave their flow.
    FlowHash,
    /// As `FlowHash`, of datagrams that the kernel puts together first: original fragments are no longer seen.
    FlowHashDefragmented,
}

/// Sizes of a ring, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Bytes of a block: a power of two, and whole pages.
    pub block: u32,
    /// Number of blocks.
    pub blocks: u32,
    /// Bytes kept for the largest frame with its headers.
    pub frame: u32,
}

/// After this long the kernel hands over a block that is not full, milliseconds.
pub(super) const RETIRE_MS: u32 = 64;

/// A packet socket on one interface; receives nothing until [`Socket::bind`].
#[derive(Debug)]
pub struct Socket {
    fd: OwnedFd,
    interface: String,
    index: libc::c_int,
}

impl Socket {
    /// A socket for `interface`.
    ///
    /// # Errors
    /// [`Error::NoRight`], [`Error::Gone`] when there is no such interface, [`Error::System`].
    pub fn open(interface: &str) -> Result<Self, Error> {
        let index = index_of(interface).ok_or_else(|| Error::Gone { interface: interface.to_owned() })?;
        // Protocol 0: with any other the socket would collect frames of all interfaces before it is bound to one.
        // SAFETY: no pointers; the result is checked.
        let fd = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
        if fd < 0 {
            let source = io::Error::last_os_error();
            return Err(match source.raw_os_error() {
                Some(libc::EPERM | libc::EACCES) => Error::NoRight { interface: interface.to_owned() },
                _ => Error::System {
                    doing: "open a packet socket",
                    interface: interface.to_owned(),
                    source,
                    advice: " (the kernel needs CONFIG_PACKET)",
                },
            });
        }
        // SAFETY: `fd` was just opened and nobody else owns it.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        Ok(Self { fd, interface: interface.to_owned(), index })
    }

    /// The interface's name.
    #[must_use]
    pub fn interface(&self) -> &str {
        &self.interface
    }

    /// A second descriptor of the same socket.
    ///
    /// # Errors
    /// [`Error::System`] when the process has no descriptor left.
    pub fn duplicate(&self) -> Result<OwnedFd, Error> {
        self.fd.try_clone().map_err(|source| self.system("duplicate the packet socket", source, ""))
    }

    /// Puts `program` in the place of the filter, between two frames.
    ///
    /// # Errors
    /// [`Error::System`] when the kernel refuses the program.
    pub fn attach(&self, program: &Program) -> Result<(), Error> {
        let mut code = sock_filters(program);
        let filter = sock_fprog(&mut code);
        self.set(libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &filter, "set the filter", FILTER_ADVICE)
    }

    /// Starts to receive all frames of the interface, both ways.
    ///
    /// # Errors
    /// [`Error::Gone`] when the interface has vanished, [`Error::System`].
    pub fn bind(&self) -> Result<(), Error> {
        // SAFETY: all zeros is a valid `sockaddr_ll`.
        let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
        address.sll_family = libc::AF_PACKET as libc::c_ushort;
        address.sll_protocol = (libc::ETH_P_ALL as u16).to_be();
        address.sll_ifindex = self.index;
        // SAFETY: `address` is a `sockaddr_ll` of the length given and lives through the call.
        let done = unsafe {
            libc::bind(
                self.fd.as_raw_fd(),
                (&raw const address).cast(),
                size_of::<libc::sockaddr_ll>() as libc::socklen_t,
            )
        };
        if done == 0 {
            return Ok(());
        }
        let source = io::Error::last_os_error();
        Err(match source.raw_os_error() {
            Some(libc::ENODEV | libc::ENXIO) => self.gone(),
            _ => self.system("bind a packet socket", source, ""),
        })
    }

    /// Takes frames for other hosts too, until the socket is closed; the interface stays as it is for others.
    ///
    /// # Errors
    /// [`Error::System`].
    pub fn promiscuous(&self) -> Result<(), Error> {
        let request = libc::packet_mreq {
            mr_ifindex: self.index,
            mr_type: libc::PACKET_MR_PROMISC as libc::c_ushort,
            mr_alen: 0,
            mr_address: [0; 8],
        };
        self.set(libc::SOL_PACKET, libc::PACKET_ADD_MEMBERSHIP, &request, "go promiscuous", "")
    }

    /// Joins the other workers; after [`Socket::bind`].
    ///
    /// # Errors
    /// [`Error::System`], with `EINVAL` while another program, or a worker on an interface that is gone, has the group.
    pub fn join(&self, fanout: Fanout) -> Result<(), Error> {
        let kind = match fanout.by {
            FanoutBy::AddressPair => libc::PACKET_FANOUT_CBPF,
            FanoutBy::FlowHash => libc::PACKET_FANOUT_HASH,
            FanoutBy::FlowHashDefragmented => libc::PACKET_FANOUT_HASH | libc::PACKET_FANOUT_FLAG_DEFRAG,
        };
        let word: libc::c_uint = libc::c_uint::from(fanout.group) | kind << 16;
        self.set(libc::SOL_PACKET, libc::PACKET_FANOUT, &word, "join the fan-out group", FANOUT_ADVICE)?;
        if fanout.by == FanoutBy::AddressPair {
            let mut code = sock_filters(&Program::by_address_pair());
            let spread = sock_fprog(&mut code);
            self.set(libc::SOL_PACKET, libc::PACKET_FANOUT_DATA, &spread, "set the fan-out program", "")?;
        }
        Ok(())
    }

    /// Asks for a receive buffer of `bytes`; for reading without a ring.
    ///
    /// # Errors
    /// [`Error::System`].
    pub fn receive_buffer(&self, bytes: u32) -> Result<(), Error> {
        let size = libc::c_int::try_from(bytes).unwrap_or(libc::c_int::MAX);
        // The first needs CAP_NET_ADMIN; the second is cut to net.core.rmem_max.
        self.set(libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, &size, "", "")
            .or_else(|_| self.set(libc::SOL_SOCKET, libc::SO_RCVBUF, &size, "set the receive buffer", ""))
    }

    /// Waits for frames, up to `timeout` (rounded up to milliseconds).
    ///
    /// # Errors
    /// [`Error::Down`] once each time the interface goes down, [`Error::Gone`] when it was removed, [`Error::System`].
    pub fn wait(&self, timeout: Duration) -> Result<(), Error> {
        let millis = timeout.as_nanos().div_ceil(1_000_000);
        let millis = libc::c_int::try_from(millis).unwrap_or(libc::c_int::MAX);
        let mut asked = libc::pollfd { fd: self.fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one `pollfd`, which lives through the call.
        let ready = unsafe { libc::poll(&raw mut asked, 1, millis) };
        if ready < 0 {
            let source = io::Error::last_os_error();
            let interrupted = source.kind() == io::ErrorKind::Interrupted;
            return if interrupted { Ok(()) } else { Err(self.system("wait for frames", source, "")) };
        }
        if asked.revents & libc::POLLERR != 0 {
            return self.fault();
        }
        // An interface that is removed while it is down leaves no error behind.
        if ready == 0 && index_of(&self.interface) != Some(self.index) { Err(self.gone()) } else { Ok(()) }
    }

    /// What the kernel counted since the last call: reading sets its counters back.
    ///
    /// # Errors
    /// [`Error::System`].
    pub fn take_statistics(&self) -> Result<KernelStats, Error> {
        // Without a ring the kernel writes the first two fields only.
        let none = libc::tpacket_stats_v3 { tp_packets: 0, tp_drops: 0, tp_freeze_q_cnt: 0 };
        let counted =
            self.option(libc::SOL_PACKET, libc::PACKET_STATISTICS, none, "read the drop counter")?;
        Ok(KernelStats {
            packets: counted.tp_packets.into(),
            drops: counted.tp_drops.into(),
            freezes: counted.tp_freeze_q_cnt.into(),
        })
    }

    /// Makes and maps a ring; before [`Socket::bind`].
    ///
    /// # Errors
    /// [`Error::NoRing`] when the kernel does not know TPACKET_V3, [`Error::System`].
    pub fn map_ring(&self, shape: Shape) -> Result<Map, Error> {
        let version = libc::tpacket_versions::TPACKET_V3 as libc::c_int;
        let known = self.set(libc::SOL_PACKET, libc::PACKET_VERSION, &version, "choose TPACKET_V3", "");
        known.map_err(|_| Error::NoRing)?;
        let request = libc::tpacket_req3 {
            tp_block_size: shape.block,
            tp_block_nr: shape.blocks,
            tp_frame_size: shape.frame,
            tp_frame_nr: shape.block / shape.frame * shape.blocks,
            tp_retire_blk_tov: RETIRE_MS,
            tp_sizeof_priv: 0,
            tp_feature_req_word: 0,
        };
        self.set(libc::SOL_PACKET, libc::PACKET_RX_RING, &request, "make the capture ring", RING_ADVICE)?;
        Map::new(self, shape)
    }

    /// The pending error of the socket, told once.
    fn fault(&self) -> Result<(), Error> {
        let code: libc::c_int =
            self.option(libc::SOL_SOCKET, libc::SO_ERROR, 0, "read the socket's error")?;
        match code {
            0 => Ok(()),
            libc::ENETDOWN | libc::ENODEV | libc::ENXIO if index_of(&self.interface) != Some(self.index) => {
                Err(self.gone())
            }
            libc::ENETDOWN => Err(Error::Down { interface: self.interface.clone() }),
            code => Err(self.system("receive", io::Error::from_raw_os_error(code), "")),
        }
    }

    fn set<T>(
        &self,
        level: libc::c_int,
        name: libc::c_int,
        value: &T,
        doing: &'static str,
        advice: &'static str,
    ) -> Result<(), Error> {
        // SAFETY: the kernel reads `size_of::<T>()` octets at `value`, and what `value` points to (`sock_fprog`) is
        // alive in the caller.
        let done = unsafe {
            libc::setsockopt(
                self.fd.as_raw_fd(),
                level,
                name,
                std::ptr::from_ref(value).cast(),
                size_of::<T>() as libc::socklen_t,
            )
        };
        if done == 0 { Ok(()) } else { Err(self.system(doing, io::Error::last_os_error(), advice)) }
    }

    fn option<T: Copy>(
        &self,
        level: libc::c_int,
        name: libc::c_int,
        mut value: T,
        doing: &'static str,
    ) -> Result<T, Error> {
        let mut length = size_of::<T>() as libc::socklen_t;
        // SAFETY: the kernel writes at most `length` octets into `value`; T is used with plain numbers only, for which
        // every bit pattern is valid.
        let done = unsafe {
            libc::getsockopt(self.fd.as_raw_fd(), level, name, (&raw mut value).cast(), &raw mut length)
        };
        if done == 0 { Ok(value) } else { Err(self.system(doing, io::Error::last_os_error(), "")) }
    }

    fn gone(&self) -> Error {
        Error::Gone { interface: self.interface.clone() }
    }

    fn system(&self, doing: &'static str, source: io::Error, advice: &'static str) -> Error {
        Error::System { doing, interface: self.interface.clone(), source, advice }
    }
}

const FILTER_ADVICE: &str = " (a filter of this length may need a larger net.core.optmem_max)";
const FANOUT_ADVICE: &str = " (another program may use the same group: choose another, or one worker)";
const RING_ADVICE: &str = " (no memory for it: choose a smaller ring)";

/// The mapped blocks of a ring.
#[derive(Debug)]
pub struct Map {
    start: NonNull<u8>,
    shape: Shape,
}

// SAFETY: the mapping belongs to this value alone and is valid in every thread.
unsafe impl Send for Map {}

/// Where a block's status lies in its header.
const STATUS_AT: usize =
    offset_of!(libc::tpacket_block_desc, hdr) + offset_of!(libc::tpacket_hdr_v1, block_status);

impl Map {
    fn new(socket: &Socket, shape: Shape) -> Result<Self, Error> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice; the result is checked.
        let start = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                length(shape),
                protection,
                libc::MAP_SHARED,
                socket.fd.as_raw_fd(),
                0,
            )
        };
        match NonNull::new(start.cast::<u8>()) {
            Some(start) if start.as_ptr().cast() != libc::MAP_FAILED => Ok(Self { start, shape }),
            _ => Err(socket.system("map the capture ring", io::Error::last_os_error(), RING_ADVICE)),
        }
    }

    /// The ring's sizes.
    #[must_use]
    pub const fn shape(&self) -> Shape {
        self.shape
    }

    /// Block `index` modulo the number of blocks, once the kernel has handed it over.
    #[must_use]
    pub fn block(&self, index: u32) -> Option<&[u8]> {
        let start = self.block_start(index);
        // Acquire: what the kernel wrote into the block before it set the status is seen after this.
        if self.status(index).load(Ordering::Acquire) & libc::TP_STATUS_USER == 0 {
            return None;
        }
        // SAFETY: the block lies inside the mapping, and the kernel writes it no more until `release`, which takes
        // `&mut self`, so that no slice is left by then.
        Some(unsafe { std::slice::from_raw_parts(start.as_ptr(), self.shape.block as usize) })
    }

    /// Gives block `index` back to the kernel.
    pub fn release(&mut self, index: u32) {
        // Release: all reads of the block come before.
        self.status(index).store(libc::TP_STATUS_KERNEL, Ordering::Release);
    }

    fn block_start(&self, index: u32) -> NonNull<u8> {
        let offset = (index % self.shape.blocks) as usize * self.shape.block as usize;
        // SAFETY: the offset is less than `blocks` × `block`, the length of the mapping.
        unsafe { self.start.add(offset) }
    }

    fn status(&self, index: u32) -> &AtomicU32 {
        // SAFETY: inside the block, aligned to four (blocks are whole pages, STATUS_AT is 8), and alive as long as
        // the mapping; every access from this side is atomic while the kernel may write.
        unsafe { AtomicU32::from_ptr(self.block_start(index).add(STATUS_AT).as_ptr().cast()) }
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        // SAFETY: the mapping made in `new`, with its length; no slice of it outlives `self`.
        unsafe { libc::munmap(self.start.as_ptr().cast(), length(self.shape)) };
    }
}

const fn length(shape: Shape) -> usize {
    shape.block as usize * shape.blocks as usize
}

/// Bytes of a memory page.
#[must_use]
pub(super) fn page_bytes() -> u32 {
    // SAFETY: no pointers.
    let bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    u32::try_from(bytes).unwrap_or(4_096)
}

/// The kernel's number of an interface, in the network namespace of the calling thread.
fn index_of(interface: &str) -> Option<libc::c_int> {
    let name = CString::new(interface).ok()?;
    // SAFETY: a string that ends in NUL and lives through the call.
    let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
    libc::c_int::try_from(index).ok().filter(|&index| index > 0)
}

fn sock_filters(program: &Program) -> Vec<libc::sock_filter> {
    let instructions = program.instructions().iter();
    instructions.map(|one| libc::sock_filter { code: one.code, jt: one.jt, jf: one.jf, k: one.k }).collect()
}

/// Points into `code`, which must outlive the call that it is given to.
fn sock_fprog(code: &mut [libc::sock_filter]) -> libc::sock_fprog {
    libc::sock_fprog { len: u16::try_from(code.len()).unwrap_or(u16::MAX), filter: code.as_mut_ptr() }
}
