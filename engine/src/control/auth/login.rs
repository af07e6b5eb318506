//! Logging in and out: a password, and a code where the account has a second factor, for a pair of tokens.
//!
//! INVARIANT: every refusal of a password costs the same hash and says the same, whatever was wrong; while
//! an account is locked from an address there is none at all.

use std::net::IpAddr;
use std::sync::{Arc, PoisonError};

use eg_proto::control::auth::{LoginKind, LoginRequest, PASSWORD_BYTES_MAX, Tokens, Who};
use eg_proto::control::{Level, Problem, ProblemKind, Secret};

use super::accounts::{Accounts, At, Draft, Persist, Scope, aside, no_random, unauthorized};
use super::lockout::Charge;
use super::passwd::{Account, AccountName, Hashed};
use super::password::HashFault;
use super::said::{Flood, Tried};
use super::tokens::{self, ACCESS_S, Access, Fit, Shown, ends};
use super::{bootstrap, totp};
use crate::audit::Event;
use crate::control::operator::Operator;

/// What a wrong login is told, whatever was wrong.
const WRONG: &str = "the name, the password or the code is wrong";

/// What came of a password that is right.
enum Entry {
    /// It was enough, or the code was right too.
    Open(Box<Opened>),
    /// A code is asked for.
    NoCode,
    /// The code is wrong.
    WrongCode,
    /// The account is not what it was a moment ago.
    Gone,
}

struct Opened {
    tokens: Tokens,
    how: &'static str,
}

impl Accounts {
    /// Logs somebody in.
    pub(in crate::control) async fn login(
        self: &Arc<Self>,
        request: LoginRequest,
        source: Option<IpAddr>,
        at: At,
    ) -> Result<Tokens, Problem> {
        let Some(source) = source else { return Err(no_login_here()) };
        let LoginRequest { user, password, totp } = request;
        let name = AccountName::parse(&user);
        let charge = self.charge(name.clone(), source, at)?;
        let known = aside(self, move |accounts| {
            accounts.change(Scope::State, at, |draft| {
                Ok(name.and_then(|name| draft.passwd.find(name.as_str()).cloned()))
            })
        });
        let known = match known.await {
            Ok(known) => known,
            Err(problem) => {
                self.refund(charge);
                return Err(problem);
            }
        };
        let may = |account: &Account| account.level != Level::Disabled && !account.is_service();
        let hashed = known.as_ref().filter(|it| may(it)).and_then(|it| it.password.clone());
        let charge =
            self.check_password(charge, &password, hashed.clone(), known.as_ref(), (source, at));
        let charge = charge.await?;
        let Some(account) = known else { return Err(unauthorized(WRONG)) };
        let name = account.name.clone();
        let entry = aside(self, move |accounts| {
            accounts.change(Scope::State, at, |draft| {
                accounts.enter(draft, (&account, hashed.as_ref()), totp.as_ref(), at)
            })
        });
        match entry.await {
            Ok(Entry::Open(opened)) => {
                let Opened { tokens, how } = *opened;
                self.lockout().right(charge);
                self.inner().last_login.insert(name.clone(), at.seconds());
                let (account, address) = (Some(name.as_str()), Some(source));
                self.say_login(Tried { account, address, how, outcome: "ok" }, at.moment);
                let first = name.clone();
                aside(self, move |accounts| {
                    bootstrap::used(accounts, &first, at);
                    Ok(())
                })
                .await?;
                Ok(tokens)
            }
            Ok(Entry::NoCode) => {
                self.refund(charge);
                let detail = "the account has a second factor: give the six digits of the moment, \
                              or a recovery code, as `totp`";
                Err(Problem::new(ProblemKind::SecondFactor, detail))
            }
            Ok(Entry::WrongCode) => {
                self.say_failed(&charge, Some(name.as_str()), "totp", source, at);
                Err(unauthorized(WRONG))
            }
            Ok(Entry::Gone) => Err(unauthorized(WRONG)),
            Err(problem) => {
                self.refund(charge);
                Err(problem)
            }
        }
    }

    /// Charges a try, or says how long none is heard.
    pub(super) fn charge(
        &self,
        name: Option<AccountName>,
        source: IpAddr,
        at: At,
    ) -> Result<Charge, Problem> {
        let charged = self.lockout().charge(name.clone(), source, at.instant);
        charged.map_err(|wait| {
            let known = name.filter(|name| self.level_of(name.as_str()).is_some());
            let account = known.as_ref().map(AccountName::as_str);
            let (address, how) = (Some(source), "password");
            self.say_flood(Flood::Locked, Tried { account, address, how, outcome: "locked" }, at);
            let seconds = wait.as_millis().div_ceil(1000);
            let detail = format!("too many logins have failed; try again in {seconds} s");
            Problem::new(ProblemKind::TooMany, detail)
        })
    }

    /// Gives the charge back where the password is right; where it is wrong, the charge stands.
    pub(super) async fn check_password(
        &self,
        charge: Charge,
        password: &Secret,
        hashed: Option<Hashed>,
        account: Option<&Account>,
        (source, at): (IpAddr, At),
    ) -> Result<Charge, Problem> {
        // No password is that long, whoever the account is.
        let verified = match &self.hasher {
            _ if password.expose().len() > PASSWORD_BYTES_MAX => Ok(false),
            Some(hasher) => hasher.verify(password.clone(), hashed).await,
            None => Err(HashFault::Failed),
        };
        match verified {
            Ok(true) => Ok(charge),
            Ok(false) => {
                let account = account.map(|account| account.name.as_str());
                self.say_failed(&charge, account, "password", source, at);
                Err(unauthorized(WRONG))
            }
            Err(fault) => {
                self.refund(charge);
                Err(hash_problem(fault))
            }
        }
    }

    fn say_failed(
        &self,
        charge: &Charge,
        account: Option<&str>,
        how: &str,
        source: IpAddr,
        at: At,
    ) {
        let tried = Tried { account, address: Some(source), how, outcome: "failed" };
        self.say_flood(Flood::Failed, tried, at);
        if charge.locks() {
            tracing::warn!("logins are locked after failures; the trail says whose");
        }
    }

    /// The password was right: asks for the code where there is one to ask for, and makes the tokens.
    fn enter(
        &self,
        draft: &mut Draft,
        (before, hashed): (&Account, Option<&Hashed>),
        code: Option<&Secret>,
        at: At,
    ) -> Result<Entry, Problem> {
        let account = match draft.passwd.find(before.name.as_str()) {
            Some(account)
                if account.password.as_ref() == hashed
                    && account.created == before.created
                    && account.level == before.level =>
            {
                account.clone()
            }
            Some(_) | None => return Ok(Entry::Gone),
        };
        let how = match draft.state.of(&account).is_some_and(|kept| kept.totp.is_some()) {
            false => "password",
            true => {
                let Some(code) = code else { return Ok(Entry::NoCode) };
                match self.take_code(draft, &account, code, at)? {
                    Some(how) => how,
                    None => return Ok(Entry::WrongCode),
                }
            }
        };
        let (refresh_token, login) =
            tokens::begin(&account.name, at.seconds()).map_err(no_random)?;
        let tokens = self.tokens(draft, &account, (refresh_token, &login), at)?;
        draft.state.add_login(login);
        Ok(Entry::Open(Box::new(Opened { tokens, how })))
    }

    /// Takes a code of the moment or a recovery code, once.
    fn take_code(
        &self,
        draft: &mut Draft,
        account: &Account,
        code: &Secret,
        at: At,
    ) -> Result<Option<&'static str>, Problem> {
        let kept = draft.state.of_mut(account);
        if !totp::is_code(code.expose()) {
            let taken = totp::take_recovery(&mut kept.recovery, code.expose());
            return Ok(taken.then_some("recovery-code"));
        }
        let Some(factor) = kept.totp.as_mut() else { return Ok(None) };
        let secret = self.unseal(account, &factor.sealed)?;
        match totp::check(&secret, code.expose(), factor.step, at.seconds()) {
            Some(step) => {
                factor.step = step;
                Ok(Some("totp"))
            }
            None => Ok(None),
        }
    }

    fn tokens(
        &self,
        draft: &Draft,
        account: &Account,
        (refresh_token, login): (Secret, &super::state::Login),
        at: At,
    ) -> Result<Tokens, Problem> {
        let key = self.access.as_ref().ok_or_else(|| hash_problem(HashFault::Failed))?;
        let now = at.seconds();
        let expires = now.saturating_add(ACCESS_S).min(ends(login));
        let left = |until: i64| u64::try_from(until.saturating_sub(now)).unwrap_or_default();
        let said = Access { login: login.number, expires, account: account.name.clone() };
        Ok(Tokens {
            access_token: key.sign(&said),
            expires_in_s: left(expires),
            refresh_token,
            refresh_expires_in_s: left(ends(login)),
            who: Who {
                user: account.name.as_str().to_owned(),
                level: account.level,
                by: LoginKind::Token,
                must: self.duty(account, draft.state.of(account)),
            },
        })
    }

    /// Gives the next pair of tokens for a refresh token.
    pub(in crate::control) async fn refresh(
        self: &Arc<Self>,
        token: Secret,
        source: Option<IpAddr>,
        at: At,
    ) -> Result<Tokens, Problem> {
        let refreshed = aside(self, move |accounts| {
            accounts.change(Scope::State, at, |draft| accounts.rotate(draft, &token, at))
        });
        match refreshed.await? {
            Refreshed::Next(tokens) => Ok(*tokens),
            Refreshed::Reused(account) => {
                tracing::warn!(
                    "an old refresh token was used and its login has ended; the trail says whose"
                );
                let account = account.as_str();
                self.audit.event(&Event::TokenReuse { account, address: source }, at.moment);
                Err(unauthorized("the refresh token was used before: the login has ended; log in"))
            }
            Refreshed::Unknown => {
                let (account, address, how) = (None, source, "refresh");
                let tried = Tried { account, address, how, outcome: "bad-token" };
                self.say_flood(Flood::Token, tried, at);
                Err(unauthorized("the refresh token is not good any more: log in"))
            }
        }
    }

    fn rotate(&self, draft: &mut Draft, token: &Secret, at: At) -> Result<Refreshed, Problem> {
        let Some(shown) = Shown::parse(token.expose()) else { return Ok(Refreshed::Unknown) };
        let known = draft.state.logins.iter().position(|login| shown.fits(login) != Fit::Other);
        let Some(at_login) = known else { return Ok(Refreshed::Unknown) };
        let Some(login) = draft.state.logins.get_mut(at_login) else {
            return Ok(Refreshed::Unknown);
        };
        let account = draft.passwd.find(&login.account).cloned();
        let account = account.filter(|account| account.level != Level::Disabled);
        if shown.fits(login) == Fit::Older {
            draft.persist = Persist::Later;
            let ended = draft.state.logins.remove(at_login);
            return Ok(Refreshed::Reused(ended.account));
        }
        let Some(account) = account else { return Ok(Refreshed::Unknown) };
        let Some((next, secret)) = tokens::rotate(token.expose()).map_err(no_random)? else {
            return Ok(Refreshed::Unknown);
        };
        login.secret = secret;
        login.used = at.seconds();
        let login = login.clone();
        let tokens = self.tokens(draft, &account, (next, &login), at)?;
        Ok(Refreshed::Next(Box::new(tokens)))
    }

    /// Ends the login that the operator's token is of.
    pub(in crate::control) async fn logout(
        self: &Arc<Self>,
        operator: &Operator,
        at: At,
    ) -> Result<(), Problem> {
        let Some(number) = operator.login() else {
            let detail = "there is no login to end: who you are was shown otherwise";
            return Err(Problem::new(ProblemKind::Conflict, detail));
        };
        aside(self, move |accounts| {
            accounts.change(Scope::State, at, |draft| {
                draft.persist = Persist::Later;
                draft.state.logins.retain(|login| login.number != number);
                Ok(())
            })
        })
        .await
    }

    pub(super) fn refund(&self, charge: Charge) {
        self.lockout().refund(charge);
    }

    pub(super) fn lockout(&self) -> std::sync::MutexGuard<'_, super::lockout::Lockout> {
        self.lockout.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Refreshed {
    Next(Box<Tokens>),
    Reused(String),
    Unknown,
}

/// At the socket of this machine nobody logs in.
pub(super) fn no_login_here() -> Problem {
    let detail = "at this socket nobody logs in: the system says who you are";
    Problem::new(ProblemKind::Conflict, detail)
}

pub(super) fn hash_problem(fault: HashFault) -> Problem {
    let kind = match fault {
        HashFault::Busy => ProblemKind::Busy,
        HashFault::Failed => ProblemKind::Failed,
    };
    Problem::new(kind, fault.to_string())
}
