//! An agent that has seen nothing, for tests.

use std::borrow::Cow;
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::{Arc, Mutex};

use http::HeaderMap;
use weir_flow::{Batch, Source, TenantId, Timestamp};
use weir_intake::Reader;

use crate::answer::Request;
use crate::downloads::Downloads;
use crate::ledger::Ledger;
use crate::route::{Context, answer};
use crate::rows::Rows;
use crate::{
    Condition, Counters, Exported, Exporter, Health, Intake, Keys, Load, LookupAnswer, LookupTarget, Metrics,
    NotExported, NotTaken, Parts, Preset, Scope, Scopes, Sources, Status, Tested, Version,
};

/// Takes everything and keeps it; or nothing, once told so.
#[derive(Default)]
pub(crate) struct Kept {
    pub(crate) batches: Mutex<Vec<Batch>>,
    pub(crate) refuse: Mutex<Option<NotTaken>>,
}

impl Intake for Kept {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_790_000_000_000)
    }

    fn offer(&self, batch: Batch) -> Result<(), NotTaken> {
        if let Some(refusal) = *self.refuse.lock().unwrap() {
            return Err(refusal);
        }
        self.batches.lock().unwrap().push(batch);
        Ok(())
    }

    fn load(&self) -> Load {
        Load { records: 0, bound: 10_000 }
    }
}

/// Comes to what it was told that an export comes to.
#[derive(Default)]
pub(crate) struct Sends {
    pub(crate) outcome: Mutex<Option<Result<Exported, NotExported>>>,
    pub(crate) preset: Preset,
}

impl Exporter for Sends {
    fn preset(&self) -> Preset {
        self.preset.clone()
    }

    fn export(&self, _: &TenantId) -> Result<Exported, NotExported> {
        self.outcome.lock().unwrap().clone().unwrap_or(Err(NotExported::NotConfigured))
    }

    fn replay(&self, tenant: &TenantId, _: RangeInclusive<u64>) -> Result<Exported, NotExported> {
        self.export(tenant)
    }

    fn test(&self) -> Result<Tested, NotExported> {
        Err(NotExported::NotConfigured)
    }
}

/// What handlers work with, over the store in `dir`; `admin` and `key-<scope>` are let in.
pub(crate) fn context(dir: &Path, intake: Arc<dyn Intake>) -> Context {
    let mut keys = Keys::new();
    keys.add("admin", Scopes::ADMIN).unwrap();
    for scope in Scope::ALL {
        keys.add(&format!("key-{}", scope.as_str()), [scope].into_iter().collect()).unwrap();
    }
    Context {
        keys: Arc::new(keys),
        status: Arc::new(Quiet),
        counters: Arc::new(Counters::default()),
        rows: Rows::new(dir.to_owned()),
        ledger: Ledger::new(dir.to_owned()),
        intake,
        exporter: Arc::<Sends>::default(),
        workers: 2,
        reader: Reader::new(Source::Api),
        receipts: Arc::default(),
        downloads: Downloads::new(2),
    }
}

/// What `key` gets for a request; `tenant` is named in the header.
pub(crate) fn ask(
    context: &mut Context,
    (method, path): (&str, &str),
    (key, tenant): (&str, Option<&str>),
    body: &str,
) -> (u16, serde_json::Value, HeaderMap) {
    let mut request = Request::new(body.as_bytes().to_vec());
    *request.method_mut() = method.parse().unwrap();
    *request.uri_mut() = path.parse().unwrap();
    request.headers_mut().insert("x-api-key", key.parse().unwrap());
    if let Some(tenant) = tenant {
        request.headers_mut().insert("x-tenant-id", tenant.parse().unwrap());
    }
    let response = answer(context, &request);
    let text = response.body().as_ref();
    let json = serde_json::from_slice(text).unwrap_or_else(|_| String::from_utf8_lossy(text).into());
    (response.status().as_u16(), json, response.headers().clone())
}

/// A web side in `dir` that lets nobody in.
pub(crate) fn parts(dir: &Path) -> Parts {
    Parts {
        data_dir: dir.to_owned(),
        keys: Keys::new(),
        status: Arc::new(Quiet),
        intake: Arc::<Kept>::default(),
        exporter: Arc::<Sends>::default(),
    }
}

/// Answers with empty values.
pub(crate) struct Quiet;

impl Status for Quiet {
    fn health(&self) -> Health {
        let service = Cow::Borrowed("telemetry-api");
        Health { status: Condition::Ok, service, version: "v1".into(), uptime_seconds: 1, parts: Vec::new() }
    }

    fn version(&self) -> Version {
        Version { api_version: "v1".into(), ..Version::default() }
    }

    fn metrics(&self) -> Metrics {
        Metrics::default()
    }

    fn sources(&self) -> Sources {
        Sources::default()
    }

    fn lookup(&self, _: &LookupTarget) -> LookupAnswer {
        LookupAnswer::default()
    }
}
