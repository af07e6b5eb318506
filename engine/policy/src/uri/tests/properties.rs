//! What holds for every request, whatever its bytes.

use proptest::prelude::*;

use crate::uri::aggressive::{self, Scratch};
use crate::uri::path::Sent;
use crate::uri::request::{split_authority, split_scheme};
use crate::uri::{
    CanonicalUri, Domain, Form, Malformed, UriBuffer, UriPrefix, View, parse_address,
};

/// Bytes that are likely to mean something, and some that are not.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let telling = prop::sample::select(b"//..%%%2eEfF05cC6;\\?#@:[]xa-\t \x7f\xc3\xbc".to_vec());
    prop::collection::vec(prop_oneof![8 => telling, 1 => any::<u8>()], 0..60)
}

/// Requests that mostly reach their path.
fn requests() -> impl Strategy<Value = Vec<u8>> {
    let start =
        prop::sample::select(vec!["http://a.test/", "HTTPS://B.test:8443", "ftp://1.2/", ""]);
    (start, bytes()).prop_map(|(start, rest)| [start.as_bytes(), &rest].concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn the_canonical_text_is_its_own(raw in requests()) {
        let (mut first, mut second) = (UriBuffer::default(), UriBuffer::default());
        if let Ok(uri) = CanonicalUri::parse(&mut first, Form::Absolute, &raw) {
            let again = CanonicalUri::parse(&mut second, Form::Absolute, uri.text()).unwrap();
            prop_assert_eq!(again.text().escape_ascii().to_string(), uri.text().escape_ascii().to_string());
            prop_assert_eq!(again.host(), uri.host());
            prop_assert_eq!((again.scheme(), again.port()), (uri.scheme(), uri.port()));
        }
    }

    #[test]
    fn views_are_few_and_different(raw in requests()) {
        let mut buffer = UriBuffer::default();
        if let Ok(uri) = CanonicalUri::parse(&mut buffer, Form::Absolute, &raw) {
            let texts: Vec<_> = uri.views().map(View::text).collect();
            prop_assert!((1..=3).contains(&texts.len()));
            prop_assert_eq!(texts[0], uri.text());
            prop_assert!(uri.text().is_ascii());
            prop_assert!(uri.text().iter().all(|byte| (0x21..0x7f).contains(byte)));
            for (nth, text) in texts.iter().enumerate() {
                prop_assert!(!texts[..nth].contains(text));
            }
            for view in uri.views() {
                prop_assert!(view.rest().starts_with(b"/"));
                prop_assert!(view.text().ends_with(view.rest()));
                let authority = view.text().len() - view.rest().len();
                prop_assert_eq!(&view.text()[..authority], &uri.text()[..authority]);
            }
        }
    }

    #[test]
    fn no_view_is_left_out(raw in requests()) {
        let mut buffer = UriBuffer::default();
        if let Ok(uri) = CanonicalUri::parse(&mut buffer, Form::Absolute, &raw) {
            let (_, after) = split_scheme(&raw).unwrap();
            let (_, rest) = split_authority(after);
            let mut text = Vec::new();
            aggressive::append(Sent::cut(rest), &mut text, &mut Scratch::default()).unwrap();
            prop_assert!(uri.views().any(|view| view.rest() == text), "{}", text.escape_ascii());
        }
    }

    #[test]
    fn memory_used_before_changes_nothing(raw in requests(), other in requests()) {
        let (mut used, mut fresh) = (UriBuffer::default(), UriBuffer::default());
        let _ = CanonicalUri::parse(&mut used, Form::Absolute, &other);
        prop_assert_eq!(
            CanonicalUri::parse(&mut used, Form::Absolute, &raw),
            CanonicalUri::parse(&mut fresh, Form::Absolute, &raw)
        );
    }

    #[test]
    fn nothing_panics(raw in prop_oneof![bytes(), any::<Vec<u8>>()]) {
        let mut buffer = UriBuffer::default();
        let _ = CanonicalUri::parse(&mut buffer, Form::Absolute, &raw);
        let _ = parse_address(&raw);
        let _ = Domain::parse(&mut String::new(), &raw);
        let _ = UriPrefix::parse(&String::from_utf8_lossy(&raw));
        if let Ok(uri) = CanonicalUri::parse(&mut buffer, Form::Connect, &raw) {
            let text = uri.text().to_vec();
            let again = CanonicalUri::parse(&mut buffer, Form::Absolute, &text).unwrap();
            prop_assert_eq!(again.text(), text.as_slice());
        }
    }

    #[test]
    fn a_prefix_fits_the_request_it_was_made_of(raw in requests()) {
        let mut buffer = UriBuffer::default();
        let uri = CanonicalUri::parse(&mut buffer, Form::Absolute, &raw);
        let text = String::from_utf8_lossy(&raw);
        if let (Ok(uri), Ok(prefix)) = (uri, UriPrefix::parse(&text))
            && text.as_bytes() == raw && text.contains("://")
        {
            let view = uri.views().next().unwrap();
            prop_assert!(prefix.matches(uri.scheme(), uri.host_text(), uri.port(), view.rest()));
            prop_assert_eq!(UriPrefix::parse(&prefix.to_string()), Ok(prefix));
        }
    }

    #[test]
    fn names_are_their_own(raw in "[a-zA-Z0-9._\u{fc}\u{df}\u{3002}-]{0,40}") {
        let (mut first, mut second) = (String::new(), String::new());
        match Domain::parse(&mut first, raw.as_bytes()) {
            Ok(name) => prop_assert_eq!(Domain::parse(&mut second, name.as_str().as_bytes()), Ok(name)),
            Err(fault) => prop_assert!(Malformed::ALL.contains(&fault)),
        }
    }
}

#[test]
fn words_and_sentences_are_different() {
    for (nth, fault) in Malformed::ALL.iter().enumerate() {
        for other in &Malformed::ALL[..nth] {
            assert_ne!(fault.word(), other.word());
            assert_ne!(fault.sentence(), other.sentence());
        }
        assert!(
            fault.word().bytes().all(|byte| byte.is_ascii_lowercase() || b"-46".contains(&byte))
        );
        assert!(!fault.sentence().ends_with('.'));
    }
}
