//! `egpolicy load`: the engine reads its policy files anew, and says what came of it.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use eg_proto::control::{ProblemKind, Receipt, ReloadRequest, ReloadTicket};

use crate::client::{Answer, Client, ClientFault};
use crate::config;
use crate::exit::Exit;
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
    let config = match config::read(args.conf.as_deref()) {
        Ok(config) => config,
        Err(faults) => {
            render::failure(&mut io::stderr().lock(), "egpolicy", &faults)?;
            return Ok(Exit::Failed);
        }
    };
    if !config.not_yet.is_empty() {
        let keys = config.not_yet.join(", ");
        writeln!(io::stderr().lock(), "egpolicy: without effect in this version: {keys}")?;
    }
    let client = Client::new(&config.socket);
    let request = ReloadRequest {
        reason: args.reason.clone(),
        force: args.force,
        dry_run: args.dry_run,
        wait_s: None,
    };
    match load(&client, &request) {
        Ok(answer) => told(args, &client, &answer),
        Err(fault) => failed(args, &fault),
    }
}

/// The answer with the receipt, however long it takes.
fn load(client: &Client, request: &ReloadRequest) -> Result<Answer, ClientFault> {
    let mut answer = client.post("policy/reload", request)?;
    while answer.status == ACCEPTED {
        let ticket: ReloadTicket = answer.value(client)?;
        std::thread::sleep(ASK_AGAIN);
        answer = client.get(&format!("policy/reload/{}", ticket.reload))?;
    }
    Ok(answer)
}

fn told(args: &LoadArgs, client: &Client, answer: &Answer) -> io::Result<Exit> {
    let mut out = io::stdout().lock();
    let found: Receipt = match answer.value(client) {
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

fn failed(args: &LoadArgs, fault: &ClientFault) -> io::Result<Exit> {
    match (fault, args.format) {
        // Programs get the engine's own document where they look for a receipt.
        (ClientFault::Refused(problem), LoadFormat::Json) => {
            writeln!(io::stdout().lock(), "{:#}", serde_json::json!(problem))?;
        }
        (ClientFault::Refused(problem), LoadFormat::Text) => {
            receipt::problem(&mut io::stderr().lock(), problem)?;
        }
        (other, LoadFormat::Text | LoadFormat::Json) => {
            render::failure(&mut io::stderr().lock(), "egpolicy", other)?;
        }
    }
    Ok(match fault {
        ClientFault::Unreachable { .. } | ClientFault::NoAnswer { .. } => Exit::Unreachable,
        ClientFault::Refused(problem) if problem.kind == ProblemKind::Forbidden => Exit::Refused,
        ClientFault::Refused(_) | ClientFault::Broken { .. } => Exit::Failed,
    })
}
