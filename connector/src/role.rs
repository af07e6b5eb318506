//! What this process is to Squid: one of two helpers. How a line is read, how an answer is told, and
//! what is said where no engine can judge; all else is the same for both.

use eg_proto::{Answer, FailureCause, Tls};

use crate::config::{self, Config, FailAction, TlsFailAction};
use crate::helper::{BadAnswer, BadLine, Channel, Question};
use crate::rewrite::{Portal, Replies};
use crate::{acl, rewrite};

/// One of the two helpers.
#[derive(Debug)]
pub enum Role {
    /// `url_rewrite_program`: asked about every request.
    Rewrite {
        /// How a verdict is told.
        replies: Replies,
        /// What is said without one.
        fail_action: FailAction,
    },
    /// `external_acl_type`: asked about every TLS connection whose `ClientHello` was read.
    Acl {
        /// What is said without an engine's word.
        fail_action: TlsFailAction,
    },
}

/// What being without an engine means for clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alone {
    /// They are refused.
    Refused,
    /// They pass, or TLS goes on: the operator's written choice.
    Passing,
}

impl Role {
    /// The first role, as configured.
    #[must_use]
    pub const fn rewrite(answer: config::Answer, fail_action: FailAction) -> Self {
        Self::Rewrite { replies: Replies::new(answer), fail_action }
    }

    /// The second role, as configured.
    #[must_use]
    pub const fn acl(config: &Config) -> Self {
        Self::Acl { fail_action: config.tls_fail_action }
    }

    /// Reads what stands behind the channel-ID of a line.
    ///
    /// # Errors
    /// When the line is none for this role.
    pub fn read(&self, question: &mut Question, line: &[u8]) -> Result<(), BadLine> {
        match self {
            Self::Rewrite { .. } => rewrite::read(question, line),
            Self::Acl { .. } => acl::read(question, line),
        }
    }

    /// Learns where the portal is.
    pub fn learn(&mut self, portal: Portal) {
        match self {
            Self::Rewrite { replies, .. } => replies.learn(portal),
            Self::Acl { .. } => {}
        }
    }

    /// Appends the engine's answer.
    ///
    /// # Errors
    /// When it holds something that Squid must not see, or lacks what it must; nothing is appended.
    pub fn answer(
        &self,
        out: &mut Vec<u8>,
        channel: Channel,
        answer: &Answer<'_>,
    ) -> Result<(), BadAnswer> {
        match self {
            Self::Rewrite { replies, .. } => replies.answer(out, channel, answer),
            Self::Acl { .. } => acl::answer(out, channel, answer),
        }
    }

    /// Appends the answer for a line that no engine judged.
    pub fn fall_back(
        &self,
        out: &mut Vec<u8>,
        channel: Channel,
        cause: FailureCause,
        token: Option<&str>,
    ) {
        match self {
            Self::Rewrite { replies, fail_action } => match (cause, fail_action) {
                (FailureCause::BrokenAnswer | FailureCause::UnreadableLine, _)
                | (
                    FailureCause::NoEngine | FailureCause::Timeout | FailureCause::Overload,
                    FailAction::Deny,
                ) => replies.refuse(out, channel, token),
                (
                    FailureCause::NoEngine | FailureCause::Timeout | FailureCause::Overload,
                    FailAction::Permit,
                ) => replies.let_pass(out, channel),
            },
            Self::Acl { fail_action } => {
                let tls = match cause {
                    // Not what the printed lines of squid.conf make Squid ask.
                    FailureCause::UnreadableLine => Tls::Terminate,
                    // What goes on here is asked about again as a request, and judged then.
                    FailureCause::BrokenAnswer
                    | FailureCause::NoEngine
                    | FailureCause::Timeout
                    | FailureCause::Overload => match fail_action {
                        TlsFailAction::Terminate => Tls::Terminate,
                        TlsFailAction::Splice => Tls::Splice,
                        TlsFailAction::Bump => Tls::Bump,
                    },
                };
                acl::say(out, channel, tls);
            }
        }
    }

    /// What being without an engine means for clients.
    #[must_use]
    pub const fn alone(&self) -> Alone {
        match self {
            Self::Rewrite { fail_action: FailAction::Deny, .. }
            | Self::Acl { fail_action: TlsFailAction::Terminate } => Alone::Refused,
            Self::Rewrite { fail_action: FailAction::Permit, .. }
            | Self::Acl { fail_action: TlsFailAction::Splice | TlsFailAction::Bump } => {
                Alone::Passing
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tls_connection_without_an_engine_gets_the_configured_word() {
        use TlsFailAction::{Bump, Splice, Terminate};
        for (fail_action, word) in [(Terminate, "terminate"), (Splice, "splice"), (Bump, "bump")] {
            let role = Role::Acl { fail_action };
            for &cause in FailureCause::ALL {
                let mut out = Vec::new();
                role.fall_back(&mut out, Channel::Only, cause, Some("never told"));
                let word = if cause == FailureCause::UnreadableLine { "terminate" } else { word };
                assert_eq!(out, format!("OK eg_tls_={word}\n").as_bytes(), "{cause:?}");
            }
            let passing = fail_action != Terminate;
            assert_eq!(role.alone() == Alone::Passing, passing, "{fail_action:?}");
        }
    }
}
