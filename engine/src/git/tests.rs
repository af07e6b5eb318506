//! The history as the engine, and an operator with git of their own, leave it.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use eg_policy::moment::Moment;
use git2::{Repository, RepositoryInitOptions, Signature};

use super::{Author, CommitId, GitFault, GitState, History, Revision, open};
use crate::config::{GitMode, PolicyConfig};
use crate::process::without_git_configuration;

const NOW: i64 = 1_795_799_264_000_000;

struct Site {
    folder: tempfile::TempDir,
}

impl Site {
    fn new() -> Self {
        without_git_configuration().unwrap();
        let site = Self { folder: tempfile::tempdir().unwrap() };
        fs::create_dir(site.path()).unwrap();
        site
    }

    /// With a history that is begun.
    fn begun() -> (Self, History) {
        let site = Self::new();
        let history = History::init(&site.path()).unwrap();
        (site, history)
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("rules.d")
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn config(&self, mode: GitMode) -> PolicyConfig {
        let text = "[connectors.a]\nkey = \"0123456789abcdef\"\n\
             [captive_portal]\nsecret = \"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\"\n\
             [policy]\npath = \"rules.d\"\n";
        let file = self.folder.path().join("engine.conf");
        let none = eg_settings::Overrides::default();
        let mut config = crate::config::load_text(file, text, &none).unwrap().config.policy;
        config.git_mode = mode;
        config
    }

    fn open(&self) -> Result<GitState, GitFault> {
        open(&self.config(GitMode::Auto))
    }

    /// The repository as an operator has it.
    fn theirs(&self) -> Repository {
        Repository::open(self.path()).unwrap()
    }

    /// An operator's own commit of everything.
    fn their_commit(&self, message: &str) {
        let repository = self.theirs();
        let mut index = repository.index().unwrap();
        index.add_all(["*"], git2::IndexAddOption::DEFAULT, None).unwrap();
        index.write().unwrap();
        let tree = repository.find_tree(index.write_tree().unwrap()).unwrap();
        let who = Signature::now("Grace", "grace@example.com").unwrap();
        let parent = repository.head().unwrap().peel_to_commit().unwrap();
        repository.commit(Some("HEAD"), &who, &who, message, &tree, &[&parent]).unwrap();
    }

    /// The names in the last commit.
    fn committed(&self) -> Vec<String> {
        let repository = self.theirs();
        let tree = repository.head().unwrap().peel_to_tree().unwrap();
        let mut names = Vec::new();
        tree.walk(git2::TreeWalkMode::PreOrder, |folder, entry| {
            if entry.kind() != Some(git2::ObjectType::Tree) {
                names.push(format!("{}{}", folder, String::from_utf8_lossy(entry.name_bytes())));
            }
            git2::TreeWalkResult::Ok
        })
        .unwrap();
        names
    }
}

fn ada() -> Author {
    Author::new("ada").unwrap()
}

fn at(seconds: i64) -> Moment {
    Moment::from_unix_micros(NOW + seconds * 1_000_000)
}

fn commit(history: &History, why: &str) -> Option<CommitId> {
    history.commit(&ada(), why, at(0)).unwrap()
}

#[test]
fn whether_there_is_a_history_is_a_setting_and_a_folder() {
    let site = Site::new();
    let state = |mode| open(&site.config(mode)).unwrap();
    assert_eq!(state(GitMode::Auto), GitState::Off);
    assert_eq!(state(GitMode::ForceOff), GitState::Off);
    assert_eq!(state(GitMode::ForceOn), GitState::Missing);
    let history = History::init(&site.path()).unwrap();
    assert_eq!(state(GitMode::Auto), GitState::On(history.clone()));
    assert_eq!(state(GitMode::ForceOn), GitState::On(history));
    assert_eq!(state(GitMode::ForceOff), GitState::Off);
    let again = History::init(&site.path()).unwrap_err();
    assert!(matches!(again, GitFault::AlreadyThere { .. }), "{again}");
    let hooks = fs::read_dir(site.path().join(".git/hooks")).unwrap();
    let hooks: Vec<_> = hooks.map(|hook| hook.unwrap().file_name()).collect();
    assert_eq!(hooks, ["README.sample"], "libgit2's own note, and no user's template");
    assert_eq!(fs::read_dir(site.path()).unwrap().count(), 1);
}

#[test]
fn a_commit_holds_who_when_why_and_everything() {
    let (site, history) = Site::begun();
    assert_eq!(commit(&history, "nothing there yet"), None);
    assert_eq!(history.log(10).unwrap(), []);
    site.write("10-a.policy", "a\n");
    site.write("lists/names.list", "one.example\n");
    site.write(".hidden", "h");
    symlink("10-a.policy", site.path().join("link")).unwrap();
    let first = commit(&history, "begin\nwith two lines").unwrap();
    assert_eq!(
        site.committed(),
        [".hidden", "10-a.policy", "link", "lists/names.list"].map(String::from)
    );
    assert_eq!(commit(&history, "nothing changed"), None);
    fs::remove_file(site.path().join("lists/names.list")).unwrap();
    site.write("10-a.policy", "b\n");
    let second = history.commit(&Author::new("J\u{f6}rg").unwrap(), "", at(60)).unwrap().unwrap();
    assert_eq!(site.committed(), [".hidden", "10-a.policy", "link"].map(String::from));
    let log = history.log(10).unwrap();
    assert_eq!(log.len(), 2);
    assert_eq!((&log[0].id, &log[1].id), (&second, &first));
    assert_eq!((log[0].author.as_str(), log[0].reason.as_str()), ("J\u{f6}rg", "no reason given"));
    assert_eq!((log[1].author.as_str(), log[1].reason.as_str()), ("ada", "begin with two lines"));
    assert_eq!((log[0].when, log[1].when), (at(60), at(0)));
    assert_eq!(history.log(1).unwrap().len(), 1);
    let repository = site.theirs();
    let head = repository.head().unwrap().peel_to_commit().unwrap();
    assert_eq!(head.message_bytes(), b"no reason given");
    assert_eq!(head.committer().name_bytes(), b"enforcegate-engine");
    assert_eq!(site.theirs().statuses(None).unwrap().len(), 0, "git itself sees nothing to commit");
}

#[test]
fn what_operators_do_with_git_themselves_goes_along() {
    let (site, history) = Site::begun();
    site.write("10-a.policy", "a\n");
    commit(&history, "ours");
    site.write("20-b.policy", "b\n");
    site.their_commit("Theirs\n\nwith \x1b[31mcolour\n");
    assert_eq!(commit(&history, "nothing new for us"), None);
    // Staged, changed again, new, and ignored.
    site.write("10-a.policy", "staged\n");
    let repository = site.theirs();
    let mut index = repository.index().unwrap();
    index.add_path(Path::new("10-a.policy")).unwrap();
    index.write().unwrap();
    site.write("10-a.policy", "and changed\n");
    site.write("30-c.policy", "c\n");
    site.write("draft.policy", "d\n");
    site.write(".gitignore", "draft*\n");
    commit(&history, "ours again").unwrap();
    let expected = [".gitignore", "10-a.policy", "20-b.policy", "30-c.policy"];
    assert_eq!(site.committed(), expected.map(String::from));
    let log = history.log(10).unwrap();
    let reasons: Vec<_> = log.iter().map(|row| row.reason.as_str()).collect();
    assert_eq!(reasons, ["ours again", "Theirs with [31mcolour", "ours"]);
    assert_eq!(log[1].author, "Grace");
    let blob = history.diff(&Revision::new(log[0].id.as_str()).unwrap()).unwrap();
    assert_eq!(blob, "", "what was committed is what is there");
}

#[test]
fn a_folder_with_a_repository_of_its_own_is_left_out() {
    let (site, history) = Site::begun();
    site.write("10-a.policy", "a\n");
    site.write("copied/b.policy", "b\n");
    Repository::init(site.path().join("copied")).unwrap();
    site.write(".enforcegate-rollback/journal.json", "ours for a moment");
    commit(&history, "begin").unwrap();
    assert_eq!(site.committed(), ["10-a.policy"].map(String::from));
    assert_eq!(commit(&history, "again"), None);
}

#[test]
fn a_repository_that_must_not_be_used_is_refused_with_what_to_do() {
    let check = |prepare: &dyn Fn(&Site), says: &str| {
        let site = Site::new();
        prepare(&site);
        let fault = site.open().unwrap_err();
        assert!(eg_settings::log::chain(&fault).contains(says), "{says}: {fault}");
    };
    let init = |site: &Site| drop(Repository::init(site.path()).unwrap());
    check(&|site| drop(Repository::init_bare(site.path().join(".git")).unwrap()), "is bare");
    check(&|site| site.write(".git/HEAD", "nonsense"), "cannot open");
    check(
        &|site| {
            init(site);
            site.write(".git/config", "[core\n");
        },
        "cannot open",
    );
    check(
        &|site| {
            init(site);
            fs::write(site.path().join(".git/HEAD"), "\0\0").unwrap();
            fs::remove_dir_all(site.path().join(".git/objects")).unwrap();
        },
        "cannot open",
    );
    check(&|site| site.write(".git", "gitdir: ../elsewhere\n"), "`.git` is no folder");
    check(
        &|site| {
            fs::create_dir(site.folder.path().join("other")).unwrap();
            Repository::init(site.folder.path().join("other")).unwrap();
            symlink("../other/.git", site.path().join(".git")).unwrap();
        },
        "`.git` is no folder",
    );
    check(
        &|site| {
            init(site);
            let mut config = site.theirs().config().unwrap();
            config.set_str("core.worktree", "/").unwrap();
        },
        "`core.worktree`",
    );
    check(
        &|site| {
            init(site);
            site.write(".git/commondir", "../../other/.git\n");
            let mut options = RepositoryInitOptions::new();
            options.mkpath(true);
            Repository::init_opts(site.folder.path().join("other"), &options).unwrap();
        },
        "`commondir`",
    );
}

#[test]
fn a_foreign_owner_is_refused() {
    let (site, history) = Site::begun();
    site.write("10-a.policy", "a\n");
    let nobody = Some(nix::unistd::Uid::from_raw(65534));
    // Only root can give a folder away; that the owner is compared at all is tested without.
    if nix::unistd::chown(&site.path().join(".git"), nobody, None).is_ok()
        && !nix::unistd::geteuid().as_raw().eq(&65534)
    {
        let fault = history.commit(&ada(), "x", at(0)).unwrap_err();
        assert!(matches!(fault, GitFault::ForeignOwner { owner: 65534, .. }), "{fault}");
        assert!(matches!(site.open(), Err(GitFault::ForeignOwner { .. })));
    }
}

#[test]
fn nothing_is_committed_into_what_is_under_way() {
    let check = |prepare: &dyn Fn(&Site), expected: &dyn Fn(&GitFault) -> bool| {
        let (site, history) = Site::begun();
        site.write("10-a.policy", "a\n");
        let first = commit(&history, "begin").unwrap();
        prepare(&site);
        site.write("10-a.policy", "b\n");
        let fault = history.commit(&ada(), "more", at(0)).unwrap_err();
        assert!(expected(&fault), "{fault:?}");
        assert_eq!(history.log(10).unwrap()[0].id, first);
        assert_eq!(fs::read_to_string(site.path().join("10-a.policy")).unwrap(), "b\n");
    };
    check(
        &|site| site.write(".git/index.lock", ""),
        &|fault| matches!(fault, GitFault::Locked { lock } if lock.ends_with(".git/index.lock")),
    );
    check(&|site| site.write(".git/HEAD.lock", ""), &|fault| {
        matches!(fault, GitFault::Locked { .. })
    });
    check(&|site| site.write(".git/refs/heads/main.lock", ""), &|fault| {
        matches!(fault, GitFault::Locked { .. })
    });
    let detach = |site: &Site| {
        let repository = site.theirs();
        let head = repository.head().unwrap().target().unwrap();
        repository.set_head_detached(head).unwrap();
    };
    check(&detach, &|fault| matches!(fault, GitFault::Detached { .. }));
    let merge = |site: &Site| {
        let head = site.theirs().head().unwrap().target().unwrap();
        site.write(".git/MERGE_HEAD", &format!("{head}\n"));
    };
    check(&merge, &|fault| matches!(fault, GitFault::UnderWay { what: "merge", .. }));
    let damage = |site: &Site| site.write(".git/index", "not an index at all");
    check(&damage, &|fault| matches!(fault, GitFault::Git { .. }));
}

#[test]
fn neither_hooks_nor_somebody_elses_configuration_count() {
    let (site, history) = Site::begun();
    let told = site.folder.path().join("told");
    for hook in
        ["pre-commit", "prepare-commit-msg", "commit-msg", "post-commit", "reference-transaction"]
    {
        let text = format!("#!/bin/sh\necho {hook} >> {}\nexit 1\n", told.display());
        site.write(&format!(".git/hooks/{hook}"), &text);
        let hook = site.path().join(".git/hooks").join(hook);
        fs::set_permissions(hook, fs::Permissions::from_mode(0o755)).unwrap();
    }
    site.write("10-a.policy", "a\r\n");
    commit(&history, "begin").unwrap();
    assert!(!told.exists());
    for level in [
        git2::ConfigLevel::ProgramData,
        git2::ConfigLevel::System,
        git2::ConfigLevel::XDG,
        git2::ConfigLevel::Global,
    ] {
        let open = site.theirs().config().unwrap().open_level(level);
        assert!(open.is_err(), "{level:?}");
    }
}

#[test]
fn a_tag_stays_where_it_is() {
    let (site, history) = Site::begun();
    let none = history.tag("v1", &ada(), at(0)).unwrap_err();
    assert!(matches!(none, GitFault::Empty { .. }), "{none}");
    site.write("10-a.policy", "a\n");
    commit(&history, "begin");
    history.tag("v1", &ada(), at(0)).unwrap();
    history.tag("before-feeds", &ada(), at(0)).unwrap();
    site.write("10-a.policy", "b\n");
    commit(&history, "more");
    assert!(matches!(history.tag("v1", &ada(), at(0)), Err(GitFault::TagThere { .. })));
    for bad in ["", "a b", "../x", "-f", "a..b", "a.lock"] {
        assert!(matches!(history.tag(bad, &ada(), at(0)), Err(GitFault::BadTag { .. })), "{bad}");
    }
    let log = history.log(10).unwrap();
    assert_eq!(log[0].tags, [""; 0]);
    assert_eq!(log[1].tags, ["before-feeds", "v1"]);
}

#[test]
fn a_diff_is_unified_bounded_and_printable() {
    let (site, history) = Site::begun();
    site.write("10-a.policy", "one\ntwo\n");
    site.write("gone.policy", "x\n");
    site.write("large.list", &"name.example\n".repeat(100_000));
    let first = commit(&history, "begin").unwrap();
    history.tag("v1", &ada(), at(0)).unwrap();
    site.write("10-a.policy", "one\n2\x1b[31m\n");
    site.write("new/b.policy", "b\n");
    site.write("large.list", &"name.example\n".repeat(100_001));
    fs::remove_file(site.path().join("gone.policy")).unwrap();
    let diff = |from: &str| history.diff(&Revision::new(from).unwrap());
    let text = diff("v1").unwrap();
    for part in [
        "@@ -1,2 +1,2 @@\n one\n-two\n+2\\u{1b}[31m\n",
        "--- a/gone.policy\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n",
        "+++ b/new/b.policy\n@@ -0,0 +1 @@\n+b\n",
        "\nlarge.list differs; it is too large, or no text, to be shown by lines\n",
    ] {
        assert!(text.contains(part), "{part}\n---\n{text}");
    }
    assert_eq!(diff(first.as_str()).unwrap(), text);
    assert_eq!(diff(first.as_str().get(..7).unwrap()).unwrap(), text);
    for none in ["v2", "0000000", "abcdef"] {
        assert!(matches!(diff(none), Err(GitFault::NoRevision { .. })), "{none}");
    }
    // Each below the bound of a file, together above that of the answer.
    for number in 0..3 {
        site.write(&format!("many{number}.policy"), &"0123456789\n".repeat(50_000));
    }
    let text = diff("v1").unwrap();
    assert!(text.len() < (1 << 20) + 100 && text.ends_with("longer than 1 MiB\n"));
}

#[test]
fn blame_says_what_no_line_and_no_file_is() {
    let (site, history) = Site::begun();
    let check = |file: &str, lines, expected: &dyn Fn(&GitFault) -> bool| {
        let fault = history.blame(file, lines).unwrap_err();
        assert!(expected(&fault), "{file}: {fault}");
    };
    check("10-a.policy", 1..=1, &|fault| matches!(fault, GitFault::Empty { .. }));
    site.write("lists/10-a.policy", "one\ntwo\nthree");
    site.write("empty.policy", "");
    commit(&history, "begin");
    site.write("later.policy", "x\n");
    for file in ["later.policy", "lists", "", "../rules.d/x", "/etc/passwd", "lists/../x", "no\n"] {
        check(file, 1..=1, &|fault| matches!(fault, GitFault::NotKept { .. }));
    }
    #[expect(clippy::reversed_empty_ranges, reason = "it is refused")]
    for lines in [0..=1, 1..=4, 4..=4, 3..=2, 1..=u32::MAX] {
        check("lists/10-a.policy", lines, &|fault| {
            matches!(fault, GitFault::NoLines { there: 3, .. })
        });
    }
    check("empty.policy", 1..=1, &|fault| matches!(fault, GitFault::NoLines { there: 0, .. }));
    assert_eq!(history.blame("lists/10-a.policy", 1..=3).unwrap().len(), 3);
}

/// Each line says in which commit it was written, so what blame has to say stands in the file.
#[test]
fn blame_agrees_with_what_each_line_says_of_itself() {
    let (site, history) = Site::begun();
    // Edits out of a simple generator: the same ones in every run.
    let mut state: u64 = 0x2545_f491_4f6c_dd1d;
    let mut below = |bound: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % bound as u64).unwrap()
    };
    let mut lines: Vec<String> = Vec::new();
    let mut written = 0;
    for round in 0..60 {
        for _ in 0..=below(4) {
            written += 1;
            let line = format!("round {round} line {written}");
            match below(4) {
                0 if !lines.is_empty() => drop(lines.remove(below(lines.len()))),
                1 if !lines.is_empty() => {
                    let at = below(lines.len());
                    lines[at] = line;
                }
                _ => {
                    let at = below(lines.len() + 1);
                    lines.insert(at, line);
                }
            }
        }
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        site.write("10-a.policy", &text);
        history.commit(&ada(), &format!("round {round}"), at(round)).unwrap();
        if lines.is_empty() {
            continue;
        }
        let all = u32::try_from(lines.len()).unwrap();
        let first = 1 + u32::try_from(below(lines.len())).unwrap();
        for range in [1..=all, first..=all, first..=first] {
            for row in history.blame("10-a.policy", range.clone()).unwrap() {
                let line = &lines[usize::try_from(row.line).unwrap() - 1];
                let begins = format!("{} line", row.reason);
                assert!(
                    line.starts_with(&begins),
                    "{range:?} in round {round}: {row:?} of `{line}`"
                );
                assert_eq!(row.author, "ada");
            }
        }
    }
}

#[test]
fn a_pipe_in_the_folder_holds_up_neither_commits_nor_differences() {
    let (site, history) = Site::begun();
    site.write("a.policy", "a");
    commit(&history, "first").unwrap();
    history.tag("v1", &ada(), at(1)).unwrap();
    let pipe = |name: &str| {
        nix::unistd::mkfifo(&site.path().join(name), nix::sys::stat::Mode::S_IRWXU).unwrap();
    };
    pipe("pipe");
    fs::remove_file(site.path().join("a.policy")).unwrap();
    pipe("a.policy");
    drop(history.diff(&Revision::new("v1").unwrap()).unwrap());
    site.write("b.policy", "b");
    commit(&history, "second").unwrap();
    assert_eq!(site.committed(), ["b.policy"]);
}
