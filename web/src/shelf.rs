//! Bodies on their way from the guard to a worker, handed over in memory: both are threads of one process, and a body
//! that went through the socket between them would be copied four times.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Where bodies lie, by number.
#[derive(Default)]
pub(crate) struct Shelf {
    bodies: Mutex<HashMap<u64, Vec<u8>>>,
    next: AtomicU64,
}

/// A body on the shelf; what is dropped is taken away.
pub(crate) struct Shelved {
    shelf: Arc<Shelf>,
    number: u64,
}

impl Shelf {
    /// Lays `body` down.
    pub(crate) fn put(self: &Arc<Self>, body: Vec<u8>) -> Shelved {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.bodies().insert(number, body);
        Shelved { shelf: Arc::clone(self), number }
    }

    /// Takes the body of that number up.
    pub(crate) fn take(&self, number: u64) -> Option<Vec<u8>> {
        self.bodies().remove(&number)
    }

    fn bodies(&self) -> MutexGuard<'_, HashMap<u64, Vec<u8>>> {
        self.bodies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shelved {
    /// By which it is taken up.
    pub(crate) const fn number(&self) -> u64 {
        self.number
    }
}

impl Drop for Shelved {
    fn drop(&mut self) {
        let _ = self.shelf.take(self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::Shelf;

    #[test]
    fn a_body_is_taken_once_and_gone_with_whoever_laid_it_down() {
        let shelf = Arc::new(Shelf::default());
        let (first, second) = (shelf.put(vec![1]), shelf.put(vec![2]));
        assert_eq!(shelf.take(first.number()), Some(vec![1]));
        assert_eq!(shelf.take(first.number()), None);
        let number = second.number();
        drop((first, second));
        assert_eq!(shelf.take(number), None);
    }
}
