//! The support bundle: what someone far away needs to know of a device, and no secret of it.
//!
//! From: this program, the agent that runs, the kernel, the journal. To: a compressed archive. Each file and the whole are
//! bounded; what could not be read or had to be cut is named in `errors.txt`.

mod archive;
mod journal;
mod secrets;
mod system;

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use weir_flow::TenantId;
use weir_store::Reader;

use super::client;
use super::redact::Redactor;
use super::selftest::{self, Subject};
use archive::Archive;

/// Octets of one file: a log of two thousand lines, a list of a thousand interfaces.
const MAX_FILE_BYTES: usize = 2 << 20;
/// Octets of all files together, before they are compressed: they are in memory, and a mail takes the result.
const MAX_TOTAL_BYTES: usize = 16 << 20;

/// Collects files.
pub struct Bundle {
    redactor: Redactor,
    files: Vec<(String, String)>,
    errors: Vec<String>,
    total: usize,
}

/// Which end of a text matters more when it is too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keep {
    Head,
    Tail,
}

impl Bundle {
    /// Collects everything about the device.
    #[must_use]
    pub fn collect(subject: &Subject<'_>, file: Option<&Path>) -> Self {
        let dir = &subject.config.agent.data_dir;
        let mut bundle =
            Self { redactor: Redactor::default(), files: Vec::new(), errors: Vec::new(), total: 0 };
        // Before any text: each has to go through a redactor that knows all secrets.
        secrets::learn(&mut bundle.redactor, dir);
        bundle.configuration(subject, file);
        bundle.about(subject);
        let report = selftest::run(subject);
        bundle.json("selftest.json", &report);
        bundle.agent(subject.listen, subject);
        bundle.ring(dir);
        system::collect(&mut bundle, dir, subject.clock);
        match journal::read() {
            Ok(log) => bundle.add("journal.txt", &log, Keep::Tail),
            Err(error) => bundle.error("journal.txt", &error),
        }
        bundle
    }

    /// Writes the archive; all files lie in the folder `folder`.
    ///
    /// # Errors
    /// When `to` cannot be written.
    pub fn write(mut self, folder: &str, seconds: i64, to: impl Write) -> io::Result<()> {
        if self.redactor.is_coarse() {
            let why =
                "a key or variable has a value so short that words which equal it were removed everywhere";
            self.errors.push(why.to_owned());
        }
        if self.errors.is_empty() {
            self.errors.push("everything was read".to_owned());
        }
        let errors = self.redactor.text(&(self.errors.join("\n") + "\n"));
        self.files.push(("errors.txt".to_owned(), errors));
        let mut archive = Archive::new(GzEncoder::new(to, Compression::default()), seconds);
        for (name, text) in &self.files {
            archive.file(&format!("{folder}/{name}"), text.as_bytes())?;
        }
        archive.finish()?.finish()?.flush()
    }

    /// Adds a file without its secrets, cut to the bounds.
    fn add(&mut self, name: &str, text: &str, keep: Keep) {
        // Cut first: what is thrown away need not be searched. A secret at the cut is incomplete either way.
        let limit = MAX_FILE_BYTES.min(MAX_TOTAL_BYTES.saturating_sub(self.total));
        let kept = whole_lines(text, limit, keep);
        if kept.len() < text.len() {
            self.errors.push(format!("{name}: cut from {} to {} octets", text.len(), kept.len()));
        }
        let text = self.redactor.text(kept);
        self.total += text.len();
        self.files.push((name.to_owned(), text));
    }

    fn json(&mut self, name: &str, value: &impl serde::Serialize) {
        match serde_json::to_string_pretty(value) {
            Ok(text) => self.add(name, &(text + "\n"), Keep::Head),
            Err(error) => self.error(name, &error),
        }
    }

    fn error(&mut self, name: &str, error: &dyn std::fmt::Display) {
        self.errors.push(format!("{name}: {error}"));
    }

    /// The configuration in force, and the mistakes of the file where there are some.
    fn configuration(&mut self, subject: &Subject<'_>, file: Option<&Path>) {
        if let Some(mistakes) = &subject.mistakes {
            let parsed = file.and_then(|file| std::fs::read_to_string(file).ok());
            let parsed = parsed.and_then(|text| toml::from_str::<Value>(&text).ok());
            if let Some(mut parsed) = parsed {
                self.redactor.values(&mut parsed);
                self.json("configuration-file.json", &parsed);
            }
            self.add("configuration-mistakes.txt", mistakes, Keep::Head);
        }
        let mut effective = match serde_json::to_value(subject.config) {
            Ok(effective) => effective,
            Err(error) => return self.error("configuration.toml", &error),
        };
        self.redactor.values(&mut effective);
        without_nulls(&mut effective);
        let text =
            toml::to_string_pretty(&effective).map(|text| format!("# From {}\n{text}", subject.origin));
        match text {
            Ok(text) => self.add("configuration.toml", &text, Keep::Head),
            Err(error) => self.error("configuration.toml", &error),
        }
    }

    fn about(&mut self, subject: &Subject<'_>) {
        let about = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "git_sha": option_env!("WEIR_GIT_SHA"),
            "target": std::env::consts::ARCH,
            "made_at": subject.clock.now().to_string(),
            "configuration": subject.origin,
            "data_dir": subject.config.agent.data_dir,
        });
        self.json("about.json", &about);
    }

    /// What the agent that runs says, if it does.
    fn agent(&mut self, listen: SocketAddr, subject: &Subject<'_>) {
        let key = secrets::admin_key(&subject.config.agent.data_dir);
        let key = key.as_deref();
        for (path, key) in
            [("/v1/health", None), ("/v1/version", None), ("/v1/metrics", key), ("/v1/sources", key)]
        {
            let name = format!("{}.json", path.trim_start_matches("/v1/"));
            match client::get(listen, path, key, subject.clock).and_then(|answer| answer.json()) {
                Ok(answer) => self.json(&name, &answer),
                Err(error) => self.error(&name, &format!("asked {listen}: {error}")),
            }
        }
    }

    /// Facts of the ring, no records.
    fn ring(&mut self, dir: &Path) {
        let facts = Reader::open(dir).and_then(|reader| {
            Ok(json!({
                "stats": reader.stats(&TenantId::default())?,
                "schema_version": reader.schema_version()?,
            }))
        });
        match facts {
            Ok(facts) => self.json("ring.json", &facts),
            Err(error) => self.error("ring.json", &format!("failed to {error}")),
        }
    }
}

/// Keys without a value, which TOML does not have.
fn without_nulls(value: &mut Value) {
    if let Value::Object(members) = value {
        members.retain(|_, member| !member.is_null());
        members.values_mut().for_each(without_nulls);
    }
}

/// As many whole lines of `text` as `limit` octets hold.
fn whole_lines(text: &str, limit: usize, keep: Keep) -> &str {
    if text.len() <= limit {
        return text;
    }
    match keep {
        Keep::Head => {
            let head = crate::log::cut(text, limit);
            &head[..head.rfind('\n').map_or(0, |newline| newline + 1)]
        }
        Keep::Tail => {
            let tail = &text.as_bytes()[text.len() - limit..];
            let newline = tail.iter().position(|&byte| byte == b'\n');
            newline.map_or("", |newline| &text[text.len() - limit + newline + 1..])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Bundle, Keep, MAX_FILE_BYTES, MAX_TOTAL_BYTES, Redactor, whole_lines};

    #[test]
    fn what_is_too_long_is_cut_at_a_line_and_said_so() {
        assert_eq!(whole_lines("one\ntwo\nthree\n", 9, Keep::Head), "one\ntwo\n");
        assert_eq!(whole_lines("one\ntwo\nthree\n", 9, Keep::Tail), "three\n");
        assert_eq!(whole_lines("äöü", 3, Keep::Head), "");
        assert_eq!(whole_lines("äöü\näöü", 8, Keep::Tail), "äöü");
        let mut bundle =
            Bundle { redactor: Redactor::default(), files: Vec::new(), errors: Vec::new(), total: 0 };
        for number in 0..20 {
            bundle.add(&format!("{number}"), &"line\n".repeat(1 << 20), Keep::Head);
        }
        assert!(bundle.files.iter().all(|(_, text)| text.len() <= MAX_FILE_BYTES));
        assert!(bundle.files.iter().map(|(_, text)| text.len()).sum::<usize>() <= MAX_TOTAL_BYTES);
        assert_eq!(bundle.errors.len(), 20);
    }
}
