//! TLS before a server of ours: what comes encrypted goes to it in clear text, and back.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, Stream};

/// Between two looks at either side.
const TICK: Duration = Duration::from_millis(10);
const PIECE: usize = 16 << 10;

/// A certificate for 127.0.0.1 that is its own authority, and its key.
#[derive(Debug)]
pub struct Identity {
    /// The file of the certificate, PEM.
    pub certificate: PathBuf,
    key: PathBuf,
}

impl Identity {
    /// Makes one in `folder` with openssl; none, said loudly, where there is no openssl.
    ///
    /// # Panics
    /// Where openssl fails.
    #[must_use]
    pub fn made_in(folder: &Path) -> Option<Self> {
        let made = Self { certificate: folder.join("certificate.pem"), key: folder.join("key.pem") };
        let mut command = Command::new("openssl");
        command.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]);
        command.args(["-days", "2", "-subj", "/CN=collector", "-addext", "subjectAltName=IP:127.0.0.1"]);
        command.args(["-addext", "basicConstraints=critical,CA:FALSE"]);
        command.arg("-keyout").arg(&made.key).arg("-out").arg(&made.certificate);
        match command.stdout(Stdio::null()).stderr(Stdio::null()).status() {
            Ok(status) => {
                assert!(status.success(), "{command:?} ended with {status}");
                Some(made)
            }
            Err(error) => {
                crate::skip(&format!("needs openssl for a certificate: {error}"));
                None
            }
        }
    }

    fn config(&self) -> ServerConfig {
        let certificate = CertificateDer::from_pem_file(&self.certificate).expect("openssl wrote it");
        let key = PrivateKeyDer::from_pem_file(&self.key).expect("openssl wrote it");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.expect("ring has all versions").with_no_client_auth();
        config.with_single_cert(vec![certificate], key).expect("they belong together")
    }
}

/// A running front; dropping it ends it.
#[derive(Debug)]
pub struct Tls {
    /// Where it listens.
    pub address: SocketAddr,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Tls {
    /// Starts one that shows `identity` and passes on to `server`.
    ///
    /// # Panics
    /// Without a port or a thread for it.
    #[must_use]
    pub fn start(identity: &Identity, server: SocketAddr) -> Self {
        let config = Arc::new(identity.config());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        listener.set_nonblocking(true).expect("a socket");
        let address = listener.local_addr().expect("it has an address");
        let ended = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&ended);
        let run = move || {
            while !over.load(Ordering::Relaxed) {
                match listener.accept() {
                    // A client that does not trust us ends its connection, which is what some tests want.
                    Ok((client, _)) => drop(pass(&client, &config, server, &over)),
                    Err(_) => std::thread::sleep(TICK),
                }
            }
        };
        let thread = Builder::new().name("tls".to_owned()).spawn(run).expect("a thread");
        Self { address, ended, thread: Some(thread) }
    }
}

impl Drop for Tls {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        // Its panic was told where its answers were missed.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// One connection after the other is enough for a client that makes one at a time.
fn pass(
    client: &TcpStream,
    config: &Arc<ServerConfig>,
    server: SocketAddr,
    over: &AtomicBool,
) -> io::Result<()> {
    client.set_nonblocking(false)?;
    client.set_read_timeout(Some(TICK))?;
    let server = TcpStream::connect(server)?;
    server.set_read_timeout(Some(TICK))?;
    let mut connection = ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
    let mut socket = client;
    let mut tls = Stream::new(&mut connection, &mut socket);
    let mut piece = vec![0; PIECE];
    while !over.load(Ordering::Relaxed) {
        match some(tls.read(&mut piece))? {
            Some(0) => break,
            Some(length) => (&server).write_all(&piece[..length])?,
            None => {}
        }
        match some((&server).read(&mut piece))? {
            Some(0) => break,
            Some(length) => tls.write_all(&piece[..length])?,
            None => {}
        }
    }
    client.shutdown(Shutdown::Both)
}

/// What was read; none when there was nothing in time.
fn some(read: io::Result<usize>) -> io::Result<Option<usize>> {
    match read {
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => Ok(None),
        other => other.map(Some),
    }
}
