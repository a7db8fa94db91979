//! Values of TSV by the types that its header names.

use serde_json::Value;

use super::escape::unescaped;
use super::number::number;

/// A column's type (docs.zeek.org, "Types").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Type {
    /// A set, a vector or a table of it.
    list: bool,
    scalar: Scalar,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Scalar {
    Bool,
    Number,
    #[default]
    Text,
}

/// What a log writes for lists and for nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Marks {
    /// Between the members of a list.
    pub(super) set_separator: String,
    /// A list without members, or an empty string.
    pub(super) empty: String,
    /// No value.
    pub(super) unset: String,
}

impl Type {
    /// The type of that name, as `#types` has it: `count`, `set[string]`.
    pub(super) fn named(name: &str) -> Self {
        let inner = ["set[", "vector[", "table["].iter().find_map(|outer| name.strip_prefix(outer));
        match inner {
            Some(inner) => {
                Self { list: true, scalar: Scalar::named(inner.strip_suffix(']').unwrap_or(inner)) }
            }
            None => Self { list: false, scalar: Scalar::named(name) },
        }
    }

    /// The value of a column that is set.
    pub(super) fn value(self, said: &str, marks: &Marks) -> Value {
        if self.list { self.list(said, marks) } else { self.scalar.value(said, marks) }
    }

    fn list(self, said: &str, marks: &Marks) -> Value {
        if said == marks.empty {
            return Value::Array(Vec::new());
        }
        let member = |said: &str| match said {
            unset if unset == marks.unset => Value::Null,
            said => self.scalar.value(said, marks),
        };
        if marks.set_separator.is_empty() {
            return Value::Array(vec![member(said)]);
        }
        Value::Array(said.split(&*marks.set_separator).map(member).collect())
    }
}

impl Scalar {
    fn named(name: &str) -> Self {
        match name {
            "bool" => Self::Bool,
            "count" | "counter" | "int" | "port" | "double" | "time" | "interval" => Self::Number,
            _ => Self::Text,
        }
    }

    /// What is not of the type stays text.
    fn value(self, said: &str, marks: &Marks) -> Value {
        match (self, said) {
            (Self::Bool, "T") => Value::Bool(true),
            (Self::Bool, "F") => Value::Bool(false),
            (Self::Number, said) => number(said).map_or_else(|| text(said, marks), Value::Number),
            (_, said) => text(said, marks),
        }
    }
}

fn text(said: &str, marks: &Marks) -> Value {
    if said == marks.empty { Value::from("") } else { Value::String(unescaped(said).into_owned()) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Marks, Type};

    #[test]
    fn values_are_what_their_type_says_or_else_text() {
        let marks =
            Marks { set_separator: ",".to_owned(), empty: "(empty)".to_owned(), unset: "-".to_owned() };
        for (kind, said, value) in [
            ("count", "18446744073709551615", json!(u64::MAX)),
            ("int", "-42", json!(-42)),
            ("port", "443", json!(443)),
            ("interval", "100.000000", json!(100.0)),
            ("double", "nan", json!("nan")),
            ("bool", "T", json!(true)),
            ("bool", "yes", json!("yes")),
            ("string", "a\\x09b", json!("a\tb")),
            ("string", "(empty)", json!("")),
            ("string", "7", json!("7")),
            ("subnet", "10.0.0.0/24", json!("10.0.0.0/24")),
            ("set[count]", "4,2", json!([4, 2])),
            ("vector[interval]", "1.0,-", json!([1.0, null])),
            ("set[enum]", "(empty)", json!([])),
            ("table[string]", "a,b\\x2cc,(empty)", json!(["a", "b,c", ""])),
            ("vector[addr]", "::1", json!(["::1"])),
        ] {
            assert_eq!(Type::named(kind).value(said, &marks), value, "{kind} {said}");
        }
    }
}
