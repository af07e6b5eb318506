//! The policy's part of the Control API.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use eg_proto::control::{Problem, ProblemKind, RELOAD_WAIT_S, ReloadRequest, ReloadTicket, Verb};
use tokio::sync::watch;

use super::answer::{Refused, json, reason_of, value_of};
use super::auth::Accounts;
use super::editors::Editors;
use super::explain::Explaining;
use super::hidden;
use super::operator::Operator;
use super::shape;
use super::system::System;
use crate::asks::{Answer, Done, Door, Found, Work, ending};
use crate::audit::{AskedBy, Audit, Event};
use crate::config::PolicyConfig;
use crate::policy_commit::COMMIT;
use crate::policy_confirm::CONFIRM;
use crate::policy_history::{GIT_INIT, ROLLBACK, TAG};
use crate::policy_thread::LiveFacts;
use crate::reload::{Guards, Order, Origin, Run};
use crate::view::{Live, now};

/// How long somebody who waits for an answer is kept once the engine ends: the policy thread may be about
/// to say so.
const LAST_WORD: Duration = Duration::from_millis(500);

/// What handlers work on.
#[derive(Debug)]
pub(crate) struct Desk {
    /// The way to the policy thread.
    pub(crate) door: Door,
    /// What is live.
    pub(crate) live: Arc<Live>,
    /// What else is to be known of it.
    pub(crate) facts: LiveFacts,
    /// The trail.
    pub(crate) audit: Audit,
    /// `[policy]`, for what is read beside the policy thread.
    pub(crate) config: Arc<PolicyConfig>,
    /// The accounts.
    pub(crate) accounts: Arc<Accounts>,
    /// Who edits the policy files.
    pub(super) editors: Editors,
    /// How many may explain at once.
    pub(super) explaining: Explaining,
    /// Whether the engine ends.
    pub(crate) stopping: watch::Receiver<bool>,
    /// The engine itself.
    pub(crate) system: System,
}

/// `GET policy`
pub(super) async fn live(State(desk): State<Arc<Desk>>, operator: Operator) -> Response {
    let mut live = shape::live_policy(&desk.live.load());
    if !operator.sees_patterns() {
        hidden::from_live(&mut live);
    }
    json(StatusCode::OK, &live)
}

/// `POST policy/reload`
pub(super) async fn reload(
    State(desk): State<Arc<Desk>>,
    operator: Operator,
    request: Request,
) -> Result<Response, Refused> {
    let ReloadRequest { reason, force, dry_run, wait_s } = value_of(request).await?;
    if force {
        operator.may_give(Verb::RequestPolicyReload, "force")?;
    }
    let order = Order {
        by: Origin::Operator(operator.name().to_owned()),
        reason: reason_of(reason)?,
        guards: if force { Guards::Overridden } else { Guards::Heeded },
        run: if dry_run { Run::Dry } else { Run::Real },
    };
    let wait = Duration::from_secs(wait_s.unwrap_or(RELOAD_WAIT_S).min(RELOAD_WAIT_S));
    match desk.wait_for(Work::Reload(order), wait).await? {
        Asked::Answer(answer) => answered(hidden::from_answer(*answer, &operator)),
        Asked::Ticket(number) => Ok(ticket(number)),
    }
}

/// `GET policy/reload/NUMBER`
pub(super) async fn receipt(
    State(desk): State<Arc<Desk>>,
    operator: Operator,
    Path(number): Path<String>,
) -> Result<Response, Refused> {
    let unknown = || {
        let detail = format!(
            "there is no reload `{}`; the engine keeps the newest only, and begins anew at a start",
            number.escape_debug()
        );
        Refused(Problem::new(ProblemKind::NotFound, detail))
    };
    let number: u64 = number.parse().map_err(|_| unknown())?;
    match desk.door.answer_to(number) {
        Found::Unknown => Err(unknown()),
        Found::Waiting => Ok(ticket(number)),
        Found::Answered(answer) => answered(hidden::from_answer(*answer, &operator)),
    }
}

impl Desk {
    /// Asks the policy thread, and waits for its answer or for `wait`. For who sees patterns.
    pub(super) async fn ask(&self, work: Work, wait: Duration) -> Result<Response, Refused> {
        match self.wait_for(work, wait).await? {
            Asked::Answer(answer) => answered(*answer),
            Asked::Ticket(number) => Ok(ticket(number)),
        }
    }

    async fn wait_for(&self, work: Work, wait: Duration) -> Result<Asked, Refused> {
        let attempt = Attempt::of(&work);
        let ticket_of = self.door.ask(work).map_err(|refused| self.not_taken(&attempt, refused))?;
        let number = ticket_of.number;
        let mut answer = ticket_of.answer;
        let mut stopping = self.stopping.clone();
        tokio::select! {
            biased;
            answer = &mut answer => {
                return Ok(Asked::Answer(Box::new(answer.unwrap_or_else(|_| Err(ending())))));
            }
            () = tokio::time::sleep(wait) => return Ok(Asked::Ticket(number)),
            () = stopped(&mut stopping) => {}
        }
        match tokio::time::timeout(LAST_WORD, answer).await {
            Ok(Ok(answer)) => Ok(Asked::Answer(Box::new(answer))),
            Ok(Err(_)) | Err(_) => Err(ending().into()),
        }
    }

    /// An attempt that was not even taken is in the trail too.
    fn not_taken(&self, attempt: &Attempt, refused: Problem) -> Refused {
        let Attempt { what, by, reason, guards } = attempt;
        let force = *guards == Guards::Overridden;
        let asked_by = AskedBy { by, comment: reason.as_deref(), force };
        let detail = refused.detail.as_str();
        match what {
            Some(what) => {
                let outcome = "refused";
                self.audit.event(&Event::Policy { what, outcome, detail, asked_by }, now());
            }
            None => {
                let published = self.live.load();
                let (ruleset, reason) = (published.digest(), detail);
                self.audit.event(&Event::ReloadRefused { ruleset, reason, asked_by }, now());
            }
        }
        refused.into()
    }
}

/// What came of an ask by now.
enum Asked {
    Answer(Box<Answer>),
    Ticket(u64),
}

/// What the trail says of an ask.
struct Attempt {
    /// What was asked for; `None` for a reload.
    what: Option<&'static str>,
    by: String,
    reason: Option<String>,
    guards: Guards,
}

impl Attempt {
    fn of(work: &Work) -> Self {
        let by = work.by().to_string();
        let (what, reason, guards) = match work {
            Work::Reload(order) => (None, order.reason.clone(), order.guards),
            Work::Rollback(asked) => (Some(ROLLBACK), asked.reason.clone(), asked.guards),
            Work::Commit(asked) => (Some(COMMIT), asked.reason.clone(), asked.guards),
            Work::Confirm(_) => (Some(CONFIRM), None, Guards::Heeded),
            Work::GitInit(_) => (Some(GIT_INIT), None, Guards::Heeded),
            Work::Tag { .. } => (Some(TAG), None, Guards::Heeded),
        };
        Self { what, by, reason, guards }
    }
}

/// Waits until the engine ends.
pub(super) async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // Whoever would say so is gone: that is the end too.
    drop(stopping.wait_for(|stopping| *stopping).await);
}

fn ticket(reload: u64) -> Response {
    let detail = "it waits for others, or is still at work; ask for it by its number".to_owned();
    json(StatusCode::ACCEPTED, &ReloadTicket { reload, detail })
}

fn answered(answer: Answer) -> Result<Response, Refused> {
    match answer? {
        Done::Reload(receipt) => Ok(json(StatusCode::OK, &receipt)),
        Done::Rollback(receipt) => Ok(json(StatusCode::OK, &receipt)),
        Done::Commit(receipt) => Ok(json(StatusCode::OK, &receipt)),
        Done::Confirmed(done) => Ok(json(StatusCode::OK, &done)),
        Done::Git(done) => Ok(json(StatusCode::OK, &done)),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use eg_policy::build::{Loaded, build};
    use eg_policy::compile::CompiledPolicy;
    use eg_policy::matcher::{DomainIndex, write_index};
    use eg_policy::verdict::Action;
    use eg_policy::zone::Zone;

    use super::*;
    use crate::asks::{Rollback, door};
    use crate::audit::tests::audit_to_memory;
    use crate::reload::Ending;
    use crate::view::Stored;

    /// A ruleset without a rule.
    pub(in crate::control) fn nothing_live() -> Arc<Live> {
        let policy =
            CompiledPolicy { rules: Vec::new(), lists: Vec::new(), default_action: Action::Deny };
        let loaded = Loaded {
            index: Arc::new(DomainIndex::open(write_index(&[], 1)).unwrap()),
            addresses: Vec::new(),
            regexes: Vec::new(),
            users: Vec::new(),
            zone: Zone::utc(),
        };
        Arc::new(Live::new(build(&policy, loaded).unwrap(), Stored::default()))
    }

    fn settings() -> PolicyConfig {
        let text = "[connectors.a]\nkey = \"0123456789abcdef\"\n\
             [captive_portal]\nsecret = \"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\"\n";
        let none = eg_settings::Overrides::default();
        crate::config::load_text("/srv/engine.conf".into(), text, &none).unwrap().config.policy
    }

    #[tokio::test]
    async fn what_is_not_even_taken_is_in_the_trail_as_what_it_was() {
        let (door, inbox) = door(&Ending::default());
        drop(inbox);
        let (audit, thread, memory) = audit_to_memory();
        let (_stop, stopping) = watch::channel(false);
        let desk = Desk {
            door,
            live: nothing_live(),
            facts: LiveFacts::default(),
            accounts: crate::control::auth::tests::nobody(audit.clone()),
            audit,
            config: Arc::new(settings()),
            editors: Editors::default(),
            explaining: Explaining::default(),
            stopping,
            system: System::for_a_test(),
        };
        let by = || Origin::Operator("local:root".to_owned());
        let (reason, guards, run) = (Some("why".to_owned()), Guards::Overridden, Run::Real);
        let order = Order { by: by(), reason: reason.clone(), guards, run };
        let rollback = Rollback { generation: 2, by: by(), reason, guards, run };
        let name = "v1".to_owned();
        for work in [
            Work::Reload(order),
            Work::Rollback(rollback),
            Work::GitInit(by()),
            Work::Tag { by: by(), name },
        ] {
            assert!(desk.ask(work, Duration::ZERO).await.is_err());
        }
        drop(desk);
        thread.finish();
        let lines = memory.lines();
        let kinds: Vec<&str> = lines.iter().map(|line| line["kind"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["reload", ROLLBACK, GIT_INIT, TAG]);
        assert!(
            lines.iter().all(|line| line["outcome"] == "refused" && line["by"] == "local:root")
        );
        for line in &lines[..2] {
            assert_eq!((&line["comment"], &line["force"]), (&"why".into(), &true.into()));
        }
    }
}
