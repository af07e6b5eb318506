//! The API keys of service accounts, as operators see and change them.

use std::sync::Arc;

use eg_proto::control::user::{ApiKeyMade, ApiKeyRequest, ApiKeyRow, ApiKeys, Told};
use eg_proto::control::{Problem, ProblemKind, Secret, Verb};
use ipnet::IpNet;

use super::accounts::{Accounts, At, Scope, aside, no_account, no_random};
use super::api_key::{self, DAYS, DAYS_MAX, KEYS_MAX};
use super::change::{bad, may_act, when};
use super::passwd::Account;
use super::state::Key;
use crate::control::operator::Operator;

/// A key that is asked for.
#[derive(Debug)]
pub(super) struct Asked {
    days: u32,
    sources: Vec<IpNet>,
}

impl Default for Asked {
    fn default() -> Self {
        Self { days: DAYS, sources: Vec::new() }
    }
}

impl Asked {
    fn parse(request: &ApiKeyRequest) -> Result<Self, Problem> {
        let days = request.days.unwrap_or(DAYS);
        if !(1..=DAYS_MAX).contains(&days) {
            return Err(bad(&format!("`days` is 1 to {DAYS_MAX}")));
        }
        let sources = api_key::sources(&request.sources).map_err(|what| bad(&what))?;
        Ok(Self { days, sources })
    }
}

/// A fresh key, and what is kept of it.
pub(super) fn made(asked: &Asked, at: At) -> Result<(Secret, Key), Problem> {
    api_key::make(asked.days, asked.sources.clone(), at.seconds()).map_err(no_random)
}

/// A fresh key as it is shown, this once.
pub(super) fn shown_once(key: Secret, kept: &Key) -> ApiKeyMade {
    ApiKeyMade { key, row: row(kept) }
}

impl Accounts {
    /// The keys of an account.
    pub(in crate::control) fn keys(&self, user: &str) -> Result<ApiKeys, Problem> {
        let inner = self.inner();
        let account = inner.passwd.find(user).ok_or_else(|| no_account(user))?;
        is_service(account)?;
        let kept = inner.state.as_ref().ok().and_then(|state| state.of(account));
        let keys = kept.map_or_else(Vec::new, |kept| kept.keys.iter().map(row).collect());
        Ok(ApiKeys { keys })
    }

    /// Makes a key.
    pub(in crate::control) async fn add_key(
        self: &Arc<Self>,
        operator: &Operator,
        user: &str,
        request: &ApiKeyRequest,
        at: At,
    ) -> Result<ApiKeyMade, Problem> {
        let (key, kept) = made(&Asked::parse(request)?, at)?;
        let (operator, user) = (operator.clone(), user.to_owned());
        aside(self, move |accounts| {
            accounts.change(Scope::State, at, |draft| {
                let account = may_act(draft, &operator, Verb::RequestUserKeyAdd, &user)?;
                is_service(&account)?;
                let taken = draft.state.keys().any(|(_, _, other)| other.prefix == kept.prefix);
                let keys = &mut draft.state.of_mut(&account).keys;
                keys.retain(|key| at.seconds() < key.expires);
                if keys.len() >= KEYS_MAX || taken {
                    let detail = format!(
                        "`{user}` has {KEYS_MAX} keys; remove one with `request user key-remove`"
                    );
                    return Err(Problem::new(ProblemKind::Conflict, detail));
                }
                keys.push(kept.clone());
                Ok(shown_once(key, &kept))
            })
        })
        .await
    }

    /// Ends a key at once.
    pub(in crate::control) async fn remove_key(
        self: &Arc<Self>,
        operator: &Operator,
        user: &str,
        prefix: &str,
        at: At,
    ) -> Result<Told, Problem> {
        let (operator, user, prefix) = (operator.clone(), user.to_owned(), prefix.to_owned());
        aside(self, move |accounts| {
            accounts.change(Scope::State, at, |draft| {
                let account = may_act(draft, &operator, Verb::RequestUserKeyRemove, &user)?;
                let keys = &mut draft.state.of_mut(&account).keys;
                let before = keys.len();
                keys.retain(|key| key.prefix != prefix);
                if keys.len() == before {
                    let detail = format!("`{user}` has no key that begins so");
                    return Err(Problem::new(ProblemKind::NotFound, detail));
                }
                Ok(Told { detail: format!("a key of `{user}` has ended") })
            })
        })
        .await
    }
}

fn is_service(account: &Account) -> Result<(), Problem> {
    if account.is_service() {
        return Ok(());
    }
    let detail = format!("`{}` is no service account: only those have API keys", account.name);
    Err(Problem::new(ProblemKind::Conflict, detail))
}

fn row(key: &Key) -> ApiKeyRow {
    ApiKeyRow {
        prefix: key.prefix.clone(),
        created: when(key.created),
        expires: when(key.expires),
        sources: key.sources.iter().map(ToString::to_string).collect(),
        last_used: key.last_used.map(when),
    }
}
