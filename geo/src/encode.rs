//! The data section of a MaxMind database: values, each written once.
//!
//! Source: <https://maxmind.github.io/MaxMind-DB/>, "Output Data Section". Values come from the
//! [`crate::Writer`]'s callers and go to the file behind the search tree.

use std::collections::HashMap;

/// A value of a record.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// UTF-8 text.
    Text(&'a str),
    /// 16-bit unsigned integer.
    U16(u16),
    /// 32-bit unsigned integer.
    U32(u32),
    /// 64-bit unsigned integer.
    U64(u64),
    /// IEEE 754 binary64.
    Double(f64),
    /// Truth value.
    Bool(bool),
    /// Names and values, in the order they are written.
    Map(Vec<(&'a str, Value<'a>)>),
    /// Values in order.
    Array(Vec<Value<'a>>),
}

const POINTER: u8 = 1;
const TEXT: u8 = 2;
const DOUBLE: u8 = 3;
const U16: u8 = 5;
const U32: u8 = 6;
const MAP: u8 = 7;
const U64: u8 = 9;
const ARRAY: u8 = 11;
const BOOL: u8 = 14;

/// Types above this one do not fit in the control octet.
const LAST_SHORT_TYPE: u8 = 7;
/// A value of fewer octets is not worth a pointer.
const SHORTEST_SHARED: usize = 4;

/// First values that need one more octet, for sizes and for pointers.
const SIZE_1: usize = 29;
const SIZE_2: usize = 285;
const SIZE_3: usize = 65_821;
const POINTER_2: u32 = 2_048;
const POINTER_3: u32 = 526_336;
const POINTER_4: u32 = 134_744_064;

/// Values in their encoding, texts and maps that occur twice written once.
#[derive(Debug, Default)]
pub(crate) struct DataSection {
    bytes: Vec<u8>,
    /// Where a value is, by its encoding without pointers.
    written: HashMap<Vec<u8>, u32>,
}

impl DataSection {
    /// The octets so far.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Writes `value` unless it is there already; its offset in the section.
    pub(crate) fn add(&mut self, value: &Value<'_>) -> u32 {
        let mut plain = Vec::new();
        encode(value, &mut plain);
        match self.written.get(&plain) {
            Some(&offset) => offset,
            None => self.append(value, plain),
        }
    }

    fn end(&self) -> u32 {
        // The writer stops long before 2^32 octets.
        u32::try_from(self.bytes.len()).unwrap_or(u32::MAX)
    }

    fn append(&mut self, value: &Value<'_>, plain: Vec<u8>) -> u32 {
        let offset = self.end();
        match value {
            Value::Map(entries) => {
                control(MAP, entries.len(), &mut self.bytes);
                for (key, value) in entries {
                    self.inner(&Value::Text(key));
                    self.inner(value);
                }
            }
            Value::Array(items) => {
                control(ARRAY, items.len(), &mut self.bytes);
                for item in items {
                    self.inner(item);
                }
            }
            _ => self.bytes.extend_from_slice(&plain),
        }
        self.written.insert(plain, offset);
        offset
    }

    /// Writes a value inside another one: as it is the first time, as a pointer later.
    fn inner(&mut self, value: &Value<'_>) {
        let mut plain = Vec::new();
        encode(value, &mut plain);
        if plain.len() < SHORTEST_SHARED {
            self.bytes.extend_from_slice(&plain);
        } else if let Some(&offset) = self.written.get(&plain) {
            pointer(offset, &mut self.bytes);
        } else {
            self.append(value, plain);
        }
    }
}

/// Appends `value` without pointers.
pub(crate) fn encode(value: &Value<'_>, out: &mut Vec<u8>) {
    match value {
        Value::Text(text) => {
            control(TEXT, text.len(), out);
            out.extend_from_slice(text.as_bytes());
        }
        Value::U16(number) => unsigned(U16, &number.to_be_bytes(), out),
        Value::U32(number) => unsigned(U32, &number.to_be_bytes(), out),
        Value::U64(number) => unsigned(U64, &number.to_be_bytes(), out),
        Value::Double(number) => {
            control(DOUBLE, 8, out);
            out.extend_from_slice(&number.to_be_bytes());
        }
        Value::Bool(truth) => control(BOOL, usize::from(*truth), out),
        Value::Map(entries) => {
            control(MAP, entries.len(), out);
            for (key, value) in entries {
                encode(&Value::Text(key), out);
                encode(value, out);
            }
        }
        Value::Array(items) => {
            control(ARRAY, items.len(), out);
            for item in items {
                encode(item, out);
            }
        }
    }
}

/// An integer without its leading zero octets.
fn unsigned(kind: u8, big_endian: &[u8], out: &mut Vec<u8>) {
    let zeros = big_endian.iter().take_while(|&&octet| octet == 0).count();
    control(kind, big_endian.len() - zeros, out);
    out.extend_from_slice(&big_endian[zeros..]);
}

/// Control octet, extended type and size.
fn control(kind: u8, size: usize, out: &mut Vec<u8>) {
    let (short, rest, extra) = match size {
        0..SIZE_1 => (size, 0, 0),
        SIZE_1..SIZE_2 => (29, size - SIZE_1, 1),
        SIZE_2..SIZE_3 => (30, size - SIZE_2, 2),
        // Sizes past 2^24 are cut off by the writer's limits.
        _ => (31, size - SIZE_3, 3),
    };
    let short = u8::try_from(short).unwrap_or(0);
    if kind > LAST_SHORT_TYPE {
        out.extend_from_slice(&[short, kind - LAST_SHORT_TYPE]);
    } else {
        out.push(kind << 5 | short);
    }
    let rest = u32::try_from(rest).unwrap_or(u32::MAX).to_be_bytes();
    out.extend_from_slice(&rest[4 - extra..]);
}

fn pointer(offset: u32, out: &mut Vec<u8>) {
    let (size, rest): (u8, u32) = match offset {
        0..POINTER_2 => (0, offset),
        POINTER_2..POINTER_3 => (1, offset - POINTER_2),
        POINTER_3..POINTER_4 => (2, offset - POINTER_3),
        _ => (3, offset),
    };
    let octets = rest.to_be_bytes();
    // Three bits of the value travel in the control octet, except with the longest form.
    let first = octets[3 - usize::from(size.min(2)) - 1];
    let high = if size == 3 { 0 } else { first };
    out.push(POINTER << 5 | size << 3 | high);
    out.extend_from_slice(&octets[3 - usize::from(size)..]);
}
