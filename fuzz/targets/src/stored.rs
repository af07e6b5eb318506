//! Files beside the store: any bytes are refused or are what they say; an index whose checksum holds can
//! be looked into, whatever else stands in it.

use std::sync::Arc;

use eg_policy::build::{Loaded, build};
use eg_policy::check::{CheckedRule, Conditions, ListIndex, ListKind};
use eg_policy::client::{Client, Known, Phase, Request, Tunnel};
use eg_policy::compile::{CompiledList, CompiledPolicy};
use eg_policy::decide::{Scratch, decide};
use eg_policy::digest::Digest;
use eg_policy::lists::{AddressList, NameList};
use eg_policy::matcher::DomainIndex;
use eg_policy::moment::Moment;
use eg_policy::uri::{CanonicalUri, Form, UriBuffer};
use eg_policy::verdict::{Action, RuleId};
use xxhash_rust::xxh3::xxh3_64;

use crate::feed::Feed;

/// Sets of an index that a rule names.
const SETS_MAX: usize = 8;
const HOSTS: [&[u8]; 4] =
    [b"http://www.example.com/", b"http://example.com/", b"http://192.0.2.1/", b"http://a/"];

pub(crate) fn run(bytes: &[u8]) {
    let mut feed = Feed::new(bytes);
    match feed.byte() % 4 {
        0 => {
            if let Ok(names) = NameList::from_file(feed.rest()) {
                assert_eq!(names.to_file(), feed.rest());
            }
        }
        1 => {
            if let Ok(ranges) = AddressList::from_file(feed.rest()) {
                assert_eq!(ranges.to_file(), feed.rest());
            }
        }
        2 => {
            if let Ok(index) = DomainIndex::open(feed.rest().to_vec()) {
                look_into(index);
            }
        }
        _ => {
            let mut forged = feed.rest().to_vec();
            forged.extend_from_slice(&xxh3_64(feed.rest()).to_le_bytes());
            if let Ok(index) = DomainIndex::open(forged) {
                look_into(index);
            }
        }
    }
}

fn look_into(index: DomainIndex) {
    let sets: Vec<Digest> = index.sets().iter().copied().take(SETS_MAX).collect();
    let list = |set| CompiledList {
        path: "list".to_owned(),
        kind: ListKind::Domains,
        source: Digest::of(b""),
        set,
        entries: 0,
    };
    let numbers = (0_u32..).map(ListIndex);
    let domain_lists = numbers.zip(&sets).map(|(number, _)| number).collect();
    let rule = CheckedRule {
        id: RuleId(1),
        name: "rule".to_owned(),
        file: String::new(),
        line: 0,
        action: Action::Deny,
        description: None,
        category: None,
        tls: None,
        conditions: Conditions { domain_lists, ..Conditions::default() },
    };
    let lists = sets.into_iter().map(list).collect();
    let policy = CompiledPolicy { rules: vec![rule], lists, default_action: Action::Permit };
    let loaded = Loaded { index: Arc::new(index), addresses: Vec::new() };
    let Ok(ruleset) = build(&policy, loaded) else { return };
    let mut scratch = Scratch::new(&ruleset);
    for host in HOSTS {
        let mut buffer = UriBuffer::default();
        let Ok(uri) = CanonicalUri::parse(&mut buffer, Form::Absolute, host) else { continue };
        let request = Request {
            phase: Phase::Request,
            tunnel: Tunnel::Opaque,
            method: b"GET",
            uri: &uri,
            client: Client {
                address: [192, 0, 2, 7].into(),
                user: None,
                sni: Known::Absent,
                user_agent: Known::Absent,
                referer: Known::Absent,
            },
            earlier: None,
        };
        let verdict = decide(&ruleset, &mut scratch, &request, Moment::from_unix_micros(0));
        assert!(matches!(verdict.action, Action::Permit | Action::Deny));
    }
}
