//! Networks of our own: namespaces joined by veth pairs, with a mirrored port as a switch has it.
//!
//! Everything is taken down when the value is dropped. Needs root, `ip`, `tc` and `ethtool`.

use std::ffi::OsStr;
use std::fs::File;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use nix::sched::{CloneFlags, setns};

/// Largest packet on the test links: room for tags on full-size frames.
const MTU: &str = "1600";

static COUNT: AtomicU32 = AtomicU32::new(0);

/// A network namespace.
#[derive(Debug)]
pub struct Netns {
    name: String,
    path: PathBuf,
}

impl Netns {
    /// Makes a namespace with a name that no other test uses, IPv6 off so that only what a test sends is on the wire.
    #[must_use]
    pub fn new(role: &str) -> Self {
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("weir-{role}-{}-{number}", std::process::id());
        run("ip", ["netns", "add", &name]);
        let netns = Self { path: Path::new("/run/netns").join(&name), name };
        netns.run("ip", ["link", "set", "lo", "up"]);
        for scope in ["all", "default"] {
            netns.run("sysctl", ["-qw", &format!("net.ipv6.conf.{scope}.disable_ipv6=1")]);
        }
        netns
    }

    /// The file that stands for the namespace.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A command that will run inside; `ip` becomes the program, so the process number is that of the program.
    #[must_use]
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]).arg(program);
        command
    }

    /// Runs a program inside to its end.
    ///
    /// # Panics
    /// Where it fails.
    pub fn run<I: AsRef<OsStr>>(&self, program: &str, arguments: impl IntoIterator<Item = I>) {
        check(self.command(program).args(arguments));
    }

    /// Calls `body` on a thread inside the namespace: sockets it opens are there.
    pub fn inside<T: Send>(&self, body: impl FnOnce() -> T + Send) -> T {
        inside(&self.path, body)
    }
}

impl Drop for Netns {
    fn drop(&mut self) {
        // With the namespace its ends of the veth pairs go, and with them the others.
        let _ = Command::new("ip").args(["netns", "del", &self.name]).status();
    }
}

/// Calls `body` on a thread inside the namespace at `path`.
///
/// # Panics
/// Where the namespace cannot be entered.
pub fn inside<T: Send>(path: &Path, body: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let entered = scope.spawn(|| {
            let file = File::open(path).unwrap_or_else(|e| panic!("no namespace {}: {e}", path.display()));
            setns(file, CloneFlags::CLONE_NEWNET).expect("root may enter a namespace");
            body()
        });
        entered.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// A client and a gateway on one link; all that passes the gateway's end is mirrored to a monitor port.
#[derive(Debug)]
pub struct Mirrored {
    /// Has `c0`, 192.168.77.2.
    pub client: Netns,
    /// Has `g0`, 192.168.77.1, and the mirror's near end `m0`.
    pub gateway: Netns,
    /// Has the monitor port `m1`, on which the agent listens.
    pub monitor: Netns,
}

/// Address of the client in [`Mirrored`].
pub const CLIENT: Ipv4Addr = Ipv4Addr::new(192, 168, 77, 2);
/// Address of the gateway in [`Mirrored`].
pub const GATEWAY: Ipv4Addr = Ipv4Addr::new(192, 168, 77, 1);
/// Name of the monitor port in [`Mirrored`] and [`Wire`].
pub const MONITOR_PORT: &str = "m1";

impl Mirrored {
    /// Builds the three namespaces.
    #[must_use]
    pub fn new() -> Self {
        let (client, gateway, monitor) = (Netns::new("cli"), Netns::new("gw"), Netns::new("mon"));
        join(&client, "c0", &gateway, "g0");
        join(&gateway, "m0", &monitor, MONITOR_PORT);
        client.run("ip", ["addr", "add", &format!("{CLIENT}/24"), "dev", "c0"]);
        gateway.run("ip", ["addr", "add", &format!("{GATEWAY}/24"), "dev", "g0"]);
        gateway.run("tc", ["qdisc", "add", "dev", "g0", "clsact"]);
        for side in ["ingress", "egress"] {
            let filter = format!(
                "filter add dev g0 {side} protocol all u32 match u32 0 0 action mirred egress mirror dev m0"
            );
            gateway.run("tc", filter.split(' '));
        }
        Self { client, gateway, monitor }
    }
}

impl Default for Mirrored {
    fn default() -> Self {
        Self::new()
    }
}

/// A wire: what is sent on `s0` of one namespace arrives at `m1` of the other, and nothing else does.
#[derive(Debug)]
pub struct Wire {
    /// Has `s0`.
    pub sender: Netns,
    /// Has `m1`.
    pub monitor: Netns,
}

/// Name of the sending end of a [`Wire`].
pub const SENDING_PORT: &str = "s0";

impl Wire {
    /// Builds the two namespaces.
    #[must_use]
    pub fn new() -> Self {
        let (sender, monitor) = (Netns::new("snd"), Netns::new("mon"));
        join(&sender, SENDING_PORT, &monitor, MONITOR_PORT);
        Self { sender, monitor }
    }

    /// Lays the wire again after one of its ends was removed.
    pub fn join_again(&self) {
        join(&self.sender, SENDING_PORT, &self.monitor, MONITOR_PORT);
    }
}

impl Default for Wire {
    fn default() -> Self {
        Self::new()
    }
}

/// Lays a veth pair between two namespaces, without offloads: frames are as a real wire has them.
fn join(a: &Netns, a_port: &str, b: &Netns, b_port: &str) {
    let pair = ["link", "add", a_port, "netns", &a.name, "mtu", MTU, "type", "veth"];
    let peer = ["peer", "name", b_port, "netns", &b.name, "mtu", MTU];
    run("ip", pair.iter().chain(&peer));
    for (netns, port) in [(a, a_port), (b, b_port)] {
        let offloads = "tso off gso off gro off rx off tx off rxvlan off txvlan off";
        // Some kernels refuse to switch one of them on veth; the others are still off then.
        let _ = netns.command("ethtool").args(["-K", port]).args(offloads.split(' ')).output();
        netns.run("ip", ["link", "set", port, "up", "promisc", "on"]);
    }
}

fn run<I: AsRef<OsStr>>(program: &str, arguments: impl IntoIterator<Item = I>) {
    check(Command::new(program).args(arguments));
}

fn check(command: &mut Command) {
    let output = command.output().unwrap_or_else(|e| panic!("cannot start {command:?}: {e}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
