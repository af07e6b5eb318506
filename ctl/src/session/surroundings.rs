//! What the environment of the process says to the tools.

use std::env;
use std::path::PathBuf;

/// What the environment says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// `$XDG_CONFIG_HOME/egctl`, or `~/.config/egctl`.
    pub config: Option<PathBuf>,
    /// `$XDG_CACHE_HOME/egctl`, or `~/.cache/egctl`.
    pub cache: Option<PathBuf>,
    /// `$XDG_STATE_HOME/egctl`, or `~/.local/state/egctl`.
    pub state: Option<PathBuf>,
    /// `EGCTL_PASSWORD_FILE`
    pub password_file: Option<PathBuf>,
    /// `EGCTL_KEY_FILE`
    pub key_file: Option<PathBuf>,
    /// The user of this machine.
    pub user: Option<String>,
    /// `$VISUAL`, or `$EDITOR`.
    pub editor: Option<String>,
    /// Whether `NO_COLOR` is set (no-color.org), or the terminal is a dumb one.
    pub plain: bool,
}

impl Surroundings {
    /// Those of this process.
    #[must_use]
    pub fn of_process() -> Self {
        Self::of(|name| env::var(name).ok().filter(|value| !value.is_empty()))
    }

    fn of(get: impl Fn(&str) -> Option<String>) -> Self {
        let path = |name: &str| get(name).map(PathBuf::from);
        let folder = |name: &str, usual: &str| {
            // The XDG specification: a relative path is not heeded.
            let own = path(name).filter(|path| path.is_absolute());
            let folder = own.or_else(|| path("HOME").map(|home| home.join(usual)));
            folder.map(|folder| folder.join("egctl"))
        };
        Self {
            config: folder("XDG_CONFIG_HOME", ".config"),
            cache: folder("XDG_CACHE_HOME", ".cache"),
            state: folder("XDG_STATE_HOME", ".local/state"),
            password_file: path("EGCTL_PASSWORD_FILE"),
            key_file: path("EGCTL_KEY_FILE"),
            user: get("USER").or_else(|| get("LOGNAME")),
            editor: get("VISUAL").or_else(|| get("EDITOR")),
            plain: get("NO_COLOR").is_some() || get("TERM").as_deref() == Some("dumb"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_follow_xdg() {
        let of = |pairs: &[(&str, &str)]| {
            Surroundings::of(|name| {
                let found = pairs.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            })
        };
        let found = of(&[("HOME", "/h"), ("USER", "ada"), ("EDITOR", "vi"), ("VISUAL", "emacs")]);
        assert_eq!(found.config, Some("/h/.config/egctl".into()));
        assert_eq!(found.cache, Some("/h/.cache/egctl".into()));
        assert_eq!(found.state, Some("/h/.local/state/egctl".into()));
        assert_eq!((found.user.as_deref(), found.editor.as_deref()), (Some("ada"), Some("emacs")));
        let found = of(&[("HOME", "/h"), ("XDG_CACHE_HOME", "/c"), ("XDG_CONFIG_HOME", "rel")]);
        assert_eq!(found.cache, Some("/c/egctl".into()));
        assert_eq!(found.config, Some("/h/.config/egctl".into()));
        assert_eq!(of(&[]), Surroundings::default());
        assert!(of(&[("NO_COLOR", "1")]).plain);
    }
}
