//! How a table of elements is written, and searched.

use super::Element;

/// A number with its element.
pub(super) type Row = (u16, Element);

/// A table, in the order of its numbers: a name for it, then number, name, form and role of each.
macro_rules! elements {
    ($(#[$doc:meta])* $table:ident $($id:literal $name:literal $form:ident $role:ident;)*) => {
        $(#[$doc])*
        pub(super) static $table: &[Row] = &[$((
            $id,
            super::Element { name: $name, form: super::Form::$form, role: super::Role::$role },
        )),*];
    };
}

/// Two tables of the same numbers: `FORWARD`, and `REVERSE` for the other direction of a biflow (RFC 5103 §6).
macro_rules! directions {
    ($($id:literal $name:literal $form:ident $role:ident;)*) => {
        pub(super) static FORWARD: &[Row] = &[$((
            $id,
            super::Element { name: $name, form: super::Form::$form, role: super::Role::$role },
        )),*];
        pub(super) static REVERSE: &[Row] = &[$((
            $id,
            super::Element {
                name: concat!("reverse_", $name),
                form: super::Form::$form,
                role: super::Role::$role.reversed(),
            },
        )),*];
    };
}

pub(super) use {directions, elements};

/// The element with this number.
pub(super) fn find(table: &'static [Row], id: u16) -> Option<&'static Element> {
    let place = table.binary_search_by_key(&id, |(number, _)| *number).ok()?;
    table.get(place).map(|(_, element)| element)
}
