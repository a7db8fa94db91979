//! The word to stop, from `main` to every input.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

#[derive(Debug, Default)]
struct Shared {
    /// Read in loops without a lock.
    set: AtomicBool,
    lock: Mutex<()>,
    changed: Condvar,
}

/// A flag that is set once; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<Shared>);

impl Stop {
    /// A flag that is not set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// True once someone said stop.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.0.set.load(Ordering::Acquire)
    }

    /// Says stop and wakes all who wait.
    pub fn set(&self) {
        let guard = self.0.lock.lock().unwrap_or_else(PoisonError::into_inner);
        self.0.set.store(true, Ordering::Release);
        drop(guard);
        self.0.changed.notify_all();
    }

    /// Waits for the word, at most `timeout`; true when it was said.
    #[must_use]
    pub fn wait(&self, timeout: Duration) -> bool {
        let guard = self.0.lock.lock().unwrap_or_else(PoisonError::into_inner);
        let unset = |_: &mut ()| !self.is_set();
        drop(
            self.0.changed.wait_timeout_while(guard, timeout, unset).unwrap_or_else(PoisonError::into_inner),
        );
        self.is_set()
    }
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Duration;

    use super::Stop;
    use crate::clock::Clock;

    #[test]
    fn a_wait_ends_with_the_word_or_with_its_time() {
        let stop = Stop::new();
        assert!(!stop.wait(Duration::from_millis(5)));
        let begun = Clock.monotonic();
        thread::scope(|scope| {
            let waiting: Vec<_> =
                (0..3).map(|_| scope.spawn(|| stop.wait(Duration::from_secs(60)))).collect();
            thread::sleep(Duration::from_millis(10));
            stop.clone().set();
            assert!(waiting.into_iter().all(|waiting| waiting.join().unwrap()));
        });
        assert!(begun.elapsed() < Duration::from_secs(30));
        assert!(stop.is_set() && stop.wait(Duration::ZERO));
    }
}
