use std::sync::Arc;

use http::{HeaderName, HeaderValue, Method};
use serde_json::Value;

use super::{Access, Context, ROUTES, answer, segments};
use crate::answer::{Request, Response};
use crate::auth::Scope;
use crate::testing::{self, Kept};

fn context() -> Context {
    testing::context(&std::env::temp_dir().join("weir-web-no-such-ring"), Arc::<Kept>::default())
}

fn request(method: &Method, path: &str, key: Option<&str>) -> Request {
    let mut request = Request::new(br#"{"ip":"192.0.2.1"}"#.to_vec());
    *request.method_mut() = method.clone();
    *request.uri_mut() = path.parse().unwrap();
    if let Some(key) = key {
        let name = HeaderName::from_static("x-api-key");
        request.headers_mut().insert(name, HeaderValue::from_str(key).unwrap());
    }
    request
}

fn ask(method: &Method, path: &str, key: Option<&str>) -> Response {
    answer(&mut context(), &request(method, path, key))
}

fn body(response: &Response) -> Value {
    serde_json::from_slice(response.body().as_ref()).unwrap()
}

#[test]
fn every_route_lets_in_whom_its_access_names_and_nobody_else() {
    for route in ROUTES {
        let path = route.path.replace("{version}", "v").replace("{name}", "n").replace("{id}", "i");
        let status = |key: Option<&str>| ask(&route.method, &path, key).status().as_u16();
        let denied = |status: u16| status == 401 || status == 403;
        assert_eq!(status(None) == 401, route.access != Access::Public, "{path} without key");
        assert_eq!(status(Some("wrong")) == 401, route.access != Access::Public, "{path} with a wrong key");
        assert!(!denied(status(Some("admin"))), "{path} for admin");
        for scope in Scope::ALL {
            let fits = match route.access {
                Access::Public | Access::AnyKey => true,
                Access::OneOf(scopes) => scope == Scope::Admin || scopes.contains(&scope),
            };
            let status = status(Some(&format!("key-{}", scope.as_str())));
            assert_eq!(denied(status), !fits, "{path} with {}: {status}", scope.as_str());
        }
    }
}

#[test]
fn a_refusal_says_why_in_the_common_shape() {
    let missing = ask(&Method::GET, "/v1/metrics", None);
    assert_eq!(missing.headers()["www-authenticate"], "Bearer realm=\"weir\"");
    assert_eq!(
        (body(&missing)["error"].as_str(), body(&missing)["detail"].as_str()),
        (Some("unauthorized"), Some("Missing bearer token"))
    );
    let wrong = body(&ask(&Method::GET, "/v1/metrics", Some("nope")));
    assert_eq!(wrong["detail"], "Invalid API key");
    assert!(wrong["trace_id"].as_str().is_some_and(|id| id.len() == 32));
    let scope = body(&ask(&Method::GET, "/v1/metrics", Some("key-ingest")));
    assert_eq!(
        (scope["error"].as_str(), scope["detail"].as_str()),
        (Some("forbidden"), Some("Insufficient permissions - requires 'read_metrics' scope"))
    );
}

#[test]
fn unknown_paths_and_wrong_methods_are_told_apart() {
    for path in ["/nothing", "/v1/health/", "/v1", "/assets/x", "/assets/x/app.js", "/../etc/passwd"] {
        let response = ask(&Method::GET, path, Some("admin"));
        assert_eq!(response.status(), 404, "{path}");
        assert_eq!(body(&response)["error"], "not_found");
    }
    let response = ask(&Method::DELETE, "/v1/health", None);
    assert_eq!(
        (response.status().as_u16(), response.headers()["allow"].to_str().unwrap()),
        (405, "GET, HEAD")
    );
    let response = ask(&Method::GET, "/v1/lookup", Some("admin"));
    assert_eq!((response.status().as_u16(), response.headers()["allow"].to_str().unwrap()), (405, "POST"));
}

#[test]
fn health_has_what_the_former_service_answered() {
    for path in ["/health", "/v1/health", "/v1/healthz"] {
        let health = body(&ask(&Method::GET, path, None));
        assert_eq!((health["status"].as_str(), health["version"].as_str()), (Some("ok"), Some("v1")));
    }
}

#[test]
fn metrics_have_the_names_of_the_contract() {
    let metrics = body(&ask(&Method::GET, "/v1/metrics", Some("admin")));
    for path in [
        "/requests_total",
        "/requests_failed",
        "/records_processed",
        "/queue_depth",
        "/records_queued",
        "/eps",
        "/batches",
        "/totals/events",
        "/totals/batches",
        "/totals/threat_matches",
        "/totals/unique_sources",
        "/totals/risk_sum",
        "/totals/risk_count",
        "/rates/eps_1m",
        "/rates/epm_1m",
        "/rates/bpm_1m",
        "/queue/lag_ms_p50",
        "/queue/lag_ms_p95",
        "/queue/lag_ms_p99",
        "/timeseries/last_5m/eps",
        "/timeseries/last_5m/bpm",
        "/timeseries/last_5m/bps",
        "/timeseries/last_5m/threats",
        "/timeseries/last_5m/avg_risk",
        "/timeseries/last_5m/drops",
        "/capture/packets",
        "/capture/dropped",
        "/capture/interfaces",
        "/collect/datagrams",
        "/collect/octets",
        "/collect/records",
        "/collect/undecodable",
        "/collect/kernel_drops",
        "/collect/exporters",
        "/store/rows",
        "/store/bytes",
        "/store/oldest_ts",
        "/dead_letters/total",
        "/dead_letters/bytes",
        "/dead_letters/oldest_ts",
        "/dead_letters/added",
        "/dead_letters/replayed",
        "/dead_letters/expired",
        "/process/rss_bytes",
        "/process/cpu_pct",
        "/memory/anon_bytes",
        "/losses",
        "/table/evicted",
        "/http_admitted_total",
        "/http_dropped_total",
        "/ingest_reject_total",
        "/ingest/batches",
        "/ingest/batches_replayed",
        "/ingest/records_accepted",
        "/ingest/records_rejected",
        "/ingest/octets",
        "/ingest/queue_records",
        "/ingest/queue_bound",
    ] {
        assert!(metrics.pointer(path).is_some(), "{path}");
    }
    assert!(metrics.get("uplink").is_none());
}

#[test]
fn sources_may_be_read_with_either_reading_scope() {
    for key in ["admin", "key-read_metrics", "key-read_requests"] {
        let answer = ask(&Method::GET, "/v1/sources", Some(key));
        assert_eq!((answer.status().as_u16(), body(&answer)["total"].as_u64()), (200, Some(0)), "{key}");
        assert_eq!(ask(&Method::GET, "/v1/sources/udp-192.0.2.1", Some(key)).status(), 404, "{key}");
    }
    for key in ["key-ingest", "key-export", "key-manage_indicators"] {
        assert_eq!(ask(&Method::GET, "/v1/sources", Some(key)).status(), 403, "{key}");
    }
    assert_eq!(ask(&Method::POST, "/v1/sources", Some("admin")).status(), 405);
}

#[test]
fn wrong_parameters_are_refused() {
    for query in [
        "limit=0",
        "limit=1001",
        "limit=x",
        "order=up",
        "offset=-1",
        "offset=x",
        "after=x",
        "before=yesterday",
        "after=",
        "before=2026-13-01T00:00:00Z",
    ] {
        let response = ask(&Method::GET, &format!("/v1/events/recent?{query}"), Some("admin"));
        assert_eq!(
            (response.status().as_u16(), body(&response)["error"].as_str().unwrap()),
            (422, "validation_failed"),
            "{query}"
        );
        let name = query.split('=').next().unwrap();
        assert!(body(&response)["detail"].as_str().unwrap().starts_with(name), "{query}");
    }
}

#[test]
fn schemas_are_listed_and_every_listed_one_is_served() {
    let list = body(&ask(&Method::GET, "/v1/schema", Some("key-export")));
    assert_eq!(list["enriched_schema"], "enriched.v1.schema.json");
    let inputs = list["input_schemas"].as_object().unwrap();
    assert!(inputs.contains_key("flows.v1") && inputs.contains_key("zeek.conn.v1"));
    for name in inputs.values().chain([&list["enriched_schema"]]) {
        let path = format!("/v1/schema/{}", name.as_str().unwrap());
        let answer = ask(&Method::GET, &path, Some("key-export"));
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["content-type"]),
            (200, &HeaderValue::from_static("application/schema+json"))
        );
        let schema = body(&answer);
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
        assert_eq!(&schema["$id"], name);
    }
    assert_eq!(ask(&Method::GET, "/v1/schema/nothing.json", Some("admin")).status(), 404);
    assert_eq!(ask(&Method::GET, "/v1/schema", None).status(), 401);
}

#[test]
fn without_a_ring_recent_events_are_unavailable_and_say_so() {
    let response = ask(&Method::GET, "/v1/events/recent", Some("admin"));
    assert_eq!(
        (response.status().as_u16(), body(&response)["error"].as_str().unwrap()),
        (503, "store_unavailable")
    );
    let detail = body(&response)["detail"].as_str().unwrap().to_owned();
    assert!(!detail.contains('/') && detail.contains("trace id"), "no path is told: {detail}");
}

#[test]
fn the_page_is_served_compressed_cached_and_checked() {
    let mut first = request(&Method::GET, "/", None);
    first.headers_mut().insert("accept-encoding", HeaderValue::from_static("br, GZIP;q=0.5"));
    let page = answer(&mut context(), &first);
    assert_eq!(
        (page.status().as_u16(), &page.headers()["content-encoding"]),
        (200, &HeaderValue::from_static("gzip"))
    );
    assert_eq!(page.headers()["cache-control"], "no-cache");
    first.headers_mut().insert("if-none-match", page.headers()["etag"].clone());
    let again = answer(&mut context(), &first);
    assert_eq!((again.status().as_u16(), again.body().as_ref().len()), (304, 0));
    first.headers_mut().insert("accept-encoding", HeaderValue::from_static("gzip;q=0"));
    let plain = answer(&mut context(), &first);
    assert_eq!(plain.status(), 200, "the plain form has a tag of its own");
    assert!(plain.headers().get("content-encoding").is_none());
    let text = std::str::from_utf8(plain.body().as_ref()).unwrap();
    let script = text.split('"').find(|part| part.ends_with("/app.js")).unwrap();
    let asset = ask(&Method::GET, script, None);
    assert_eq!(
        (asset.status().as_u16(), asset.headers()["cache-control"].to_str().unwrap()),
        (200, "public, max-age=31536000, immutable")
    );
}

#[test]
fn patterns_match_whole_segments() {
    assert_eq!(segments("/a/{x}/c", "/a/b/c"), Some(vec!["b"]));
    assert_eq!(segments("/a/{x}", "/a/"), None);
    assert_eq!(segments("/a/{x}", "/a/b/c"), None);
    assert_eq!(segments("/", "/"), Some(vec![]));
}
