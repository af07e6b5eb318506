//! The compiled policy in the store: read whole, replaced whole.

use std::path::PathBuf;

use duckdb::{Appender, Row, params};
use eg_policy::check::{CheckedRule, Mode, Validity};
use eg_policy::compile::{CompiledList, CompiledPolicy};
use eg_policy::digest::Digest;
use eg_policy::verdict::{RuleId, Tls};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Private, Store, StoreFault};

/// A policy as the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredPolicy {
    /// The policy.
    pub policy: CompiledPolicy,
    /// How many policies this store has held, this one included.
    pub revision: u64,
    /// When its files began to be read, in microseconds of Unix time.
    pub compiled_us: i64,
}

/// The one row of `revision`.
struct Revision {
    number: u64,
    digest: String,
    default_action: String,
    compiled_us: i64,
    rules: u64,
    lists: u64,
}

impl Store {
    /// The policy that was live last; `None` in an empty store.
    ///
    /// # Errors
    ///
    /// [`StoreFault`] where it cannot be read or is not what was written.
    pub fn load_policy(&self) -> Result<Option<StoredPolicy>, StoreFault> {
        self.load().map_err(|fault| fault.at(&self.path))
    }

    fn load(&self) -> Result<Option<StoredPolicy>, StoreFault> {
        let Some(revision) = self.revision()? else { return Ok(None) };
        let policy = CompiledPolicy {
            rules: self.rules()?,
            lists: self.lists()?,
            default_action: from_word(&revision.default_action)?,
        };
        let counts = (policy.rules.len() as u64, policy.lists.len() as u64);
        if counts != (revision.rules, revision.lists) {
            let what = format!(
                "it has {} rules and {} lists, and {} and {} were written",
                counts.0, counts.1, revision.rules, revision.lists
            );
            return Err(StoreFault::Policy { path: PathBuf::new(), what });
        }
        if policy.digest().to_string() != revision.digest {
            let what = "its digest is not the one that was written".to_owned();
            return Err(StoreFault::Policy { path: PathBuf::new(), what });
        }
        let StoredRevision { number, compiled_us } = revision.stored();
        Ok(Some(StoredPolicy { policy, revision: number, compiled_us }))
    }

    /// Replaces the policy in one transaction; `digest` is the policy's own, which whoever has built it
    /// knows: to work it out takes as long as all else here. Gives the new revision's number.
    ///
    /// # Errors
    ///
    /// [`StoreFault`]; the store is then as it was.
    pub fn save_policy(
        &mut self,
        policy: &CompiledPolicy,
        digest: Digest,
        compiled_us: i64,
    ) -> Result<u64, StoreFault> {
        let saved = self.save(policy, digest, compiled_us);
        saved.map_err(|fault| fault.at(&self.path))
    }

    fn save(
        &mut self,
        policy: &CompiledPolicy,
        digest: Digest,
        compiled_us: i64,
    ) -> Result<u64, StoreFault> {
        let _private = Private::begin();
        let number = self.revision()?.map_or(1, |revision| revision.number + 1);
        let fault = |source| StoreFault::Database {
            path: PathBuf::new(),
            action: "keep the policy",
            source,
        };
        let transaction = self.connection.transaction().map_err(fault)?;
        transaction
            .execute_batch("DELETE FROM rule; DELETE FROM list; DELETE FROM revision;")
            .map_err(fault)?;
        let mut rules = transaction.appender("rule").map_err(fault)?;
        for rule in &policy.rules {
            append_rule(&mut rules, rule)?;
        }
        rules.flush().map_err(fault)?;
        drop(rules);
        let mut lists = transaction.appender("list").map_err(fault)?;
        for (position, list) in (0u32..).zip(&policy.lists) {
            append_list(&mut lists, position, list)?;
        }
        lists.flush().map_err(fault)?;
        drop(lists);
        transaction
            .execute(
                "INSERT INTO revision VALUES (?, ?, ?, ?, ?, ?)",
                params![
                    number,
                    digest.to_string(),
                    policy.default_action.word(),
                    compiled_us,
                    policy.rules.len() as u64,
                    policy.lists.len() as u64
                ],
            )
            .map_err(fault)?;
        transaction.commit().map_err(fault)?;
        Ok(number)
    }

    fn revision(&self) -> Result<Option<Revision>, StoreFault> {
        let rows = self.rows(
            "SELECT number, digest, default_action, compiled_us, rules, lists FROM revision",
            |row| {
                Ok(Revision {
                    number: row.get(0)?,
                    digest: row.get(1)?,
                    default_action: row.get(2)?,
                    compiled_us: row.get(3)?,
                    rules: row.get(4)?,
                    lists: row.get(5)?,
                })
            },
        )?;
        if rows.len() > 1 {
            return Err(StoreFault::Policy {
                path: PathBuf::new(),
                what: "it has two revisions".to_owned(),
            });
        }
        Ok(rows.into_iter().next())
    }

    fn rules(&self) -> Result<Vec<CheckedRule>, StoreFault> {
        let rows = self.rows(
            "SELECT id, name, file, line, action, description, category, conditions, tls, \
             exceptions, validity, mode FROM rule ORDER BY id",
            |row| {
                let rule = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
                let rest: (String, Option<String>, Option<String>, String, Option<String>) =
                    (row.get(4)?, row.get(5)?, row.get(6)?, row.get(7)?, row.get(8)?);
                let later: [Option<String>; 3] = [row.get(9)?, row.get(10)?, row.get(11)?];
                Ok((rule, rest, later))
            },
        )?;
        rows.into_iter()
            .map(|((id, name, file, line), rest, [except, validity, mode])| {
                let (action, description, category, conditions, tls) = rest;
                Ok(CheckedRule {
                    id: RuleId(id),
                    name,
                    file,
                    line,
                    action: from_word(&action)?,
                    description,
                    category,
                    tls: tls.as_deref().map(from_word).transpose()?,
                    conditions: from_json(&conditions)?,
                    except: except.as_deref().map(from_json).transpose()?,
                    validity: validity.as_deref().map_or(Ok(Validity::ALWAYS), from_json)?,
                    mode: mode.as_deref().map_or(Ok(Mode::Enforce), from_word)?,
                })
            })
            .collect()
    }

    fn lists(&self) -> Result<Vec<CompiledList>, StoreFault> {
        let rows = self.rows(
            "SELECT path, kind, source, set_digest, entries FROM list ORDER BY position",
            |row| {
                let texts: (String, String, String, String) =
                    (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
                Ok((texts, row.get(4)?))
            },
        )?;
        rows.into_iter()
            .map(|((path, kind, source, set), entries)| {
                Ok(CompiledList {
                    path,
                    kind: from_word(&kind)?,
                    source: digest(&source)?,
                    set: digest(&set)?,
                    entries,
                })
            })
            .collect()
    }

    fn rows<T>(
        &self,
        statement: &str,
        read: impl FnMut(&Row<'_>) -> duckdb::Result<T>,
    ) -> Result<Vec<T>, StoreFault> {
        let fault = |source| StoreFault::Database {
            path: PathBuf::new(),
            action: "give the policy",
            source,
        };
        let mut prepared = self.connection.prepare(statement).map_err(fault)?;
        prepared.query_map([], read).map_err(fault)?.collect::<Result<_, _>>().map_err(fault)
    }
}

/// What of the revision goes out.
struct StoredRevision {
    number: u64,
    compiled_us: i64,
}

impl Revision {
    const fn stored(&self) -> StoredRevision {
        StoredRevision { number: self.number, compiled_us: self.compiled_us }
    }
}

fn append_rule(rows: &mut Appender<'_>, rule: &CheckedRule) -> Result<(), StoreFault> {
    let fault =
        |source| StoreFault::Database { path: PathBuf::new(), action: "keep a rule", source };
    let conditions = to_json(&rule.conditions)?;
    let except = rule.except.as_ref().map(to_json).transpose()?;
    let always = rule.validity == Validity::ALWAYS;
    let validity = (!always).then(|| to_json(&rule.validity)).transpose()?;
    let enforces = rule.mode == Mode::Enforce;
    let mode = (!enforces).then(|| to_word(&rule.mode)).transpose()?;
    rows.append_row(params![
        rule.id.0,
        rule.name,
        rule.file,
        rule.line,
        rule.action.word(),
        rule.description,
        rule.category,
        conditions,
        rule.tls.map(Tls::word),
        except,
        validity,
        mode
    ])
    .map_err(fault)
}

fn append_list(
    rows: &mut Appender<'_>,
    position: u32,
    list: &CompiledList,
) -> Result<(), StoreFault> {
    let fault =
        |source| StoreFault::Database { path: PathBuf::new(), action: "keep a list", source };
    let kind = to_word(&list.kind)?;
    let (source, set) = (list.source.to_string(), list.set.to_string());
    rows.append_row(params![position, list.path, kind, source, set, list.entries]).map_err(fault)
}

fn unreadable(error: &serde_json::Error) -> StoreFault {
    StoreFault::Policy { path: PathBuf::new(), what: error.to_string() }
}

fn to_json(value: &impl Serialize) -> Result<String, StoreFault> {
    serde_json::to_string(value).map_err(|error| unreadable(&error))
}

fn from_json<T: DeserializeOwned>(text: &str) -> Result<T, StoreFault> {
    serde_json::from_str(text).map_err(|error| unreadable(&error))
}

/// A word as the enum that serde names so.
fn from_word<T: DeserializeOwned>(word: &str) -> Result<T, StoreFault> {
    serde_json::from_value(serde_json::Value::String(word.to_owned()))
        .map_err(|error| unreadable(&error))
}

/// An enum as the word that serde gives it.
fn to_word(value: &impl Serialize) -> Result<String, StoreFault> {
    match serde_json::to_value(value).map_err(|error| unreadable(&error))? {
        serde_json::Value::String(word) => Ok(word),
        other => {
            Err(StoreFault::Policy { path: PathBuf::new(), what: format!("{other} is not a word") })
        }
    }
}

fn digest(text: &str) -> Result<Digest, StoreFault> {
    text.parse().map_err(|_| StoreFault::Policy {
        path: PathBuf::new(),
        what: format!("`{text}` is not a digest"),
    })
}

#[cfg(test)]
mod tests {
    use eg_policy::check::{Conditions, ListIndex, ListKind, PortRange, TimeWindow, UserPattern};
    use eg_policy::moment::Moment;
    use eg_policy::verdict::Action;

    use super::*;

    fn policy(rules: u32) -> CompiledPolicy {
        CompiledPolicy {
            rules: (1..=rules)
                .map(|id| CheckedRule {
                    id: RuleId(id),
                    name: format!("rule-{id}"),
                    file: "/etc/a.policy".to_owned(),
                    line: id,
                    action: Action::Warn,
                    description: (id % 2 == 0).then(|| "caf\u{e9} 'quoted'".to_owned()),
                    category: None,
                    tls: (id % 2 == 1).then_some(Tls::Bump),
                    conditions: Conditions {
                        domain_lists: vec![ListIndex(0)],
                        user_agents: vec!["curl".to_owned()],
                        ports: vec![PortRange { first: 80, last: 90 }],
                        windows: vec![TimeWindow { from: 1, until: 2 }],
                        ..Conditions::default()
                    },
                    except: match id % 2 {
                        0 => None,
                        _ => Some(Box::new(Conditions {
                            users: vec![
                                UserPattern::Name("ada".to_owned()),
                                UserPattern::List(ListIndex(1)),
                            ],
                            methods: vec!["GET".to_owned()],
                            ..Conditions::default()
                        })),
                    },
                    validity: match id % 3 {
                        0 => Validity::ALWAYS,
                        _ => Validity { from: Some(Moment::from_unix_micros(-5)), until: None },
                    },
                    mode: if id % 2 == 0 { Mode::Monitor } else { Mode::Enforce },
                })
                .collect(),
            lists: vec![CompiledList {
                path: "/etc/lists/a".to_owned(),
                kind: ListKind::Domains,
                source: Digest::of(b"source"),
                set: Digest::of(b"set"),
                entries: 12,
            }],
            default_action: Action::Deny,
        }
    }

    fn save(
        store: &mut Store,
        policy: &CompiledPolicy,
        compiled_us: i64,
    ) -> Result<u64, StoreFault> {
        store.save_policy(policy, policy.digest(), compiled_us)
    }

    #[test]
    fn a_policy_comes_back_as_it_went() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("engine.db");
        let mut store = Store::open(&path).unwrap();
        assert_eq!(save(&mut store, &policy(5), 77).unwrap(), 1);
        assert_eq!(save(&mut store, &policy(3), 78).unwrap(), 2);
        drop(store);
        let stored = Store::open(&path).unwrap().load_policy().unwrap().unwrap();
        assert_eq!(stored, StoredPolicy { policy: policy(3), revision: 2, compiled_us: 78 });
    }

    /// A store of the schema before, with a rule that knew nothing of what came later.
    #[test]
    fn a_store_of_the_schema_before_opens_with_its_rules() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("engine.db");
        let mut store = Store::open(&path).unwrap();
        let mut before = policy(1);
        before.rules[0].except = None;
        before.rules[0].validity = Validity::ALWAYS;
        save(&mut store, &before, 5).unwrap();
        let back = "ALTER TABLE rule DROP COLUMN exceptions; ALTER TABLE rule DROP COLUMN validity; \
                    ALTER TABLE rule DROP COLUMN mode; DELETE FROM schema_version WHERE version > 2;";
        store.connection.execute_batch(back).unwrap();
        drop(store);
        let mut store = Store::open(&path).unwrap();
        assert_eq!(store.load_policy().unwrap().unwrap().policy, before);
        save(&mut store, &policy(3), 6).unwrap();
        assert_eq!(store.load_policy().unwrap().unwrap().policy, policy(3));
    }

    #[test]
    fn a_policy_that_was_tampered_with_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(&folder.path().join("engine.db")).unwrap();
        for statement in [
            "DELETE FROM rule WHERE id = 2",
            "UPDATE rule SET action = 'permit' WHERE id = 1",
            "UPDATE rule SET conditions = '{}' WHERE id = 1",
            "UPDATE rule SET conditions = 'x' WHERE id = 1",
            "UPDATE rule SET exceptions = NULL WHERE id = 1",
            "UPDATE rule SET exceptions = 'x' WHERE id = 1",
            "UPDATE rule SET validity = NULL WHERE id = 1",
            "UPDATE rule SET mode = 'monitor' WHERE id = 1",
            "UPDATE rule SET mode = 'sleep' WHERE id = 1",
            "UPDATE list SET set_digest = 'x'",
            "UPDATE revision SET default_action = 'maybe'",
        ] {
            save(&mut store, &policy(2), 0).unwrap();
            store.connection.execute_batch(statement).unwrap();
            assert!(matches!(store.load_policy(), Err(StoreFault::Policy { .. })), "{statement}");
        }
    }

    #[test]
    fn corruption_among_the_rows_is_told_apart_too() {
        // DuckDB's file: three headers of 4 KiB, then blocks of 256 KiB.
        const HEADERS: usize = 3 * 4096;
        const BLOCK: usize = 256 * 1024;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("engine.db");
        let mut store = Store::open(&path).unwrap();
        save(&mut store, &policy(3000), 0).unwrap();
        drop(store);
        let whole = std::fs::read(&path).unwrap();
        let mut while_reading = 0;
        for block in 0..(whole.len() - HEADERS) / BLOCK {
            let mut bytes = whole.clone();
            bytes[HEADERS + block * BLOCK + 64] ^= 0x5a;
            std::fs::write(&path, bytes).unwrap();
            let fault = match Store::open(&path) {
                Ok(store) => {
                    let fault = store.load_policy().err();
                    while_reading += u32::from(fault.is_some());
                    fault
                }
                Err(fault) => Some(fault),
            };
            let told_apart = matches!(fault, None | Some(StoreFault::Broken { .. }));
            assert!(told_apart, "block {block}: {fault:?}");
        }
        assert!(while_reading > 0);
    }
}
