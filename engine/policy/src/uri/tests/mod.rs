//! The canonicaliser as a whole: evasions, properties, real URLs.

mod conformance;
mod evasions;
mod properties;
mod real;

use super::{CanonicalUri, Form, UriBuffer};

/// The views of a request, or the word of its fault.
fn views(form: Form, raw: &[u8]) -> Result<Vec<String>, &'static str> {
    let mut buffer = UriBuffer::default();
    match CanonicalUri::parse(&mut buffer, form, raw) {
        Ok(uri) => Ok(uri.views().map(|view| view.text().escape_ascii().to_string()).collect()),
        Err(fault) => Err(fault.word()),
    }
}
