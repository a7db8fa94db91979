//! Columns of what inputs said beyond a record's fields: a column for each name.
//!
//! A row says its shape, which is the list of its names, in their order; a block has few shapes. Each name has a column of
//! octets (see `value.rs`), one of texts, and one of all other values.

use std::borrow::Cow;

use serde_json::Value;
use weir_flow::Extra;

use super::Damage;
use super::column::{Column, Input, Shorts, ShortsReader};
use super::dictionary::{TextColumn, TextColumnReader, Texts, TextsReader};
use super::value::{self, Budget};

/// Names with a column in a block, and names of a shape: whoever makes up names for each record must not make columns
/// for ever.
const MAX_NAMES: usize = 1_024;
const MAX_SHAPE: usize = 256;
/// The code of a row whose entries have no columns: they are written one after the other.
const LOOSE: u16 = u16::MAX;
/// Shapes that are tried before the list of all is asked: as many as a mixture of logs has.
const RECENT: usize = 4;

/// Writes them, in this order: codes of shapes, names, shapes, rows without columns, the columns of each name.
#[derive(Debug, Default)]
pub(super) struct Extras {
    codes: Shorts,
    names: Texts,
    /// Numbers of names, one after the other.
    shapes: Texts,
    loose: Column,
    columns: Vec<Values>,
    recent: [Shape; RECENT],
    oldest: usize,
    scratch: Column,
}

/// A list of names, and its code once the block has it.
#[derive(Debug, Default)]
struct Shape {
    code: u16,
    names: Vec<usize>,
}

#[derive(Debug, Default)]
struct Values {
    tags: Column,
    texts: TextColumn,
    others: Column,
}

impl Values {
    fn push(&mut self, value: &Value) {
        self.tags.octet(value::tag(value));
        match value {
            Value::String(text) => self.texts.push(text.as_bytes()),
            other => value::put(other, &mut self.others),
        }
    }

    fn clear(&mut self) {
        self.tags.clear();
        self.texts.clear();
        self.others.clear();
    }

    fn write(&mut self, out: &mut Vec<u8>) {
        self.tags.write(out);
        self.texts.write(out);
        self.others.write(out);
    }
}

impl Extras {
    pub(super) fn push(&mut self, extra: &Extra) {
        if extra.len() > MAX_SHAPE {
            return self.push_loose(extra);
        }
        let Self { recent, names, .. } = self;
        let known = recent.iter().position(|shape| {
            shape.code != 0
                && shape.names.len() == extra.len()
                && shape
                    .names
                    .iter()
                    .zip(extra.iter())
                    .all(|(&at, (name, _))| names.get(at) == Some(name.as_bytes()))
        });
        let code = match known.and_then(|at| recent.get(at)) {
            Some(shape) => shape.code,
            None => match self.find(extra) {
                Some(code) => code,
                None => return self.push_loose(extra),
            },
        };
        self.codes.push(code);
        let Some(shape) = self.recent.get(known.unwrap_or(self.oldest)) else { return };
        for (&at, (_, value)) in shape.names.iter().zip(extra.iter()) {
            if let Some(column) = self.columns.get_mut(at) {
                column.push(value);
            }
        }
    }

    /// The code of a shape that is not among the recent ones, and becomes one, at `oldest`; none when there are too many
    /// names.
    fn find(&mut self, extra: &Extra) -> Option<u16> {
        self.oldest = (self.oldest + 1) % RECENT;
        let shape = self.recent.get_mut(self.oldest)?;
        shape.code = 0;
        shape.names.clear();
        self.scratch.clear();
        for (name, _) in extra.iter() {
            if self.names.len() == MAX_NAMES {
                return None;
            }
            self.names.code(name.as_bytes());
            shape.names.push(self.names.last());
            self.scratch.number(self.names.last() as u64);
        }
        let code = self.shapes.code(&self.scratch.0);
        shape.code = u16::try_from(self.shapes.last() + 1).unwrap_or(LOOSE);
        self.make_columns();
        Some(code)
    }

    fn make_columns(&mut self) {
        if self.columns.len() < self.names.len() {
            self.columns.resize_with(self.names.len(), Values::default);
        }
    }

    fn push_loose(&mut self, extra: &Extra) {
        self.codes.push(LOOSE);
        self.loose.number(extra.len() as u64);
        for (name, value) in extra.iter() {
            self.loose.text(name.as_bytes());
            value::put_whole(value, &mut self.loose);
        }
    }

    pub(super) fn clear(&mut self) {
        self.codes.clear();
        self.names.clear();
        self.shapes.clear();
        self.loose.clear();
        self.columns.iter_mut().for_each(Values::clear);
        self.recent.iter_mut().for_each(|shape| shape.code = 0);
    }

    pub(super) fn write(&mut self, out: &mut Vec<u8>) {
        let names = self.names.len();
        // Some may have come with a shape that had too many.
        self.make_columns();
        self.codes.write(out);
        self.names.write(out);
        self.shapes.write(out);
        self.loose.write(out);
        self.columns.iter_mut().take(names).for_each(|column| column.write(out));
        self.recent.iter_mut().for_each(|shape| shape.code = 0);
    }
}

/// Reads them.
pub(super) struct ExtrasReader<'a> {
    codes: ShortsReader<'a>,
    names: Vec<&'a str>,
    shapes: TextsReader<'a, &'a [u8]>,
    loose: Input<'a>,
    columns: Vec<ValuesReader<'a>>,
}

struct ValuesReader<'a> {
    tags: Input<'a>,
    texts: TextColumnReader<'a, &'a str>,
    others: Input<'a>,
}

impl<'a> ValuesReader<'a> {
    fn next(&mut self, budget: &mut Budget) -> Result<Value, Damage> {
        match self.tags.octet()? {
            value::TEXT => {
                let text =
                    *self.texts.next(|octets| std::str::from_utf8(octets).map_err(|_| Damage::Utf8))?;
                budget.spend(text.len() + 2)?;
                Ok(text.into())
            }
            tag => value::read(tag, &mut self.others, budget, 0),
        }
    }
}

impl ValuesReader<'_> {
    fn pass(&mut self, budget: &mut Budget) -> Result<(), Damage> {
        let utf8 = |octets| std::str::from_utf8(octets).map_err(|_| Damage::Utf8);
        match self.tags.octet()? {
            value::TEXT => self.texts.next(utf8).map(drop),
            tag => value::read(tag, &mut self.others, budget, 0).map(drop),
        }
    }
}

impl<'a> ExtrasReader<'a> {
    pub(super) fn new(block: &mut Input<'a>) -> Result<Self, Damage> {
        let codes = ShortsReader::new(block)?;
        let utf8 = |octets| std::str::from_utf8(octets).map_err(|_| Damage::Utf8);
        let names = TextsReader::new(block)?.rest(MAX_NAMES, utf8)?;
        let shapes = TextsReader::new(block)?;
        let loose = block.column()?;
        let column = |_: &&str| -> Result<_, Damage> {
            Ok(ValuesReader {
                tags: block.column()?,
                texts: TextColumnReader::new(block)?,
                others: block.column()?,
            })
        };
        let columns = names.iter().map(column).collect::<Result<_, _>>()?;
        Ok(Self { codes, names, shapes, loose, columns })
    }

    pub(super) fn next(&mut self) -> Result<Extra, Damage> {
        let mut budget = Budget::new();
        let mut extra = Extra::default();
        let code = self.codes.next()?;
        if code == LOOSE {
            for _ in 0..self.loose.count()? {
                let name = budget.text(&mut self.loose)?.to_owned();
                let tag = self.loose.octet()?;
                extra.append(name, value::read(tag, &mut self.loose, &mut budget, 0)?);
            }
            return Ok(extra);
        }
        let mut shape = Input(self.shapes.resolve(code, Ok)?);
        while !shape.is_empty() {
            let at = usize::try_from(shape.number()?).map_err(|_| Damage::Value("number of a name"))?;
            let (Some(name), Some(column)) = (self.names.get(at), self.columns.get_mut(at)) else {
                return Err(Damage::Value("number of a name"));
            };
            budget.spend(name.len() + 2)?;
            extra.append(Cow::Owned((*name).to_owned()), column.next(&mut budget)?);
        }
        Ok(extra)
    }
}

impl ExtrasReader<'_> {
    /// Passes a row by.
    pub(super) fn pass(&mut self) -> Result<(), Damage> {
        let code = self.codes.next()?;
        let mut budget = Budget::new();
        if code == LOOSE {
            for _ in 0..self.loose.count()? {
                budget.text(&mut self.loose)?;
                let tag = self.loose.octet()?;
                value::read(tag, &mut self.loose, &mut budget, 0)?;
            }
            return Ok(());
        }
        let mut shape = Input(self.shapes.resolve(code, Ok)?);
        while !shape.is_empty() {
            let at = usize::try_from(shape.number()?).map_err(|_| Damage::Value("number of a name"))?;
            let column = self.columns.get_mut(at).ok_or(Damage::Value("number of a name"))?;
            column.pass(&mut budget)?;
        }
        Ok(())
    }
}

#[cfg(test)]
impl Extras {
    pub(super) fn columns(&self) -> usize {
        self.columns.len()
    }
}
