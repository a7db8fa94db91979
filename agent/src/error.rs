//! Why the process ends, and with which exit code (sysexits.h).

use std::fmt::Display;
use std::io;
use std::process::ExitCode;

use crate::settings;

/// A failed command: reads well after "weir: ".
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The command line is wrong.
    #[error("{0}")]
    Usage(String),
    /// The configuration is wrong; every problem on a line of its own.
    #[error("{}", lines(.0))]
    Settings(Vec<settings::Problem>),
    /// What the configuration asks for cannot be had.
    #[error("{0}")]
    Config(String),
    /// The ring could not be opened or written.
    #[error("failed to {0}")]
    Store(#[from] weir_store::Error),
    /// The local page could not be served.
    #[error("{0}")]
    Web(#[from] weir_web::Error),
    /// A database could not be imported.
    #[error("failed to {0}")]
    Geo(#[from] weir_geo::Error),
    /// Standard output could not be written.
    #[error("cannot write records to standard output: {0}; nothing more was written")]
    Output(io::Error),
    /// An input could not be opened.
    #[error("{0}")]
    NoInput(String),
    /// What is needed cannot be had now.
    #[error("{0}")]
    Unavailable(String),
    /// A file or directory could not be made.
    #[error("{0}")]
    CannotCreate(String),
    /// A right is missing.
    #[error("{0}")]
    NoPermission(String),
    /// The ring could not be written.
    #[error("{0}")]
    Io(String),
    /// A worker ended that must not.
    #[error("{0}")]
    Bug(String),
    /// What is wrong has been said; this is the exit code.
    #[error("exit code {0}")]
    Reported(u8),
}

impl RunError {
    /// `EX_DATAERR`: input that could not be decoded.
    pub const DATA: u8 = 65;
    /// `EX_NOINPUT`: an input file is missing or may not be read.
    pub const NO_INPUT: u8 = 66;
    /// `EX_USAGE`: the command line is wrong.
    pub const USAGE: u8 = 64;
    /// `EX_CONFIG`: the configuration is wrong.
    pub const CONFIG: u8 = 78;
    /// `EX_UNAVAILABLE`: what is needed cannot be had.
    pub const UNAVAILABLE: u8 = 69;
    const SOFTWARE: u8 = 70;
    const CANNOT_CREATE: u8 = 73;
    const IO: u8 = 74;
    const NO_PERMISSION: u8 = 77;

    /// A worker that ended by itself or with a failure.
    #[must_use]
    pub fn worker(name: &str, reason: &str) -> Self {
        let what = format!("{name}: {reason}");
        if name == "store" { Self::Io(what) } else { Self::Bug(what) }
    }

    /// The exit code of sysexits.h.
    #[must_use]
    pub fn code(&self) -> u8 {
        match self {
            Self::Usage(_) => Self::USAGE,
            Self::Settings(_) | Self::Config(_) => Self::CONFIG,
            Self::Store(error) => store_code(error),
            Self::Web(error) => web_code(error),
            Self::Geo(_) => Self::DATA,
            Self::Output(_) | Self::Io(_) => Self::IO,
            Self::NoInput(_) => Self::NO_INPUT,
            Self::Unavailable(_) => Self::UNAVAILABLE,
            Self::CannotCreate(_) => Self::CANNOT_CREATE,
            Self::NoPermission(_) => Self::NO_PERMISSION,
            Self::Bug(_) => Self::SOFTWARE,
            Self::Reported(code) => *code,
        }
    }

    /// True when waiting or trying again cannot help, and another configuration can.
    #[must_use]
    pub const fn is_of_the_configuration(&self) -> bool {
        use weir_web::Error as Web;
        matches!(
            self,
            Self::Settings(_)
                | Self::Config(_)
                | Self::NoInput(_)
                | Self::Web(Web::Forbidden(_) | Web::NotLoopback(_) | Web::Listen { .. })
        )
    }

    /// What is wrong, each mistake on a line of its own.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        match self {
            Self::Settings(problems) => problems.iter().map(ToString::to_string).collect(),
            other => vec![other.to_string()],
        }
    }

    /// Says what is wrong, unless it has been said, and gives the exit code.
    #[must_use]
    pub fn report(&self) -> ExitCode {
        if !matches!(self, Self::Reported(_)) {
            say(self);
        }
        ExitCode::from(self.code())
    }
}

/// Every problem on a line of its own, as on standard error.
fn lines(problems: &[settings::Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\nweir: ")
}

/// One line on standard error.
fn say(what: &dyn Display) {
    eprintln!("weir: {what}");
}

fn store_code(error: &weir_store::Error) -> u8 {
    match error.kind() {
        weir_store::ErrorKind::Data => RunError::DATA,
        weir_store::ErrorKind::NoInput => RunError::NO_INPUT,
        weir_store::ErrorKind::Unavailable => RunError::UNAVAILABLE,
        weir_store::ErrorKind::CannotCreate => RunError::CANNOT_CREATE,
        weir_store::ErrorKind::Io => RunError::IO,
        weir_store::ErrorKind::NoPermission => RunError::NO_PERMISSION,
        weir_store::ErrorKind::Config => RunError::CONFIG,
    }
}

fn web_code(error: &weir_web::Error) -> u8 {
    match error {
        _ if error.is_permission() => RunError::NO_PERMISSION,
        weir_web::Error::NotLoopback(_) | weir_web::Error::BadKey => RunError::CONFIG,
        weir_web::Error::PrivateSocket { .. } => RunError::CANNOT_CREATE,
        _ => RunError::UNAVAILABLE,
    }
}
