//! `egpolicy test`: cases of a policy, each a request and the verdict that is expected.
//!
//! INVARIANT: a file without a case, a key that nobody knows and a case that expects nothing are faults,
//! since a test that looks at nothing would pass for ever.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use eg_policy::decide::Scratch;
use eg_policy::moment::Moment;
use eg_policy::verdict::Action;
use eg_policy::zone::Zone;
use eg_settings::read_regular;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::clock;
use super::explain::{Explained, explain_with};
use super::policy::{Policy, PolicyFault};
use super::request::{RequestFault, RequestSpec};

/// A file of cases is written by hand; one that is larger is not one.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// A file of cases.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseFile {
    #[serde(default)]
    policy: Vec<PathBuf>,
    #[serde(default)]
    shared: Vec<PathBuf>,
    default_action: Option<Action>,
    time_window_tz: Option<String>,
    #[serde(default)]
    case: Vec<Spanned<Case>>,
}

/// One case.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    request: RequestSpec,
    time: Option<Time>,
    expect: Expectation,
}

/// An instant, as a text or as TOML's own.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Time {
    Text(String),
    Toml(toml::value::Datetime),
}

/// What is expected. What is left away may be anything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// The verdict.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<ActionName>,
    /// The name of the rule, or one of the engine's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// The file of the list that named the host: its path, or the end of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub list: Option<String>,
    /// What becomes of the TLS connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsName>,
}

/// An action as rules write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ActionName {
    /// permit
    #[serde(alias = "accept")]
    Permit,
    /// deny
    #[serde(alias = "block")]
    Deny,
    /// warn
    Warn,
    /// aup
    Aup,
}

impl ActionName {
    const fn word(self) -> &'static str {
        match self {
            Self::Permit => Action::Permit.word(),
            Self::Deny => Action::Deny.word(),
            Self::Warn => Action::Warn.word(),
            Self::Aup => Action::Aup.word(),
        }
    }
}

/// A word for a TLS connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TlsName {
    /// splice
    Splice,
    /// bump
    Bump,
    /// terminate
    Terminate,
}

impl TlsName {
    const fn word(self) -> &'static str {
        match self {
            Self::Splice => "splice",
            Self::Bump => "bump",
            Self::Terminate => "terminate",
        }
    }
}

/// What came of all cases.
#[derive(Debug, Serialize)]
pub struct Tested {
    /// The file of cases.
    pub file: String,
    /// Each case, in their order.
    pub cases: Vec<CaseResult>,
    /// The shared files that do not count, in sentences.
    pub left_out: Vec<String>,
}

/// What came of one.
#[derive(Debug, Serialize)]
pub struct CaseResult {
    /// Its name.
    pub name: String,
    /// Its line in the file.
    pub line: usize,
    /// The request.
    pub request: RequestSpec,
    /// What differs; a case that passed has none.
    pub differences: Vec<Difference>,
    /// What was decided, and why; only where something differs.
    pub explained: Option<Explained>,
}

/// What differs from what was expected.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Which key of `expect`.
    pub what: &'static str,
    /// What it says.
    pub expected: String,
    /// What came out.
    pub found: String,
}

impl Tested {
    /// How many failed.
    #[must_use]
    pub fn failures(&self) -> usize {
        self.cases.iter().filter(|case| !case.differences.is_empty()).count()
    }
}

/// Why cases cannot be run. Nothing was tested then.
#[derive(Debug, thiserror::Error)]
pub enum CasesFault {
    /// The file cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// Which one.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is not a file of cases.
    #[error("`{}` is no file of cases: {reason}", path.display())]
    Toml {
        /// Which one.
        path: PathBuf,
        /// What is wrong, with the line.
        reason: String,
    },
    /// It has no case.
    #[error("`{}` has no case, so that nothing would be tested; write a `[[case]]`", path.display())]
    Empty {
        /// Which one.
        path: PathBuf,
    },
    /// A case makes no sense.
    #[error("{}:{line}: the case `{name}` {reason}", path.display())]
    Case {
        /// The file.
        path: PathBuf,
        /// Its line.
        line: usize,
        /// Its name.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Its zone is none.
    #[error("`{}`: {reason}", path.display())]
    Zone {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// There is no policy.
    #[error(transparent)]
    Policy(#[from] PolicyFault),
}

/// Where the policy is, as the command line says it; what it says counts before what the file says.
#[derive(Debug, Clone, Default)]
pub struct PolicyPlace {
    /// The operator's files and folders.
    pub own: Vec<PathBuf>,
    /// The shared ones.
    pub shared: Vec<PathBuf>,
    /// What a request gets that no rule holds for.
    pub default_action: Option<Action>,
    /// Where `time-window` is judged.
    pub zone: Option<Zone>,
}

/// Runs the cases of a file.
///
/// # Errors
///
/// [`CasesFault`]; a case that fails is a result and no fault.
pub fn test(path: &Path, place: &PolicyPlace, now: Moment) -> Result<Tested, CasesFault> {
    let text = read(path)?;
    let file: CaseFile = toml::from_str(&text).map_err(|fault| CasesFault::Toml {
        path: path.to_path_buf(),
        reason: fault.to_string().trim_end().to_owned(),
    })?;
    if file.case.is_empty() {
        return Err(CasesFault::Empty { path: path.to_path_buf() });
    }
    let cases = read_cases(path, &text, &file.case, now)?;
    let folder = path.parent().unwrap_or_else(|| Path::new(""));
    let chosen = |given: &[PathBuf], own: &[PathBuf]| -> Vec<PathBuf> {
        match given.is_empty() {
            true => own.iter().map(|path| folder.join(path)).collect(),
            false => given.to_vec(),
        }
    };
    let own = chosen(&place.own, &file.policy);
    let shared = chosen(&place.shared, &file.shared);
    let default = place.default_action.or(file.default_action).unwrap_or(Action::Permit);
    let (own, shared) = super::verbs::paths(&own, &shared);
    let policy = Policy::read(&own, &shared)?;
    let zone = match (&place.zone, &file.time_window_tz) {
        (Some(zone), _) => zone.clone(),
        (None, Some(word)) => clock::zone(word)
            .map_err(|reason| CasesFault::Zone { path: path.to_path_buf(), reason })?,
        (None, None) => clock::local(),
    };
    let rules = policy.ruleset(default, &zone)?;
    let lists = &policy.checked.lists;
    let mut scratch = Scratch::new(&rules);
    let mut results = Vec::with_capacity(cases.len());
    for (line, case, now) in cases {
        let explained = explain_with((&rules, lists), &mut scratch, &case.request, now)
            .map_err(|fault| senseless(path, line, case, &fault))?;
        let differences = differences(&case.expect, &explained);
        let explained = (!differences.is_empty()).then_some(explained);
        let (name, request) = (case.name.clone(), case.request.clone());
        results.push(CaseResult { name, line, request, differences, explained });
    }
    let left_out = policy.left_out();
    Ok(Tested { file: path.display().to_string(), cases: results, left_out })
}

fn read(path: &Path) -> Result<String, CasesFault> {
    let fault = |source| CasesFault::Read { path: path.to_path_buf(), source };
    let bytes = read_regular(path, FILE_BYTES_MAX).map_err(fault)?;
    String::from_utf8(bytes)
        .map_err(|why| fault(io::Error::new(io::ErrorKind::InvalidData, why.utf8_error())))
}

fn senseless(path: &Path, line: usize, case: &Case, fault: &RequestFault) -> CasesFault {
    let (path, name, reason) = (path.to_path_buf(), case.name.clone(), fault.to_string());
    CasesFault::Case { path, line, name, reason: format!("makes no sense: {reason}") }
}

/// The cases with their lines and times; all of them make sense before the first is run.
fn read_cases<'c>(
    path: &Path,
    text: &str,
    cases: &'c [Spanned<Case>],
    now: Moment,
) -> Result<Vec<(usize, &'c Case, Moment)>, CasesFault> {
    let mut found = Vec::new();
    let mut lines: HashMap<&str, usize> = HashMap::new();
    for spanned in cases {
        let before = text.get(..spanned.span().start).unwrap_or_default();
        let line = before.bytes().filter(|byte| *byte == b'\n').count().saturating_add(1);
        let case = spanned.get_ref();
        let fault = |reason: String| CasesFault::Case {
            path: path.to_path_buf(),
            line,
            name: case.name.clone(),
            reason,
        };
        if let Some(other) = lines.insert(&case.name, line) {
            return Err(fault(format!("has the name of the one in line {other}")));
        }
        if case.expect == Expectation::default() {
            return Err(fault("expects nothing; write `action` or `rule`".to_owned()));
        }
        let now = match &case.time {
            None => now,
            Some(time) => moment(time).map_err(|reason| fault(reason.to_owned()))?,
        };
        case.request.ask(|_| ()).map_err(|why| senseless(path, line, case, &why))?;
        found.push((line, case, now));
    }
    Ok(found)
}

fn moment(time: &Time) -> Result<Moment, &'static str> {
    let text = match time {
        Time::Text(text) => text.clone(),
        Time::Toml(time) => time.to_string(),
    };
    parse_moment(&text).ok_or("has a time that is not RFC 3339; write `2026-11-27T08:00:00+01:00`")
}

/// An instant in the form of RFC 3339, which has its offset.
pub(super) fn parse_moment(text: &str) -> Option<Moment> {
    let at: Timestamp = text.parse().ok()?;
    Some(Moment::from_unix_micros(at.as_microsecond()))
}

/// What of the expectation is not so.
fn differences(expected: &Expectation, explained: &Explained) -> Vec<Difference> {
    let Expectation { action, rule, list, tls } = expected;
    let verdict = &explained.verdict;
    let mut found = Vec::new();
    let mut check = |what, expected: Option<&str>, got: Option<&str>, same: bool| {
        if let Some(expected) = expected.filter(|_| !same) {
            let (expected, found_) = (expected.to_owned(), got.unwrap_or("none").to_owned());
            found.push(Difference { what, expected, found: found_ });
        }
    };
    let action = action.map(ActionName::word);
    check("action", action, Some(verdict.action), action == Some(verdict.action));
    let rule = rule.as_deref();
    check("rule", rule, Some(&verdict.rule), rule == Some(verdict.rule.as_str()));
    let (list, got) = (list.as_deref(), verdict.list.as_deref());
    let same = list.zip(got).is_some_and(|(end, path)| {
        path.strip_suffix(end).is_some_and(|front| front.is_empty() || front.ends_with('/'))
    });
    check("list", list, got, same);
    let tls = tls.map(TlsName::word);
    check("tls", tls, explained.tls, tls == explained.tls);
    found
}

#[cfg(test)]
#[path = "cases_tests.rs"]
mod tests;
