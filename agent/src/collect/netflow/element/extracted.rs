//! What a Cisco router took out of requests and handshakes: one element for all of it, whose value begins with 6 octets
//! that say which it is.
//!
//! Source: "Cisco AVC Field Definition Guide", appendix B: application (4 octets), field (2 octets), value.

use super::{Element, Form, Role};

/// Name of the element in the table.
const NAME: &str = "application_field";

/// The element that a value belongs to, and its octets.
///
/// For nearly every element that is the element itself with all the octets. It is another one for the fields that a Cisco
/// router extracts; their value is empty where the router did not see the field. One that is not known stays as it came.
#[must_use]
pub fn refine<'a>(element: &'static Element, value: &'a [u8]) -> (&'static Element, &'a [u8]) {
    // The form rules out nearly all elements at once.
    if element.form == Form::Octets && element.name == NAME {
        extracted(value).unwrap_or((element, value))
    } else {
        (element, value)
    }
}

fn extracted(value: &[u8]) -> Option<(&'static Element, &[u8])> {
    let (application, rest) = value.split_first_chunk()?;
    let (field, rest) = rest.split_first_chunk()?;
    let key = (u32::from_be_bytes(*application), u16::from_be_bytes(*field));
    let (_, element) = FIELDS.iter().find(|(known, _)| *known == key)?;
    Some((element, rest))
}

const fn text(name: &'static str, role: Role) -> Element {
    Element { name, form: Form::Text, role }
}

// Engine 3 identifies applications by their port, engine 13 is Cisco's own list.
const SMTP: u32 = 0x0300_0019;
const HTTP: u32 = 0x0300_0050;
const POP3: u32 = 0x0300_006e;
const NNTP: u32 = 0x0300_0077;
const RTSP: u32 = 0x0300_022a;
const SIP: u32 = 0x0300_13c4;
const TLS: u32 = 0x0d00_01c5;

/// By application and field.
static FIELDS: [((u32, u16), Element); 12] = [
    ((HTTP, 13_313), text("http_url", Role::Extra)),
    ((HTTP, 13_314), text("http_host", Role::Domain)),
    ((HTTP, 13_315), text("http_user_agent", Role::Extra)),
    ((HTTP, 13_316), text("http_referer", Role::Extra)),
    ((TLS, 13_313), text("tls_common_name", Role::Domain)),
    ((RTSP, 13_313), text("rtsp_host", Role::Domain)),
    ((SMTP, 13_313), text("smtp_server", Role::Domain)),
    ((SMTP, 13_314), text("smtp_mail_from", Role::Extra)),
    ((POP3, 13_313), text("pop3_server", Role::Domain)),
    ((NNTP, 13_313), text("nntp_group", Role::Extra)),
    ((SIP, 13_313), text("sip_destination_domain", Role::Extra)),
    ((SIP, 13_314), text("sip_source_domain", Role::Extra)),
];
