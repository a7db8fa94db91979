//! From strace's text to what a program did to the files of one directory.
//!
//! Strict: a call that could change a file in a way that is not understood here is an error, never passed over.

use std::collections::HashMap;
use std::io::BufRead;
use std::path::{Path, PathBuf};

/// Every call that can change a file or its name, or leave one behind unseen. Those that [`Reader::call`] does not know fail
/// the recording.
pub(crate) const CALLS: &str = "openat,openat2,open,creat,pwrite64,pwritev,pwritev2,write,writev,lseek,truncate,\
    ftruncate,fallocate,rename,renameat,renameat2,unlink,unlinkat,link,linkat,symlink,symlinkat,fsync,fdatasync,sync,\
    syncfs,sync_file_range,msync,mkdir,mkdirat,rmdir,close,mmap,dup,dup2,dup3,copy_file_range,sendfile,splice,io_uring_setup";

/// The index of the log: a map of memory that SQLite makes again from the log. What is in it after a power cut is ignored.
const INDEX: &str = "-shm";

/// What was done, in the order in which it was done. Paths are relative to the directory; files are numbered as they are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    MakeDir(PathBuf),
    Create(PathBuf, usize),
    Rename(PathBuf, PathBuf),
    Unlink(PathBuf),
    Write {
        file: usize,
        at: u64,
        data: Vec<u8>,
    },
    Truncate {
        file: usize,
        length: u64,
    },
    SyncFile(usize),
    SyncDir(PathBuf),
    /// A line on standard output: what was done before it is safe.
    Said(String),
}

/// What a descriptor stands for.
#[derive(Clone)]
enum Open {
    File {
        file: usize,
        at: u64,
    },
    Dir(PathBuf),
    /// Not below the directory, or the index of a log.
    Other,
}

/// Reads a recording.
pub(crate) struct Reader<'a> {
    root: &'a Path,
    open: HashMap<i32, Open>,
    /// Files by their present names.
    names: HashMap<PathBuf, usize>,
    files: usize,
    line: Vec<u8>,
    ended: bool,
    pub(crate) ops: Vec<Op>,
}

/// Reads the whole recording of a program that worked below `root`.
pub(crate) fn read(root: &Path, trace: impl BufRead) -> Result<Vec<Op>, String> {
    let (names, open) = (HashMap::new(), HashMap::new());
    let mut reader = Reader { root, open, names, files: 0, line: Vec::new(), ended: false, ops: Vec::new() };
    for line in trace.lines() {
        let line = line.map_err(|error| format!("the recording cannot be read: {error}"))?;
        let told = || line.chars().take(160).collect::<String>();
        reader.line(&line).map_err(|error| format!("{error}, in the recording: {}", told()))?;
    }
    if !reader.ended {
        return Err("the program did not end well".into());
    }
    Ok(reader.ops)
}

impl Reader<'_> {
    fn line(&mut self, line: &str) -> Result<(), String> {
        let (_process, rest) = line.split_once(' ').ok_or("no process")?;
        let rest = rest.trim_start();
        if rest == "+++ exited with 0 +++" {
            self.ended = true;
            return Ok(());
        }
        let (call, result) = rest.rsplit_once(" = ").ok_or("not a call that ended")?;
        let call = call.trim_end().strip_suffix(')').ok_or("no end of the arguments")?;
        let (name, arguments) = call.split_once('(').ok_or("no arguments")?;
        let result = result.split([' ', '<']).next().unwrap_or_default();
        let arguments: Vec<&str> = arguments.split(", ").collect();
        match result {
            // A call that failed changed nothing; a write that did is none that this program survives.
            "-1" if !name.contains("write") => Ok(()),
            // The address of a map.
            address if address.starts_with("0x") => self.map(name, &arguments),
            number => self.call(name, &arguments, number.parse().map_err(|_| "an unknown result")?),
        }
    }

    fn call(&mut self, name: &str, arguments: &[&str], result: i64) -> Result<(), String> {
        match (name, arguments) {
            ("openat", [_, path, flags, ..]) => self.open(&self.path(path)?, flags, result),
            ("close", [fd]) => {
                self.open.remove(&descriptor(fd)?);
                Ok(())
            }
            ("pwrite64", [fd, data, _, at]) => self.write(fd, data, Some(number(at)?), result),
            ("write", [fd, data, _]) => self.write(fd, data, None, result),
            ("ftruncate", [fd, length]) => {
                let length = number(length)?;
                match self.of(fd)? {
                    Open::File { file, .. } => self.ops.push(Op::Truncate { file, length }),
                    Open::Other => {}
                    Open::Dir(_) => return Err("a directory was cut".into()),
                }
                Ok(())
            }
            ("fsync" | "fdatasync", [fd]) => {
                match self.of(fd)? {
                    Open::File { file, .. } => self.ops.push(Op::SyncFile(file)),
                    Open::Dir(path) => self.ops.push(Op::SyncDir(path)),
                    Open::Other => {}
                }
                Ok(())
            }
            ("mkdir", [path, _]) => {
                let path = self.path(path)?;
                if let Some(path) = self.below(&path) {
                    self.ops.push(Op::MakeDir(path));
                }
                Ok(())
            }
            ("rename", [from, to]) => self.rename(&self.path(from)?, &self.path(to)?),
            ("unlink", [path]) => {
                let path = self.path(path)?;
                if let Some(path) = self.below(&path) {
                    self.names.remove(&path).ok_or("a file that nobody made is removed")?;
                    self.ops.push(Op::Unlink(path));
                }
                Ok(())
            }
            _ => Err(format!("{name} is not understood")),
        }
    }

    /// A map that is shared and written would change a file unseen.
    fn map(&self, name: &str, arguments: &[&str]) -> Result<(), String> {
        let ("mmap", [_, _, protection, flags, fd, _]) = (name, arguments) else {
            return Err(format!("{name} is not understood"));
        };
        let is_seen = *fd == "-1" || !protection.contains("WRITE") || !flags.contains("SHARED");
        match if is_seen { Open::Other } else { self.of(fd)? } {
            Open::Other => Ok(()),
            Open::File { .. } | Open::Dir(_) => Err("a file is written through a map".into()),
        }
    }

    fn open(&mut self, path: &Path, flags: &str, result: i64) -> Result<(), String> {
        let fd = i32::try_from(result).map_err(|_| "an unknown descriptor")?;
        let opened = match self.below(path) {
            None => Open::Other,
            Some(path) => match self.names.get(&path) {
                Some(&file) => {
                    if flags.contains("O_TRUNC") {
                        self.ops.push(Op::Truncate { file, length: 0 });
                    }
                    Open::File { file, at: 0 }
                }
                None if flags.contains("O_CREAT") => {
                    let file = self.files;
                    self.files += 1;
                    self.names.insert(path.clone(), file);
                    self.ops.push(Op::Create(path, file));
                    Open::File { file, at: 0 }
                }
                None => Open::Dir(path),
            },
        };
        let is_plain = !flags.contains("O_APPEND") && !flags.contains("O_TMPFILE");
        self.open.insert(fd, opened);
        if is_plain { Ok(()) } else { Err("a file is opened in a way that is not understood".into()) }
    }

    fn write(&mut self, fd: &str, data: &str, at: Option<u64>, result: i64) -> Result<(), String> {
        let number = descriptor(fd)?;
        let bytes = octets(data)?;
        if usize::try_from(result) != Ok(bytes.len()) {
            return Err("a write that was cut short".into());
        }
        match number {
            1 => self.say(&bytes),
            2 => Ok(()),
            _ => {
                let Some(opened) = self.open.get_mut(&number) else {
                    return Err("an unknown descriptor".into());
                };
                let Open::File { file, at: place } = opened else { return Ok(()) };
                let from = at.unwrap_or(*place);
                if at.is_none() {
                    *place += bytes.len() as u64;
                }
                self.ops.push(Op::Write { file: *file, at: from, data: bytes });
                Ok(())
            }
        }
    }

    fn say(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.line.extend_from_slice(bytes);
        while let Some(end) = self.line.iter().position(|&byte| byte == b'\n') {
            let rest = self.line.split_off(end + 1);
            self.line.pop();
            let said = String::from_utf8(std::mem::replace(&mut self.line, rest));
            self.ops.push(Op::Said(said.map_err(|_| "something was said that is no text")?));
        }
        Ok(())
    }

    fn rename(&mut self, from: &Path, to: &Path) -> Result<(), String> {
        match (self.below(from), self.below(to)) {
            (None, None) => Ok(()),
            (Some(from), Some(to)) => {
                let file = self.names.remove(&from).ok_or("a file that nobody made is renamed")?;
                self.names.insert(to.clone(), file);
                self.ops.push(Op::Rename(from, to));
                Ok(())
            }
            _ => Err("a file is brought in or out".into()),
        }
    }

    fn of(&self, fd: &str) -> Result<Open, String> {
        self.open.get(&descriptor(fd)?).cloned().ok_or_else(|| "an unknown descriptor".into())
    }

    fn path(&self, text: &str) -> Result<PathBuf, String> {
        let path = String::from_utf8(octets(text)?).map_err(|_| "a path that is no text")?;
        if path.starts_with('/') { Ok(path.into()) } else { Err("a relative path".into()) }
    }

    /// The path within the directory; none for others, and for the index of a log.
    fn below(&self, path: &Path) -> Option<PathBuf> {
        let below = path.strip_prefix(self.root).ok()?;
        (!below.to_string_lossy().ends_with(INDEX)).then(|| below.into())
    }
}

/// `3</dev/null>`: the number.
fn descriptor(text: &str) -> Result<i32, String> {
    let digits = text.split('<').next().unwrap_or_default();
    digits.parse().map_err(|_| format!("a descriptor was expected, not {digits}"))
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("a number was expected, not {text}"))
}

/// `"\x2f\x61"`; a text that strace cut has dots behind it.
fn octets(text: &str) -> Result<Vec<u8>, String> {
    let digits =
        text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).ok_or("a whole text was expected")?;
    let digits = digits.as_bytes();
    let mut all = Vec::with_capacity(digits.len() / 4);
    for four in digits.chunks(4) {
        let [b'\\', b'x', high, low] = *four else {
            return Err("octets were expected as \\x and two digits".into());
        };
        let (high, low) = (NIBBLES[usize::from(high)], NIBBLES[usize::from(low)]);
        if high > 15 || low > 15 {
            return Err("octets were expected as \\x and two digits".into());
        }
        all.push(high << 4 | low);
    }
    Ok(all)
}

/// What a hexadecimal digit stands for; 255 where there is none. A table, since recordings have a hundred million of them.
const NIBBLES: [u8; 256] = {
    let mut table = [u8::MAX; 256];
    let mut value = 0;
    while value < 16 {
        table[b"0123456789abcdef"[value as usize] as usize] = value;
        value += 1;
    }
    table
};
