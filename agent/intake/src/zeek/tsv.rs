//! A line of a TSV log.

use std::borrow::Cow;

use weir_flow::{FlowRecord, Timestamp};

use super::draft::{Draft, Place};
use super::escape::unescaped;
use super::header::{Column, Columns, split};
use super::typed::Marks;
use crate::{Reason, Rejected, Said};

/// Reads a line without its end.
pub(super) fn read(columns: &Columns, line: &[u8], now: Timestamp) -> Result<FlowRecord, Rejected> {
    let mut draft = Draft::new(&columns.log, columns.extras);
    let mut list = columns.list.iter();
    let has_escapes = line.contains(&b'\\');
    cells(line, &columns.separator, |cell| match list.next() {
        Some(column) => put(&mut draft, column, cell, &columns.marks, has_escapes),
        None => Err(Reason::WrongColumns.of("")),
    })?;
    match list.next() {
        Some(_) => Err(Reason::WrongColumns.of("")),
        None => Ok(draft.finish(now)),
    }
}

fn put<'l>(
    draft: &mut Draft<'l>,
    column: &Column,
    cell: &'l str,
    marks: &Marks,
    has_escapes: bool,
) -> Result<(), Rejected> {
    if cell.is_empty() || cell == marks.unset {
        return Ok(());
    }
    if let Some(field) = column.field {
        let text = if has_escapes { unescaped(cell) } else { Cow::Borrowed(cell) };
        if cell == marks.empty || draft.set(field, &Said::Text(text))? == Place::Taken {
            return Ok(());
        }
    }
    draft.keep(column.name.clone(), column.kind.value(cell, marks));
    Ok(())
}

/// Hands out the cells of a line, as far as they are taken.
fn cells<'l>(
    line: &'l [u8],
    separator: &[u8],
    mut cell: impl FnMut(&'l str) -> Result<(), Rejected>,
) -> Result<(), Rejected> {
    match (str::from_utf8(line), str::from_utf8(separator)) {
        (Ok(text), Ok(separator)) => match *separator.as_bytes() {
            [octet] => {
                // Cells are short: this is faster than a search that is made for long texts.
                let mut begin = 0;
                for end in (0..line.len()).filter(|&at| line.get(at) == Some(&octet)) {
                    cell(text.get(begin..end).unwrap_or_default())?;
                    begin = end + 1;
                }
                cell(text.get(begin..).unwrap_or_default())
            }
            _ => text.split(separator).try_for_each(cell),
        },
        (Err(_), Ok(_)) => Err(Reason::BadUtf8.of("")),
        // A separator that is no text is not in the cells.
        (_, Err(_)) => split(line, separator)
            .try_for_each(|part| cell(str::from_utf8(part).map_err(|_| Reason::BadUtf8.of(""))?)),
    }
}
