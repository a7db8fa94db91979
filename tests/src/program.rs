//! The program under test: the one for this machine, or one for ARM and the emulator that runs it.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::meter;

/// Where `cross/build --profile ci` puts programs, below the target folder.
const ARM: [&str; 2] =
    ["cross/aarch64-unknown-linux-musl/ci/weir", "cross/armv7-unknown-linux-musleabihf/ci/weir"];
/// Octets of an ELF header up to its field `e_machine`, and that field.
const ELF_START: usize = 20;
/// Values of `e_machine` (ELF gABI).
const EM_ARM: u16 = 40;
const EM_AARCH64: u16 = 183;

/// A built `weir` and what runs it.
#[derive(Clone, Debug)]
pub struct Program {
    binary: PathBuf,
    emulator: Option<&'static str>,
}

impl Program {
    /// The one for this machine; see [`meter::binary`].
    #[must_use]
    pub fn native() -> Self {
        Self { binary: meter::binary(), emulator: None }
    }

    /// Those for ARM: what `WEIR_ARM_BINS` lists, as `PATH` does, else what `cross/build --profile ci` made.
    ///
    /// Where one of those two, or its emulator, is missing, it says that the test is skipped for it.
    ///
    /// # Panics
    /// Where `CI=true` and one is missing, and where a listed file is no program for ARM.
    #[must_use]
    pub fn arm() -> Vec<Self> {
        let paths: Vec<PathBuf> = match std::env::var_os("WEIR_ARM_BINS") {
            Some(list) => std::env::split_paths(&list).map(whole).collect(),
            None => built(),
        };
        paths.into_iter().filter_map(emulated).collect()
    }

    /// A command of it with an empty environment but for the search path and the home.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = match self.emulator {
            Some(emulator) => Command::new(emulator),
            None => Command::new(&self.binary),
        };
        if self.emulator.is_some() {
            command.arg(&self.binary);
        }
        command.env_clear().stdin(Stdio::null());
        let kept = |name: &str| matches!(name, "PATH" | "HOME" | "TMPDIR");
        command.envs(std::env::vars().filter(|(name, _)| kept(name)));
        command
    }
}

impl std::fmt::Display for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.binary.display())
    }
}

/// Agents are started in folders of their own.
fn whole(path: PathBuf) -> PathBuf {
    std::path::absolute(&path).unwrap_or(path)
}

fn built() -> Vec<PathBuf> {
    let test = std::env::current_exe().expect("the test has a path");
    let target = test.ancestors().nth(3).expect("it is target/<profile>/deps/<test>");
    let (found, missing): (Vec<_>, Vec<_>) =
        ARM.iter().map(|path| target.join(path)).partition(|path| path.is_file());
    for path in missing {
        crate::skip(&format!("no {}: cross/build --profile ci makes it", path.display()));
    }
    found
}

fn emulated(binary: PathBuf) -> Option<Program> {
    let emulator = match machine(&binary) {
        EM_AARCH64 => "qemu-aarch64-static",
        EM_ARM => "qemu-arm-static",
        other => panic!("{} is for machine {other}, not for ARM", binary.display()),
    };
    if Command::new(emulator).arg("--version").stdout(Stdio::null()).status().is_err() {
        crate::skip(&format!("no {emulator}: apt-get install qemu-user-static"));
        return None;
    }
    Some(Program { binary, emulator: Some(emulator) })
}

fn machine(binary: &Path) -> u16 {
    let mut start = [0; ELF_START];
    let read = File::open(binary).and_then(|mut file| file.read_exact(&mut start));
    read.unwrap_or_else(|e| panic!("cannot read {}: {e}", binary.display()));
    assert!(start.starts_with(b"\x7fELF"), "{} is no program", binary.display());
    u16::from_le_bytes([start[ELF_START - 2], start[ELF_START - 1]])
}
