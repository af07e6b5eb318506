//! What must open, and what must not.

use proptest::prelude::*;

use super::*;
use crate::answer::Action;
use crate::hello::FailureCause;
use crate::limits::{BASE_URL_BYTES_MAX, REDIRECT_BYTES_MAX, SEALS_MAX, SEALS_WORN};

fn secret(seed: u8) -> PortalSecret {
    PortalSecret::from_bytes([seed; 32])
}

fn sealer(seed: u8) -> Sealer {
    Sealer::new(&secret(seed), [seed; 16])
}

fn opener(seed: u8) -> Opener {
    Opener::new(secret(seed), None)
}

fn payload<'a>(url: &'a [u8]) -> PayloadRef<'a> {
    PayloadRef {
        decision: "0a1b2c3d-4e5",
        rule: "no-games",
        rule_id: Some(7),
        action: Action::Warn,
        reason: "games are for the break",
        category: Some("games"),
        url,
        canonical: url,
        client: Some([192, 0, 2, 7].into()),
        user: Some(b"anna"),
        at: 1_000,
        expires: 1_300,
        ack_token: Some("ack-token_1"),
    }
}

fn sealed(with: &Sealer, payload: &PayloadRef<'_>) -> String {
    let mut out = Vec::new();
    with.seal(Route::Warned, payload, [9; 12], &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn a_token_opens_on_its_page() {
    let token = sealed(&sealer(1), &payload(b"http://games.example/a?b"));
    let opened = opener(1).open(Route::Warned, &token, 1_299).unwrap();
    assert_eq!(opened.freshness, Freshness::Fresh);
    assert_eq!(opened.payload.borrowed(), payload(b"http://games.example/a?b"));
    assert_eq!(opened.payload.code, 310);
}

#[test]
fn a_token_stands_behind_what_there_was() {
    let mut out = b"kept".to_vec();
    sealer(1).seal(Route::Warned, &payload(b"http://a.example/"), [9; 12], &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    let token = text.strip_prefix("kept").unwrap();
    assert_eq!(token, sealed(&sealer(1), &payload(b"http://a.example/")));
    assert!(is_base64url(token.as_bytes()));
}

#[test]
fn an_old_token_is_told_from_a_false_one() {
    let token = sealed(&sealer(1), &payload(b"http://a.example/"));
    for now in [1_300, 9_999, i64::MAX] {
        let opened = opener(1).open(Route::Warned, &token, now).unwrap();
        assert_eq!(opened.freshness, Freshness::Expired);
        assert_eq!(opened.payload.url, "http://a.example/");
    }
}

#[test]
fn another_page_refuses() {
    let token = sealed(&sealer(1), &payload(b"http://a.example/"));
    for route in [Route::Blocked, Route::Aup] {
        assert_eq!(opener(1).open(route, &token, 1_000), Err(OpenFault::Unauthentic));
    }
}

#[test]
fn a_payload_of_another_action_refuses() {
    let mut out = Vec::new();
    sealer(1).seal(Route::Blocked, &payload(b"http://a.example/"), [9; 12], &mut out).unwrap();
    let token = String::from_utf8(out).unwrap();
    assert_eq!(opener(1).open(Route::Blocked, &token, 1_000), Err(OpenFault::Contents));
}

#[test]
fn both_secrets_open_while_one_is_changed() {
    let (old, new) =
        (sealed(&sealer(1), &payload(b"http://a.example/")), sealed(&sealer(2), &payload(b"")));
    let changing = Opener::new(secret(2), Some(secret(1)));
    assert!(changing.open(Route::Warned, &old, 1_000).is_ok());
    assert!(changing.open(Route::Warned, &new, 1_000).is_ok());
    assert_eq!(opener(2).open(Route::Warned, &old, 1_000), Err(OpenFault::Unauthentic));
    let third = sealed(&sealer(3), &payload(b""));
    assert_eq!(changing.open(Route::Warned, &third, 1_000), Err(OpenFault::Unauthentic));
}

#[test]
fn each_salt_has_its_key_and_all_open() {
    let mut one = sealer(1);
    let first = sealed(&one, &payload(b""));
    one.renew([7; 16]);
    let second = sealed(&one, &payload(b""));
    assert_ne!(first, second);
    for token in [first, second] {
        assert!(opener(1).open(Route::Warned, &token, 1_000).is_ok());
    }
}

#[test]
fn a_worn_salt_asks_and_then_refuses() {
    let mut one = sealer(1);
    one.0.wear_down(SEALS_WORN - 1);
    assert_eq!(one.wear(), Wear::Good);
    sealed(&one, &payload(b""));
    assert_eq!(one.wear(), Wear::Worn);
    one.0.wear_down(SEALS_MAX);
    let mut out = b"kept".to_vec();
    assert_eq!(one.seal(Route::Warned, &payload(b""), [9; 12], &mut out), Err(SealFault::Worn));
    assert_eq!(out, b"kept");
    one.renew([8; 16]);
    assert_eq!(one.wear(), Wear::Good);
    sealed(&one, &payload(b""));
}

#[test]
fn every_flipped_bit_refuses() {
    let token = sealed(&sealer(1), &payload(b"http://games.example/"));
    let bytes = TOKEN_TEXT.decode(&token).unwrap();
    for at in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[at / 8] ^= 1 << (at % 8);
        let token = TOKEN_TEXT.encode(&flipped);
        assert_eq!(
            opener(1).open(Route::Warned, &token, 1_000),
            Err(OpenFault::Unauthentic),
            "bit {at}"
        );
    }
}

#[test]
fn a_token_has_one_spelling() {
    let token = sealed(&sealer(1), &payload(b"http://games.example/"));
    let opener = opener(1);
    let refused = |token: &str| {
        assert_eq!(opener.open(Route::Warned, token, 1_000), Err(OpenFault::Malformed), "{token}");
    };
    refused("");
    refused("-");
    refused(&format!("{token}="));
    refused(&format!("{token} "));
    refused(&format!(" {token}"));
    refused(&format!("{token}+abc"));
    refused(&format!("{token}\u{c1}"));
    for length in [1, 16, 42, 58] {
        let cut: String = token.chars().take(length).collect();
        assert!(opener.open(Route::Warned, &cut, 1_000).is_err(), "{length}");
    }
    assert_eq!(
        opener.open(Route::Warned, &"A".repeat(TOKEN_BYTES_MAX + 1), 1_000),
        Err(OpenFault::TooLong)
    );
}

#[test]
fn a_long_url_is_cut_below_the_bound() {
    let base_url = format!("http://{}/", "p".repeat(BASE_URL_BYTES_MAX - 8));
    for bytes in [100, 2_400, 2_500, 2_600, 5_000, 8_192, 65_536] {
        let url = format!("http://games.example/{}", "a".repeat(bytes));
        let token = sealed(&sealer(1), &payload(url.as_bytes()));
        assert!(token.len() <= TOKEN_BYTES_MAX, "{bytes}: {}", token.len());
        let redirect = format!("{base_url}{}?v=1&p={token}", Route::Warned.path());
        assert!(redirect.len() < REDIRECT_BYTES_MAX);
        let opened = opener(1).open(Route::Warned, &token, 1_000).unwrap().payload;
        let expected = if bytes <= 2_400 { url.as_str() } else { "http://games.example" };
        assert_eq!((opened.url.as_str(), opened.canonical.as_str()), (expected, expected));
        assert_eq!(opened.reason, "games are for the break", "only the URLs are cut");
    }
}

#[test]
fn a_long_text_is_cut_too() {
    let reason = "\u{1}\"".repeat(9_000);
    let host = format!("http://{}/", "h".repeat(9_000));
    let payload = PayloadRef { reason: &reason, url: host.as_bytes(), ..payload(b"") };
    let token = sealed(&sealer(1), &payload);
    assert!(token.len() <= TOKEN_BYTES_MAX);
    let opened = opener(1).open(Route::Warned, &token, 1_000).unwrap().payload;
    assert!(reason.starts_with(&opened.reason) && !opened.reason.is_empty());
    assert_eq!(opened.url, "", "half a host would be another host");
    assert_eq!(opened.rule, "no-games");
    assert_eq!(opened.ack_token.as_deref(), Some("ack-token_1"));
}

#[test]
fn a_faulty_ack_token_is_not_sealed() {
    for faulty in ["a".repeat(ACK_TOKEN_BYTES_MAX + 1), "a\"b".to_owned()] {
        let mut out = b"kept".to_vec();
        let payload = PayloadRef { ack_token: Some(&faulty), ..payload(b"") };
        assert_eq!(
            sealer(1).seal(Route::Warned, &payload, [9; 12], &mut out),
            Err(SealFault::BadAckToken(faulty.len()))
        );
        assert_eq!(out, b"kept");
    }
}

#[test]
fn a_failure_token_is_short() {
    for cause in FailureCause::ALL {
        let mut out = Vec::new();
        let payload = PayloadRef::unavailable(*cause, 1_000, i64::MAX);
        sealer(1).seal(Route::Blocked, &payload, [9; 12], &mut out).unwrap();
        assert!(out.len() < crate::limits::FAILURE_TOKEN_BYTES_MAX / 2, "{}", out.len());
        let token = String::from_utf8(out).unwrap();
        assert!(opener(1).open(Route::Blocked, &token, 1_000).is_ok());
    }
}

#[test]
fn sealing_does_not_allocate_after_warm_up() {
    let one = sealer(1);
    let mut out = Vec::new();
    one.seal(Route::Warned, &payload(b"http://games.example/"), [1; 12], &mut out).unwrap();
    let (at, room) = (out.as_ptr(), out.capacity());
    for count in 0..100 {
        out.clear();
        one.seal(Route::Warned, &payload(b"http://games.example/"), [count; 12], &mut out).unwrap();
        assert_eq!((out.as_ptr(), out.capacity()), (at, room));
    }
}

#[test]
fn secrets_are_32_bytes_of_base64() {
    let text = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
    for text in [text, &format!(" {text}\n"), text.trim_end_matches('=')] {
        assert_eq!(PortalSecret::parse(text).unwrap().0, secret(1).0);
    }
    let check = |text: &str, fault| assert_eq!(PortalSecret::parse(text).err(), Some(fault));
    check("", SecretFault::Length(0));
    check("AQEB", SecretFault::Length(3));
    check(&"AQEB".repeat(11), SecretFault::Length(33));
    check("not base64!", SecretFault::NotBase64);
    check(
        "0101010101010101010101010101010101010101010101010101010101010101",
        SecretFault::Length(48),
    );
    assert_eq!(format!("{:?}", secret(1)), "PortalSecret(..)");
}

#[test]
fn the_page_of_the_associated_data_is_the_page_of_the_route() {
    for route in Route::ALL {
        assert_eq!(bound_to(*route), format!("{}?v=1", route.path()).as_bytes());
    }
}

proptest! {
    #[test]
    fn whatever_is_sealed_opens_below_the_bound(
        url: Vec<u8>,
        user: Option<Vec<u8>>,
        reason: String,
        repeat in 1..40_usize,
        nonce: [u8; 12],
        salt: [u8; 16],
    ) {
        let (url, reason) = (url.repeat(repeat), reason.repeat(repeat));
        let payload =
            PayloadRef { reason: &reason, user: user.as_deref(), ..payload(&url) };
        let mut out = Vec::new();
        Sealer::new(&secret(1), salt).seal(Route::Warned, &payload, nonce, &mut out).unwrap();
        prop_assert!(out.len() <= TOKEN_BYTES_MAX);
        let token = String::from_utf8(out).unwrap();
        let opened = opener(1).open(Route::Warned, &token, 1_000).unwrap();
        prop_assert_eq!(opened.payload.rule, "no-games");
    }

    #[test]
    fn arbitrary_tokens_are_refused(text: String, bytes: Vec<u8>) {
        let opener = Opener::new(secret(1), Some(secret(2)));
        prop_assert!(opener.open(Route::Blocked, &text, 1_000).is_err());
        prop_assert!(opener.open(Route::Blocked, &TOKEN_TEXT.encode(bytes), 1_000).is_err());
    }
}
