//! One call from its words to its result: questions to the person, the request, the wait, the answer.

use std::io::Write;
use std::time::{Duration, Instant};

use eg_proto::control::explain::MatchAnswer;
use eg_proto::control::system::Status;
use eg_proto::control::user::TotpAnswer;
use eg_proto::control::{ReloadTicket, Row, Secret, Verb};
use serde::Serialize;
use serde_json::Value;

use super::ask;
use super::entries::Does;
use super::fault::EgctlFault;
use super::grammar::Call;
use super::own;
use super::progress::Progress;
use super::request::{Request, request};
use super::screen::{Format, Look, Screen, json};
use super::show::{self, Shown};
use crate::client::{Answer, ClientFault};
use crate::exit::Exit;
use crate::session::{Asks, Session, SessionFault, Settings, Surroundings, Talk};

/// The status of an answer that is only a ticket.
const ACCEPTED: u16 = 202;

/// Between two questions for what is not there yet.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// How long an engine that starts anew is waited for: it drains for 5 s and opens its store.
const RESTART_MAX: Duration = Duration::from_secs(60);

/// Whether a person is asked before what cannot be taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meant {
    /// `--yes`
    Surely,
    /// It is asked.
    Perhaps,
}

/// The tool: an engine, somebody to talk with, and how to do things.
pub struct Egctl<'t> {
    /// Where the engine is.
    pub settings: Settings,
    /// What the environment says.
    pub around: Surroundings,
    /// Whoever sits there.
    pub talk: &'t mut dyn Talk,
    /// Whether progress is shown.
    pub progress: Progress,
    /// Whether a person is asked first.
    pub meant: Meant,
    /// The engine, once it was needed.
    pub session: Option<Session>,
}

impl std::fmt::Debug for Egctl<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Egctl").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Egctl<'_> {
    /// The engine, and whoever sits there.
    ///
    /// # Errors
    ///
    /// [`SessionFault`]
    pub fn parts(&mut self) -> Result<(&mut Session, &mut dyn Talk), SessionFault> {
        let session = match self.session.take() {
            Some(session) => session,
            None => Session::open(&self.settings, &self.around, self.talk)?,
        };
        Ok((self.session.insert(session), self.talk))
    }

    /// Asks the engine for something on the way.
    ///
    /// # Errors
    ///
    /// [`EgctlFault`]
    pub fn get(&mut self, path: &str) -> Result<Answer, EgctlFault> {
        let (session, talk) = self.parts()?;
        Ok(session.get(talk, path)?)
    }

    /// The same, read as what it is.
    ///
    /// # Errors
    ///
    /// [`EgctlFault`]
    pub fn value<T: serde::de::DeserializeOwned>(&mut self, path: &str) -> Result<T, EgctlFault> {
        let answer = self.get(path)?;
        serde_json::from_slice(&answer.body).map_err(EgctlFault::Foreign)
    }

    /// Sends a value, with a sign of life.
    ///
    /// # Errors
    ///
    /// [`EgctlFault`]
    pub fn send(
        &mut self,
        row: &Row,
        value: &impl Serialize,
        what: &'static str,
    ) -> Result<Answer, EgctlFault> {
        let body = serde_json::to_value(value).map_err(EgctlFault::Foreign)?;
        let request = Request { method: row.method, path: row.path.to_owned(), body: Some(body) };
        self.exchange(&request, Some(what))
    }

    /// Asks, and waits for the receipt however long it takes.
    fn exchange(
        &mut self,
        request: &Request,
        what: Option<&'static str>,
    ) -> Result<Answer, EgctlFault> {
        let body = request.body.as_ref().map(serde_json::to_vec).transpose();
        let body = body.map_err(EgctlFault::Foreign)?.map(zeroize::Zeroizing::new);
        let path = request.path.as_str();
        let body = body.as_deref().map(Vec::as_slice);
        let asks = Asks { method: request.method, path, body };
        let progress = self.progress;
        let (session, talk) = self.parts()?;
        // A login is talked about before the stroke turns.
        if what.is_some() && session.needs_login() {
            session.who(talk)?;
        }
        let _working = what.map(|what| progress.begin(what));
        let mut answer = session.ask(talk, &asks)?;
        while answer.status == ACCEPTED {
            let Ok(ticket) = serde_json::from_slice::<ReloadTicket>(&answer.body) else { break };
            std::thread::sleep(ASK_AGAIN);
            answer = session.get(talk, &format!("policy/reload/{}", ticket.reload))?;
        }
        Ok(answer)
    }

    /// Does what was said.
    ///
    /// # Errors
    ///
    /// [`EgctlFault`]
    pub fn perform(
        &mut self,
        mut call: Call<'_>,
        out: &mut dyn Write,
        look: Look,
    ) -> Result<Exit, EgctlFault> {
        let row = match call.entry.does {
            Does::Ask(row) => row,
            Does::Own(own) => return own::perform(self, own, &call.whole()?, out, look),
            Does::Shell(_) => {
                let words = call.entry.words.join(" ");
                return Err(EgctlFault::Here(format!("`{words}` is of the shell: egctl --cli")));
            }
        };
        ask::fill(&mut call, row.verb, self.talk)?;
        let call = call.whole()?;
        match self.meant {
            Meant::Surely => {}
            Meant::Perhaps => ask::is_meant(&call, row.verb, self.talk)?,
        }
        let (session, talk) = self.parts()?;
        let secrets = ask::secrets(&call, row.verb, session, talk)?;
        let before = self.uptime_before(row.verb);
        let answer = self.exchange(&request(row, &call, &secrets), working(row.verb))?;
        print(row.verb, &answer, call.is_on("all"), out, look)?;
        if row.verb == Verb::RequestUserTotp {
            return self.enrol(row, &call, &answer, out, look);
        }
        if let Some(before) = before {
            self.wait_for_restart(before)?;
        }
        Ok(exit_of(row.verb, &call, &answer))
    }

    /// The second step of a second factor: the code that the authenticator shows for the secret.
    fn enrol(
        &mut self,
        row: &'static Row,
        call: &Call<'_>,
        answer: &Answer,
        out: &mut dyn Write,
        look: Look,
    ) -> Result<Exit, EgctlFault> {
        let found: TotpAnswer =
            serde_json::from_slice(&answer.body).map_err(EgctlFault::Foreign)?;
        if found.on {
            return Ok(Exit::Done);
        }
        let code: Option<Secret> = self.talk.secret("the six digits that it shows: ")?;
        let code = code.ok_or(SessionFault::Unanswered)?;
        let answer = self.exchange(&request(row, call, &[("code", code)]), None)?;
        print(row.verb, &answer, false, out, look)?;
        Ok(Exit::Done)
    }

    /// How long the engine runs, where it is to start anew and somebody watches.
    fn uptime_before(&mut self, verb: Verb) -> Option<u64> {
        if verb != Verb::RequestEngineRestart || self.progress == Progress::Hidden {
            return None;
        }
        self.value::<Status>("status").ok().map(|status| status.uptime_s)
    }

    /// Waits until an engine answers that runs for a shorter time than the one before.
    fn wait_for_restart(&mut self, before: u64) -> Result<(), EgctlFault> {
        let begun = Instant::now();
        let progress = self.progress;
        let (session, talk) = self.parts()?;
        let working = progress.begin("waiting for the engine");
        let mut is_back = false;
        while !is_back && begun.elapsed() < RESTART_MAX {
            std::thread::sleep(ASK_AGAIN);
            let status = match session.get(talk, "status") {
                Ok(answer) => serde_json::from_slice::<Status>(&answer.body).ok(),
                Err(SessionFault::Client(
                    ClientFault::Unreachable { .. }
                    | ClientFault::NoAnswer { .. }
                    | ClientFault::Tls { .. }
                    | ClientFault::Broken { .. }
                    | ClientFault::Refused(_),
                )) => None,
                Err(fault) => return Err(fault.into()),
            };
            is_back = status.is_some_and(|status| {
                status.uptime_s < before || status.uptime_s <= begun.elapsed().as_secs()
            });
        }
        drop(working);
        let told = if is_back {
            "the engine is back"
        } else {
            "the engine is not back yet; its log says why"
        };
        self.talk.say(told)?;
        Ok(())
    }
}

/// What is done, where it may take long.
fn working(verb: Verb) -> Option<&'static str> {
    [
        (Verb::RequestPolicyReload, "loading the policy"),
        (Verb::RequestPolicyRollback, "rolling back"),
        (Verb::RequestEngineRestart, "asking the engine to restart"),
    ]
    .into_iter()
    .find_map(|(known, what)| (known == verb).then_some(what))
}

/// Prints an answer as the look wants it.
///
/// # Errors
///
/// [`EgctlFault`]
pub(super) fn print(
    verb: Verb,
    answer: &Answer,
    all: bool,
    out: &mut dyn Write,
    look: Look,
) -> Result<(), EgctlFault> {
    match look.format {
        Format::Json => {
            let value: Value = serde_json::from_slice(&answer.body).map_err(EgctlFault::Foreign)?;
            Ok(json(out, &value)?)
        }
        Format::Text => match show::answer(&mut Screen::new(out, look), verb, &answer.body, all)? {
            Shown::Whole => Ok(()),
            Shown::Foreign(fault) => Err(EgctlFault::Foreign(fault)),
        },
    }
}

/// How the command ends that got this answer.
fn exit_of(verb: Verb, call: &Call<'_>, answer: &Answer) -> Exit {
    if verb != Verb::ShowPolicyMatch || !call.is_on("check") {
        return Exit::Done;
    }
    match serde_json::from_slice::<MatchAnswer>(&answer.body) {
        Ok(found) if found.action == "permit" => Exit::Done,
        Ok(_) => Exit::NotPermitted,
        Err(_) => Exit::Failed,
    }
}
