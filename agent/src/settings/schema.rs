//! Which keys a settings type has, asked of its `Deserialize` implementation.
//!
//! A deserializer sees the field names that a type asks for and the kind of value that it wants for each. The survey
//! offers it one unknown field after the other, notes what it asks for, and refuses. So the list of keys can never
//! differ from the types, and the text of a variable is read as the type that its key has.

use std::cell::RefCell;
use std::collections::BTreeSet;

use serde::de::value::Error as Halt;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error, IntoDeserializer, MapAccess, SeqAccess,
};
use serde::de::{Visitor, value::StrDeserializer};

/// Sections nest no deeper; ends the survey of a type that contains itself.
const MAX_DEPTH: usize = 8;

/// What a single value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scalar {
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Integer,
    /// A number.
    Float,
    /// A text, which may stand for something else (an address, a name out of a few).
    Text,
    /// The type decides when it sees the value.
    Any,
}

/// What a key holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// One value.
    One(Scalar),
    /// A list of such values; of tables when `Any`.
    List(Scalar),
    /// A table whose keys the user chooses.
    Table,
}

/// A key that holds a value, as sections and name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) path: Vec<&'static str>,
    pub(crate) shape: Shape,
}

/// All keys of `T`, sections in the order of their fields.
pub(crate) fn keys<T: DeserializeOwned>() -> Vec<Key> {
    let survey = Survey::default();
    loop {
        let before = survey.done.borrow().len();
        let root = Probe { survey: &survey, path: Vec::new(), in_list: false };
        // Ends at the next unknown field, always with a refusal; only what was noted counts.
        drop(T::deserialize(root));
        let done = survey.done.borrow();
        if done.contains(&Vec::new()) || done.len() == before {
            break;
        }
    }
    let mut keys = survey.keys.into_inner();
    keys.retain(|key| !key.path.is_empty());
    keys
}

#[derive(Default)]
struct Survey {
    keys: RefCell<Vec<Key>>,
    /// Values noted and sections whose fields all are.
    done: RefCell<BTreeSet<Vec<&'static str>>>,
}

struct Probe<'a> {
    survey: &'a Survey,
    path: Vec<&'static str>,
    in_list: bool,
}

impl Probe<'_> {
    fn note(&self, shape: Shape) {
        if self.survey.done.borrow_mut().insert(self.path.clone()) {
            self.survey.keys.borrow_mut().push(Key { path: self.path.clone(), shape });
        }
    }

    fn one<T>(self, scalar: Scalar) -> Result<T, Halt> {
        self.note(if self.in_list { Shape::List(scalar) } else { Shape::One(scalar) });
        Err(Halt::custom("noted"))
    }

    fn list<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Halt> {
        if self.in_list {
            return self.one(Scalar::Any);
        }
        let element = Probe { survey: self.survey, path: self.path.clone(), in_list: true };
        let answer = visitor.visit_seq(OneElement(Some(element)));
        self.note(Shape::List(Scalar::Any));
        answer
    }
}

macro_rules! ask_for {
    ($($method:ident => $scalar:ident),* $(,)?) => {$(
        fn $method<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Halt> {
            self.one(Scalar::$scalar)
        }
    )*};
}

impl<'de> Deserializer<'de> for Probe<'_> {
    type Error = Halt;

    ask_for! {
        deserialize_any => Any, deserialize_bool => Bool,
        deserialize_i8 => Integer, deserialize_i16 => Integer, deserialize_i32 => Integer, deserialize_i64 => Integer,
        deserialize_u8 => Integer, deserialize_u16 => Integer, deserialize_u32 => Integer, deserialize_u64 => Integer,
        deserialize_i128 => Integer, deserialize_u128 => Integer,
        deserialize_f32 => Float, deserialize_f64 => Float,
        deserialize_char => Text, deserialize_str => Text, deserialize_string => Text,
        deserialize_bytes => Text, deserialize_byte_buf => Text, deserialize_identifier => Text,
        deserialize_unit => Any, deserialize_ignored_any => Any,
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Halt> {
        visitor.visit_some(self)
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, _: V) -> Result<V::Value, Halt> {
        self.one(Scalar::Any)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Halt> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Halt> {
        self.list(visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Halt> {
        self.list(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Halt> {
        self.list(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Halt> {
        self.note(if self.in_list { Shape::List(Scalar::Any) } else { Shape::Table });
        Err(Halt::custom("noted"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Halt> {
        // Types that carry data around serde, such as `Spanned`, ask for fields with a name that no user writes.
        let private = fields.first().is_some_and(|field| field.starts_with('$'));
        if self.in_list || private || self.path.len() == MAX_DEPTH {
            return self.one(Scalar::Any);
        }
        visitor.visit_map(Fields { survey: self.survey, path: self.path, left: fields, offered: "" })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Halt> {
        self.one(Scalar::Text)
    }
}

/// Offers the fields of a section that are not yet noted.
struct Fields<'a> {
    survey: &'a Survey,
    path: Vec<&'static str>,
    left: &'static [&'static str],
    offered: &'static str,
}

impl Fields<'_> {
    fn below(&self, field: &'static str) -> Vec<&'static str> {
        self.path.iter().copied().chain([field]).collect()
    }
}

impl<'de> MapAccess<'de> for Fields<'_> {
    type Error = Halt;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Halt> {
        while let [field, rest @ ..] = self.left {
            self.left = rest;
            if !self.survey.done.borrow().contains(&self.below(field)) {
                self.offered = field;
                let name: StrDeserializer<'_, Halt> = field.into_deserializer();
                return seed.deserialize(name).map(Some);
            }
        }
        self.survey.done.borrow_mut().insert(self.path.clone());
        Ok(None)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Halt> {
        seed.deserialize(Probe { survey: self.survey, path: self.below(self.offered), in_list: false })
    }
}

struct OneElement<'a>(Option<Probe<'a>>);

impl<'de> SeqAccess<'de> for OneElement<'_> {
    type Error = Halt;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Halt> {
        self.0.take().map(|probe| seed.deserialize(probe)).transpose()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::net::IpAddr;

    use serde::Deserialize;

    use super::{Scalar, Shape, keys};

    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only its shape is read")]
    struct Root {
        name: Option<String>,
        capture: Section,
        #[serde(default)]
        uplink: Option<Uplink>,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only its shape is read")]
    struct Section {
        enabled: bool,
        ports: BTreeSet<u16>,
        local: Vec<IpAddr>,
        rate: f32,
        mode: Mode,
        limit: Limit,
    }

    #[derive(Deserialize)]
    #[serde(default)]
    #[derive(Default)]
    struct Uplink {
        outputs: BTreeMap<String, String>,
        rules: Vec<Rule>,
        pair: (u8, u8),
        #[serde(alias = "old_depth")]
        depth: u64,
    }

    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only its shape is read")]
    struct Rule {
        name: String,
    }

    #[derive(Deserialize)]
    enum Mode {
        Fast,
        Slow,
    }

    #[derive(Deserialize)]
    #[serde(try_from = "u32")]
    struct Limit;

    impl TryFrom<u32> for Limit {
        type Error = &'static str;
        fn try_from(_: u32) -> Result<Self, Self::Error> {
            Err("never")
        }
    }

    #[test]
    fn every_key_is_found_with_its_shape() {
        let found: Vec<_> = keys::<Root>().into_iter().map(|key| (key.path.join("."), key.shape)).collect();
        let expected = [
            ("name", Shape::One(Scalar::Text)),
            ("capture.enabled", Shape::One(Scalar::Bool)),
            ("capture.ports", Shape::List(Scalar::Integer)),
            ("capture.local", Shape::List(Scalar::Text)),
            ("capture.rate", Shape::One(Scalar::Float)),
            ("capture.mode", Shape::One(Scalar::Text)),
            ("capture.limit", Shape::One(Scalar::Integer)),
            ("uplink.outputs", Shape::Table),
            ("uplink.rules", Shape::List(Scalar::Any)),
            ("uplink.pair", Shape::List(Scalar::Integer)),
            ("uplink.depth", Shape::One(Scalar::Integer)),
            ("uplink.old_depth", Shape::One(Scalar::Integer)),
        ];
        let expected: Vec<_> = expected.map(|(path, shape)| (path.to_owned(), shape)).to_vec();
        let mut sorted = found;
        let mut wanted = expected;
        sorted.sort_by(|a, b| a.0.cmp(&b.0));
        wanted.sort_by(|a, b| a.0.cmp(&b.0));
        assert_eq!(sorted, wanted);
    }

    #[test]
    fn a_type_that_contains_itself_ends() {
        #[derive(Deserialize)]
        #[expect(dead_code, reason = "only its shape is read")]
        struct Nested {
            inner: Option<Box<Nested>>,
            value: u8,
        }
        assert!(keys::<Nested>().iter().any(|key| key.path == ["inner", "inner", "value"]));
    }
}
