//! One entry of the trail as a JSON line: its fields and their order (SPEC 11).

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::time::Instant;

use eg_policy::moment::Moment;
use eg_policy::verdict::Verdict;
use eg_proto::DecisionId;
use serde::{Serialize, Serializer};

use super::redact::{self, QueryKey, Readable, Shown};
use crate::config::RedactQuery;
use crate::transport::Peer;

/// Whether a query comes for the first time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// It does.
    First,
    /// The connector asks once more, since it saw no answer.
    Again,
}

/// What the trail keeps of a request, beside its verdict.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The connector's number for the query.
    pub query: u64,
    /// Whether it was asked before.
    pub asked: Asked,
    /// The phase's word; empty where the query could not be read.
    pub phase: &'static str,
    /// The client behind the proxy, where it could be read.
    pub client: Option<IpAddr>,
    /// The user that the proxy authenticated.
    pub user: Option<&'a [u8]>,
    /// The method as sent.
    pub method: &'a [u8],
    /// The canonical URL, or the bytes as sent where there is none.
    pub url: &'a [u8],
    /// The word that the second question was answered with, where the answer has an entry.
    pub tls: Option<&'static str>,
    /// What of the connection does not fit together.
    pub anomaly: Option<&'static str>,
    /// When its batch arrived.
    pub received: Instant,
}

/// The session that a request came through.
#[derive(Debug, Clone, Copy)]
pub struct SessionRef<'a> {
    /// The connector's name.
    pub connector: &'a str,
    /// The session's number in this run of the engine.
    pub number: u64,
    /// The connector's run.
    pub run: u128,
}

/// Who asked for a change, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AskedBy<'a> {
    /// Who: `signal`, `watch`, or an operator.
    pub by: &'a str,
    /// Why, in the operator's words.
    pub comment: Option<&'a str>,
    /// Whether the guards were overridden.
    pub force: bool,
}

/// What the trail keeps that is no verdict.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// The engine serves.
    Start {
        /// Its version.
        version: &'a str,
        /// The digest of the ruleset it serves.
        ruleset: &'a str,
        /// How many rules it has.
        rules: usize,
    },
    /// The engine ends.
    Stop,
    /// Another ruleset is live.
    Reload {
        /// Its digest.
        ruleset: &'a str,
        /// The store's number of its policy.
        revision: u64,
        /// How many rules it has.
        rules: usize,
        /// Who asked.
        asked_by: AskedBy<'a>,
    },
    /// A reload would succeed; nothing was changed.
    DryRun {
        /// The digest that would be live.
        ruleset: &'a str,
        /// How many rules it would have.
        rules: usize,
        /// Who asked.
        asked_by: AskedBy<'a>,
    },
    /// A reload failed, or would fail; what was live still is.
    ReloadRefused {
        /// The digest of what is live.
        ruleset: &'a str,
        /// Why.
        reason: &'a str,
        /// Who asked.
        asked_by: AskedBy<'a>,
    },
    /// Something else was done to the policy's files or their history.
    Policy {
        /// What: `rollback`, `commit`, `confirm`, `commit-confirmed`, `git-init`, `tag`.
        what: &'a str,
        /// What came of it: `done`, `dry-run`, `refused`.
        outcome: &'a str,
        /// What it was about, or why it was refused.
        detail: &'a str,
        /// Who asked.
        asked_by: AskedBy<'a>,
    },
    /// Something was done to the engine itself or to sessions of connectors.
    Engine {
        /// What: `restart`, `teardown`.
        what: &'a str,
        /// What came of it: `done`, `refused`.
        outcome: &'a str,
        /// What it was about, or why it was refused.
        detail: &'a str,
        /// Who asked.
        asked_by: AskedBy<'a>,
    },
    /// A setting weakens the gate or the record.
    Weakening {
        /// The setting.
        setting: &'a str,
    },
    /// The scanner and its twin say different things of one text.
    RegexDisagreement {
        /// The digest of the ruleset.
        ruleset: &'a str,
        /// The attribute that has the regex.
        field: &'a str,
        /// The regex.
        pattern: &'a str,
        /// What the scanner did: `missed`, `invented` or `failed`.
        outcome: &'a str,
    },
    /// Somebody has tried to log in, or has shown a token or a key that is not good.
    Login {
        /// The account, where there is one.
        account: Option<&'a str>,
        /// From where.
        address: Option<IpAddr>,
        /// How: `password`, `totp`, `recovery-code`, `refresh`, `token`, `api-key`.
        how: &'a str,
        /// `ok`, or why not.
        outcome: &'a str,
        /// How many more like it were not written one by one.
        others: u64,
    },
    /// An old refresh token was used; its login has ended.
    TokenReuse {
        /// Whose login it was.
        account: &'a str,
        /// From where.
        address: Option<IpAddr>,
    },
    /// An account was changed, or that was refused.
    Account {
        /// What: the verb.
        what: &'a str,
        /// On whom, where it is a name.
        on: Option<&'a str>,
        /// `done` or `refused`.
        outcome: &'a str,
        /// Why it was refused.
        reason: Option<&'a str>,
        /// Who asked.
        by: &'a str,
    },
    /// Somebody asked for what he may not.
    Barred {
        /// Who, where he is logged in.
        who: Option<&'a str>,
        /// From where.
        address: Option<IpAddr>,
        /// What for.
        verb: &'a str,
        /// Why not.
        reason: &'a str,
        /// How many more like it were not written one by one.
        others: u64,
    },
    /// Somebody was not let in.
    Refused {
        /// The address that tried.
        peer: Peer,
        /// The name that it gave, where it came so far.
        connector: Option<&'a str>,
        /// Why.
        reason: &'a str,
        /// How many more like it were not written one by one.
        others: u64,
    },
}

/// Serialises what can be displayed, without a copy.
struct Text<D>(D);

impl<D: fmt::Display> Serialize for Text<D> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

#[derive(Serialize)]
struct SessionField<'a> {
    connector: &'a str,
    number: u64,
}

/// The first rule that would have given the verdict, had it done more than monitor.
#[derive(Serialize)]
struct MonitoredField<'a> {
    rule_id: u32,
    rule: &'a str,
    action: &'static str,
}

#[derive(Serialize)]
struct VerdictLine<'a> {
    kind: &'static str,
    id: Text<DecisionId>,
    time: Text<jiff::Timestamp>,
    client: Option<IpAddr>,
    user: Option<Text<Readable<'a>>>,
    phase: &'static str,
    method: Text<Readable<'a>>,
    url: Text<Shown<'a>>,
    query_hash: Option<Text<redact::Hash>>,
    code: u16,
    action: &'static str,
    rule_id: Option<u32>,
    rule: &'a str,
    list: Option<&'a str>,
    ruleset: &'a str,
    reason: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    anomaly: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    monitored: Option<MonitoredField<'a>>,
    status: Option<u16>,
    latency_us: u64,
    session: SessionField<'a>,
}

/// Everything that an entry is made of.
pub(super) struct Source<'a> {
    pub(super) id: DecisionId,
    pub(super) verdict: &'a Verdict<'a>,
    pub(super) facts: &'a Facts<'a>,
    pub(super) session: &'a SessionRef<'a>,
    pub(super) ruleset: &'a str,
    pub(super) now: Moment,
    pub(super) key: &'a QueryKey,
    pub(super) redact: RedactQuery,
    /// The status of a redirect; what a blocked client gets.
    pub(super) redirect_status: u16,
}

/// Appends the entry of a verdict to `out`.
pub(super) fn verdict_line(out: &mut Vec<u8>, source: &Source<'_>) -> io::Result<()> {
    let Source { verdict, facts, key, .. } = source;
    let parts = redact::parts(facts.url);
    let kept_query = match source.redact {
        RedactQuery::Hash => None,
        RedactQuery::Keep => parts.query,
    };
    let line = VerdictLine {
        kind: "verdict",
        id: Text(source.id),
        time: Text(timestamp(source.now)),
        client: facts.client,
        user: facts.user.map(|user| Text(Readable(user))),
        phase: facts.phase,
        method: Text(Readable(facts.method)),
        url: Text(Shown { parts, key, kept_query }),
        query_hash: parts.query.map(|query| Text(key.hash(query))),
        code: verdict.action.code(),
        action: verdict.action.word(),
        rule_id: verdict.rule_id().map(|id| id.0),
        rule: verdict.rule_name(),
        list: verdict.list(),
        ruleset: source.ruleset,
        reason: verdict.reason(),
        tls: facts.tls,
        anomaly: facts.anomaly,
        monitored: verdict.monitored.map(|rule| MonitoredField {
            rule_id: rule.id.0,
            rule: &rule.name,
            action: rule.action.word(),
        }),
        // A connection that is ended gets no page.
        status: (verdict.action.blocks() && facts.tls.is_none()).then_some(source.redirect_status),
        latency_us: u64::try_from(facts.received.elapsed().as_micros()).unwrap_or(u64::MAX),
        session: SessionField {
            connector: source.session.connector,
            number: source.session.number,
        },
    };
    finish(out, &line)
}

#[derive(Serialize)]
struct EventLine<'a> {
    kind: &'a str,
    time: Text<jiff::Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ruleset: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rules: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    comment: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    force: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    setting: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer: Option<Peer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    what: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    how: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connector: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pattern: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    others: Option<u64>,
}

impl<'a> EventLine<'a> {
    /// A line of that moment with nothing in it.
    fn at(now: Moment) -> Self {
        Self {
            kind: "",
            time: Text(timestamp(now)),
            version: None,
            ruleset: None,
            revision: None,
            rules: None,
            by: None,
            comment: None,
            force: None,
            setting: None,
            peer: None,
            account: None,
            address: None,
            what: None,
            how: None,
            connector: None,
            field: None,
            pattern: None,
            outcome: None,
            reason: None,
            others: None,
        }
    }

    /// Who asked for a reload, and what came of it.
    fn reload(&mut self, asked: AskedBy<'a>, ruleset: &'a str, outcome: &'a str) {
        self.asked(asked);
        self.kind = "reload";
        self.ruleset = Some(ruleset);
        self.outcome = Some(outcome);
    }

    /// Whose login, from where, and what came of it.
    fn login(
        &mut self,
        account: Option<&'a str>,
        address: Option<IpAddr>,
        outcome: &'a str,
        others: u64,
    ) {
        self.kind = "login";
        self.account = account;
        self.address = address;
        self.outcome = Some(outcome);
        self.others = (others > 0).then_some(others);
    }

    /// Who asked for what, and what came of it.
    fn change(
        &mut self,
        by: Option<&'a str>,
        what: &'a str,
        outcome: &'a str,
        reason: Option<&'a str>,
    ) {
        self.kind = "account";
        self.by = by;
        self.what = Some(what);
        self.outcome = Some(outcome);
        self.reason = reason;
    }

    /// Who asked, and how.
    fn asked(&mut self, asked: AskedBy<'a>) {
        self.by = Some(asked.by);
        self.comment = asked.comment;
        self.force = asked.force.then_some(true);
    }
}

/// Appends the entry of an event to `out`.
pub(super) fn event_line(out: &mut Vec<u8>, event: &Event<'_>, now: Moment) -> io::Result<()> {
    let mut line = EventLine::at(now);
    match *event {
        Event::Start { version, ruleset, rules } => {
            line.kind = "start";
            line.version = Some(version);
            line.ruleset = Some(ruleset);
            line.rules = Some(rules);
        }
        Event::Stop => line.kind = "stop",
        Event::Reload { ruleset, revision, rules, asked_by } => {
            line.reload(asked_by, ruleset, "live");
            line.revision = Some(revision);
            line.rules = Some(rules);
        }
        Event::DryRun { ruleset, rules, asked_by } => {
            line.reload(asked_by, ruleset, "dry-run");
            line.rules = Some(rules);
        }
        Event::ReloadRefused { ruleset, reason, asked_by } => {
            line.reload(asked_by, ruleset, "refused");
            line.reason = Some(reason);
        }
        Event::Policy { what, outcome, detail, asked_by }
        | Event::Engine { what, outcome, detail, asked_by } => {
            line.asked(asked_by);
            line.kind = what;
            line.outcome = Some(outcome);
            line.reason = Some(detail);
        }
        Event::Weakening { setting } => {
            line.kind = "weakening";
            line.setting = Some(setting);
        }
        Event::RegexDisagreement { ruleset, field, pattern, outcome } => {
            line.kind = "regex-disagreement";
            line.ruleset = Some(ruleset);
            line.field = Some(field);
            line.pattern = Some(pattern);
            line.outcome = Some(outcome);
        }
        Event::Login { account, address, how, outcome, others } => {
            line.login(account, address, outcome, others);
            line.how = Some(how);
        }
        Event::TokenReuse { account, address } => {
            line.login(Some(account), address, "login-ended", 0);
            line.kind = "token-reuse";
        }
        Event::Account { what, on, outcome, reason, by } => {
            line.change(Some(by), what, outcome, reason);
            line.account = on;
        }
        Event::Barred { who, address, verb, reason, others } => {
            line.change(who, verb, "refused", Some(reason));
            line.kind = "barred";
            line.address = address;
            line.others = (others > 0).then_some(others);
        }
        Event::Refused { peer, connector, reason, others } => {
            line.kind = "refused";
            line.peer = Some(peer);
            line.connector = connector;
            line.outcome = Some(reason);
            line.others = (others > 0).then_some(others);
        }
    }
    finish(out, &line)
}

fn finish(out: &mut Vec<u8>, line: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, line)?;
    out.push(b'\n');
    Ok(())
}

/// The moment as civil time; the epoch for what no calendar holds.
fn timestamp(now: Moment) -> jiff::Timestamp {
    jiff::Timestamp::from_microsecond(now.unix_micros()).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
}
