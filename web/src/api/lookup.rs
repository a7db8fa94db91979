//! `POST /v1/lookup`: what is known of an address or a name.

use http::StatusCode;
use serde_json::{Map, Value};

use crate::answer::{Problem, Response, json};
use crate::route::{Call, Context};
use crate::status::{Looked, LookupTarget};

/// Geography, autonomous system, indicators and risk of `ip` or `domain`.
pub(crate) fn lookup(context: &mut Context, call: &Call<'_>) -> Result<Response, Problem> {
    let target = target(call.request.body())?;
    let answer = context.status.lookup(&target);
    Ok(json(&Looked(&target, &answer)))
}

fn target(body: &[u8]) -> Result<LookupTarget, Problem> {
    let value: Value = serde_json::from_slice(body)
        .map_err(|_| bad("invalid_json", "The body must be JSON, for example {\"ip\":\"192.0.2.1\"}"))?;
    let object: &Map<String, Value> =
        value.as_object().ok_or_else(|| bad("bad_request", "The body must be a JSON object"))?;
    match (object.get("ip"), object.get("domain")) {
        (Some(_), Some(_)) => Err(bad("bad_request", "Give either ip or domain")),
        (Some(ip), None) => {
            let ip = ip.as_str().and_then(|text| text.trim().parse().ok());
            ip.map(LookupTarget::Ip).ok_or_else(|| bad("bad_request", "Invalid IP address"))
        }
        (None, Some(name)) => {
            let name = name.as_str().and_then(LookupTarget::domain);
            name.ok_or_else(|| bad("bad_request", "Invalid domain name"))
        }
        (None, None) => Err(bad("bad_request", "IP address required")),
    }
}

fn bad(code: &'static str, detail: &'static str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, code, detail)
}

#[cfg(test)]
mod tests {
    use super::{LookupTarget, target};

    #[test]
    fn an_address_or_a_name_is_taken() {
        assert_eq!(target(br#"{"ip":" 192.0.2.1 "}"#).unwrap(), LookupTarget::Ip([192, 0, 2, 1].into()));
        assert!(matches!(target(br#"{"ip":"2001:db8::1"}"#).unwrap(), LookupTarget::Ip(_)));
        let name = target(br#"{"domain":"Evil-Example.com."}"#).unwrap();
        assert_eq!(name, LookupTarget::Domain("evil-example.com".into()));
    }

    #[test]
    fn anything_else_is_told_what_is_missing() {
        for (body, detail) in [
            ("{}", "IP address required"),
            (r#"{"ip":"999.1.1.1"}"#, "Invalid IP address"),
            (r#"{"ip":7}"#, "Invalid IP address"),
            (r#"{"ip":null}"#, "Invalid IP address"),
            (r#"{"domain":"a b"}"#, "Invalid domain name"),
            (r#"{"domain":"a..b"}"#, "Invalid domain name"),
            (r#"{"ip":"1.2.3.4","domain":"a"}"#, "Give either"),
            ("[]", "JSON object"),
            ("", "must be JSON"),
            ("{", "must be JSON"),
        ] {
            let problem = format!("{:?}", target(body.as_bytes()).unwrap_err());
            assert!(problem.contains(detail), "{body}: {problem}");
        }
        assert!(target(format!("{{\"domain\":\"{}\"}}", "a".repeat(300)).as_bytes()).is_err());
        assert!(target("[".repeat(100_000).as_bytes()).is_err());
    }
}
