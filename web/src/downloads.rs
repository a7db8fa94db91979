//! How many downloads there may be at once: each holds a worker for as long as its client takes.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};

use crate::answer::Problem;

/// When to come back, seconds: most downloads take minutes.
const RETRY_SECONDS: u16 = 30;

/// Places for downloads: one less than there are workers, since one is left for everything else, and one for each client
/// address.
#[derive(Clone)]
pub(crate) struct Downloads {
    places: usize,
    taken: Arc<Mutex<HashSet<IpAddr>>>,
}

/// A place, given back when dropped.
pub(crate) struct Place {
    downloads: Downloads,
    address: IpAddr,
}

impl Downloads {
    pub(crate) fn new(workers: u8) -> Self {
        Self { places: usize::from(workers.saturating_sub(1)), taken: Arc::default() }
    }

    /// Finds a place for a client.
    pub(crate) fn begin(&self, address: IpAddr) -> Result<Place, Problem> {
        if self.places == 0 {
            let detail =
                "`web.workers` is 1, and a download would leave none for anything else; set it to 2 or more";
            return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "downloads_off", detail));
        }
        let mut taken = self.taken();
        if taken.contains(&address) {
            let detail = "Another download of yours is under way; wait until it has ended";
            return Err(later(StatusCode::TOO_MANY_REQUESTS, detail));
        }
        if taken.len() >= self.places {
            let detail = "As many downloads as there may be are under way; try again later";
            return Err(later(StatusCode::SERVICE_UNAVAILABLE, detail));
        }
        taken.insert(address);
        drop(taken);
        Ok(Place { downloads: self.clone(), address })
    }

    /// How many there are.
    pub(crate) fn active(&self) -> usize {
        self.taken().len()
    }

    fn taken(&self) -> MutexGuard<'_, HashSet<IpAddr>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.downloads.taken().remove(&self.address);
    }
}

fn later(status: StatusCode, detail: &'static str) -> Problem {
    Problem::new(status, "too_many_downloads", detail)
        .with_header(RETRY_AFTER, HeaderValue::from(RETRY_SECONDS))
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use http::StatusCode;

    use super::Downloads;

    fn address(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    #[test]
    fn there_is_one_download_for_an_address_and_one_less_than_workers_in_all() {
        let downloads = Downloads::new(3);
        let first = downloads.begin(address(1)).unwrap();
        let refused = |last| downloads.begin(address(last)).map(drop).unwrap_err().status;
        assert_eq!(refused(1), StatusCode::TOO_MANY_REQUESTS);
        let second = downloads.begin(address(2)).unwrap();
        assert_eq!((refused(3), downloads.active()), (StatusCode::SERVICE_UNAVAILABLE, 2));
        drop(first);
        let third = downloads.begin(address(3)).unwrap();
        assert_eq!(refused(1), StatusCode::SERVICE_UNAVAILABLE);
        drop((second, third));
        assert_eq!(downloads.active(), 0);
    }

    #[test]
    fn a_single_worker_is_never_given_to_a_download() {
        let problem = format!("{:?}", Downloads::new(1).begin(address(1)).map(drop).unwrap_err());
        assert!(problem.contains("web.workers"), "{problem}");
    }
}
