//! Packet filters: what Weir accepts, the kernel accepts, alone and composed with programs of Weir's own.

#![no_main]

use std::io::ErrorKind;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use socket2::{Domain, SockFilter, Socket, Type};
use weir::capture::bpf::{Instruction, OwnConnection, Program};
use weir::capture::interface::LinkType;

static SOCKET: LazyLock<Socket> =
    LazyLock::new(|| Socket::new(Domain::UNIX, Type::DGRAM, None).expect("a socket"));

fuzz_target!(|input: &[u8]| {
    let Ok(input) = str::from_utf8(input) else { return };
    let Ok(program) = Program::parse(input) else { return };
    accepted(&program);
    assert_eq!(Program::parse(&text(&program)).as_ref(), Ok(&program), "written and read again");
    for own in connections() {
        if let Ok(composed) = program.clone().exclude(LinkType::Ethernet, &[own]) {
            accepted(&composed);
        }
    }
    if let Ok(composed) = program.without_outgoing() {
        accepted(&composed.with_snaplen(2_048));
    }
});

/// Loads from scratch memory, into a and x.
const LOADS: [u16; 2] = [0x60, 0x61];

/// The kernel may have no memory for a program, and it alone follows whether every branch stores before it loads:
/// neither says that a check is missing.
fn accepted(program: &Program) {
    let instructions = program.instructions();
    if instructions.iter().any(|i| LOADS.contains(&i.code)) {
        return;
    }
    let filter: Vec<_> = instructions.iter().map(|i| SockFilter::new(i.code, i.jt, i.jf, i.k)).collect();
    match SOCKET.attach_filter(&filter) {
        Err(error) if error.kind() != ErrorKind::OutOfMemory => {
            panic!("the kernel refuses a program of {}: {error}", filter.len());
        }
        _ => (),
    }
}

fn text(program: &Program) -> String {
    let line = |i: &Instruction| format!("{} {} {} {}\n", i.code, i.jt, i.jf, i.k);
    let lines: String = program.instructions().iter().map(line).collect();
    format!("{}\n{lines}", program.instructions().len())
}

fn connections() -> [OwnConnection; 2] {
    [
        OwnConnection { address: [192, 0, 2, 1].into(), port: 8883, proto: 6, local: None },
        OwnConnection {
            address: [0x2001, 0xdb8, 0, 0, 0, 0, 0, 1].into(),
            port: 443,
            proto: 17,
            local: Some([0x2001, 0xdb8, 0, 0, 0, 0, 0, 2].into()),
        },
    ]
}
