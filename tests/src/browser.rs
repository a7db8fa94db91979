//! Chromium, driven by the DevTools protocol over a pipe: no WebSocket, no package, no network.
//!
//! Protocol: chromedevtools.github.io/devtools-protocol; messages are JSON ended by a NUL octet.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use serde_json::{Value, json};
use tempfile::TempDir;

const ANSWER_LIMIT: Duration = Duration::from_secs(30);
/// Messages that wait to be read; the browser stops when there are more.
const QUEUE: usize = 1_024;

/// A browser with one page.
#[derive(Debug)]
pub struct Browser {
    child: Child,
    commands: ChildStdin,
    messages: Receiver<Value>,
    session: Option<String>,
    sent: u64,
    events: Vec<Value>,
    _profile: TempDir,
}

impl Browser {
    /// Starts the browser with an empty page of this size in CSS pixels; `None`, loudly, where there is none.
    ///
    /// # Panics
    /// Where it does not answer.
    #[must_use]
    pub fn start(width: u32, height: u32) -> Option<Self> {
        let profile = tempfile::tempdir().expect("a temporary folder");
        // Descriptors 3 and 4 are where --remote-debugging-pipe reads and writes.
        let mut command = Command::new("sh");
        command.args(["-c", "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1", "chromium"]);
        command.args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--remote-debugging-pipe",
            "--no-first-run",
        ]);
        command.args(["--disable-background-networking", "--disable-component-update", "--disable-sync"]);
        command.arg(format!("--window-size={width},{height}"));
        command.arg(format!("--user-data-dir={}", profile.path().display()));
        if Command::new("chromium").arg("--version").output().is_err() {
            crate::skip("no chromium");
            return None;
        }
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("sh is there");
        let commands = child.stdin.take().expect("piped");
        let mut output = BufReader::new(child.stdout.take().expect("piped"));
        let (to, messages) = sync_channel(QUEUE);
        let read = move || {
            let mut message = Vec::new();
            while output.read_until(0, &mut message).is_ok_and(|n| n > 0) {
                let value =
                    serde_json::from_slice(message.trim_ascii_end().strip_suffix(&[0]).unwrap_or(&message));
                if to.send(value.unwrap_or_default()).is_err() {
                    return;
                }
                message.clear();
            }
        };
        thread::Builder::new().name("browser".into()).spawn(read).expect("one more thread");
        let mut browser =
            Self { child, commands, messages, session: None, sent: 0, events: Vec::new(), _profile: profile };
        let target = browser.call("Target.createTarget", &json!({"url": "about:blank"}));
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let session = browser.call("Target.attachToTarget", &attach);
        browser.session = session["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), &json!({}));
        }
        Some(browser)
    }

    /// Calls a method and returns its result.
    ///
    /// # Panics
    /// Where the browser answers with an error or not at all.
    pub fn call(&mut self, method: &str, params: &Value) -> Value {
        self.sent += 1;
        let mut message = json!({"id": self.sent, "method": method, "params": params});
        if let Some(session) = &self.session {
            message["sessionId"] = session.as_str().into();
        }
        write!(self.commands, "{message}\0").expect("the browser listens");
        self.commands.flush().expect("the browser listens");
        let limit = Instant::now() + ANSWER_LIMIT;
        loop {
            let left = limit.saturating_duration_since(Instant::now());
            let answer = self.messages.recv_timeout(left).unwrap_or_else(|e| panic!("{method}: {e}"));
            if answer["id"] == self.sent {
                assert!(answer["error"].is_null(), "{method}: {}", answer["error"]);
                return answer["result"].clone();
            }
            self.events.push(answer);
        }
    }

    /// Shows a page and waits until it has loaded.
    pub fn open(&mut self, url: &str) {
        self.call("Page.navigate", &json!({"url": url}));
        self.wait_for("document.readyState === 'complete' && location.href !== 'about:blank'");
    }

    /// Value of a JavaScript expression.
    ///
    /// # Panics
    /// Where it throws.
    pub fn evaluate(&mut self, expression: &str) -> Value {
        let params = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let result = self.call("Runtime.evaluate", &params);
        assert!(result["exceptionDetails"].is_null(), "{expression}: {}", result["exceptionDetails"]);
        result["result"]["value"].clone()
    }

    /// Waits until a JavaScript expression is true.
    ///
    /// # Panics
    /// After 30 seconds.
    pub fn wait_for(&mut self, expression: &str) {
        let limit = Instant::now() + ANSWER_LIMIT;
        while self.evaluate(&format!("Boolean({expression})")) != true {
            if Instant::now() > limit {
                let text = self.evaluate("document.body.innerText");
                panic!("never true: {expression}; the page says: {text}; it logged: {:?}", self.errors());
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Writes a picture of the window as PNG.
    pub fn screenshot(&mut self, path: &Path) {
        let picture = self.call("Page.captureScreenshot", &json!({"format": "png"}));
        let text = picture["data"].as_str().expect("a picture is base64");
        let png = base64::engine::general_purpose::STANDARD.decode(text).expect("a picture is base64");
        std::fs::create_dir_all(path.parent().expect("in a folder")).expect("a folder for pictures");
        std::fs::write(path, png).expect("room for a picture");
    }

    /// Exceptions, errors on the console and failed loads since the start.
    #[must_use]
    pub fn errors(&self) -> Vec<String> {
        let wrong = |event: &&Value| match event["method"].as_str() {
            Some("Runtime.exceptionThrown") => true,
            Some("Runtime.consoleAPICalled") => event["params"]["type"] == "error",
            Some("Log.entryAdded") => event["params"]["entry"]["level"] == "error",
            _ => false,
        };
        self.events.iter().filter(wrong).map(Value::to_string).collect()
    }

    /// Every URL that the page asked for.
    #[must_use]
    pub fn requests(&self) -> Vec<String> {
        let sent = self.events.iter().filter(|event| event["method"] == "Network.requestWillBeSent");
        sent.filter_map(|event| event["params"]["request"]["url"].as_str().map(str::to_owned)).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = write!(self.commands, "{}\0", json!({"id": self.sent + 1, "method": "Browser.close"}));
        let limit = Instant::now() + Duration::from_secs(5);
        while Instant::now() < limit && matches!(self.child.try_wait(), Ok(None)) {
            thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
