//! JSON values (RFC 8259), as an octet that says what follows.
//!
//! | octet | value | then |
//! |---|---|---|
//! | 0 1 2 | null, false, true | |
//! | 3 | a whole number from 0 | the number |
//! | 4 | a negative whole number `n` | the number `-1 - n` |
//! | 5 | another number | a real number |
//! | 6 | a text | its length and UTF-8 |
//! | 7 | an array | how many values, the values |
//! | 8 | an object | how many members, each a text and a value |

use serde_json::{Map, Number, Value};

use super::column::{Column, Input};
use super::{Damage, MAX_DEPTH, MAX_RECORD_BYTES};

const NULL: u8 = 0;
const FALSE: u8 = 1;
const TRUE: u8 = 2;
const WHOLE: u8 = 3;
const NEGATIVE: u8 = 4;
const REAL: u8 = 5;
pub(super) const TEXT: u8 = 6;
const ARRAY: u8 = 7;
const OBJECT: u8 = 8;

/// The octet of `value`.
pub(super) fn tag(value: &Value) -> u8 {
    match value {
        Value::Null => NULL,
        Value::Bool(false) => FALSE,
        Value::Bool(true) => TRUE,
        Value::Number(number) if number.is_u64() => WHOLE,
        Value::Number(number) if number.is_i64() => NEGATIVE,
        Value::Number(_) => REAL,
        Value::String(_) => TEXT,
        Value::Array(_) => ARRAY,
        Value::Object(_) => OBJECT,
    }
}

/// What comes after the octet.
pub(super) fn put(value: &Value, out: &mut Column) {
    match value {
        Value::Null | Value::Bool(_) => {}
        Value::Number(number) => put_number(number, out),
        Value::String(text) => out.text(text.as_bytes()),
        Value::Array(list) => {
            out.number(list.len() as u64);
            list.iter().for_each(|value| put_whole(value, out));
        }
        Value::Object(map) => {
            out.number(map.len() as u64);
            for (name, value) in map {
                out.text(name.as_bytes());
                put_whole(value, out);
            }
        }
    }
}

/// The octet and what comes after it.
pub(super) fn put_whole(value: &Value, out: &mut Column) {
    out.octet(tag(value));
    put(value, out);
}

fn put_number(number: &Number, out: &mut Column) {
    if let Some(whole) = number.as_u64() {
        out.number(whole);
    } else if let Some(negative) = number.as_i64() {
        out.number((!negative).cast_unsigned());
    } else {
        out.real(number.as_f64().unwrap_or_default());
    }
}

/// Octets of JSON that a row may still become: what is read is bounded as what was written.
pub(super) struct Budget(usize);

impl Budget {
    pub(super) const fn new() -> Self {
        Self(MAX_RECORD_BYTES)
    }

    pub(super) fn spend(&mut self, octets: usize) -> Result<(), Damage> {
        self.0 = self.0.checked_sub(octets).ok_or(Damage::RecordTooLong)?;
        Ok(())
    }

    pub(super) fn text<'a>(&mut self, input: &mut Input<'a>) -> Result<&'a str, Damage> {
        let text = input.text()?;
        self.spend(text.len() + 2)?;
        Ok(text)
    }
}

/// The value of `tag`.
pub(super) fn read(
    tag: u8,
    input: &mut Input<'_>,
    budget: &mut Budget,
    depth: usize,
) -> Result<Value, Damage> {
    if depth > MAX_DEPTH {
        return Err(Damage::Value("depth"));
    }
    budget.spend(1)?;
    Ok(match tag {
        NULL => Value::Null,
        FALSE => false.into(),
        TRUE => true.into(),
        WHOLE => input.number()?.into(),
        NEGATIVE => {
            // The sign says that it is not below zero here.
            let whole = i64::try_from(input.number()?).map_err(|_| Damage::Value("number"))?;
            (!whole).into()
        }
        REAL => Number::from_f64(input.real()?).ok_or(Damage::Value("number"))?.into(),
        TEXT => budget.text(input)?.into(),
        ARRAY => {
            let values = (0..input.count()?).map(|_| {
                let tag = input.octet()?;
                read(tag, input, budget, depth + 1)
            });
            values.collect::<Result<Vec<_>, _>>()?.into()
        }
        OBJECT => {
            let mut map = Map::new();
            for _ in 0..input.count()? {
                let name = budget.text(input)?.to_owned();
                let tag = input.octet()?;
                map.insert(name, read(tag, input, budget, depth + 1)?);
            }
            map.into()
        }
        _ => return Err(Damage::Value("octet of a value")),
    })
}
