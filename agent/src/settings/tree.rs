//! Ways through a parsed TOML document: find, put in, take out.

use std::ops::Range;

use serde_path_to_error::{Path, Segment};
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

/// A step from a table or list to what it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Key(String),
    Index(usize),
}

/// Puts `value` at `path`, unless a value stands where a section should: that is told as the file's problem.
pub(super) fn insert<'i>(table: &mut DeTable<'i>, path: &[&'static str], value: Spanned<DeValue<'i>>) {
    let key = |name: &'static str| Spanned::new(0..0, name.into());
    match path {
        [] => {}
        [name] => {
            table.insert(key(name), value);
        }
        [section, rest @ ..] => {
            let empty = || Spanned::new(0..0, DeValue::Table(DeTable::new()));
            if let DeValue::Table(below) = table.entry(key(section)).or_insert_with(empty).get_mut() {
                insert(below, rest, value);
            }
        }
    }
}

pub(super) fn steps(path: &Path) -> Vec<Step> {
    let step = |segment: &Segment| match segment {
        Segment::Seq { index } => Some(Step::Index(*index)),
        Segment::Map { key } => Some(Step::Key(key.clone())),
        Segment::Enum { variant } => Some(Step::Key(variant.clone())),
        Segment::Unknown => None,
    };
    path.iter().map_while(step).collect()
}

/// Sections and key; which element of a list it is says the line.
pub(super) fn dotted(steps: &[Step]) -> String {
    let name = |step: &Step| if let Step::Key(name) = step { Some(name.clone()) } else { None };
    steps.iter().filter_map(name).collect::<Vec<_>>().join(".")
}

pub(super) fn last_name(steps: &[Step]) -> &str {
    let mut names =
        steps.iter().rev().filter_map(|step| if let Step::Key(name) = step { Some(name) } else { None });
    names.next().map_or("", String::as_str)
}

pub(super) fn start(place: Option<Range<usize>>) -> usize {
    place.map_or(0, |place| place.start)
}

/// Where in the text the deepest part of `steps` that exists stands: of a table the key, of a value the value.
pub(super) fn locate(table: &DeTable<'_>, steps: &[Step]) -> Option<Range<usize>> {
    let [Step::Key(name), rest @ ..] = steps else { return None };
    let (key, value) = table.get_key_value(name.as_str())?;
    Some(locate_in(value, rest).unwrap_or_else(|| key.span()))
}

fn locate_in(value: &Spanned<DeValue<'_>>, steps: &[Step]) -> Option<Range<usize>> {
    match (value.get_ref(), steps) {
        (DeValue::Table(table), _) => locate(table, steps),
        (DeValue::Array(array), [Step::Index(index), rest @ ..]) => {
            let element = array.get(*index)?;
            Some(locate_in(element, rest).unwrap_or_else(|| element.span()))
        }
        _ => Some(value.span()),
    }
}

pub(super) fn is_section(table: &DeTable<'_>, steps: &[Step]) -> bool {
    let [Step::Key(name), rest @ ..] = steps else { return false };
    match (table.get(name.as_str()).map(Spanned::get_ref), rest) {
        (Some(DeValue::Table(_)), []) => true,
        (Some(DeValue::Array(array)), []) => array.iter().any(|element| element.get_ref().is_table()),
        (Some(DeValue::Table(below)), _) => is_section(below, rest),
        _ => false,
    }
}

/// Takes out what `steps` lead to, or the deepest part of it that exists; `false` when there is nothing.
pub(super) fn remove(table: &mut DeTable<'_>, steps: &[Step]) -> bool {
    let [Step::Key(name), rest @ ..] = steps else { return false };
    let Some(value) = table.get_mut(name.as_str()) else { return false };
    remove_in(value.get_mut(), rest) || table.remove(name.as_str()).is_some()
}

fn remove_in(value: &mut DeValue<'_>, steps: &[Step]) -> bool {
    match (value, steps) {
        (DeValue::Table(table), _) => remove(table, steps),
        (DeValue::Array(array), [Step::Index(index), rest @ ..]) if *index < array.len() => {
            if !array.get_mut(*index).is_some_and(|element| remove_in(element.get_mut(), rest)) {
                let elements = std::mem::replace(array, DeArray::new()).into_iter().enumerate();
                *array = elements.filter(|(at, _)| at != index).map(|(_, element)| element).collect();
            }
            true
        }
        _ => false,
    }
}
