//! Lines for standard output that never hold the agent up: a serial line may be flow-controlled and take nothing for hours.
//!
//! A thread of its own writes. What it cannot take is dropped and counted, and the next line that gets through says so.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::Builder;

use crate::worker::SMALL_STACK;

/// Lines that wait for a slow console: it catches up with the newest condition, not with an hour of old ones.
const WAITING: usize = 4;

/// The way to the console.
#[derive(Debug)]
pub struct Console {
    lines: SyncSender<String>,
    dropped: u64,
}

impl Console {
    /// Starts to write to standard output.
    ///
    /// # Errors
    /// When standard output is closed, or the system has no thread left.
    pub fn stdout() -> io::Result<Self> {
        // A handle of its own: no lock of the process is held while the console takes nothing.
        Self::start(File::from(io::stdout().as_fd().try_clone_to_owned()?))
    }

    fn start(to: impl Write + Send + 'static) -> io::Result<Self> {
        let (lines, waiting) = sync_channel(WAITING);
        // Not supervised: a write that never returns must not keep the process from ending.
        Builder::new().name("console".into()).stack_size(SMALL_STACK).spawn(move || write(to, &waiting))?;
        Ok(Self { lines, dropped: 0 })
    }

    /// Gives a line to the writer, or drops it when the console has not taken those before it.
    pub fn offer(&mut self, line: &str) {
        let dropped = self.dropped;
        let line =
            if dropped == 0 { format!("{line}\n") } else { format!("{line} lines_dropped={dropped}\n") };
        match self.lines.try_send(line) {
            Ok(()) => self.dropped = 0,
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => self.dropped += 1,
        }
    }
}

/// Ends when the console is gone: nobody is left to read.
fn write(mut to: impl Write, lines: &Receiver<String>) {
    while let Ok(line) = lines.recv() {
        if to.write_all(line.as_bytes()).and_then(|()| to.flush()).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::time::Duration;

    use super::{Console, WAITING};
    use crate::clock::Clock;

    #[test]
    fn a_console_that_takes_nothing_holds_nobody_up_and_is_told_what_it_missed() {
        let (reader, writer) = std::io::pipe().unwrap();
        let mut console = Console::start(writer).unwrap();
        // More than a pipe holds: the writer stands still in the middle of a line.
        let long = "x".repeat(1 << 20);
        let begun = Clock.monotonic();
        console.offer(&long);
        let mut reader = BufReader::new(reader);
        reader.fill_buf().unwrap();
        for number in 0..100 {
            console.offer(&format!("line {number}"));
        }
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
        assert_eq!(console.dropped, 100 - u64::try_from(WAITING).unwrap());
        let dropped = console.dropped;
        let mut lines = reader.lines().map(Result::unwrap);
        assert_eq!(lines.next().unwrap(), long);
        // Once the console drains, there is room again.
        let told = loop {
            console.offer("now");
            match lines.next().unwrap() {
                line if line.starts_with("now") => break line,
                _ => std::thread::sleep(Duration::from_millis(5)),
            }
        };
        let told: u64 = told.split_once("lines_dropped=").expect(&told).1.parse().unwrap();
        assert!(told >= dropped, "{told} of {dropped}");
    }

    #[test]
    fn a_console_that_is_gone_is_no_error() {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut console = Console::start(writer).unwrap();
        for _ in 0..10 {
            console.offer("anyone?");
        }
    }
}
