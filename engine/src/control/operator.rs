//! Who asks, and that he may. A door says who it is; the table of verbs says whether he may; only then is
//! there an [`Operator`], and a handler takes nothing else.
//!
//! INVARIANT: an [`Operator`] is made by [`Operator::granted`] alone, which asks the table.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{FromRequestParts, RawPathParams, Request, State};
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use eg_proto::control::auth::{Duty, LoginKind, Who};
use eg_proto::control::verbs::{Asker, Barred, Target};
use eg_proto::control::{Level, Problem, ProblemKind, Row, Verb};
use nix::unistd::{Uid, User, geteuid};

use super::answer::Refused;
use super::auth::At;
use super::policy::Desk;

/// Somebody whom a door knows, before it is looked what he may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    /// The account, or `local:root`.
    pub(super) name: String,
    /// Its level at this moment.
    pub(super) level: Level,
    /// How it showed who it is.
    pub(super) by: LoginKind,
    /// What it has to do before anything else.
    pub(super) must: Option<Duty>,
    /// The login that the token is of; ends with `logout`.
    pub(super) login: Option<u64>,
}

impl Identity {
    /// The one behind a connection of this machine: the engine's own user, and root. Both can replace
    /// the engine, its policy and its accounts already, so they have the highest level.
    pub(super) fn local(user: u32) -> Option<Self> {
        is_admitted(user, geteuid().as_raw()).then(|| Self {
            name: local_name(user),
            level: Level::SuperAdministrator,
            by: LoginKind::Local,
            must: None,
            login: None,
        })
    }
}

/// Where a request came from; a door for other machines puts it there, the one of this machine does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Source(pub(super) Option<IpAddr>);

/// Why what somebody showed is not good. Who asks for what is for everybody never hears of it.
#[derive(Debug, Clone)]
pub(super) struct Unidentified(pub(super) Problem);

/// An operator who may do what the handler does, by the name that trail and history have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Operator {
    identity: Identity,
}

impl Operator {
    /// `identity` as an operator for this verb, on the account `target` where it acts on one.
    pub(super) fn granted(
        identity: Identity,
        row: &Row,
        target: Option<Target<'_>>,
    ) -> Result<Self, Problem> {
        if identity.must == Some(Duty::EnrolTotp) && !serves_to_enrol(row.verb) {
            let detail = "a second factor is demanded of this account: set it up first, with \
                          `request user totp`";
            return Err(Problem::new(ProblemKind::Forbidden, detail));
        }
        let asker = Asker { name: &identity.name, level: identity.level };
        row.access(Some(asker), target).map_err(|barred| barred_problem(row, barred))?;
        Ok(Self { identity })
    }

    /// `local:root`
    pub(super) fn name(&self) -> &str {
        &self.identity.name
    }

    /// The level, for what depends on the level that an account is to get and for what is hidden.
    pub(super) const fn level(&self) -> Level {
        self.identity.level
    }

    /// The login that the token is of.
    pub(super) const fn login(&self) -> Option<u64> {
        self.identity.login
    }

    /// Whether patterns, list paths and list lines may be shown (SPEC 9).
    pub(super) const fn sees_patterns(&self) -> bool {
        matches!(self.identity.level, Level::Administrator | Level::SuperAdministrator)
    }

    /// Whether the argument of this name may be given.
    pub(super) fn may_give(&self, verb: Verb, argument: &str) -> Result<(), Refused> {
        let Some(row) = Row::of(verb) else { return Ok(()) };
        row.access_to(argument, self.identity.level)
            .map_err(|barred| Refused(barred_problem(row, barred)))
    }

    /// As others see it.
    pub(super) fn who(&self) -> Who {
        let Identity { name, level, by, must, login: _ } = &self.identity;
        Who { user: name.clone(), level: *level, by: *by, must: *must }
    }
}

/// What an account may do that has to set up its second factor first.
const fn serves_to_enrol(verb: Verb) -> bool {
    matches!(verb, Verb::Who | Verb::Logout | Verb::Login | Verb::Refresh | Verb::RequestUserTotp)
}

/// Why somebody may not, as an answer.
pub(super) fn barred_problem(row: &Row, barred: Barred) -> Problem {
    let kind = match barred {
        Barred::NoLogin => ProblemKind::Unauthorized,
        Barred::Disabled
        | Barred::Level(_)
        | Barred::Scope
        | Barred::Outranked
        | Barred::NotOwn
        | Barred::Oneself => ProblemKind::Forbidden,
    };
    Problem::new(kind, format!("`{}`: {barred}", row.words.join(" ")))
}

/// Looks whether whoever asks may, in front of the handler of `row`.
pub(super) async fn admit(
    State((desk, row)): State<(Arc<Desk>, &'static Row)>,
    parameters: Result<RawPathParams, RawPathParamsRejection>,
    mut request: Request,
    next: Next,
) -> Response {
    let parameters = match parameters {
        Ok(parameters) => parameters,
        Err(fault) => {
            return Refused(Problem::new(ProblemKind::BadRequest, fault.body_text()))
                .into_response();
        }
    };
    let identity = request.extensions().get::<Identity>().cloned();
    let named = parameters.iter().find(|(name, _)| *name == "user").map(|(_, value)| value);
    let target = named.map(|name| Target { name, level: desk.accounts.level_of(name) });
    let who = identity.as_ref().map(|identity| identity.name.clone());
    let granted = match identity {
        Some(identity) => Operator::granted(identity, row, target).map(Some),
        None => row.access(None, target).map(|()| None).map_err(|barred| {
            let told = request.extensions().get::<Unidentified>().map(|why| why.0.clone());
            told.unwrap_or_else(|| barred_problem(row, barred))
        }),
    };
    match granted {
        Ok(operator) => {
            if let Some(operator) = operator {
                request.extensions_mut().insert(operator);
            }
            next.run(request).await
        }
        Err(problem) => {
            let Source(address) = request.extensions().get().copied().unwrap_or(Source(None));
            let name = row.name();
            desk.accounts.say_barred(who.as_deref(), &name, &problem, address, At::now());
            Refused(problem).into_response()
        }
    }
}

/// Whether this user may ask an engine that runs as `own`.
const fn is_admitted(user: u32, own: u32) -> bool {
    user == own || user == 0
}

/// The user's name where the system knows one, else the number.
fn local_name(user: u32) -> String {
    let known = User::from_uid(Uid::from_raw(user)).ok().flatten();
    match known {
        Some(User { name, .. }) => format!("local:{name}"),
        None => format!("local:{user}"),
    }
}

impl<S: Sync> FromRequestParts<S> for Source {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get::<Self>().copied().unwrap_or(Self(None)))
    }
}

impl<S: Sync> FromRequestParts<S> for Operator {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refused> {
        let found = parts.extensions.get::<Self>().cloned();
        let nobody = || Problem::new(ProblemKind::Forbidden, "nobody has let you in");
        found.ok_or_else(|| Refused(nobody()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_engines_user_and_root_are_let_in() {
        for (user, own, expected) in [
            (0, 0, true),
            (0, 999, true),
            (999, 999, true),
            (1000, 999, false),
            (1000, 0, false),
            (65534, 0, false),
        ] {
            assert_eq!(is_admitted(user, own), expected, "{user} {own}");
        }
        let root = Identity::local(0).unwrap();
        assert_eq!((root.name.as_str(), root.level), ("local:root", Level::SuperAdministrator));
        assert_eq!(local_name(4_000_000_000), "local:4000000000");
    }

    #[test]
    fn an_account_without_its_second_factor_does_nothing_else() {
        let identity = Identity {
            name: "a".to_owned(),
            level: Level::SuperAdministrator,
            by: LoginKind::Token,
            must: Some(Duty::EnrolTotp),
            login: Some(1),
        };
        for row in eg_proto::control::TABLE {
            let target = Target { name: "a", level: Some(Level::SuperAdministrator) };
            let granted = Operator::granted(identity.clone(), row, Some(target));
            assert_eq!(granted.is_ok(), serves_to_enrol(row.verb), "{}", row.name());
        }
    }
}
