//! The header of a TSV log: the lines that begin with `#`, or what a log has in its place.

use std::borrow::Cow;
use std::collections::HashSet;

use weir_flow::Text;

use super::escape::{escaped, octets, unescaped};
use super::field::Field;
use super::log::{Log, usable};
use super::names::{Known, interned};
use super::typed::{Marks, Type};
use crate::{Reason, Rejected};

/// Octets that a header may take. Zeek's longest, of `ssl.log` with packages, has about 2 KiB; stops a file of one endless
/// header from taking memory, and bookmarks from growing.
const MAX_HEADER: usize = 8 << 10;

/// What the first header line says, before the separator.
const SEPARATOR: &[u8] = b"separator ";

/// Octets of the mark of header lines, where it is another than `#`.
const MAX_MARK: usize = 16;

/// What header lines said so far.
#[derive(Clone, Debug)]
pub(super) struct Header {
    /// Something of it was said.
    begun: bool,
    /// What header lines begin with (`LogAscii::meta_prefix`).
    mark: Vec<u8>,
    separator: Vec<u8>,
    marks: Marks,
    path: Option<Text>,
    fields: Vec<String>,
    types: Vec<String>,
}

impl Default for Header {
    /// Zeek's own settings.
    fn default() -> Self {
        Self {
            begun: false,
            mark: vec![b'#'],
            separator: vec![b'\t'],
            marks: Marks {
                set_separator: ",".to_owned(),
                empty: "(empty)".to_owned(),
                unset: "-".to_owned(),
            },
            path: None,
            fields: Vec::new(),
            types: Vec::new(),
        }
    }
}

/// What a line that begins with `#` was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Directive {
    /// Part of the header: what was known of columns holds no longer.
    Header,
    /// The end of the log.
    Close,
    /// A comment.
    Comment,
}

/// A column, as every line of it is read.
#[derive(Debug)]
pub(super) struct Column {
    /// Its place in the record.
    pub(super) field: Option<Field>,
    /// Its name in `extra`.
    pub(super) name: Cow<'static, str>,
    pub(super) kind: Type,
}

/// A header made ready for reading.
#[derive(Debug)]
pub(super) struct Columns {
    pub(super) log: Log,
    pub(super) list: Vec<Column>,
    pub(super) separator: Vec<u8>,
    pub(super) marks: Marks,
    /// Columns that are for `extra` in every line.
    pub(super) extras: usize,
}

impl Header {
    /// True for a line of the header. Where nothing was said so far, a line that names the separator after another mark
    /// makes that the log's.
    pub(super) fn is_mine(&mut self, line: &[u8]) -> bool {
        if line.starts_with(&self.mark) {
            return true;
        }
        if self.begun || line.starts_with(b"{") {
            return false;
        }
        let starts = line.windows(SEPARATOR.len()).take(MAX_MARK + 1).position(|window| window == SEPARATOR);
        let Some(length) = starts else { return false };
        self.mark = line.get(..length).unwrap_or_default().to_vec();
        true
    }

    /// Takes up a line for which [`Self::is_mine`] is true.
    ///
    /// # Errors
    /// [`Reason::BadHeader`]: there are no columns until a usable one comes.
    pub(super) fn line(&mut self, line: &[u8]) -> Result<Directive, Rejected> {
        let line = line.strip_prefix(&*self.mark).unwrap_or(line);
        // The one line whose own separator is fixed.
        if let Some(separator) = line.strip_prefix(SEPARATOR) {
            return self.apply("separator", &[separator]);
        }
        let mut tokens = split(line, &self.separator);
        let keyword = tokens.next().unwrap_or_default();
        // Others than Zeek's own are comments.
        let keyword = str::from_utf8(keyword).unwrap_or_default();
        if keyword == "mark" {
            return Ok(Directive::Comment);
        }
        if keyword.starts_with("close") {
            return Ok(Directive::Close);
        }
        let values: Vec<&[u8]> = tokens.take(MAX_HEADER).collect();
        self.apply(keyword, &values)
    }

    fn apply(&mut self, keyword: &str, values: &[&[u8]]) -> Result<Directive, Rejected> {
        let applied = self.put(keyword, values);
        if applied.is_err() || self.size() > MAX_HEADER {
            self.fields.clear();
            self.types.clear();
            return Err(Reason::BadHeader.of(""));
        }
        applied
    }

    fn put(&mut self, keyword: &str, values: &[&[u8]]) -> Result<Directive, Rejected> {
        let bad = Reason::BadHeader.of("");
        let mut texts = values.iter().map(|value| str::from_utf8(value).map_err(|_| bad));
        let mut only = || texts.next().unwrap_or(Ok(""));
        match keyword {
            "separator" => {
                let separator = octets(only()?);
                if separator.is_empty() {
                    return Err(bad);
                }
                *self = Self { separator, mark: std::mem::take(&mut self.mark), ..Self::default() };
            }
            "mark" => self.mark = octets(only()?),
            "set_separator" => self.marks.set_separator = unescaped(only()?).into_owned(),
            "empty_field" => self.marks.empty = unescaped(only()?).into_owned(),
            "unset_field" => self.marks.unset = unescaped(only()?).into_owned(),
            "path" => self.path = usable(&unescaped(only()?)),
            "fields" => {
                self.fields = texts.map(|text| text.map(str::to_owned)).collect::<Result<_, _>>()?;
                self.types.clear();
                let mut names = HashSet::new();
                if !self.fields.iter().all(|name| names.insert(name)) {
                    return Err(bad);
                }
            }
            "types" => {
                self.types = texts.map(|text| text.map(str::to_owned)).collect::<Result<_, _>>()?;
                if self.types.len() != self.fields.len() {
                    return Err(bad);
                }
            }
            _ => return Ok(Directive::Comment),
        }
        self.begun = true;
        Ok(Directive::Header)
    }

    fn size(&self) -> usize {
        let marks = [&self.marks.set_separator, &self.marks.empty, &self.marks.unset];
        let texts = marks.into_iter().chain(&self.fields).chain(&self.types);
        self.mark.len() + self.separator.len() + texts.map(|text| text.len() + 1).sum::<usize>()
    }

    /// The log's name.
    pub(super) const fn path(&self) -> Option<&Text> {
        self.path.as_ref()
    }

    /// The columns; none before `#fields`. `file` is the log's name where the header has none.
    pub(super) fn compile(&self, file: Option<&Text>) -> Option<Columns> {
        if self.fields.is_empty() {
            return None;
        }
        let has = |name: &str| self.fields.iter().any(|field| field == name);
        let log = Log::new(self.path.as_ref().or(file).map(|name| &**name), &has);
        let column = |(at, name): (usize, &String)| {
            let field = Known::find(name).and_then(|known| known.field);
            // Names of logs and nested ends are JSON's.
            let field = field.filter(|field| field.is_of(log.shape));
            let field = field.filter(|field| !matches!(field, Field::Path | Field::Id));
            let kind = self.types.get(at).map_or_else(Type::default, |kind| Type::named(kind));
            Column { field, name: interned(Cow::Borrowed(name)), kind }
        };
        let list: Vec<Column> = self.fields.iter().enumerate().map(column).collect();
        let extras = list.iter().filter(|column| column.field.is_none()).count();
        Some(Columns { log, list, separator: self.separator.clone(), marks: self.marks.clone(), extras })
    }

    /// Lines that [`Self::restore`] takes; none where nothing was said. ASCII, at most six times [`MAX_HEADER`].
    pub(super) fn keep(&self) -> String {
        if !self.begun {
            return String::new();
        }
        let once = |text: &str| escaped(text.as_bytes());
        let mut lines = vec![
            ("mark", vec![escaped(&self.mark)]),
            ("separator", vec![escaped(&self.separator)]),
            ("set_separator", vec![once(&self.marks.set_separator)]),
            ("empty_field", vec![once(&self.marks.empty)]),
            ("unset_field", vec![once(&self.marks.unset)]),
        ];
        lines.extend(self.path.as_ref().map(|path| ("path", vec![once(path)])));
        let lists = [("fields", &self.fields), ("types", &self.types)];
        lines.extend(
            lists.iter().filter(|(_, list)| !list.is_empty()).map(|&(name, list)| (name, list.clone())),
        );
        let line = |(keyword, values): (&str, Vec<String>)| {
            let values = values.iter().map(|value| format!("\t{}", once(value)));
            format!("#{keyword}{}\n", values.collect::<String>())
        };
        lines.into_iter().map(line).collect()
    }

    /// Takes up what [`Self::keep`] gave. What cannot be used is as good as not there.
    pub(super) fn restore(&mut self, kept: &str) {
        *self = Self::default();
        for line in kept.lines() {
            let mut tokens = line.strip_prefix('#').unwrap_or(line).split('\t');
            let keyword = tokens.next().unwrap_or_default();
            let values: Vec<Vec<u8>> = tokens.take(MAX_HEADER).map(octets).collect();
            let values: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
            if self.apply(keyword, &values).is_err() {
                *self = Self::default();
                return;
            }
        }
    }
}

/// The parts of `line` between separators.
pub(super) fn split<'l>(line: &'l [u8], separator: &[u8]) -> impl Iterator<Item = &'l [u8]> {
    let mut rest = Some(line);
    std::iter::from_fn(move || {
        let line = rest?;
        let at = line.windows(separator.len().max(1)).position(|window| window == separator);
        let (part, after) = match at {
            Some(at) => (line.get(..at)?, line.get(at + separator.len()..)),
            None => (line, None),
        };
        rest = after;
        Some(part)
    })
}
