//! The lists in use: reading them, noticing changes, swapping a whole new index in.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use crate::builder::Builder;
use crate::config::Config;
use crate::digest::Digest;
use crate::error::{Notice, Unreadable};
use crate::index::Index;
use crate::list::{Fingerprint, List, ListInfo};
use crate::tags::{ListId, MAX_LISTS};

/// Threat lists and the index over them; shared by all threads.
///
/// Readers keep the [`Arc`] of an index and ask for a new one when [`generation`](Self::generation) has changed.
#[derive(Debug)]
pub struct Indicators {
    allow_private: bool,
    lists: Mutex<Vec<List>>,
    current: RwLock<Arc<Index>>,
    generation: AtomicU64,
}

impl Indicators {
    /// Reads all lists. A list that cannot be read is left out and tried again by [`refresh`](Self::refresh).
    ///
    /// The notices say what is wrong: per list at most ten lines one by one, then their number.
    #[must_use]
    pub fn load(config: &Config) -> (Self, Vec<Notice>) {
        let lists = match (config.enabled, config.lists.as_slice()) {
            (false, _) => Vec::new(),
            (true, []) if config.embedded => vec![List::embedded()],
            (true, paths) => paths.iter().take(MAX_LISTS).map(|path| List::file(path)).collect(),
        };
        let indicators = Self {
            allow_private: config.allow_private,
            lists: Mutex::new(lists),
            current: RwLock::default(),
            generation: AtomicU64::new(0),
        };
        let mut notices = indicators.refresh();
        if config.enabled {
            notices.extend(config.lists.iter().skip(MAX_LISTS).map(|path| surplus(path)));
        }
        (indicators, notices)
    }

    /// Looks at every list's file; if one has changed (device, inode, time or size) reads it and swaps a new index in.
    ///
    /// Of a list that vanished or cannot be read now the last good state stays in use; that is told once.
    pub fn refresh(&self) -> Vec<Notice> {
        let mut lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        let mut notices = Vec::new();
        let mut changed = Vec::new();
        let mut unchanged = 0_u64;
        for (id, list) in (0..).zip(lists.iter_mut()) {
            match list.look() {
                Ok(now) if list.seen != Some(now) => changed.push((id, now)),
                looked => {
                    unchanged |= 1 << id;
                    let error = looked.err().map(|error| error.to_string()).or_else(|| list.fault.clone());
                    set_error(list, error, &mut notices);
                }
            }
        }
        if !changed.is_empty() {
            self.rebuild(&mut lists, &changed, unchanged, &mut notices);
        }
        notices
    }

    fn rebuild(
        &self,
        lists: &mut [List],
        changed: &[(ListId, Fingerprint)],
        unchanged: u64,
        notices: &mut Vec<Notice>,
    ) {
        let old = self.index();
        let mut builder = Builder::after(&old).comparing(Arc::clone(&old));
        builder.carry(&old, unchanged);
        let mut any = false;
        for &(id, now) in changed {
            any |= read_list(
                id,
                now,
                &mut lists[usize::from(id)],
                self.allow_private,
                &old,
                &mut builder,
                notices,
            );
        }
        if !any {
            return;
        }
        let new = builder.build(lists.iter().map(List::source).collect());
        for (list, counts) in lists.iter_mut().zip(new.counts()) {
            list.set_counts(counts);
        }
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(new);
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// A number that is another after each change of the index.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// The index in use now.
    #[must_use]
    pub fn index(&self) -> Arc<Index> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A number that tells whether another process had the same indicators.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        lists.iter().fold(Digest::default(), |mut all, list| {
            all.join(list.digest);
            all
        })
    }

    /// What is loaded of each list, in the order of the configuration.
    #[must_use]
    pub fn info(&self) -> Vec<ListInfo> {
        let lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        lists.iter().map(|list| list.info.clone()).collect()
    }
}

/// Reads a changed list; false when that failed and its old rows were carried over instead.
fn read_list(
    id: ListId,
    now: Fingerprint,
    list: &mut List,
    allow_private: bool,
    old: &Index,
    builder: &mut Builder,
    notices: &mut Vec<Notice>,
) -> bool {
    let mark = builder.mark();
    match list.read(id, allow_private, builder) {
        Ok(mut report) => {
            list.seen = Some(now);
            list.fault = None;
            list.set_report(&report);
            notices.append(&mut report.notices);
            set_error(list, None, notices);
            true
        }
        Err(error) => {
            builder.rewind(mark);
            builder.carry(old, 1 << id);
            // What is wrong with the content stays wrong until the file changes; a failed read may pass.
            let text = error.to_string();
            if !matches!(error, Unreadable::Io(_)) {
                list.seen = Some(now);
                list.fault = Some(text.clone());
            }
            set_error(list, Some(text), notices);
            false
        }
    }
}

/// Remembers why a list cannot be read, or that it can; tells when that is new.
fn set_error(list: &mut List, error: Option<String>, notices: &mut Vec<Notice>) {
    let info = &mut list.info;
    if let Some(text) = error.as_ref().filter(|_| info.error != error) {
        let kept = match info.entries {
            0 => String::new(),
            entries => format!(" (its {entries} indicators stay in use)"),
        };
        notices.push(Notice { list: info.path.clone(), line: None, text: format!("{text}{kept}") });
    }
    info.error = error;
}

fn surplus(path: &Path) -> Notice {
    let text = format!("is not used: at most {MAX_LISTS} lists are read; join some");
    Notice { list: path.display().to_string(), line: None, text }
}
