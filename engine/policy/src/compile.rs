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
    #[serde(skip_serializing_if = "is_empty")]
    except: &'a Conditions,
    #[serde(skip_serializing_if = "always")]
    validity: Validity,
    #[serde(skip_serializing_if = "enforces")]
    mode: Mode,
}

fn is_empty(conditions: &Conditions) -> bool {
    *conditions == Conditions::default()
}

fn always(validity: &Validity) -> bool {
    *validity == Validity::ALWAYS
}

fn enforces(mode: &Mode) -> bool {
    *mode == Mode::Enforce
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
                except: &rule.except,
                validity: rule.validity,
                mode: rule.mode,
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
        let domains = self.lists.iter().filter(|list| list.kind == ListKind::Domains);
        let mut sets: Vec<Digest> = domains.map(|list| list.set).collect();
        sets.sort_unstable();
        sets.dedup();
        sets
    }

    /// The name of the index over [`Self::domain_sets`]: it changes with the sets and with the form of
    /// the file, not with its seed.
    #[must_use]
    pub fn index_digest(&self) -> Digest {
        let version = crate::matcher::INDEX_VERSION.to_be_bytes();
        let sets = self.domain_sets();
        let sets = sets.iter().map(|set| set.as_bytes().as_slice());
        let front: [&[u8]; 2] = [b"enforcegate-index", &version];
        Digest::of_parts(front.into_iter().chain(sets))
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
