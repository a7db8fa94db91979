//! The page: files of `web/assets`, hashed and compressed by `build.rs`.
//!
//! All of them live under one path that names their common hash, so they never change there and imports between
//! modules need no rewriting; only the first page is asked for again.

use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY,
};
use http::{HeaderValue, StatusCode};

use crate::answer::{Body, Problem, Request, Response};
use crate::route::{Call, Context, not_found};

/// A file of the page.
struct Asset {
    name: &'static str,
    content_type: &'static str,
    /// Of the file as it is; `-gzip` is added for the compressed form.
    etag: &'static str,
    plain: &'static [u8],
    gzip: &'static [u8],
}

include!(concat!(env!("OUT_DIR"), "/assets.rs"));

const IMMUTABLE: &str = "public, max-age=31536000, immutable";

/// `GET /`.
pub(crate) fn index(_: &mut Context, call: &Call<'_>) -> Result<Response, Problem> {
    serve(call.request, "index.html", "no-cache")
}

/// `GET /favicon.ico`, which browsers ask for unasked.
pub(crate) fn icon(_: &mut Context, call: &Call<'_>) -> Result<Response, Problem> {
    serve(call.request, "icon.svg", "public, max-age=86400")
}

/// `GET /assets/{version}/{name}`.
pub(crate) fn asset(_: &mut Context, call: &Call<'_>) -> Result<Response, Problem> {
    match call.segments[..] {
        [VERSION, name] => serve(call.request, name, IMMUTABLE),
        _ => Err(not_found()),
    }
}

fn serve(request: &Request, name: &str, cache: &'static str) -> Result<Response, Problem> {
    let asset = ASSETS.iter().find(|asset| asset.name == name).ok_or_else(not_found)?;
    let gzip = takes_gzip(request);
    let etag = if gzip { format!("\"{}-gzip\"", asset.etag) } else { format!("\"{}\"", asset.etag) };
    let known = request.headers().get(IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let fresh = known
        .is_some_and(|known| known.split(',').any(|tag| matches!(tag.trim(), t if t == etag || t == "*")));
    let mut response = Response::new(Body::Static(match (fresh, gzip) {
        (true, _) => b"",
        (false, true) => asset.gzip,
        (false, false) => asset.plain,
    }));
    if fresh {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(asset.content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(cache));
    headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        headers.insert(ETAG, etag);
    }
    if gzip {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    Ok(response)
}

/// RFC 9110 §12.5.3, for the one coding there is.
fn takes_gzip(request: &Request) -> bool {
    let accepted =
        request.headers().get(ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accepted.split(',').any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let refused = weight.trim().strip_prefix("q=").is_some_and(|q| q.parse() == Ok(0.0));
        name.trim().eq_ignore_ascii_case("gzip") && !refused
    })
}

#[cfg(test)]
mod tests {
    use super::{ASSETS, VERSION};

    /// What a browser loads for the first view, compressed.
    const FIRST_VIEW: usize = 40_000;

    #[test]
    fn the_first_view_is_small() {
        let size: usize = ASSETS.iter().map(|asset| asset.gzip.len()).sum();
        assert!(size <= FIRST_VIEW, "{size} octets compressed");
    }

    #[test]
    fn no_file_names_another_site_and_all_imports_exist() {
        for asset in ASSETS {
            let text = std::str::from_utf8(asset.plain).unwrap();
            let foreign = text.replace("http://www.w3.org/2000/svg", "");
            assert!(!foreign.contains("http://") && !foreign.contains("https://"), "{}", asset.name);
            for banned in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("] {
                assert!(!text.contains(banned), "{} has {banned}", asset.name);
            }
            for import in text.split("from \"./").skip(1).filter_map(|rest| rest.split('"').next()) {
                assert!(ASSETS.iter().any(|asset| asset.name == import), "{} imports {import}", asset.name);
            }
        }
    }

    #[test]
    fn the_first_page_names_the_versioned_files() {
        let index = ASSETS.iter().find(|asset| asset.name == "index.html").unwrap();
        let text = std::str::from_utf8(index.plain).unwrap();
        assert!(text.contains(&format!("/assets/{VERSION}/app.js")));
        for path in text.split(&format!("/assets/{VERSION}/")).skip(1) {
            let name = path.split('"').next().unwrap();
            assert!(ASSETS.iter().any(|asset| asset.name == name), "{name}");
        }
    }
}
