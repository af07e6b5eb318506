//! Files beside the store: any bytes are refused or are what they say; an index whose checksum holds can
//! be looked into, whatever else stands in it.

use std::sync::Arc;

use eg_policy::build::{Loaded, build};
use eg_policy::check::{Conditions, ListIndex, ListKind};
use eg_policy::compile::CompiledList;
use eg_policy::decide::{Scratch, decide};
use eg_policy::digest::Digest;
use eg_policy::lists::{AddressList, ExpressionList, NameList, UrlList};
use eg_policy::matcher::DomainIndex;
use eg_policy::moment::Moment;
use eg_policy::regex::{Backend, RegexPattern, Shard};
use eg_policy::users::UserList;
use eg_policy::verdict::Action;
use xxhash_rust::xxh3::xxh3_64;

use crate::feed::Feed;
use crate::rules;

/// Sets of an index that a rule names.
const SETS_MAX: usize = 8;
const HOSTS: [&[u8]; 4] =
    [b"http://www.example.com/", b"http://example.com/", b"http://192.0.2.1/", b"http://a/"];

pub(crate) fn run(bytes: &[u8]) {
    let mut feed = Feed::new(bytes);
    match feed.byte() % 7 {
        0 => {
            if let Ok(names) = NameList::from_file(feed.rest()) {
                assert_eq!(names.to_file(), feed.rest());
            }
        }
        1 => {
            if let Ok(ranges) = AddressList::from_file(feed.rest()) {
                assert_eq!(ranges.to_file(), feed.rest());
            }
            if let Ok(users) = UserList::from_file(feed.rest()) {
                assert_eq!(users.to_file(), feed.rest());
            }
        }
        2 => {
            if let Ok(index) = DomainIndex::open(feed.rest().to_vec()) {
                look_into(index);
            }
        }
        3 => shard(feed.rest()),
        5 => {
            if let Ok(urls) = UrlList::from_file(feed.rest()) {
                assert_eq!(urls.to_file(), feed.rest());
            }
        }
        6 => {
            if let Ok(expressions) = ExpressionList::from_file(feed.rest()) {
                assert_eq!(expressions.to_file(), feed.rest());
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
    let names = index.sets().iter().take(SETS_MAX).map(|set| (*set, ListKind::Domains));
    let urls = index.url_sets().iter().take(SETS_MAX).map(|set| (*set, ListKind::Urls));
    let sets: Vec<(Digest, ListKind)> = names.chain(urls).collect();
    let list = |(set, kind)| CompiledList {
        path: "list".to_owned(),
        kind,
        source: Digest::of(b""),
        set,
        entries: 0,
    };
    let domain_lists = (0_u32..).map(ListIndex).zip(&sets).map(|(number, _)| number).collect();
    let conditions = Conditions { domain_lists, ..Conditions::default() };
    let policy = rules::policy(conditions, sets.into_iter().map(list).collect());
    let loaded = Loaded {
        index: Arc::new(index),
        addresses: Vec::new(),
        regexes: Vec::new(),
        users: Vec::new(),
        zone: eg_policy::zone::Zone::utc(),
    };
    let Ok(ruleset) = build(&policy, loaded) else { return };
    let mut scratch = Scratch::new(&ruleset);
    for host in HOSTS {
        rules::ask(host, |request| {
            let verdict = decide(&ruleset, &mut scratch, request, Moment::from_unix_micros(0));
            assert!(matches!(verdict.action, Action::Permit | Action::Deny));
        });
    }
}

/// A shard whose key and checksum hold, and whatever else stands in it.
fn shard(bytes: &[u8]) {
    let patterns = ["ads?[0-9]", "^tracker", "x$"].map(RegexPattern::parse);
    let uri_regexes = patterns.into_iter().flatten().collect();
    let policy = rules::policy(Conditions { uri_regexes, ..Conditions::default() }, Vec::new());
    for plan in policy.shards() {
        let key = plan.key(Backend::Regex);
        let mut forged = [b"EGSHARD1", key.as_bytes().as_slice(), bytes].concat();
        let sum = Digest::of(&forged);
        forged.extend_from_slice(sum.as_bytes());
        if let Ok(shard) = Shard::from_bytes(&plan, Backend::Regex, &forged) {
            assert_eq!(shard.to_bytes().ok(), Some(forged));
        }
        assert!(Shard::from_bytes(&plan, Backend::Regex, bytes).is_err());
    }
}
