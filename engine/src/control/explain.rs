//! The live rules: all, one, and what they say to a request.
//!
//! INVARIANT: a verdict that is shown here is made by the code that decides for clients, on the ruleset
//! that is live.

use std::cell::Cell;
use std::io;
use std::path::Path as FilePath;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::Guard;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use eg_policy::decide::Scratch;
use eg_policy::explain::{self as policy, ListLines, RequestSpec, tell};
use eg_policy::lists::{FoundFile, ListFiles, ListFormat, OtherSource, RawList};
use eg_policy::moment::Moment;
use eg_proto::control::explain::{MatchAnswer, MatchRequest, Rules};
use eg_proto::control::{Problem, ProblemKind};
use eg_settings::read_regular;
use serde::Deserialize;
use tokio::sync::Semaphore;

use super::answer::{Refused, json, value_of};
use super::history::read;
use super::operator::Operator;
use super::policy::Desk;
use super::rules::{detail, row};
use super::told;
use crate::config::TimeZoneChoice;
use crate::reload::zone_of;
use crate::sources::Disk;
use crate::view::{Published, now};

/// Explanations at once: each tries every rule, on a processor that serves clients too.
const EXPLAINING_MAX: usize = 2;

/// How long one waits for its turn.
const TURN_MAX: Duration = Duration::from_secs(5);

/// Bytes of list files that are read for one explanation, to tell lines: what a person waits for.
const LIST_BYTES_MAX: u64 = 128 << 20;

/// Rules that an answer has where nobody says how many.
const RULES_SHOWN: usize = 10_000;

/// Rules that an answer has at most; their rows are far below the bound of an answer.
const RULES_MAX: usize = 100_000;

/// Rules that match, and as many before the one that decides, of which an answer tells; nobody reads each
/// of so many, and the answer stays below its bound.
const TOLD_MAX: usize = 20_000;

/// Lets so many explain at once.
#[derive(Debug)]
pub(super) struct Explaining(Arc<Semaphore>);

impl Default for Explaining {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(EXPLAINING_MAX)))
    }
}

/// What stands behind `policy/rules`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Limit {
    limit: Option<usize>,
}

/// `GET policy/rules`
pub(super) async fn rules(
    State(desk): State<Arc<Desk>>,
    _: Operator,
    limit: Result<Query<Limit>, QueryRejection>,
) -> Result<Response, Refused> {
    let Query(Limit { limit }) =
        limit.map_err(|refused| Problem::new(ProblemKind::BadRequest, refused.body_text()))?;
    let limit = limit.unwrap_or(RULES_SHOWN);
    if !(1..=RULES_MAX).contains(&limit) {
        let detail = format!("`limit` is 1 to {RULES_MAX}");
        return Err(Problem::new(ProblemKind::BadRequest, detail).into());
    }
    let published = desk.live.load();
    let all = published.ruleset().rules();
    let rules = all.iter().take(limit).map(row).collect();
    Ok(json(StatusCode::OK, &Rules { rules, count: all.len() as u64 }))
}

/// `GET policy/rules/RULE`
pub(super) async fn rule(
    State(desk): State<Arc<Desk>>,
    operator: Operator,
    Path(rule): Path<String>,
) -> Result<Response, Refused> {
    let published = Guard::into_inner(desk.live.load());
    let sees = operator.sees_patterns();
    read(&desk, move |_| {
        let found = super::rules::find(published.ruleset(), &rule).ok_or_else(|| {
            let detail = format!("there is no live rule `{}`", rule.escape_debug());
            Problem::new(ProblemKind::NotFound, detail)
        })?;
        Ok(detail(found, published.stored().compiled_us, sees))
    })
    .await
}

/// `POST policy/match`
pub(super) async fn matching(
    State(desk): State<Arc<Desk>>,
    operator: Operator,
    request: Request,
) -> Result<Response, Refused> {
    let asked: MatchRequest = value_of(request).await?;
    let (spec, at) = question(asked, &desk.config.time_window_tz)?;
    let turn = Arc::clone(&desk.explaining.0).acquire_owned();
    let Ok(Ok(turn)) = tokio::time::timeout(TURN_MAX, turn).await else {
        let detail = format!("{EXPLAINING_MAX} others ask the same already; try again");
        return Err(Problem::new(ProblemKind::Busy, detail).into());
    };
    let published = Guard::into_inner(desk.live.load());
    let sees = operator.sees_patterns();
    read(&desk, move |_| {
        // Held to the end, also where nobody waits for the answer any more.
        let _turn = turn;
        let explained = look(&published, (&spec, at), sees)?;
        Ok(answer(&spec, &explained, sees))
    })
    .await
}

/// The request and the moment that somebody asks about.
fn question(asked: MatchRequest, zone: &TimeZoneChoice) -> Result<(RequestSpec, Moment), Problem> {
    let bad = |detail: String| Problem::new(ProblemKind::BadRequest, detail);
    let MatchRequest { url, source, user, method, user_agent, referer, sni, at } = asked;
    let source = source.map(|text| {
        text.parse().map_err(|_| bad(format!("`{}` is no address", text.escape_debug())))
    });
    let at = match at {
        None => now(),
        Some(text) => moment(&text, zone)?,
    };
    let source = source.transpose()?;
    let (connect, phase, inspect) = (None, None, None);
    let spec = RequestSpec {
        url,
        source,
        user,
        method,
        user_agent,
        referer,
        sni,
        connect,
        phase,
        inspect,
    };
    Ok((spec, at))
}

/// An instant of RFC 3339, or what clocks of the policy's zone show.
fn moment(text: &str, choice: &TimeZoneChoice) -> Result<Moment, Problem> {
    let bad = |detail: String| Problem::new(ProblemKind::BadRequest, detail);
    if let Ok(at) = text.parse::<jiff::Timestamp>() {
        return Ok(Moment::from_unix_micros(at.as_microsecond()));
    }
    let shown: jiff::civil::DateTime = text.parse().map_err(|_| {
        bad(format!(
            "`{}` is no moment; write `2026-11-27T08:00:00+01:00`, or `2026-11-27 08:00` for the \
             policy's own zone",
            text.escape_debug()
        ))
    })?;
    let zone = zone_of(choice)
        .map_err(|fault| Problem::new(ProblemKind::Failed, eg_settings::log::chain(&fault)))?;
    let shown = shown.to_zoned(jiff::tz::TimeZone::UTC).map_err(|fault| bad(fault.to_string()))?;
    Ok(zone.instant(shown.timestamp().as_microsecond()))
}

/// Explains on the live ruleset.
fn look(
    published: &Published,
    (spec, at): (&RequestSpec, Moment),
    sees: bool,
) -> Result<policy::Explained, Problem> {
    let rules = published.ruleset();
    // A list of which two parts were loaded is one file.
    let format = |path: &str, raw: &RawList| -> Result<Option<ListFormat>, OtherSource> {
        let loaded = rules.lists().iter().filter(|list| list.path == path);
        loaded
            .map(|list| raw.format_of(list.source))
            .find(Result::is_ok)
            .unwrap_or(Err(OtherSource))
    };
    // Who does not see lines need not wait for them.
    let files = Bounded { left: Cell::new(if sees { LIST_BYTES_MAX } else { 0 }) };
    let mut lines = ListLines::new(&files, &format);
    let told = tell(rules, &mut Scratch::new(rules), (spec, at), &mut lines);
    told.map_err(|fault| Problem::new(ProblemKind::BadRequest, fault.to_string()))
}

/// The answer, as much of it as whoever asks may see.
fn answer(spec: &RequestSpec, explained: &policy::Explained, sees: bool) -> MatchAnswer {
    let policy::Explained { verdict, views, matches, .. } = explained;
    let decides = matches.iter().find(|rule| rule.id.is_some() && rule.id == verdict.id);
    let pattern = decides.map(|rule| {
        let fits = rule.fits.iter().map(|fit| format!("{} {}", fit.attribute, fit.value));
        fits.collect::<Vec<_>>().join(", ")
    });
    MatchAnswer {
        uri: spec.url.clone(),
        canonical: views.first().map(|reading| reading.uri.clone()),
        matched: verdict.id.is_some(),
        code: verdict.code,
        rule_id: verdict.id,
        rule_name: verdict.rule.clone(),
        action: verdict.action.to_owned(),
        reason: verdict.reason.clone(),
        category: verdict.category.clone(),
        pattern: pattern.filter(|_| sees),
        explained: sees.then(|| {
            let mut told = told::explained(explained);
            for (rules, what) in [
                (&mut told.matches, "match"),
                (&mut told.before, "stand before it and do not hold"),
            ] {
                if let Some(more) = rules.len().checked_sub(TOLD_MAX).filter(|more| *more > 0) {
                    rules.truncate(TOLD_MAX);
                    told.notes.push(format!("{more} more rules {what}"));
                }
            }
            told
        }),
    }
}

/// The disk, for so many bytes.
struct Bounded {
    left: Cell<u64>,
}

impl ListFiles for Bounded {
    fn find(&self, path: &FilePath) -> io::Result<Option<FoundFile>> {
        Disk.find(path)
    }

    fn read(&self, path: &FilePath) -> io::Result<Vec<u8>> {
        let bytes = read_regular(path, self.left.get())?;
        self.left.set(self.left.get().saturating_sub(bytes.len() as u64));
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use eg_policy::build::{Loaded, build};
    use eg_policy::check::{Trust, check};
    use eg_policy::compile::compile;
    use eg_policy::matcher::{DomainIndex, write_index};
    use eg_policy::sources::SourceFile;
    use eg_policy::verdict::Action;
    use eg_policy::zone::Zone;

    use super::*;
    use crate::view::{Live, Stored};

    fn live(text: &str) -> Live {
        let files = [(SourceFile::new("/r/a.policy", text), Trust::Operator)];
        let (checked, faults) = check(&files);
        assert!(faults.is_empty(), "{faults:?}");
        let policy = compile(checked, Action::Permit, Vec::new());
        let loaded = Loaded {
            index: Arc::new(DomainIndex::open(write_index(&[], 1)).unwrap()),
            addresses: Vec::new(),
            regexes: Vec::new(),
            users: Vec::new(),
            zone: Zone::utc(),
        };
        Live::new(build(&policy, loaded).unwrap(), Stored::default())
    }

    #[test]
    fn below_an_administrator_there_is_the_verdict_and_no_pattern() {
        let live = live(
            "a: {\n match-domain: secret.example\n match-source: 192.0.2.0/24\n action: permit\n}\n\
             b: {\n match-uri: http://www.secret.example/x\n description: no\n}\n",
        );
        let spec =
            RequestSpec { url: "http://www.secret.example/x/y".into(), ..RequestSpec::default() };
        let published = live.load();
        for sees in [true, false] {
            let explained = look(&published, (&spec, now()), sees).unwrap();
            let answer = answer(&spec, &explained, sees);
            assert_eq!(
                (answer.rule_name.as_str(), answer.rule_id, answer.code),
                ("b", Some(2), 300)
            );
            assert_eq!((answer.matched, answer.reason.as_str()), (true, "no"));
            assert_eq!(answer.pattern.is_some(), sees);
            assert_eq!(answer.explained.is_some(), sees);
            let text = serde_json::to_string(&answer).unwrap();
            for hidden in ["match-uri", "192.0.2.0", "a.policy"] {
                assert_eq!(text.contains(hidden), sees, "{hidden}: {text}");
            }
        }
    }

    #[test]
    fn moments_are_instants_or_what_clocks_show() {
        let zurich = TimeZoneChoice::Named("Europe/Zurich".to_owned());
        let at = |text: &str| moment(text, &zurich).map(|at| at.unix_micros() / 1_000_000);
        let expected = Ok(1_795_762_800);
        for text in [
            "2026-11-27T07:00:00Z",
            "2026-11-27T08:00:00+01:00",
            "2026-11-27T08:00:00",
            "2026-11-27 08:00",
        ] {
            assert_eq!(at(text), expected, "{text}");
        }
        for bad in ["", "soon", "08:00", "2026-13-01 00:00", "1795762800"] {
            assert_eq!(at(bad).unwrap_err().kind, ProblemKind::BadRequest, "{bad}");
        }
    }
}
