//! Faults in the form of SARIF 2.1.0, which code hosts show beside the lines.
//!
//! Columns count characters, as `columnKind` says: that is how places count them, and it needs no more of
//! a line than what is kept with a fault. A consumer that counts UTF-16 reads it from there.

use std::io::{self, Write};

use eg_policy::diagnostic::{Code, Diagnostic, Severity};
use serde_json::{Value, json};

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// Prints faults as one run of `egpolicy`.
///
/// # Errors
///
/// What the output says.
pub fn sarif(out: &mut impl Write, faults: &[Diagnostic], version: &str) -> io::Result<()> {
    let rules: Vec<Value> = Code::ALL.iter().map(|code| rule(*code)).collect();
    let results: Vec<Value> = faults.iter().map(result).collect();
    let document = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "egpolicy", "version": version, "rules": rules } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    });
    writeln!(out, "{document:#}")
}

/// A code of the catalogue.
fn rule(code: Code) -> Value {
    json!({
        "id": code.id(),
        "shortDescription": { "text": code.title() },
        "help": { "text": code.advice() },
        "defaultConfiguration": { "level": level(code.severity()) },
    })
}

const fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}

/// One fault. What it says to do stands behind the message, since most viewers show only that.
fn result(fault: &Diagnostic) -> Value {
    let index = Code::ALL.iter().position(|code| *code == fault.code);
    let locations: Vec<Value> = location(fault).into_iter().collect();
    json!({
        "ruleId": fault.code.id(),
        "ruleIndex": index,
        "level": level(fault.severity),
        "message": { "text": format!("{}. {}", fault.message, fault.advice()) },
        "locations": locations,
    })
}

/// Where it is; nowhere for the count of faults that are not shown, without a region for a whole file.
fn location(fault: &Diagnostic) -> Option<Value> {
    let place = &fault.place;
    let artifact = json!({ "uri": uri(&place.file) });
    if place.file.is_empty() {
        return None;
    }
    if place.line == 0 {
        return Some(json!({ "physicalLocation": { "artifactLocation": artifact } }));
    }
    let marked = fault.source_line.get(fault.mark.clone()).unwrap_or_default();
    let letters = u32::try_from(marked.chars().count()).unwrap_or(u32::MAX);
    let region = json!({
        "startLine": place.line,
        "startColumn": place.column,
        "endLine": place.line,
        "endColumn": place.column.saturating_add(letters),
        "snippet": { "text": fault.source_line },
    });
    Some(json!({ "physicalLocation": { "artifactLocation": artifact, "region": region } }))
}

/// A path as the reference of a URI (RFC 3986): relative where it is.
fn uri(path: &str) -> String {
    let mut uri = String::from(if path.starts_with('/') { "file://" } else { "" });
    for byte in path.strip_prefix("./").unwrap_or(path).bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' | b'~' => {
                uri.push(char::from(byte));
            }
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use eg_policy::check::{Trust, check};
    use eg_policy::sources::SourceFile;

    use super::*;

    fn document(path: &str, text: &str) -> Value {
        let (_, faults) = check(&[(SourceFile::new(path, text), Trust::Operator)]);
        let mut bytes = Vec::new();
        sarif(&mut bytes, &faults, "1.2.3.4").unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }

    /// What the schema requires: `version` and `runs` of the log, `tool` of a run, `driver` of a tool,
    /// `name` of a driver, `id` of a rule, `message` of a result, and numbers from 1 on in a region.
    #[test]
    fn what_the_schema_requires_is_there() {
        let log =
            document("rules.d/10 a.policy", "a: {\n match-domian: a.test\n action: dney\n}\n");
        assert_eq!((&log["version"], &log["$schema"]), (&json!("2.1.0"), &json!(SCHEMA)));
        let run = &log["runs"][0];
        let driver = &run["tool"]["driver"];
        assert_eq!((&driver["name"], &driver["version"]), (&json!("egpolicy"), &json!("1.2.3.4")));
        let rules = driver["rules"].as_array().unwrap();
        assert_eq!(rules.len(), Code::ALL.len());
        let results = run["results"].as_array().unwrap();
        assert_eq!(results.len(), 2, "{results:#?}");
        for result in results {
            let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
            assert_eq!(rules[index]["id"], result["ruleId"]);
            assert!(["error", "warning", "note"].contains(&result["level"].as_str().unwrap()));
            assert!(result["message"]["text"].as_str().unwrap().len() > 10);
            let place = &result["locations"][0]["physicalLocation"];
            assert_eq!(place["artifactLocation"]["uri"], "rules.d/10%20a.policy");
            for key in ["startLine", "startColumn", "endLine", "endColumn"] {
                assert!(place["region"][key].as_u64().unwrap() > 0, "{key}");
            }
        }
    }

    #[test]
    fn columns_count_characters() {
        // Two letters of two bytes, and one of four that UTF-16 counts as two.
        let log =
            document("/r/a.policy", "a: {\n /* \u{e9}\u{e8}\u{1f600} */ match-domian: a.test\n}\n");
        let results = log["runs"][0]["results"].as_array().unwrap();
        let region = |code: &str| {
            let found = results.iter().find(|result| result["ruleId"] == code).unwrap();
            found["locations"][0]["physicalLocation"].clone()
        };
        let place = region("EGP020");
        assert_eq!(place["artifactLocation"]["uri"], "file:///r/a.policy");
        let region = &place["region"];
        assert_eq!((&region["startLine"], &region["startColumn"]), (&json!(2), &json!(12)));
        assert_eq!(region["endColumn"], json!(12 + "match-domian".len()));
        assert_eq!(log["runs"][0]["columnKind"], "unicodeCodePoints");
    }

    #[test]
    fn a_fault_of_a_whole_file_has_no_region() {
        let mut file = SourceFile::new("a.policy", "");
        file.fault = Some("permission denied".to_owned());
        let (_, faults) = check(&[(file, Trust::Operator)]);
        let mut bytes = Vec::new();
        sarif(&mut bytes, &faults, "1").unwrap();
        let log: Value = serde_json::from_slice(&bytes).unwrap();
        let place = &log["runs"][0]["results"][0]["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "a.policy");
        assert!(place.get("region").is_none());
    }
}
