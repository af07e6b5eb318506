//! The command lines of the verbs that ask a policy, and what each does with it.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use eg_policy::diagnostic::Severity;
use eg_policy::moment::Moment;
use eg_policy::verdict::Action;
use eg_policy::zone::Zone;
use eg_settings::version;
use jiff::Timestamp;
use serde_json::json;

use super::args::{CheckArgs, FormatWord};
use super::cases::{PolicyPlace, parse_moment, test};
use super::clock;
use super::explain::explain;
use super::lint::lint;
use super::policy::Policy;
use super::request::{InspectArg, RequestArgs};
use super::wire;
use crate::exit::Exit;
use crate::forms::{self, Detail};
use crate::render;

/// Where an engine has the operator's policy, and where machines write theirs (SPEC 1).
const PATH_DEFAULT: &str = "/etc/enforcegate/rules.d";
const SHARED_DEFAULT: &str = "/etc/enforcegate-shared/rules.d";

/// Where the policy is.
#[derive(Debug, clap::Args)]
pub(super) struct PolicyArgs {
    /// A folder of policy files, or a single file; may be given again. Without any, the folders of an
    /// engine's usual configuration.
    #[arg(long, value_name = "PATH")]
    policy: Vec<PathBuf>,
    /// A folder that is loaded after the others, and in which a faulty file is left out.
    #[arg(long, value_name = "PATH")]
    shared: Vec<PathBuf>,
    /// What a request gets that no rule holds for.
    #[arg(long, value_enum, value_name = "ACTION")]
    default_action: Option<ActionWord>,
    /// Where `time-window` is judged: `local`, `utc` or a zone such as `Europe/Zurich`.
    #[arg(long, value_name = "ZONE", value_parser = clock::zone)]
    time_window_tz: Option<Zone>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ActionWord {
    Permit,
    Deny,
    Warn,
    Aup,
}

impl ActionWord {
    const fn action(self) -> Action {
        match self {
            Self::Permit => Action::Permit,
            Self::Deny => Action::Deny,
            Self::Warn => Action::Warn,
            Self::Aup => Action::Aup,
        }
    }
}

#[derive(Debug, clap::Args)]
pub(super) struct ExplainArgs {
    #[command(flatten)]
    request: RequestArgs,
    #[command(flatten)]
    policy: PolicyArgs,
    /// The time of the request, as `2026-11-27T08:00:00+01:00`; now where it is not given.
    #[arg(long, value_name = "TIME", value_parser = instant)]
    at: Option<Moment>,
    /// Tell each rule that does not hold.
    #[arg(long)]
    all: bool,
    /// Exit with 5 where the verdict is not permit.
    #[arg(long)]
    check: bool,
    /// How to print it.
    #[arg(long, value_enum, default_value_t = ExplainFormat::Text)]
    format: ExplainFormat,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ExplainFormat {
    Text,
    Json,
}

#[derive(Debug, clap::Args)]
pub(super) struct LintArgs {
    #[command(flatten)]
    check: CheckArgs,
    /// How Squid looks into TLS; without it nothing is said of paths in tunnels.
    #[arg(long, value_enum)]
    inspect: Option<InspectArg>,
    /// Exit with 1 on a warning too.
    #[arg(long)]
    strict: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct TestArgs {
    /// The file of cases.
    file: PathBuf,
    #[command(flatten)]
    policy: PolicyArgs,
    /// How to print what came of them.
    #[arg(long, value_enum, default_value_t = TestFormat::Text)]
    format: TestFormat,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum TestFormat {
    Text,
    Json,
    Junit,
}

fn instant(text: &str) -> Result<Moment, &'static str> {
    parse_moment(text).ok_or("not a time of RFC 3339, such as `2026-11-27T08:00:00+01:00`")
}

fn now() -> Moment {
    Moment::from_unix_micros(Timestamp::now().as_microsecond())
}

/// What is read where nothing is named: the folders of an engine.
pub(super) fn paths(own: &[PathBuf], shared: &[PathBuf]) -> (Vec<PathBuf>, Vec<PathBuf>) {
    match (own.is_empty(), shared.is_empty()) {
        (true, true) => {
            let shared = Some(PathBuf::from(SHARED_DEFAULT)).filter(|path| Path::is_dir(path));
            (vec![PathBuf::from(PATH_DEFAULT)], shared.into_iter().collect())
        }
        (false, _) | (_, false) => (own.to_vec(), shared.to_vec()),
    }
}

/// Explains one verdict.
pub(super) fn run_explain(args: &ExplainArgs, out: &mut impl Write) -> io::Result<Exit> {
    let ExplainArgs { request, policy, at, all, check, format } = args;
    let request = request.spec();
    let (own, shared) = paths(&policy.policy, &policy.shared);
    let default = policy.default_action.map_or(Action::Permit, ActionWord::action);
    let now = at.unwrap_or_else(now);
    let zone = policy.time_window_tz.clone().unwrap_or_else(clock::local);
    let explained = Policy::read(&own, &shared)
        .map_err(Into::into)
        .and_then(|policy| explain(&policy, default, &request, (now, &zone)));
    let explained = match explained {
        Ok(explained) => explained,
        Err(fault) => {
            render::failure(&mut io::stderr().lock(), "egpolicy", &fault)?;
            return Ok(Exit::Failed);
        }
    };
    match format {
        ExplainFormat::Text => {
            let detail = if *all { Detail::All } else { Detail::Near };
            forms::explanation(out, &request, &wire::explained(&explained), detail)?;
        }
        ExplainFormat::Json => {
            let at = Timestamp::from_microsecond(now.unix_micros()).map(|at| at.to_string());
            let document = json!({
                "request": request,
                "phase": request.phase().word(),
                "source": request.source(),
                "at": at.unwrap_or_default(),
                "explained": explained,
            });
            writeln!(out, "{document:#}")?;
        }
    }
    Ok(match (check, explained.verdict.action == Action::Permit.word()) {
        (true, false) => Exit::NotPermitted,
        (true | false, true) | (false, false) => Exit::Done,
    })
}

/// Looks at a policy for what is probably not meant.
pub(super) fn run_lint(args: &LintArgs, out: &mut impl Write) -> io::Result<Exit> {
    let LintArgs { check, inspect, strict } = args;
    let policy = match Policy::read(&check.paths, &check.shared) {
        Ok(policy) => policy,
        Err(fault) => {
            render::failure(&mut io::stderr().lock(), "egpolicy", &fault)?;
            return Ok(Exit::Failed);
        }
    };
    let found = lint(&policy, inspect.map(InspectArg::word), now());
    match check.format {
        FormatWord::Text => forms::lint(out, &found)?,
        FormatWord::Json => forms::lint_json(out, &found)?,
        FormatWord::Sarif => forms::sarif(out, &found.diagnostics, version())?,
    }
    let fails = found.count(Severity::Error) > 0 || (*strict && found.count(Severity::Warning) > 0);
    Ok(if fails { Exit::Failed } else { Exit::Done })
}

/// Runs the cases of a file.
pub(super) fn run_test(args: &TestArgs, out: &mut impl Write) -> io::Result<Exit> {
    let place = PolicyPlace {
        own: args.policy.policy.clone(),
        shared: args.policy.shared.clone(),
        default_action: args.policy.default_action.map(ActionWord::action),
        zone: args.policy.time_window_tz.clone(),
    };
    let tested = match test(&args.file, &place, now()) {
        Ok(tested) => tested,
        Err(fault) => {
            render::failure(&mut io::stderr().lock(), "egpolicy", &fault)?;
            return Ok(Exit::Failed);
        }
    };
    match args.format {
        TestFormat::Text => forms::cases(out, &tested)?,
        TestFormat::Json => {
            let (all, failed) = (tested.cases.len(), tested.failures());
            let document = json!({ "cases": all, "failed": failed, "results": tested });
            writeln!(out, "{document:#}")?;
        }
        TestFormat::Junit => forms::junit(out, &tested)?,
    }
    Ok(if tested.failures() > 0 { Exit::Failed } else { Exit::Done })
}
