//! Sockets, made once at start.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tiny_http::Server;
use tokio::sync::watch;
use weir_flow::Source;
use weir_intake::Reader;

use crate::counters::Counters;
use crate::downloads::Downloads;
use crate::engine::{Closing, Engine, Worker};
use crate::guard::Guard;
use crate::ingest::Receipts;
use crate::ledger::Ledger;
use crate::route::Context;
use crate::rows::Rows;
use crate::shelf::Shelf;
use crate::{Config, Error, Exporter, Intake, Keys, Status};

/// Directory of the private socket, below the data directory.
pub const PRIVATE_DIR: &str = "guard";
/// The private socket in it.
pub const SOCKET: &str = "engine.sock";

/// The web side, ready to run.
pub struct Web {
    /// Where it listens; the port that the system chose where the configuration said 0.
    pub address: SocketAddr,
    /// Body of the guard's thread.
    pub guard: Guard,
    /// Bodies of the workers' threads.
    pub workers: Vec<Worker>,
    /// Ends guard and workers.
    pub stop: Stop,
    /// What the guard counts.
    pub counters: Arc<Counters>,
}

/// Ends guard and workers.
#[derive(Clone, Debug)]
pub struct Stop(watch::Sender<bool>);

impl Stop {
    /// Ends the guard, and after it the workers, promptly; answers in flight get up to 2 s to finish.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

/// The socket that clients connect to; made first, since a port may need a right that is given up later.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
}

/// Listens where `config` says: from here on clients can connect, and wait until the threads run.
///
/// # Errors
/// [`Error::InUse`], [`Error::Forbidden`], [`Error::NotLoopback`] and [`Error::Listen`].
pub fn listen(config: &Config) -> Result<Listener, Error> {
    Config::check_listen(config.listen)?;
    let failed = |cause: io::Error| match cause.kind() {
        io::ErrorKind::AddrInUse => Error::InUse(config.listen),
        io::ErrorKind::PermissionDenied => Error::Forbidden(config.listen),
        _ => Error::Listen { address: config.listen, cause },
    };
    let socket = TcpListener::bind(config.listen).map_err(failed)?;
    socket.set_nonblocking(true).map_err(failed)?;
    let address = socket.local_addr().map_err(failed)?;
    Ok(Listener { socket, address })
}

/// What the web side works with.
pub struct Parts {
    /// The data directory: the ring is read in it, the private socket made there.
    pub data_dir: PathBuf,
    /// Who is let in.
    pub keys: Keys,
    /// What the agent tells of itself.
    pub status: Arc<dyn Status>,
    /// Where records go.
    pub intake: Arc<dyn Intake>,
    /// What delivers rows to outputs.
    pub exporter: Arc<dyn Exporter>,
}

/// Listens as [`listen`] does and makes the rest as [`serve`] does.
///
/// # Errors
/// As both.
pub fn bind(config: &Config, parts: Parts) -> Result<Web, Error> {
    serve(listen(config)?, config, parts)
}

/// Makes what answers the clients of `listener`.
///
/// # Errors
/// [`Error::PrivateSocket`].
pub fn serve(listener: Listener, config: &Config, parts: Parts) -> Result<Web, Error> {
    let Parts { data_dir, keys, status, intake, exporter } = parts;
    let Listener { socket: listener, address } = listener;
    let dir = data_dir.join(PRIVATE_DIR);
    let (server, socket, held) =
        private_server(&dir).map_err(|cause| Error::PrivateSocket { path: dir.clone(), cause })?;
    let shelf = Arc::<Shelf>::default();
    let engine = Arc::new(Engine::new(server, Arc::clone(&shelf), held, config.workers.count()));
    let counters = Arc::new(Counters::default());
    let (stop, _) = watch::channel(false);
    let closing = Closing(Arc::clone(&engine));
    let (keys, shared) = (Arc::new(keys), Arc::clone(&counters));
    let count = config.workers.count();
    let receipts = Arc::<Receipts>::default();
    let downloads = Downloads::new(count);
    let worker = move |_| Worker {
        engine: Arc::clone(&engine),
        context: Context {
            keys: Arc::clone(&keys),
            status: Arc::clone(&status),
            counters: Arc::clone(&shared),
            rows: Rows::new(data_dir.clone()),
            ledger: Ledger::new(data_dir.clone()),
            intake: Arc::clone(&intake),
            exporter: Arc::clone(&exporter),
            workers: count,
            reader: Reader::new(Source::Api),
            receipts: Arc::clone(&receipts),
            downloads: downloads.clone(),
        },
    };
    let workers = (0..count).map(worker).collect();
    let guard = Guard::new(listener, (socket, shelf), config, Arc::clone(&counters), stop.clone(), closing);
    Ok(Web { address, guard, workers, stop: Stop(stop), counters })
}

/// The engine on a socket that only this user may reach, the way there, and the directory that it goes through.
fn private_server(dir: &Path) -> io::Result<(Server, PathBuf, File)> {
    match DirBuilder::new().recursive(true).mode(0o700).create(dir) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => fs::set_permissions(dir, Permissions::from_mode(0o700))?,
    }
    match fs::remove_file(dir.join(SOCKET)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => (),
    }
    // A socket's path has 107 octets at most; through the open directory it is short wherever that lies.
    let held = File::open(dir)?;
    let socket = PathBuf::from(format!("/proc/self/fd/{}/{SOCKET}", held.as_raw_fd()));
    let listener = UnixListener::bind(&socket)?;
    let server = Server::from_listener(listener, None).map_err(io::Error::other)?;
    Ok((server, socket, held))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::os::unix::fs::PermissionsExt as _;

    use super::bind;
    use crate::testing::parts;
    use crate::{Config, Error};

    fn config(listen: &str) -> Config {
        Config { listen: listen.parse().unwrap(), ..Config::default() }
    }

    #[test]
    fn a_port_in_use_is_named_with_the_way_out() {
        let other = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = other.local_addr().unwrap().to_string();
        let dir = tempfile::tempdir().unwrap();
        let error = bind(&config(&address), parts(dir.path())).err().unwrap().to_string();
        assert!(error.contains(&address) && error.contains("--listen"), "{error}");
    }

    #[test]
    fn only_loopback_is_served() {
        let dir = tempfile::tempdir().unwrap();
        let error = bind(&config("0.0.0.0:0"), parts(dir.path())).err().unwrap();
        assert!(matches!(error, Error::NotLoopback(_)), "{error}");
    }

    #[test]
    fn the_private_directory_is_private_however_long_its_path() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("d".repeat(120));
        std::fs::create_dir(&deep).unwrap();
        std::fs::create_dir(deep.join("guard")).unwrap();
        for _ in 0..2 {
            let web = bind(&config("127.0.0.1:0"), parts(&deep)).unwrap();
            let mode = std::fs::metadata(deep.join("guard")).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o700);
            assert_ne!(web.address.port(), 0);
        }
    }

    #[test]
    fn a_data_directory_that_is_a_file_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = bind(&config("127.0.0.1:0"), parts(file.path())).err().unwrap();
        assert!(error.to_string().contains("data directory"), "{error}");
    }
}
