//! Templates of NetFlow v9 and IPFIX, and the records under them.

/// A length that stands before each value (RFC 7011 §7).
pub const VARIABLE: u16 = u16::MAX;

/// A field of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Number of the information element.
    pub element: u16,
    /// Octets of a value, or [`VARIABLE`].
    pub length: u16,
    /// Private enterprise number, IPFIX only.
    pub enterprise: Option<u32>,
}

/// A template (RFC 7011 §3.4, RFC 3954 §5.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// 256 or more.
    pub id: u16,
    /// How many of the first fields are the scope; 0 for a template of flows.
    pub scope: usize,
    /// Its fields.
    pub fields: Vec<Field>,
}

impl Template {
    /// A template of elements with their lengths.
    #[must_use]
    pub fn new(id: u16, fields: &[(u16, u16)]) -> Self {
        let field = |&(element, length)| Field { element, length, enterprise: None };
        Self { id, scope: 0, fields: fields.iter().map(field).collect() }
    }

    /// Adds a field of an enterprise.
    #[must_use]
    pub fn private(mut self, enterprise: u32, element: u16, length: u16) -> Self {
        self.fields.push(Field { element, length, enterprise: Some(enterprise) });
        self
    }

    /// Makes it a template of options: the first `fields` are the scope.
    #[must_use]
    pub fn scope(mut self, fields: usize) -> Self {
        assert!(fields > 0 && fields <= self.fields.len(), "{fields} of {}", self.fields.len());
        self.scope = fields;
        self
    }

    /// The template record: RFC 7011 §3.4.1 and §3.4.2.2, or RFC 3954 §5.2 and §6.1.
    pub(super) fn bytes(&self, ipfix: bool) -> Vec<u8> {
        let short = |value| u16::try_from(value).expect("a template has few fields");
        let (all, scope) = (short(self.fields.len()), short(self.scope));
        let head = match (ipfix, self.scope > 0) {
            (_, false) => vec![self.id, all],
            (true, true) => vec![self.id, all, scope],
            // Octets of the two lists instead of numbers of fields.
            (false, true) => vec![self.id, scope * 4, (all - scope) * 4],
        };
        let mut out: Vec<u8> = head.into_iter().flat_map(u16::to_be_bytes).collect();
        for field in &self.fields {
            let bit = if field.enterprise.is_some() { 0x8000 } else { 0 };
            assert!(ipfix || bit == 0, "NetFlow v9 has no enterprises: {field:?}");
            out.extend((field.element | bit).to_be_bytes());
            out.extend(field.length.to_be_bytes());
            out.extend(field.enterprise.into_iter().flat_map(u32::to_be_bytes));
        }
        out
    }

    /// A data record of it.
    ///
    /// # Panics
    /// Where `values` do not fit.
    #[must_use]
    pub fn record(&self, values: &[impl AsRef<[u8]>]) -> Vec<u8> {
        assert_eq!(values.len(), self.fields.len(), "one value for each field");
        let mut out = Vec::new();
        for (field, value) in self.fields.iter().zip(values) {
            let value = value.as_ref();
            match (field.length, u8::try_from(value.len())) {
                (VARIABLE, Ok(length @ 0..=254)) => out.push(length),
                (VARIABLE, _) => {
                    out.push(255);
                    out.extend(u16::try_from(value.len()).expect("below 64 KiB").to_be_bytes());
                }
                (length, _) => assert_eq!(value.len(), usize::from(length), "{field:?}"),
            }
            out.extend(value);
        }
        out
    }
}

/// A template of all that a [`Flow`](super::Flow) has, between hosts of one family: with uptimes, as NetFlow v9 wants it.
#[must_use]
pub fn netflow9_template(id: u16, ipv6: bool) -> Template {
    flow_template(id, ipv6, [(22, 4), (21, 4)])
}

/// The same with times in milliseconds since 1970, as IPFIX wants it.
#[must_use]
pub fn ipfix_template(id: u16, ipv6: bool) -> Template {
    flow_template(id, ipv6, [(152, 8), (153, 8)])
}

fn flow_template(id: u16, ipv6: bool, times: [(u16, u16); 2]) -> Template {
    let ends = if ipv6 { [(27, 16), (28, 16)] } else { [(8, 4), (12, 4)] };
    let rest = [(7, 2), (11, 2), (4, 1), (1, 4), (2, 4), (6, 1), (5, 1), (10, 2), (14, 2)];
    Template::new(id, &[&ends[..], &rest, &times].concat())
}

#[cfg(test)]
mod tests {
    use super::{Template, VARIABLE};

    #[test]
    fn a_long_value_has_a_long_length() {
        let template = Template::new(256, &[(82, VARIABLE)]);
        assert_eq!(template.record(&[b"eth0"]), b"\x04eth0");
        assert_eq!(template.record(&[[b'x'; 255]])[..3], [255, 0, 255]);
    }
}
