//! The command line (SPEC 2). Help and version leave with status 2, as in the original.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{ArgAction, Parser};

/// Decides what Squid's clients may reach.
#[derive(Debug, Parser)]
#[command(
    name = "enforcegate-engine",
    version = version(),
    disable_version_flag = true,
    disable_help_flag = true
)]
struct Flags {
    /// Print this help
    #[arg(short = 'h', long = "help", action = ArgAction::Help)]
    help: Option<bool>,

    /// Print the version
    #[arg(short = 'v', long = "version", action = ArgAction::Version)]
    version: Option<bool>,

    /// The configuration
    #[arg(short, long, value_name = "PATH", default_value = "/etc/enforcegate/engine.conf")]
    conf: PathBuf,

    /// Detach and serve in the background; ends once the engine can answer, or with its failure
    #[arg(short = 'D', long)]
    daemon: bool,

    /// The pid file, locked while the engine runs; with -D /run/enforcegate/engine.pid unless given
    #[arg(long, value_name = "PATH")]
    pidfile: Option<PathBuf>,

    /// emergency, alert, critical, error, warning, notice, info or debug
    #[arg(long, value_name = "LEVEL")]
    loglevel: Option<String>,

    /// file, console or syslog
    #[arg(long, value_name = "TYPE")]
    logtype: Option<String>,

    /// Read configuration and policy, print every fault, and leave with 0 or 1
    #[arg(long)]
    check: bool,

    /// Make an account of level 11, with a password from the terminal or from standard input, and end
    #[arg(long, value_name = "NAME", conflicts_with_all = ["check", "daemon"])]
    add_admin: Option<String>,
}

/// What the program was asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// Serve.
    Run,
    /// Read configuration and policy, say what is wrong, and end.
    Check,
    /// Make an account of level 11 by this name, and end.
    AddAdmin(String),
}

/// Where it serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ground {
    /// Below whoever started it.
    Foreground,
    /// Detached (`-D`).
    Background,
}

/// The pid file of daemon mode (SPEC 1).
const PID_FILE: &str = "/run/enforcegate/engine.pid";

/// The arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Args {
    /// The configuration file.
    pub conf: PathBuf,
    /// What to do.
    pub mode: Mode,
    /// Where it serves.
    pub ground: Ground,
    /// The pid file, where there is to be one.
    pub pid_file: Option<PathBuf>,
    /// `--loglevel`
    pub log_level: Option<String>,
    /// `--logtype`
    pub log_type: Option<String>,
}

/// Why there are no arguments: a text to show, and where it goes. The status is 2 in every case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// Help or version, for standard output.
    Asked(String),
    /// A fault, for standard error.
    Fault(String),
}

/// The version in four parts: the workspace's and the number of the build.
#[must_use]
pub const fn version() -> &'static str {
    concat!(env!("CARGO_PKG_VERSION"), ".", env!("EG_BUILD"))
}

impl Args {
    /// Reads the arguments, the program's name first.
    ///
    /// # Errors
    ///
    /// What to show instead, before the status 2.
    pub fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, Shown> {
        let flags = Flags::try_parse_from(arguments).map_err(|error| match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Shown::Asked(error.to_string()),
            _ => Shown::Fault(error.to_string()),
        })?;
        let ground = if flags.daemon { Ground::Background } else { Ground::Foreground };
        let default = flags.daemon.then(|| PathBuf::from(PID_FILE));
        // A daemon works in `/`, and a restart starts from there.
        let whole = |path: PathBuf| std::path::absolute(&path).unwrap_or(path);
        Ok(Self {
            conf: whole(flags.conf),
            ground,
            pid_file: flags.pidfile.or(default).map(whole),
            mode: match flags.add_admin {
                Some(name) => Mode::AddAdmin(name),
                None if flags.check => Mode::Check,
                None => Mode::Run,
            },
            log_level: flags.loglevel,
            log_type: flags.logtype,
        })
    }

    /// The command line that means the same, for the program to be executed anew.
    #[must_use]
    pub fn again(&self) -> Vec<OsString> {
        let Self { conf, mode: _, ground, pid_file, log_level, log_type } = self;
        let flag = |name: &str, value: OsString| {
            let mut flag = OsString::from(name);
            flag.push("=");
            flag.push(value);
            flag
        };
        let mut again = vec![flag("--conf", conf.into())];
        match ground {
            Ground::Foreground => {}
            Ground::Background => again.push("--daemon".into()),
        }
        again.extend(pid_file.iter().map(|path| flag("--pidfile", path.into())));
        again.extend(log_level.iter().map(|level| flag("--loglevel", level.into())));
        again.extend(log_type.iter().map(|kind| flag("--logtype", kind.into())));
        again
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(arguments: &[&str]) -> Result<Args, Shown> {
        let program = std::iter::once("enforcegate-engine");
        Args::read(program.chain(arguments.iter().copied()).map(OsString::from))
    }

    #[test]
    fn the_manual_has_every_flag() {
        let page = eg_settings::in_tree("docs/manual/engine.md").unwrap();
        let page = std::fs::read_to_string(page).unwrap();
        let flags = <Flags as clap::CommandFactory>::command();
        let flags: Vec<_> = flags.get_arguments().filter_map(clap::Arg::get_long).collect();
        assert!(flags.len() >= 8, "{flags:?}");
        for flag in flags {
            let there = [format!("`--{flag}`"), format!("`--{flag} ")];
            assert!(there.iter().any(|text| page.contains(text)), "--{flag} is not in the manual");
        }
    }

    #[test]
    fn the_default_is_to_serve_by_the_default_file() {
        let args = read(&[]).unwrap();
        assert_eq!(args.conf, PathBuf::from("/etc/enforcegate/engine.conf"));
        assert_eq!(args.mode, Mode::Run);
    }

    #[test]
    fn short_and_long_flags_are_one() {
        for flags in [["-c", "a.conf"], ["--conf", "a.conf"]] {
            assert_eq!(read(&flags).unwrap().conf, std::path::absolute("a.conf").unwrap());
        }
        assert_eq!(read(&["--check"]).unwrap().mode, Mode::Check);
        assert_eq!(read(&["--loglevel", "info"]).unwrap().log_level.as_deref(), Some("info"));
    }

    #[test]
    fn the_version_has_four_parts() {
        for flag in ["-v", "--version"] {
            let Err(Shown::Asked(text)) = read(&[flag]) else { panic!("{flag}") };
            let number = text.trim().rsplit(' ').next().unwrap();
            assert_eq!(number.split('.').count(), 4, "{text}");
            assert!(number.split('.').all(|part| part.parse::<u32>().is_ok()), "{text}");
        }
    }

    #[test]
    fn only_a_daemon_has_a_pid_file_by_itself() {
        let default = Some(PathBuf::from("/run/enforcegate/engine.pid"));
        let given = Some(PathBuf::from("/x.pid"));
        for (flags, ground, pid_file) in [
            (&[][..], Ground::Foreground, &None),
            (&["-D"], Ground::Background, &default),
            (&["--daemon"], Ground::Background, &default),
            (&["--pidfile", "/x.pid"], Ground::Foreground, &given),
            (&["-D", "--pidfile", "/x.pid"], Ground::Background, &given),
        ] {
            let args = read(flags).unwrap();
            assert_eq!((args.ground, &args.pid_file), (ground, pid_file), "{flags:?}");
        }
    }

    #[test]
    fn a_restart_reads_as_the_start_did() {
        for flags in [
            &[][..],
            &["-c", "a.conf", "-D"],
            &["--pidfile", "b.pid", "--loglevel", "debug", "--logtype", "syslog"],
            &["-D", "--pidfile", "-odd"],
        ] {
            let Ok(args) = read(flags) else { continue };
            let program = std::iter::once(OsString::from("enforcegate-engine"));
            assert_eq!(Args::read(program.chain(args.again())).unwrap(), args, "{flags:?}");
        }
    }

    #[test]
    fn an_account_is_made_by_a_start_that_does_nothing_else() {
        assert_eq!(read(&["--add-admin", "a"]).unwrap().mode, Mode::AddAdmin("a".to_owned()));
        for flags in
            [&["--add-admin"][..], &["--add-admin", "a", "-D"], &["--add-admin", "a", "--check"]]
        {
            assert!(matches!(read(flags), Err(Shown::Fault(_))), "{flags:?}");
        }
    }

    #[test]
    fn unknown_flags_are_refused() {
        assert!(matches!(read(&["--daemonize"]), Err(Shown::Fault(_))));
        assert!(matches!(read(&["stray"]), Err(Shown::Fault(_))));
    }
}
