//! What the policy thread is asked to do, one ask after the other, each with an answer of its own.
//!
//! Whoever asks gets a [`Ticket`]: a number, and a place where the answer comes. Who does not wait for it
//! finds it by its number for a while. A full queue refuses at once, and so does an engine that ends.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use eg_policy::digest::Digest;
use eg_proto::control::edit::{CommitReceipt, Confirmed};
use eg_proto::control::{GitDone, Problem, ProblemKind, Receipt, RollbackReceipt};
use tokio::sync::oneshot;

use crate::edits::Edits;
use crate::policy_thread::Public;
use crate::reload::{Ending, Guards, Order, Origin, Run};
use crate::store::StoreFacts;

/// Asks that may wait. Each may take seconds, so whoever comes behind more of them is better told so.
pub(crate) const WAITING_MAX: usize = 16;

/// Answers that are kept for those who come back with a number.
const ANSWERS_KEPT: usize = 64;

/// What an operator asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Work {
    /// To load the policy's files.
    Reload(Order),
    /// To put the operator's files back as they were, and load them.
    Rollback(Rollback),
    /// To change the operator's files and load them.
    Commit(Box<Commit>),
    /// To keep a commit that waits to be confirmed.
    Confirm(Origin),
    /// To begin the history of the operator's files.
    GitInit(Origin),
    /// To give the last commit a name.
    Tag {
        /// Who asks.
        by: Origin,
        /// The name.
        name: String,
    },
}

/// A rollback that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rollback {
    /// The generation, 1 the newest.
    pub(crate) generation: u32,
    /// Who asks.
    pub(crate) by: Origin,
    /// Why, where somebody said so.
    pub(crate) reason: Option<String>,
    /// Whether the guards are heeded where the files are loaded.
    pub(crate) guards: Guards,
    /// How far it goes.
    pub(crate) run: Run,
}

/// A commit that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Commit {
    /// What the operator's policy files were when the edit began.
    pub(crate) base: Digest,
    /// What changes.
    pub(crate) edits: Edits,
    /// Who asks.
    pub(crate) by: Origin,
    /// Why, where somebody said so.
    pub(crate) reason: Option<String>,
    /// Whether guards are heeded.
    pub(crate) guards: Guards,
    /// How far it goes.
    pub(crate) run: Run,
    /// How long it waits to be confirmed, where it does.
    pub(crate) confirm_in: Option<Duration>,
}

impl Work {
    /// Who asks.
    pub(crate) const fn by(&self) -> &Origin {
        match self {
            Self::Reload(order) => &order.by,
            Self::Rollback(rollback) => &rollback.by,
            Self::Commit(commit) => &commit.by,
            Self::Confirm(by) | Self::GitInit(by) | Self::Tag { by, .. } => by,
        }
    }
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Done {
    /// The policy was loaded, or tried.
    Reload(Receipt),
    /// The operator's files are those of a snapshot, and their policy is live.
    Rollback(RollbackReceipt),
    /// The operator's files were changed, and their policy is live.
    Commit(Box<CommitReceipt>),
    /// A commit is kept.
    Confirmed(Confirmed),
    /// The history was changed.
    Git(GitDone),
}

/// The answer to an ask.
pub(crate) type Answer = Result<Done, Problem>;

/// An ask on its way.
#[derive(Debug)]
pub(crate) struct Job {
    /// Its number in this run of the engine.
    pub(crate) number: u64,
    /// What is to be done.
    pub(crate) work: Work,
    /// When it was asked for.
    pub(crate) asked: Instant,
    /// `None` once it is answered.
    answer: Option<oneshot::Sender<Answer>>,
    kept: Answers,
    engine_ends: Ending,
}

impl Job {
    /// Tells whoever asked, and keeps it for a while.
    pub(crate) fn answer(mut self, answer: Answer) {
        self.tell(answer);
    }

    fn tell(&mut self, answer: Answer) {
        let Some(asker) = self.answer.take() else { return };
        self.kept.put(self.number, answer.clone());
        // Somebody who no longer waits may come back with the number.
        drop(asker.send(answer));
    }

    /// Tells that the engine ends.
    pub(crate) fn refuse(self) {
        self.answer(Err(ending()));
    }
}

impl Drop for Job {
    /// Where nobody has answered the thread is gone: it came too late for its last look at the queue, or the
    /// thread has ended by itself.
    fn drop(&mut self) {
        let none = if self.engine_ends.has_begun() { ending() } else { lost() };
        self.tell(Err(none));
    }
}

/// What the thread hears.
#[derive(Debug)]
pub(crate) enum Ask {
    /// The first ruleset is live; asks may come.
    Serve(Public),
    /// Look whether a signal asked for a reload, or the engine ends.
    Look,
    /// Files have changed, and `watch` is on.
    Changed,
    /// An operator's ask.
    Do(Box<Job>),
    /// What the store is now, for all who look.
    Store(StoreLookers),
}

/// What the store is: its figures, or what is wrong with it.
pub(crate) type StoreLook = Result<StoreFacts, String>;

/// Those who look at the store. However many they are, they have one place in the queue, so that nobody
/// who only looks stands in the way of who changes something.
#[derive(Debug, Clone, Default)]
pub(crate) struct StoreLookers(Arc<Mutex<Lookers>>);

#[derive(Debug, Default)]
struct Lookers {
    waiting: Vec<oneshot::Sender<StoreLook>>,
    /// Whether their place in the queue is taken.
    queued: bool,
}

impl StoreLookers {
    fn lookers(&self) -> std::sync::MutexGuard<'_, Lookers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells all of them; `look` is not called for nobody.
    pub(crate) fn tell(&self, look: impl FnOnce() -> StoreLook) {
        let mut lookers = self.lookers();
        lookers.queued = false;
        let waiting = std::mem::take(&mut lookers.waiting);
        drop(lookers);
        if waiting.iter().all(oneshot::Sender::is_closed) {
            return;
        }
        let look = look();
        for looker in waiting {
            drop(looker.send(look.clone()));
        }
    }
}

/// What an asker holds.
#[derive(Debug)]
pub(crate) struct Ticket {
    /// The number of the ask.
    pub(crate) number: u64,
    /// Where its answer comes. Where it never does, the engine ends.
    pub(crate) answer: oneshot::Receiver<Answer>,
}

/// The way to the policy thread. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Door {
    asks: SyncSender<Ask>,
    numbers: Arc<AtomicU64>,
    kept: Answers,
    engine_ends: Ending,
    lookers: StoreLookers,
}

/// A way, and its other end; `ending` says whether the engine ends.
pub(crate) fn door(ending: &Ending) -> (Door, Receiver<Ask>) {
    // `Serve` comes before all others, `Look` is never missed (`policy_thread`), `Changed` is said again.
    let (asks, inbox) = sync_channel(WAITING_MAX);
    let (numbers, kept) = (Arc::default(), Answers::default());
    let (engine_ends, lookers) = (ending.clone(), StoreLookers::default());
    (Door { asks, numbers, kept, engine_ends, lookers }, inbox)
}

impl Door {
    /// Asks for `work`.
    ///
    /// # Errors
    ///
    /// Why it is not even taken.
    pub(crate) fn ask(&self, work: Work) -> Result<Ticket, Problem> {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        let (answer, comes) = oneshot::channel();
        self.kept.wait(number);
        let (asked, kept) = (Instant::now(), self.kept.clone());
        let engine_ends = self.engine_ends.clone();
        match self.tell(Ask::Do(Box::new(Job {
            number,
            work,
            asked,
            answer: Some(answer),
            kept,
            engine_ends,
        }))) {
            Ok(()) => Ok(Ticket { number, answer: comes }),
            Err(refused) => {
                self.kept.forget(number);
                Err(refused)
            }
        }
    }

    /// Says something that needs no answer.
    ///
    /// # Errors
    ///
    /// Where the queue is full or the thread is gone.
    pub(crate) fn tell(&self, ask: Ask) -> Result<(), Problem> {
        self.asks.try_send(ask).map_err(|fault| match fault {
            TrySendError::Full(_) => Problem::new(
                ProblemKind::Busy,
                format!(
                    "{WAITING_MAX} asks wait for the policy already; try again when they are done"
                ),
            ),
            TrySendError::Disconnected(_) => ending(),
        })
    }

    /// Looks at the store. Where nothing comes, the engine ends.
    ///
    /// # Errors
    ///
    /// Why nobody looks.
    pub(crate) fn look(&self) -> Result<oneshot::Receiver<StoreLook>, Problem> {
        let (looker, comes) = oneshot::channel();
        let mut lookers = self.lookers.lookers();
        if !lookers.queued {
            self.tell(Ask::Store(self.lookers.clone()))?;
            lookers.queued = true;
        }
        lookers.waiting.retain(|waiting| !waiting.is_closed());
        lookers.waiting.push(looker);
        Ok(comes)
    }

    /// Whether the engine ends.
    pub(crate) fn ends(&self) -> bool {
        self.engine_ends.has_begun()
    }

    /// What became of an ask.
    pub(crate) fn answer_to(&self, number: u64) -> Found {
        self.kept.get(number)
    }
}

/// What every ask hears once the engine ends.
pub(crate) fn ending() -> Problem {
    let detail = "the engine ends before it came to this; nothing was changed";
    Problem::new(ProblemKind::Ending, detail)
}

/// What those hear whose ask was lost.
fn lost() -> Problem {
    let detail = "the thread of the policy ended by itself before it was done with this; look at the log, \
                  restart the engine, and report it";
    Problem::new(ProblemKind::Failed, detail)
}

/// What is known of an ask by its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    /// It waits or is at work.
    Waiting,
    /// It was answered.
    Answered(Box<Answer>),
    /// There was none, or it is long ago.
    Unknown,
}

/// An ask and its answer, once there is one.
type Place = (u64, Option<Answer>);

/// The newest answers, by number.
#[derive(Debug, Clone, Default)]
struct Answers(Arc<Mutex<VecDeque<Place>>>);

impl Answers {
    fn wait(&self, number: u64) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= ANSWERS_KEPT {
            // One that still waits is never among the oldest: far fewer may wait.
            kept.pop_front();
        }
        kept.push_back((number, None));
    }

    fn put(&self, number: u64, answer: Answer) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = kept.iter_mut().find(|(kept, _)| *kept == number) {
            place.1 = Some(answer);
        }
    }

    fn forget(&self, number: u64) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(kept, _)| *kept != number);
    }

    fn get(&self, number: u64) -> Found {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match kept.iter().find(|(kept, _)| *kept == number) {
            None => Found::Unknown,
            Some((_, None)) => Found::Waiting,
            Some((_, Some(answer))) => Found::Answered(Box::new(answer.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reload() -> Work {
        Work::Reload(Order::of(Origin::Operator("local:root".to_owned())))
    }

    #[test]
    fn a_full_queue_refuses_and_says_so() {
        let (door, inbox) = door(&Ending::default());
        let tickets: Vec<Ticket> =
            std::iter::from_fn(|| door.ask(reload()).ok()).take(100).collect();
        assert_eq!(tickets.len(), WAITING_MAX);
        let refused = door.ask(reload()).unwrap_err();
        assert_eq!((refused.kind, refused.status), (ProblemKind::Busy, 503));
        assert!(refused.detail.contains("16 asks wait"), "{refused:?}");
        // One that was not taken is not known by its number either.
        assert_eq!(door.answer_to(tickets.len() as u64 + 1), Found::Unknown);
        let Ok(Ask::Do(job)) = inbox.recv() else { panic!() };
        assert_eq!(job.number, 1);
        door.ask(reload()).unwrap();
    }

    #[test]
    fn each_ask_has_its_own_answer() {
        let (door, inbox) = door(&Ending::default());
        let mut tickets: Vec<Ticket> = (0..3).map(|_| door.ask(reload()).unwrap()).collect();
        let jobs: Vec<Box<Job>> = std::iter::from_fn(|| match inbox.try_recv() {
            Ok(Ask::Do(job)) => Some(job),
            _ => None,
        })
        .collect();
        assert_eq!(door.answer_to(2), Found::Waiting);
        let problem = |number: u64| Problem::new(ProblemKind::Conflict, number.to_string());
        for job in jobs {
            let told = problem(job.number);
            job.answer(Err(told));
        }
        for ticket in &mut tickets {
            let answer = ticket.answer.try_recv().unwrap();
            assert_eq!(answer, Err(problem(ticket.number)));
            assert_eq!(door.answer_to(ticket.number), Found::Answered(Box::new(answer)));
        }
    }

    #[test]
    fn those_who_look_at_the_store_have_one_place_in_the_queue() {
        let (door, inbox) = door(&Ending::default());
        let mut comes: Vec<_> = (0..100).map(|_| door.look().unwrap()).collect();
        let Ok(Ask::Store(lookers)) = inbox.try_recv() else { panic!() };
        assert!(inbox.try_recv().is_err(), "one ask for all");
        comes.truncate(3);
        lookers.tell(|| Err("broken".to_owned()));
        for one in &mut comes {
            assert_eq!(one.try_recv().unwrap(), Err("broken".to_owned()));
        }
        drop(door.look().unwrap());
        let Ok(Ask::Store(lookers)) = inbox.try_recv() else { panic!() };
        lookers.tell(|| panic!("nobody waits"));
        // Behind a full queue nobody waits for what never comes.
        while door.ask(reload()).is_ok() {}
        assert_eq!(door.look().unwrap_err().kind, ProblemKind::Busy);
    }

    #[test]
    fn a_thread_that_is_gone_leaves_nobody_waiting() {
        let (door, inbox) = door(&Ending::default());
        let mut waiting = door.ask(reload()).unwrap();
        let mut at_work = door.ask(reload()).unwrap();
        let Ok(Ask::Do(first)) = inbox.recv() else { panic!() };
        // As where it panics: what it was at, and what waits.
        drop((first, inbox));
        for ticket in [&mut waiting, &mut at_work] {
            let told = ticket.answer.try_recv().unwrap().unwrap_err();
            assert_eq!(told.kind, ProblemKind::Failed);
            assert!(told.detail.contains("ended by itself"), "{told:?}");
            assert_eq!(door.answer_to(ticket.number), Found::Answered(Box::new(Err(told))));
        }
        assert_eq!(door.ask(reload()).unwrap_err().kind, ProblemKind::Ending);
    }

    #[test]
    fn an_ask_that_comes_too_late_hears_that_the_engine_ends() {
        let ends = Ending::default();
        let (door, inbox) = door(&ends);
        let mut late = door.ask(reload()).unwrap();
        ends.begin();
        drop(inbox);
        assert_eq!(late.answer.try_recv().unwrap(), Err(ending()));
    }

    #[test]
    fn only_the_newest_answers_are_kept() {
        let answers = Answers::default();
        for number in 1..=ANSWERS_KEPT as u64 + 1 {
            answers.wait(number);
            answers.put(number, Err(ending()));
        }
        assert_eq!(answers.get(1), Found::Unknown);
        assert_eq!(answers.get(2), Found::Answered(Box::new(Err(ending()))));
        answers.put(1, Err(ending()));
        assert_eq!(answers.get(1), Found::Unknown);
    }
}
