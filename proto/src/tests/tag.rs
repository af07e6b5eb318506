//! What must come back, and what must count for nothing.

use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::*;
use crate::answer::Route;
use crate::limits::{SEALS_MAX, SEALS_WORN};
use crate::seal::{OpenFault, Opener};
use crate::wire::is_base64url;

const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));
const AT: i64 = 1_800_000_000;

fn secret(seed: u8) -> PortalSecret {
    PortalSecret::from_bytes([seed; 32])
}

fn tag() -> Tag<'static> {
    Tag {
        client: CLIENT,
        host: b"good.test",
        port: 443,
        sni: Sni::Unknown,
        user_agent: Kept::Text(b"curl/8.0"),
        decision: DecisionId::new(77, 5),
        standing: Standing::Passed,
        at: AT,
    }
}

fn sealed(seed: u8, tag: &Tag<'_>) -> Vec<u8> {
    let mut out = b"kept".to_vec();
    TagSealer::new(&secret(seed), [seed; 16]).seal(tag, [9; 12], &mut out).unwrap();
    assert_eq!(out.get(..4), Some(&b"kept"[..]));
    out.split_off(4)
}

fn opener(seed: u8) -> TagOpener {
    TagOpener::new(secret(seed), None)
}

#[test]
fn what_was_sealed_comes_back() {
    let long = [b'a'; 253];
    let agent = [b'u'; TAG_USER_AGENT_BYTES_MAX];
    for host in [&b"good.test"[..], b"[2001:db8::1]", &long] {
        for sni in [Sni::Unknown, Sni::Absent, Sni::Name(host), Sni::Name(b"other.test")] {
            for user_agent in [Kept::Unknown, Kept::Absent, Kept::Text(b""), Kept::Text(b"a \xff")]
            {
                for client in [CLIENT, Ipv6Addr::LOCALHOST.into()] {
                    let tag = Tag { client, host, sni, user_agent, ..tag() };
                    let text = sealed(1, &tag);
                    assert!(is_base64url(&text) && text.len() <= TAG_TEXT_BYTES_MAX);
                    assert_eq!(opener(1).open(&text, client, AT), Ok(tag));
                }
            }
        }
    }
    let tag = Tag { user_agent: Kept::Text(&agent), sni: Sni::Name(b"a.test"), ..tag() };
    assert_eq!(opener(1).open(&sealed(1, &tag), CLIENT, AT), Ok(tag));
}

#[test]
fn a_user_agent_that_does_not_fit_is_not_known_and_never_cut() {
    let (long, name, other) = ([b'u'; 9_000], [b'a'; 253], [b'b'; 253]);
    let whole = Tag { user_agent: Kept::Text(&long), ..tag() };
    let unknown = Tag { user_agent: Kept::Unknown, ..whole };
    assert_eq!(opener(1).open(&sealed(1, &whole), CLIENT, AT), Ok(unknown));
    // beside two names of full length
    let agent = long.get(..TAG_USER_AGENT_BYTES_MAX).unwrap();
    let whole = Tag { host: &name, sni: Sni::Name(&other), user_agent: Kept::Text(agent), ..tag() };
    let text = sealed(1, &whole);
    assert!(text.len() <= TAG_TEXT_BYTES_MAX, "{}", text.len());
    let unknown = Tag { user_agent: Kept::Unknown, ..whole };
    assert_eq!(opener(1).open(&text, CLIENT, AT), Ok(unknown));
}

#[test]
fn a_refusal_comes_back_and_nothing_else_is_one() {
    for standing in [Standing::Passed, Standing::Refused] {
        let tag = Tag { standing, ..tag() };
        assert_eq!(opener(1).open(&sealed(1, &tag), CLIENT, AT), Ok(tag));
    }
    let mut plain = Vec::new();
    tag().write(&mut plain);
    // Behind the address, port, decision and time.
    let at = 5 + 2 + 16 + 8;
    assert_eq!(plain.get(at), Some(&PASSED));
    for other in (0..=u8::MAX).filter(|byte| ![PASSED, REFUSED].contains(byte)) {
        plain[at] = other;
        assert_eq!(Tag::read(&plain), None, "{other}");
    }
}

#[test]
fn names_that_no_host_has_are_not_sealed() {
    let long = [b'a'; 254];
    let sealer = TagSealer::new(&secret(1), [1; 16]);
    let mut out = b"kept".to_vec();
    for tag in [Tag { host: &long, ..tag() }, Tag { sni: Sni::Name(&long), ..tag() }] {
        assert_eq!(sealer.seal(&tag, [0; 12], &mut out), Err(SealFault::Cipher));
        assert_eq!(out, b"kept");
    }
}

#[test]
fn a_tag_counts_for_its_client_and_its_time_alone() {
    let text = sealed(1, &tag());
    let day = i64::try_from(TAG_AGE_MAX.as_secs()).unwrap();
    let ahead = i64::try_from(TAG_AHEAD_MAX.as_secs()).unwrap();
    let other = IpAddr::from([192, 0, 2, 8]);
    for (client, now, expected) in [
        (CLIENT, AT, None),
        (CLIENT, AT + day, None),
        (CLIENT, AT + day + 1, Some(TagFault::Old)),
        (CLIENT, i64::MAX, Some(TagFault::Old)),
        (CLIENT, AT - ahead, None),
        (CLIENT, AT - ahead - 1, Some(TagFault::Ahead)),
        (CLIENT, i64::MIN, Some(TagFault::Ahead)),
        (other, AT, Some(TagFault::OtherClient)),
        (Ipv6Addr::LOCALHOST.into(), AT, Some(TagFault::OtherClient)),
    ] {
        assert_eq!(opener(1).open(&text, client, now).err(), expected, "{client} {now}");
    }
}

#[test]
fn the_previous_secret_opens_and_another_does_not() {
    let text = sealed(1, &tag());
    let open = |current, previous| {
        let mut opener = TagOpener::new(secret(current), previous);
        opener.open(&text, CLIENT, AT).map(|tag| tag.port)
    };
    assert_eq!(open(1, None), Ok(443));
    assert_eq!(open(2, Some(secret(1))), Ok(443));
    assert_eq!(open(2, None), Err(TagFault::Unauthentic));
    assert_eq!(open(2, Some(secret(3))), Err(TagFault::Unauthentic));
}

#[test]
fn no_altered_tag_opens() {
    let text = sealed(1, &tag());
    let mut opener = opener(1);
    for at in 0..text.len() {
        let mut altered = text.clone();
        altered[at] = if altered[at] == b'A' { b'B' } else { b'A' };
        let fault = opener.open(&altered, CLIENT, AT).err();
        assert!(
            matches!(fault, Some(TagFault::Unauthentic | TagFault::Malformed)),
            "{at}: {fault:?}"
        );
        assert!(opener.open(&text[..at], CLIENT, AT).is_err(), "{at}");
    }
    for text in [&b""[..], b"-", b"a b", b"tag=x", &[b'A'; 58], &[b'A'; 59], &[b'='; 64], b"\0"] {
        assert!(opener.open(text, CLIENT, AT).is_err());
    }
    let long = vec![b'A'; TAG_TEXT_BYTES_MAX + 1];
    assert_eq!(opener.open(&long, CLIENT, AT), Err(TagFault::TooLong));
    assert_eq!(opener.open(&text, CLIENT, AT).map(|tag| tag.port), Ok(443));
}

#[test]
fn a_tag_is_no_payload_and_a_payload_is_no_tag() {
    let text = String::from_utf8(sealed(1, &tag())).unwrap();
    let payloads = Opener::new(secret(1), None);
    for route in Route::ALL {
        assert_eq!(payloads.open(*route, &text, AT), Err(OpenFault::Unauthentic));
    }
    let mut token = Vec::new();
    let cause = crate::hello::FailureCause::NoEngine;
    let payload = crate::payload::PayloadRef::unavailable(cause, AT, AT + 9);
    let sealer = crate::seal::Sealer::new(&secret(1), [1; 16]);
    sealer.seal(Route::Blocked, &payload, [9; 12], &mut token).unwrap();
    assert_eq!(opener(1).open(&token, CLIENT, AT), Err(TagFault::Unauthentic));
}

#[test]
fn authentic_bytes_that_are_no_tag_are_refused() {
    let cipher = secret(1).cipher(&[1; 16], KEY_PURPOSE);
    let seal = |plain: &[u8]| {
        let mut bytes = [&[1; 16][..], &[9; 12], plain].concat();
        let place = InOutBuf::from(bytes.split_at_mut(28).1);
        let mac = cipher.encrypt_inout_detached(&Nonce::from([9; 12]), BOUND_TO, place).unwrap();
        bytes.extend_from_slice(&mac);
        TOKEN_TEXT.encode(bytes)
    };
    let mut plain = Vec::new();
    tag().write(&mut plain);
    assert!(opener(1).open(seal(&plain).as_bytes(), CLIENT, AT).is_ok());
    for cut in 0..plain.len() {
        let text = seal(plain.get(..cut).unwrap());
        assert_eq!(opener(1).open(text.as_bytes(), CLIENT, AT), Err(TagFault::Contents), "{cut}");
    }
    let longer = [&plain[..], b"x"].concat();
    assert_eq!(opener(1).open(seal(&longer).as_bytes(), CLIENT, AT), Err(TagFault::Contents));
}

#[test]
fn keys_of_many_salts_come_and_go() {
    let mut opener = opener(1);
    let salts = u8::try_from(KEYS_KEPT * 3).unwrap();
    for round in 0..2 {
        for salt in 0..salts {
            let mut text = Vec::new();
            let sealer = TagSealer::new(&secret(1), [salt; 16]);
            sealer.seal(&tag(), [round; 12], &mut text).unwrap();
            assert_eq!(opener.open(&text, CLIENT, AT), Ok(tag()), "{round} {salt}");
        }
    }
    assert_eq!(opener.keys.len(), KEYS_KEPT);
    // what does not open leaves no key behind
    let foreign = sealed(2, &tag());
    assert_eq!(opener.open(&foreign, CLIENT, AT), Err(TagFault::Unauthentic));
    assert!(opener.keys.iter().all(|(salt, _)| *salt != [2; 16]));
}

#[test]
fn a_sealer_can_be_renewed_and_wears() {
    let mut sealer = TagSealer::new(&secret(1), [1; 16]);
    let (mut first, mut second) = (Vec::new(), Vec::new());
    sealer.seal(&tag(), [1; 12], &mut first).unwrap();
    sealer.renew([2; 16]);
    sealer.seal(&tag(), [1; 12], &mut second).unwrap();
    assert_ne!(first, second);
    let mut opener = opener(1);
    assert_eq!(opener.open(&first, CLIENT, AT), Ok(tag()));
    assert_eq!(opener.open(&second, CLIENT, AT), Ok(tag()));
    sealer.0.wear_down(SEALS_WORN);
    assert_eq!(sealer.wear(), Wear::Worn);
    sealer.0.wear_down(SEALS_MAX);
    assert_eq!(sealer.seal(&tag(), [1; 12], &mut Vec::new()), Err(SealFault::Worn));
}

proptest! {
    #[test]
    fn no_text_breaks_it(text in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(opener(1).open(&text, CLIENT, AT).is_err());
    }

    #[test]
    fn no_plain_text_breaks_it(plain in prop::collection::vec(any::<u8>(), 0..120)) {
        if let Some(tag) = Tag::read(&plain) {
            let mut again = Vec::new();
            tag.write(&mut again);
            prop_assert_eq!(Tag::read(&again).map(|tag| tag.host), Some(tag.host));
        }
    }
}
