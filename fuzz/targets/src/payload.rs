//! The portal's token: what is sealed opens as itself on its own page only, and nothing else opens.

use eg_proto::limits::TOKEN_BYTES_MAX;
use eg_proto::{Action, Opener, PayloadRef, PortalSecret, Route, Sealer, is_base64url};

use crate::feed::Feed;

const NOW: i64 = 1_700_000_000;

pub(crate) fn run(bytes: &[u8]) {
    let mut feed = Feed::new(bytes);
    let secret = PortalSecret::from_bytes([11; 32]);
    let opener = Opener::new(secret.clone(), None);
    if feed.byte() & 1 == 0 {
        let token = String::from_utf8_lossy(feed.rest());
        for route in Route::ALL {
            assert!(opener.open(*route, &token, NOW).is_err(), "a forged token opens: {token}");
        }
        return;
    }
    let Some(route) = feed.pick(Route::ALL) else { return };
    let sealer = Sealer::new(&secret, [13; 16]);
    let texts: [&[u8]; 3] = [feed_text(&mut feed), feed_text(&mut feed), feed_text(&mut feed)];
    let [rule, reason, category] = texts.map(String::from_utf8_lossy);
    let user = feed_text(&mut feed);
    let altered = (usize::from(feed.byte()) << 8) | usize::from(feed.byte());
    let payload = PayloadRef {
        decision: "1",
        rule: &rule,
        rule_id: Some(7),
        action: route.action(),
        reason: &reason,
        category: Some(&category),
        url: feed.rest(),
        canonical: feed.rest(),
        client: None,
        user: Some(user),
        at: NOW,
        expires: NOW + 60,
        ack_token: None,
    };
    let mut token = Vec::new();
    if sealer.seal(route, &payload, [17; 12], &mut token).is_err() {
        assert!(token.is_empty(), "a refused token leaves something");
        return;
    }
    assert!(
        token.len() <= TOKEN_BYTES_MAX && is_base64url(&token),
        "it cannot stand in an address"
    );
    let text = String::from_utf8_lossy(&token);
    for page in Route::ALL {
        let opened = opener.open(*page, &text, NOW);
        assert_eq!(opened.is_ok(), *page == route, "{page:?} opens what is for {route:?}");
        if let Ok(opened) = opened {
            assert!(opened.payload.action != Action::Permit && opened.payload.rule_id == Some(7));
        }
    }
    let at = altered.checked_rem(token.len()).unwrap_or_default();
    if let Some(byte) = token.get_mut(at) {
        *byte = if *byte == b'A' { b'B' } else { b'A' };
    }
    let opened = opener.open(route, &String::from_utf8_lossy(&token), NOW);
    assert!(opened.is_err(), "a token with another letter at {at} opens");
}

/// A text as long as its first byte says.
fn feed_text<'a>(feed: &mut Feed<'a>) -> &'a [u8] {
    let count = usize::from(feed.byte());
    feed.take(count)
}
