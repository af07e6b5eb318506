//! Accounts of operators and how they show who they are (SPEC 9).

use eg_proto::control::Level;

/// The accounts of this engine.
#[derive(Debug, Default)]
pub(crate) struct Accounts;

impl Accounts {
    /// The level of an account; `None` where there is none.
    #[expect(clippy::unused_self, reason = "there are no accounts yet")]
    pub(super) const fn level_of(&self, _: &str) -> Option<Level> {
        None
    }
}
