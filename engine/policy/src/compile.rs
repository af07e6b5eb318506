//! `CheckedPolicy` and lists to `CompiledPolicy`: what the store keeps.
//!
//! A compiled policy is small: rules point to lists by position, and a list points to its set file by
//! digest. The names themselves are in the set files and in the index made of them, which lie beside
//! the store; so a change of one rule touches no list, and an unchanged list is never read again.
//!
//! INVARIANT: two compiled policies with the same digest give the same verdict on every request.

use serde::{Deserialize, Serialize};

use crate::check::{CheckedPolicy, CheckedRule, Conditions, ListKind, Mode, Validity};
use crate::digest::Digest;
use crate::verdict::{Action, RuleId, Tls};

/// A list file as the policy uses it: where it was read, and which set it became.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompiledList {
    /// The path of the file, as rules resolved it.
    pub path: String,
    /// What its lines are.
    pub kind: ListKind,
    /// The digest of the file as it was read, to know an unchanged one without parsing it.
    pub source: Digest,
    /// The digest of the set file, which is its name in the store.
    pub set: Digest,
    /// How many entries the set has.
    pub entries: u64,
}

/// A policy without its names: what the store keeps and what a ruleset is built from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompiledPolicy {
    /// The rules in load order.
    pub rules: Vec<CheckedRule>,
    /// The lists that rules name, by [`crate::check::ListIndex`].
    pub lists: Vec<CompiledList>,
    /// What a request gets that no rule holds for.
    pub default_action: Action,
}

/// Joins checked rules with the sets that their lists became; `lists` has the order of
/// [`CheckedPolicy::lists`].
#[must_use]
pub fn compile(
    checked: CheckedPolicy,
    default_action: Action,
    lists: Vec<CompiledList>,
) -> CompiledPolicy {
    CompiledPolicy { rules: checked.rules, lists, default_action }
}

/// What of a rule decides, or is part of a verdict: all but its place in the files.
#[derive(Serialize)]
struct DecidingRule<'a> {
    id: RuleId,
    name: &'a str,
    action: Action,
    description: Option<&'a str>,
    category: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls: Option<Tls>,
    conditions: &'a Conditions,
    // What a rule does not say is not written, so that older policies keep their digests.
    #[serde(skip_serializing_if = "Option::is_none")]
    except: Option<&'a Conditions>,
    #[serde(skip_serializing_if = "Option::is_none")]
    validity: Option<Validity>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mode: Option<Mode>,
}

/// What of a list decides, or is part of a verdict: its set, and the path that verdicts report.
#[derive(Serialize)]
struct DecidingList<'a> {
    path: &'a str,
    kind: ListKind,
    set: Digest,
}

impl CompiledPolicy {
    /// The digest over everything that a verdict depends on; where rules stand in the files and how
    /// lists were written is no part of it.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let rules = self.rules.iter().map(|rule| {
            canonical(&DecidingRule {
                id: rule.id,
                name: &rule.name,
                action: rule.action,
                description: rule.description.as_deref(),
                category: rule.category.as_deref(),
                tls: rule.tls,
                conditions: &rule.conditions,
                except: rule.except.as_deref(),
                validity: Some(rule.validity).filter(|validity| *validity != Validity::ALWAYS),
                mode: Some(rule.mode).filter(|mode| *mode != Mode::Enforce),
            })
        });
        let lists = self.lists.iter().map(|list| {
            canonical(&DecidingList { path: &list.path, kind: list.kind, set: list.set })
        });
        let front = [
            b"enforcegate-ruleset 1".to_vec(),
            self.default_action.word().as_bytes().to_vec(),
            self.rules.len().to_string().into_bytes(),
        ];
        let parts: Vec<Vec<u8>> = front.into_iter().chain(rules).chain(lists).collect();
        Digest::of_parts(parts.iter().map(Vec::as_slice))
    }

    /// Whether a rule looks at civil time, so that the zone decides too.
    #[must_use]
    pub fn asks_the_clock(&self) -> bool {
        let mut asked = self.rules.iter().flat_map(CheckedRule::asked);
        asked.any(|asked| !asked.windows.is_empty())
    }

    /// The sets of all lists of names, sorted, each once: what the index is made of.
    #[must_use]
    pub fn domain_sets(&self) -> Vec<Digest> {
        self.sets(ListKind::Domains)
    }

    /// The sets of all lists of URLs, sorted, each once; they are in the index too.
    #[must_use]
    pub fn url_sets(&self) -> Vec<Digest> {
        self.sets(ListKind::Urls)
    }

    fn sets(&self, kind: ListKind) -> Vec<Digest> {
        let of_kind = self.lists.iter().filter(|list| list.kind == kind);
        let mut sets: Vec<Digest> = of_kind.map(|list| list.set).collect();
        sets.sort_unstable();
        sets.dedup();
        sets
    }

    /// How many list files and folders rules name; a list may have several parts.
    #[must_use]
    pub fn list_count(&self) -> usize {
        self.lists.iter().filter(|list| list.kind.is_whole()).count()
    }

    /// The name of the index over [`Self::domain_sets`] and [`Self::url_sets`]: it changes with the sets
    /// and with the form of the file, not with its seed.
    #[must_use]
    pub fn index_digest(&self) -> Digest {
        let version = crate::matcher::INDEX_VERSION.to_be_bytes();
        let (names, urls) = (self.domain_sets(), self.url_sets());
        let bytes = |set: &'_ Digest| *set.as_bytes();
        let names: Vec<[u8; 32]> = names.iter().map(bytes).collect();
        let urls: Vec<[u8; 32]> = urls.iter().map(bytes).collect();
        let front: [&[u8]; 2] = [b"enforcegate-index", &version];
        let names = names.iter().map(<[u8; 32]>::as_slice);
        let urls = urls.iter().map(<[u8; 32]>::as_slice);
        // No digest has four bytes, so that names and URLs cannot be taken for each other.
        Digest::of_parts(front.into_iter().chain(names).chain([b"urls".as_slice()]).chain(urls))
    }
}

/// The one JSON text of a value of ours.
#[expect(
    clippy::expect_used,
    reason = "structs of texts, numbers and enums always have a JSON text"
)]
fn canonical(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("a JSON text")
}
