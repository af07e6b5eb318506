//! The operator's own editor, on a copy that only the operator can read.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::session::Surroundings;

/// The editor of whoever has said none.
const EDITOR: &str = "vi";

/// Why nothing could be edited.
#[derive(Debug, thiserror::Error)]
pub enum EditorFault {
    /// The copy cannot be written or read.
    #[error("cannot keep a copy to edit in `{}`", .0.display())]
    Copy(PathBuf, #[source] io::Error),
    /// The editor cannot be started.
    #[error("cannot start the editor `{0}`; say another by VISUAL or EDITOR")]
    Start(String, #[source] io::Error),
    /// The editor failed.
    #[error("the editor `{editor}` failed ({status}), so nothing was taken over")]
    Failed {
        /// Which.
        editor: String,
        /// How it ended.
        status: std::process::ExitStatus,
    },
}

/// A folder that goes with its contents.
struct Folder(PathBuf);

impl Folder {
    fn make() -> io::Result<Self> {
        let temporary = std::env::temp_dir();
        // The name need not be secret: the folder must be new, and nobody else gets in.
        for number in 0..u32::from(u8::MAX) {
            let path = temporary.join(format!("egctl-{}-{number}", std::process::id()));
            match fs::DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Self(path)),
                Err(fault) if fault.kind() == io::ErrorKind::AlreadyExists => {}
                Err(fault) => return Err(fault),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// The text that the editor made of `text`; `name` is what the file is called, for the editor's sake.
///
/// # Errors
///
/// [`EditorFault`]
pub(crate) fn edit(around: &Surroundings, name: &str, text: &str) -> Result<String, EditorFault> {
    let temporary = std::env::temp_dir();
    let folder = Folder::make().map_err(|fault| EditorFault::Copy(temporary, fault))?;
    let last = Path::new(name).file_name().unwrap_or_else(|| "policy".as_ref());
    let path = folder.0.join(last);
    let copy = |fault| EditorFault::Copy(path.clone(), fault);
    fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(copy)?;
    let editor = around.editor.clone().unwrap_or_else(|| EDITOR.to_owned());
    // The editor may be `code --wait`: the shell takes it apart, as git has it.
    let status = Command::new("/bin/sh")
        .args(["-c", &format!("{editor} \"$@\""), &editor])
        .arg(&path)
        .status()
        .map_err(|fault| EditorFault::Start(editor.clone(), fault))?;
    if !status.success() {
        return Err(EditorFault::Failed { editor, status });
    }
    fs::read_to_string(&path).map_err(copy)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by(editor: &str) -> Result<String, EditorFault> {
        let editor = Some(editor.to_owned());
        edit(&Surroundings { editor, ..Surroundings::default() }, "a/10-b.policy", "one\n")
    }

    #[test]
    fn the_editors_text_comes_back() {
        assert_eq!(by("sed -i s/one/two/").unwrap(), "two\n");
        assert_eq!(by("true").unwrap(), "one\n");
        assert!(by("sh -c 'basename \"$1\" > \"$1\"' x").unwrap().starts_with("10-b.policy"));
        assert!(matches!(by("false"), Err(EditorFault::Failed { .. })));
        assert!(matches!(by("/nowhere/editor"), Err(EditorFault::Failed { .. })));
        assert!(matches!(by("rm"), Err(EditorFault::Copy(..))));
    }
}
