//! The page over a made-up agent, for looking at it: `cargo run -p weir-web --example demo -- [SCENE] [PORT]`.
//!
//! Scenes: `busy` (default), `hostile` (records full of markup and control characters, more exporters than are shown),
//! `denied` (no right to capture, a port that is taken), `silent` (no packets). The key is printed.

mod exporters;
mod records;
mod scene;

use std::error::Error;
use std::sync::Arc;
use std::thread::Builder;
use std::time::Duration;

use weir_flow::{Batch, Timestamp};
use weir_store::Writer;
use weir_web::{Config, Intake, Keys, Load, NotTaken, Parts, Scopes, Web, bind};

use crate::records::Records;
use crate::scene::Scene;

const KEY: &str = "demo-key";

#[expect(clippy::disallowed_methods, reason = "the demo has no clock module")]
fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(0))
}

/// The demo makes its records itself.
struct Closed;

impl Intake for Closed {
    fn now(&self) -> Timestamp {
        now()
    }

    fn offer(&self, _: Batch) -> Result<(), NotTaken> {
        Err(NotTaken::Stopping)
    }

    fn load(&self) -> Load {
        Load::default()
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let scene = Scene::named(&arguments.next().unwrap_or_else(|| "busy".to_owned()));
    let port: u16 = arguments.next().map_or(Ok(8090), |port| port.parse())?;
    let dir = tempfile::tempdir()?;
    let mut writer = Writer::open(dir.path(), &weir_store::Config::default(), now())?;
    let config = Config { listen: ([127, 0, 0, 1], port).into(), ..Config::default() };
    let mut keys = Keys::new();
    keys.add(KEY, Scopes::ADMIN)?;
    let data_dir = dir.path().to_owned();
    let parts = Parts {
        data_dir,
        keys,
        status: Arc::new(scene),
        intake: Arc::new(Closed),
        exporter: Arc::new(weir_web::NoOutputs),
    };
    let Web { address, guard, workers, .. } = bind(&config, parts)?;
    Builder::new().name("guard".into()).spawn(move || guard.run())?;
    for worker in workers {
        Builder::new().name("web".into()).spawn(move || worker.run())?;
    }
    println!("http://{address}/ with the key {KEY}");
    let mut records = Records::new(scene);
    loop {
        let batch = Batch { records: records.next(now()), handed_over: now(), ..Batch::default() };
        if !batch.records.is_empty() {
            writer.commit(&[batch], now())?;
        }
        std::thread::sleep(Duration::from_millis(1500));
    }
}
