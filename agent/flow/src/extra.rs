//! What an input said and the record has no field for.

use std::borrow::Cow;

use serde_json::Value;

/// Names with their values, in the order in which they were said; a name occurs once.
///
/// A list and not a map: few entries, mostly with names known beforehand, so that an entry costs no memory of its own.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Extra {
    entries: Vec<(Cow<'static, str>, Value)>,
    bytes: usize,
}

impl Extra {
    /// Without entries, with room for `entries`.
    #[must_use]
    pub fn with_capacity(entries: usize) -> Self {
        Self { entries: Vec::with_capacity(entries), bytes: 0 }
    }

    /// Adds an entry, unless there is one of that name: the first word stands.
    pub fn insert(&mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Value>) {
        let name = name.into();
        if self.get(&name).is_none() {
            self.append(name, value);
        }
    }

    /// Gives memory back where there is room for more than twice the entries: records wait in queues that are bounded.
    pub fn fit(&mut self) {
        if self.entries.capacity() > 2 * self.entries.len() {
            self.entries.shrink_to_fit();
        }
    }

    /// Adds an entry of a name that the caller knows to be new: however many there are, none is looked at.
    pub fn append(&mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Value>) {
        let (name, value) = (name.into(), value.into());
        self.bytes += size_of::<Cow<'static, str>>() + memory(&value);
        if let Cow::Owned(name) = &name {
            self.bytes += name.len();
        }
        self.entries.push((name, value));
    }

    /// Memory that the entries take, octets, without what the allocator adds.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// The value of an entry.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.iter().find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// True without entries.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Entries.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.entries.len()
    }

    /// All entries.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.entries.iter().map(|(name, value)| (name.as_ref(), value))
    }
}

/// Memory of a value and of all within it: a list of small numbers takes many times its text.
fn memory(value: &Value) -> usize {
    let inner = match value {
        Value::String(text) => text.len(),
        Value::Array(list) => list.iter().map(memory).sum(),
        // A tree's nodes hold eleven entries and are half full at least.
        Value::Object(map) => {
            map.iter().map(|(name, value)| 2 * size_of::<String>() + name.len() + 2 * memory(value)).sum()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    };
    size_of::<Value>() + inner
}

impl<N: Into<Cow<'static, str>>, V: Into<Value>> FromIterator<(N, V)> for Extra {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(entries: I) -> Self {
        let mut extra = Self::default();
        entries.into_iter().for_each(|(name, value)| extra.insert(name, value));
        extra
    }
}

#[cfg(test)]
mod tests {
    use super::Extra;

    #[test]
    fn the_first_value_of_a_name_stands_and_order_is_kept() {
        let mut extra = Extra::from_iter([("b", 1), ("a", 2)]);
        extra.insert("b", 3);
        let entries: Vec<_> = extra.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(entries, ["b=1", "a=2"]);
        assert_eq!(extra.get("c"), None);
    }
}
