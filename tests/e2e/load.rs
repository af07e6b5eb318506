//! `egpolicy load` and a running engine: the receipt for people and for programs, and the exit codes.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use anyhow::Result;
use eg_tests::folder::{self, Folder};
use eg_tests::installation::{Installation, Plan};
use eg_tests::programs::{Programs, beside_this_one};

struct Tool {
    program: PathBuf,
    conf: PathBuf,
}

impl Tool {
    fn of(engine: &Installation) -> Result<Self> {
        let conf = engine.path("egpolicy.conf");
        folder::write(&conf, "[global]\nsocket = \"engine/control.sock\"\n", 0o640)?;
        Ok(Self { program: beside_this_one("egpolicy")?, conf })
    }

    /// Runs `egpolicy load`, which must end with this code; what it says, and what it complains of.
    fn load(&self, arguments: &[&str], code: i32) -> Result<(String, String)> {
        let mut command = Command::new(&self.program);
        command.arg("load").arg("-c").arg(&self.conf).args(arguments);
        let Output { status, stdout, stderr } = command.output()?;
        let (said, told) = (String::from_utf8(stdout)?, String::from_utf8(stderr)?);
        assert_eq!(status.code(), Some(code), "{said}{told}");
        Ok((said, told))
    }
}

#[test]
fn an_operator_loads_a_policy_and_sees_what_came_of_it() -> Result<()> {
    let plan = Plan { rules: None, verdicts: "none", threads: 1, inspect: "off", ..Plan::demo() };
    let programs = Programs::beside_this_one()?;
    let mut engine = Installation::prepare(Folder::temporary()?, &programs, &plan)?;
    let tool = Tool::of(&engine)?;
    let (said, told) = tool.load(&[], 4)?;
    assert!(said.is_empty() && told.contains("cannot reach the engine"), "{said}{told}");
    engine.start_engine()?;

    let rule = engine.path("rules.d/10-games.policy");
    fs::write(&rule, "games: {\n    match-domain: games.example\n    action: deny\n}\n")?;
    let (said, _) = tool.load(&["--dry-run"], 0)?;
    assert!(said.contains("would be taken") && said.contains("rules added: 1: games"), "{said}");
    let (said, _) = tool.load(&["--reason", "exams"], 0)?;
    assert!(said.contains("live: revision 2") && said.contains("rules: 1, lists: 0"), "{said}");
    let (said, _) = tool.load(&["--format", "json"], 0)?;
    let receipt: serde_json::Value = serde_json::from_str(&said)?;
    assert_eq!(receipt.get("outcome").and_then(serde_json::Value::as_str), Some("live"), "{said}");

    fs::write(&rule, "games: {\n    match-domian: games.example\n}\n")?;
    let (said, told) = tool.load(&[], 1)?;
    assert!(said.is_empty() && told.contains("10-games.policy:2:"), "{said}{told}");
    assert!(told.contains("EGP020") && told.contains("match-domain"), "{told}");
    let (said, _) = tool.load(&["--format", "json"], 1)?;
    let problem: serde_json::Value = serde_json::from_str(&said)?;
    assert_eq!(problem.get("status").and_then(serde_json::Value::as_u64), Some(422), "{said}");

    fs::remove_file(&rule)?;
    let (_, told) = tool.load(&[], 1)?;
    assert!(told.contains("reload with force"), "{told}");
    let (said, _) = tool.load(&["--force"], 0)?;
    assert!(said.contains("by force") && said.contains("rules removed: 1: games"), "{said}");

    tool.load(&["--fast"], 2)?;
    fs::write(&tool.conf, "[global]\nsockets = \"x\"\n")?;
    let (_, told) = tool.load(&[], 1)?;
    assert!(told.contains("`socket`"), "{told}");
    engine.stop()
}
