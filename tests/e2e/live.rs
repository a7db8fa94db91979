//! Live capture on a mirrored port: what was sent is what the ring holds, and what was not is said.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, SocketAddrV4, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, recv, sendto, socket,
};
use nix::unistd::Pid;
use serde_json::json;
use weir_tests::agent::{Agent, Options};
use weir_tests::frames::{link, transport};
use weir_tests::meter::number;
use weir_tests::netns::{CLIENT, GATEWAY, MONITOR_PORT, Mirrored, Netns, SENDING_PORT, Wire};
use weir_tests::sender::{Frames, Sender};
use weir_tests::{pcap, ring, traffic, truth};

const LIMIT: Duration = Duration::from_secs(20);
const PORT: u16 = 7_000;

/// An agent that captures on the monitor port.
fn capturing(netns: &Netns, config: &str) -> Agent {
    let mut options = Options::arguments(&format!("--interface {MONITOR_PORT}"));
    options.netns = Some(netns);
    options.config = Some(config.to_owned());
    let agent = Agent::start(&options);
    agent.wait_for("capture", LIMIT, |agent| {
        let interfaces = agent.metrics()["capture"]["interfaces"].clone();
        interfaces.as_array().is_some_and(|all| all.iter().any(|one| one["state"] == "capturing"))
    });
    agent
}

/// tcpdump on the monitor port, once it listens.
fn tcpdump(netns: &Netns, file: &Path, log: &Path) -> Child {
    let mut command = netns.command("tcpdump");
    command.args(["-i", MONITOR_PORT, "-s", "128", "-B", "32768", "--immediate-mode", "-U", "-w"]).arg(file);
    let child =
        command.stderr(File::create(log).expect("room")).stdout(Stdio::null()).spawn().expect("tcpdump");
    let said = |what: &str| std::fs::read_to_string(log).is_ok_and(|text| text.contains(what));
    while !said("listening on") {
        std::thread::sleep(Duration::from_millis(20));
    }
    child
}

fn end(mut child: Child) {
    kill(Pid::from_raw(i32::try_from(child.id()).expect("a process number")), Signal::SIGINT)
        .expect("it runs");
    child.wait().expect("it ends");
}

/// Connections with an echo, each way some hundred kilobytes, and a few datagrams.
fn talk(network: &Mirrored, connections: usize) {
    let server = SocketAddr::from((GATEWAY, PORT));
    let listener = network.gateway.inside(|| TcpListener::bind(server)).expect("the address is ours");
    let datagrams = network.gateway.inside(|| UdpSocket::bind(server)).expect("the address is ours");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for stream in listener.incoming().take(connections) {
                let mut stream = stream.expect("a connection");
                let mut received = Vec::new();
                stream.read_to_end(&mut received).expect("the request");
                stream.write_all(&received).expect("the echo");
            }
        });
        for round in 1..=connections {
            let mut stream =
                network.client.inside(|| TcpStream::connect(server)).expect("the server listens");
            let request = vec![7; round * 100_000];
            stream.write_all(&request).expect("the request");
            stream.shutdown(Shutdown::Write).expect("half closed");
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).expect("the echo");
            assert_eq!(answer, request);
        }
        let asker = network.client.inside(|| UdpSocket::bind((CLIENT, 5_000))).expect("the address is ours");
        for _ in 0..10 {
            asker.send_to(b"question", server).expect("sent");
            let (_, from) = datagrams.recv_from(&mut [0; 64]).expect("received");
            datagrams.send_to(b"a longer answer", from).expect("sent");
            asker.recv(&mut [0; 64]).expect("received");
        }
    });
}

/// Asks the gateway for echoes, from a raw socket of the client.
fn ping(times: u16) {
    let socket = socket(AddressFamily::Inet, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::Icmp);
    let socket = socket.expect("root may open raw sockets");
    let to = SockaddrIn::from(SocketAddrV4::new(GATEWAY, 0));
    for sequence in 1..=times {
        let request = transport::echo(CLIENT.into(), GATEWAY.into(), false, 77, sequence).body;
        sendto(socket.as_raw_fd(), &request, &to, MsgFlags::empty()).expect("sent");
        recv(socket.as_raw_fd(), &mut [0; 256], MsgFlags::empty()).expect("an echo");
    }
}

#[test]
fn what_a_client_and_a_server_say_is_what_the_ring_holds() {
    if !weir_tests::is_root() {
        return;
    }
    let network = Mirrored::new();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (file, log) = (folder.path().join("seen.pcap"), folder.path().join("tcpdump.log"));
    let mut agent = capturing(&network.monitor, "");
    let witness = tcpdump(&network.monitor, &file, &log);
    talk(&network, 3);
    network.client.inside(|| ping(3));
    std::thread::sleep(Duration::from_millis(500));
    end(witness);
    let said = std::fs::read_to_string(&log).expect("a log");
    assert!(said.contains("0 packets dropped by kernel"), "the witness missed some: {said}");
    let (packets, octets) = pcap::count_ipv4(&std::fs::read(&file).expect("a capture"));
    assert!(packets > 100 && octets > 1_200_000, "the witness saw only {packets} packets: {said}");
    agent.stop();
    let records = ring::records(&agent.data_dir);
    let sum = |field| records.iter().map(|record| number(record, field)).sum::<u64>();
    assert_eq!((sum("packets"), sum("bytes")), (packets, octets));
    let to = |proto: &str| records.iter().filter(|r| r["proto"] == proto).cloned().collect::<Vec<_>>();
    let (tcp, udp, icmp) = (to("tcp"), to("udp"), to("icmp"));
    assert_eq!((tcp.len(), udp.len(), icmp.len()), (3, 1, 1), "{records:#?}");
    assert!(tcp.iter().all(|r| r["src_ip"] == json!(CLIENT) && r["dst_port"] == PORT));
    assert_eq!((&udp[0]["packets_out"], &udp[0]["packets_in"]), (&json!(10), &json!(10)));
    assert_eq!((&udp[0]["bytes_out"], &udp[0]["bytes_in"]), (&json!(10 * (28 + 8)), &json!(10 * (28 + 15))));
    assert_eq!((&icmp[0]["packets_out"], &icmp[0]["packets_in"]), (&json!(3), &json!(3)));
}

#[test]
fn a_replayed_capture_gives_every_flow_exactly() {
    if !weir_tests::is_root() {
        return;
    }
    let network = Mirrored::new();
    let made = traffic::mixed(3, 20_000, 1_000, 60);
    let frames: Vec<Vec<u8>> = made.capture.frames().map(<[u8]>::to_vec).collect();
    let mut agent = capturing(&network.monitor, "");
    let sent =
        network.client.inside(|| Sender::open("c0").send(&Frames(&frames), frames.len() as u64, 20_000).0);
    assert_eq!(sent, frames.len() as u64);
    agent.wait_for("the last packet", LIMIT, |agent| {
        let capture = &agent.metrics()["capture"];
        assert_eq!(capture["dropped"], 0);
        capture["packets"].as_u64() >= Some(made.packets())
    });
    agent.stop();
    let records = ring::records(&agent.data_dir);
    assert!(records.iter().all(|record| record["observer"] == MONITOR_PORT && record["source"] == "capture"));
    truth::assert_flows(&made.flows, &records);
}

#[test]
fn a_kernel_drop_is_reported_and_not_hidden() {
    const SENT: u64 = 60_000;
    if !weir_tests::is_root() {
        return;
    }
    let wire = Wire::new();
    let mut agent = capturing(&wire.monitor, "[capture]\nring_bytes = 1048576\n");
    // While the agent is stopped nothing empties its ring.
    agent.signal(Signal::SIGSTOP);
    let (a, b) = (SocketAddr::from(([10, 0, 0, 1], 1_000)), SocketAddr::from(([10, 0, 0, 2], 2_000)));
    let frame = link::ethernet(&transport::udp(a, b, &[1; 400]));
    let sent = wire.sender.inside(|| Sender::open(SENDING_PORT).send(&Frames(&[frame]), SENT, 0).0);
    assert_eq!(sent, SENT);
    agent.signal(Signal::SIGCONT);
    agent.wait_for("a count of all packets", LIMIT, |agent| {
        let capture = &agent.metrics()["capture"];
        number(capture, "packets") + number(capture, "dropped") == SENT
    });
    let metrics = agent.metrics();
    let dropped = number(&metrics["capture"], "dropped");
    assert!(dropped > 0, "a ring of 1 MiB held 60,000 packets");
    let losses = metrics["losses"].as_array().expect("a list").clone();
    let named = losses.iter().filter(|loss| loss["where"] == MONITOR_PORT && loss["unit"] == "packets");
    assert_eq!(named.map(|loss| number(loss, "count")).sum::<u64>(), dropped, "{losses:?}");
    agent.stop();
    let sums = ring::read(&agent.data_dir, |_| ());
    assert_eq!(sums.packets + dropped, SENT, "stored and dropped are not what was sent");
}
