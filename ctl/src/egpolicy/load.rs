//! `egpolicy load`: the engine reads its policy files anew, and says what came of it.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use eg_proto::control::verbs::HttpMethod;
use eg_proto::control::{Receipt, ReloadRequest, ReloadTicket};

use crate::client::{Answer, ClientFault};
use crate::config;
use crate::exit::Exit;
use crate::session::{Asks, Console, Session, SessionFault, Surroundings};
use crate::{receipt, render};

/// The status of an answer that is only a ticket.
const ACCEPTED: u16 = 202;

/// Between two questions for a receipt that is not there yet.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// What `load` may be told.
#[derive(Debug, clap::Args)]
pub(super) struct LoadArgs {
    /// Where the engine is; default /etc/enforcegate/egpolicy.conf, where there is one.
    #[arg(short = 'c', long = "conf", value_name = "PATH")]
    conf: Option<PathBuf>,
    /// Why, for the trail, the snapshot and the history.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Take the files as they are, past the guards of rules and lists that shrink.
    #[arg(long)]
    force: bool,
    /// Say what would happen, and change nothing.
    #[arg(long)]
    dry_run: bool,
    /// How to print the receipt.
    #[arg(long, value_enum, default_value_t = LoadFormat::Text)]
    format: LoadFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LoadFormat {
    Text,
    Json,
}

/// Asks the engine and waits for the receipt.
///
/// # Errors
///
/// What standard output or error says.
pub(super) fn run(args: &LoadArgs) -> io::Result<Exit> {
    let settings = match config::read(args.conf.as_deref()) {
        Ok(settings) => settings,
        Err(faults) => {
            render::failure(&mut io::stderr().lock(), "egpolicy", &faults)?;
            return Ok(Exit::Failed);
        }
    };
    let request = ReloadRequest {
        reason: args.reason.clone(),
        force: args.force,
        dry_run: args.dry_run,
        wait_s: None,
    };
    let session = Session::open(&settings, &Surroundings::of_process(), &mut Console);
    match session.and_then(|mut session| load(&mut session, &request)) {
        Ok(answer) => told(args, &answer),
        Err(fault) => failed(args, &fault),
    }
}

/// The answer with the receipt, however long it takes.
fn load(session: &mut Session, request: &ReloadRequest) -> Result<Answer, SessionFault> {
    let broken = |fault: serde_json::Error| ClientFault::Broken {
        place: "the engine".to_owned(),
        what: fault.to_string(),
    };
    let body = serde_json::to_vec(request).map_err(broken)?;
    let asks = Asks { method: HttpMethod::Post, path: "policy/reload", body: Some(&body) };
    let mut answer = session.ask(&mut Console, &asks)?;
    while answer.status == ACCEPTED {
        let ticket: ReloadTicket = serde_json::from_slice(&answer.body).map_err(broken)?;
        std::thread::sleep(ASK_AGAIN);
        answer = session.get(&mut Console, &format!("policy/reload/{}", ticket.reload))?;
    }
    Ok(answer)
}

fn told(args: &LoadArgs, answer: &Answer) -> io::Result<Exit> {
    let mut out = io::stdout().lock();
    let found: Receipt = match serde_json::from_slice(&answer.body) {
        Ok(found) => found,
        Err(fault) => {
            render::failure(&mut io::stderr().lock(), "egpolicy", &fault)?;
            return Ok(Exit::Failed);
        }
    };
    match args.format {
        LoadFormat::Text => receipt::receipt(&mut out, &found)?,
        LoadFormat::Json => writeln!(out, "{:#}", serde_json::json!(found))?,
    }
    Ok(Exit::Done)
}

fn failed(args: &LoadArgs, fault: &SessionFault) -> io::Result<Exit> {
    match (fault, args.format) {
        // Programs get the engine's own document where they look for a receipt.
        (SessionFault::Client(ClientFault::Refused(problem)), LoadFormat::Json) => {
            writeln!(io::stdout().lock(), "{:#}", serde_json::json!(problem))?;
        }
        (SessionFault::Client(ClientFault::Refused(problem)), LoadFormat::Text) => {
            receipt::problem(&mut io::stderr().lock(), "egpolicy", problem)?;
        }
        (other, LoadFormat::Text | LoadFormat::Json) => {
            render::failure(&mut io::stderr().lock(), "egpolicy", other)?;
        }
    }
    Ok(fault.exit())
}
