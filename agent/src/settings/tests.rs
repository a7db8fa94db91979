use std::net::IpAddr;

use proptest::prelude::*;
use serde::Deserialize;

use super::{Layer, Loaded, MAX_BYTES, MAX_PROBLEMS, Problem, load, load_layers};

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    capture: Capture,
    netflow: Netflow,
    uplink: Uplink,
    rules: Vec<Rule>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
struct Capture {
    interfaces: Vec<String>,
    snaplen: Snaplen,
    promiscuous: bool,
    idle_timeout_seconds: u32,
    local: Vec<IpAddr>,
    workers: Vec<Workers>,
    mode: Mode,
}

impl Default for Capture {
    fn default() -> Self {
        Self {
            interfaces: Vec::new(),
            snaplen: Snaplen(2048),
            promiscuous: true,
            idle_timeout_seconds: 60,
            local: Vec::new(),
            workers: Vec::new(),
            mode: Mode::Ring,
        }
    }
}

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
struct Netflow {
    port: u16,
    exporters: Vec<u16>,
}

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
struct Uplink {
    mqtt: Mqtt,
    token: String,
}

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
struct Mqtt {
    host: String,
    ratio: f64,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Rule {
    name: String,
    points: u8,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(try_from = "u32")]
struct Snaplen(u32);

impl TryFrom<u32> for Snaplen {
    type Error = String;
    fn try_from(octets: u32) -> Result<Self, String> {
        match octets {
            64..=262_144 => Ok(Self(octets)),
            0..64 => Err(format!("{octets} is below 64; choose 64 to 262144")),
            _ => Err(format!("{octets} is above 262144; choose 64 to 262144")),
        }
    }
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(try_from = "u8")]
struct Workers(u8);

impl TryFrom<u8> for Workers {
    type Error = String;
    fn try_from(count: u8) -> Result<Self, String> {
        if (1..=16).contains(&count) { Ok(Self(count)) } else { Err(format!("{count} is not 1 to 16")) }
    }
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Mode {
    Ring,
    Pnet,
}

const ALIASES: &[(&str, &str)] = &[("OLD_PORT", "netflow.port"), ("NEW_PORT", "netflow.port")];

fn read(text: &str, environment: &[(&str, &str)]) -> Result<Loaded<Settings>, Vec<Problem>> {
    let environment: Vec<_> = environment.iter().map(|&(n, v)| (n.to_owned(), v.to_owned())).collect();
    load(text, "weir.toml", &environment, ALIASES)
}

fn told(text: &str, environment: &[(&str, &str)]) -> Vec<String> {
    read(text, environment).expect_err("must be refused").iter().map(ToString::to_string).collect()
}

#[test]
fn nothing_gives_the_defaults() {
    let loaded = read("", &[]).unwrap();
    assert_eq!(loaded.value, Settings::default());
    assert!(loaded.warnings.is_empty() && loaded.overridden.is_empty());
}

#[test]
fn three_mistakes_are_three_problems_with_their_lines() {
    let text = "[capture]\nsnaplen = 99999999\ninterfaces = \"eth0\"\n\n[netflow]\nprot = 2055\n";
    assert_eq!(
        told(text, &[]),
        [
            "weir.toml:2: capture.snaplen: 99999999 is above 262144; choose 64 to 262144",
            "weir.toml:3: capture.interfaces: must be a list, not the text \"eth0\"",
            "weir.toml:6: netflow.prot: unknown key; did you mean `port`?",
        ]
    );
}

#[test]
fn every_kind_of_mistake_has_its_line_and_says_what_is_allowed() {
    let text = "\
[capture]
promiscuous = \"yes\"
idle_timeout_seconds = -1
mode = \"fast\"
local = [\"10.0.0.1\",
  \"bogus\", \"::1\",
  7]
workers = [1, 40, 2, 99]
[captur]
x = 1
[uplink.mqtt]
host = 5
port = 1883
[[rules]]
name = \"a\"
points = 300
[[rules]]
name = \"b\"
[[rules]]
points = 1
nmae = \"c\"
";
    assert_eq!(
        told(text, &[]),
        [
            "weir.toml:2: capture.promiscuous: must be true or false, not the text \"yes\"",
            "weir.toml:3: capture.idle_timeout_seconds: must be a whole number from 0 to 4294967295, not -1",
            "weir.toml:4: capture.mode: `fast` is unknown; choose `ring` or `pnet`",
            "weir.toml:6: capture.local: invalid IP address syntax",
            "weir.toml:7: capture.local: must be IP address, not 7",
            "weir.toml:8: capture.workers: 40 is not 1 to 16",
            "weir.toml:8: capture.workers: 99 is not 1 to 16",
            "weir.toml:9: captur: unknown section; did you mean `capture`?",
            "weir.toml:12: uplink.mqtt.host: must be a text in quotes, not 5",
            "weir.toml:13: uplink.mqtt.port: unknown key; known are host, ratio",
            "weir.toml:16: rules.points: must be a whole number from 0 to 255, not 300",
            "weir.toml:17: rules.points: is missing; it has no default",
            "weir.toml:19: rules.name: is missing; it has no default",
            "weir.toml:21: rules.nmae: unknown key; did you mean `name`?",
        ]
    );
}

#[test]
fn bad_syntax_is_told_with_line_and_column_beside_the_rest() {
    let problems = told("[capture]\nsnaplen = 1\nmode = \"ring\npromiscuous = 3\n", &[]);
    assert_eq!(problems.len(), 3, "{problems:#?}");
    assert!(problems[0].starts_with("weir.toml:2: capture.snaplen: 1 is below 64"), "{problems:#?}");
    assert!(problems[1].starts_with("weir.toml:3:13: "), "{problems:#?}");
    assert!(problems[2].starts_with("weir.toml:4: capture.promiscuous: must be true"), "{problems:#?}");
    let twice = told("[capture]\nsnaplen = 64\nsnaplen = 65\n", &[]);
    assert!(twice.len() == 1 && twice[0].starts_with("weir.toml:3:1: "), "{twice:#?}");
}

#[test]
fn a_value_where_a_section_belongs_is_told_once() {
    let problems = told("capture = 5\n", &[("WEIR_CAPTURE_SNAPLEN", "128")]);
    assert_eq!(problems, ["weir.toml:1: capture: must be a section, not 5"]);
}

#[test]
fn a_variable_wins_over_the_file_and_the_last_alias_over_the_first() {
    let text = "[netflow]\nport = 1\n[capture]\nsnaplen = 10\n";
    let environment = [
        ("WEIR_CAPTURE_SNAPLEN", "128"),
        ("WEIR_CAPTURE_IDLE_TIMEOUT_SECONDS", "30"),
        ("WEIR_CAPTURE_INTERFACES", "eth0, eth1"),
        ("WEIR_CAPTURE_PROMISCUOUS", "off"),
        ("WEIR_NETFLOW_EXPORTERS", "1,2"),
        ("WEIR_UPLINK_MQTT_HOST", "10"),
        ("WEIR_UPLINK_MQTT_RATIO", "0.5"),
        ("NEW_PORT", "3"),
        ("OLD_PORT", "2"),
        ("WEIR_CAPTURE_MODE", ""),
    ];
    let loaded = read(text, &environment).unwrap();
    let settings = loaded.value;
    assert_eq!(settings.capture.snaplen, Snaplen(128));
    assert_eq!(settings.capture.idle_timeout_seconds, 30);
    assert_eq!(settings.capture.interfaces, ["eth0", "eth1"]);
    assert!(!settings.capture.promiscuous);
    assert_eq!(settings.capture.mode, Mode::Ring);
    assert_eq!(settings.netflow, Netflow { port: 3, exporters: vec![1, 2] });
    assert_eq!(settings.uplink.mqtt, Mqtt { host: "10".into(), ratio: 0.5 });
    assert!(loaded.overridden.contains(&("capture.snaplen".to_owned(), "WEIR_CAPTURE_SNAPLEN".to_owned())));
    let both = read(text, &[("WEIR_CAPTURE_SNAPLEN", "128"), ("WEIR_NETFLOW_PORT", "4"), ("NEW_PORT", "3")]);
    assert_eq!(both.unwrap().value.netflow.port, 4);
}

#[test]
fn a_bad_variable_is_named_and_has_no_line() {
    let text = "[capture]\nsnaplen = 64\n[netflow]\nport = 1\n";
    let problems = told(text, &[("WEIR_CAPTURE_SNAPLEN", "1"), ("OLD_PORT", "many")]);
    assert_eq!(
        problems,
        [
            "WEIR_CAPTURE_SNAPLEN: capture.snaplen: 1 is below 64; choose 64 to 262144",
            "OLD_PORT: netflow.port: must be a whole number from 0 to 65535, not the text \"many\"",
        ]
    );
}

#[test]
fn a_variable_of_a_known_section_that_is_no_key_is_a_warning() {
    let environment = [
        ("WEIR_CAPTURE_SNAPLENN", "1"),
        ("WEIR_CORPORA", "/x"),
        ("WEIR_DATA_DIR", "/x"),
        ("WEIR_LOG", "debug"),
        ("WEIR_LOG_FORMAT", "text"),
        ("HOME", "/root"),
    ];
    let loaded = read("", &environment).unwrap();
    let hint = "WEIR_CAPTURE_SNAPLENN: section [capture] has no such key; did you mean WEIR_CAPTURE_SNAPLEN?";
    assert_eq!(loaded.warnings, [hint]);
}

#[test]
fn a_secret_is_not_told() {
    let problems = told("[uplink]\ntoken = 12345\n", &[]);
    assert_eq!(problems, ["weir.toml:2: uplink.token: must be a text in quotes (the value is not shown)"]);
}

#[test]
fn text_from_the_file_cannot_forge_lines() {
    let problems = told("\"a\\nb\\u001b[2J\" = 1\n", &[]);
    assert_eq!(problems.len(), 1);
    assert!(problems[0].starts_with("weir.toml:1: a\\nb\\u{1b}[2J: unknown key"), "{problems:#?}");
}

#[test]
fn what_is_no_configuration_is_told_in_few_lines() {
    let huge = "x".repeat(MAX_BYTES + 1);
    assert_eq!(told(&huge, &[]).len(), 1);
    let many: String = (0..500).map(|n| format!("k{n} = 1\n")).collect();
    assert_eq!(told(&many, &[]).len(), MAX_PROBLEMS);
}

proptest! {
    #[test]
    fn any_text_ends_with_settings_or_problems(text in "(\\[\\[?[a-z]{1,7}(\\.mqtt)?\\]\\]?\n|(snaplen|name|capture|port|rules|token) ?= ?[0-9\"\\[\\]{}a-z,. ]{0,12}\n|\\PC{0,10}\n){0,12}") {
        if let Err(problems) = read(&text, &[("WEIR_CAPTURE_SNAPLEN", "100")]) {
            prop_assert!(!problems.is_empty());
            let lines = text.lines().count() + 1;
            prop_assert!(problems.iter().all(|problem| problem.line.is_none_or(|line| (1..=lines).contains(&line))));
        }
    }

    #[test]
    fn any_texts_laid_over_each_other_end_with_settings_or_problems_of_one_of_them(
        texts in proptest::collection::vec("(\\[\\[?(capture|netflow|uplink|rules)\\]\\]?\n|(snaplen|port|rules|capture|token) ?= ?[0-9\"\\[\\]{}a-z, ]{0,6}\n|\\PC{0,5}\n){0,8}", 1..4),
    ) {
        let layers: Vec<_> = texts.iter().enumerate().map(|(at, text)| Layer::new(&at.to_string(), text)).collect();
        match load_layers::<Settings>(&layers, &[], ALIASES) {
            Ok(loaded) => {
                let text = loaded.effective.expect("no number is that large");
                prop_assert_eq!(load::<Settings>(&text, "effective", &[], ALIASES).unwrap().value, loaded.value);
            }
            Err(problems) => for problem in problems {
                let lines = texts[problem.origin.parse::<usize>().unwrap()].lines().count() + 1;
                prop_assert!(problem.line.is_none_or(|line| (1..=lines).contains(&line)), "{}", problem);
            }
        }
    }

    /// Mistakes put on known lines among good ones are the ones that are told.
    #[test]
    fn each_mistake_is_told_on_its_line(bad in proptest::collection::vec(any::<bool>(), 1..30)) {
        let mut text = String::new();
        let mut expected = Vec::new();
        for (at, &bad) in bad.iter().enumerate() {
            if bad {
                expected.push(Some(3 * at + 2));
            }
            text.push_str(&format!("[[rules]]\nname = {}\npoints = 1\n", if bad { "1" } else { "\"x\"" }));
        }
        let lines: Vec<_> = match read(&text, &[]) {
            Ok(_) => Vec::new(),
            Err(problems) => problems.iter().map(|problem| problem.line).collect(),
        };
        prop_assert_eq!(lines, expected);
    }
}

#[test]
fn depth_without_end_is_refused_and_not_followed() {
    let depth = 300_000;
    let lists = format!("rules = {}", "[".repeat(depth));
    let tables = format!("rules = {}", "{a=".repeat(depth));
    let keys = format!("{} = 1", vec!["a"; depth].join("."));
    let headers = format!("[{}]", vec!["a"; depth].join("."));
    for text in [lists, tables, keys, headers] {
        assert!(!told(&text, &[]).is_empty());
    }
}
