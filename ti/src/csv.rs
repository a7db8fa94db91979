//! Fields of one CSV line (RFC 4180), with blanks around them taken off.

use std::borrow::Cow;

use crate::error::BadLine;

/// The fields of a line; a field that runs over its line's end is an error.
pub(crate) struct Fields<'a> {
    rest: Option<&'a str>,
}

impl<'a> Fields<'a> {
    pub(crate) const fn new(line: &'a str) -> Self {
        Self { rest: Some(line) }
    }

    /// A quoted field, after its first quotation mark.
    fn quoted(&mut self, text: &'a str) -> Result<Cow<'a, str>, BadLine> {
        let mut from = 0;
        loop {
            let mark = from + text[from..].find('"').ok_or(BadLine::Quote)?;
            if text[mark + 1..].starts_with('"') {
                from = mark + 2;
                continue;
            }
            let after = text[mark + 1..].trim_start();
            self.rest = match after.strip_prefix(',') {
                Some(rest) => Some(rest),
                None if after.is_empty() => None,
                None => return Err(BadLine::Quote),
            };
            let field = text[..mark].trim();
            return Ok(if field.contains('"') { field.replace("\"\"", "\"").into() } else { field.into() });
        }
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Cow<'a, str>, BadLine>;

    fn next(&mut self) -> Option<Self::Item> {
        let text = self.rest.take()?.trim_start();
        if let Some(quoted) = text.strip_prefix('"') {
            return Some(self.quoted(quoted));
        }
        let field = match text.split_once(',') {
            Some((field, rest)) => {
                self.rest = Some(rest);
                field
            }
            None => text,
        };
        Some(Ok(field.trim_end().into()))
    }
}

#[cfg(test)]
mod tests {
    use super::Fields;
    use crate::error::BadLine;

    fn fields(line: &str) -> Result<Vec<String>, BadLine> {
        Fields::new(line).map(|field| field.map(Into::into)).collect()
    }

    #[test]
    fn fields_may_be_padded_quoted_and_empty() {
        assert_eq!(
            fields(" a ,\tb,,\" c, d \" , \"say \"\"x\"\"\"").unwrap(),
            ["a", "b", "", "c, d", "say \"x\""]
        );
        assert_eq!(fields("").unwrap(), [""]);
        assert_eq!(fields("a,").unwrap(), ["a", ""]);
    }

    #[test]
    fn a_quotation_mark_out_of_place_is_an_error() {
        assert_eq!(fields("\"a"), Err(BadLine::Quote));
        assert_eq!(fields("\"a\"b,c"), Err(BadLine::Quote));
    }
}
