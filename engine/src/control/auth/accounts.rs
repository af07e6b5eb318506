//! The accounts as one value: both files in memory, changed one change at a time, each whole on the disk
//! before anybody hears of it.
//!
//! `passwd` may be changed by others, as by `--add-admin`: a login looks at once, every other request once
//! a second. Two engines must not share one `passwd`: each would write its own state.
//!
//! INVARIANT: `changes` is taken before `inner`, and `inner` is never held over a file.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use eg_policy::moment::Moment;
use eg_proto::control::auth::{Duty, LoginKind};
use eg_proto::control::{Level, Problem, ProblemKind};
use eg_settings::Switch;
use eg_settings::log::chain;

use super::file::{self, FileFault};
use super::lockout::Lockout;
use super::passwd::{Account, AccountName, Cost, PASSWD_BYTES_MAX, Passwd};
use super::password::Hasher;
use super::said::{Flood, Said, Tried};
use super::state::{Kept, STATE_BYTES_MAX, State};
use super::tokens::{AccessKey, ends};
use super::{api_key, bootstrap, keeper};
use crate::audit::Audit;
use crate::config::Aaa;
use crate::control::operator::Identity;
use crate::stamp::Stamp;

/// How long a change of `passwd` by others may go unseen by whoever is logged in.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// An `Authorization` at most, in bytes.
const AUTHORIZATION_BYTES_MAX: usize = 512;

/// A moment, on the clock of the wall and on the one that never goes back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct At {
    /// For what is written and what expires.
    pub(crate) moment: Moment,
    /// For what is counted over a time.
    pub(crate) instant: Instant,
}

impl At {
    /// This moment.
    pub(crate) fn now() -> Self {
        Self { moment: crate::view::now(), instant: Instant::now() }
    }

    /// In seconds of Unix time.
    pub(super) const fn seconds(self) -> i64 {
        self.moment.unix_micros().div_euclid(1_000_000)
    }
}

/// Where everything is.
#[derive(Debug)]
pub(super) struct Paths {
    pub(super) passwd: PathBuf,
    pub(super) state: PathBuf,
    pub(super) lock: PathBuf,
    pub(super) master: PathBuf,
    pub(super) credential: PathBuf,
}

/// The accounts of this engine.
#[derive(Debug)]
pub(crate) struct Accounts {
    pub(super) paths: Paths,
    totp_required: Switch,
    pub(super) inner: Mutex<Inner>,
    changes: Mutex<()>,
    pub(super) hasher: Option<Hasher>,
    pub(super) lockout: Mutex<Lockout>,
    pub(super) access: Option<AccessKey>,
    pub(super) said: Said,
    pub(super) audit: Audit,
    /// Its end is the keeper's.
    _keeper: Option<SyncSender<()>>,
}

/// What is in memory.
#[derive(Debug)]
pub(super) struct Inner {
    pub(super) passwd: Arc<Passwd>,
    stamp: Option<Stamp>,
    looked: Instant,
    pub(super) state: Result<Arc<State>, String>,
    /// Whether the state has what its file does not.
    pub(super) unwritten: bool,
    /// The minutes in which keys were used.
    used: HashMap<String, i64>,
    pub(super) last_login: HashMap<AccountName, i64>,
    pub(super) enrolling: HashMap<AccountName, super::factor::Enrolling>,
}

/// Which files a change may touch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// Both.
    Passwd,
    /// The state.
    State,
}

/// Whether a change stands where the state cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Persist {
    /// It does not: a key that nobody would know after a start.
    Must,
    /// It does, and is written later: an end of logins.
    Later,
}

/// What a change works on.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) passwd: Passwd,
    pub(super) state: State,
    pub(super) persist: Persist,
}

impl Draft {
    /// The account by that name.
    pub(super) fn account(&self, name: &str) -> Result<Account, Problem> {
        self.passwd.find(name).cloned().ok_or_else(|| no_account(name))
    }
}

impl Accounts {
    /// Reads the accounts, and makes the first one where the settings say so. Faults are errors in the log:
    /// the engine serves its connectors without a single account.
    pub(crate) fn open(aaa: &Aaa, audit: Audit) -> Arc<Self> {
        Self::open_with(aaa, audit, Cost::NEW, At::now())
    }

    pub(super) fn open_with(aaa: &Aaa, audit: Audit, cost: Cost, at: At) -> Arc<Self> {
        let paths = Paths {
            passwd: aaa.passwd.clone(),
            state: file::beside(&aaa.passwd, ".state"),
            lock: file::beside(&aaa.passwd, ".lock"),
            master: aaa.master_key_file.clone(),
            credential: aaa.bootstrap_credential_file.clone(),
        };
        let (passwd, stamp) = read_passwd(&paths);
        let state = read_state(&paths);
        if let Err(fault) = &state {
            tracing::error!(fault, "nobody can log in: the state of the accounts cannot be used");
        }
        let inner = Inner {
            passwd: Arc::new(passwd),
            stamp,
            looked: at.instant,
            state: state.map(Arc::new),
            unwritten: false,
            used: HashMap::new(),
            last_login: HashMap::new(),
            enrolling: HashMap::new(),
        };
        let hasher = Hasher::start(cost).inspect_err(|fault| {
            tracing::error!(%fault, "nobody can log in: the thread of passwords cannot be started");
        });
        let access = AccessKey::make().inspect_err(|fault| {
            tracing::error!(%fault, "nobody can log in: the system gives no random numbers");
        });
        let accounts = Arc::new_cyclic(|weak| Self {
            paths,
            totp_required: aaa.totp_required,
            inner: Mutex::new(inner),
            changes: Mutex::new(()),
            hasher: hasher.ok(),
            lockout: Mutex::new(Lockout::new()),
            access: access.ok(),
            said: Said::default(),
            audit,
            _keeper: keeper::start(weak.clone()),
        });
        bootstrap::at_start(&accounts, aaa, cost, at);
        accounts
    }

    pub(super) fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The level that counts where somebody acts on an account; `None` where there is none.
    pub(in crate::control) fn level_of(&self, name: &str) -> Option<Level> {
        self.inner().passwd.find(name).map(Account::rank)
    }

    /// Who shows this `Authorization` from there.
    ///
    /// # Errors
    /// Why nobody does.
    pub(in crate::control) fn identify(
        &self,
        authorization: &str,
        source: IpAddr,
        at: At,
    ) -> Result<Identity, Problem> {
        let scheme = authorization.split_once(' ');
        let token = scheme.filter(|(word, _)| word.eq_ignore_ascii_case("bearer"));
        let token = token.map(|(_, token)| token.trim());
        let Some(token) = token.filter(|_| authorization.len() <= AUTHORIZATION_BYTES_MAX) else {
            return Err(unauthorized("`Authorization` is `Bearer` and a token or an API key"));
        };
        self.look_now_and_then(at);
        if api_key::is_key(token) {
            self.by_key(token, source, at)
        } else {
            self.by_token(token, source, at)
        }
    }

    fn by_token(&self, token: &str, source: IpAddr, at: At) -> Result<Identity, Problem> {
        let refused = || unauthorized("the token is not good any more: refresh it, or log in");
        let now = at.seconds();
        let access = self.access.as_ref().and_then(|key| key.verify(token, now));
        let Some(access) = access else {
            let tried =
                Tried { account: None, address: Some(source), how: "token", outcome: "bad-token" };
            self.say_flood(Flood::Token, tried, at);
            return Err(refused());
        };
        let inner = self.inner();
        let (account, state) = (inner.passwd.find(access.account.as_str()), inner.state.as_ref());
        let (Some(account), Ok(state)) = (account, state) else { return Err(refused()) };
        let same = |login: &&super::state::Login| login.number == access.login;
        let login = state
            .logins
            .iter()
            .find(same)
            .filter(|login| login.account == access.account.as_str() && now < ends(login));
        if login.is_none() || account.level == Level::Disabled || account.is_service() {
            return Err(refused());
        }
        Ok(Identity {
            name: account.name.as_str().to_owned(),
            level: account.level,
            by: LoginKind::Token,
            must: self.duty(account, state.of(account)),
            login: Some(access.login),
        })
    }

    fn by_key(&self, given: &str, source: IpAddr, at: At) -> Result<Identity, Problem> {
        let mut inner = self.inner();
        let checked = checked_key(&inner, given, source, at.seconds());
        match checked {
            Ok((name, prefix)) => {
                inner.used.insert(prefix, at.seconds().div_euclid(60) * 60);
                Ok(Identity {
                    name: name.as_str().to_owned(),
                    level: Level::ServiceAccount,
                    by: LoginKind::ApiKey,
                    must: None,
                    login: None,
                })
            }
            Err((account, outcome)) => {
                drop(inner);
                let account = account.as_ref().map(AccountName::as_str);
                let tried = Tried { account, address: Some(source), how: "api-key", outcome };
                self.say_flood(Flood::Token, tried, at);
                // Why is the trail's to say.
                Err(unauthorized("the API key is not good, or not from here"))
            }
        }
    }

    /// What an account has to do before anything else.
    pub(super) fn duty(&self, account: &Account, kept: Option<&Kept>) -> Option<Duty> {
        let demanded = match (self.totp_required, account.level) {
            (Switch::On, Level::Administrator | Level::SuperAdministrator) => true,
            (Switch::On | Switch::Off, _) => false,
        };
        let has = kept.is_some_and(|kept| kept.totp.is_some());
        (demanded && !has).then_some(Duty::EnrolTotp)
    }

    /// Changes what `act` changes, whole or not at all. Blocks: not for a thread that serves.
    pub(super) fn change<T>(
        &self,
        scope: Scope,
        at: At,
        act: impl FnOnce(&mut Draft) -> Result<T, Problem>,
    ) -> Result<T, Problem> {
        let _alone = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        let _held = match scope {
            Scope::Passwd => Some(file::lock(&self.paths.lock).map_err(|fault| failed(&fault))?),
            Scope::State => None,
        };
        self.look(at);
        let (passwd, state) = self.whole()?;
        if scope == Scope::Passwd && !passwd.faults().is_empty() {
            return Err(faulty(&passwd, &self.paths));
        }
        let mut draft = Draft {
            passwd: Passwd::clone(&passwd),
            state: State::clone(&state),
            persist: Persist::Must,
        };
        draft.state.logins.retain(|login| at.seconds() < ends(login));
        let done = act(&mut draft)?;
        let Draft { passwd: new_passwd, state: mut new_state, persist } = draft;
        let used = self.inner().used.clone();
        new_state.note_used(&used);
        let passwd_changed = new_passwd != *passwd;
        if passwd_changed {
            file::write(&self.paths.passwd, &new_passwd.render())
                .map_err(|fault| failed(&fault))?;
        }
        let unwritten = self.inner().unwritten;
        let mut left_unwritten = false;
        if (new_state != *state || unwritten)
            && let Err(fault) = file::write(&self.paths.state, &new_state.render())
        {
            if persist == Persist::Must {
                if passwd_changed {
                    self.put_back(&passwd);
                }
                return Err(failed(&fault));
            }
            tracing::error!(cause = chain(&fault), "the state of the accounts is written later");
            left_unwritten = true;
        }
        let stamp = file::stamp(&self.paths.passwd).unwrap_or_default();
        let mut inner = self.inner();
        inner.unwritten = left_unwritten;
        inner.used.retain(|prefix, minute| used.get(prefix) != Some(minute));
        inner.state = Ok(Arc::new(new_state));
        if passwd_changed {
            inner.passwd = Arc::new(new_passwd);
            inner.stamp = stamp;
        }
        Ok(done)
    }

    fn put_back(&self, passwd: &Passwd) {
        if let Err(fault) = file::write(&self.paths.passwd, &passwd.render()) {
            tracing::error!(cause = chain(&fault), "a change of the accounts is half done");
        }
    }

    fn whole(&self) -> Result<(Arc<Passwd>, Arc<State>), Problem> {
        let inner = self.inner();
        match &inner.state {
            Ok(state) => Ok((Arc::clone(&inner.passwd), Arc::clone(state))),
            Err(fault) => {
                let detail = format!(
                    "the state of the accounts cannot be used, so that nobody logs in: {fault}"
                );
                Err(Problem::new(ProblemKind::Failed, detail))
            }
        }
    }

    /// Has another look at `passwd`, unless somebody changes it at this moment. Blocks for a small file.
    fn look_now_and_then(&self, at: At) {
        let looked = self.inner().looked;
        if at.instant.saturating_duration_since(looked) < LOOK_EVERY {
            return;
        }
        if let Ok(_alone) = self.changes.try_lock() {
            self.look(at);
        }
    }

    /// Has another look at `passwd` at once. Blocks.
    pub(super) fn look_at_once(&self, at: At) {
        let _alone = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        self.look(at);
    }

    /// Has another look at `passwd`. The caller holds `changes`.
    fn look(&self, at: At) {
        let stamp = file::stamp(&self.paths.passwd);
        {
            let mut inner = self.inner();
            inner.looked = at.instant;
            if stamp.as_ref().is_ok_and(|stamp| *stamp == inner.stamp) {
                return;
            }
        }
        let (passwd, stamp) = read_passwd(&self.paths);
        eg_settings::info!(accounts = passwd.len(), "the accounts were read anew");
        let mut inner = self.inner();
        let ended = ended(&inner.passwd, &passwd);
        if let Ok(state) = &inner.state
            && state.logins.iter().any(|login| ended.contains(&login.account))
        {
            let mut state = State::clone(state);
            for name in &ended {
                state.end_logins(name, None);
            }
            inner.state = Ok(Arc::new(state));
            inner.unwritten = true;
        }
        inner.passwd = Arc::new(passwd);
        inner.stamp = stamp;
    }

    /// Whether something waits to be written.
    pub(super) fn has_unwritten(&self) -> bool {
        let inner = self.inner();
        inner.unwritten || !inner.used.is_empty()
    }
}

/// The accounts whose logins end with what somebody wrote into `passwd`. What a faulty line hides may come
/// back, so that ends nothing; it is not let in either.
fn ended(before: &Passwd, after: &Passwd) -> Vec<String> {
    let is_whole = after.faults().is_empty();
    let ends = |old: &&Account| match after.find(old.name.as_str()) {
        None => is_whole,
        Some(new) => {
            (new.level, &new.password, new.created) != (old.level, &old.password, old.created)
        }
    };
    before.accounts().filter(ends).map(|account| account.name.as_str().to_owned()).collect()
}

/// Whose key this is, or what the trail says of it.
fn checked_key(
    inner: &Inner,
    given: &str,
    source: IpAddr,
    now: i64,
) -> Result<(AccountName, String), (Option<AccountName>, &'static str)> {
    let unknown = (None, "unknown-key");
    let Ok(state) = &inner.state else { return Err(unknown) };
    let prefix = api_key::prefix(given).ok_or((None, "unknown-key"))?;
    let found = state.keys().find(|(_, _, key)| key.prefix == prefix);
    let (name, created, key) = found.ok_or((None, "unknown-key"))?;
    let account = inner.passwd.find(name).filter(|account| account.created == created);
    let account = account.ok_or((None, "unknown-key"))?;
    let name = account.name.clone();
    if account.level != Level::ServiceAccount {
        return Err((Some(name), "disabled"));
    }
    api_key::check(key, given, source, now).map_err(|fault| (Some(name.clone()), fault.word()))?;
    Ok((name, prefix.to_owned()))
}

fn read_passwd(paths: &Paths) -> (Passwd, Option<Stamp>) {
    // Before it is read: a change in between is seen by the next look.
    let stamp = file::stamp(&paths.passwd).unwrap_or_default();
    let passwd = match file::read(&paths.passwd, PASSWD_BYTES_MAX) {
        Ok(None) => Passwd::default(),
        Ok(Some(text)) => {
            if text.open_to != 0 {
                let path = paths.passwd.display();
                tracing::warn!(%path, "others can read the accounts: `chmod 0600` it");
            }
            Passwd::parse(&text.text)
        }
        Err(fault) => Passwd::unreadable(chain(&fault)),
    };
    for fault in passwd.faults() {
        let path = paths.passwd.display();
        tracing::error!(%path, %fault, "accounts cannot be changed until this is mended");
    }
    (passwd, stamp)
}

fn read_state(paths: &Paths) -> Result<State, String> {
    let shown = paths.state.display();
    match file::read(&paths.state, STATE_BYTES_MAX).map_err(|fault| chain(&fault))? {
        None => Ok(State::default()),
        Some(text) => State::parse(&text.text).map_err(|fault| {
            format!("`{shown}`: {}; bring the last good one back, or remove it with all second factors and API keys", chain(&fault))
        }),
    }
}

fn faulty(passwd: &Passwd, paths: &Paths) -> Problem {
    let told: Vec<String> = passwd.faults().iter().take(5).map(ToString::to_string).collect();
    let detail = format!(
        "accounts cannot be changed while `{}` has faults, so that none is lost; mend it by hand: {}",
        paths.passwd.display(),
        told.join("; ")
    );
    Problem::new(ProblemKind::Conflict, detail)
}

pub(super) fn failed(fault: &FileFault) -> Problem {
    tracing::error!(cause = chain(fault), "the accounts cannot be changed");
    let kind = match fault {
        FileFault::Held { .. } => ProblemKind::Busy,
        FileFault::Read { .. }
        | FileFault::TooLarge { .. }
        | FileFault::Wide { .. }
        | FileFault::Write { .. } => ProblemKind::Failed,
    };
    Problem::new(kind, chain(fault))
}

pub(super) fn unauthorized(detail: &str) -> Problem {
    Problem::new(ProblemKind::Unauthorized, detail)
}

pub(super) fn no_account(name: &str) -> Problem {
    let shown: String = name.chars().take(64).collect();
    let detail = format!("there is no account `{}`", shown.escape_debug());
    Problem::new(ProblemKind::NotFound, detail)
}

/// Where the system gives no random numbers.
pub(super) fn no_random(fault: getrandom::Error) -> Problem {
    Problem::new(ProblemKind::Failed, format!("the system gives no random numbers: {fault}"))
}

/// Runs what blocks on a thread for that.
pub(super) async fn aside<T: Send + 'static>(
    accounts: &Arc<Accounts>,
    work: impl FnOnce(&Accounts) -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let accounts = Arc::clone(accounts);
    let done = tokio::task::spawn_blocking(move || work(&accounts)).await;
    done.unwrap_or_else(|_| {
        Err(Problem::new(ProblemKind::Failed, "the work on the accounts was broken off"))
    })
}
