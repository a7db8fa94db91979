//! The parameters of a route that answers from the ring: all of them known, since a misspelt condition that is passed over
//! would answer what nobody asked for.

use std::borrow::Cow;
use std::ops::RangeInclusive;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use weir_flow::Timestamp;
use weir_store::{FILTERS, Order, Query};

use crate::answer::{Problem, Request};
use crate::api::query::{decode, invalid, parse_instant, parse_number};

/// How long a search may take that says nothing of it, milliseconds.
const DEFAULT_TIMEOUT_MS: usize = 5_000;
/// And at most: it holds a worker meanwhile.
const TIMEOUT_MS: RangeInclusive<usize> = 1..=10_000;
/// Characters of an unknown name that are repeated to its sender.
const MAX_ECHO: usize = 64;

/// The range of time that every such route knows.
const RANGE: [&str; 2] = ["from", "to"];

/// What a request's query says.
pub(crate) struct Parameters<'a> {
    pairs: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

impl<'a> Parameters<'a> {
    /// The parameters of `request`, each of which is a condition, a bound of the range, or one of `known`.
    pub(crate) fn of(request: &'a Request, known: &[&str]) -> Result<Self, Problem> {
        let mut pairs: Vec<(Cow<'a, str>, Cow<'a, str>)> = Vec::new();
        let query = request.uri().query().unwrap_or_default();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let unreadable = || invalid("The query is not percent-encoded UTF-8".to_owned());
            let name = decode(name).ok_or_else(unreadable)?;
            let value = decode(value).ok_or_else(unreadable)?;
            if !is_filter(&name) {
                if !RANGE.iter().chain(known).any(|known| *known == name) {
                    return Err(unknown(&name, known));
                }
                if pairs.iter().any(|(other, _)| *other == name) {
                    return Err(invalid(format!("{name} must come once")));
                }
            }
            pairs.push((name, value));
        }
        Ok(Self { pairs })
    }

    /// Refuses every parameter, for a route that knows none.
    pub(crate) fn none(request: &Request) -> Result<(), Problem> {
        match request.uri().query() {
            None | Some("") => Ok(()),
            Some(_) => Err(invalid("This route takes no parameters".to_owned())),
        }
    }

    /// The value of a parameter that comes once.
    pub(crate) fn one(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find_map(|(own, value)| (own == name).then_some(value.as_ref()))
    }

    /// A number of `range`, or `default`.
    pub(crate) fn number(
        &self,
        name: &str,
        range: RangeInclusive<usize>,
        default: usize,
    ) -> Result<usize, Problem> {
        self.one(name).map_or(Ok(default), |text| parse_number(name, text, range))
    }

    /// An instant.
    pub(crate) fn instant(&self, name: &str) -> Result<Option<Timestamp>, Problem> {
        self.one(name).map(|text| parse_instant(name, text)).transpose()
    }

    /// `true` or `false`; false where nothing is said.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, Problem> {
        match self.one(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(invalid(format!("{name} must be true or false"))),
        }
    }

    /// One of `choices`; none where nothing is said.
    pub(crate) fn choice<T: Copy>(&self, name: &str, choices: &[(&str, T)]) -> Result<Option<T>, Problem> {
        let Some(text) = self.one(name) else { return Ok(None) };
        let chosen = choices.iter().find(|(choice, _)| *choice == text);
        chosen.map(|&(_, value)| Some(value)).ok_or_else(|| {
            let names: Vec<_> = choices.iter().map(|&(choice, _)| choice).collect();
            invalid(format!("{name} must be one of {}", names.join(", ")))
        })
    }

    /// `order`, which is the newest first where nothing is said.
    pub(crate) fn order(&self) -> Result<Order, Problem> {
        let orders = [("desc", Order::NewestFirst), ("asc", Order::OldestFirst)];
        Ok(self.choice("order", &orders)?.unwrap_or_default())
    }

    /// `timeout_ms`.
    pub(crate) fn timeout(&self) -> Result<Duration, Problem> {
        let millis = self.number("timeout_ms", TIMEOUT_MS, DEFAULT_TIMEOUT_MS)?;
        Ok(Duration::from_millis(millis as u64))
    }

    /// The bounds of the range, in order.
    pub(crate) fn range(&self) -> Result<(Option<Timestamp>, Option<Timestamp>), Problem> {
        let (from, to) = (self.instant("from")?, self.instant("to")?);
        if from.zip(to).is_some_and(|(from, to)| from > to) {
            return Err(invalid("from must not be later than to".to_owned()));
        }
        Ok((from, to))
    }

    /// The conditions, without the range.
    pub(crate) fn conditions(&self) -> Result<Query, Problem> {
        let mut query = Query::default();
        for (name, value) in self.pairs.iter().filter(|(name, _)| is_filter(name)) {
            query.set(name, value).map_err(|bad| invalid(bad.to_string()))?;
        }
        Ok(query)
    }

    /// The conditions, of flows that started in the range.
    pub(crate) fn query(&self) -> Result<Query, Problem> {
        let (from, to) = self.range()?;
        Ok(Query { from, to, ..self.conditions()? })
    }

    /// What tells this query's conditions and range from those of others, whatever order they come in.
    pub(crate) fn fingerprint(&self) -> [u8; 8] {
        let is_part = |name: &str| is_filter(name) || RANGE.contains(&name);
        let mut parts: Vec<_> = self.pairs.iter().filter(|(name, _)| is_part(name)).collect();
        parts.sort();
        let mut hash = Sha256::new();
        for (name, value) in parts {
            for text in [name, value] {
                hash.update((text.len() as u64).to_le_bytes());
                hash.update(text.as_bytes());
            }
        }
        let mut first = [0; 8];
        first.iter_mut().zip(hash.finalize()).for_each(|(octet, hashed)| *octet = hashed);
        first
    }
}

fn is_filter(name: &str) -> bool {
    FILTERS.iter().any(|(filter, _)| *filter == name)
}

fn unknown(name: &str, known: &[&str]) -> Problem {
    let name: String = name.chars().take(MAX_ECHO).collect();
    let all: Vec<_> =
        RANGE.iter().chain(known).copied().chain(FILTERS.iter().map(|(filter, _)| *filter)).collect();
    invalid(format!("There is no parameter {name:?}; known are {}", all.join(", "))).with("known", all)
}

#[cfg(test)]
mod tests {
    use super::Parameters;
    use crate::answer::Request;

    fn request(query: &str) -> Request {
        let mut request = Request::new(Vec::new());
        *request.uri_mut() = format!("/x?{query}").parse().unwrap();
        request
    }

    fn detail(query: &str) -> String {
        let request = request(query);
        let read = Parameters::of(&request, &["limit"]).and_then(|read| read.query().map(drop));
        format!("{:?}", read.expect_err(query))
    }

    #[test]
    fn conditions_may_come_several_times_and_with_commas_and_everything_else_once() {
        let request = request("&ip=192.0.2.1&ip=198.51.100.0/24,2001:db8::/32&from=1&limit=5&&");
        let read = Parameters::of(&request, &["limit"]).unwrap();
        assert_eq!(read.query().unwrap().ip.len(), 3);
        assert_eq!(read.number("limit", 1..=9, 1).unwrap(), 5);
        assert!(detail("limit=5&limit=6").contains("limit must come once"));
        assert!(detail("from=1&from=1").contains("from must come once"));
    }

    #[test]
    fn what_is_misspelt_is_refused_with_the_names_that_are_known() {
        let text = detail("scr_ip=192.0.2.1");
        for name in ["scr_ip", "src_ip", "from", "to", "limit", "min_risk"] {
            assert!(text.contains(name), "{name}: {text}");
        }
        assert!(detail("ip=somewhere").contains("CIDR"));
        assert!(detail("ip=%ff").contains("UTF-8"));
        assert!(detail("from=2&to=1").contains("from must not be later than to"));
        assert!(detail(&"x".repeat(1_000)).len() < 1_000);
    }

    #[test]
    fn a_fingerprint_is_of_the_conditions_and_of_nothing_else() {
        let of = |query: &str| {
            let request = request(query);
            Parameters::of(&request, &["limit", "cursor"]).unwrap().fingerprint()
        };
        assert_eq!(of("ip=192.0.2.1&port=53&limit=1"), of("port=53&cursor=x&ip=192.0.2.1"));
        let different = ["", "port=53", "port=5&port=3", "src_port=53", "from=53", "to=53", "port=54"];
        for (at, one) in different.iter().enumerate() {
            for other in &different[at + 1..] {
                assert_ne!(of(one), of(other), "{one} and {other}");
            }
        }
    }
}
