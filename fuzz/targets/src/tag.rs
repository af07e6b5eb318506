//! The tag of a client connection: what is sealed comes back as it was, for its client and its time only,
//! and nothing else opens.

use std::net::IpAddr;

use eg_proto::limits::{TAG_AGE_MAX, TAG_NAME_BYTES_MAX, TAG_TEXT_BYTES_MAX};
use eg_proto::{
    DecisionId, Kept, Opener, PortalSecret, Route, Sni, Standing, Tag, TagOpener, TagSealer,
    is_base64url,
};

use crate::feed::Feed;

const NOW: i64 = 1_700_000_000;

const CLIENTS: [IpAddr; 3] = [
    IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7)),
    IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED),
    IpAddr::V6(std::net::Ipv6Addr::LOCALHOST),
];

pub(crate) fn run(bytes: &[u8]) {
    let mut feed = Feed::new(bytes);
    let secret = PortalSecret::from_bytes([11; 32]);
    let mut opener = TagOpener::new(secret.clone(), None);
    if feed.byte() & 1 == 0 {
        let text = feed.rest();
        for client in CLIENTS {
            assert!(opener.open(text, client, NOW).is_err(), "a forged tag opens: {text:?}");
        }
        return;
    }
    let tag = chosen(&mut feed);
    let altered = (usize::from(feed.byte()) << 8) | usize::from(feed.byte());
    let sealer = TagSealer::new(&secret, [13; 16]);
    let mut text = Vec::new();
    let sealed = sealer.seal(&tag, [17; 12], &mut text);
    let fits = |name: &[u8]| name.len() <= TAG_NAME_BYTES_MAX;
    let names_fit = fits(tag.host)
        && match tag.sni {
            Sni::Unknown | Sni::Absent => true,
            Sni::Name(name) => fits(name),
        };
    assert_eq!(sealed.is_ok(), names_fit, "{tag:?}");
    if sealed.is_err() {
        assert!(text.is_empty(), "a refused tag leaves something");
        return;
    }
    assert!(text.len() <= TAG_TEXT_BYTES_MAX && is_base64url(&text), "it cannot stand in a note");
    // A User-Agent that does not fit is left out, and never cut.
    let without = Tag { user_agent: Kept::Unknown, ..tag };
    let opened = opener.open(&text, tag.client, NOW);
    assert!(opened == Ok(tag) || opened == Ok(without), "{tag:?} comes back as {opened:?}");
    for client in CLIENTS.into_iter().filter(|client| *client != tag.client) {
        assert!(opener.open(&text, client, NOW).is_err(), "it opens for {client}");
    }
    let age = i64::try_from(TAG_AGE_MAX.as_secs()).unwrap_or(i64::MAX);
    assert!(opener.open(&text, tag.client, NOW + age + 1).is_err(), "it never ends");
    let payloads = Opener::new(secret, None);
    let shown = String::from_utf8_lossy(&text).into_owned();
    for route in Route::ALL {
        assert!(payloads.open(*route, &shown, NOW).is_err(), "a tag opens as a payload");
    }
    let at = altered.checked_rem(text.len()).unwrap_or_default();
    if let Some(byte) = text.get_mut(at) {
        *byte = if *byte == b'A' { b'B' } else { b'A' };
    }
    let opened = opener.open(&text, tag.client, NOW);
    assert!(opened.is_err(), "a tag with another letter at {at} opens");
}

/// A tag out of choices.
fn chosen<'a>(feed: &mut Feed<'a>) -> Tag<'a> {
    let client = feed.pick(&CLIENTS).unwrap_or(IpAddr::V6(std::net::Ipv6Addr::LOCALHOST));
    let standing = feed.pick(&[Standing::Passed, Standing::Refused]).unwrap_or(Standing::Passed);
    let port = (u16::from(feed.byte()) << 8) | u16::from(feed.byte());
    let host = feed_text(feed);
    let sni = match feed.below(4) {
        0 => Sni::Unknown,
        1 => Sni::Absent,
        2 => Sni::Name(host),
        _ => Sni::Name(feed_text(feed)),
    };
    let user_agent = match feed.below(3) {
        0 => Kept::Unknown,
        1 => Kept::Absent,
        _ => {
            let count = usize::from(feed.byte()) * 2;
            Kept::Text(feed.take(count))
        }
    };
    let decision = DecisionId::new(u64::from(feed.byte()), u64::from(feed.byte()));
    Tag { client, host, port, sni, user_agent, decision, standing, at: NOW }
}

/// A text as long as its first byte says.
fn feed_text<'a>(feed: &mut Feed<'a>) -> &'a [u8] {
    let count = usize::from(feed.byte());
    feed.take(count)
}
