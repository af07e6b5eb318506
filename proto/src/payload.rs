//! What a redirect carries to the portal (SPEC 12), and its JSON. How it is sealed stands in `seal`.
//!
//! The engine writes from borrowed parts, the portal reads into `Payload`; keys have one letter,
//! since the whole has to fit into an address. Keys that a reader does not know are skipped.

use std::fmt;
use std::io::Write;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::answer::Action;
use crate::hello::FailureCause;

/// The rule that a connector's own failures are shown under.
pub const RULE_ENGINE_UNAVAILABLE: &str = "engine-unavailable";

/// What the portal reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payload {
    /// The decision's id; empty where no engine decided.
    #[serde(rename = "d", default)]
    pub decision: String,
    /// The rule's name.
    #[serde(rename = "r")]
    pub rule: String,
    /// The rule's number, where it has one.
    #[serde(rename = "i", default, skip_serializing_if = "Option::is_none")]
    pub rule_id: Option<u32>,
    /// What the rule asks for.
    #[serde(rename = "a")]
    pub action: Action,
    /// Its code.
    #[serde(rename = "c")]
    pub code: u16,
    /// The reason that a person reads.
    #[serde(rename = "m")]
    pub reason: String,
    /// The category.
    #[serde(rename = "g", default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// The URL as sent; empty where it is not known or too long.
    #[serde(rename = "u", default)]
    pub url: String,
    /// The URL in its canonical form; empty where it has none.
    #[serde(rename = "n", default)]
    pub canonical: String,
    /// The client that counts, unknown only in a connector's own failure.
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub client: Option<IpAddr>,
    /// The user.
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// When it was decided, in seconds since 1970.
    #[serde(rename = "t")]
    pub at: i64,
    /// When it stops to count, in seconds since 1970.
    #[serde(rename = "e")]
    pub expires: i64,
    /// What the portal relays when the visitor goes on.
    #[serde(rename = "k", default, skip_serializing_if = "Option::is_none")]
    pub ack_token: Option<String>,
}

/// A payload of borrowed parts: what the engine seals without building texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PayloadRef<'a> {
    /// The decision's id; empty where no engine decided.
    pub decision: &'a str,
    /// The rule's name.
    pub rule: &'a str,
    /// The rule's number, where it has one.
    pub rule_id: Option<u32>,
    /// What the rule asks for; its code goes along.
    pub action: Action,
    /// The reason that a person reads.
    pub reason: &'a str,
    /// The category.
    pub category: Option<&'a str>,
    /// The URL as sent; bytes that are not printable ASCII are percent-encoded on the way.
    pub url: &'a [u8],
    /// The URL in its canonical form, empty where it has none.
    pub canonical: &'a [u8],
    /// The client.
    pub client: Option<IpAddr>,
    /// The user, as the proxy sent it.
    pub user: Option<&'a [u8]>,
    /// When it was decided, in seconds since 1970.
    pub at: i64,
    /// When it stops to count, in seconds since 1970.
    pub expires: i64,
    /// What the portal relays when the visitor goes on.
    pub ack_token: Option<&'a str>,
}

impl PayloadRef<'_> {
    /// The payload of a connector's own failure.
    #[must_use]
    pub const fn unavailable(cause: FailureCause, at: i64, expires: i64) -> Self {
        Self {
            decision: "",
            rule: RULE_ENGINE_UNAVAILABLE,
            rule_id: None,
            action: Action::Deny,
            reason: cause.sentence(),
            category: None,
            url: b"",
            canonical: b"",
            client: None,
            user: None,
            at,
            expires,
            ack_token: None,
        }
    }
}

impl Payload {
    /// The same, borrowed.
    #[must_use]
    pub fn borrowed(&self) -> PayloadRef<'_> {
        PayloadRef {
            decision: &self.decision,
            rule: &self.rule,
            rule_id: self.rule_id,
            action: self.action,
            reason: &self.reason,
            category: self.category.as_deref(),
            url: self.url.as_bytes(),
            canonical: self.canonical.as_bytes(),
            client: self.client,
            user: self.user.as_deref().map(str::as_bytes),
            at: self.at,
            expires: self.expires,
            ack_token: self.ack_token.as_deref(),
        }
    }
}

/// How much of a payload is kept so that its token stays below the bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// All of it.
    Nothing,
    /// URLs without path and query.
    Urls,
    /// Every text, to a length at which the whole fits in any case.
    Texts,
}

impl Cut {
    pub(crate) const ALL: &'static [Self] = &[Self::Nothing, Self::Urls, Self::Texts];

    /// How many bytes a text may take in JSON.
    const fn budget(self, tight: usize) -> usize {
        match self {
            Self::Nothing | Self::Urls => usize::MAX,
            Self::Texts => tight,
        }
    }
}

/// The budgets of `Cut::Texts`; their sum, with names, numbers and the acknowledgement token, is far
/// below what a token holds (a test adds them up).
const RULE_BYTES_TIGHT: usize = 768;
const REASON_BYTES_TIGHT: usize = 1_024;
const WORD_BYTES_TIGHT: usize = 256;
const URL_BYTES_TIGHT: usize = 800;

impl PayloadRef<'_> {
    /// Appends the JSON that `Payload` reads back.
    pub(crate) fn write_json(&self, cut: Cut, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"r\":");
        put_text(out, self.rule, cut.budget(RULE_BYTES_TIGHT));
        put(out, format_args!(",\"a\":\"{}\",\"c\":{}", self.action, self.action.code()));
        put(out, format_args!(",\"t\":{},\"e\":{}", self.at, self.expires));
        out.extend_from_slice(b",\"m\":");
        put_text(out, self.reason, cut.budget(REASON_BYTES_TIGHT));
        if !self.decision.is_empty() {
            out.extend_from_slice(b",\"d\":");
            put_text(out, self.decision, cut.budget(WORD_BYTES_TIGHT));
        }
        if let Some(id) = self.rule_id {
            put(out, format_args!(",\"i\":{id}"));
        }
        if let Some(category) = self.category {
            out.extend_from_slice(b",\"g\":");
            put_text(out, category, cut.budget(WORD_BYTES_TIGHT));
        }
        if let Some(client) = self.client {
            put(out, format_args!(",\"p\":\"{client}\""));
        }
        if let Some(user) = self.user {
            out.extend_from_slice(b",\"s\":");
            match std::str::from_utf8(user) {
                Ok(user) => put_text(out, user, cut.budget(WORD_BYTES_TIGHT)),
                Err(_) => put_bytes(out, user, cut.budget(WORD_BYTES_TIGHT)),
            }
        }
        for (key, url) in [(b",\"u\":", self.url), (b",\"n\":", self.canonical)] {
            let url = match cut {
                Cut::Nothing => url,
                Cut::Urls | Cut::Texts => origin_of(url),
            };
            // A host cut in the middle is another host, so it is all or nothing.
            if !url.is_empty() && url.len().saturating_mul(3) < cut.budget(URL_BYTES_TIGHT) {
                out.extend_from_slice(key);
                put_bytes(out, url, usize::MAX);
            }
        }
        if let Some(token) = self.ack_token {
            out.extend_from_slice(b",\"k\":");
            put_text(out, token, usize::MAX);
        }
        out.push(b'}');
    }
}

/// Scheme and host of a URL as sent, without user info; of `host:port` the whole.
fn origin_of(url: &[u8]) -> &[u8] {
    let scheme_bytes = url.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
    let schemed = url.get(scheme_bytes..).is_some_and(|rest| rest.starts_with(b"://"));
    let host_at = if schemed { scheme_bytes + 3 } else { 0 };
    let rest = url.get(host_at..).unwrap_or_default();
    let ends = |byte: &u8| matches!(byte, b'/' | b'?' | b'#' | b'\\');
    let host_bytes = rest.iter().position(ends).unwrap_or(rest.len());
    let origin = url.get(..host_at + host_bytes).unwrap_or_default();
    // Leaving user info out would need a copy; a URL that is too long and has some is left out.
    if origin.contains(&b'@') { &[] } else { origin }
}

/// Appends formatted text; a `Vec` takes all of it.
fn put(out: &mut Vec<u8>, text: fmt::Arguments<'_>) {
    let _ = out.write_fmt(text);
}

/// Appends a JSON string, cut to so many bytes between its quotes.
fn put_text(out: &mut Vec<u8>, text: &str, budget: usize) {
    out.push(b'"');
    let end = out.len().saturating_add(budget);
    // PERF: what needs no escape goes in one piece.
    let plain = |byte: u8| byte >= 0x20 && byte != b'"' && byte != b'\\';
    if text.len() <= budget && text.bytes().all(plain) {
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
        return;
    }
    for letter in text.chars() {
        let before = out.len();
        match letter {
            '"' | '\\' => out.extend_from_slice(&[b'\\', u8::try_from(letter).unwrap_or(b'?')]),
            '\0'..='\u{1f}' => put(out, format_args!("\\u{:04x}", u32::from(letter))),
            _ => out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes()),
        }
        if out.len() > end {
            out.truncate(before);
            break;
        }
    }
    out.push(b'"');
}

/// Appends a JSON string of bytes: what is not printable ASCII is percent-encoded.
fn put_bytes(out: &mut Vec<u8>, bytes: &[u8], budget: usize) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    out.push(b'"');
    let end = out.len().saturating_add(budget);
    let plain = |byte: &u8| byte.is_ascii_graphic() && *byte != b'"' && *byte != b'\\';
    if bytes.len() <= budget && bytes.iter().all(plain) {
        out.extend_from_slice(bytes);
        out.push(b'"');
        return;
    }
    for byte in bytes {
        let before = out.len();
        if plain(byte) {
            out.push(*byte);
        } else if matches!(byte, b'"' | b'\\') {
            out.extend_from_slice(&[b'\\', *byte]);
        } else {
            let digit = |four: u8| HEX.get(usize::from(four & 15)).copied().unwrap_or(b'0');
            out.extend_from_slice(&[b'%', digit(byte >> 4), digit(*byte)]);
        }
        if out.len() > end {
            out.truncate(before);
            break;
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A payload of arbitrary parts.
    fn any_payload() -> impl Strategy<Value = Payload> {
        let texts = (any::<String>(), any::<String>(), any::<String>(), any::<Option<String>>());
        let urls = ("[!-~]{0,80}", "[!-~]{0,80}");
        let rest = (any::<Option<u32>>(), any::<Option<IpAddr>>(), any::<i64>(), any::<i64>());
        let tails = (any::<Option<String>>(), prop::option::of("[A-Za-z0-9_-]{1,60}"), 0..4_usize);
        (texts, urls, rest, tails).prop_map(|(texts, urls, rest, tails)| {
            let actions = [Action::Permit, Action::Deny, Action::Warn, Action::Aup];
            let action = actions[tails.2];
            Payload {
                decision: texts.0,
                rule: texts.1,
                rule_id: rest.0,
                action,
                code: action.code(),
                reason: texts.2,
                category: texts.3,
                url: urls.0,
                canonical: urls.1,
                client: rest.1,
                user: tails.0,
                at: rest.2,
                expires: rest.3,
                ack_token: tails.1,
            }
        })
    }

    fn json(payload: &PayloadRef<'_>, cut: Cut) -> Vec<u8> {
        let mut out = Vec::new();
        payload.write_json(cut, &mut out);
        out
    }

    fn read(bytes: &[u8]) -> Payload {
        serde_json::from_slice(bytes)
            .unwrap_or_else(|fault| panic!("{fault}: {}", String::from_utf8_lossy(bytes)))
    }

    #[test]
    fn bytes_of_a_url_are_percent_encoded() {
        let check = |url: &[u8], expected: &str| {
            let payload =
                PayloadRef { url, ..PayloadRef::unavailable(FailureCause::Timeout, 1, 2) };
            assert_eq!(read(&json(&payload, Cut::Nothing)).url, expected);
        };
        check(b"http://a.example/b%20c", "http://a.example/b%20c");
        check(b"http://a.example/\xff\x00 \n\x7f", "http://a.example/%FF%00%20%0A%7F");
        check("http://a.example/\u{e9}".as_bytes(), "http://a.example/%C3%A9");
        check(b"http://a.example/\"\\", "http://a.example/\"\\");
    }

    #[test]
    fn a_user_is_text_where_it_is_text() {
        let check = |user: &[u8], expected: &str| {
            let payload = PayloadRef {
                user: Some(user),
                ..PayloadRef::unavailable(FailureCause::Timeout, 1, 2)
            };
            assert_eq!(read(&json(&payload, Cut::Nothing)).user.as_deref(), Some(expected));
        };
        check("J\u{fc}rgen \"x\" \u{1}".as_bytes(), "J\u{fc}rgen \"x\" \u{1}");
        check(b"J\xfcrgen", "J%FCrgen");
    }

    #[test]
    fn urls_are_cut_to_scheme_and_host() {
        let check = |url: &str, expected: &str| {
            assert_eq!(String::from_utf8_lossy(origin_of(url.as_bytes())), expected);
        };
        check("http://a.example/b?c", "http://a.example");
        check("http://a.example:81?c", "http://a.example:81");
        check("a.example:443", "a.example:443");
        check("http://user:word@a.example/b", "");
        check("http://a.example/b@c", "http://a.example");
        check("a.example/?u=http://b.example/", "a.example");
        check("", "");
    }

    #[test]
    fn every_text_cut_fits() {
        let long = "\u{1}\"\u{20ac}".repeat(20_000);
        let address = "0123:4567:89ab:cdef:0123:4567:89ab:cdef".parse().unwrap();
        let host = format!("http://{}/", "\u{1}".repeat(259));
        let payload = PayloadRef {
            decision: &long,
            rule: &long,
            rule_id: Some(u32::MAX),
            action: Action::Permit,
            reason: &long,
            category: Some(&long),
            url: host.as_bytes(),
            canonical: host.as_bytes(),
            client: Some(address),
            user: Some(long.as_bytes()),
            at: i64::MIN,
            expires: i64::MIN,
            ack_token: Some(&"a".repeat(crate::limits::ACK_TOKEN_BYTES_MAX)),
        };
        let bytes = json(&payload, Cut::Texts);
        assert!(bytes.len() < 5_206, "{}", bytes.len());
        let read = read(&bytes);
        assert!(read.url.starts_with("http://%01") && long.starts_with(&read.reason));
    }

    #[test]
    fn a_failure_is_told_without_an_engine() {
        for cause in FailureCause::ALL {
            let read = read(&json(&PayloadRef::unavailable(*cause, 5, 9), Cut::Nothing));
            assert_eq!(read.rule, RULE_ENGINE_UNAVAILABLE);
            assert_eq!(read.reason, cause.sentence());
            assert_eq!((read.action, read.code, read.at, read.expires), (Action::Deny, 300, 5, 9));
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(payload in any_payload()) {
            prop_assert_eq!(&read(&json(&payload.borrowed(), Cut::Nothing)), &payload);
            // What serde itself writes is the same to a reader.
            prop_assert_eq!(&read(&serde_json::to_vec(&payload).unwrap()), &payload);
        }

        #[test]
        fn cut_payloads_stay_json(payload in any_payload(), budgeted in any::<bool>()) {
            let cut = if budgeted { Cut::Texts } else { Cut::Urls };
            let read = read(&json(&payload.borrowed(), cut));
            prop_assert!(payload.url.starts_with(&read.url));
            prop_assert_eq!(read.client, payload.client);
        }

        #[test]
        fn arbitrary_urls_become_printable(url: Vec<u8>, user: Vec<u8>) {
            let payload = PayloadRef {
                url: &url,
                user: Some(&user),
                ..PayloadRef::unavailable(FailureCause::Timeout, 1, 2)
            };
            let read = read(&json(&payload, Cut::Nothing));
            prop_assert!(read.url.bytes().all(|byte| byte.is_ascii_graphic()));
        }
    }
}
