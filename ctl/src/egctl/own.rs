//! What `egctl` does itself: logins, policy files, completions, man pages.

use std::io::Write;
use std::path::Path;

use clap_complete::Shell;
use serde_json::json;

use super::command::{Forms, command};
use super::entries::Own;
use super::fault::EgctlFault;
use super::files;
use super::grammar::{Call, GrammarFault};
use super::perform::Egctl;
use super::screen::{self, Format, Look, Screen};
use crate::exit::Exit;

/// Does it.
pub(super) fn perform(
    egctl: &mut Egctl<'_>,
    own: Own,
    call: &Call<'_>,
    out: &mut dyn Write,
    look: Look,
) -> Result<Exit, EgctlFault> {
    match own {
        Own::Login => {
            let (session, talk) = egctl.parts()?;
            let told = session.log_in(talk)?;
            tell(&told, out, look)
        }
        Own::Logout => {
            let (session, _) = egctl.parts()?;
            let told = session.log_out()?;
            tell(&told, out, look)
        }
        Own::PolicyList => files::list(egctl, out, look),
        Own::PolicyShow => files::show(egctl, call, out, look),
        Own::PolicyNew => files::change(egctl, call, files::Expect::New, out, look),
        Own::PolicyEdit => files::change(egctl, call, files::Expect::There, out, look),
        Own::PolicyRemove => files::remove(egctl, call, out, look),
        Own::Completions => completions(call.text("shell").unwrap_or_default(), out),
        Own::Man => man(Path::new(call.text("folder").unwrap_or_default()), out, look),
    }
}

/// Prints a sentence.
pub(super) fn tell(text: &str, out: &mut dyn Write, look: Look) -> Result<Exit, EgctlFault> {
    match look.format {
        Format::Json => screen::json(out, &json!({ "detail": text }))?,
        Format::Text => Screen::new(out, look).line(text)?,
    }
    Ok(Exit::Done)
}

fn completions(shell: &str, out: &mut dyn Write) -> Result<Exit, EgctlFault> {
    let known = [("bash", Shell::Bash), ("zsh", Shell::Zsh), ("fish", Shell::Fish)];
    let found = known.into_iter().find(|(name, _)| *name == shell);
    let Some((_, shell)) = found else {
        return Err(EgctlFault::Grammar(GrammarFault::Value {
            name: "shell".to_owned(),
            value: shell.to_owned(),
            wants: "it takes bash, zsh or fish".to_owned(),
        }));
    };
    // The generator ends the process where it cannot write, so that it writes to memory.
    let mut made = Vec::new();
    clap_complete::generate(shell, &mut command(Forms::Both), "egctl", &mut made);
    out.write_all(&made)?;
    Ok(Exit::Done)
}

fn man(folder: &Path, out: &mut dyn Write, look: Look) -> Result<Exit, EgctlFault> {
    let written = std::fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(command(Forms::Spaced), folder));
    match written {
        Ok(()) => tell(&format!("written to {}", folder.display()), out, look),
        Err(source) => Err(EgctlFault::Write { path: folder.display().to_string(), source }),
    }
}
