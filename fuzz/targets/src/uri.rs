//! The canonical request: total, its own canonical form, with one to three different views; and what is
//! made of the same bytes elsewhere: names, addresses, prefixes.

use eg_policy::uri::{
    CanonicalUri, Domain, Form, Malformed, UriBuffer, UriPrefix, View, parse_address,
};

use crate::feed::Feed;

pub(crate) fn run(bytes: &[u8]) {
    let mut feed = Feed::new(bytes);
    let form = if feed.byte() & 1 == 0 { Form::Absolute } else { Form::Connect };
    let raw = feed.rest();
    let mut buffer = UriBuffer::default();
    if let Ok(uri) = CanonicalUri::parse(&mut buffer, form, raw) {
        stands(&uri);
        prefix(&uri, raw);
    }
    names(raw);
}

fn stands(uri: &CanonicalUri<'_>) {
    let mut second = UriBuffer::default();
    let again = CanonicalUri::parse(&mut second, Form::Absolute, uri.text());
    let again = again
        .map(|again| (again.text(), again.host(), again.host_text(), again.scheme(), again.port()));
    let own = (uri.text(), uri.host(), uri.host_text(), uri.scheme(), uri.port());
    assert_eq!(again, Ok(own), "{}", uri.text().escape_ascii());
    assert!(uri.text().iter().all(u8::is_ascii_graphic));
    assert!(
        !uri.host_text().is_empty() && !uri.host_text().bytes().any(|b| b.is_ascii_uppercase())
    );

    let views: Vec<&[u8]> = uri.views().map(View::text).collect();
    assert!((1..=3).contains(&views.len()), "{} views", views.len());
    assert_eq!(views.first(), Some(&uri.text()));
    for (nth, view) in uri.views().enumerate() {
        assert!(!views.iter().take(nth).any(|other| *other == view.text()), "a view comes twice");
        assert!(view.rest().starts_with(b"/") && view.text().ends_with(view.rest()));
        let authority = view.text().len().saturating_sub(view.rest().len());
        assert_eq!(view.text().get(..authority), uri.text().get(..authority));
    }
}

fn prefix(uri: &CanonicalUri<'_>, raw: &[u8]) {
    let Ok(text) = std::str::from_utf8(raw) else { return };
    let Ok(prefix) = UriPrefix::parse(text) else { return };
    assert_eq!(UriPrefix::parse(&prefix.to_string()).as_ref(), Ok(&prefix), "{prefix}");
    let known = uri.views().next().map(View::rest).unwrap_or_default();
    if text.contains("://") {
        let fits = prefix.matches(uri.scheme(), uri.host_text(), uri.port(), known);
        assert!(fits, "{prefix} does not fit {}", uri.text().escape_ascii());
    }
}

fn names(raw: &[u8]) {
    let (mut first, mut second) = (String::new(), String::new());
    let name = Domain::parse(&mut first, raw);
    match name {
        Ok(name) => {
            assert_eq!(Domain::parse(&mut second, name.as_str().as_bytes()), Ok(name));
            assert_eq!(name.parents().next(), Some(name.as_str()));
            assert!(parse_address(name.as_str().as_bytes()).is_none(), "{name} is an address");
        }
        Err(fault) => assert!(Malformed::ALL.contains(&fault)),
    }
    if let Some(Ok(address)) = parse_address(raw) {
        assert_eq!(parse_address(address.to_string().as_bytes()), Some(Ok(address)));
        assert_eq!(address, address.to_canonical());
    }
}
