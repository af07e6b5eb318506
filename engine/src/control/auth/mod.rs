//! Accounts of operators and how they show who they are (SPEC 9).

use std::net::IpAddr;

use eg_proto::control::{Level, Problem, ProblemKind};

use super::operator::Identity;

/// The accounts of this engine.
#[derive(Debug, Default)]
pub(crate) struct Accounts;

impl Accounts {
    /// The level of an account; `None` where there is none.
    #[expect(clippy::unused_self, reason = "there are no accounts yet")]
    pub(super) const fn level_of(&self, _: &str) -> Option<Level> {
        None
    }

    /// Who shows this `Authorization` from there.
    #[expect(clippy::unused_self, reason = "there are no accounts yet")]
    pub(super) fn identify(&self, _: &str, _: IpAddr) -> Result<Identity, Problem> {
        Err(Problem::new(ProblemKind::Unauthorized, "there are no accounts yet"))
    }
}
