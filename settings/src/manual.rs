//! The manual's table of all keys, made from the description.

use crate::key::{Built, Description, Fallback, Reload};

/// The table of all keys, in Markdown. It says what SIGHUP does where that is not nothing for all.
#[must_use]
pub fn manual_table(description: &Description) -> String {
    let rereads = description.keys.iter().any(|key| key.reload == Reload::Contents);
    let (names, rule) = if rereads {
        ("| section | key | type | default | on SIGHUP | meaning |", "|---|---|---|---|---|---|")
    } else {
        ("| section | key | type | default | meaning |", "|---|---|---|---|---|")
    };
    let mut table = format!("{names}\n{rule}\n");
    for key in description.keys {
        let section = match key.section {
            "" => "(top)".to_owned(),
            section => format!("`[{section}]`"),
        };
        let default = match key.default {
            Fallback::Value("") => "`\"\"`".to_owned(),
            Fallback::Value(value) => format!("`{value}`"),
            Fallback::Nothing(words) => words.to_owned(),
        };
        let reload = match key.reload {
            Reload::Restart => "restart",
            Reload::Contents => "its contents",
        };
        let later = match key.built {
            Built::Now => String::new(),
            Built::Later => " (Checked; no effect in this version.)".to_owned(),
            Built::LaterBut(values) => {
                format!(" (In this version only `{}` has an effect.)", values.join("`, `"))
            }
        };
        let mut row = vec![section, format!("`{}`", key.name), key.kind.describe(), default];
        row.extend(rereads.then(|| reload.to_owned()));
        row.push(format!("{}{later}", key.meaning));
        table.push_str(&format!("| {} |\n", row.join(" | ")));
    }
    table
}

/// A page of the manual with its table of keys made anew; `None` where it has no place for one, the
/// lines `<!-- keys: ... -->` and `<!-- end of keys -->`.
#[must_use]
pub fn with_manual_table(page: &str, description: &Description) -> Option<String> {
    with_table(page, "keys", &manual_table(description))
}

/// A page of the manual with the table of `what` made anew; `None` where it has no place for one, the
/// lines `<!-- what: ... -->` and `<!-- end of what -->`.
#[must_use]
pub fn with_table(page: &str, what: &str, table: &str) -> Option<String> {
    let (start, end) = (format!("<!-- {what}:"), format!("<!-- end of {what} -->"));
    let (before, rest) = page.split_once(&start)?;
    let (note, rest) = rest.split_once('\n')?;
    let (_, after) = rest.split_once(&end)?;
    Some(format!("{before}{start}{note}\n{table}{end}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::EXAMPLE;

    #[test]
    fn a_page_keeps_what_is_around_its_table() {
        let page = "# A\n<!-- keys: from b -->\nold\n<!-- end of keys -->\nC\n";
        let made = with_manual_table(page, &EXAMPLE).unwrap();
        let table = manual_table(&EXAMPLE);
        assert_eq!(made, format!("# A\n<!-- keys: from b -->\n{table}<!-- end of keys -->\nC\n"));
        assert_eq!(with_manual_table(&made, &EXAMPLE).unwrap(), made);
        for page in ["", "<!-- keys: x -->\n", "<!-- end of keys -->"] {
            assert_eq!(with_manual_table(page, &EXAMPLE), None);
        }
        let two = "<!-- a: x -->\n1\n<!-- end of a -->\n<!-- b: y -->\n2\n<!-- end of b -->\n";
        assert_eq!(with_table(two, "b", "3\n"), Some(two.replace('2', "3")));
        let row = "| `[policy]` | `watch` | bool | `false` | restart | reload by itself (In this \
                   version only `false` has an effect.) |\n";
        assert!(table.contains(row), "{table}");
    }
}
