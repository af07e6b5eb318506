//! Why a command of `egctl` failed, and how that is told.

use std::io::{self, Write};

use eg_proto::control::ProblemKind;

use super::editor::EditorFault;
use super::grammar::GrammarFault;
use super::screen::{Format, json};
use crate::exit::Exit;
use crate::forms::words::tame;
use crate::receipt;
use crate::session::SessionFault;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum EgctlFault {
    /// The words make no sense.
    #[error(transparent)]
    Grammar(#[from] GrammarFault),
    /// The engine.
    #[error(transparent)]
    Session(#[from] SessionFault),
    /// The editor.
    #[error(transparent)]
    Editor(#[from] EditorFault),
    /// The engine's answer is none of this version.
    #[error(
        "the engine's answer is not what this version of egctl knows; are both of one version?"
    )]
    Foreign(#[source] serde_json::Error),
    /// What was asked for cannot be done here.
    #[error("{0}")]
    Here(String),
    /// A folder or file of ours.
    #[error("cannot write `{path}`")]
    Write {
        /// Which.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Standard output.
    #[error("cannot print")]
    Output(#[from] io::Error),
}

impl From<crate::client::ClientFault> for EgctlFault {
    fn from(fault: crate::client::ClientFault) -> Self {
        Self::Session(fault.into())
    }
}

impl EgctlFault {
    /// How the command ends for it.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::Grammar(_) => Exit::Usage,
            Self::Session(fault) => fault.exit(),
            Self::Editor(_)
            | Self::Foreign(_)
            | Self::Here(_)
            | Self::Write { .. }
            | Self::Output(_) => Exit::Failed,
        }
    }

    /// What the engine said, where it said something.
    #[must_use]
    pub fn problem(&self) -> Option<&eg_proto::control::Problem> {
        match self {
            Self::Session(SessionFault::Client(fault)) => fault.problem(),
            Self::Grammar(_)
            | Self::Session(_)
            | Self::Editor(_)
            | Self::Foreign(_)
            | Self::Here(_)
            | Self::Write { .. }
            | Self::Output(_) => None,
        }
    }

    /// Whether it is the engine's word of this kind.
    #[must_use]
    pub fn is(&self, kind: ProblemKind) -> bool {
        self.problem().is_some_and(|problem| problem.kind == kind)
    }

    /// Tells it: the engine's own document to programs, where it made one, else sentences.
    ///
    /// # Errors
    ///
    /// What the outputs say.
    pub fn tell(
        &self,
        out: &mut dyn Write,
        mut err: &mut dyn Write,
        format: Format,
    ) -> io::Result<()> {
        match (self.problem(), format) {
            (Some(problem), Format::Json) => json(out, &serde_json::json!(problem)),
            (Some(problem), Format::Text) => receipt::problem(&mut err, "egctl", problem),
            (None, Format::Text | Format::Json) => {
                let mut text = self.to_string();
                let mut cause = std::error::Error::source(self);
                while let Some(inner) = cause {
                    text.push_str(&format!(": {inner}"));
                    cause = inner.source();
                }
                for (at, line) in text.lines().enumerate() {
                    let front = if at == 0 { "egctl: " } else { "" };
                    writeln!(err, "{front}{}", tame(line))?;
                }
                Ok(())
            }
        }
    }
}
