//! Signals of the operating system, as something that `main` can wait for.
//!
//! From: SIGTERM and SIGINT (stop), SIGHUP (read the configuration again), and a [`Waker`] that another thread pulls. To:
//! the loop of `main`. A handler only sets a flag and writes an octet to a socket pair, both of which a handler may.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::{SigId, flag, low_level};

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// End in order.
    Stop,
    /// Read the configuration and the data files again.
    Reload,
}

/// The signals of this process from now on.
#[derive(Debug)]
pub struct Signals {
    wake: UnixStream,
    waker: Waker,
    stop: Arc<AtomicBool>,
    reload: Arc<AtomicBool>,
    handlers: Vec<SigId>,
}

/// Ends a [`Signals::wait`] from another thread.
#[derive(Clone, Debug)]
pub struct Waker(Arc<UnixStream>);

impl Waker {
    /// Ends the wait that goes on, or else the next.
    pub fn wake(&self) {
        // A full socket wakes as well as one more octet.
        drop((&*self.0).write(&[0]));
    }
}

impl Signals {
    /// Takes over SIGTERM, SIGINT and SIGHUP.
    ///
    /// # Errors
    /// When the socket pair or a handler cannot be made.
    pub fn new() -> io::Result<Self> {
        let (wake, write) = UnixStream::pair()?;
        write.set_nonblocking(true)?;
        let (stop, reload) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let mut handlers = Vec::new();
        for (signal, set) in [(SIGTERM, &stop), (SIGINT, &stop), (SIGHUP, &reload)] {
            // The flag first: who is woken must find it set.
            handlers.push(flag::register(signal, Arc::clone(set))?);
            handlers.push(low_level::pipe::register(signal, write.try_clone()?)?);
        }
        Ok(Self { wake, waker: Waker(Arc::new(write)), stop, reload, handlers })
    }

    /// Lets another thread end a wait.
    #[must_use]
    pub fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// Waits for a signal; `None` after `timeout`, or when a [`Waker`] was pulled. Stop goes before reload, and several
    /// of a kind may count as one.
    ///
    /// # Errors
    /// When the socket pair fails.
    pub fn wait(&mut self, timeout: Duration) -> io::Result<Option<Signal>> {
        if let Some(signal) = self.pending() {
            return Ok(Some(signal));
        }
        self.wake.set_read_timeout(Some(timeout.max(Duration::from_micros(1))))?;
        let mut octets = [0; 64];
        match self.wake.read(&mut octets) {
            Ok(_) => {}
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Err(error) => return Err(error),
        }
        Ok(self.pending())
    }

    fn pending(&self) -> Option<Signal> {
        if self.stop.swap(false, Ordering::AcqRel) {
            return Some(Signal::Stop);
        }
        self.reload.swap(false, Ordering::AcqRel).then_some(Signal::Reload)
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        for handler in self.handlers.drain(..) {
            low_level::unregister(handler);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Duration;

    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    use signal_hook::low_level::raise;

    use super::{Signal, Signals};
    use crate::clock::Clock;

    const LONG: Duration = Duration::from_secs(60);

    /// One test, because signals belong to the process.
    #[test]
    fn signals_and_wakers_end_the_wait() {
        let mut signals = Signals::new().unwrap();
        let begun = Clock.monotonic();
        assert_eq!(signals.wait(Duration::from_millis(5)).unwrap(), None);
        for (number, signal) in [(SIGTERM, Signal::Stop), (SIGINT, Signal::Stop), (SIGHUP, Signal::Reload)] {
            raise(number).unwrap();
            assert_eq!(signals.wait(LONG).unwrap(), Some(signal));
        }
        raise(SIGHUP).unwrap();
        raise(SIGTERM).unwrap();
        assert_eq!(signals.wait(LONG).unwrap(), Some(Signal::Stop));
        assert_eq!(signals.wait(LONG).unwrap(), Some(Signal::Reload));
        while signals.wait(Duration::from_millis(1)).unwrap().is_some() {}
        let waker = signals.waker();
        thread::scope(|scope| {
            scope.spawn(move || {
                thread::sleep(Duration::from_millis(20));
                waker.wake();
            });
            assert_eq!(signals.wait(LONG).unwrap(), None);
        });
        assert!(begun.elapsed() < LONG, "something waited for its timeout");
    }
}
