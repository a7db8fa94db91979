//! `weir lookup`: what is known of an address or a name.

use std::io::{self, IsTerminal, Write};
use std::net::IpAddr;
use std::sync::Arc;

use weir_web::{LookupAnswer, LookupTarget, lookup_json};

use crate::clock::Clock;
use crate::config::Config;
use crate::error::RunError;
use crate::pipeline::{Enricher, Shared};
use crate::status;

/// How the answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// The object that `POST /v1/lookup` answers.
    Json,
}

/// What `weir lookup` is asked to do.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Address or domain name
    #[arg(value_name = "IP|DOMAIN")]
    target: String,
    /// How the answer is written [default: text on a terminal, else json]
    #[arg(long, value_enum)]
    format: Option<Format>,
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments, config: &Config, clock: Clock) -> Result<(), RunError> {
    let target = target(&arguments.target)?;
    let mut enricher = Enricher::new(Arc::new(Shared::new(super::knowledge(config, None, clock))));
    let answer = status::answer(match &target {
        LookupTarget::Ip(ip) => enricher.lookup_ip(*ip),
        LookupTarget::Domain(name) => enricher.lookup_domain(name),
    });
    let usual = if io::stdout().is_terminal() { Format::Text } else { Format::Json };
    let text = match arguments.format.unwrap_or(usual) {
        Format::Text => in_words(&arguments.target, &answer),
        Format::Json => format!("{}\n", lookup_json(&target, &answer)),
    };
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(RunError::Output(error)),
        _ => Ok(()),
    }
}

fn target(text: &str) -> Result<LookupTarget, RunError> {
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Ok(LookupTarget::Ip(ip));
    }
    LookupTarget::domain(text)
        .ok_or_else(|| RunError::Usage(format!("`{text}` is neither an IP address nor a domain name")))
}

fn in_words(asked: &str, answer: &LookupAnswer) -> String {
    let mut lines = vec![asked.to_owned()];
    let place = answer.place.as_deref();
    if let Some(geo) = place.and_then(|place| place.geo.as_ref()) {
        let known = [&geo.city, &geo.country_name, &geo.country];
        lines.push(format!(
            "  place   {}",
            known.into_iter().flatten().map(AsRef::as_ref).collect::<Vec<_>>().join(", ")
        ));
    }
    if let Some(asn) = place.and_then(|place| place.asn.as_ref()) {
        lines.push(format!("  network AS{} {}", asn.asn, asn.org.as_deref().unwrap_or_default()));
    }
    if place.is_none() {
        lines.push("  place   unknown".to_owned());
    }
    for found in &answer.verdict.matches {
        lines.push(format!(
            "  threat  {} ({}, confidence {}, list {})",
            found.indicator, found.category, found.confidence, found.source
        ));
    }
    let reasons: Vec<_> = answer
        .risk
        .reasons()
        .iter()
        .map(|(reason, points)| format!("{} +{points}", reason.as_str()))
        .collect();
    lines.push(format!("  risk    {} ({})", answer.risk.score(), reasons.join(", ")));
    lines.join("\n") + "\n"
}
