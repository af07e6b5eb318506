//! Who asks. That there is one means that a door has let somebody in.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use eg_proto::control::{Problem, ProblemKind};
use nix::unistd::{Uid, User, geteuid};

use super::answer::Refused;

/// An operator whom a door has let in, by the name that trail and history have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Operator {
    name: String,
}

impl Operator {
    /// The operator behind a connection of this machine: the engine's own user, and root. Both can
    /// replace the engine and its policy already.
    pub(super) fn local(user: u32) -> Option<Self> {
        is_admitted(user, geteuid().as_raw()).then(|| Self { name: local_name(user) })
    }

    /// `local:root`
    pub(super) fn name(&self) -> &str {
        &self.name
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
        assert_eq!(Operator::local(0).unwrap().name(), "local:root");
        assert_eq!(local_name(4_000_000_000), "local:4000000000");
    }
}
