//! A lamp on the device: steady while all is well, blinking slowly in trouble, fast while the agent starts or has failed.
//!
//! To: an LED of the kernel (Documentation/leds/leds-class.rst), whose trigger `timer` blinks without us. Its files are opened
//! once, before the agent gives its privileges up, and the trigger stays: each change of it would make new files.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use tracing::warn;
use weir_web::Condition;

/// Milliseconds on and off in trouble: calm, it can wait until tomorrow.
const SLOW_MS: u32 = 1_000;
/// The same while the agent starts or has failed.
const FAST_MS: u32 = 100;

/// What the lamp does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Blink {
    Steady,
    Slow,
    Fast,
}

impl Blink {
    /// Milliseconds on, milliseconds off. Without time off the trigger lights the lamp for good (led_blink_set(9)).
    const fn delays(self) -> (u32, u32) {
        match self {
            Self::Steady => (SLOW_MS, 0),
            Self::Slow => (SLOW_MS, SLOW_MS),
            Self::Fast => (FAST_MS, FAST_MS),
        }
    }
}

/// An LED, while it works.
#[derive(Debug)]
pub struct Led {
    path: PathBuf,
    files: Option<Files>,
    shows: Option<Blink>,
}

#[derive(Debug)]
struct Files {
    trigger: File,
    brightness: File,
    delay_on: File,
    delay_off: File,
}

impl Led {
    /// Takes the LED whose directory is `path` and lets it blink fast: the agent starts. A lamp that cannot be had is told in
    /// the log, once.
    #[must_use]
    pub fn take(path: &Path) -> Self {
        let mut led = Self { path: path.to_owned(), files: None, shows: None };
        match Files::open(path) {
            Ok(files) => led.files = Some(files),
            Err(error) => led.give_up(&error),
        }
        led.show_blink(Blink::Fast);
        led
    }

    /// Shows how the agent is; writes only when that has changed.
    pub fn show(&mut self, condition: Condition) {
        self.show_blink(match condition {
            Condition::Ok | Condition::Off => Blink::Steady,
            Condition::Degraded => Blink::Slow,
            Condition::Failed => Blink::Fast,
        });
    }

    fn show_blink(&mut self, blink: Blink) {
        let Some(files) = self.files.as_ref().filter(|_| self.shows != Some(blink)) else { return };
        match files.blink(blink) {
            Ok(()) => self.shows = Some(blink),
            Err(error) => self.give_up(&error),
        }
    }

    fn give_up(&mut self, error: &io::Error) {
        self.files = None;
        warn!(
            "the lamp {} is not used: {error}; agent.led names a directory in /sys/class/leds that may be written, and the kernel \
             needs the LED trigger timer (CONFIG_LEDS_TRIGGER_TIMER)",
            self.path.display()
        );
    }
}

/// The agent ends: so does its light.
impl Drop for Led {
    fn drop(&mut self) {
        if let Some(files) = &self.files {
            // Nothing is left to do about a lamp that does not go out.
            let _ = put(&files.trigger, "none").and_then(|()| put(&files.brightness, "0"));
        }
    }
}

impl Files {
    fn open(dir: &Path) -> io::Result<Self> {
        let open = |name: &str| {
            let file = OpenOptions::new().write(true).open(dir.join(name));
            file.map_err(|error| io::Error::new(error.kind(), format!("{name}: {error}")))
        };
        let (trigger, brightness) = (open("trigger")?, open("brightness")?);
        put(&trigger, "timer")?;
        // The trigger makes these two.
        Ok(Self { trigger, brightness, delay_on: open("delay_on")?, delay_off: open("delay_off")? })
    }

    fn blink(&self, blink: Blink) -> io::Result<()> {
        let (on, off) = blink.delays();
        put(&self.delay_on, &on.to_string())?;
        put(&self.delay_off, &off.to_string())
    }
}

/// Attributes of sysfs take their value in one write at the start of the file.
fn put(file: &File, value: &str) -> io::Result<()> {
    file.write_all_at(format!("{value}\n").as_bytes(), 0)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use weir_web::Condition;

    use super::Led;

    fn lamp() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for name in ["trigger", "brightness", "delay_on", "delay_off"] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        dir
    }

    /// What was written last: sysfs takes each write whole, a plain file keeps what lies behind its end.
    fn value(dir: &Path, name: &str) -> String {
        fs::read_to_string(dir.join(name)).unwrap().lines().next().unwrap_or_default().to_owned()
    }

    fn delays(dir: &Path) -> (String, String) {
        (value(dir, "delay_on"), value(dir, "delay_off"))
    }

    fn pair(on: &str, off: &str) -> (String, String) {
        (on.into(), off.into())
    }

    #[test]
    fn the_lamp_shows_each_condition_and_goes_out_in_the_end() {
        let dir = lamp();
        let mut led = Led::take(dir.path());
        assert_eq!((value(dir.path(), "trigger"), delays(dir.path())), ("timer".into(), pair("100", "100")));
        led.show(Condition::Ok);
        assert_eq!(delays(dir.path()), pair("1000", "0"));
        led.show(Condition::Degraded);
        assert_eq!(delays(dir.path()), pair("1000", "1000"));
        led.show(Condition::Failed);
        assert_eq!(delays(dir.path()), pair("100", "100"));
        drop(led);
        assert_eq!(
            (value(dir.path(), "trigger"), value(dir.path(), "brightness")),
            ("none".into(), "0".into())
        );
    }

    #[test]
    fn nothing_is_written_while_nothing_changes() {
        let dir = lamp();
        let mut led = Led::take(dir.path());
        led.show(Condition::Ok);
        fs::write(dir.path().join("delay_on"), "touched\n").unwrap();
        led.show(Condition::Ok);
        assert_eq!(value(dir.path(), "delay_on"), "touched");
        led.show(Condition::Degraded);
        assert_eq!(value(dir.path(), "delay_on"), "1000");
    }

    #[test]
    fn a_lamp_that_is_not_there_is_left_alone() {
        let mut led = Led::take(Path::new("/nonexistent/led"));
        led.show(Condition::Ok);
        assert!(led.files.is_none());
    }
}
