//! The second factor of an account: set up by itself in two steps, taken away by somebody above it.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use eg_proto::control::user::{Told, TotpAnswer, TotpRequest};
use eg_proto::control::{Problem, ProblemKind, Verb};
use eg_settings::log::chain;
use zeroize::Zeroizing;

use super::accounts::{Accounts, At, Draft, Scope, aside, no_account, no_random, unauthorized};
use super::change::may_act;
use super::login::no_login_here;
use super::master::{MasterFault, MasterKey};
use super::passwd::Account;
use super::state::Totp;
use super::totp;
use crate::control::operator::Operator;

/// How long the second step may take, in seconds: to find the telephone, and to type.
const ENROL_S: i64 = 10 * 60;

/// Wrong codes until the first step has to be made again.
const TRIES_MAX: u32 = 5;

/// A secret that waits for its first code. It is not kept over a start.
pub(super) struct Enrolling {
    secret: Zeroizing<Vec<u8>>,
    until: i64,
    tries: u32,
    created: i64,
}

impl fmt::Debug for Enrolling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Enrolling").field("until", &self.until).finish_non_exhaustive()
    }
}

impl Accounts {
    /// One of the two steps.
    pub(in crate::control) async fn enrol(
        self: &Arc<Self>,
        operator: &Operator,
        user: &str,
        request: TotpRequest,
        source: Option<IpAddr>,
        at: At,
    ) -> Result<TotpAnswer, Problem> {
        if operator.name() != user {
            let detail = "a second factor is set up by whoever has the account; another one can \
                          only take it away, with `request user totp-remove`";
            return Err(Problem::new(ProblemKind::Forbidden, detail));
        }
        let account = self.own_account(user)?;
        let TotpRequest { code, password } = request;
        match code {
            None => {
                let Some(source) = source else { return Err(no_login_here()) };
                let password = password.ok_or_else(|| {
                    Problem::new(ProblemKind::BadRequest, "`password`: it is asked for once more")
                })?;
                let charge = self.charge(Some(account.name.clone()), source, at)?;
                let hashed = account.password.clone();
                let checked =
                    self.check_password(charge, &password, hashed, Some(&account), (source, at));
                let charge = checked.await?;
                self.refund(charge);
                self.first_step(&account, at)
            }
            Some(code) => {
                let secret = self.second_step(&account, code.expose(), at)?;
                let but = operator.login();
                aside(self, move |accounts| {
                    accounts.change(Scope::State, at, |draft| {
                        accounts.switch_on(draft, &account, secret, but)
                    })
                })
                .await
            }
        }
    }

    fn own_account(&self, user: &str) -> Result<Account, Problem> {
        let inner = self.inner();
        let account = inner.passwd.find(user).cloned().ok_or_else(|| no_account(user))?;
        let has = inner
            .state
            .as_ref()
            .is_ok_and(|state| state.of(&account).is_some_and(|kept| kept.totp.is_some()));
        if has {
            return Err(already());
        }
        Ok(account)
    }

    fn first_step(&self, account: &Account, at: At) -> Result<TotpAnswer, Problem> {
        let mut secret = Zeroizing::new(vec![0; totp::SECRET_BYTES]);
        getrandom::fill(&mut secret).map_err(no_random)?;
        let text = totp::base32(&secret);
        let url = totp::url(&account.name, &text);
        let until = at.seconds().saturating_add(ENROL_S);
        let enrolling = Enrolling { secret, until, tries: 0, created: account.created };
        let mut inner = self.inner();
        inner.enrolling.retain(|_, other| at.seconds() < other.until);
        inner.enrolling.insert(account.name.clone(), enrolling);
        Ok(TotpAnswer {
            on: false,
            secret: Some(eg_proto::control::Secret::new(text.to_string())),
            url: Some(url),
            recovery_codes: Vec::new(),
        })
    }

    /// The secret of the first step, with the step of time that its code was of.
    fn second_step(
        &self,
        account: &Account,
        code: &str,
        at: At,
    ) -> Result<(Zeroizing<Vec<u8>>, u64), Problem> {
        let mut inner = self.inner();
        let again = || {
            let detail = "begin anew, without a code: the first step was not made, or too long ago, \
                          or too many codes were wrong";
            Problem::new(ProblemKind::Conflict, detail)
        };
        let found = inner.enrolling.get_mut(&account.name);
        let Some(enrolling) = found else { return Err(again()) };
        let is_good = enrolling.created == account.created && at.seconds() < enrolling.until;
        if !is_good || enrolling.tries >= TRIES_MAX {
            inner.enrolling.remove(&account.name);
            return Err(again());
        }
        match totp::check(&enrolling.secret, code, 0, at.seconds()) {
            Some(step) => {
                let secret = enrolling.secret.clone();
                inner.enrolling.remove(&account.name);
                Ok((secret, step))
            }
            None => {
                enrolling.tries += 1;
                let detail = "the code is wrong; is the clock of the authenticator right?";
                Err(unauthorized(detail))
            }
        }
    }

    /// Keeps the secret, and ends the logins that were made without it.
    fn switch_on(
        &self,
        draft: &mut Draft,
        before: &Account,
        (secret, step): (Zeroizing<Vec<u8>>, u64),
        but: Option<u64>,
    ) -> Result<TotpAnswer, Problem> {
        let account = draft.account(before.name.as_str())?;
        if account.created != before.created {
            return Err(no_account(account.name.as_str()));
        }
        let key = MasterKey::open_or_make(&self.paths.master);
        let sealed = key.and_then(|key| key.seal(&account, &secret));
        let sealed = sealed.map_err(|fault| master_problem(&fault))?;
        let (recovery_codes, recovery) = totp::recovery_codes().map_err(no_random)?;
        let kept = draft.state.of_mut(&account);
        if kept.totp.is_some() {
            return Err(already());
        }
        kept.totp = Some(Totp { sealed, step });
        kept.recovery = recovery;
        draft.state.end_logins(account.name.as_str(), but);
        Ok(TotpAnswer { on: true, secret: None, url: None, recovery_codes })
    }

    /// Takes an account's second factor away.
    pub(in crate::control) async fn disenrol(
        self: &Arc<Self>,
        operator: &Operator,
        user: &str,
        at: At,
    ) -> Result<Told, Problem> {
        let (operator, user) = (operator.clone(), user.to_owned());
        aside(self, move |accounts| {
            accounts.change(Scope::State, at, |draft| {
                let account = may_act(draft, &operator, Verb::RequestUserTotpRemove, &user)?;
                let kept = draft.state.of_mut(&account);
                if kept.totp.take().is_none() {
                    let detail = format!("`{user}` has no second factor");
                    return Err(Problem::new(ProblemKind::Conflict, detail));
                }
                kept.recovery.clear();
                draft.state.end_logins(&user, None);
                Ok(Told { detail: format!("the second factor of `{user}` is gone") })
            })
        })
        .await
    }

    pub(super) fn unseal(
        &self,
        account: &Account,
        sealed: &str,
    ) -> Result<Zeroizing<Vec<u8>>, Problem> {
        let key = MasterKey::open(&self.paths.master);
        key.and_then(|key| key.unseal(account, sealed)).map_err(|fault| master_problem(&fault))
    }
}

fn already() -> Problem {
    let detail = "the account has a second factor; an Administrator takes it away with \
                  `request user totp-remove`, and then it can be set up anew";
    Problem::new(ProblemKind::Conflict, detail)
}

fn master_problem(fault: &MasterFault) -> Problem {
    tracing::error!(cause = chain(fault), "second factors cannot be used");
    Problem::new(ProblemKind::Failed, chain(fault))
}
