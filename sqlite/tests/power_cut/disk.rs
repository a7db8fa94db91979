//! A disk that remembers what it was told and what it promised: which octets and names are there when the power goes.
//!
//! A write is promised once its file was synced, a name once its directory was, and nothing else promises anything. What was not
//! promised may be there, or not, or in part, whatever came before or after it: that is more than any file system does, so a
//! store that survives it survives those. Of writes to one place the later one wins, as in every page cache; that apart,
//! the order in which a disk carries them out cannot be seen afterwards.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::support::Random;
use crate::trace::Op;

/// What a disk writes whole or not at all.
const SECTOR: u64 = 512;

/// What to believe of a disk that has lost its power.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Everything was written: the process ended, not the power.
    All,
    /// What was promised, and some of the rest, by a seed.
    Some(u64),
    /// What was promised.
    Promised,
}

/// A disk that does what it should not, to see whether that is noticed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Lie {
    None,
    /// Syncs of files whose name ends like this promise nothing.
    Sync(&'static str),
    /// The write with this number among all that was done is lost, though it was promised.
    Write(usize),
}

#[derive(Clone, Copy)]
enum Node {
    Dir,
    File(usize),
}

#[derive(Clone)]
enum Change {
    Write { at: u64, op: usize },
    Truncate(u64),
}

#[derive(Default)]
struct File {
    /// The name that it was made with.
    made: PathBuf,
    promised: Vec<u8>,
    pending: Vec<Change>,
}

/// The disk, after a part of what was done.
pub(crate) struct Disk<'a> {
    ops: &'a [Op],
    lie: Lie,
    done: usize,
    names: BTreeMap<PathBuf, Node>,
    pending: Vec<usize>,
    files: Vec<File>,
    /// Counts the changes of what is promised.
    pub(crate) promises: u64,
    /// What was said.
    pub(crate) said: Vec<&'a str>,
}

impl<'a> Disk<'a> {
    pub(crate) fn new(ops: &'a [Op], lie: Lie) -> Self {
        let (names, pending, files) = (BTreeMap::new(), Vec::new(), Vec::new());
        Self { ops, lie, done: 0, names, pending, files, promises: 0, said: Vec::new() }
    }

    /// Goes on until `count` things are done.
    pub(crate) fn advance(&mut self, count: usize) {
        while self.done < count {
            let number = self.done;
            self.done += 1;
            match &self.ops[number] {
                Op::MakeDir(_) | Op::Rename(..) | Op::Unlink(_) => self.pending.push(number),
                Op::Create(path, _) => {
                    self.pending.push(number);
                    self.files.push(File { made: path.clone(), ..File::default() });
                }
                Op::Write { .. } if self.lie == Lie::Write(number) => {}
                Op::Write { file, at, .. } => {
                    self.files[*file].pending.push(Change::Write { at: *at, op: number });
                }
                Op::Truncate { file, length } => self.files[*file].pending.push(Change::Truncate(*length)),
                Op::SyncFile(file) => self.sync(*file),
                Op::SyncDir(dir) => self.sync_dir(dir),
                Op::Said(text) => self.said.push(text),
            }
        }
    }

    fn sync(&mut self, file: usize) {
        let file = &mut self.files[file];
        if matches!(self.lie, Lie::Sync(name) if file.made.to_string_lossy().ends_with(name)) {
            return;
        }
        self.promises += u64::from(!file.pending.is_empty());
        for change in std::mem::take(&mut file.pending) {
            apply(self.ops, &mut file.promised, &change);
        }
    }

    fn sync_dir(&mut self, dir: &Path) {
        let ops = self.ops;
        let (due, rest) = self.pending.iter().partition(|&&number| parent(&ops[number]) == Some(dir));
        self.pending = rest;
        let due: Vec<usize> = due;
        self.promises += u64::from(!due.is_empty());
        due.iter().for_each(|&number| name(&mut self.names, &ops[number]));
    }

    /// Writes what is there when the power goes now into `to`, which is empty.
    pub(crate) fn write(&self, cut: Cut, to: &Path) -> io::Result<()> {
        let mut dice = Dice::new(cut);
        let mut names = self.names.clone();
        for &number in self.pending.iter().filter(|_| dice.keeps()) {
            name(&mut names, &self.ops[number]);
        }
        for (path, node) in &names {
            // A name in a directory that is not there.
            if !to.join(path).parent().is_some_and(Path::is_dir) {
                continue;
            }
            match *node {
                Node::Dir => fs::create_dir(to.join(path))?,
                Node::File(file) => fs::write(to.join(path), self.content(file, &mut dice))?,
            }
        }
        Ok(())
    }

    fn content(&self, file: usize, dice: &mut Dice) -> Vec<u8> {
        let File { promised, pending, .. } = &self.files[file];
        let mut content = promised.clone();
        for change in pending {
            match (dice.fate(), change) {
                (Fate::Whole, _) => apply(self.ops, &mut content, change),
                (Fate::Gone, _) | (_, Change::Truncate(_)) => {}
                (fate, &Change::Write { at, op }) => {
                    let Op::Write { data, .. } = &self.ops[op] else { continue };
                    torn(&mut content, at, data, fate, dice);
                }
            }
        }
        content
    }
}

/// What became of a change that was not promised.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Whole,
    Gone,
    /// Some of its sectors are there.
    Torn,
    /// Some of its sectors are there, others hold anything.
    Noise,
    /// The file has grown, but where the data should be there is nothing.
    Hole,
}

/// Decides what is there.
enum Dice {
    Always(bool),
    /// In so many of a hundred cases.
    Often(Random, u64),
}

impl Dice {
    fn new(cut: Cut) -> Self {
        match cut {
            Cut::All => Self::Always(true),
            Cut::Promised => Self::Always(false),
            Cut::Some(seed) => {
                let mut random = Random(seed);
                // Nearly all, nearly nothing, and what is between.
                let often = [4, 25, 50, 75, 96][random.below(5) as usize];
                Self::Often(random, often)
            }
        }
    }

    fn keeps(&mut self) -> bool {
        match self {
            Self::Always(keeps) => *keeps,
            Self::Often(random, often) => random.below(100) < *often,
        }
    }

    fn fate(&mut self) -> Fate {
        let keeps = self.keeps();
        let kind = if let Self::Often(random, _) = self { random.below(10) } else { 10 };
        match (keeps, kind) {
            (_, 0) => Fate::Torn,
            (_, 1) => Fate::Noise,
            (false, 2) => Fate::Hole,
            (true, _) => Fate::Whole,
            (false, _) => Fate::Gone,
        }
    }
}

/// Writes some of the sectors; octets that were not written stay as they are.
fn torn(content: &mut Vec<u8>, at: u64, data: &[u8], fate: Fate, dice: &mut Dice) {
    let Dice::Often(random, _) = dice else { return };
    let mut from = 0;
    while from < data.len() {
        let place = at + from as u64;
        let to = data.len().min(from + (SECTOR - place % SECTOR) as usize);
        match random.below(3) {
            0 if fate != Fate::Hole => put(content, place, &data[from..to]),
            1 if fate == Fate::Noise => {
                let noise: Vec<u8> = (from..to).map(|_| random.below(256) as u8).collect();
                put(content, place, &noise);
            }
            2 if fate == Fate::Hole => grow(content, at + to as u64),
            _ => {}
        }
        from = to;
    }
}

fn apply(ops: &[Op], content: &mut Vec<u8>, change: &Change) {
    match *change {
        Change::Truncate(length) => content.resize(length as usize, 0),
        Change::Write { at, op } => {
            if let Op::Write { data, .. } = &ops[op] {
                put(content, at, data);
            }
        }
    }
}

fn put(content: &mut Vec<u8>, at: u64, data: &[u8]) {
    let at = at as usize;
    grow(content, (at + data.len()) as u64);
    content[at..at + data.len()].copy_from_slice(data);
}

fn grow(content: &mut Vec<u8>, length: u64) {
    let length = content.len().max(length as usize);
    content.resize(length, 0);
}

/// The directory whose sync promises this name.
fn parent(op: &Op) -> Option<&Path> {
    match op {
        Op::MakeDir(path) | Op::Create(path, _) | Op::Rename(_, path) | Op::Unlink(path) => path.parent(),
        _ => None,
    }
}

fn name(names: &mut BTreeMap<PathBuf, Node>, op: &Op) {
    match op {
        Op::MakeDir(path) => {
            names.insert(path.clone(), Node::Dir);
        }
        Op::Create(path, file) => {
            names.insert(path.clone(), Node::File(*file));
        }
        Op::Rename(from, to) => {
            // A name whose making was lost takes nothing along.
            if let Some(node) = names.remove(from) {
                names.insert(to.clone(), node);
            }
        }
        Op::Unlink(path) => {
            names.remove(path);
        }
        _ => {}
    }
}
