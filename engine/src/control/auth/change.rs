//! Changes of accounts by those who may: made, given another password or level, disabled, enabled, removed.
//!
//! INVARIANT: whether somebody may is asked once more where the change is made, of the account as it is
//! then.

use std::net::IpAddr;
use std::sync::Arc;

use eg_proto::control::user::{PasswordRequest, Told, UserAddRequest, UserAdded, UserRow, Users};
use eg_proto::control::verbs::{Asker, Target};
use eg_proto::control::{Level, Problem, ProblemKind, Row, Secret, Verb};

use super::accounts::{Accounts, At, Draft, Inner, Scope, aside, no_account};
use super::keys::{Asked, made};
use super::login::{hash_problem, no_login_here};
use super::passwd::{ACCOUNTS_MAX, Account, AccountName, COMMENT_BYTES_MAX, Hashed, is_comment};
use super::password::{HashFault, check_new};
use crate::audit::Event;
use crate::control::operator::{Operator, barred_problem};

/// The account `user`, where `operator` may do this to it now.
pub(super) fn may_act(
    draft: &Draft,
    operator: &Operator,
    verb: Verb,
    user: &str,
) -> Result<Account, Problem> {
    let account = draft.account(user)?;
    if let Some(row) = Row::of(verb) {
        let asker = Asker { name: operator.name(), level: operator.level() };
        let target = Target { name: user, level: Some(account.rank()) };
        row.access(Some(asker), Some(target)).map_err(|barred| barred_problem(row, barred))?;
    }
    Ok(account)
}

impl Accounts {
    /// Makes an account.
    pub(in crate::control) async fn add(
        self: &Arc<Self>,
        operator: &Operator,
        request: UserAddRequest,
        at: At,
    ) -> Result<UserAdded, Problem> {
        let UserAddRequest { name, level, password, comment } = request;
        let name = AccountName::parse(&name).ok_or_else(|| {
            bad("a name is 1 to 32 of `a` to `z`, digits, `-`, `_` and `.`, a letter first")
        })?;
        if !is_comment(&comment) {
            let detail = format!(
                "a comment is one line of {COMMENT_BYTES_MAX} bytes at most, without `:`, and does \
                 not begin with `[was `"
            );
            return Err(bad(&detail));
        }
        outranks_new(operator, level)?;
        let password = match (level, password) {
            (Level::Disabled, _) => {
                return Err(bad("a new account has a level that it can log in with"));
            }
            (Level::ServiceAccount, Some(_)) => {
                return Err(bad("a service account has no password, but API keys"));
            }
            (Level::ServiceAccount, None) => None,
            (_, None) => return Err(bad("`password`: it needs one")),
            (_, Some(password)) => Some(self.hash_new(&name, password).await?),
        };
        let key = match level {
            Level::ServiceAccount => Some(made(&Asked::default(), at)?),
            Level::Disabled
            | Level::Monitoring
            | Level::Standard
            | Level::Administrator
            | Level::SuperAdministrator => None,
        };
        let created = at.seconds();
        let account = Account { name, level, was: None, password, created, comment };
        aside(self, move |accounts| {
            let row = accounts.change(Scope::Passwd, at, |draft| {
                let name = account.name.as_str();
                if draft.passwd.find(name).is_some() {
                    let detail = format!("there is an account `{name}` already");
                    return Err(Problem::new(ProblemKind::Conflict, detail));
                }
                if draft.passwd.len() >= ACCOUNTS_MAX {
                    let detail = format!("there are {ACCOUNTS_MAX} accounts already");
                    return Err(Problem::new(ProblemKind::Conflict, detail));
                }
                draft.state.forget(name);
                if let Some((_, kept)) = &key {
                    draft.state.of_mut(&account).keys.push(kept.clone());
                }
                draft.passwd.add(account.clone());
                Ok(())
            });
            row?;
            let user = row_of(&accounts.inner(), &account);
            Ok(UserAdded { user, key: key.map(|(key, kept)| super::keys::shown_once(key, &kept)) })
        })
        .await
    }

    /// Gives an account another password; of the own one only for the one before.
    pub(in crate::control) async fn set_password(
        self: &Arc<Self>,
        operator: &Operator,
        user: &str,
        request: PasswordRequest,
        source: Option<IpAddr>,
        at: At,
    ) -> Result<Told, Problem> {
        let PasswordRequest { password, current } = request;
        let account = self.inner().passwd.find(user).cloned();
        let account = account.ok_or_else(|| no_account(user))?;
        if account.is_service() {
            let detail = "a service account has no password, but API keys";
            return Err(Problem::new(ProblemKind::Conflict, detail));
        }
        if let Err(fault) = check_new(&account.name, password.expose()) {
            return Err(bad(&fault.to_string()));
        }
        let is_own = operator.name() == user;
        if is_own {
            let Some(source) = source else { return Err(no_login_here()) };
            let current = current.ok_or_else(|| bad("`current`: the password before"))?;
            let charge = self.charge(Some(account.name.clone()), source, at)?;
            let hashed = account.password.clone();
            let checked =
                self.check_password(charge, &current, hashed, Some(&account), (source, at));
            let charge = checked.await?;
            self.refund(charge);
        }
        let hashed = self.hash_new(&account.name, password).await?;
        let operator = operator.clone();
        let user = user.to_owned();
        aside(self, move |accounts| {
            accounts.change(Scope::Passwd, at, |draft| {
                let now = may_act(draft, &operator, Verb::RequestUserPasswd, &user)?;
                // What was checked is the account of a moment ago.
                if is_own && (now.created, &now.password) != (account.created, &account.password) {
                    let detail = "the account was changed meanwhile; try again";
                    return Err(Problem::new(ProblemKind::Conflict, detail));
                }
                if now.is_service() {
                    let detail = "a service account has no password, but API keys";
                    return Err(Problem::new(ProblemKind::Conflict, detail));
                }
                edit(draft, &now.name, |account| account.password = Some(hashed));
                draft.state.end_logins(&user, operator.login().filter(|_| is_own));
                Ok(Told { detail: format!("`{user}` has another password") })
            })
        })
        .await
    }

    /// Gives an account another level.
    pub(in crate::control) async fn set_level(
        self: &Arc<Self>,
        operator: &Operator,
        user: &str,
        level: Level,
        at: At,
    ) -> Result<Told, Problem> {
        outranks_new(operator, level)?;
        if level == Level::Disabled {
            return Err(bad(
                "`request user disable` sets the level to 0, and keeps the one before",
            ));
        }
        self.act(operator, Verb::RequestUserLevel, user, at, move |draft, account| {
            if account.is_service() || level == Level::ServiceAccount {
                let detail = "a service account stays one, and no other becomes one: make a new \
                              account";
                return Err(Problem::new(ProblemKind::Conflict, detail));
            }
            if level != Level::SuperAdministrator {
                keeps_a_super(draft, &account.name)?;
            }
            edit(draft, &account.name, |account| {
                account.level = level;
                account.was = None;
            });
            Ok(format!("`{}` has the level {} ({level})", account.name, level.number()))
        })
        .await
    }

    /// Sets an account's level to 0.
    pub(in crate::control) async fn disable(
        self: &Arc<Self>,
        operator: &Operator,
        user: &str,
        at: At,
    ) -> Result<Told, Problem> {
        self.act(operator, Verb::RequestUserDisable, user, at, |draft, account| {
            if account.level == Level::Disabled {
                let detail = format!("`{}` is disabled already", account.name);
                return Err(Problem::new(ProblemKind::Conflict, detail));
            }
            keeps_a_super(draft, &account.name)?;
            edit(draft, &account.name, |account| {
                account.was = Some(account.level);
                account.level = Level::Disabled;
            });
            Ok(format!("`{}` is disabled", account.name))
        })
        .await
    }

    /// Gives a disabled account its level back.
    pub(in crate::control) async fn enable(
        self: &Arc<Self>,
        operator: &Operator,
        user: &str,
        at: At,
    ) -> Result<Told, Problem> {
        self.act(operator, Verb::RequestUserEnable, user, at, |draft, account| {
            let level = match (account.level, account.was) {
                (Level::Disabled, Some(was)) => was,
                (Level::Disabled, None) => {
                    let detail = format!(
                        "`passwd` does not say what level `{}` had; give it one with `request user \
                         level`",
                        account.name
                    );
                    return Err(Problem::new(ProblemKind::Conflict, detail));
                }
                (_, _) => {
                    let detail = format!("`{}` is not disabled", account.name);
                    return Err(Problem::new(ProblemKind::Conflict, detail));
                }
            };
            edit(draft, &account.name, |account| {
                account.level = level;
                account.was = None;
            });
            Ok(format!("`{}` has its level {} ({level}) back", account.name, level.number()))
        })
        .await
    }

    /// Removes an account with all that is kept of it.
    pub(in crate::control) async fn remove(
        self: &Arc<Self>,
        operator: &Operator,
        user: &str,
        at: At,
    ) -> Result<Told, Problem> {
        let removed = self.act(operator, Verb::RequestUserRemove, user, at, |draft, account| {
            keeps_a_super(draft, &account.name)?;
            draft.passwd.remove(&account.name);
            draft.state.forget(account.name.as_str());
            Ok(format!("`{}` is gone", account.name))
        });
        let told = removed.await?;
        if let Some(name) = AccountName::parse(user) {
            let mut inner = self.inner();
            inner.last_login.remove(&name);
            inner.enrolling.remove(&name);
        }
        Ok(told)
    }

    /// Changes an account that `operator` may act on, and ends its logins.
    async fn act(
        self: &Arc<Self>,
        operator: &Operator,
        verb: Verb,
        user: &str,
        at: At,
        act: impl FnOnce(&mut Draft, &Account) -> Result<String, Problem> + Send + 'static,
    ) -> Result<Told, Problem> {
        let (operator, user) = (operator.clone(), user.to_owned());
        aside(self, move |accounts| {
            accounts.change(Scope::Passwd, at, |draft| {
                let account = may_act(draft, &operator, verb, &user)?;
                let detail = act(draft, &account)?;
                draft.state.end_logins(&user, None);
                Ok(Told { detail })
            })
        })
        .await
    }

    async fn hash_new(&self, name: &AccountName, password: Secret) -> Result<Hashed, Problem> {
        check_new(name, password.expose()).map_err(|fault| bad(&fault.to_string()))?;
        let hasher = self.hasher.as_ref().ok_or_else(|| hash_problem(HashFault::Failed))?;
        hasher.make(password).await.map_err(hash_problem)
    }

    /// All accounts, without anything secret.
    pub(in crate::control) async fn users(self: &Arc<Self>, at: At) -> Result<Users, Problem> {
        aside(self, move |accounts| {
            accounts.look_at_once(at);
            let inner = accounts.inner();
            let rows = inner.passwd.accounts().map(|account| row_of(&inner, account));
            Ok(Users { users: rows.collect() })
        })
        .await
    }

    /// Makes the entry of a change, or of one that was refused.
    pub(in crate::control) fn say_change<T>(
        &self,
        operator: &Operator,
        what: &str,
        on: &str,
        done: &Result<T, Problem>,
        at: At,
    ) {
        let (outcome, reason) = match done {
            Ok(_) => ("done", None),
            Err(problem) => ("refused", Some(problem.detail.as_str())),
        };
        let by = operator.name();
        tracing::debug!(by, what, on, outcome, "a change of the accounts");
        // What stands in the place of a name may be anything.
        let on = AccountName::parse(on);
        let on = on.as_ref().map(AccountName::as_str);
        self.audit.event(&Event::Account { what, on, outcome, reason, by }, at.moment);
    }
}

fn edit(draft: &mut Draft, name: &AccountName, edit: impl FnOnce(&mut Account)) {
    if let Some(account) = draft.passwd.find_mut(name) {
        edit(account);
    }
}

/// Whether there is still somebody who can log in and do everything.
fn keeps_a_super(draft: &Draft, name: &AccountName) -> Result<(), Problem> {
    if draft.passwd.is_last_super(name) {
        let detail = format!(
            "`{name}` is the last account of level 11 that is not disabled; make another one first"
        );
        return Err(Problem::new(ProblemKind::Conflict, detail));
    }
    Ok(())
}

/// Whether somebody may give this level.
fn outranks_new(operator: &Operator, level: Level) -> Result<(), Problem> {
    if operator.level().outranks(level) {
        return Ok(());
    }
    let detail = format!("it needs a higher level than the one to give, {}", level.number());
    Err(Problem::new(ProblemKind::Forbidden, detail))
}

pub(super) fn bad(detail: &str) -> Problem {
    Problem::new(ProblemKind::BadRequest, detail)
}

/// A moment in RFC 3339.
pub(super) fn when(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::UNIX_EPOCH).to_string()
}

/// An account as others see it.
fn row_of(inner: &Inner, account: &Account) -> UserRow {
    let name = account.name.as_str();
    let state = inner.state.as_ref().ok();
    let kept = state.and_then(|state| state.of(account));
    let logins =
        state.map_or(0, |state| state.logins.iter().filter(|login| login.account == name).count());
    UserRow {
        name: name.to_owned(),
        level: account.level,
        number: account.level.number(),
        created: when(account.created),
        comment: account.comment.clone(),
        totp: kept.is_some_and(|kept| kept.totp.is_some()),
        logins: logins as u64,
        keys: kept.map_or(0, |kept| kept.keys.len() as u64),
        last_login: inner.last_login.get(&account.name).copied().map(when),
    }
}
