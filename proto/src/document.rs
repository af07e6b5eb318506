//! Holds docs/defendr.md to the code: every number in its tables is compared with its constant.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::answer::Action;
use crate::frame::FrameKind;
use crate::handshake::{CONNECTOR_LABEL, ENGINE_LABEL, EXPORTER_LABEL};
use crate::hello::{FailureCause, Inspect, RefusedReason};
use crate::query::{Phase, Retry, Role};
use crate::session::CloseReason;
use crate::{DEFENDR_VERSION, answer, limits, query, wire};

const DOCUMENT: &str = include_str!("../../docs/defendr.md");

/// The rows of the table under this head: first cell and second cell.
fn table(head: &str) -> BTreeMap<&'static str, &'static str> {
    let (_, behind) = DOCUMENT.split_once(head).unwrap_or_else(|| panic!("no table `{head}`"));
    behind
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .map(|line| {
            let cells: Vec<&str> =
                line.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
            (cells[1], cells[2])
        })
        .collect()
}

/// Compares a table with what the code says, both ways.
fn check(head: &str, expected: &[(&str, u64)]) {
    let found = table(head);
    let expected: BTreeMap<String, String> =
        expected.iter().map(|(name, number)| ((*name).to_owned(), number.to_string())).collect();
    let found: BTreeMap<String, String> =
        found.into_iter().map(|(name, number)| (name.to_owned(), number.to_owned())).collect();
    assert_eq!(found, expected, "{head}");
}

macro_rules! bounds {
    ($($name:ident),* $(,)?) => {
        [$((stringify!($name), u64::try_from(limits::$name).unwrap())),*]
    };
}

#[test]
fn bounds() {
    let expected = bounds![
        FRAME_BYTES_MAX,
        HANDSHAKE_FRAME_BYTES_MAX,
        BATCH_MAX,
        URI_BYTES_MAX,
        METHOD_BYTES_MAX,
        FIELD_BYTES_MAX,
        TOKEN_BYTES_MAX,
        FAILURE_TOKEN_BYTES_MAX,
        FAILURE_TOKENS_MAX,
        BASE_URL_BYTES_MAX,
        ROUTE_BYTES_MAX,
        ENGINE_BYTES_MAX,
        TEXT_BYTES_MAX,
        NAME_CHARS_MAX,
        VERSIONS_MAX,
        KEY_CHARS_MIN,
        KEY_CHARS_MAX,
        KEY_BITS_MIN_UNPINNED,
        IN_FLIGHT_MAX,
    ];
    check("| bound | value | of what |", &expected);
}

#[test]
fn times() {
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap();
    let expected = [
        ("HANDSHAKE_TIMEOUT", millis(limits::HANDSHAKE_TIMEOUT)),
        ("KEEPALIVE_IDLE", millis(limits::KEEPALIVE_IDLE)),
        ("KEEPALIVE_DEAD", millis(limits::KEEPALIVE_DEAD)),
        ("ASK_AGAIN_AFTER", millis(limits::ASK_AGAIN_AFTER)),
    ];
    check("| time | milliseconds | of what |", &expected);
    assert_eq!(limits::KEEPALIVE_DEAD, limits::KEEPALIVE_IDLE * 3);
}

#[test]
fn numbers_of_words() {
    let kinds: Vec<(String, u64)> =
        FrameKind::ALL.iter().map(|kind| (format!("{kind:?}"), u64::from(kind.number()))).collect();
    let kinds: Vec<(&str, u64)> = kinds.iter().map(|(name, n)| (name.as_str(), *n)).collect();
    check("| kind | number | sent by |", &kinds);

    let causes: Vec<(&str, u64)> =
        FailureCause::ALL.iter().map(|cause| (cause.word(), cause.number().into())).collect();
    check("| cause | number |", &causes);

    let refusals: Vec<(&str, u64)> =
        RefusedReason::ALL.iter().map(|reason| (reason.word(), reason.number().into())).collect();
    let (before, after) = DOCUMENT.split_once("### The proofs").unwrap();
    assert!(before.contains("| reason | number |") && after.contains("| reason | number |"));
    check("| reason | number |", &refusals);

    let closes: Vec<(&str, u64)> =
        CloseReason::ALL.iter().map(|reason| (reason.word(), reason.number().into())).collect();
    for (word, number) in closes {
        assert!(after.contains(&format!("\n| {word} | {number} |\n")), "{word}");
    }
}

#[test]
fn fields() {
    let expected = [
        ("user", u64::from(query::FIELD_USER)),
        ("SNI", query::FIELD_SNI.into()),
        ("user agent", query::FIELD_USER_AGENT.into()),
        ("referer", query::FIELD_REFERER.into()),
        ("tag", query::FIELD_TAG.into()),
    ];
    check("| field | tag | value |", &expected);
    let says = |text: &str| assert!(DOCUMENT.contains(text), "the document lacks `{text}`");
    says(&format!("token {}, tag {};", answer::FIELD_TOKEN, answer::FIELD_TAG));
    says(&format!("tls {}, one byte: ", answer::FIELD_TLS));
    for tls in crate::Tls::ALL {
        says(&format!("{} {}", tls.number(), tls.word()));
    }
    says(&format!("A tag of {} or\n  higher", wire::FIELD_SKIPPABLE));
}

#[test]
fn sentences() {
    let says = |text: &str| assert!(DOCUMENT.contains(text), "the document lacks `{text}`");
    says(&format!("# Defendr, version {DEFENDR_VERSION}\n"));
    says(&format!("magic `{}`", String::from_utf8_lossy(&crate::greeting::MAGIC)));
    says(&format!("(1 to {}), then each as `u16`", limits::VERSIONS_MAX));
    says(&format!("number of records (1 to {})", limits::BATCH_MAX));
    says(&format!("label \"{}\"", String::from_utf8_lossy(EXPORTER_LABEL)));
    for label in [CONNECTOR_LABEL, ENGINE_LABEL] {
        says(&format!("0x{:02x} \"{}\"", label.len(), String::from_utf8_lossy(label)));
    }
    says(&format!("after {} ms", limits::ASK_AGAIN_AFTER.as_millis()));
    let codes = [Action::Permit, Action::Deny, Action::Warn, Action::Aup]
        .map(|action| format!("{} {}", action.code(), action.word()));
    says(&codes.join(", "));
    says(&format!("{} first time, {} asked before", Retry::First.number(), Retry::Again.number()));
    says(&format!(
        "{} may this request go on, {} what",
        Role::Rewrite.number(),
        Role::Acl.number()
    ));
    says(&format!("{} connect (before", Phase::Connect.number()));
    says(&format!("{} hello (SNI", Phase::Hello.number()));
    says(&format!("{} request |", Phase::Request.number()));
    let inspect = [Inspect::Off, Inspect::Peek, Inspect::Bump].map(Inspect::number);
    says(&format!("({} off, {} peek, {} bump", inspect[0], inspect[1], inspect[2]));
}
