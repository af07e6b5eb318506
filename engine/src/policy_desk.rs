//! What the policy thread does with an ask: the work itself, and around it the service manager, the trail
//! and the log.

use std::time::Instant;

use eg_policy::digest::Digest;
use eg_policy::moment::Moment;
use eg_proto::control::{self, Problem};
use eg_settings::log::chain;

use crate::asks::{Answer, Done, Job, StoreLook, Work};
use crate::audit::{AskedBy, Event};
use crate::control::shape;
use crate::policy_confirm::Waiting;
use crate::policy_log::{report, report_fault};
use crate::policy_thread::Public;
use crate::process::Told;
use crate::reload::{Ending, Guards, Order, Origin, Receipt, ReloadFault, Reloader, Run};
use crate::view::{DIGEST_DIGITS, now};

/// What came of a reload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The files were read, and their policy is live or was refused.
    Done,
    /// The engine ends.
    GivenUp,
}

/// The thread at work.
pub(crate) struct Desk<'d> {
    pub(crate) reloader: &'d mut Reloader,
    pub(crate) public: &'d Public,
    pub(crate) ending: &'d Ending,
    pub(crate) trace: &'d mut Trace,
}

/// What is remembered between two asks.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    /// What the operator's policy files were when they were loaded last.
    pub(crate) base: Option<Digest>,
    /// Who loaded the last change of them, where that was in this run.
    pub(crate) changed: Option<Changed>,
    /// The commit that waits to be confirmed.
    pub(crate) waits: Option<Waiting>,
}

/// A change that was loaded.
#[derive(Debug)]
pub(crate) struct Changed {
    /// By whom.
    pub(crate) by: Origin,
    /// When.
    pub(crate) at: Moment,
    /// Why, where somebody said so.
    pub(crate) reason: Option<String>,
}

impl Desk<'_> {
    /// Does what an operator asks for, and answers.
    pub(crate) fn serve(&mut self, job: Job) {
        let answer: Answer = match &job.work {
            Work::Reload(order) => self.answer(order, job.asked, job.number).map(Done::Reload),
            Work::Rollback(rollback) => {
                self.rollback(rollback, (job.asked, job.number)).map(Done::Rollback)
            }
            Work::Commit(commit) => self
                .commit_files(commit, (job.asked, job.number))
                .map(|receipt| Done::Commit(Box::new(receipt))),
            Work::Confirm(by) => self.confirm(by).map(Done::Confirmed),
            Work::GitInit(by) => self.git_init(by).map(Done::Git),
            Work::Tag { by, name } => self.tag(by, name).map(Done::Git),
        };
        job.answer(answer);
    }

    /// What the store is.
    pub(crate) fn look(&self) -> StoreLook {
        self.reloader.store().facts().map_err(|fault| chain(&fault))
    }

    /// A reload as an answer.
    pub(crate) fn answer(
        &mut self,
        order: &Order,
        asked: Instant,
        number: u64,
    ) -> Result<control::Receipt, Problem> {
        let done = self.reload(order, asked);
        done.map(|receipt| shape::receipt(number, &receipt))
            .map_err(|fault| shape::problem(number, &fault))
    }

    /// What a signal asks for.
    pub(crate) fn signalled(&mut self) -> Outcome {
        match self.reload(&Order::of(Origin::Signal), Instant::now()) {
            Err(ReloadFault::Ending) => Outcome::GivenUp,
            Ok(_) | Err(_) => Outcome::Done,
        }
    }

    /// Files have changed. What fails is logged and tried again when files change once more.
    pub(crate) fn changed(&mut self) {
        drop(self.reload(&Order::of(Origin::Watch), Instant::now()));
    }

    /// One reload with everything around it: the service manager, the trail, the log.
    pub(crate) fn reload(&mut self, order: &Order, asked: Instant) -> Result<Receipt, ReloadFault> {
        match order.run {
            Run::Dry => self.carry_out(order, asked),
            Run::Real => {
                self.public.supervisor.tell(Told::Reloading);
                let done = self.carry_out(order, asked);
                if !self.ending.has_begun() {
                    self.public.supervisor.tell(Told::Ready);
                }
                done
            }
        }
    }

    fn carry_out(&mut self, order: &Order, asked: Instant) -> Result<Receipt, ReloadFault> {
        let Public { live, audit, .. } = self.public;
        let prepared = self.reloader.carry_out(order, asked);
        self.public.facts.say(self.reloader);
        let by = order.by.to_string();
        let force = order.guards == Guards::Overridden;
        let asked_by = AskedBy { by: &by, comment: order.reason.as_deref(), force };
        match (prepared, order.run) {
            (Ok(mut prepared), Run::Real) => {
                drop(live.swap(prepared.ruleset, self.reloader.stored()));
                self.reloader.clean_up();
                let Receipt { revision, rules, .. } = prepared.receipt;
                let published = live.load();
                let ruleset = published.digest();
                audit.event(&Event::Reload { ruleset, revision, rules, asked_by }, now());
                self.commit(order, &mut prepared.receipt);
                report(&prepared.receipt, "policy reloaded");
                self.remember(&prepared.receipt);
                Ok(prepared.receipt)
            }
            (Ok(prepared), Run::Dry) => {
                let mut ruleset = prepared.receipt.digest.to_string();
                ruleset.truncate(DIGEST_DIGITS);
                let rules = prepared.receipt.rules;
                let entry = Event::DryRun { ruleset: &ruleset, rules, asked_by };
                audit.event(&entry, now());
                tracing::info!(by, rules, "dry run: the policy of the files would be taken");
                Ok(prepared.receipt)
            }
            (Err(ReloadFault::Ending), _) => {
                tracing::info!(by, "the reload is given up, since the engine ends");
                Err(ReloadFault::Ending)
            }
            (Err(fault), run) => {
                let cause = chain(&fault);
                let published = live.load();
                let ruleset = published.digest();
                let reason = &cause;
                audit.event(&Event::ReloadRefused { ruleset, reason, asked_by }, now());
                match run {
                    Run::Dry => tracing::info!(by, cause, "dry run: the policy would be refused"),
                    Run::Real => {
                        report_fault(&fault);
                        tracing::error!(
                            by,
                            cause,
                            "the policy was not reloaded; the running one stays"
                        );
                    }
                }
                Err(fault)
            }
        }
    }

    /// Remembers who loaded a change of the operator's files.
    fn remember(&mut self, receipt: &Receipt) {
        if self.trace.base == Some(receipt.base) {
            return;
        }
        let Order { by, reason, .. } = receipt.order.clone();
        self.trace.base = Some(receipt.base);
        self.trace.changed = Some(Changed { by, at: now(), reason });
    }
}
