//! Named threads, and the watch that `main` keeps over them.
//!
//! A worker runs until its input ends. `main` waits for the first that ends: while nobody said stop, that is a fault, and
//! the process ends with its reason. In an orderly stop `main` waits for all, up to a deadline.

use std::any::Any;
use std::fmt::Display;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use crate::log::cut;
use crate::signals::Waker;

/// Longest name that Linux shows (`TASK_COMM_LEN` less the NUL); longer ones are cut.
pub const MAX_NAME: usize = 15;
/// Stack of a worker without deep calls. Only touched pages count, but a ceiling finds a runaway recursion early.
pub const SMALL_STACK: usize = 512 << 10;
/// Stack of a worker that calls into SQLite or TLS.
pub const LARGE_STACK: usize = 1 << 20;

/// A worker that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Its name.
    pub name: String,
    /// What it came to.
    pub outcome: Outcome,
}

/// What a worker came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Its input ended and it finished.
    Done,
    /// It could not go on, with the reason.
    Failed(String),
    /// It had a bug. Only seen in builds that unwind; the release build aborts.
    Panicked(String),
}

impl Ended {
    /// Why it ended, unless it was done.
    #[must_use]
    pub fn reason(&self) -> Option<String> {
        match &self.outcome {
            Outcome::Done => None,
            Outcome::Failed(reason) => Some(reason.clone()),
            Outcome::Panicked(said) => Some(format!("panicked: {said}")),
        }
    }
}

#[derive(Debug, Default)]
struct Board {
    ended: Mutex<Vec<Ended>>,
    changed: Condvar,
}

impl Board {
    fn lock(&self) -> MutexGuard<'_, Vec<Ended>> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
struct Worker {
    name: String,
    thread: JoinHandle<()>,
}

/// Starts workers and learns of their end.
#[derive(Debug, Default)]
pub struct Supervisor {
    workers: Vec<Worker>,
    board: Arc<Board>,
    waker: Option<Waker>,
}

impl Supervisor {
    /// No workers yet; the end of one pulls `waker`, if there is one.
    #[must_use]
    pub fn new(waker: Option<Waker>) -> Self {
        Self { waker, ..Self::default() }
    }

    /// Starts a worker named `name`, cut to [`MAX_NAME`] octets, with `stack` octets of stack.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub fn spawn<E: Display>(
        &mut self,
        name: &str,
        stack: usize,
        body: impl FnOnce() -> Result<(), E> + Send + 'static,
    ) -> io::Result<()> {
        let name = cut(name, MAX_NAME).replace('\0', "");
        let (board, waker, worker) = (Arc::clone(&self.board), self.waker.clone(), name.clone());
        let run = move || {
            let outcome = match catch_unwind(AssertUnwindSafe(body)) {
                Ok(Ok(())) => Outcome::Done,
                Ok(Err(reason)) => Outcome::Failed(reason.to_string()),
                Err(panic) => Outcome::Panicked(said(panic.as_ref())),
            };
            board.lock().push(Ended { name: worker, outcome });
            board.changed.notify_all();
            if let Some(waker) = waker {
                waker.wake();
            }
        };
        let thread = Builder::new().name(name.clone()).stack_size(stack).spawn(run)?;
        self.workers.push(Worker { name, thread });
        Ok(())
    }

    /// The worker that ended first, if one has.
    #[must_use]
    pub fn first_ended(&self) -> Option<Ended> {
        self.board.lock().first().cloned()
    }

    /// Waits, at most `timeout`, for a worker to end.
    #[must_use]
    pub fn wait(&self, timeout: Duration) -> Option<Ended> {
        let none = |ended: &mut Vec<Ended>| ended.is_empty();
        let waited = self.board.changed.wait_timeout_while(self.board.lock(), timeout, none);
        waited.unwrap_or_else(PoisonError::into_inner).0.first().cloned()
    }

    /// Waits, at most `timeout`, for the worker named `name` to end.
    pub fn wait_for(&self, name: &str, timeout: Duration) {
        let running = |ended: &mut Vec<Ended>| !ended.iter().any(|ended| ended.name == name);
        drop(self.board.changed.wait_timeout_while(self.board.lock(), timeout, running));
    }

    /// Waits, at most `timeout`, for all workers to end.
    ///
    /// # Errors
    /// The names of those that have not; they are left alone.
    pub fn join_all(self, timeout: Duration) -> Result<Vec<Ended>, Vec<String>> {
        let started = self.workers.len();
        let some = |ended: &mut Vec<Ended>| ended.len() < started;
        let waited = self.board.changed.wait_timeout_while(self.board.lock(), timeout, some);
        let ended = waited.unwrap_or_else(PoisonError::into_inner).0.clone();
        if ended.len() == started {
            // They have said their last word; this waits only for the threads' own end.
            self.workers.into_iter().for_each(|worker| drop(worker.thread.join()));
            return Ok(ended);
        }
        let running =
            self.workers.into_iter().filter(|worker| !ended.iter().any(|ended| ended.name == worker.name));
        Err(running.map(|worker| worker.name).collect())
    }
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no reason given".to_owned())
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;
    use std::time::Duration;

    use super::{Ended, MAX_NAME, Outcome, SMALL_STACK, Supervisor};
    use crate::stop::Stop;

    const LONG: Duration = Duration::from_secs(60);

    fn waited(stop: &Stop) -> Result<(), &'static str> {
        if stop.wait(LONG) { Ok(()) } else { Err("nobody said stop") }
    }

    fn ends() -> Result<(), String> {
        Ok(())
    }

    #[test]
    fn the_first_worker_to_end_is_reported_with_its_reason() {
        let stop = Stop::new();
        let mut supervisor = Supervisor::new(None);
        let waits = stop.clone();
        supervisor.spawn("steady", SMALL_STACK, move || waited(&waits)).unwrap();
        assert_eq!(supervisor.wait(Duration::from_millis(5)), None);
        supervisor.spawn("cap-eth0-0", SMALL_STACK, || Err("interface is gone")).unwrap();
        let first = supervisor.wait(LONG).unwrap();
        assert_eq!(first.name, "cap-eth0-0");
        assert_eq!(first.outcome, Outcome::Failed("interface is gone".to_owned()));
        stop.set();
        let all = supervisor.join_all(LONG).unwrap();
        assert_eq!(all[0], first);
        assert_eq!(all[1], Ended { name: "steady".to_owned(), outcome: Outcome::Done });
    }

    #[test]
    fn a_panic_is_reported_with_its_words() {
        let mut supervisor = Supervisor::new(None);
        let fail = |table: usize| -> Result<(), String> { panic!("table {table} is broken") };
        supervisor.spawn("buggy", SMALL_STACK, move || fail(3)).unwrap();
        let outcome = supervisor.wait(LONG).unwrap().outcome;
        assert_eq!(outcome, Outcome::Panicked("table 3 is broken".to_owned()));
    }

    #[test]
    fn workers_that_do_not_end_in_time_are_named() {
        let stop = Stop::new();
        let mut supervisor = Supervisor::new(None);
        let waits = stop.clone();
        supervisor.spawn("stuck", SMALL_STACK, move || waited(&waits)).unwrap();
        supervisor.spawn("quick", SMALL_STACK, ends).unwrap();
        assert_eq!(supervisor.join_all(Duration::from_millis(50)), Err(vec!["stuck".to_owned()]));
        stop.set();
    }

    #[test]
    fn a_thread_has_its_name_and_its_stack() {
        let (tx, rx) = sync_channel(1);
        let mut supervisor = Supervisor::new(None);
        let body = move || {
            let comm = std::fs::read_to_string("/proc/thread-self/comm").unwrap();
            // Touches most of the stack that was asked for: without optimisation the array is there twice.
            let deep = std::hint::black_box([1_u8; 200 << 10]);
            tx.send((comm, deep.len())).map_err(|error| error.to_string())
        };
        supervisor.spawn("zeek-follow-a-long-name", SMALL_STACK, body).unwrap();
        let (comm, _) = rx.recv_timeout(LONG).unwrap();
        assert_eq!(comm.trim_end(), "zeek-follow-a-l");
        assert!(comm.trim_end().len() <= MAX_NAME);
        supervisor.join_all(LONG).unwrap();
    }

    #[test]
    fn the_end_of_a_worker_pulls_the_waker() {
        let mut signals = crate::signals::Signals::new().unwrap();
        let mut supervisor = Supervisor::new(Some(signals.waker()));
        supervisor.spawn("quick", SMALL_STACK, ends).unwrap();
        let begun = crate::clock::Clock.monotonic();
        while supervisor.first_ended().is_none() {
            signals.wait(LONG).unwrap();
        }
        assert!(begun.elapsed() < LONG);
    }
}
